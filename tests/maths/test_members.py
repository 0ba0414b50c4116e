"""Ensembles as one network: the layer, what its members share, and the network that averages them."""

import itertools

import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.maths.layers import Activation, Dense, Draws, Dropout, LayerNorm, layer_from
from glassnet.maths.losses import custom_loss, loss_named
from glassnet.maths.members import EnsembleDense, mean_of_members, written_out, written_out_backward
from glassnet.maths.random import Purpose, Stream
from glassnet.maths.slopes import numeric_gradient
from glassnet.network import Network, network_from

KINDS = [{"shared": True, "start": "normal"}, {"shared": True, "start": "signs"}, {"shared": False}]


def ensemble(loss="squared_error", n_outputs=1, members=3, start="normal", shared=True, seed=0):
    layers = [
        EnsembleDense(5, "tanh", members=members, shared=shared, start=start),
        Dense(4, "silu"),
        LayerNorm(),
        EnsembleDense(n_outputs, members=members, shared=False),
    ]
    return Network(layers, loss, 2, random_state=seed)


# --- the mathematics ------------------------------------------------------------------------------------------------


def test_weights_written_out_by_hand():
    W, r, s = (
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[1.0, 1.0], [2.0, -1.0]]),
        np.array([[1.0, 1.0], [1.0, 10.0]]),
    )
    V = written_out(W, r, s)
    assert V[0].tolist() == W.tolist()
    assert V[1].tolist() == [[2.0, 40.0], [-3.0, -40.0]]  # rows times 2 and -1, columns times 1 and 10


def test_scaling_inputs_and_outputs_is_scaling_rows_and_columns():
    rng = np.random.default_rng(0)
    X, W, r, s = rng.normal(size=(6, 3)), rng.normal(size=(3, 4)), rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    for m in range(2):
        np.testing.assert_allclose((X * r[m]) @ W * s[m], X @ written_out(W, r, s)[m], rtol=1e-13)


def test_the_gradient_of_weights_written_out_is_the_numeric_slope():
    rng = np.random.default_rng(1)
    parts = {"W": rng.normal(size=(3, 4)), "r": rng.normal(size=(2, 3)), "s": rng.normal(size=(2, 4))}
    G = rng.normal(size=(2, 3, 4))
    found = dict(zip(parts, written_out_backward(G, **parts), strict=True))
    for name, value in parts.items():

        def at(flat, name=name, shape=value.shape):
            return float((G * written_out(**{**parts, name: flat.reshape(shape)})).sum())

        np.testing.assert_allclose(found[name].ravel(), numeric_gradient(at, value.ravel()), rtol=1e-7, atol=1e-9)


# --- the layer ------------------------------------------------------------------------------------------------------


def test_members_begin_apart_where_they_are_asked_to():
    layer = EnsembleDense(4, members=64, start="normal")
    P = {name: np.empty(block.shape) for name, block in layer.shapes(5).items()}
    layer.initialise(P, None, Stream(0, Purpose.INITIALISE))
    assert abs(P["r"].mean()) < 0.2
    assert P["r"].std() == pytest.approx(1, abs=0.15)  # 320 draws
    assert len({row.tobytes() for row in P["r"]}) == 64
    assert (P["s"] == 1).all()
    assert not P["b"].any()
    signs = EnsembleDense(4, members=64, start="signs")
    signs.initialise(P, None, Stream(0, Purpose.INITIALISE))
    assert set(P["r"].ravel()) == {-1.0, 1.0}
    EnsembleDense(4, members=64).initialise(P, None, Stream(0, Purpose.INITIALISE))
    assert (P["r"] == 1).all()


def test_members_with_weights_of_their_own_draw_them_apart_and_at_the_size_of_a_dense_layer():
    own, dense = EnsembleDense(50, "relu", members=3, shared=False), Dense(50, "relu")
    P = {name: np.empty(block.shape) for name, block in own.shapes(40).items()}
    own.initialise(P, None, Stream(0, Purpose.INITIALISE))
    D = {name: np.empty(block.shape) for name, block in dense.shapes(40).items()}
    dense.initialise(D, None, Stream(0, Purpose.INITIALISE))
    assert len({W.tobytes() for W in (*P["W"], D["W"])}) == 4
    assert P["W"].std(axis=(1, 2)) == pytest.approx(D["W"].std(), rel=0.1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"members": 0}, "members must be a whole number from 1 to 4096, got 0"),
        ({"members": 2.5}, "members must be a whole number"),
        ({"members": 2, "start": "zeros"}, "start must be one of 'normal', 'ones', 'signs', got 'zeros'"),
        ({"members": 2, "initializer": "big"}, "initializer must be one of"),
    ],
)
def test_options_that_cannot_be_are_refused(options, text):
    with pytest.raises(OptionError, match=text):
        EnsembleDense(4, **options)


def test_the_layer_survives_plain_data():
    layer = EnsembleDense(4, "tanh", "he_normal", members=3, shared=False, start="signs")
    assert layer_from(layer.describe()).describe() == layer.describe()
    assert layer.brief() == "EnsembleDense 4 tanh, 3 members with weights of their own"


# --- the network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize(
    ("loss", "n_outputs"),
    [("squared_error", 2), ("cross_entropy", 3), ("binary_cross_entropy", 1), ("multilabel", 2), ("poisson", 1)],
)
def test_the_gradient_of_an_ensemble_is_its_numeric_slope(loss, n_outputs, options):
    network = ensemble(loss, n_outputs, **options)
    rng = np.random.default_rng(2)
    X = rng.normal(size=(7, 2))
    y = rng.integers(0, 3, 7) if loss == "cross_entropy" else rng.integers(0, 2, (7, n_outputs))
    network.params = rng.normal(0, 0.6, network.params.size)
    assert network.gradient_check(X, y).passed
    assert network.gradient_check(X, y, rng.random(7)).passed


def test_a_wrong_gradient_of_scales_fails():
    class Forgets(EnsembleDense):
        def backward(self, P, cache, dA, input_gradient=True):
            dX, dP = super().backward(P, cache, dA, input_gradient)
            return dX, {**dP, "r": dP["r"] * P["s"].mean()}

    layers = [Forgets(4, "tanh", members=2, start="normal"), EnsembleDense(1, members=2, shared=False)]
    network = Network(layers, "squared_error", 2, random_state=0)
    network.params = np.random.default_rng(0).normal(size=network.params.size)
    check = network.gradient_check(np.random.default_rng(1).normal(size=(9, 2)), np.arange(9.0))
    assert not check.passed
    assert check.worst[0] == "0.r"


def test_training_minimises_the_mean_of_the_losses_and_evaluation_the_loss_of_the_mean():
    network = ensemble()
    X, y = np.random.default_rng(3).normal(size=(20, 2)), np.arange(20.0)
    alone = [network.member(m) for m in range(3)]
    mean_of_losses = np.mean([one.evaluate(X, y) for one in alone])
    assert network.loss_and_gradient(X, y)[0] == pytest.approx(mean_of_losses, rel=1e-12)
    mean = np.mean([one.predict(X) for one in alone], axis=0)
    np.testing.assert_allclose(network.predict(X), mean, rtol=1e-12)
    assert network.evaluate(X, y) == pytest.approx(np.mean((mean[:, 0] - y) ** 2), rel=1e-12)
    assert network.evaluate(X, y) < mean_of_losses  # Jensen: the members differ


@pytest.mark.parametrize(("loss", "n_outputs"), [("cross_entropy", 3), ("multilabel", 2), ("poisson", 1)])
def test_the_loss_of_outputs_is_the_loss_of_their_scores(loss, n_outputs):
    rng = np.random.default_rng(4)
    loss, Z = loss_named(loss), rng.normal(0, 3, size=(50, n_outputs))
    T = np.eye(n_outputs)[rng.integers(0, n_outputs, 50)]
    np.testing.assert_allclose(loss.rows(loss.scores(loss.output(Z)), T), loss.rows(Z, T), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "Y"), [("cross_entropy", [0.0, 1.0]), ("binary_cross_entropy", [1.0]), ("poisson", [0.0])]
)
def test_outputs_that_are_0_or_1_to_rounding_have_a_finite_loss(loss, Y, dtype):
    loss, Y = loss_named(loss), np.array([Y], dtype)
    for T in (Y, 1 - Y):
        found = loss.rows(loss.scores(Y), T)
        assert np.isfinite(found).all()
    assert loss.rows(loss.scores(Y), Y).max() < 1e-6 or loss.name == "poisson"


def test_an_average_of_outputs_needs_an_output_function_that_is_known():
    own = custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * (Z - T))
    assert ensemble(own).evaluate([[0.0, 1.0]], [1.0]) >= 0
    squared = custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * (Z - T), output=lambda Z: Z * Z)
    with pytest.raises(OptionError, match="has an output function of your own"):
        ensemble(squared)


def test_rows_may_differ_from_member_to_member():
    network, rng = ensemble(), np.random.default_rng(5)
    X, T, weights = rng.normal(size=(3, 6, 2)), rng.normal(size=(3, 6, 1)), rng.random((3, 6))
    loss, G = network.backpropagate(X, T, weights)
    shares = weights / weights.sum()
    own = [network.member(m).loss.rows(network.member(m).forward(X[m])[0], T[m]) for m in range(3)]
    assert loss == pytest.approx(float((shares * np.array(own)).sum()), rel=1e-12)
    tiled = network.backpropagate(np.tile(X[:1], (3, 1, 1)), np.tile(T[:1], (3, 1, 1)))
    plain = network.backpropagate(X[0], T[0])
    assert tiled[0] == pytest.approx(plain[0], rel=1e-13)
    np.testing.assert_allclose(tiled[1], plain[1], rtol=1e-11, atol=1e-14)
    assert G.shape == network.params.shape


def test_each_member_drops_units_of_its_own():
    layer, X = Dropout(0.5), np.ones((2, 8, 16))
    A, _ = layer.forward({}, X, Draws(Stream(0, Purpose.DROPOUT)))
    assert not np.array_equal(A[0], A[1])
    assert set(A.ravel()) == {0.0, 2.0}


def test_one_member_is_an_ensemble_of_one():
    network = ensemble(members=1)
    X = np.random.default_rng(6).normal(size=(4, 2))
    np.testing.assert_array_equal(network.predict(X), network.member(0).predict(X))


def test_members_must_agree_and_exist():
    with pytest.raises(OptionError, match=r"layers must have as many members as each other, got \[2, 3\]"):
        Network([EnsembleDense(2, members=2), EnsembleDense(1, members=3)], "squared_error", 2)
    with pytest.raises(OptionError, match="member must be from 0 to 2, got 3"):
        ensemble().member(3)
    with pytest.raises(OptionError, match="member is for ensembles, and this is one network"):
        Network([Dense(1)], "squared_error", 2).member(0)
    with pytest.raises(OptionError, match="Pick a member"):
        ensemble().predict_one([0.0, 1.0])


def test_an_ensemble_survives_plain_data_and_copies():
    network = ensemble()
    X = np.random.default_rng(7).normal(size=(4, 2))
    again = network_from(network.describe(), network.params)
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    assert again.members == 3
    np.testing.assert_allclose(network.astype(np.float32).predict(X), network.predict(X), rtol=1e-4, atol=1e-5)


def test_hidden_values_keep_the_member_axis():
    network = ensemble()
    X = np.random.default_rng(8).normal(size=(4, 2))
    for layer, width in itertools.zip_longest((0, 1), (5, 4)):
        assert network.hidden(X, layer).shape == (3, 4, width)
        np.testing.assert_allclose(network.hidden(X, 0)[1], network.member(1).hidden(X, 0), rtol=1e-12)


def test_multiplications_count_every_member():
    network = ensemble()  # 2·5 and 5·4 shared, 4·1 of their own: each of three members multiplies with all of them
    assert network.multiplications == 3 * (10 + 20 + 4)
    assert Network([Dense(3), Activation("relu"), Dense(2)], "squared_error", 4).multiplications == 12 + 6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 7, 8, 9, 40])
def test_the_mean_of_members_has_the_same_bits_for_a_row_alone(k, dtype):
    Y = np.random.default_rng(0).normal(size=(k, 50, 1)).astype(dtype)
    whole = mean_of_members(Y)
    assert whole.dtype == dtype
    np.testing.assert_allclose(whole, Y.astype(np.float64).mean(axis=0), rtol=1e-5, atol=1e-7)
    for i in range(50):
        assert mean_of_members(Y[:, i : i + 1]).tobytes() == whole[i : i + 1].tobytes()
    stacked = mean_of_members(Y.transpose(1, 0, 2)[:, :, None, :])  # each row by itself, as the reference predicts
    assert stacked.tobytes() == whole.tobytes()
