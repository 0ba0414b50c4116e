"""Losses, activations, norms and clipping at the ends of the floats, on both engines, against 60 digits.

Networks are made so that their parameters or inputs *are* the numbers a formula sees, and what backends return is what
it made of them: no formula is called by itself, so the compiled kernels are the ones that train.
"""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.layers import Dense, LayerNorm
from glassnet.maths.losses import LOSSES, loss_named
from glassnet.maths.optimisers import optimiser_named
from glassnet.network import Network
from glassnet.training.backend import ReferenceBackend, Rows
from glassnet.training.compiled import EngineBackend

DIGITS = 60
TOGETHER = 512  # outputs of a network whose slopes are found in one step
STILL = np.array([[0.0, 0.0, 1.0, 1.0]])
everywhere = [
    pytest.param(kind, dtype, id=f"{kind.__name__}-{dtype}")
    for kind in (ReferenceBackend, EngineBackend)
    for dtype in ("float32", "float64")
]
both = pytest.mark.parametrize(("kind", "dtype"), everywhere)


def grid(dtype):
    """Scores of all sizes and both signs, up to the largest number."""
    f = np.finfo(dtype)
    sizes = [0.0, f.smallest_subnormal, f.smallest_normal, 1e-30, 1e-10, 1e-3, 0.5, 1.0, 5.0, 16.5, 17.5, 40.0, 88.0]
    sizes += [90.0, 104.0, 709.0, 745.0, 1e4, 1e7, 1e10, 1.8e19, 1e20, 1e30, 3e38, float(f.max)]
    sizes += [1e150, 1e200, 1e300] if dtype == "float64" else []
    return np.concatenate([np.array(sizes, dtype), -np.array(sizes, dtype)])


def backend_of(kind, dtype, layers, loss, X, T, values):
    """A backend of one table whose parameters are `values`, by block."""
    X, T = np.array(X, dtype), np.array(T, dtype)
    network = Network(layers, loss, X.shape[1], dtype, random_state=0)
    network.params = np.zeros_like(network.params)
    for name, value in values.items():
        network.split(network.params)[name][...] = value
    return kind(network, optimiser_named("gradient_descent"), Rows(X, T), batch_size=len(X))


def gradient_of(backend, block):
    """The gradient of a block of parameters, over all rows."""
    network = backend.network
    return network.split(backend.loss_and_gradient(network.params)[1])[block].ravel()


def require_near(got, exact, size, dtype, step=1):
    """`got` is the exact number to 4 units in its last place, 1e-6 of it in float32.

    size : that of the terms that the formula must subtract, if larger: they are rounded before.
    step : how much of the number a unit of a subnormal makes, where the formula multiplies one or divides it.
    Beyond the largest float it must not be finite.
    """
    largest, unit = mpf(float(np.finfo(dtype).max)), mpf(float(np.finfo(dtype).eps))
    if mpmath.isnan(exact) or abs(exact) > largest or size > largest:
        assert not np.isfinite(got), (got, exact)
        return
    bound = mpf("1e-6") if dtype == "float32" else 4 * unit
    smallest = mpf(float(np.finfo(dtype).smallest_subnormal))
    allowed = max(bound * max(abs(exact), size), 4 * smallest * step)
    assert abs(mpf(float(got)) - exact) <= allowed, (got, mpmath.nstr(exact, 20))


def e_to(z):
    """e^z; infinity far beyond all floats, where mpmath would take its time."""
    return mpmath.inf if z > 10**5 else mpf(0) if z < -(10**5) else mpmath.exp(z)


def softplus(z):
    return z + softplus(-z) if z > 0 else mpmath.log1p(e_to(z))


def sigmoid(z):
    return 1 / (1 + e_to(-z)) if z > 0 else e_to(z) / (1 + e_to(z))


def sign(z):
    return mpf((z > 0) - (z < 0))


def huber(z, t):
    return (z - t) ** 2 / 2 if abs(z - t) <= 1 else abs(z - t) - mpf(1) / 2


Q = mpf(0.25)  # exact in binary
# Loss, the targets to try, its value and its slope, and the size of what either has to subtract (see `require_near`).
# A difference Z - T that no float can hold is infinite, though a part of it could be held.
CASES = {
    "binary_cross_entropy": (
        [0.0, 1.0, 0.25],
        lambda z, t: t * softplus(-z) + (1 - t) * softplus(z),
        lambda z, t: sigmoid(z) - t,
        lambda z, t: (0, max(sigmoid(z), t)),
    ),
    "squared_error": (None, lambda z, t: (z - t) ** 2, lambda z, t: 2 * (z - t), lambda z, t: (0, 0)),
    "absolute_error": (None, lambda z, t: abs(z - t), lambda z, t: sign(z - t), lambda z, t: (0, 0)),
    "huber": (None, huber, lambda z, t: max(min(z - t, mpf(1)), mpf(-1)), lambda z, t: (abs(z - t), 0)),
    "quantile": (
        None,
        lambda z, t: max(Q * (t - z), (Q - 1) * (t - z)),
        lambda z, t: -Q if z < t else 1 - Q,
        lambda z, t: (abs(z - t), 0),
    ),
    "poisson": (
        [0.0, 1e-38, 1.0, 5.0, 1e4, 1e10, 3e38],
        lambda z, t: e_to(z) - t * z,
        lambda z, t: e_to(z) - t,
        lambda z, t: (max(e_to(z), abs(t * z)), max(e_to(z), t)),
    ),
}
CASES["multilabel"] = CASES["binary_cross_entropy"]


def test_every_loss_is_tried_at_the_ends():
    assert set(CASES) | {"cross_entropy"} == set(LOSSES)


@both
@pytest.mark.parametrize("name", CASES)
def test_a_loss_and_its_slope_are_right_or_not_finite_for_any_score(name, kind, dtype):
    targets, value, slope, size = CASES[name]
    loss = loss_named(name, quantiles=(0.25,)) if name == "quantile" else loss_named(name)
    Z = grid(dtype)
    T = Z[::3] if targets is None else np.array(targets, dtype)
    Z, T = (part.ravel() for part in np.meshgrid(Z, T))
    backend = backend_of(kind, dtype, [Dense(1)], loss, [[0.0]], [[0.0]], {"0.W": 1.0})
    pairs = zip(Z.reshape(-1, 1, 1), T.reshape(-1, 1, 1), strict=True)
    values = [backend.evaluate(backend.network.params, Rows(z, t))[0] for z, t in pairs]
    slopes = slopes_of(kind, dtype, loss, Z, T)
    with mpmath.workdps(DIGITS):
        for z, t, v, s in zip(map(mpf, map(float, Z)), map(mpf, map(float, T)), values, slopes, strict=True):
            subtracted, subtracted_slope = size(z, t)
            if max(abs(z), abs(t), abs(z - t)) <= np.finfo(dtype).max:
                require_near(v, value(z, t), subtracted, dtype)
            require_near(s, slope(z, t), subtracted_slope, dtype, step=TOGETHER)


def slopes_of(kind, dtype, loss, Z, T):
    """The slopes at scores Z: the gradients of biases, of outputs that are Z for the one row there is.

    A loss is the mean over its outputs; their number is a power of 2, by which to divide is exact. Quantiles have one
    target for all outputs, so they take a row and a backend each.
    """
    if loss.name == "quantile":
        one = [slopes_of_row(kind, dtype, loss, Z[i : i + 1], T[i : i + 1]) for i in range(len(Z))]
        return np.concatenate(one)
    n, slopes = TOGETHER, []
    for first in range(0, len(Z), n):
        part, targets = (np.resize(array[first : first + n], n) for array in (Z, T))
        slopes.append(n * slopes_of_row(kind, dtype, loss, part, targets)[: len(Z) - first])
    return np.concatenate(slopes)


def slopes_of_row(kind, dtype, loss, z, t):
    backend = backend_of(kind, dtype, [Dense(len(z))], loss, [[1.0]], [t], {"0.b": z})
    return gradient_of(backend, "0.b")


@both
def test_softmax_and_its_loss_are_right_for_any_scores(kind, dtype):
    rng, ends = np.random.default_rng(0), grid(dtype)
    finite = ends[abs(ends) <= np.finfo(dtype).max / 2]
    for z in [*rng.choice(finite, (60, 3)), *np.repeat(finite[::5], 3).reshape(-1, 3)]:
        for t in (np.array([1, 0, 0]), np.array([0, 0, 1]), np.array([0.5, 0.25, 0.25])):
            backend = backend_of(kind, dtype, [Dense(3)], "cross_entropy", [[1.0]], [t], {"0.b": z})
            loss, _ = backend.evaluate(backend.network.params, backend.rows)
            require_softmax(loss, gradient_of(backend, "0.b"), z, t, dtype)
            Y = backend.predict(backend.network.params, backend.rows.X)
            assert abs(Y.sum() - 1) <= 4 * np.finfo(dtype).eps


def require_softmax(loss, slopes, z, t, dtype):
    with mpmath.workdps(DIGITS):
        z, t = [mpf(float(x)) for x in z], [mpf(float(x)) for x in t]
        powers = [e_to(x - max(z)) for x in z]
        logs = [x - max(z) - mpmath.log(sum(powers)) for x in z]
        exact = -sum(a * b for a, b in zip(t, logs, strict=True) if a)
        require_near(loss, exact, 1, dtype)  # the logarithm is that of 1 and something
        for score, slope, power, target in zip(z, slopes, powers, t, strict=True):
            y = power / sum(powers)
            require_near(slope, y - target, max(y * max(1, max(z) - score), target), dtype)  # e^(Z - largest), rounded


# --- activations ----------------------------------------------------------------------------------------------------


def normal(z):
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2 if abs(z) < 10**4 else mpf(z > 0)


def mish_slope(z):
    t = mpmath.tanh(softplus(z)) if z < 10**4 else mpf(1)
    return t + (z * (1 - t * t) * sigmoid(z) if abs(z) < 10**4 else 0)


ALPHA, SCALE = mpf(1.6732632423543772), mpf(1.0507009873554805)
# Value and slope. Each is right to the bound of `require_near` beside a size: 0 where it is right in itself, 1 (times
# the score, for those that multiply by it) where it is a difference of numbers up to 1, as 1 - tanh² is.
FUNCTIONS = {
    "identity": (lambda z: z, lambda z: mpf(1), 0),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z), 1),
    "tanh": (lambda z: mpmath.tanh(z) if abs(z) < 10**4 else sign(z), lambda z: sech_squared(z), 1),
    "relu": (lambda z: max(z, mpf(0)), lambda z: mpf(z > 0), 0),
    "leaky_relu": (lambda z: z if z > 0 else mpf(0.01) * z, lambda z: mpf(1) if z > 0 else mpf(0.01), 0),
    "elu": (lambda z: z if z > 0 else expm1(z), lambda z: mpf(1) if z > 0 else e_to(z), 1),
    "selu": (
        lambda z: SCALE * (z if z > 0 else ALPHA * expm1(z)),
        lambda z: SCALE * (mpf(1) if z > 0 else ALPHA * e_to(z)),
        2,
    ),
    "gelu": (lambda z: z * normal(z), lambda z: normal(z) + (z * mpmath.npdf(z) if abs(z) < 10**4 else 0), 1),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * sigmoid(-z)), 1),
    "mish": (lambda z: z * (mpmath.tanh(softplus(z)) if z < 10**4 else 1), mish_slope, 1),
    "softplus": (softplus, sigmoid, 0),
}


def expm1(z):
    return mpmath.expm1(z) if z > -(10**4) else mpf(-1)


def sech_squared(z):
    return 1 / mpmath.cosh(z) ** 2 if abs(z) < 10**4 else mpf(0)


def test_every_activation_is_tried_at_the_ends():
    assert set(FUNCTIONS) == set(ACTIVATIONS)


@both
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_and_its_slope_are_right_for_any_value(name, kind, dtype):
    value, slope, size = FUNCTIONS[name]
    Z = grid(dtype)
    m = len(Z)
    at_the_end = backend_of(kind, dtype, [Dense(m, name)], "squared_error", [[1.0]], [np.zeros(m)], {"0.b": Z})
    with np.errstate(all="ignore"):  # selu of the largest number is infinite
        A = at_the_end.predict(at_the_end.network.params, at_the_end.rows.X)[0]
    # |W (A_1 + A_2 + …) - T| has the slope W in each, for a T below all sums, and W a power of 2 that keeps them small.
    W, T = 2.0**-20, [[-np.finfo(dtype).max / 2]]
    values = {"0.b": Z, "1.W": W}
    below = backend_of(kind, dtype, [Dense(m, name), Dense(1)], "absolute_error", [[1.0]], T, values)
    slopes = gradient_of(below, "0.b") / W
    scores_count = name in ("gelu", "silu", "mish")
    with mpmath.workdps(DIGITS):
        for z, a, s in zip(map(mpf, map(float, Z)), A, slopes, strict=True):
            near = 0 if scores_count and abs(z) > 50 else 1  # further out nothing is subtracted that matters
            large = max(abs(z), 1) if scores_count else 1
            require_near(a, value(z), near * abs(z) if scores_count else 0, dtype, step=large)
            require_near(s, slope(z), near * size * large, dtype, step=large / mpf(W))


# --- norms ----------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-20, 1.0, 1e10, 1e19, 1e25, 3e37])
def test_layer_normalisation_is_right_for_rows_of_any_size_beside_each_other(size, kind, dtype):
    if dtype == "float64":
        size = size**8 if size > 1 else size
    X = np.array([[-1.0, 1.0, 3.0, 5.0], [2.0, 2.0, 2.0, 2.0], [1.0, -2.0, 0.5, 0.25]])
    X = np.concatenate([X, size * X, X[::-1]]).astype(dtype)
    layer = LayerNorm()
    backend = backend_of(kind, dtype, [layer], "squared_error", X, np.zeros_like(X), {"0.scale": 1.0})
    A = backend.predict(backend.network.params, X)
    with mpmath.workdps(DIGITS):
        for x, a in zip(X, A, strict=True):
            exact = [mpf(float(value)) for value in x]
            mean = sum(exact) / 4
            spread = mpmath.sqrt(sum((value - mean) ** 2 for value in exact) / 4 + mpf(layer.epsilon))
            for value, got in zip(exact, a, strict=True):
                # What is subtracted is as large as the row's largest value, but if all are equal no digit is lost.
                largest = 0 if len(set(exact)) == 1 else max(map(abs, exact)) / spread
                require_near(got, (value - mean) / spread, largest, dtype, step=1 / spread)
    alone = backend.predict(backend.network.params, X[:3])
    assert alone.tobytes() == A[:3].tobytes() == A[:5:-1].tobytes()  # whatever stands beside them


@both
@pytest.mark.parametrize("size", [1e-30, 1e-10, 1.0, 1e15, 1e18, 1e30])
def test_a_gradient_is_clipped_whatever_its_size(size, kind, dtype):
    # One row, two outputs, Z = 0: with targets T the gradient of the biases is -T, and that of the weights 0.
    if dtype == "float64":
        size = size**10 if size > 1 else size
    T = size * np.array([[3.0, 4.0]])
    network = Network([Dense(2)], "squared_error", 1, dtype, random_state=0)
    network.params = np.zeros_like(network.params)
    rows = Rows(np.zeros((1, 1), dtype), T.astype(dtype))
    backend = kind(network, optimiser_named("gradient_descent"), rows, batch_size=1, clip_norm=1.0)
    state = backend.start()
    backend.run(state, np.arange(1), np.array([[1.0, 0.0, 1.0, 1.0]]))
    moved = network.split(state["params"])["0.b"].astype(np.float64)
    norm = 5 * size
    expected = np.array([3.0, 4.0]) * size / max(norm + 1e-6, 1.0) if norm + 1e-6 > 1 else T[0]
    np.testing.assert_allclose(moved, expected, rtol=2e-6 if dtype == "float32" else 1e-15)
