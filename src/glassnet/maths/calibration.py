"""Probabilities that mean what they say: one temperature for all scores, found on rows that training did not use.

    P(β) = softmax(β L)   or   σ(β L),      β = 1 / temperature > 0,

with L the log-probabilities of classes that exclude each other (a softmax does not see that they differ from the scores
by a constant in each row), or the log-odds of a yes. Which class is most probable does not change.
Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017), section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glassnet.maths.activations import sigmoid
from glassnet.maths.losses import softmax

__all__ = ["find_temperature", "slope_of_classes", "slope_of_labels", "temper_classes", "temper_labels"]

LARGEST = 20.0  # temperature, and its inverse the smallest: beyond, probabilities are all equal, or 0 and 1
_TINY = 1e-38  # of float32: an output of 0 was no smaller than that
_ROUNDING = 6e-8  # of float32 at 1: an output of 1 was no nearer to it than that
_STEPS = 60  # of the search: each halves the interval at least

Slope = Callable[[float], tuple[float, float]]


def log_probabilities(Y: np.ndarray) -> np.ndarray:
    """L = log Y, finite."""
    return np.log(np.maximum(Y.astype(np.float64), _TINY))


def log_odds(Y: np.ndarray) -> np.ndarray:
    """L = log(Y / (1 - Y)), finite."""
    Y = Y.astype(np.float64)
    return np.log(np.maximum(Y, _TINY)) - np.log(np.maximum(1.0 - Y, _ROUNDING))


def temper_classes(Y: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log Y / temperature) for probabilities Y (n, K) whose rows have sum 1; float64."""
    return softmax(log_probabilities(Y) / temperature)


def temper_labels(Y: np.ndarray, temperature: float) -> np.ndarray:
    """σ(log(Y / (1 - Y)) / temperature), entry by entry, for probabilities Y (n, L) of a yes; float64."""
    return sigmoid(log_odds(Y) / temperature)


def slope_of_classes(Y: np.ndarray, T: np.ndarray, weights: np.ndarray | None = None) -> Slope:
    """Slope and curvature in β of the mean negative log likelihood of the classes T (n, K), one-hot.

    d/dβ = mean_i(E_P[L_i] - Σ_k T_ik L_ik)      d²/dβ² = mean_i(Var_P[L_i]) ≥ 0
    """
    L = log_probabilities(Y)

    def at(beta: float) -> tuple[float, float]:
        P = softmax(beta * L)
        mean = (P * L).sum(axis=-1)
        spread = (P * L * L).sum(axis=-1) - mean * mean
        return float(np.average(mean - (T * L).sum(axis=-1), weights=weights)), float(
            np.average(spread, weights=weights)
        )

    return at


def slope_of_labels(Y: np.ndarray, T: np.ndarray, weights: np.ndarray | None = None) -> Slope:
    """Slope and curvature in β of the mean negative log likelihood of answers T (n, L), 0 or 1.

    d/dβ = mean((σ(β L) - T) L)      d²/dβ² = mean(σ(β L) (1 - σ(β L)) L²) ≥ 0
    """
    L = log_odds(Y)

    def at(beta: float) -> tuple[float, float]:
        P = sigmoid(beta * L)
        slopes, curvatures = (P - T) * L, P * (1.0 - P) * L * L
        return tuple(float(np.average(V.mean(axis=-1), weights=weights)) for V in (slopes, curvatures))  # type: ignore[return-value]

    return at


def find_temperature(slope: Slope) -> float:
    """The temperature of lowest negative log likelihood, from 1/20 to 20.

    The likelihood is convex in β, so its slope has one root: Newton's steps, and halving where one leaves the interval.
    """
    low, high, beta = 1.0 / LARGEST, LARGEST, 1.0
    for _ in range(_STEPS):
        value, curvature = slope(beta)
        low, high = (low, beta) if value > 0 else (beta, high)
        step = beta - value / curvature if curvature > 0 else high
        inside = low < step < high
        new = step if inside else 0.5 * (low + high)
        if abs(new - beta) <= 1e-10 * beta:
            break
        beta = new
    return 1.0 / beta
