"""Losses, each joined with its output function, on raw scores.

A network ends in raw scores Z (..., n, K); its loss knows how to turn them into outputs Y (probabilities, means,
predictions), how far they are from the targets T, and the slope of that with respect to Z. Joined, the formulas stay
stable for any score, and short: for softmax and cross-entropy the slope is the article's δ = Y - T.

Every loss has
    rows(Z, T)      (..., n)     the loss l_i of each row, in nats where Y are probabilities
    gradient(Z, T)  (..., n, K)  the slope of each row's own loss, dl_i / dZ_i
    output(Z)       (..., n, K)  the outputs Y
and the network takes the weighted mean over rows, Σ w_i l_i / Σ w_i, or their sum. Where a row has several outputs,
its loss is the mean over them (for softmax: the sum of the article, over classes). Definitions are those of PyTorch:
squared error has no factor ½, Poisson leaves out the constant log t!.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from glassnet.errors import DataError, OptionError, require_choice, require_number, require_options
from glassnet.maths.activations import LikeScores, identity, sigmoid
from glassnet.maths.elementary import Array, exp, log, log1p, maximum, minimum, sign, where

__all__ = [
    "LOSSES",
    "Elementwise",
    "Loss",
    "Quantile",
    "SoftmaxCrossEntropy",
    "custom_loss",
    "loss_named",
    "one_hot",
    "softmax",
]


# --- softmax and the negative log likelihood ------------------------------------------------------------------------


def softmax(Z: Array) -> Array:
    """Y_j = e^Z_j / Σ_k e^Z_k along the last axis: positive, with sum 1.

    The largest score is subtracted first, which changes nothing but keeps e^Z ≤ 1.
    Source: Bishop, Pattern Recognition and Machine Learning (2006), equation 4.104.
    """
    Z = np.asarray(Z)
    E = exp(Z - Z.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


def log_softmax(Z: Array) -> Array:
    """Natural logarithm of softmax(Z): Z_j - log Σ_k e^Z_k, finite where softmax itself would underflow to 0."""
    S = Z - Z.max(axis=-1, keepdims=True)
    return S - log(exp(S).sum(axis=-1, keepdims=True))


def one_hot(labels: np.ndarray, n_classes: int, dtype: Any = np.float64) -> np.ndarray:
    """The article's matrix T (n, n_classes): row i is 0 but for a 1 in the column labels[i]."""
    T = np.zeros((len(labels), n_classes), dtype)
    T[np.arange(len(labels)), labels] = 1.0
    return T


def softmax_cross_entropy(Z: Array, T: Array) -> Array:
    """The article's negative log likelihood of each row, l_i = -Σ_j T_ij log Y_ij with Y = softmax(Z), in nats.

    It takes the scores Z, where the article takes the probabilities Y: the logarithm of a softmax is stable, the
    softmax of a very low score is 0 and has no logarithm.

    Z, T : (..., n, K), the rows of T one-hot or any probabilities. Returns (..., n).
    """
    # Where T is 0 the logarithm may be -inf, and 0 · inf would be NaN: those terms are left out.
    return -(T * where(T > 0.0, log_softmax(Z), 0.0)).sum(axis=-1)


def softmax_cross_entropy_backward(Z: Array, T: Array) -> Array:
    """dZ = Y - T, the article's δ⁽²⁾ (rows of T have sum 1)."""
    return softmax(Z) - T


# --- losses entry by entry: value and slope with respect to the score -----------------------------------------------


def binary_cross_entropy(Z: Array, T: Array) -> Array:
    """-T log Y - (1 - T) log(1 - Y) with Y = σ(Z), in nats.

    That is softplus(Z) - T Z, written so that nothing is subtracted which is large: (1 - T) Z or -T Z, whichever is not
    below 0, and log(1 + e^-|Z|). So the loss of a score that is high and right, e^-Z, is not rounded to 0.
    """
    return where(Z > 0.0, 1.0 - T, -T) * Z + log1p(exp(-abs(Z)))


def binary_cross_entropy_backward(Z: Array, T: Array) -> Array:
    """dZ = Y - T with Y = σ(Z)."""
    return sigmoid(Z) - T


def squared_error(Z: Array, T: Array) -> Array:
    """(Z - T)², in squared units of the target."""
    return (Z - T) * (Z - T)


def squared_error_backward(Z: Array, T: Array) -> Array:
    """dZ = 2 (Z - T)."""
    return 2.0 * (Z - T)


def absolute_error(Z: Array, T: Array) -> Array:
    """|Z - T|, in units of the target; its minimum is the median."""
    return abs(Z - T)


def absolute_error_backward(Z: Array, T: Array) -> Array:
    """dZ = sign(Z - T), 0 at the kink."""
    return sign(Z - T)


def huber(Z: Array, T: Array, delta: float) -> Array:
    """½ R² where |R| ≤ δ, else δ (|R| - ½ δ), with R = Z - T. Source: Huber (1964).

    Both cases at once: with C = min(|R|, δ) it is C (|R| - ½ C).
    """
    R = abs(Z - T)
    C = minimum(R, delta)
    return C * (R - 0.5 * C)


def huber_backward(Z: Array, T: Array, delta: float) -> Array:
    """dZ = R clipped to [-δ, δ], with R = Z - T."""
    return maximum(minimum(Z - T, delta), -delta)


def quantile_error(Z: Array, T: Array, q: Array) -> Array:
    """q (T - Z) where the score is too low, (1 - q) (Z - T) where it is too high; its minimum is the q-quantile.

    Source: Koenker and Bassett, "Regression Quantiles" (1978).
    """
    R = T - Z
    return maximum(q * R, (q - 1.0) * R)


def quantile_error_backward(Z: Array, T: Array, q: Array) -> Array:
    """dZ = -q where Z < T, 1 - q where Z ≥ T, and NaN where Z is."""
    return where(Z < T, -q, where(Z >= T, 1.0 - q, Z))


def poisson(Z: Array, T: Array) -> Array:
    """e^Z - T Z: the negative log likelihood of a count T with mean e^Z, in nats, without the constant log T!."""
    return exp(Z) - T * Z


def poisson_backward(Z: Array, T: Array) -> Array:
    """dZ = e^Z - T."""
    return exp(Z) - T


# --- the objects that a network takes -------------------------------------------------------------------------------


class Loss:
    """Interface of a loss; see the head of this module for `rows`, `gradient` and `output`."""

    name: str
    label_smoothing: float = 0.0
    custom: bool = False

    def rows(self, Z: Array, T: Array) -> Array:
        """Loss of each row, (..., n)."""
        raise NotImplementedError

    def gradient(self, Z: Array, T: Array) -> Array:
        """Slope of each row's own loss with respect to its scores, (..., n, K)."""
        raise NotImplementedError

    def output(self, Z: Array) -> Array:
        """The outputs Y for scores Z."""
        raise NotImplementedError

    def scores(self, Y: Array) -> Array:
        """Scores Z that have these outputs, what is 0 or 1 to rounding taken for a little more or less.

        So `rows(scores(Y), T)` is the loss of outputs, such as the mean of an ensemble's. Raises OptionError where the
        output function is the user's own, whose inverse nobody knows.
        """
        raise NotImplementedError

    def targets(self, y: Any, n_outputs: int, dtype: Any) -> np.ndarray:
        """Check y (labels, numbers, or a matrix) and return it as the matrix T the formulas take, (n, K)."""
        raise NotImplementedError

    def smoothed(self, T: np.ndarray, factor: float = 1.0) -> np.ndarray:
        """T with label smoothing ε · factor: (1 - ε) T + ε / K. Only training smooths, an evaluation never does."""
        epsilon = self.label_smoothing * factor
        return T if epsilon == 0.0 else (1.0 - epsilon) * T + epsilon / self.smoothing_classes(T)

    def smoothing_classes(self, T: np.ndarray) -> int:
        """Number of classes K that smoothing spreads over: the columns of a one-hot T, else the two of yes and no."""
        return 2

    def describe(self) -> dict[str, Any]:
        """The loss as plain data; `loss_named(**description)` makes it again."""
        raise NotImplementedError


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """Softmax with the negative log likelihood: K ≥ 2 classes that exclude each other.

    Targets: labels (n,) in 0 … K-1, or the article's one-hot T (n, K); rows of any probabilities are taken too.
    label_smoothing ε in [0, 1) trains on (1 - ε) T + ε / K. Source: Szegedy et al. (2015), section 7.
    """

    label_smoothing: float = 0.0
    name: str = field(default="cross_entropy", init=False)

    def __post_init__(self) -> None:
        _check_smoothing(self.label_smoothing)

    def rows(self, Z: Array, T: Array) -> Array:
        """-Σ_j T_ij log softmax(Z)_ij."""
        return softmax_cross_entropy(Z, T)

    def gradient(self, Z: Array, T: Array) -> Array:
        """softmax(Z) - T."""
        return softmax_cross_entropy_backward(Z, T)

    def output(self, Z: Array) -> Array:
        """softmax(Z), probabilities."""
        return softmax(Z)

    def scores(self, Y: Array) -> Array:
        """log Y, as rows of probabilities have sum 1."""
        return _log(Y)

    def targets(self, y: Any, n_outputs: int, dtype: Any) -> np.ndarray:
        """One-hot T (n, K). Raises DataError for labels outside 0 … K-1 or rows that are not probabilities, and
        OptionError for a network of one output node, whose softmax is always 1."""
        if n_outputs < 2:
            raise OptionError(
                'needs at least 2 output nodes; for one node there is "binary_cross_entropy"',
                argument="loss",
                value=self.name,
            )
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == n_outputs:
            T = y.astype(dtype)
            if not (np.all(T >= 0) and np.allclose(T.sum(axis=-1), 1.0, atol=1e-4)):
                raise DataError("must be one-hot: entries of at least 0, and rows with sum 1", argument="y")
            return T
        return one_hot(_whole_numbers(y, n_outputs), n_outputs, dtype)

    def smoothing_classes(self, T: np.ndarray) -> int:
        """The number of columns."""
        return T.shape[-1]

    def describe(self) -> dict[str, Any]:
        """Name and label smoothing."""
        return {"name": self.name, "label_smoothing": self.label_smoothing}


@dataclass(frozen=True)
class Elementwise(Loss):
    """A loss whose row is the mean over its entries, l_i = (1/K) Σ_k value(Z_ik, T_ik).

    value, slope : functions of arrays (Z, T), the slope with respect to Z.
    transform : output function of the scores (identity, sigmoid, exp).
    domain : "real", "unit" (targets in [0, 1]), or "count" (targets of at least 0).
    options : numbers the functions were made with, for `describe`.
    """

    name: str
    value: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]
    transform: Callable[[Array], Array] = identity
    domain: str = "real"
    label_smoothing: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    custom: bool = False

    def __post_init__(self) -> None:
        _check_smoothing(self.label_smoothing)

    def rows(self, Z: Array, T: Array) -> Array:
        """Mean over the outputs of value(Z, T)."""
        return self.value(Z, T).mean(axis=-1)

    def gradient(self, Z: Array, T: Array) -> Array:
        """slope(Z, T) / K."""
        return self.slope(Z, T) / Z.shape[-1]

    def output(self, Z: Array) -> Array:
        """The output function of the scores."""
        return self.transform(Z)

    def scores(self, Y: Array) -> Array:
        """Y itself, log Y for exp, and log Y - log(1 - Y) for the sigmoid."""
        if self.transform is identity:
            return Y
        if self.transform is exp:
            return _log(Y)
        if self.transform is sigmoid:
            return _log(Y) - _log(np.maximum(1.0 - Y, np.finfo(Y.dtype).eps / 4))
        raise OptionError(
            "has an output function of your own, and outputs of several members cannot be compared with targets",
            argument="loss",
            value=self.name,
            remedy="Leave its output at the identity.",
        )

    def targets(self, y: Any, n_outputs: int, dtype: Any) -> np.ndarray:
        """T (n, K) of numbers. Raises DataError for another width or a value outside the loss's domain."""
        T = _number_matrix(y, n_outputs, dtype)
        _require_domain(T, self.domain, self.name)
        return T

    def describe(self) -> dict[str, Any]:
        """Name and options."""
        smoothing = {"label_smoothing": self.label_smoothing} if self.domain == "unit" else {}
        return {"name": self.name, **self.options, **smoothing}


@dataclass(frozen=True)
class Quantile(Loss):
    """The mean of the quantile errors of several quantiles of one target, one output node for each.

    quantiles : increasing numbers strictly between 0 and 1. Targets: numbers (n,) or (n, 1).
    """

    quantiles: tuple[float, ...] = (0.5,)
    name: str = field(default="quantile", init=False)

    def __post_init__(self) -> None:
        try:
            q = np.atleast_1d(np.asarray(self.quantiles, float))
        except (TypeError, ValueError):
            q = np.empty(0)
        if q.size and q.ndim == 1:
            object.__setattr__(self, "quantiles", tuple(q.tolist()))
        if q.ndim != 1 or q.size == 0 or not np.all((q > 0) & (q < 1)) or np.any(np.diff(q) <= 0):
            raise OptionError(
                "must be increasing numbers strictly between 0 and 1",
                argument="quantiles",
                value=self.quantiles,
            )

    def rows(self, Z: Array, T: Array) -> Array:
        """Mean over the quantiles of the quantile error."""
        return quantile_error(Z, T, np.asarray(self.quantiles, Z.dtype)).mean(axis=-1)

    def gradient(self, Z: Array, T: Array) -> Array:
        """Slope of the quantile errors, divided by their number."""
        return quantile_error_backward(Z, T, np.asarray(self.quantiles, Z.dtype)) / len(self.quantiles)

    def output(self, Z: Array) -> Array:
        """The scores themselves."""
        return Z

    def scores(self, Y: Array) -> Array:
        """The outputs themselves."""
        return Y

    def targets(self, y: Any, n_outputs: int, dtype: Any) -> np.ndarray:
        """T (n, 1). Raises OptionError unless the network has one output node for each quantile.

        Raises DataError for another width or a value that is not finite.
        """
        if n_outputs != len(self.quantiles):
            raise OptionError(
                f"needs one output node for each quantile, {len(self.quantiles)}",
                argument="loss",
                value=n_outputs,
            )
        T = _number_matrix(y, 1, dtype)
        _require_domain(T, "real", self.name)
        return T

    def describe(self) -> dict[str, Any]:
        """Name and quantiles."""
        return {"name": self.name, "quantiles": list(self.quantiles)}


def _huber_loss(delta: float = 1.0) -> Elementwise:
    require_number("delta", delta, "must be positive", lambda d: d > 0)
    return Elementwise(
        "huber",
        partial(huber, delta=delta),
        partial(huber_backward, delta=delta),
        options={"delta": delta},
    )


def _binary_loss(label_smoothing: float = 0.0) -> Elementwise:
    return Elementwise(
        "binary_cross_entropy",
        binary_cross_entropy,
        binary_cross_entropy_backward,
        sigmoid,
        "unit",
        label_smoothing,
    )


def _multilabel_loss(label_smoothing: float = 0.0) -> Elementwise:
    return Elementwise(
        "multilabel", binary_cross_entropy, binary_cross_entropy_backward, sigmoid, "unit", label_smoothing
    )


# Each entry makes a loss from its options. Binary and multilabel are one formula: the first has one output node for
# two classes, the second a node for each label, of which any number can be true.
LOSSES: dict[str, Callable[..., Loss]] = {
    "cross_entropy": SoftmaxCrossEntropy,
    "binary_cross_entropy": _binary_loss,
    "multilabel": _multilabel_loss,
    "squared_error": lambda: Elementwise("squared_error", squared_error, squared_error_backward),
    "absolute_error": lambda: Elementwise("absolute_error", absolute_error, absolute_error_backward),
    "huber": _huber_loss,
    "quantile": Quantile,
    "poisson": lambda: Elementwise("poisson", poisson, poisson_backward, exp, "count"),
}


def loss_named(name: str | Loss, **options: Any) -> Loss:
    """Return the loss for a name and its options (label_smoothing, delta, quantiles), or a Loss itself.

    Raises OptionError, naming the losses there are, or the option that the loss does not take.
    """
    if isinstance(name, Loss):
        return name
    require_choice("loss", name, LOSSES)
    require_options("loss", name, LOSSES[name], options)
    return LOSSES[name](**options)


def custom_loss(
    value: Callable[[Array, Array], Array],
    slope: Callable[[Array, Array], Array],
    output: Callable[[Array], Array] = identity,
    name: str = "custom",
) -> Loss:
    """Make a loss of your own: value(Z, T) entry by entry, its slope with respect to Z, and the output function.

    The loss of a row is the mean of its entries. `Network.gradient_check` tells whether value and slope belong
    together. Raises OptionError when one of them cannot be called.
    """
    for argument, function in (("value", value), ("slope", slope), ("output", output)):
        if not callable(function):
            raise OptionError("must be a function of arrays", argument=argument, value=function)
    value, slope = LikeScores("value", value), LikeScores("slope", slope)
    output = output if output is identity else LikeScores("output", output)
    return Elementwise(name, value, slope, output, custom=True)


def _log(Y: Array) -> Array:
    """log Y, of the smallest normal number where Y is 0 or below."""
    return np.log(np.maximum(Y, np.finfo(Y.dtype).tiny))


# --- checks ---------------------------------------------------------------------------------------------------------


def _check_smoothing(epsilon: float) -> None:
    require_number("label_smoothing", epsilon, "must be at least 0 and below 1", lambda e: 0 <= e < 1)


def _whole_numbers(y: np.ndarray, n_classes: int) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(
            f"must be labels of shape (n,) or one-hot of shape (n, {n_classes})", argument="y", value=y.shape
        )
    if y.dtype.kind not in "iufb" or not np.all(y == np.floor(y)):
        raise DataError("must hold whole numbers, the classes' positions", argument="y", value=y[:3].tolist())
    if y.size and (y.min() < 0 or y.max() >= n_classes):
        bad = y.max() if y.max() >= n_classes else y.min()
        raise DataError(f"must hold labels from 0 to {n_classes - 1}", argument="y", value=bad.item())
    return y.astype(np.int64)


def _number_matrix(y: Any, n_outputs: int, dtype: Any) -> np.ndarray:
    T = np.asarray(y)
    if T.dtype.kind not in "iufb":
        raise DataError("must be numbers", argument="y", value=T.dtype.name)
    T = T[:, None] if T.ndim == 1 else T
    if T.ndim != 2 or T.shape[1] != n_outputs:
        raise DataError(
            f"must have {n_outputs} column{'s' * (n_outputs > 1)}, one for each output",
            argument="y",
            value=T.shape,
        )
    with np.errstate(over="ignore"):  # said below, with its row
        cast = T.astype(dtype)
    beyond = np.isinf(cast) & np.isfinite(T)
    if beyond.any():
        row, column = np.argwhere(beyond)[0]
        name, limit = np.dtype(dtype).name, np.finfo(dtype).max
        raise DataError(
            f"must not exceed {limit:.1e}, the largest number of {name}",
            argument="y",
            row=int(row) + 1,
            value=T[row, column].item(),
            remedy="Scale the targets, or compute in float64.",
        )
    return cast


def _require_domain(T: np.ndarray, domain: str, loss: str) -> None:
    low, high = {"real": (-np.inf, np.inf), "unit": (0.0, 1.0), "count": (0.0, np.inf)}[domain]
    outside = (low > T) | (high < T) | ~np.isfinite(T)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        rule = {
            "real": "must be finite numbers",
            "unit": f"must lie between 0 and 1 for the loss {loss!r}",
            "count": f"must be at least 0 for the loss {loss!r}",
        }[domain]
        raise DataError(rule, argument="y", row=int(row) + 1, value=T[row, column].item())
