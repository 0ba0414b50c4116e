"""Ensembles as one network: members that are trained together, most of their weights in common.

A member axis leads the activations, (k, n, p): `EnsembleDense` gives each of k members an answer of its own, and all
other layers pass the axis through. The loss of training is the mean of the members' losses, never the loss of their
mean, and a prediction is the mean of their outputs.

Members with weights of their own are k networks side by side. Members that share W differ by a scale on each input and
each output, and cost hardly more memory than one network; what one of them learns, all know.
Source: Wen, Tran, Ba, "BatchEnsemble" (2020); Gorishniy, Kotelnikov, Babenko, "TabM" (2025).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from glassnet.errors import require_choice, require_number
from glassnet.maths.activations import Activation as ActivationFunction
from glassnet.maths.activations import activation_named
from glassnet.maths.elementary import Array
from glassnet.maths.initialisers import Initialiser, check_initialiser, initialise_bias, initialise_weights
from glassnet.maths.layers import Block, Draws, Layer, Parameters, dense, dense_backward, total
from glassnet.maths.random import Stream

__all__ = ["MOST_MEMBERS", "STARTS", "EnsembleDense", "mean_of_members", "written_out", "written_out_backward"]

MOST_MEMBERS = 2**12
# Member m of layer i draws from the stream of layer i + (2¹⁵ + m) · 2¹⁶: no layer has it.
MEMBER_LAYER, FIRST_MEMBER = 2**16, 2**15
STARTS = ("ones", "normal", "signs")


# --- the mathematics ------------------------------------------------------------------------------------------------


def written_out(W: Array, r: Array, s: Array) -> Array:
    """V_m = r_m ⊙ W ⊙ s_m, the weights of each member: W (p, q), r (k, p), s (k, q), V (k, p, q).

    So that (X ⊙ r_m) W ⊙ s_m = X V_m: scaling inputs and outputs is scaling rows and columns of W.
    """
    return r[..., :, None] * W * s[..., None, :]


def written_out_backward(dV: Array, W: Array, r: Array, s: Array) -> tuple[Array, Array, Array]:
    """dW = Σ_m r_m ⊙ dV_m ⊙ s_m,  dr_mi = Σ_j dV_mij W_ij s_mj,  ds_mj = Σ_i dV_mij W_ij r_mi."""
    dW = (r[..., :, None] * dV * s[..., None, :]).sum(axis=0)
    dVW = dV * W
    return dW, (dVW * s[..., None, :]).sum(axis=-1), (dVW * r[..., :, None]).sum(axis=-2)


def mean_of_members(Y: Array) -> Array:
    """The mean (..., n, K) of the members' outputs Y (..., k, n, K), added up one member after the other.

    NumPy's sum does so, too, but where there is one number of each member: those lie side by side, and from eight on it
    adds them in another order. A row that is predicted alone would then have other bits than among others.
    """
    one = Y.shape[-2] * Y.shape[-1] == 1
    total = np.add.accumulate(Y, axis=-3)[..., -1, :, :] if one else Y.sum(axis=-3)
    return total / Y.shape[-3]


# --- the layer ------------------------------------------------------------------------------------------------------


class EnsembleCache(NamedTuple):
    """Values of the forward pass: input X, the members' weights V, before the activation Z, after it A."""

    X: Array
    V: Array
    Z: Array
    A: Array


class EnsembleDense(Layer):
    """A_m = f(X_m V_m + b_m): a dense layer for each of k members.

    shared : V_m = r_m ⊙ W ⊙ s_m, one W for all and scales for each; or V_m with weights of its own.
    start : of the scales r, "ones", "normal" for N(0, 1) or "signs" for -1 and +1 at random; s starts at 1. Members
        that all began alike would stay alike, so a network needs one layer in which they do not.
    activation, initializer : as for `Dense`; what is shared is drawn once.
    Parameters: W (p, units) or (k, p, units), role "weight"; where it is shared, r (k, p) and s (k, units), role
    "scale"; b (k, units), role "bias".
    """

    def __init__(
        self,
        units: int,
        activation: str | ActivationFunction | tuple = "identity",
        initializer: str | Initialiser = "auto",
        *,
        members: int,
        shared: bool = True,
        start: str = "ones",
    ) -> None:
        require_number("units", units, "must be a whole number of at least 1", lambda n: n >= 1, whole=True)
        rule = f"must be a whole number from 1 to {MOST_MEMBERS}"
        require_number("members", members, rule, lambda n: 1 <= n <= MOST_MEMBERS, whole=True)
        require_choice("start", start, STARTS)
        check_initialiser(initializer)
        self.units, self.members = int(units), int(members)
        self.activation = activation_named(activation)
        self.initializer = initializer
        self.shared, self.start = bool(shared), start

    def shapes(self, p: int) -> dict[str, Block]:
        """W, r, s and b; see the class."""
        k, q = self.members, self.units
        if not self.shared:
            return {"W": Block((k, p, q), "weight"), "b": Block((k, q), "bias")}
        scales = {"r": Block((k, p), "scale"), "s": Block((k, q), "scale")}
        return {"W": Block((p, q), "weight"), **scales, "b": Block((k, q), "bias")}

    def width(self, p: int) -> int:
        """The number of units."""
        return self.units

    def initialise(self, P: Parameters, X: np.ndarray | None, random: Stream) -> None:
        """Draw W by the initialiser, once or for each member, and the scales as `start` says."""
        rule = self.activation.initializer if self.initializer == "auto" else self.initializer
        p, q = P["W"].shape[-2:]
        streams = [random.at(layer=random.layer + (FIRST_MEMBER + m) * MEMBER_LAYER) for m in range(self.members)]
        P["b"][...] = [initialise_bias(rule, random if self.shared else stream, p, q) for stream in streams]
        if not self.shared:
            P["W"][...] = [initialise_weights(rule, stream, p, q) for stream in streams]
            return
        P["W"][...] = initialise_weights(rule, random, p, q)
        P["s"][...] = 1.0
        P["r"][...] = 1.0 if self.start == "ones" else [stream.normal(1, p)[0] for stream in streams]
        if self.start == "signs":
            P["r"][...] = np.where(P["r"] < 0, -1.0, 1.0)

    def weights(self, P: Parameters) -> Array:
        """The members' weights V (k, p, q)."""
        return written_out(P["W"], P["r"], P["s"]) if self.shared else P["W"]

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, EnsembleCache]:
        """Z_m = X_m V_m + b_m, A = f(Z). X (n, p) is the same for all members, (k, n, p) is not."""
        V = self.weights(P)
        Z = dense(X, V, P["b"])
        A = self.activation.forward(Z)
        return A, EnsembleCache(X, V, Z, A)

    def backward(
        self, P: Parameters, cache: EnsembleCache, dA: Array, input_gradient: bool = True
    ) -> tuple[Array | None, Parameters]:
        """dZ = dA ⊙ f'(Z), then dV, db and dX as in a dense layer, and dV on to W and the scales."""
        X, V, Z, A = cache
        dX, dV, db = dense_backward(self.activation.backward(dA, Z, A), X, V)
        dX = total(dX, X) if input_gradient else None
        if not self.shared:
            return dX, {"W": dV, "b": db}
        dW, dr, ds = written_out_backward(dV, P["W"], P["r"], P["s"])
        return dX, {"W": dW, "r": dr, "s": ds, "b": db}

    def describe(self) -> dict[str, Any]:
        """Kind, units, activation, members, shared, start, initializer."""
        return {
            "kind": "EnsembleDense",
            "units": self.units,
            "activation": self.activation.name,
            "members": self.members,
            "shared": self.shared,
            "start": self.start,
            "initializer": self.initializer if isinstance(self.initializer, str) else "custom",
        }

    def brief(self) -> str:
        """The layer in a few words."""
        how = "sharing weights" if self.shared else "with weights of their own"
        return f"EnsembleDense {self.units} {self.activation.name}, {self.members} members {how}"
