"""All kernels there are, by name: what each plan asks for, and how each is made.

A name is "kind__type" or "kind__formula__type", such as "dense_forward__float32" or "update__adam__float64".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.maths import losses
from glassnet.maths.activations import ACTIVATIONS, identity, sigmoid
from glassnet.maths.elementary import exp
from glassnet.maths.optimisers import OPTIMISERS

__all__ = ["ELEMENTWISE", "OUTPUTS", "SHARED_KERNELS", "factory", "kernel_name", "names", "narrow_spelling"]

# Entry-by-entry losses: value, slope, and whether they take a number for each output.
ELEMENTWISE: dict[str, tuple[Callable[..., Any], Callable[..., Any], bool]] = {
    "binary_cross_entropy": (losses.binary_cross_entropy, losses.binary_cross_entropy_backward, False),
    "squared_error": (losses.squared_error, losses.squared_error_backward, False),
    "absolute_error": (losses.absolute_error, losses.absolute_error_backward, False),
    "huber": (losses.huber, losses.huber_backward, True),
    "quantile": (losses.quantile_error, losses.quantile_error_backward, True),
    "poisson": (losses.poisson, losses.poisson_backward, False),
}
OUTPUTS: dict[str, Callable[..., Any]] = {"identity": identity, "sigmoid": sigmoid, "exp": exp}
SHARED_KERNELS = ("product", "dots", "transpose")
RUNS = ("add_slices", "clip", "train_members", "train_narrow", "train_slices", "train_together", "predict")
PLAIN = (
    "gather",
    "dense_forward",
    "dense_backward",
    "dense_gradient",
    "dropout_forward",
    "dropout_backward",
    "layer_norm_forward",
    "layer_norm_backward",
    "layer_norm_gradient",
    "bins_forward",
    "codes_forward",
    "copy_forward",
    "embedding_forward",
    "embedding_gradient",
    "ensemble_forward",
    "ensemble_backward",
    "ensemble_gradient",
)


def kernel_name(kind: str, dtype: Any, formula: str = "") -> str:
    """The name of a kernel."""
    return "__".join(part for part in (kind, formula, np.dtype(dtype).name) if part)


def narrow_spelling(widths: list[int], activations: list[str], loss: str) -> str:
    """A narrow network as the formula of its kernel's name: "p2_u5_sigmoid_u3_identity_loss_cross_entropy"."""
    layers = "".join(f"_u{units}_{activation}" for units, activation in zip(widths[1:], activations, strict=True))
    return f"p{widths[0]}{layers}_loss_{loss}"


def names(dtype: Any) -> list[str]:
    """The names of all kernels of a float type, but for those made for one narrow network each."""
    formulas = {
        "activation_forward": [name for name in ACTIVATIONS if name != "identity"],
        "activation_backward": [name for name in ACTIVATIONS if name != "identity"],
        "loss": ["cross_entropy", *ELEMENTWISE],
        "output": ["softmax", *OUTPUTS],
        "update": [name for name in OPTIMISERS if name != "adamw"],
    }
    plain = [kernel_name(kind, dtype) for kind in (*SHARED_KERNELS, *PLAIN, *RUNS)]
    plain.append(kernel_name("random_words", np.uint64))
    return plain + [kernel_name(kind, dtype, formula) for kind, all_ in formulas.items() for formula in all_]


def factory(name: str) -> Callable[[], Callable[..., None]]:
    """A function that makes the kernel of this name, ready to be compiled. It imports Numba when it is called."""
    return functools.partial(_make, *_parts(name))


def _parts(name: str) -> tuple[str, str, str]:
    kind, *formula, dtype = name.split("__")
    return kind, "".join(formula), dtype


def _make(kind: str, formula: str, dtype: str) -> Callable[..., None]:
    from glassnet.engine import bins, categories, driver, members, microkernel, narrow, operations, rows, updates
    from glassnet.engine import losses as loss_kernels

    if kind == "loss" and formula in ELEMENTWISE:
        return loss_kernels.elementwise_loss(dtype, *ELEMENTWISE[formula])
    if kind == "output" and formula in OUTPUTS:
        return loss_kernels.elementwise_output(dtype, OUTPUTS[formula])
    if kind in ("loss", "output"):
        return {"loss": loss_kernels.cross_entropy_loss, "output": loss_kernels.softmax_output}[kind](dtype)
    rooms = (driver, microkernel, narrow, operations, categories, bins, members, rows, updates)
    room = next(room for room in rooms if kind in room.__all__)
    return getattr(room, kind)(dtype, formula) if formula else getattr(room, kind)(dtype)
