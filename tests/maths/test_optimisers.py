import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.maths.optimisers import (
    OPTIMISERS,
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Nesterov,
    Optimiser,
    RMSprop,
    gradient_descent,
    optimiser_named,
)

NAMES = sorted(OPTIMISERS)


def two_steps(optimiser, gradients=(2.0, 1.0), learning_rate=0.1):
    """Places of one parameter that starts at 1, after each step along the given gradients."""
    P = np.array([1.0])
    moments = optimiser.start(P)
    places = []
    for step, gradient in enumerate(gradients, start=1):
        optimiser.update(P, np.array([gradient]), moments, step, learning_rate)
        places.append(P[0])
    return places


# --- gradient descent of any function ---


def start_of_the_article():
    np.random.seed(0)  # the article's own generator
    return np.random.rand(2, 1)


def test_the_descent_of_the_article():
    # Each step multiplies x by 1 - 2 · 0.01 = 0.98, so f = ‖x‖² by 0.98² a step and by 0.98²⁰⁰⁰ in a thousand.
    x0 = start_of_the_article()
    np.testing.assert_allclose(x0.ravel(), [0.5488, 0.7152], atol=5e-5)
    path = gradient_descent(lambda x: 2 * x, x0, learning_rate=0.01, steps=1000)
    assert path.shape == (1001, 2, 1)
    f = (path[-1] ** 2).sum()
    assert f == pytest.approx(0.98**2000 * (x0**2).sum(), rel=1e-9)
    assert f == pytest.approx(2.3019e-18, rel=1e-4)


def test_the_path_holds_every_point_from_the_start():
    path = gradient_descent(lambda x: 2 * x, [8.0], learning_rate=0.25, steps=3)
    np.testing.assert_array_equal(path, [[8.0], [4.0], [2.0], [1.0]])


def test_no_steps_are_a_path_of_the_start_alone():
    np.testing.assert_array_equal(gradient_descent(lambda x: 2 * x, [[3.0, 4.0]], 0.1, 0), [[[3.0, 4.0]]])


def test_a_number_is_a_point_too():
    assert gradient_descent(lambda x: 2 * x, 1.0, 0.5, 1).tolist() == [1.0, 0.0]


def test_a_rate_that_is_too_high_diverges_as_the_article_warns():
    # With the rate 1.1 each step multiplies by 1 - 2.2 = -1.2.
    path = gradient_descent(lambda x: 2 * x, [1.0], learning_rate=1.1, steps=50)
    np.testing.assert_allclose(path[:, 0], (-1.2) ** np.arange(51), rtol=1e-12)


def test_a_path_that_runs_away_for_ever_is_returned_without_a_warning():
    path = gradient_descent(lambda x: 2 * x, [1.0], learning_rate=1.1, steps=5000)
    assert not np.isfinite(path[-1, 0])
    assert np.isfinite(path[3000, 0])


def test_at_a_rate_of_one_it_jumps_between_two_points_for_ever():
    np.testing.assert_array_equal(gradient_descent(lambda x: 2 * x, [3.0], 1.0, 4)[:, 0], [3, -3, 3, -3, 3])


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.0), (2.0, 1.0), (-0.5, -1.0), (0.0, 0.0)])
def test_of_two_minima_the_one_on_the_side_of_the_start_is_found(start, end):
    # f = (x² - 1)² has minima at ±1 and a maximum at 0, where the slope vanishes as well.
    path = gradient_descent(lambda x: 4 * x * (x**2 - 1), [start], learning_rate=0.02, steps=500)
    assert path[-1, 0] == pytest.approx(end, abs=1e-12)


def test_the_start_is_left_as_it_was():
    x0 = np.array([1.0, 2.0])
    gradient_descent(lambda x: 2 * x, x0, 0.1, 5)
    np.testing.assert_array_equal(x0, [1.0, 2.0])


@pytest.mark.parametrize("rate", [0.0, -0.1, np.nan])
def test_a_rate_that_is_not_positive_is_refused(rate):
    with pytest.raises(OptionError, match=r"learning_rate must be positive, got "):
        gradient_descent(lambda x: x, [1.0], rate, 3)


@pytest.mark.parametrize("steps", [-1, 2.5])
def test_steps_that_are_no_whole_number_are_refused(steps):
    with pytest.raises(OptionError, match=rf"steps must be a whole number of at least 0, got {steps}"):
        gradient_descent(lambda x: x, [1.0], 0.1, steps)


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(OptionError, match=r"f_grad must return an array of the shape of x0, \(2, 1\), got \(2,\)"):
        gradient_descent(lambda x: x.ravel(), np.ones((2, 1)), 0.1, 3)


# --- two steps by hand: from 1, along the gradients 2 and 1, at the rate 0.1 ---


def test_gradient_descent_by_hand():
    np.testing.assert_allclose(two_steps(GradientDescent()), [0.8, 0.7], rtol=1e-15)


def test_momentum_by_hand():
    # V: 2, then 0.9 · 2 + 1 = 2.8.
    np.testing.assert_allclose(two_steps(Momentum(0.9)), [0.8, 0.52], rtol=1e-14)


def test_nesterov_by_hand():
    # G + 0.9 V: 2 + 1.8 = 3.8, then 1 + 0.9 · 2.8 = 3.52.
    np.testing.assert_allclose(two_steps(Nesterov(0.9)), [0.62, 0.268], rtol=1e-14)


def test_rmsprop_by_hand():
    # S: 4/4 = 1, then 3/4 + 1/4 = 1; the root is 1 both times, so the steps are 0.2/1.5 and 0.1/1.5.
    np.testing.assert_allclose(two_steps(RMSprop(decay=0.75, epsilon=0.5)), [13 / 15, 12 / 15], rtol=1e-14)


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_adam_by_hand(kind):
    # β₁ = 1/2: M is 1, then 1; corrected 1/(1 - 1/2) = 2, then 1/(1 - 1/4) = 4/3.
    # β₂ = 3/4: V is 1, then 1; corrected 4, then 1/(1 - 9/16) = 16/7. Roots 2 and 4/√7; ε = 1/2.
    first = 1 - 0.1 * 2 / 2.5
    second = first - 0.1 * (4 / 3) / (4 / np.sqrt(7) + 0.5)
    np.testing.assert_allclose(two_steps(kind(beta_1=0.5, beta_2=0.75, epsilon=0.5)), [first, second], rtol=1e-14)


# --- identities ---


@pytest.mark.parametrize("kind", [Momentum, Nesterov])
def test_without_momentum_it_is_gradient_descent(kind):
    np.testing.assert_array_equal(two_steps(kind(momentum=0.0)), two_steps(GradientDescent()))


def test_adam_without_memory_is_rmsprop_without_memory():
    # β = 0: each step is the sign of the gradient times the rate, but for ε.
    adam = two_steps(Adam(beta_1=0.0, beta_2=0.0), gradients=(2.0, -1.0))
    np.testing.assert_allclose(adam, two_steps(RMSprop(decay=0.0), gradients=(2.0, -1.0)), rtol=1e-14)
    np.testing.assert_allclose(adam, [0.9, 1.0], rtol=1e-8)


def test_the_first_step_of_adam_has_the_length_of_the_rate_whatever_the_gradient():
    for gradient in (1e-3, 5.0, -1e6):
        place = two_steps(Adam(), gradients=(gradient,), learning_rate=0.01)[0]
        assert place == pytest.approx(1.0 - 0.01 * np.sign(gradient), abs=1e-7)


def test_momentum_under_a_constant_gradient_speeds_up_to_ten_times():
    # V tends to G / (1 - 0.9).
    places = two_steps(Momentum(0.9), gradients=[1.0] * 300, learning_rate=0.01)
    assert places[-2] - places[-1] == pytest.approx(0.1, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_updated_on_its_own(name):
    rng = np.random.default_rng(0)
    optimiser = optimiser_named(name)
    G = rng.normal(size=(3, 4))
    together = np.ones(4)
    moments = optimiser.start(together)
    for step in range(3):
        optimiser.update(together, G[step], moments, step + 1, 0.1)
    apart = [two_steps(optimiser, gradients=G[:, i])[-1] for i in range(4)]
    np.testing.assert_allclose(together, apart, rtol=1e-15)


# --- state, edge of the domain, names ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_and_moments_change_in_place_and_keep_their_type(name, dtype):
    optimiser = optimiser_named(name)
    P = np.ones(3, dtype)
    moments = optimiser.start(P)
    assert sorted(moments) == sorted(optimiser.moments)
    held = dict(moments)
    assert all(moment.dtype == dtype and not moment.any() for moment in held.values())
    optimiser.update(P, np.array([1.0, -1.0, 2.0], dtype), moments, 1, 0.1)
    assert P.dtype == dtype
    assert (P != 1.0).all()
    assert all(moments[key] is held[key] and held[key].any() and held[key].dtype == dtype for key in held)


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_of_zero_moves_nothing(name):
    assert two_steps(optimiser_named(name), gradients=(0.0, 0.0)) == [1.0, 1.0]


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_in_the_gradient_shows(name):
    assert np.isnan(two_steps(optimiser_named(name), gradients=(np.nan, 1.0))).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_description_makes_the_optimiser_again(name):
    optimiser = optimiser_named(name)
    assert isinstance(optimiser, Optimiser)
    assert optimiser.describe()["name"] == name
    assert optimiser_named(**optimiser.describe()) == optimiser
    assert optimiser_named(optimiser) is optimiser


def test_descriptions_hold_the_constants():
    assert Nesterov(0.8).describe() == {"name": "nesterov", "momentum": 0.8}
    assert Adam(0.8, 0.99, 1e-6).describe() == {"name": "adam", "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6}
    assert RMSprop().describe() == {"name": "rmsprop", "decay": 0.99, "epsilon": 1e-8}


def test_only_adamw_decays_unless_it_is_told_to():
    assert {name: kind.weight_decay for name, kind in OPTIMISERS.items() if kind.weight_decay} == {"adamw": 0.01}


def test_an_unknown_optimiser_is_told_those_there_are_and_the_nearest_one():
    with pytest.raises(OptionError) as caught:
        optimiser_named("adma")
    assert str(caught.value) == (
        "optimizer must be one of 'adam', 'adamw', 'gradient_descent', 'momentum', 'nesterov', 'rmsprop', "
        "got 'adma'. Did you mean 'adam'?"
    )


def test_a_constant_that_an_optimiser_does_not_take_is_named():
    with pytest.raises(OptionError, match="optimizer takes no such option as beta_1, got 'momentum'"):
        optimiser_named("momentum", beta_1=0.9)


@pytest.mark.parametrize(
    ("name", "constant"),
    [("momentum", "momentum"), ("nesterov", "momentum"), ("rmsprop", "decay"), ("adam", "beta_1"), ("adamw", "beta_2")],
)
@pytest.mark.parametrize("value", [-0.1, 1.0, np.nan])
def test_constants_outside_their_range_are_refused(name, constant, value):
    with pytest.raises(OptionError, match=f"{constant} must be at least 0 and below 1, got "):
        optimiser_named(name, **{constant: value})
