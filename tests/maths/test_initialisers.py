import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.maths.initialisers import INITIALISERS, check_initialiser, initialise_bias, initialise_weights
from glassnet.maths.layers import Dense
from glassnet.maths.random import Purpose, Stream

P_IN, Q_OUT = 300, 200
STREAM = Stream(7, Purpose.INITIALISE)
VARIANCES = {
    "standard_normal": 1.0,
    "glorot_uniform": 2 / (P_IN + Q_OUT),
    "glorot_normal": 2 / (P_IN + Q_OUT),
    "he_normal": 2 / P_IN,
    "he_uniform": 2 / P_IN,
    "lecun_normal": 1 / P_IN,
    "lecun_uniform": 1 / P_IN,
    "fan_in": 1 / (3 * P_IN),
    "zeros": 0.0,
}
RANDOM = sorted(set(VARIANCES) - {"zeros"})
UNIFORM = [name for name in RANDOM if name.endswith("uniform") or name == "fan_in"]


def test_every_rule_has_its_variance_here():
    assert sorted(INITIALISERS) == sorted([*VARIANCES, "piecewise_linear"])  # which is no rule for a whole matrix


@pytest.mark.parametrize("name", RANDOM)
def test_mean_and_variance_are_those_of_the_rule_within_five_sigma(name):
    W = initialise_weights(name, STREAM, P_IN, Q_OUT)
    variance, n = VARIANCES[name], W.size
    # The mean of n draws has the variance v/n; their mean square has (κ - 1) v²/n, with the kurtosis κ = 3 of a
    # normal and 9/5 of a uniform distribution.
    kurtosis = 9 / 5 if name in UNIFORM else 3.0
    assert abs(W.mean()) < 5 * np.sqrt(variance / n)
    assert abs((W**2).mean() - variance) < 5 * variance * np.sqrt((kurtosis - 1) / n)


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_weights_fill_their_interval_and_stay_inside(name):
    # U(-a, a) has the variance a²/3.
    a = np.sqrt(3 * VARIANCES[name])
    W = initialise_weights(name, STREAM, P_IN, Q_OUT)
    assert np.abs(W).max() <= a
    assert W.max() > 0.999 * a
    assert W.min() < -0.999 * a


def test_the_bounds_of_the_papers():
    # p = 2, q = 4: Glorot √(6/6) = 1, He √(6/2) = √3, LeCun √(3/2), fan-in 1/√2. All read the same uniform numbers.
    U = 2.0 * STREAM.uniform(2, 4) - 1.0
    bounds = {"glorot_uniform": 1.0, "he_uniform": np.sqrt(3.0), "lecun_uniform": np.sqrt(1.5), "fan_in": np.sqrt(0.5)}
    for name, a in bounds.items():
        np.testing.assert_allclose(initialise_weights(name, STREAM, 2, 4), a * U, rtol=1e-15)


def test_normal_rules_are_the_standard_normal_scaled():
    N = initialise_weights("standard_normal", STREAM, 8, 2)
    for name, factor in (("he_normal", 0.5), ("lecun_normal", np.sqrt(1 / 8)), ("glorot_normal", np.sqrt(0.2))):
        np.testing.assert_allclose(initialise_weights(name, STREAM, 8, 2), factor * N, rtol=1e-15)


def test_zeros_are_zeros():
    np.testing.assert_array_equal(initialise_weights("zeros", STREAM, 3, 2), np.zeros((3, 2)))


@pytest.mark.parametrize("name", sorted(VARIANCES))
def test_only_the_articles_rule_and_fan_in_draw_biases(name):
    b = initialise_bias(name, STREAM, 3, 5000)
    assert b.shape == (5000,)
    if name == "standard_normal":
        assert abs(b.mean()) < 5 / np.sqrt(5000)
        assert abs((b**2).mean() - 1.0) < 5 * np.sqrt(2 / 5000)
    elif name == "fan_in":  # U(-a, a) with a = 1 / √3
        assert np.abs(b).max() <= 1 / np.sqrt(3)
        assert abs((b**2).mean() - 1 / 9) < 5 / 9 * np.sqrt(0.8 / 5000)
    else:
        assert not b.any()


def test_a_line_is_drawn_in_the_first_row_and_the_bias_within_one_over_the_root_of_the_width():
    U = 2.0 * STREAM.uniform(3, 16) - 1.0  # the numbers that other uniform rules read in that row
    W, b = (draw("piecewise_linear", STREAM, 3, 16) for draw in (initialise_weights, initialise_bias))
    np.testing.assert_allclose(W, np.vstack([0.25 * U[:1], np.zeros((2, 16))]), rtol=1e-15)
    np.testing.assert_allclose(b, 0.25 * (2.0 * STREAM.uniform(4, 16)[3] - 1.0), rtol=1e-15)


def test_the_articles_biases_are_other_numbers_than_its_weights():
    W, b = initialise_weights("standard_normal", STREAM, 3, 6), initialise_bias("standard_normal", STREAM, 3, 6)
    assert not np.isin(b, W).any()


def test_the_same_stream_gives_the_same_weights_and_another_one_others():
    first, again = (initialise_weights("he_normal", Stream(3, Purpose.INITIALISE), 4, 5) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for other in (Stream(4, Purpose.INITIALISE), Stream(3, Purpose.INITIALISE, layer=1)):
        assert not np.isin(initialise_weights("he_normal", other, 4, 5), first).any()


def test_a_function_of_ones_own_is_asked_with_stream_and_shape():
    asked = []

    def eye(random, p, q):
        asked.append((random, p, q))
        return np.eye(p, q)

    np.testing.assert_array_equal(initialise_weights(eye, STREAM, 2, 3), np.eye(2, 3))
    assert asked == [(STREAM, 2, 3)]
    np.testing.assert_array_equal(initialise_bias(eye, STREAM, 2, 3), np.zeros(3))


def test_weights_of_another_shape_are_refused():
    with pytest.raises(OptionError, match=r"initializer must return weights of shape \(2, 3\), got \(3, 2\)"):
        initialise_weights(lambda random, p, q: np.zeros((q, p)), STREAM, 2, 3)


def test_an_unknown_rule_is_told_the_rules_there_are():
    with pytest.raises(OptionError) as caught:
        check_initialiser("he_norml")
    text = str(caught.value)
    assert text.startswith(
        "initializer must be one of 'auto', 'fan_in', 'glorot_normal', 'glorot_uniform', 'he_normal', "
    )
    assert text.endswith("got 'he_norml'. Did you mean 'he_normal'?")


@pytest.mark.parametrize(
    ("activation", "rule"),
    [
        ("relu", "he_normal"),
        ("gelu", "he_normal"),
        ("selu", "lecun_normal"),
        ("sigmoid", "glorot_uniform"),
        ("tanh", "glorot_uniform"),
        ("identity", "glorot_uniform"),
    ],
)
def test_auto_takes_the_rule_of_the_activation(activation, rule):
    P = {"W": np.empty((4, 3)), "b": np.empty(3)}
    Dense(3, activation).initialise(P, None, STREAM)
    np.testing.assert_array_equal(P["W"], initialise_weights(rule, STREAM, 4, 3))
    np.testing.assert_array_equal(P["b"], 0.0)


def test_he_keeps_the_size_of_a_signal_through_relu():
    # E[relu(z)²] = Var(z)/2, so with Var W = 2/p the mean square of each layer's activations stays that of its input.
    X = Stream(1, Purpose.DATA).normal(400, 300)
    for layer in range(5):
        W = initialise_weights("he_normal", Stream(5, Purpose.INITIALISE, layer=layer), 300, 300)
        X = np.maximum(X @ W, 0.0)
    assert 0.5 < (X**2).mean() < 2.0
