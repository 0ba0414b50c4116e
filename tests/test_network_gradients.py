"""Gradients of whole networks, drawn at random, against central differences in float64."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Activation, Dense, Draws, Dropout, LayerNorm
from glassnet.maths.losses import LOSSES, Quantile, custom_loss, loss_named
from glassnet.maths.numbers import PiecewiseLinear
from glassnet.maths.random import Purpose, Stream
from glassnet.maths.slopes import numeric_gradient
from glassnet.network import Network

KINKED = {"relu", "leaky_relu", "elu", "selu"}  # kink at 0; of ELU only in the second derivative
CLEARANCE = 0.02  # how far every value stays from a kink; the differences reach a few thousandths
DRAWS = Draws(Stream(5, Purpose.DROPOUT, step=4))
QUANTILES = (0.1, 0.4, 0.75, 0.9)

RTOL, ATOL = 1e-6, 1e-9  # as the project promises: of the entry, and of the largest entry

few = settings(max_examples=300, suppress_health_check=list(HealthCheck))

names = st.sampled_from(sorted(ACTIVATIONS))


@st.composite
def chains(draw):
    """Layers of 1 to 4 units, 1 to 4 deep, and the number of outputs: Dense last, the others as they come."""
    layers = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["dense", "dense", "activation", "dropout", "norm"]))
        if kind == "dense":
            layers.append(Dense(draw(st.integers(1, 4)), draw(names)))
        elif kind == "activation":
            layers.append(Activation(draw(names)))
        elif kind == "dropout":
            layers.append(Dropout(draw(st.sampled_from([0.2, 0.5]))))
        else:
            layers.append(LayerNorm())
    n_outputs = draw(st.integers(1, 4))
    return [*layers, Dense(n_outputs, draw(st.sampled_from(["identity", "identity", "tanh"])))], n_outputs


@st.composite
def problems(draw):
    """A network with its X, y and row weights: every choice independent of every other."""
    layers, n_outputs = draw(chains())
    name = draw(st.sampled_from([name for name in sorted(LOSSES) if n_outputs > 1 or name != "cross_entropy"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, n_features = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    smoothing = draw(st.sampled_from([0.0, 0.1]))
    if name == "quantile":
        loss, y = Quantile(QUANTILES[:n_outputs]), rng.normal(size=n)
    elif name == "cross_entropy":
        loss, y = loss_named(name, label_smoothing=smoothing), rng.integers(n_outputs, size=n)
    elif name in ("binary_cross_entropy", "multilabel"):
        loss = loss_named(name, label_smoothing=smoothing)
        y = rng.integers(2, size=(n, n_outputs))
    elif name == "poisson":
        loss, y = loss_named(name), rng.poisson(1.5, size=(n, n_outputs))
    else:
        loss, y = loss_named(name), rng.normal(size=(n, n_outputs))
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], size=n) if draw(st.booleans()) else None
    network = Network(layers, loss, n_features, reduction=draw(st.sampled_from(["mean", "sum"])), random_state=0)
    network.params = rng.normal(0.0, 0.7, network.params.size)
    return network, rng.normal(size=(n, n_features)), y, weights


@st.composite
def problems_with_categories(draw):
    """A problem as above, whose first layer takes categories apart: few levels or many, some rows of unknown ones."""
    network, X, y, weights = draw(problems())
    n, p = X.shape
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    branches, codes = {}, []
    for k in range(draw(st.integers(1, 3))):
        levels, embedded = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        behind = draw(st.sampled_from([[], [], [Dense(2, "tanh")], [Dropout(0.5)]]))
        branches[f"category {k}"] = ([p + k], [Embedding(levels, embedded), *behind])
        codes.append(rng.integers(0, levels + 2, size=n))
    if draw(st.booleans()):
        branches["numbers"] = (rng.permutation(p), draw(st.sampled_from([[], [Dense(2, "silu")]])))
    layers, loss, reduction = [Columns(branches), *network.layers], network.loss, network.reduction
    network = Network(layers, loss, p + len(codes), reduction=reduction, random_state=0)
    network.params = rng.normal(0.0, 0.7, network.params.size)
    return network, np.column_stack([X, *codes]), y, weights


@st.composite
def problems_with_bins(draw):
    """A problem as above, whose first layer takes numbers apart, bare shares in bins or embeddings."""
    network, X, y, weights = draw(problems())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    branches = {}
    for k in range(draw(st.integers(1, 3))):
        bins = PiecewiseLinear(np.cumsum(rng.uniform(0.1, 1.5, size=draw(st.integers(2, 5)))) - 1.5)
        width, name = draw(st.integers(1, 3)), draw(names)
        behind = draw(st.sampled_from([[], [Dense(width)], [Dense(width, name, "piecewise_linear")], [LayerNorm()]]))
        branches[f"number {k}"] = ([draw(st.integers(0, X.shape[1] - 1))], [bins, *behind])
    if draw(st.booleans()):
        branches["as they are"] = (rng.permutation(X.shape[1]), [])
    layers, loss, reduction = [Columns(branches), *network.layers], network.loss, network.reduction
    network = Network(layers, loss, X.shape[1], reduction=reduction, random_state=0)
    network.params = rng.normal(0.0, 0.7, network.params.size)
    return network, X, y, weights


def distance_from_kinks(network, X, T, draws):
    """How close the forward pass comes to a point where a slope jumps, or where layer normalisation blows it up."""
    A, distances = X, [np.inf]
    for i, layer in enumerate(network.layers):
        step = None if draws is None else Draws(draws.stream.at(layer=i), draws.dropout)
        before = A
        A, cache = layer.forward(network.parameters(i), before, step)
        if isinstance(layer, Columns):
            caches = zip(layer.branches.values(), cache[1], strict=True)
            inner = (pair for branch, kept in caches for pair in zip(branch.layers, kept, strict=True))
            kinked = (kept.Z for part, kept in inner if isinstance(part, Dense) and part.activation.name in KINKED)
            distances += [np.abs(Z).min() for Z in kinked]
        if isinstance(layer, (Dense, Activation)) and layer.activation.name in KINKED:
            # A unit that is 0 for good (dropped, or behind a dead one) stays there whatever the weights: no kink.
            Z = cache.Z
            distances.append(
                np.abs(Z[Z != 0.0]).min(initial=np.inf) if isinstance(layer, Activation) else np.abs(Z).min()
            )
        if isinstance(layer, LayerNorm) and before.shape[1] > 1:
            # A row of nearly equal units is divided by its own small spread.
            distances.append(CLEARANCE * before.std(axis=1).min() / 0.3)
    name = network.loss.name
    if name in ("absolute_error", "quantile"):
        distances.append(np.abs(A - T).min())
    if name == "huber":
        distances.append(np.abs(np.abs(A - T) - 1.0).min())
    return min(distances)


def agrees(network, X, T, weights, draws):
    """Whether the gradient is the numeric slope, entry by entry, at the project's tolerances."""
    twin = network.astype(np.float64)
    start = twin.params.copy()
    analytic = twin.backpropagate(X, T, weights, draws)[1]

    def loss_at(params):
        twin.params = params
        return twin.backpropagate(X, T, weights, draws)[0]

    numeric = numeric_gradient(loss_at, start, h=1e-3)
    largest = np.abs(numeric).max()
    # What the differences themselves leave open: the rounding of the loss, about 1e-16 of it, divided by the step.
    rounding = 1e-12 * abs(loss_at(start))
    return np.all(np.abs(analytic - numeric) <= RTOL * np.abs(numeric) + ATOL * largest + rounding), largest


def assert_gradient_is_the_slope(problem, with_dropout):
    """The gradient of a network drawn at random, away from kinks and from slopes that are all but 0, agrees."""
    network, X, y, weights = problem
    draws = DRAWS if with_dropout else None
    T = network.loss.smoothed(network.loss.targets(y, network.n_outputs, np.float64))
    assume(distance_from_kinks(network, X, T, draws) > CLEARANCE)
    agreed, largest = agrees(network, X, T, weights, draws)
    assume(largest > 1e-3 or largest == 0.0)
    assert agreed


@few
@given(problems(), st.booleans())
def test_the_gradient_of_any_network_is_its_numeric_slope(problem, with_dropout):
    assert_gradient_is_the_slope(problem, with_dropout)


@few
@given(problems())
def test_gradient_check_passes_any_network(problem):
    network, X, y, weights = problem
    T = network.loss.smoothed(network.loss.targets(y, network.n_outputs, np.float64))
    assume(distance_from_kinks(network, X, T, None) > CLEARANCE)
    check = network.gradient_check(X, y, weights)
    assume(np.abs(network.loss_and_gradient(X, y, weights)[1]).max() > 1e-2)
    assert check.passed, check


@settings(few, max_examples=120)
@given(problems_with_categories(), st.booleans())
def test_the_gradient_of_any_network_with_categories_is_its_numeric_slope(problem, with_dropout):
    assert_gradient_is_the_slope(problem, with_dropout)


@settings(few, max_examples=120)
@given(problems_with_bins(), st.booleans())
def test_the_gradient_of_any_network_with_numbers_in_bins_is_its_numeric_slope(problem, with_dropout):
    assert_gradient_is_the_slope(problem, with_dropout)


def test_a_gradient_passes_through_bins_to_the_layers_below():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    for bins in (PiecewiseLinear([-0.5, 0.1, 0.7]), PiecewiseLinear([0.0, 0.3])):
        network = Network([Dense(1), bins, Dense(4, "tanh"), Dense(1)], "squared_error", 2, random_state=1)
        assert network.gradient_check(X, y).passed


def test_gradient_check_passes_embeddings_whose_levels_repeat_and_finds_a_wrong_one():
    class CountsOnce(Embedding):
        def backward(self, P, cache, dA, input_gradient=True):
            dX, dP = super().backward(P, cache, dA, input_gradient)
            dE = np.zeros_like(dP["E"])
            dE[cache] = dA  # of samples of one level the last alone
            return dX, {"E": dE}

    rng = np.random.default_rng(0)
    X, y = np.column_stack([rng.integers(0, 4, size=20), rng.normal(size=20)]), rng.normal(size=20)
    for kind, right in ((Embedding, True), (CountsOnce, False)):
        first = Columns({"city": ([0], [kind(3, 2)]), "numbers": ([1], [])})
        network = Network([first, Dense(4, "tanh"), Dense(1)], "squared_error", 2, random_state=1)
        assert network.gradient_check(X, y).passed is right


def check_with(layers=None, loss="squared_error", sample_weight=None):
    rng = np.random.default_rng(0)
    network = Network(layers or [Dense(3, "tanh"), Dense(2)], loss, 3, random_state=1)
    X, T, weights = rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), sample_weight
    return agrees(network, X, T, weights, DRAWS)[0]


def test_a_right_network_passes_where_the_wrong_ones_below_fail():
    assert check_with()
    assert check_with([Dense(3, (np.sin, np.cos)), LayerNorm(), Dropout(0.5), Dense(2)])
    assert check_with(loss=custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * (Z - T)))


@pytest.mark.parametrize("factor", [1.0 + 1e-5, 0.5, -1.0, 0.0])
def test_a_wrong_slope_of_an_activation_fails(factor):
    assert not check_with([Dense(3, (np.sin, lambda Z: factor * np.cos(Z))), Dense(2)])


@pytest.mark.parametrize("factor", [1.0 + 1e-5, 0.5, -1.0, 0.0])
def test_a_wrong_slope_of_a_loss_fails(factor):
    assert not check_with(loss=custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * factor * (Z - T)))


def test_a_layer_that_forgets_its_bias_or_its_input_fails():
    class ForgetsBias(Dense):
        def backward(self, P, cache, dA, input_gradient=True):
            dX, dP = super().backward(P, cache, dA, input_gradient)
            return dX, {**dP, "b": dP["b"] * 0.0}

    class TakesMeanOverRows(Dense):
        def backward(self, P, cache, dA, input_gradient=True):
            dX, dP = super().backward(P, cache, dA, input_gradient)
            return dX, {**dP, "W": dP["W"] / len(dA)}

    class PassesNothingBack(Dense):
        def backward(self, P, cache, dA, input_gradient=True):
            _, dP = super().backward(P, cache, dA)
            return np.zeros_like(cache.X), dP

    assert not check_with([ForgetsBias(3, "tanh"), Dense(2)])
    assert not check_with([TakesMeanOverRows(3, "tanh"), Dense(2)])
    assert not check_with([Dense(3, "tanh"), PassesNothingBack(2)])


def test_layer_normalisation_that_takes_its_mean_for_a_constant_fails():
    class Careless(LayerNorm):
        def backward(self, P, cache, dA, input_gradient=True):
            _, spread = cache
            _, dP = super().backward(P, cache, dA)
            return dA * P["scale"] / spread, dP

    assert not check_with([Dense(3, "tanh"), Careless(), Dense(2)])


def test_dropout_that_forgets_its_mask_on_the_way_back_fails():
    class Careless(Dropout):
        def backward(self, P, cache, dA, input_gradient=True):
            return dA, {}

    assert not check_with([Dense(3, "tanh"), Careless(0.5), Dense(2)])
