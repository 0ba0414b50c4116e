"""Activation functions: A = f(Z), entry by entry, and how a gradient passes back through each.

For each function `name(Z)` stands its neighbour `name_backward(dA, Z, A)`, which returns

    dZ = dA * f'(Z)                      (the article's "⊙ σ'(Z)")

where Z are the values before the activation, A = f(Z) the values after it, and dA the gradient of the loss with
respect to A. All arrays have one shape, any shape; float32 stays float32. At a kink the slope from the left is taken,
as the field does (ReLU'(0) = 0). Every function is finite or has its limit at ±inf and keeps NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glassnet.errors import OptionError, require_choice
from glassnet.maths.elementary import Array, erf, exp, expm1, log1p, maximum, minimum, tanh, where

__all__ = ["ACTIVATIONS", "Activation", "activation_named", "custom_activation"]

LEAKY_SLOPE = 0.01
# Klambauer et al., "Self-Normalizing Neural Networks" (2017), equation 14: mean 0 and variance 1 are a fixed point.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
SQRT_HALF = 0.7071067811865476
INVERSE_SQRT_TWO_PI = 0.3989422804014327
# Below -800 e^z is 0 in float64 already, and so are the products z·e^z that SiLU and Mish tend to. Clamping there
# changes no value and spares the product -inf · 0, which would be NaN.
FLOOR = -800.0
# The normal distribution function is exactly 0 below -39 in float64, and its density is beyond ±39.
NORMAL_BOUND = 40.0


def identity(Z: Array) -> Array:
    """A = Z: no activation, for output layers and linear models."""
    return Z


def identity_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA."""
    return dA


def sigmoid(Z: Array) -> Array:
    """A = 1 / (1 + e^-Z), between 0 and 1.

    Written with e^-|Z| ≤ 1, which cannot overflow: 1 / (1 + e^-Z) for Z ≥ 0, and e^Z / (1 + e^Z), the same number,
    for Z < 0.
    """
    E = exp(-abs(Z))
    return where(Z >= 0.0, 1.0, E) / (1.0 + E)


def sigmoid_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA · A · (1 - A)."""
    return dA * A * (1.0 - A)


# The name is the elementary function's own: the formula *is* A = tanh(Z).
def tanh_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA · (1 - A²)."""
    return dA * (1.0 - A * A)


def relu(Z: Array) -> Array:
    """A = max(Z, 0), the rectified linear unit."""
    return maximum(Z, 0.0)


def relu_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA where Z > 0, else 0."""
    return where(Z > 0.0, dA, 0.0)


def leaky_relu(Z: Array) -> Array:
    """A = Z where Z > 0, else 0.01 Z."""
    return where(Z > 0.0, Z, LEAKY_SLOPE * Z)


def leaky_relu_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA where Z > 0, else 0.01 dA."""
    return where(Z > 0.0, dA, LEAKY_SLOPE * dA)


def elu(Z: Array) -> Array:
    """A = Z where Z > 0, else e^Z - 1. Source: Clevert et al. (2015), with alpha = 1."""
    return where(Z > 0.0, Z, expm1(minimum(Z, 0.0)))


def elu_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA where Z > 0, else dA · e^Z = dA · (A + 1): in one, dA · (min(A, 0) + 1)."""
    return dA * (minimum(A, 0.0) + 1.0)


def selu(Z: Array) -> Array:
    """A = s Z where Z > 0, else s a (e^Z - 1), with s = 1.0507 and a = 1.6733. Source: Klambauer et al. (2017)."""
    return SELU_SCALE * where(Z > 0.0, Z, SELU_ALPHA * expm1(minimum(Z, 0.0)))


def selu_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = s dA where Z > 0, else dA · s a e^Z = dA · (A + s a)."""
    return where(Z > 0.0, SELU_SCALE * dA, dA * (minimum(A, 0.0) + SELU_SCALE * SELU_ALPHA))


def normal_distribution(Z: Array) -> Array:
    """The standard normal's distribution function, Φ(Z) = (1 + erf(Z / √2)) / 2."""
    return 0.5 * (1.0 + erf(SQRT_HALF * Z))


def gelu(Z: Array) -> Array:
    """A = Z · Φ(Z), with Φ the standard normal's distribution function (exact). Source: Hendrycks, Gimpel (2016)."""
    return maximum(Z, -NORMAL_BOUND) * normal_distribution(Z)


def gelu_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA · (Φ(Z) + Z φ(Z)), with the normal density φ(Z) = e^(-Z²/2) / √(2π)."""
    bounded = maximum(minimum(Z, NORMAL_BOUND), -NORMAL_BOUND)
    density = INVERSE_SQRT_TWO_PI * exp(-0.5 * bounded * bounded)
    return dA * (normal_distribution(Z) + bounded * density)


def silu(Z: Array) -> Array:
    """A = Z · σ(Z), also known as swish. Source: Elfwing et al. (2017)."""
    return maximum(Z, FLOOR) * sigmoid(Z)


def silu_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA · S · (1 + Z · (1 - S)), with S = σ(Z)."""
    S = sigmoid(Z)
    return dA * S * (1.0 + maximum(minimum(Z, -FLOOR), FLOOR) * (1.0 - S))


def softplus(Z: Array) -> Array:
    """A = log(1 + e^Z) = max(Z, 0) + log(1 + e^-|Z|), which cannot overflow."""
    return maximum(Z, 0.0) + log1p(exp(-abs(Z)))


def softplus_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA · σ(Z)."""
    return dA * sigmoid(Z)


def mish(Z: Array) -> Array:
    """A = Z · tanh(softplus(Z)). Source: Misra (2019)."""
    return maximum(Z, FLOOR) * tanh(softplus(Z))


def mish_backward(dA: Array, Z: Array, A: Array) -> Array:
    """dZ = dA · (T + Z · (1 - T²) · σ(Z)), with T = tanh(softplus(Z))."""
    T = tanh(softplus(Z))
    return dA * (T + maximum(minimum(Z, -FLOOR), FLOOR) * (1.0 - T * T) * sigmoid(Z))


@dataclass(frozen=True)
class Activation:
    """An activation function with its backward pass: `forward(Z) -> A` and `backward(dA, Z, A) -> dZ`.

    `initializer` names the rule for the weights of a layer that ends in it (see `initialisers`). `slope_of_output`:
    whether `backward` finds all it needs in A, so that backward(dA, A, A) = backward(dA, Z, A) and Z need not be kept.
    """

    name: str
    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array, Array], Array]
    initializer: str = "glorot_uniform"
    custom: bool = False
    slope_of_output: bool = False


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", identity, identity_backward, slope_of_output=True),
        Activation("sigmoid", sigmoid, sigmoid_backward, slope_of_output=True),
        Activation("tanh", tanh, tanh_backward, slope_of_output=True),
        Activation("relu", relu, relu_backward, "he_normal", slope_of_output=True),
        Activation("leaky_relu", leaky_relu, leaky_relu_backward, "he_normal", slope_of_output=True),
        Activation("elu", elu, elu_backward, "he_normal", slope_of_output=True),
        Activation("selu", selu, selu_backward, "lecun_normal", slope_of_output=True),
        Activation("gelu", gelu, gelu_backward, "he_normal"),
        Activation("silu", silu, silu_backward, "he_normal"),
        Activation("mish", mish, mish_backward, "he_normal"),
        Activation("softplus", softplus, softplus_backward),
    )
}


def custom_activation(
    value: Callable[[Array], Array], slope: Callable[[Array], Array], name: str = "custom"
) -> Activation:
    """Make an activation of your own from a pair of functions: value(Z) = f(Z) and slope(Z) = f'(Z).

    Both take and return arrays of any one shape. `Network.gradient_check` tells whether the pair belongs together.
    Raises OptionError when either cannot be called.
    """
    for argument, function in (("value", value), ("slope", slope)):
        if not callable(function):
            raise OptionError("must be a function of an array", argument=argument, value=function)
    return Activation(name, LikeScores("value", value), TimesSlope(LikeScores("slope", slope)), custom=True)


@dataclass(frozen=True)
class LikeScores:
    """A user's function, with a check that it returns an array of the shape of its first argument, Z.

    A class rather than a closure, so that a network that holds one can be pickled when the function can.
    """

    argument: str
    function: Callable[..., Array]

    def __call__(self, Z: Array, *others: Array) -> Array:
        """function(Z, ...), checked."""
        result = self.function(Z, *others)
        if np.shape(result) != np.shape(Z):
            raise OptionError(
                f"must return an array of the shape of Z, {np.shape(Z)}", argument=self.argument, value=np.shape(result)
            )
        return result


@dataclass(frozen=True)
class TimesSlope:
    """The backward pass of a user's activation: dZ = dA · slope(Z)."""

    slope: Callable[[Array], Array]

    def __call__(self, dA: Array, Z: Array, A: Array) -> Array:
        """dA · slope(Z)."""
        return dA * self.slope(Z)


def activation_named(activation: str | Activation | tuple) -> Activation:
    """Return the activation for a name, a pair (value, slope) of functions, or an Activation itself.

    Raises OptionError, naming the activations there are.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, tuple) and len(activation) == 2:
        return custom_activation(*activation)
    require_choice("activation", activation, ACTIVATIONS)
    return ACTIVATIONS[str(activation)]
