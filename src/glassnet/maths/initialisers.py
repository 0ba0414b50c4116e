"""How weights start: W (p, q) drawn with a spread that keeps the size of activations from layer to layer.

With p inputs and q outputs to a layer:

    standard_normal   N(0, 1), biases too        the article's
    glorot_uniform    U(-a, a), a = √(6 / (p+q))  Glorot and Bengio (2010); for sigmoid, tanh, identity
    glorot_normal     N(0, 2 / (p+q))
    he_normal         N(0, 2 / p)                 He et al. (2015); for ReLU and its kin, which pass half of the signal
    he_uniform        U(-a, a), a = √(6 / p)
    lecun_normal      N(0, 1 / p)                 LeCun et al. (1998); what SELU needs to normalise itself
    lecun_uniform     U(-a, a), a = √(3 / p)
    fan_in            U(-a, a), a = 1 / √p, biases too  PyTorch's own for linear layers; small outputs at the start
    zeros             0: every node of a layer stays like its neighbour, so only for output layers
    piecewise_linear  row 0 U(-a, a), a = 1 / √q, and the bias too; 0 below: a line a x + c, behind `PiecewiseLinear`

Biases start at 0 except in `standard_normal`, `fan_in` and `piecewise_linear`. `"auto"` takes the rule that the layer's
activation names.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glassnet.errors import OptionError, require_choice
from glassnet.maths.random import Stream

__all__ = ["INITIALISERS", "initialise_bias", "initialise_weights"]

# Returns W (p, q) in float64 from a stream of random numbers.
Initialiser = Callable[[Stream, int, int], np.ndarray]


def _normal(variance: Callable[[int, int], float]) -> Initialiser:
    return lambda random, p, q: np.sqrt(variance(p, q)) * random.normal(p, q)


def _uniform(variance: Callable[[int, int], float]) -> Initialiser:
    # U(-a, a) has variance a² / 3.
    return lambda random, p, q: np.sqrt(3.0 * variance(p, q)) * (2.0 * random.uniform(p, q) - 1.0)


def _glorot(p: int, q: int) -> float:
    return 2.0 / (p + q)


def _he(p: int, q: int) -> float:
    return 2.0 / p


def _lecun(p: int, q: int) -> float:
    return 1.0 / p


def _line(random: Stream, p: int, q: int) -> np.ndarray:
    """The slopes of lines in the first of p rows, and 0 below."""
    W = np.zeros((p, q))
    W[0] = _symmetric(random, q)
    return W


def _symmetric(random: Stream, q: int) -> np.ndarray:
    """q numbers U(-a, a), a = 1 / √q."""
    return (2.0 * random.uniform(1, q)[0] - 1.0) / np.sqrt(q)


INITIALISERS: dict[str, Initialiser] = {
    "standard_normal": _normal(lambda p, q: 1.0),
    "glorot_uniform": _uniform(_glorot),
    "glorot_normal": _normal(_glorot),
    "he_normal": _normal(_he),
    "he_uniform": _uniform(_he),
    "lecun_normal": _normal(_lecun),
    "lecun_uniform": _uniform(_lecun),
    "fan_in": _uniform(lambda p, q: 1.0 / (3.0 * p)),
    "zeros": lambda random, p, q: np.zeros((p, q)),
    "piecewise_linear": _line,
}


def check_initialiser(initializer: str | Initialiser) -> None:
    """Raise OptionError unless `initializer` is "auto", a known name, or a function (random, p, q) -> W."""
    if not callable(initializer):
        require_choice("initializer", initializer, ["auto", *INITIALISERS])


def initialise_weights(initializer: str | Initialiser, random: Stream, p: int, q: int) -> np.ndarray:
    """Draw W (p, q) by the named rule, or by a function (random, p, q) -> W of your own."""
    W = INITIALISERS[initializer](random, p, q) if isinstance(initializer, str) else initializer(random, p, q)
    if np.shape(W) != (p, q):
        raise OptionError(f"must return weights of shape ({p}, {q})", argument="initializer", value=np.shape(W))
    return W


def initialise_bias(initializer: str | Initialiser, random: Stream, p: int, q: int) -> np.ndarray:
    """Biases (q,): drawn for `standard_normal`, as in the article, `fan_in` and `piecewise_linear`, else zeros."""
    below = random.at(first_row=p)  # the row after the p rows of weights
    if initializer == "standard_normal":
        return below.normal(1, q)[0]
    if initializer == "fan_in":
        return (2.0 * below.uniform(1, q)[0] - 1.0) / np.sqrt(p)
    if initializer == "piecewise_linear":
        return _symmetric(below, q)
    return np.zeros(q)
