"""Layers: forward and backward, side by side.

First the mathematics as functions of arrays, then the layers that a network chains. Rows run along axis -2 and units
along axis -1, so that a leading axis (an ensemble's members) passes through every formula.

A layer is plain data plus five methods:
    shapes(p)                    {name: Block(shape, role)} of its parameters, for p inputs
    width(p)                     number of its outputs
    initialise(P, X, random)     fill the parameters P in place; X is the input it will see, or None
    forward(P, X, random)        -> A, cache       random is None outside training: then nothing is dropped
    backward(P, cache, dA)       -> dX, dP         dX is None if input_gradient=False: nobody asks the first layer
    describe()                   -> plain data, from which `layer_from` makes the layer again

Layers for categories, for numbers in bins, for columns that are treated apart and for ensembles stand in `embeddings`,
`numbers`, `columns` and `members`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from glassnet.errors import require_choice, require_number
from glassnet.maths.activations import Activation as ActivationFunction
from glassnet.maths.activations import activation_named
from glassnet.maths.elementary import Array, sqrt, where
from glassnet.maths.initialisers import Initialiser, check_initialiser, initialise_bias, initialise_weights
from glassnet.maths.random import Stream

__all__ = ["Activation", "Block", "Dense", "Draws", "Dropout", "Layer", "LayerNorm", "layer_from", "sizes_of", "total"]

Parameters = dict[str, np.ndarray]


# --- the mathematics ------------------------------------------------------------------------------------------------


def dense(X: Array, W: Array, b: Array) -> Array:
    """Z = X W + b for many samples: X (..., n, p), W (..., p, q), b (..., q), Z (..., n, q); b is added to each row."""
    return X @ W + b[..., None, :]


def dense_backward(dZ: Array, X: Array, W: Array) -> tuple[Array, Array, Array]:
    """Return dX = dZ Wᵀ, dW = Xᵀ dZ and db = Σ_i dZ_i (the sum over rows: b was added to each of them)."""
    return dZ @ W.swapaxes(-1, -2), X.swapaxes(-1, -2) @ dZ, dZ.sum(axis=-2)


def dense_one(x: Array, W: Array, b: Array) -> Array:
    """z = Wᵀ x + b for one sample as a column vector: x (p, 1), W (p, q), b (q,), z (q, 1)."""
    return W.T @ x + b[:, None]


def dropout(X: Array, keep: Array, rate: float) -> Array:
    """A = X · keep / (1 - rate): dropped units are 0, and the others grow so that the mean stays the same.

    Inverted dropout, so prediction needs no factor. Source: Srivastava et al. (2014), section 10.
    """
    return X * (keep / X.dtype.type(1.0 - rate)).astype(X.dtype)


def dropout_backward(dA: Array, keep: Array, rate: float) -> Array:
    """dX = dA · keep / (1 - rate): the same units are dropped on the way back."""
    return dropout(dA, keep, rate)


def far_unit(dtype: Any) -> float:
    """A power of two with which any number of the float type has a square far below its largest number."""
    return 2.0**-80 if np.dtype(dtype) == np.float32 else 2.0**-600


def layer_norm(X: Array, scale: Array, shift: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """A = scale · N + shift with N = (X - mean) / √(variance + ε), mean and variance over the units of each row.

    Returns A, N and the spread √(variance + ε) (..., n, 1). Source: Ba, Kiros, Hinton (2016).

    Rows whose squares overflow are measured in larger units, or their spread would be infinite and every N 0.
    """
    D = X - X.mean(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # seen to below
        spread = sqrt((D * D).mean(axis=-1, keepdims=True) + epsilon)
    if (spread == np.inf).any():
        unit = where(spread == np.inf, far_unit(D.dtype), np.ones_like(spread))
        S = D * unit
        spread = sqrt((S * S).mean(axis=-1, keepdims=True) + epsilon * unit * unit) / unit
    N = D / spread
    return scale[..., None, :] * N + shift[..., None, :], N, spread


def layer_norm_backward(dA: Array, N: Array, spread: Array, scale: Array) -> tuple[Array, Array, Array]:
    """Return dX, d_scale and d_shift.

    With dN = dA · scale:  dX = (dN - mean(dN) - N · mean(dN · N)) / spread, means over the units. The two means are
    what mean and variance, which depend on every unit of the row, take back.
    """
    dN = dA * scale[..., None, :]
    common = dN.mean(axis=-1, keepdims=True) + N * (dN * N).mean(axis=-1, keepdims=True)
    return (dN - common) / spread, (dA * N).sum(axis=-2), dA.sum(axis=-2)


def total(gradient: Array, parameter: Array) -> Array:
    """A gradient summed over the leading axes that its parameter does not have: what the members share, all change."""
    axes = tuple(range(gradient.ndim - parameter.ndim))
    return gradient.sum(axis=axes) if axes else gradient


# --- the layers -----------------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """Shape of a parameter and its role: penalties act on "weight" alone, never on "bias", "scale" or "embedding"."""

    shape: tuple[int, ...]
    role: str


@dataclass(frozen=True)
class Draws:
    """What a layer may draw in one training step: its stream, and a schedule's factor on dropout rates."""

    stream: Stream
    dropout: float = 1.0


class Layer:
    """Interface of a layer; see the head of this module. By default: no parameters, and as wide as its input.

    `draws` says whether its forward pass draws random numbers in training; `inside` are the layers it is made of.
    """

    draws: bool = False
    inside: tuple[Layer, ...] = ()

    def shapes(self, p: int) -> dict[str, Block]:
        """Parameters for p inputs."""
        return {}

    def width(self, p: int) -> int:
        """Number of outputs for p inputs."""
        return p

    def initialise(self, P: Parameters, X: np.ndarray | None, random: Stream) -> None:
        """Fill P in place."""

    def check(self, X: np.ndarray, columns: Sequence[int]) -> None:
        """Raise DataError for values in X (n, p) that it cannot take; the first layer of a network is asked.

        columns : the numbers by which the user knows the p columns.
        """

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, Any]:
        """Return A and what the backward pass needs."""
        raise NotImplementedError

    def backward(
        self, P: Parameters, cache: Any, dA: Array, input_gradient: bool = True
    ) -> tuple[Array | None, Parameters]:
        """Return dX (None unless asked for) and the gradients of the parameters."""
        raise NotImplementedError

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Names of the outputs, from those of the inputs, where each output is still somebody's."""
        return list(inputs)

    def describe(self) -> dict[str, Any]:
        """The layer as plain data."""
        raise NotImplementedError

    @classmethod
    def described(cls, options: dict[str, Any]) -> Layer:
        """Make the layer again from what `describe` returned, its kind apart."""
        return cls(**options)

    def brief(self) -> str:
        """The layer in a few words."""
        return " ".join(str(v) for k, v in self.describe().items() if k not in ("initializer", "epsilon", "spread"))


class DenseCache(NamedTuple):
    """Values of a dense layer's forward pass: input X, before the activation Z, after it A."""

    X: Array
    Z: Array
    A: Array


class Dense(Layer):
    """A = f(X W + b): every input node is connected with every one of `units` output nodes.

    activation : name, Activation or pair of functions (value, slope).
    initializer : name or function, see `initialisers`; "auto" takes the activation's rule.
    Parameters: W (p, units), role "weight"; b (units,), role "bias".
    """

    def __init__(
        self,
        units: int,
        activation: str | ActivationFunction | tuple = "identity",
        initializer: str | Initialiser = "auto",
    ) -> None:
        require_number("units", units, "must be a whole number of at least 1", lambda n: n >= 1, whole=True)
        check_initialiser(initializer)
        self.units = int(units)
        self.activation = activation_named(activation)
        self.initializer = initializer

    def shapes(self, p: int) -> dict[str, Block]:
        """W (p, units) and b (units,)."""
        return {"W": Block((p, self.units), "weight"), "b": Block((self.units,), "bias")}

    def width(self, p: int) -> int:
        """The number of units."""
        return self.units

    def initialise(self, P: Parameters, X: np.ndarray | None, random: Stream) -> None:
        """Draw W and b by the initialiser."""
        rule = self.activation.initializer if self.initializer == "auto" else self.initializer
        p, q = P["W"].shape[-2:]
        P["W"][...] = initialise_weights(rule, random, p, q)
        P["b"][...] = initialise_bias(rule, random, p, q)

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, DenseCache]:
        """Z = X W + b, A = f(Z)."""
        Z = dense(X, P["W"], P["b"])
        A = self.activation.forward(Z)
        return A, DenseCache(X, Z, A)

    def backward(
        self, P: Parameters, cache: DenseCache, dA: Array, input_gradient: bool = True
    ) -> tuple[Array | None, Parameters]:
        """dZ = dA ⊙ f'(Z), then dW = Xᵀ dZ, db = Σ dZ, dX = dZ Wᵀ: the article's four derivatives."""
        X, Z, A = cache
        dZ = self.activation.backward(dA, Z, A)
        if not input_gradient:
            dX, dW, db = None, X.swapaxes(-1, -2) @ dZ, dZ.sum(axis=-2)
        else:
            dX, dW, db = dense_backward(dZ, X, P["W"])
        return dX, {"W": total(dW, P["W"]), "b": total(db, P["b"])}

    def describe(self) -> dict[str, Any]:
        """Kind, units, activation, initializer."""
        initializer = self.initializer if isinstance(self.initializer, str) else "custom"
        return {
            "kind": "Dense",
            "units": self.units,
            "activation": self.activation.name,
            "initializer": initializer,
        }


class Activation(Layer):
    """A = f(X): an activation as a layer of its own, for chains such as Dense, LayerNorm, Activation."""

    def __init__(self, activation: str | ActivationFunction | tuple) -> None:
        self.activation = activation_named(activation)

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, DenseCache]:
        """A = f(X)."""
        A = self.activation.forward(X)
        return A, DenseCache(X, X, A)

    def backward(
        self,
        P: Parameters,
        cache: DenseCache,
        dA: Array,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Parameters]:
        """dX = dA ⊙ f'(X)."""
        return self.activation.backward(dA, cache.Z, cache.A), {}

    def describe(self) -> dict[str, Any]:
        """Kind and activation."""
        return {"kind": "Activation", "activation": self.activation.name}


class Dropout(Layer):
    """In training, drop each unit of each row with probability `rate` in [0, 1); in prediction, do nothing.

    The mask is a pure function of (seed, step, layer, row, unit), see `random`.
    """

    draws = True

    def __init__(self, rate: float) -> None:
        require_number("dropout", rate, "must be at least 0 and below 1", lambda r: 0 <= r < 1)
        self.rate = float(rate)

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, Any]:
        """A = X · keep / (1 - rate) in training, A = X otherwise."""
        rate = 0.0 if random is None else self.rate * random.dropout
        if random is None or rate == 0.0:
            return X, None
        *rows, p = X.shape
        keep = random.stream.keep(rate, math.prod(rows), p).reshape(X.shape)  # each member drops units of its own
        return dropout(X, keep, rate), (keep, rate)

    def backward(
        self,
        P: Parameters,
        cache: Any,
        dA: Array,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Parameters]:
        """dX = dA · keep / (1 - rate)."""
        return (dA if cache is None else dropout_backward(dA, *cache)), {}

    def describe(self) -> dict[str, Any]:
        """Kind and rate."""
        return {"kind": "Dropout", "rate": self.rate}


class LayerNorm(Layer):
    """Normalise the units of each row to mean 0 and variance 1, then scale and shift them by learned parameters.

    Batch normalisation, its better-known cousin, is left out on purpose: it makes the output of a row depend on the
    other rows of its batch, and a prediction must not. Parameters: scale (p,), role "scale"; shift (p,), role "bias".
    """

    def __init__(self, epsilon: float = 1e-5) -> None:
        require_number("epsilon", epsilon, "must be positive", lambda e: e > 0)
        self.epsilon = float(epsilon)

    def shapes(self, p: int) -> dict[str, Block]:
        """Scale and shift, (p,) each."""
        return {"scale": Block((p,), "scale"), "shift": Block((p,), "bias")}

    def initialise(self, P: Parameters, X: np.ndarray | None, random: Stream) -> None:
        """Scale 1, shift 0: a layer that only normalises."""
        P["scale"][...] = 1.0
        P["shift"][...] = 0.0

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, Any]:
        """A = scale · (X - mean) / √(variance + ε) + shift."""
        A, N, spread = layer_norm(X, P["scale"], P["shift"], self.epsilon)
        return A, (N, spread)

    def backward(
        self,
        P: Parameters,
        cache: Any,
        dA: Array,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Parameters]:
        """See `layer_norm_backward`."""
        N, spread = cache
        dX, d_scale, d_shift = layer_norm_backward(dA, N, spread, P["scale"])
        return dX, {"scale": total(d_scale, P["scale"]), "shift": total(d_shift, P["shift"])}

    def describe(self) -> dict[str, Any]:
        """Kind and epsilon."""
        return {"kind": "LayerNorm", "epsilon": self.epsilon}


SIZES = ("n_inputs", "n_outputs", "n_parameters")


def sizes_of(layer: Layer, p: int) -> dict[str, int]:
    """How many inputs (p), outputs and parameters a layer has, beside its description for those who only read it."""
    n_parameters = sum(math.prod(block.shape) for block in layer.shapes(p).values())
    return dict(zip(SIZES, (p, layer.width(p), n_parameters), strict=True))


def layer_from(description: dict[str, Any]) -> Layer:
    """Make a layer again from what its `describe` returned, with sizes or without.

    Raises OptionError for a kind that does not exist.
    """
    kinds = _kinds()
    options = {name: value for name, value in description.items() if name not in SIZES}
    kind = options.pop("kind", None)
    require_choice("kind of layer", kind, kinds)
    if options.get("initializer") == "custom":  # a function is not kept, and a trained layer no longer needs it
        options["initializer"] = "auto"
    return kinds[kind].described(options)


def _kinds() -> dict[str, type[Layer]]:
    """All layers by name."""
    from glassnet.maths.columns import Columns  # here, since these modules are made with this one
    from glassnet.maths.embeddings import Embedding
    from glassnet.maths.members import EnsembleDense
    from glassnet.maths.numbers import PiecewiseLinear

    kinds = (Activation, Columns, Dense, Dropout, Embedding, EnsembleDense, LayerNorm, PiecewiseLinear)
    return {kind.__name__: kind for kind in kinds}
