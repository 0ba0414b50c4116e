"""Optimisers: from parameters P and the gradient G of the loss to better parameters.

Each optimiser is one formula on arrays, entry by entry, and an object with its constants that applies the formula to
the flat vector of all parameters. Steps count from 1. Definitions are PyTorch's: Nesterov looks ahead along the new
velocity, and the ε of RMSprop and Adam stands outside the root.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from glassnet.errors import OptionError, require_choice, require_number, require_options
from glassnet.maths.elementary import Array, sqrt

__all__ = [
    "OPTIMISERS",
    "Adam",
    "AdamW",
    "GradientDescent",
    "Momentum",
    "Nesterov",
    "Optimiser",
    "RMSprop",
    "gradient_descent",
    "optimiser_named",
]


# --- gradient descent of any function, as the article introduces it -------------------------------------------------


def gradient_descent(
    f_grad: Callable[[np.ndarray], np.ndarray], x0: Any, learning_rate: float, steps: int
) -> np.ndarray:
    """Walk downhill: x_n = x_(n-1) - learning_rate · f_grad(x_(n-1)). Returns the whole path.

    f_grad : gradient of the function, from an array of the shape of x0 to one of the same shape.
    x0 : start, any shape.   learning_rate : positive.   steps : whole number of at least 0.
    Returns the path (steps + 1, *x0.shape), from x0 to the last point.

    Nothing promises a global minimum, or any: with a rate that is too high the path runs away, to infinity if it is
    given the steps, and is returned as it is.
    Raises OptionError for a rate that is not positive, a negative number of steps, or a gradient of another shape.
    """
    require_number("learning_rate", learning_rate, "must be positive", lambda rate: rate > 0)
    require_number("steps", steps, "must be a whole number of at least 0", lambda n: n >= 0, whole=True)
    x = np.array(x0, dtype=float)
    path = np.empty((int(steps) + 1, *x.shape))
    path[0] = x
    with np.errstate(over="ignore", invalid="ignore"):  # a path that diverges is a result, not an accident
        for n in range(1, int(steps) + 1):
            slope = np.asarray(f_grad(x))
            if slope.shape != x.shape:
                raise OptionError(
                    f"must return an array of the shape of x0, {x.shape}",
                    argument="f_grad",
                    value=slope.shape,
                )
            x = x - learning_rate * slope
            path[n] = x
    return path


# --- the formulas ---------------------------------------------------------------------------------------------------


def descent_update(P: Array, G: Array, learning_rate: float) -> Array:
    """P - learning_rate · G."""
    return P - learning_rate * G


def momentum_update(P: Array, G: Array, V: Array, learning_rate: float, momentum: float) -> tuple[Array, Array]:
    """V ← momentum · V + G, P ← P - learning_rate · V. Source: Polyak (1964), without dampening."""
    V = momentum * V + G
    return P - learning_rate * V, V


def nesterov_update(P: Array, G: Array, V: Array, learning_rate: float, momentum: float) -> tuple[Array, Array]:
    """V ← momentum · V + G, P ← P - learning_rate · (G + momentum · V). Source: Sutskever et al. (2013)."""
    V = momentum * V + G
    return P - learning_rate * (G + momentum * V), V


def rmsprop_update(
    P: Array, G: Array, S: Array, learning_rate: float, share: float, epsilon: float
) -> tuple[Array, Array]:
    """S ← decay · S + (1 - decay) · G², P ← P - learning_rate · G / (√S + ε). Source: Tieleman, Hinton (2012).

    The running mean is written S + share · (G² - S), with share = 1 - decay.
    """
    S = S + share * (G * G - S)
    return P - learning_rate * G / (sqrt(S) + epsilon), S


def adam_update(
    P: Array,
    G: Array,
    M: Array,
    V: Array,
    rate: float,
    correction: float,
    share_1: float,
    share_2: float,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """One step of Adam: running means of the gradient (M) and its square (V), both corrected for their start at 0.

        M ← β₁ M + (1 - β₁) G        V ← β₂ V + (1 - β₂) G²
        P ← P - learning_rate · (M / (1 - β₁ᵗ)) / (√(V / (1 - β₂ᵗ)) + ε)

    A running mean is written M + share · (G - M), with share = 1 - β: float32 holds 0.001 better than 1 - 0.999.
    What is the same for all parameters comes from `adam_factors`. Source: Kingma and Ba (2015), algorithm 1.
    """
    M = M + share_1 * (G - M)
    V = V + share_2 * (G * G - V)
    return P - rate * M / (sqrt(V) * correction + epsilon), M, V


def adam_factors(step: Array, learning_rate: Array, beta_1: float, beta_2: float) -> tuple[Array, Array]:
    """learning_rate / (1 - β₁ᵗ) and 1 / √(1 - β₂ᵗ) with t = step: the corrections for moments that start at 0."""
    return learning_rate / (1.0 - beta_1**step), (1.0 - beta_2**step) ** -0.5


# --- the objects ----------------------------------------------------------------------------------------------------

Moments = dict[str, np.ndarray]


@dataclass(frozen=True)
class Optimiser:
    """Interface: constants as fields, the names of its moments, its formula, and the factors the formula takes.

    formula : function of (P, G, *moments, *factors) that returns the new P, and the new moments with it.
    `learning_rate` and `weight_decay` are the values used where the caller names none.
    """

    name: ClassVar[str]
    formula: ClassVar[Callable[..., Any]]
    moments: ClassVar[tuple[str, ...]] = ()
    n_factors: ClassVar[int] = 1
    learning_rate: ClassVar[float]
    weight_decay: ClassVar[float] = 0.0

    def start(self, params: np.ndarray) -> Moments:
        """Moments at 0, each of the shape of the parameters."""
        return {name: np.zeros_like(params) for name in self.moments}

    def factors(self, step: Array, learning_rate: Array) -> tuple[Array, ...]:
        """What the formula takes beside its arrays: numbers, or arrays of them for many steps at once."""
        raise NotImplementedError

    def update(self, params: np.ndarray, G: np.ndarray, moments: Moments, step: int, learning_rate: float) -> None:
        """Change `params` and `moments` in place by one step; `step` counts from 1."""
        old = [moments[name] for name in self.moments]
        new = type(self).formula(params, G, *old, *self.factors(step, learning_rate))
        for array, value in zip([params, *old], new if old else [new], strict=True):
            array[...] = value

    def describe(self) -> dict[str, Any]:
        """Name and constants as plain data; `optimiser_named(**description)` makes it again."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class GradientDescent(Optimiser):
    """The article's own: P - learning_rate · G."""

    name: ClassVar[str] = "gradient_descent"
    formula: ClassVar[Callable[..., Any]] = staticmethod(descent_update)
    learning_rate: ClassVar[float] = 0.1

    def factors(self, step: Array, learning_rate: Array) -> tuple[Array, ...]:
        """The learning rate."""
        return (learning_rate,)


@dataclass(frozen=True)
class Momentum(Optimiser):
    """Gradient descent with a velocity that carries on."""

    momentum: float = 0.9
    name: ClassVar[str] = "momentum"
    formula: ClassVar[Callable[..., Any]] = staticmethod(momentum_update)
    moments: ClassVar[tuple[str, ...]] = ("velocity",)
    n_factors: ClassVar[int] = 2
    learning_rate: ClassVar[float] = 0.02

    def __post_init__(self) -> None:
        _require_fraction("momentum", self.momentum)

    def factors(self, step: Array, learning_rate: Array) -> tuple[Array, ...]:
        """The learning rate and the momentum."""
        return learning_rate, self.momentum


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Momentum that looks ahead: the gradient is followed from where the velocity is about to lead."""

    name: ClassVar[str] = "nesterov"
    formula: ClassVar[Callable[..., Any]] = staticmethod(nesterov_update)


@dataclass(frozen=True)
class RMSprop(Optimiser):
    """Steps divided by the running root mean square of each parameter's gradient."""

    decay: float = 0.99
    epsilon: float = 1e-8
    name: ClassVar[str] = "rmsprop"
    formula: ClassVar[Callable[..., Any]] = staticmethod(rmsprop_update)
    moments: ClassVar[tuple[str, ...]] = ("mean_square",)
    n_factors: ClassVar[int] = 3
    learning_rate: ClassVar[float] = 1e-3

    def __post_init__(self) -> None:
        _require_fraction("decay", self.decay)
        _require_epsilon(self.epsilon)

    def factors(self, step: Array, learning_rate: Array) -> tuple[Array, ...]:
        """The learning rate, the share of the new square, and ε."""
        return learning_rate, 1.0 - self.decay, self.epsilon


@dataclass(frozen=True)
class Adam(Optimiser):
    """Running means of gradient and squared gradient: the usual choice."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    name: ClassVar[str] = "adam"
    formula: ClassVar[Callable[..., Any]] = staticmethod(adam_update)
    moments: ClassVar[tuple[str, ...]] = ("mean", "mean_square")
    n_factors: ClassVar[int] = 5
    learning_rate: ClassVar[float] = 1e-3

    def __post_init__(self) -> None:
        _require_fraction("beta_1", self.beta_1)
        _require_fraction("beta_2", self.beta_2)
        _require_epsilon(self.epsilon)

    def factors(self, step: Array, learning_rate: Array) -> tuple[Array, ...]:
        """The corrected rate and correction of `adam_factors`, the shares of the new values, and ε."""
        rate, correction = adam_factors(step, learning_rate, self.beta_1, self.beta_2)
        return rate, correction, 1.0 - self.beta_1, 1.0 - self.beta_2, self.epsilon


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, 0.01 unless the caller names another. Source: Loshchilov, Hutter (2019)."""

    name: ClassVar[str] = "adamw"
    weight_decay: ClassVar[float] = 0.01


OPTIMISERS: dict[str, type[Optimiser]] = {
    kind.name: kind for kind in (GradientDescent, Momentum, Nesterov, RMSprop, Adam, AdamW)
}


def optimiser_named(name: str | Optimiser, **constants: float) -> Optimiser:
    """Return the optimiser for a name and its constants, or an Optimiser itself.

    Raises OptionError, naming the optimisers there are, or the constant that it does not take.
    """
    if isinstance(name, Optimiser):
        return name
    require_choice("optimizer", name, OPTIMISERS)
    require_options("optimizer", name, OPTIMISERS[name], constants)
    return OPTIMISERS[name](**constants)


def _require_fraction(argument: str, value: float) -> None:
    require_number(argument, value, "must be at least 0 and below 1", lambda v: 0 <= v < 1)


def _require_epsilon(value: float) -> None:
    require_number("epsilon", value, "must be positive", lambda v: v > 0)
