"""What keeps weights small and steps short: L2 and L1 penalties, decoupled decay, clipping of the gradient.

Penalties and decay act on weights W alone, never on biases or scales, and do not depend on the batch size. The order
in a step: gradient of the loss, plus penalties, then clipping, then decay, then the optimiser's update.
"""

from __future__ import annotations

import math

import numpy as np

from glassnet.maths.elementary import Array, sign

__all__ = ["UNIT", "clip_by_norm", "decay", "penalty", "penalty_backward"]

UNIT = 2.0**-600  # times any float64 its square is finite, and those of numbers beyond 2^400 do not vanish


def penalty(W: Array, l1: float, l2: float) -> float:
    """½ · l2 · Σ W² + l1 · Σ |W|, which is added to the loss."""
    return 0.5 * l2 * float(W @ W) + l1 * float(abs(W).sum())


def penalty_backward(W: Array, l1: float, l2: float) -> Array:
    """dW = l2 · W + l1 · sign(W)."""
    return l2 * W + l1 * sign(W)


def decay(W: Array, learning_rate: float, weight_decay: float) -> Array:
    """W · (1 - learning_rate · weight_decay): decay that the optimiser does not rescale.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).
    """
    return W * (1.0 - learning_rate * weight_decay)


def clip_by_norm(G: Array, clip_norm: float) -> Array:
    """G · min(1, clip_norm / (‖G‖ + 1e-6)): the whole gradient, shortened when it is longer than clip_norm.

    The small term is PyTorch's, which keeps a zero gradient from dividing by zero. The norm is taken in float64, and in
    units of 2^600 where squares overflow that, too; an infinite norm would make a finite gradient vanish. What is left
    of a gradient beyond 1e38 · clip_norm has fewer digits in float32, whose factor is then subnormal.
    Source: Pascanu et al. (2013).
    """
    with np.errstate(over="ignore"):  # seen to below
        norm, unit = float(np.linalg.norm(G.astype(np.float64, copy=False))), 1.0
    if norm == math.inf:
        unit = UNIT
        norm = float(np.linalg.norm(G * unit))
    return G * min(1.0, clip_norm * unit / (norm + 1e-6 * unit))
