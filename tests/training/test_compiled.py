"""The compiled engine computes what the NumPy reference computes: in every combination, step by step.

A rounding error that falls on one side of a kink in one world and on the other side in the other makes two slopes of
it. So every problem is trained on the reference first, while `nearest_kink` watches: data and first weights are drawn
anew, from the next seed, until no step comes within 1e-6 of a kink. What is compared is then free of kinks.
"""

import gc
import weakref
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glassnet.engine import plan
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding, levels_of
from glassnet.maths.layers import Activation, Dense, Draws, Dropout, LayerNorm, layer_from, layer_norm
from glassnet.maths.losses import LOSSES, loss_named, softmax
from glassnet.maths.members import STARTS
from glassnet.maths.numbers import PiecewiseLinear, piecewise_linear
from glassnet.maths.optimisers import OPTIMISERS, optimiser_named
from glassnet.maths.random import Purpose, Stream
from glassnet.network import Network
from glassnet.training.backend import CHUNK, ReferenceBackend, Rows
from glassnet.training.compiled import EngineBackend, engine_outputs
from glassnet.training.lbfgs import train_lbfgs
from glassnet.training.loop import row_order
from glassnet.training.options import TrainingOptions

STEPS = 20
KINKED = ("relu", "leaky_relu", "selu")  # elu has the slope 1 on both sides


@dataclass(frozen=True)
class Problem:
    """A training: the layers and the loss as plain data, and what the data are to be like."""

    layers: list
    loss: dict = field(default_factory=lambda: {"name": "squared_error"})
    n_features: int = 3
    n: int = 40
    batch_size: int = 16
    optimiser: dict = field(default_factory=lambda: {"name": "gradient_descent"})
    reduction: str = "mean"
    weights: str = "none"  # or "some", "zeros", "zero batch"
    penalties: dict = field(default_factory=dict)  # l1, l2, clip_norm
    weight_decay: float = 0.0
    dtype: str = "float64"
    steps: int = STEPS
    seed: int = 0

    @property
    def n_outputs(self):
        width = self.n_features
        for layer in self.layers:
            width = layer_from(layer).width(width)
        return width

    def network(self):
        layers, loss = [layer_from(d) for d in self.layers], loss_named(**self.loss)
        return Network(layers, loss, self.n_features, self.dtype, reduction=self.reduction, random_state=self.seed)

    def rows(self):
        rng = np.random.default_rng(self.seed)
        X, K, name = rng.normal(size=(self.n, self.n_features)), self.n_outputs, self.loss["name"]
        for column, levels in coded(self.layers):  # with levels that are missing, and some that are unknown
            X[:, column] = np.random.default_rng([self.seed, column]).integers(0, levels + 2, size=self.n)
        if name == "cross_entropy":  # half of the rows one-hot, the others any probabilities
            T = rng.dirichlet(np.ones(K), size=self.n)
            T[::2] = np.eye(K)[rng.integers(K, size=len(T[::2]))]
        elif name in ("binary_cross_entropy", "multilabel"):
            T = rng.choice([0.0, 1.0, 0.3], size=(self.n, K))
        elif name == "poisson":
            T = rng.poisson(2.0, size=(self.n, K))
        else:
            T = rng.normal(size=(self.n, 1 if name == "quantile" else K))
        weights = None if self.weights == "none" else rng.uniform(0.5, 2.0, size=self.n)
        if self.weights == "zeros":
            weights[rng.random(self.n) < 0.5] = 0.0
        if self.weights == "zero batch":
            weights[self.order(0)[: self.batch_size]] = 0.0
        return Rows(*(None if part is None else part.astype(self.dtype) for part in (X, T, weights)))

    @property
    def members(self):
        return self.network().members or 1

    def order(self, epoch):
        if self.members > 1:
            return row_order(self.n, self.batch_size, self.seed % 1000, epoch, members=self.members)
        if self.batch_size >= self.n:
            return np.arange(self.n)
        return np.random.default_rng([self.seed, epoch]).permutation(self.n)

    def rates(self):
        """Learning rates that rise and fall, and factors on dropout and smoothing that change with every step."""
        rate = 1e-3 if "adam" in self.optimiser["name"] or self.optimiser["name"] == "rmsprop" else 1e-2
        rate /= min(self.batch_size, self.n) if self.reduction == "sum" else 1
        step = np.arange(self.steps)
        columns = [rate * (1 + 0.5 * np.sin(step)), 0 * step + self.weight_decay, step % 3 / 2, (step + 1) % 4 / 3]
        return np.stack(columns, axis=1)

    def backend(self, kind, **options):
        optimiser = optimiser_named(**self.optimiser)
        return kind(
            self.network(),
            optimiser,
            self.rows(),
            batch_size=self.batch_size,
            seed=self.seed,
            **self.penalties,
            **options,
        )

    def runs(self):
        """(rows, rates) of one call each: an epoch, or what is left of the steps."""
        rates, each, done = self.rates(), -(-self.n // self.batch_size), 0
        while done < self.steps:
            now = min(each, self.steps - done)
            yield self.order(done // each)[: now * self.batch_size * self.members], rates[done : done + now]
            done += now

    def trained(self, kind, **options):
        """The state after all steps, and the loss of all of them together."""
        backend = self.backend(kind, **options)
        state, total = backend.start(), 0.0
        for rows, rates in self.runs():
            loss, finite = backend.run(state, rows, rates)
            assert finite
            total += loss
        return state, total


def parts(layer, kept):
    """A layer and those inside it, each with what it keeps of the forward pass."""
    yield layer, kept
    if isinstance(layer, Columns):
        for branch, inner in zip(layer.branches.values(), kept[1], strict=True):
            yield from zip(branch.layers, inner, strict=True)


def gaps(network, X, T, draws, l1):
    """Distances of all that has a kink from it, in one forward pass."""
    with np.errstate(all="ignore"):  # of a step that diverges
        Z, cache = network.forward(X, draws)
    for layer, kept in zip(network.layers, cache, strict=True):
        for part, own in parts(layer, kept):
            activation = getattr(part, "activation", None)
            if activation is not None and activation.name in KINKED:
                yield abs(own.Z[own.Z != 0.0])  # what is exactly 0, such as a dropped unit, is so in both worlds
    if network.loss.name in ("absolute_error", "quantile"):
        yield abs(Z - T)
    if network.loss.name == "huber":
        yield abs(abs(Z - T) - network.loss.options["delta"])
    if l1:
        yield from (abs(W) for W in network.weights)


def nearest_kink(problem):
    """Train on the reference, and return the distance at which its steps pass the nearest kink; 0 if it diverges."""
    backend, nearest = problem.backend(ReferenceBackend), np.inf
    state, data, network = backend.start(), backend.rows, backend.network
    for rows, rates in problem.runs():
        for i, step_rates in enumerate(rates):
            size = problem.batch_size * problem.members
            batch = rows[i * size :][:size]
            at = batch if network.members is None else batch.reshape(network.members, -1)
            network.bind(state["params"])
            draws = Draws(Stream(problem.seed, Purpose.DROPOUT, step=int(state["step"])), step_rates[2])
            for gap in gaps(network, data.X[at], data.T[at], draws, backend.l1):
                nearest = min(nearest, gap.min(initial=np.inf))
            if not backend.run(state, batch, step_rates[None])[1]:
                return 0.0
    return nearest


def without_kinks(problem, margin=1e-6):
    """The problem with the first seed for which no step comes near a kink; None if it is hopeless."""
    for seed in range(problem.seed, problem.seed + 30):
        tried = replace(problem, seed=seed)
        if nearest_kink(tried) >= margin:
            return tried
    return None


def assert_close(actual, expected, tolerance, what):
    """Entries agree to a tolerance that counts from the largest of them."""
    error, scale = abs(actual - expected).max(initial=0.0), abs(expected).max(initial=0.0)
    assert error <= tolerance * scale, f"{what}: off by {error:.2e} where the scale is {scale:.2e}"


def assert_same_training(problem, n_jobs=(None,)):
    """The engine's state and loss after all steps are the reference's, with any of these numbers of threads."""
    clear = without_kinks(problem)
    assert clear is not None
    assert_same_without_kinks(clear, n_jobs)


def assert_same_without_kinks(clear, n_jobs=(None,), tolerance=1e-10):
    """`assert_same_training` of a problem that `without_kinks` returned."""
    expected, loss = clear.trained(ReferenceBackend)
    for threads in n_jobs:
        actual, engine_loss = clear.trained(EngineBackend, n_jobs=threads)
        assert actual.keys() == expected.keys()
        assert actual["step"] == expected["step"] == clear.steps
        for name in expected:
            assert_close(actual[name], expected[name], tolerance, name)
        assert engine_loss == pytest.approx(loss, rel=tolerance, abs=tolerance * clear.n)


def dense(units, activation="identity"):
    return {"kind": "Dense", "units": units, "activation": activation}


def ensemble(units, activation="identity", members=3, **options):
    return {"kind": "EnsembleDense", "units": units, "activation": activation, "members": members, **options}


def activation_layer(name):
    return {"kind": "Activation", "activation": name}


def dropout(rate):
    return {"kind": "Dropout", "rate": rate}


def columns(**branches):
    """Columns from {name: (columns, levels, width)}, {name: (columns, layers)} and {name: (columns,)}, as they are."""

    def branch(columns, *sizes):
        layers = [dict(zip(("kind", "levels", "width"), ("Embedding", *sizes), strict=True))] if len(sizes) > 1 else []
        layers += sizes[0] if len(sizes) == 1 else []
        return {"columns": list(columns), "layers": layers}

    return {"kind": "Columns", "branches": {name: branch(*what) for name, what in branches.items()}}


def coded(layers):
    """Columns of codes, and how many levels they have."""
    branches = layers[0].get("branches", {}).values()
    return [(b["columns"][0], b["layers"][0]["levels"]) for b in branches if b["layers"] and "levels" in b["layers"][0]]


def bins(n, *behind):
    """Shares in n bins of several widths, and the layers behind them."""
    edges = [-1.2 + 2.4 * (k / n) ** 2 for k in range(n + 1)]
    return [{"kind": "PiecewiseLinear", "edges": edges}, *behind]


NORM = {"kind": "LayerNorm"}
LOSS_OPTIONS = [
    ({"name": "cross_entropy"}, 3),
    ({"name": "cross_entropy", "label_smoothing": 0.2}, 2),
    ({"name": "cross_entropy", "label_smoothing": 0.1}, 11),
    ({"name": "binary_cross_entropy"}, 1),
    ({"name": "binary_cross_entropy", "label_smoothing": 0.3}, 1),
    ({"name": "multilabel", "label_smoothing": 0.1}, 5),
    ({"name": "multilabel"}, 17),
    ({"name": "squared_error"}, 1),
    ({"name": "squared_error"}, 4),
    ({"name": "absolute_error"}, 2),
    ({"name": "huber"}, 1),
    ({"name": "huber", "delta": 0.3}, 3),
    ({"name": "quantile"}, 1),
    ({"name": "quantile", "quantiles": [0.9]}, 1),
    ({"name": "quantile", "quantiles": [0.05, 0.5, 0.8]}, 3),
    ({"name": "poisson"}, 1),
    ({"name": "poisson"}, 3),
]


# --- every part by itself -------------------------------------------------------------------------------------------


def test_the_problems_cover_every_loss():
    assert {loss["name"] for loss, _ in LOSS_OPTIONS} == set(LOSSES)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("loss", "n_outputs"), LOSS_OPTIONS, ids=str)
def test_each_loss_trains_as_on_the_reference(loss, n_outputs, reduction):
    layers = [dense(8, "tanh"), dense(n_outputs)]
    assert_same_training(Problem(layers, loss, reduction=reduction, weights="some"))
    assert_same_training(Problem(layers, loss, reduction=reduction, n=17, batch_size=5))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_trains_as_on_the_reference(activation):
    inside = [dense(20, activation), NORM, activation_layer(activation), dense(3)]
    assert_same_training(Problem(inside))
    assert_same_training(Problem([dense(3, activation)], n=33, batch_size=33))
    assert_same_training(Problem([activation_layer(activation), dense(2)]))


@pytest.mark.parametrize(
    "optimiser",
    [
        *({"name": name} for name in OPTIMISERS),
        {"name": "momentum", "momentum": 0.5},
        {"name": "nesterov", "momentum": 0.0},
        {"name": "rmsprop", "decay": 0.5, "epsilon": 1e-3},
        {"name": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("penalties", "weight_decay"),
    [
        ({}, 0.0),
        ({"l2": 0.1}, 0.0),
        ({"l1": 0.01}, 0.3),
        ({"clip_norm": 0.1}, 0.0),
        ({"l1": 0.02, "l2": 0.05, "clip_norm": 0.2}, 0.1),
        ({"clip_norm": 1e6}, 0.0),
    ],
    ids=str,
)
def test_each_optimiser_with_each_penalty_trains_as_on_the_reference(optimiser, penalties, weight_decay):
    layers = [dense(9, "silu"), NORM, dense(2)]
    assert_same_training(Problem(layers, optimiser=optimiser, penalties=penalties, weight_decay=weight_decay))


@pytest.mark.parametrize(
    "layers",
    [
        [dense(3)],
        [dense(1)],
        [NORM],
        [NORM, dense(3)],
        [dense(5), NORM],
        [NORM, NORM, dense(3), NORM],
        [dropout(0.5), dense(3)],
        [dropout(0.2), dropout(0.5), NORM, dense(3, "tanh")],
        [activation_layer("tanh"), activation_layer("silu"), NORM, activation_layer("gelu"), dense(2, "sigmoid")],
        [activation_layer("tanh"), dropout(0.3), dense(4), dropout(0.3), NORM],
        [dense(4, "softplus"), dense(3, "mish"), dropout(0.5)],
        [dense(4), dense(4), dense(4), dense(4)],
        [dense(6), NORM, dropout(0.25), activation_layer("elu"), dense(5), activation_layer("tanh")],
        [dense(33), dropout(0.9), dense(2)],
    ],
    ids=lambda layers: "-".join(layer["kind"] for layer in layers),
)
def test_layers_in_any_order_train_as_on_the_reference(layers):
    assert_same_training(Problem(layers, n_features=5, optimiser={"name": "adam"}))
    assert_same_training(Problem(layers, n_features=5, n=24, batch_size=24))


@pytest.mark.parametrize(
    "first",
    [
        columns(numbers=(range(3),), a=([3], 6, 8), b=([4], 2, 17)),  # read in place, codes above them
        columns(numbers=(range(2, 5),), a=([0], 6, 2), b=([1], 1, 1)),  # or below them
        columns(numbers=([2],), a=([1], 3, 4), b=([4], 5, 1)),  # or both, and columns that nobody takes
        columns(numbers=([0],), a=([1], 3, 1)),  # so many that outputs end below them
        columns(numbers=([4, 0, 1],), a=([3], 6, 8)),
        columns(a=([3], 6, 8), numbers=(range(3),), b=([4], 2, 33)),
        columns(a=([0], 40, 16)),
        columns(a=([0], 4, 3), again=([0], 4, 3), number=([0],)),
        columns(numbers=([2, 3],), others=([0, 1, 4],), a=([1], 3, 2)),
        columns(numbers=(range(5),)),
        columns(numbers=([4, 3, 1],)),
        columns(numbers=(range(3),), a=([3], bins(5, dense(8))), b=([4], bins(1, dense(17, "silu")))),  # read in place
        columns(a=([0], bins(16, dense(8, "tanh"))), again=([0], bins(2, dense(1))), b=([3], 6, 2)),
        columns(a=([1], bins(50, dense(9, "relu"))), numbers=([0, 4],)),  # more bins than units anywhere
        columns(numbers=([2, 3],), a=([0], bins(3)), b=([1], bins(4, dense(16, "gelu"))), c=([2], bins(1))),
        columns(a=([0], bins(2)), b=([1], bins(40))),
    ],
    ids=lambda first: str(
        [(b["columns"], *(layer_from(e).width(1) for e in b["layers"])) for b in first["branches"].values()]
    ),
)
@pytest.mark.parametrize(
    "others",
    [
        [dense(9, "tanh"), dense(2)],
        [dropout(0.3), NORM, dense(3, "silu")],
        [NORM, dropout(0.5), dense(17)],
        [activation_layer("tanh"), dense(2)],
        [],
    ],
    ids=lambda layers: "-".join(layer["kind"] for layer in layers),
)
def test_columns_and_embeddings_train_as_on_the_reference(first, others):
    layers = [first, *others]
    if not others and not layer_from(first).shapes(5):
        return  # nothing to learn
    penalties = {"l1": 0.02, "l2": 0.05, "clip_norm": 0.2}
    adam = {"optimiser": {"name": "adam"}, "penalties": penalties, "weight_decay": 0.1, "weights": "zeros"}
    assert_same_training(Problem(layers, n_features=5, **adam))
    assert_same_training(Problem(layers, n_features=5, n=24, batch_size=24))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100])
def test_widths_around_whole_vectors_train_as_on_the_reference(width):
    assert_same_training(Problem([dense(width, "tanh"), dense(width, "tanh"), dense(width)], n_features=width))
    assert_same_training(Problem([dense(width), NORM, dense(2)], n_features=width, n=width, batch_size=width))


@pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (1, 7), (2, 1), (31, 8), (65, 64), (50, 10**12), (97, 96)])
@pytest.mark.parametrize("weights", ["none", "some", "zeros", "zero batch"])
def test_any_rows_weights_and_batches_train_as_on_the_reference(n, batch_size, weights):
    for reduction in ("mean", "sum"):
        problem = Problem(
            [dense(6, "tanh"), dense(2)], n=n, batch_size=batch_size, weights=weights, reduction=reduction
        )
        assert_same_training(problem)


def test_a_batch_whose_weights_are_all_zero_moves_nothing_but_the_moments():
    problem = Problem([dense(4, "tanh"), dense(1)], weights="zero batch", n=32, batch_size=32)
    backend = problem.backend(EngineBackend)
    state, before = backend.start(), backend.network.params.copy()
    assert backend.run(state, np.arange(32), np.array([[0.1, 0.0, 1.0, 1.0]])) == (0.0, True)
    assert np.array_equal(state["params"], before)


# --- narrow networks, a kernel each ---------------------------------------------------------------------------------


def narrow_kernel(problem):
    """The name of the kernel that takes the whole network at once, None where there is none."""
    return problem.backend(EngineBackend)._program.plan.kernels.get("narrow")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_narrow_network_in_one_kernel_trains_as_on_the_reference(activation):
    problem = Problem([dense(3, activation), dense(2, activation), dense(2)], n_features=2, n=37, batch_size=37)
    assert activation in narrow_kernel(problem)
    assert_same_training(problem)
    assert_same_training(replace(problem, weights="some", reduction="sum"))


@pytest.mark.parametrize(("loss", "n_outputs"), [case for case in LOSS_OPTIONS if case[1] <= 5], ids=str)
def test_each_loss_at_the_end_of_a_narrow_network_trains_as_on_the_reference(loss, n_outputs):
    problem = Problem([dense(2, "sigmoid"), dense(n_outputs)], loss, n_features=2, n=50, batch_size=50, weights="zeros")
    assert (narrow_kernel(problem) is None) == (loss["name"] in ("huber", "quantile"))  # which take a number each unit
    assert_same_training(problem)


def test_chunks_penalties_and_another_order_do_not_keep_a_narrow_network_from_its_kernel(monkeypatch):
    monkeypatch.setattr(plan, "ARENA_BYTES", 1)
    layers, penalties = [dense(4, "tanh"), dense(1)], {"l1": 0.01, "l2": 0.1, "clip_norm": 0.5}
    problem = Problem(layers, n=700, batch_size=700, penalties=penalties, weight_decay=0.1, steps=5)
    assert problem.backend(EngineBackend)._program.plan.chunk < 700
    assert narrow_kernel(problem) is not None
    assert_same_training(problem)

    shuffled = np.random.default_rng(0).permutation(700)
    states = []
    for kind in (ReferenceBackend, EngineBackend):
        backend = problem.backend(kind)
        states.append(backend.start())
        backend.run(states[-1], shuffled, problem.rates()[:1])
    assert_close(states[1]["params"], states[0]["params"], 1e-10, "params")


@pytest.mark.parametrize(
    "problem",
    [
        Problem([dense(4, "tanh"), dense(1)], n=40, batch_size=20),  # mini-batches
        Problem([dense(20, "tanh"), dense(1)], n=40, batch_size=40),  # too many parameters
        Problem([dense(4, "tanh"), dropout(0.5), dense(1)], n=40, batch_size=40),
    ],
    ids=["mini-batches", "wide", "dropout"],
)
def test_other_networks_run_layer_by_layer(problem):
    assert narrow_kernel(problem) is None


# --- all parts together ---------------------------------------------------------------------------------------------


def has_step(layers, width):
    """Whether two units are normalised: the result is ±1 but for a slope of 1/√ε, by which roundings grow."""
    for layer in layers:
        if layer == NORM and width == 2:
            return True
        width = layer_from(layer).width(width)
    return False


widths = st.sampled_from([1, 2, 3, 5, 15, 16, 17, 31, 33, 64])
activations = st.sampled_from(list(ACTIVATIONS))


@st.composite
def problems(draw):
    layer = st.one_of(
        st.builds(dense, widths, activations),
        st.builds(dense, widths, activations),
        st.builds(activation_layer, activations),
        st.builds(dropout, st.sampled_from([0.0, 0.1, 0.5, 0.75])),
        st.just(NORM),
    )
    n_features = draw(st.sampled_from([1, 2, 3, 16, 17, 33]))
    layers = draw(st.lists(layer, min_size=1, max_size=5).filter(lambda ds: any(d["kind"] in NEEDED for d in ds)))
    assume(all(pair != (NORM, NORM) for pair in pairwise(layers)))  # the second's slope is 0 but for rounding
    assume(not has_step(layers, n_features))
    n_outputs = Problem(layers, n_features=n_features).n_outputs
    name = draw(st.sampled_from([name for name in LOSSES if n_outputs > 1 or name != "cross_entropy"]))
    loss = {"name": name}
    if name in ("cross_entropy", "binary_cross_entropy", "multilabel"):
        loss["label_smoothing"] = draw(st.sampled_from([0.0, 0.1, 0.5]))
    if name == "huber":
        loss["delta"] = draw(st.sampled_from([0.1, 1.0]))
    if name == "quantile":
        loss["quantiles"] = [(k + 1) / (n_outputs + 1) for k in range(n_outputs)]
    n = draw(st.sampled_from([1, 2, 15, 31, 32, 33, 50, 97]))
    penalties = {
        "l1": draw(st.sampled_from([0.0, 0.0, 0.01])),
        "l2": draw(st.sampled_from([0.0, 0.1])),
        "clip_norm": draw(st.sampled_from([None, 0.5])),
        "averaging": draw(st.sampled_from([0.0, 0.0, 0.9])),
    }
    return Problem(
        layers,
        loss,
        n_features,
        n,
        batch_size=draw(st.sampled_from([1, 2, 7, 16, 32, n, 2 * n])),
        optimiser={"name": draw(st.sampled_from(list(OPTIMISERS)))},
        reduction=draw(st.sampled_from(["mean", "sum"])),
        weights=draw(st.sampled_from(["none", "some", "zeros", "zero batch"])),
        penalties=penalties,
        weight_decay=draw(st.sampled_from([0.0, 0.1])),
        seed=draw(st.integers(0, 2**32)),
    )


@st.composite
def problems_with_categories(draw):
    """A problem whose first layer takes columns apart, some of them categories."""
    problem, n_codes, p = draw(problems()), draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 16]))
    at = list(draw(st.permutations(range(p + n_codes))))
    if draw(st.booleans()):
        at.sort(reverse=draw(st.booleans()))  # codes behind the numbers, or before them
    codes, numbers = at[p:], sorted(at[:p])
    embedding = st.tuples(st.sampled_from([1, 2, 7, 50]), st.sampled_from([1, 2, 8, 16, 17]))
    branches = {f"category {c}": ([c], *draw(embedding)) for c in codes}
    for k in range(draw(st.integers(0, 2))):
        behind = draw(st.one_of(st.just([]), st.builds(lambda *made: [dense(*made)], widths, activations)))
        branches[f"number {k}"] = ([draw(st.sampled_from(numbers))], bins(draw(st.integers(1, 20)), *behind))
    if draw(st.booleans()):
        branches = {"numbers": (numbers,), **branches}
    elif draw(st.booleans()):
        branches["numbers"] = (draw(st.permutations(numbers)),)
    layers = [columns(**branches), *problem.layers]
    assume(not has_step(layers, p + n_codes))
    n_outputs = replace(problem, layers=layers, n_features=p + n_codes).n_outputs
    assume(n_outputs == problem.n_outputs)  # which the loss was chosen for
    return replace(problem, layers=layers, n_features=p + n_codes)


NEEDED = ("Dense", "LayerNorm")  # a network of other layers has nothing to learn


@settings(max_examples=100)
@given(problem=problems())
def test_any_combination_trains_as_on_the_reference(problem):
    clear = without_kinks(problem)
    assume(clear is not None)
    assert_same_without_kinks(clear)


@settings(max_examples=50)
@given(problem=problems_with_categories())
def test_any_combination_with_categories_trains_as_on_the_reference(problem):
    clear = without_kinks(problem)
    assume(clear is not None)
    assert_same_without_kinks(clear)


@st.composite
def ensembles(draw):
    """A problem some of whose dense layers, the last one always, are an ensemble's."""
    problem = draw(st.one_of(problems(), problems_with_categories()))
    members, layers = draw(st.sampled_from([1, 2, 3, 9])), []
    for layer in problem.layers:
        if layer["kind"] == "Dense" and draw(st.booleans()):
            options = {"shared": draw(st.booleans()), "start": draw(st.sampled_from(STARTS))}
            layer = ensemble(layer["units"], layer["activation"], members, **options)
        layers.append(layer)
    n_outputs = problem.n_outputs
    return replace(problem, layers=[*layers, ensemble(n_outputs, members=members, shared=draw(st.booleans()))])


@settings(max_examples=30)
@given(problem=ensembles())
def test_any_ensemble_trains_as_on_the_reference(problem):
    clear = without_kinks(problem)
    assume(clear is not None)
    assert_same_without_kinks(clear)


# --- batches of many chunks -----------------------------------------------------------------------------------------

LARGE = Problem([dense(64, "silu"), NORM, dropout(0.3), dense(33, "tanh"), dense(3)], {"name": "cross_entropy"})


MIXED = replace(LARGE, layers=[columns(n=(range(1, 3),), a=([0], 20, 8), b=([3], 3, 2)), *LARGE.layers], n_features=4)
BINNED = replace(
    LARGE,
    layers=[columns(n=(range(2),), a=([2], bins(16, dense(8))), b=([0], bins(70, dense(20, "silu")))), *LARGE.layers],
)
KINDS = pytest.mark.parametrize("problem", [LARGE, MIXED, BINNED], ids=["numbers", "categories", "bins"])


@KINDS
@pytest.mark.parametrize(
    ("n", "batch_size"),
    [(3000, 3000), (3000, 2100), (2049, 1 << 20)],
    ids=["whole", "shuffled", "larger than the data"],
)
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_batches_of_many_chunks_train_as_on_the_reference(n, batch_size, clip_norm, problem):
    penalties = {"clip_norm": clip_norm, "l2": 0.01}
    problem = replace(problem, n=n, batch_size=batch_size, steps=4, weights="zeros", penalties=penalties)
    for optimiser in ("momentum", "adam"):
        assert_same_training(replace(problem, optimiser={"name": optimiser}))


@KINDS
@pytest.mark.parametrize("most", [1, 3, 8])
@pytest.mark.parametrize(("n", "batch_size"), [(3000, 3000), (700, 300), (130, 130)])
def test_slices_train_as_on_the_reference(n, batch_size, most, problem, monkeypatch):
    monkeypatch.setattr(plan, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(plan, "MOST_SLICES", most)
    options = {"penalties": {"clip_norm": 0.1, "l2": 0.01}, "weights": "zeros", "optimiser": {"name": "adam"}}
    problem = replace(problem, n=n, batch_size=batch_size, steps=4, **options)
    assert problem.backend(EngineBackend)._program.plan.n_slices == min(most, min(batch_size, 256) // 64)
    assert_same_training(problem, n_jobs=(1, 2))


@pytest.mark.parametrize("members", [2, 8, 11])
@pytest.mark.parametrize(("n", "batch_size"), [(3000, 3000), (700, 300), (130, 40)])
def test_members_in_groups_and_chunks_train_as_on_the_reference(n, batch_size, members, monkeypatch):
    monkeypatch.setattr(plan, "WORTH_A_THREAD", 0)
    layers = [
        *MIXED.layers[:1],
        ensemble(64, "silu", members, start="normal"),
        dropout(0.3),
        dense(20, "tanh"),
        ensemble(3, members=members, shared=False),
    ]
    options = {"penalties": {"clip_norm": 0.1, "l2": 0.01}, "weights": "zeros", "optimiser": {"name": "adam"}}
    problem = replace(MIXED, layers=layers, n=n, batch_size=batch_size, steps=4, weight_decay=0.1, **options)
    assert problem.backend(EngineBackend)._program.plan.n_slices == min(8, members)
    assert_same_training(problem, n_jobs=(1, 2))


@pytest.mark.parametrize("loss", [{"name": "cross_entropy"}, {"name": "quantile", "quantiles": [0.2, 0.5, 0.8]}])
def test_an_ensemble_is_evaluated_and_predicts_as_on_the_reference(loss):
    layers = [ensemble(20, "relu", 5, start="signs"), ensemble(3, members=5, shared=False)]
    problem = Problem(layers, loss, n=1100, weights="some")
    ours, theirs = problem.backend(EngineBackend), problem.backend(ReferenceBackend)
    params, rows = ours.network.params, problem.rows()
    assert_close(ours.predict(params, rows.X), theirs.predict(params, rows.X), 1e-12, "outputs")
    (our_loss, Y), (loss, expected) = ours.evaluate(params, rows), theirs.evaluate(params, rows)
    assert our_loss == pytest.approx(loss, rel=1e-12)
    assert_close(Y, expected, 1e-12, "outputs")
    (our_loss, G), (loss, expected) = ours.loss_and_gradient(params), theirs.loss_and_gradient(params)
    assert our_loss == pytest.approx(loss, rel=1e-12)
    assert_close(G, expected, 1e-11, "gradient")


def test_columns_that_only_fill_a_block_cannot_spoil_a_step():
    # e^(100 - 0.1 x) is near 1 for the samples; at x = 0, with which one might fill the block, it overflows float32.
    X, T = np.linspace(995, 1005, 5, dtype=np.float32)[:, None], np.ones((5, 1), np.float32)
    results = []
    for kind in (ReferenceBackend, EngineBackend):
        for order in (np.arange(5), np.array([3, 1, 4, 0, 2])):
            network = Network([Dense(1)], "poisson", 1, "float32")
            network.params = np.array([-0.1, 100.0])
            backend = kind(network, optimiser_named("gradient_descent"), Rows(X, T), batch_size=5)
            loss, finite = backend.run(backend.start(), order, np.array([[1e-9, 0.0, 1.0, 1.0]]))
            assert finite
            results += [loss / 5, backend.evaluate(network.params, backend.rows)[0]]
    assert results == pytest.approx([results[0]] * len(results), rel=1e-4)


@pytest.mark.parametrize("kind", [EngineBackend, ReferenceBackend])
@pytest.mark.parametrize("batch_size", [2, 4], ids=["batches", "all rows in their order"])
@pytest.mark.parametrize("wrong", [4, -1, 2**62, -(2**63)])
def test_row_numbers_of_no_row_are_refused_and_nothing_is_trained(kind, batch_size, wrong):
    network = Network([Dense(3)], "squared_error", 2)
    backend = kind(network, optimiser_named("adam"), Rows(np.ones((4, 2)), np.ones((4, 3))), batch_size=batch_size)
    state, rates = backend.start(), np.tile([1e-3, 0.0, 1.0, 1.0], (4 // batch_size, 1))
    before = state["params"].copy()
    for place in (0, 3):
        rows = np.arange(4)
        rows[place] = wrong
        with pytest.raises(IndexError, match=f"^rows must be row numbers from 0 to 3, got {wrong}$"):
            backend.run(state, rows, rates)
    assert int(state["step"]) == 0
    assert np.array_equal(state["params"], before)
    backend.run(state, np.array([3, 3, 0, 0]), rates)  # a row may come twice
    assert int(state["step"]) == len(rates)


def test_arrays_that_do_not_fit_the_network_are_refused():
    network, optimiser = Network([Dense(3)], "squared_error", 2), optimiser_named("adam")
    X, T = np.zeros((4, 2)), np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"^X must have the shape \(4, 2\), got \(4, 1\)$"):
        EngineBackend(network, optimiser, Rows(X[:, :1], T), batch_size=4)
    with pytest.raises(ValueError, match=r"^T must have the shape \(4, 3\), got \(4, 2\)$"):
        EngineBackend(network, optimiser, Rows(X, T[:, :2]), batch_size=4)
    with pytest.raises(ValueError, match=r"^weights must have the shape \(4,\), got \(3,\)$"):
        EngineBackend(network, optimiser, Rows(X, T, np.ones(3)), batch_size=4)
    with pytest.raises(ValueError, match=r"^X must have 2 columns, got the shape \(4, 5\)$"):
        engine_outputs(network, np.zeros((4, 5)))
    backend = EngineBackend(network, optimiser, Rows(X, T), batch_size=4)
    with pytest.raises(ValueError, match=r"^4 rows are not 2 batches of 4, one for each of the rates$"):
        backend.run(backend.start(), np.arange(4), np.ones((2, 4)))


def test_a_network_that_has_predicted_can_be_forgotten():
    network = Network([Dense(3)], "squared_error", 2)
    engine_outputs(network, np.zeros((4, 2)))
    seen = weakref.ref(network)
    del network
    gc.collect()
    assert seen() is None


def test_the_large_batches_are_of_many_chunks():
    plan = replace(LARGE, n=3000, batch_size=3000).backend(EngineBackend)._program.plan
    assert plan.chunk * 2 < 3000


def test_full_batches_mini_batches_and_evaluations_may_alternate():
    # A full batch in order stays in the engine's memory; whatever comes between must not leave its traces there.
    problem = replace(LARGE, n=1500, batch_size=1500, optimiser={"name": "adam"})
    backends = [problem.backend(kind) for kind in (ReferenceBackend, EngineBackend)]
    states, rates = [backend.start() for backend in backends], np.array([[1e-3, 0.0, 1.0, 1.0]])
    rng = np.random.default_rng(0)
    for rows in (np.arange(1500), rng.permutation(1500), rng.permutation(1500)[:700], np.arange(1500), np.arange(600)):
        results = [backend.run(state, rows, rates) for backend, state in zip(backends, states, strict=True)]
        assert results[1][0] == pytest.approx(results[0][0], rel=1e-10)
        for backend, state in zip(backends, states, strict=True):
            backend.evaluate(state["params"], backend.rows)
            backend.loss_and_gradient(state["params"])
        for name in states[0]:
            assert_close(states[1][name], states[0][name], 1e-10, name)


# --- float32 --------------------------------------------------------------------------------------------------------


def sizes_of_summands(network, rows, l1, l2):
    """What the entries of the gradient are sums of, in absolute values: one summand a row, and the penalties."""
    weights = np.ones(len(rows.X)) if rows.weights is None else rows.weights
    share = weights / weights.sum() if network.reduction == "mean" else weights
    sizes, T = np.zeros(network.params.size), network.loss.smoothed(rows.T)
    for i, s in enumerate(share):
        sizes += s * abs(network.backpropagate(rows.X[i : i + 1], T[i : i + 1])[1])
    for block in network.blocks:
        if block.role == "weight":
            sizes[block.slice] += l2 * abs(network.params[block.slice]) + l1
    return sizes


def assert_same_gradient_in_float32(problem):
    single = replace(problem, dtype="float32", steps=1)
    clear = without_kinks(single, margin=1e-4)  # float32 sums are off by 1e-6 or so
    assert clear is not None
    engine = clear.backend(EngineBackend)
    loss, G = engine.loss_and_gradient(engine.network.params)
    assert G.dtype == np.float32
    network = clear.network().astype(np.float64)
    rows = Rows(*(None if part is None else part.astype(np.float64) for part in engine.rows))
    exact = ReferenceBackend(network, engine.optimiser, rows, batch_size=clear.n, l1=engine.l1, l2=engine.l2)
    expected, exact_G = exact.loss_and_gradient(network.params)
    sizes = sizes_of_summands(network, rows, engine.l1, engine.l2)
    assert np.linalg.norm(G - exact_G) <= 2e-4 * (np.linalg.norm(exact_G) + np.linalg.norm(sizes))
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("loss", "n_outputs"), LOSS_OPTIONS, ids=str)
def test_gradients_in_float32_are_those_of_float64_for_each_loss(loss, n_outputs):
    layers = [dense(33, "silu"), NORM, dense(16, "tanh"), dense(n_outputs)]
    assert_same_gradient_in_float32(Problem(layers, loss, weights="zeros", penalties={"l2": 0.1, "l1": 0.01}))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_in_float32_are_those_of_float64_for_each_activation(activation):
    for reduction in ("mean", "sum"):
        assert_same_gradient_in_float32(Problem([dense(17, activation), dense(3)], reduction=reduction))


@settings(max_examples=60)
@given(problem=problems())
def test_gradients_in_float32_are_those_of_float64_in_any_combination(problem):
    # Of few rows, or with a full batch of weight 0, all weight would be gone.
    weights = problem.weights if problem.n > 10 and problem.weights != "zero batch" else "none"
    single = replace(problem, dtype="float32", steps=1, batch_size=problem.n, weights=weights)
    assume(without_kinks(single, margin=1e-4) is not None)
    assert_same_gradient_in_float32(single)


@settings(max_examples=40)
@given(problem=problems_with_categories())
def test_gradients_in_float32_are_those_of_float64_with_categories(problem):
    weights = problem.weights if problem.n > 10 and problem.weights != "zero batch" else "none"
    single = replace(problem, dtype="float32", steps=1, batch_size=problem.n, weights=weights)
    assume(without_kinks(single, margin=1e-4) is not None)
    assert_same_gradient_in_float32(single)


@pytest.mark.parametrize("optimiser", ["gradient_descent", "momentum"])
def test_descent_in_float32_follows_float64(optimiser):
    layers = [dense(20, "silu"), NORM, dropout(0.3), dense(17, "tanh"), dense(3)]
    problem = Problem(layers, {"name": "cross_entropy"}, optimiser={"name": optimiser}, dtype="float32", weights="some")
    (expected, loss), (actual, engine_loss) = problem.trained(ReferenceBackend), problem.trained(EngineBackend)
    for name in expected:
        assert actual[name].dtype == expected[name].dtype
        assert_close(actual[name], expected[name], 1e-5, name)
    assert engine_loss == pytest.approx(loss, rel=1e-5)


# --- the backend's other answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weights", ["none", "zeros"])
@pytest.mark.parametrize(("loss", "n_outputs"), LOSS_OPTIONS, ids=str)
def test_losses_gradients_and_outputs_are_those_of_the_reference(loss, n_outputs, weights, reduction):
    layers = [dense(33, "silu"), NORM, dropout(0.5), dense(n_outputs)]
    penalties = {"l1": 0.1, "l2": 0.2}
    problem = Problem(layers, loss, n=700, weights=weights, reduction=reduction, penalties=penalties)
    reference, engine = problem.backend(ReferenceBackend), problem.backend(EngineBackend)
    params = reference.network.params
    for (value, array), (expected, expected_array) in (
        (engine.loss_and_gradient(params), reference.loss_and_gradient(params)),
        (engine.evaluate(params, engine.rows), reference.evaluate(params, reference.rows)),
    ):
        assert value == pytest.approx(expected, rel=1e-12)
        assert_close(array, expected_array, 1e-11, "gradient or outputs")
    np.testing.assert_allclose(engine.predict(params, engine.rows.X), reference.predict(params, reference.rows.X))


def test_an_evaluation_of_many_rows_is_that_of_the_reference():
    n = 2 * CHUNK + 3
    problem = replace(LARGE, n=n, batch_size=100, weights="some")
    engine, reference = problem.backend(EngineBackend), problem.backend(ReferenceBackend)
    params = engine.start()["params"]
    (loss, Y), (expected, expected_Y) = (backend.evaluate(params, engine.rows) for backend in (engine, reference))
    assert loss == pytest.approx(expected, rel=1e-12)
    assert_close(Y, expected_Y, 1e-12, "outputs")
    empty = Rows(engine.rows.X[:0], engine.rows.T[:0])
    assert engine.predict(params, empty.X).shape == (0, 3)


def test_an_evaluation_leaves_rows_targets_and_weights_as_they_are():
    problem = replace(LARGE, loss={"name": "cross_entropy", "label_smoothing": 0.2}, n=300, weights="zeros")
    engine, rows = problem.backend(EngineBackend), problem.rows()
    state = engine.start()
    engine.run(state, np.arange(16), problem.rates()[:1])
    engine.evaluate(state["params"], engine.rows)
    engine.loss_and_gradient(state["params"])
    for kept, given_ in zip(engine.rows, rows, strict=True):
        assert np.array_equal(kept, given_)


def test_steps_shares_and_reductions_are_counted_as_on_the_reference():
    for weights in ("none", "zeros"):
        for reduction in ("mean", "sum"):
            problem = Problem([dense(2)], weights=weights, reduction=reduction, batch_size=7)
            reference, engine = problem.backend(ReferenceBackend), problem.backend(EngineBackend)
            assert engine.steps_per_epoch == reference.steps_per_epoch == 6
            assert engine.share(np.arange(11)) == reference.share(np.arange(11))
            assert engine.per_row(3.0) == reference.per_row(3.0)
            others = Rows(engine.rows.X[:9], engine.rows.T[:9])
            assert engine.per_row(3.0, others) == reference.per_row(3.0, others)


def test_rows_in_another_order_of_memory_or_float_type_train_alike():
    problem = replace(LARGE, n=90, batch_size=32, weights="some")
    plain, rows = problem.trained(EngineBackend)[0]["params"], problem.rows()

    class Strided(EngineBackend):
        def __init__(self, network, optimiser, rows, **options):
            X = np.repeat(np.asfortranarray(rows.X), 2, axis=1)[:, ::2]
            super().__init__(
                network, optimiser, Rows(X, np.asfortranarray(rows.T), rows.weights[:, None][:, 0]), **options
            )

    assert np.array_equal(problem.trained(Strided)[0]["params"], plain)
    network = replace(problem, dtype="float32").network()
    double = EngineBackend(network, optimiser_named("adam"), rows, batch_size=32)
    single_rows = Rows(*(part.astype(np.float32) for part in rows))
    single = EngineBackend(network, optimiser_named("adam"), single_rows, batch_size=32)
    for actual, expected in zip(
        double.loss_and_gradient(network.params), single.loss_and_gradient(network.params), strict=True
    ):
        assert np.array_equal(actual, expected)


# --- L-BFGS ---------------------------------------------------------------------------------------------------------


def test_lbfgs_finds_the_ridge_solution():
    # Minimum of (1/n) ‖Xw + b - t‖² + ½ l2 ‖w‖²: (2/n) Xᵀ(Xw + b - t) + l2 w = 0 with centred columns.
    l2 = 0.8
    problem = Problem([dense(1)], n=40, batch_size=40, penalties={"l2": l2})
    rows = problem.rows()
    X, t = rows.X - rows.X.mean(axis=0), rows.T - rows.T.mean(axis=0)
    w = np.linalg.solve(2 / 40 * X.T @ X + l2 * np.eye(3), 2 / 40 * X.T @ t)[:, 0]
    b = rows.T.mean() - rows.X.mean(axis=0) @ w
    outcome = train_lbfgs(problem.backend(EngineBackend), TrainingOptions(max_epochs=200))
    np.testing.assert_allclose(outcome.params, [*w, b], atol=1e-5)
    assert outcome.reason == "converged"


def test_lbfgs_ends_in_the_minimum_where_the_reference_ends():
    problem = Problem([dense(3)], {"name": "cross_entropy"}, n=600, batch_size=600, penalties={"l2": 0.1})  # convex
    ends = [
        train_lbfgs(problem.backend(kind), TrainingOptions(max_epochs=200))
        for kind in (ReferenceBackend, EngineBackend)
    ]
    np.testing.assert_allclose(ends[1].params, ends[0].params, atol=1e-6)
    assert ends[1].history[-1]["loss"] == pytest.approx(ends[0].history[-1]["loss"], rel=1e-9)


# --- formulas that the kernels restate ------------------------------------------------------------------------------


@settings(max_examples=20)
@given(
    rate=st.floats(0.01, 0.99),
    factor=st.sampled_from([1.0, 0.5, 0.01]),
    seed=st.integers(0, 2**64 - 1),
    step=st.one_of(st.integers(0, 100), st.just(2**40)),
    layer=st.integers(0, 5),
    p=st.sampled_from([1, 3, 8, 9, 37]),
)
def test_a_dropout_mask_is_the_stream_s_own(rate, factor, seed, step, layer, p):
    # All inputs are 1, and row i pulls on output i alone: after a step at rate 1 from weights 0, column i of W is row
    # i of keep / (1 - rate), times 2 / n. With n a power of two nothing is rounded.
    n = 1024
    layers = [*([Activation("identity")] * layer), Dropout(rate), Dense(n)]
    network = Network(layers, "squared_error", p, reduction="sum", random_state=0)
    network.params[:] = 0.0
    rows = Rows(np.ones((n, p)), np.eye(n))
    backend = EngineBackend(network, optimiser_named("gradient_descent"), rows, batch_size=n, seed=seed)
    assert backend._program.plan.chunk < n
    state = backend.start()
    state["step"] += step
    backend.run(state, np.arange(n), np.array([[1.0, 0.0, factor, 1.0]]))
    W = state["params"][: p * n].reshape(p, n)
    keep = Stream(seed, Purpose.DROPOUT, step, layer).keep(rate * factor, n, p)
    assert np.array_equal(W.T * (n / 2), keep / (1.0 - rate * factor))


def scores_network(K, loss, dtype="float64"):
    """A network whose scores are its inputs."""
    network = Network([Dense(K)], loss, K, dtype, random_state=0)
    network.params = np.append(np.eye(K).ravel(), np.zeros(K))
    return network


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_softmax_and_its_loss_are_stable_for_scores_of_any_size(dtype):
    network = scores_network(3, "cross_entropy", dtype)
    Z = np.array([[1e4, 0, -1e4], [1e4, 0, -1e4], [-1e4, -1e4, -1e4], [0, 1, 2]], dtype)
    T = np.eye(3, dtype=dtype)[[0, 2, 1, 2]]
    backend = EngineBackend(network, optimiser_named("adam"), Rows(Z, T), batch_size=4)
    # By hand: class 0 is certain and costs nothing; class 2 costs the difference of the scores; equal scores log 3.
    losses = [0.0, 2e4, np.log(3.0), np.log(np.exp(-2) + np.exp(-1) + 1)]
    eps = float(np.finfo(dtype).eps)
    for i, expected in enumerate(losses):
        loss, Y = backend.evaluate(network.params, Rows(Z[i : i + 1], T[i : i + 1]))
        assert loss == pytest.approx(expected, rel=4 * eps, abs=4 * eps)
        np.testing.assert_allclose(Y, softmax(Z[i : i + 1].astype(float)), atol=4 * eps)
    loss, G = backend.loss_and_gradient(network.params)
    assert loss == pytest.approx(np.mean(losses), rel=1e-6)
    np.testing.assert_allclose(G[9:], (softmax(Z.astype(float)) - T).mean(axis=0), atol=4 * eps)


def test_dense_layers_are_exact_where_every_number_is_whole():
    rng = np.random.default_rng(0)
    for p, q, n in ((1, 1, 1), (3, 17, 40), (100, 33, 700), (257, 2, 5)):
        network = Network([Dense(q)], "squared_error", p, "float32", random_state=0)
        W, b = rng.integers(-9, 10, size=(p, q)), rng.integers(-9, 10, size=q)
        X, T = rng.integers(-9, 10, size=(n, p)), rng.integers(-9, 10, size=(n, q))
        network.params = np.append(W.ravel(), b)
        rows = Rows(X.astype(np.float32), T.astype(np.float32))
        backend = EngineBackend(network, optimiser_named("adam"), rows, batch_size=n)
        assert np.array_equal(backend.predict(network.params, rows.X), X @ W + b)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("levels", [1, 3, 2**24])
def test_codes_that_name_no_level_are_0_as_in_maths(levels, dtype):
    tiny = np.finfo(dtype).tiny
    whole = [0, 1, 2, 3, 4, -1, levels, levels + 1, levels - 1, -0.0, 2**24, 2**31, 2**33, 1e30, -1e30]
    others = [0.5, 2.5, 1 - 1e-7, 1 + 1e-6, levels - 0.5, levels + 0.5, tiny, -tiny, np.nan, np.inf, -np.inf]
    with np.errstate(over="ignore"):
        X = np.array([*whole, *others], dtype)[:, None]
    first = Columns({"code": ([0], [Embedding(levels, 1, spread=0.0)])})
    network = Network([first], "squared_error", 1, dtype, random_state=0)
    network.params[:] = np.arange(levels + 1)
    expected = levels_of(X, levels)
    assert np.array_equal(engine_outputs(network, X), network.params[expected])
    assert np.array_equal(engine_outputs(network, np.repeat(X, 40, axis=0)), np.repeat(network.params[expected], 40, 0))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_bins", [1, 2, 16])
def test_shares_in_bins_are_the_formula_of_maths_to_the_bit(n_bins, dtype):
    layer = layer_from(*bins(n_bins))
    inside, huge = np.random.default_rng(0).normal(size=500), np.finfo(dtype).max
    X = np.concatenate([inside, layer.edges, [0.0, -0.0, 1e9, -1e9, huge, -huge, np.inf, -np.inf]]).astype(dtype)[
        :, None
    ]
    network = Network([Columns({"x": ([0], [layer])})], "squared_error", 1, dtype, random_state=0)
    expected = piecewise_linear(X, layer.table(dtype))
    assert np.array_equal(engine_outputs(network, X), expected)
    assert np.isnan(engine_outputs(network, np.array([[np.nan]], dtype))).all()
    assert isinstance(layer, PiecewiseLinear)


def test_layer_normalisation_is_the_formula_of_maths():
    network = Network([LayerNorm(1e-3)], "squared_error", 7, random_state=0)
    rng = np.random.default_rng(0)
    scale, shift = rng.normal(size=7), rng.normal(size=7)
    X = rng.normal(size=(50, 7)) * rng.choice([1e-3, 1.0, 1e3], size=(50, 1)) + rng.choice([0.0, 100.0], size=(50, 1))
    X[3] = 5.0  # no spread at all
    network.params = np.append(scale, shift)
    backend = EngineBackend(network, optimiser_named("adam"), Rows(X, X), batch_size=50)
    expected = layer_norm(X, scale, shift, 1e-3)[0]
    np.testing.assert_allclose(backend.predict(network.params, X), expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(backend.predict(network.params, X)[3], shift)
