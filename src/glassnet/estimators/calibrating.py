"""What a fitted estimator can say of its own certainty: a temperature, and conformal scores of rows held out.

The rows are those that validated (at most `MOST` of them, drawn at random), or rows handed to `calibrate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.errors import DataError, ModelFileError, OptionError, require_choice, require_number
from glassnet.estimators.samples import Samples
from glassnet.maths.calibration import (
    find_temperature,
    slope_of_classes,
    slope_of_labels,
    temper_classes,
    temper_labels,
)
from glassnet.maths.conformal import quantile_scores, threshold
from glassnet.maths.losses import one_hot
from glassnet.maths.random import Purpose, Stream

__all__ = [
    "Conformal",
    "calibrate",
    "check_calibration",
    "conformal_of",
    "probabilities_of",
    "require_conformal",
    "rows_to_calibrate_on",
]

MOST = 10_000  # rows: the standard deviation of the coverage is then 0.3 points, and a model file stays small
KINDS = ("residual", "pearson", "quantile", "probability")
CALIBRATIONS = ("none", "temperature")
TEMPERED = ("cross_entropy", "binary_cross_entropy", "multilabel")


@dataclass(frozen=True)
class Conformal:
    """Scores of the calibration rows.

    kind : what `scores` (n, K) holds. "residual" |y - prediction|; "pearson" the same divided by the square root of the
        prediction, for counts; "quantile" y - each fitted quantile; "probability" 1 - that of the true class.
    weights : (n,) of the rows, or None.
    """

    kind: str
    scores: np.ndarray
    weights: np.ndarray | None = None

    def interval(self, P: np.ndarray, coverage: float, quantiles: tuple[float, ...] = ()) -> np.ndarray:
        """Lower and upper ends (n, K, 2), or (n, 2) of quantiles, for predictions P (n, K)."""
        if self.kind == "quantile":
            return self._quantile_interval(P, coverage, quantiles)
        reach = np.array([threshold(column, coverage, self.weights) for column in self.scores.T])
        half = reach * np.sqrt(P) if self.kind == "pearson" else np.broadcast_to(reach, P.shape)
        lower = np.maximum(P - half, 0.0) if self.kind == "pearson" else P - half
        return np.stack([lower, P + half], axis=-1)

    def _quantile_interval(self, P: np.ndarray, coverage: float, quantiles: tuple[float, ...]) -> np.ndarray:
        """Between the two quantiles nearest to the coverage, both moved outwards or inwards by the same length."""
        q = np.array(quantiles)
        low, high = int(np.argmin(abs(q - (1 - coverage) / 2))), int(np.argmin(abs(q - (1 + coverage) / 2)))
        reach = threshold(quantile_scores(self.scores[:, low], self.scores[:, high]), coverage, self.weights)
        lower, upper = P[:, low] - reach, P[:, high] + reach
        middle = 0.5 * (lower + upper)
        return np.stack([np.minimum(lower, middle), np.maximum(upper, middle)], axis=-1)  # inwards, but not past it

    def sets(self, P: np.ndarray, coverage: float) -> np.ndarray:
        """Which classes (n, K) are probable enough."""
        return threshold(self.scores[:, 0], coverage, self.weights) >= 1.0 - P

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays, by name, for a file."""
        return {"scores": self.scores} | ({} if self.weights is None else {"weights": self.weights})


def kind_of_scores(targets: Any, loss: Any) -> str | None:
    """Which of `KINDS` belongs to these targets and this loss; None for labels that do not exclude each other."""
    if targets.kind != "numbers":
        return "probability" if targets.kind == "classes" else None
    return {"quantile": "quantile", "poisson": "pearson"}.get(loss.name, "residual")


def conformal_of(kind: str, arrays: dict[str, np.ndarray], targets: Any, loss: Any) -> Conformal:
    """Make it again from a file; ModelFileError where the data does not fit the targets and the loss."""
    if kind not in KINDS or kind != kind_of_scores(targets, loss):
        raise ModelFileError("does not fit the targets and the loss", argument="conformal", value=kind)
    if "scores" not in arrays:
        raise ModelFileError("is missing", argument="array 'conformal.scores'")
    scores, weights = arrays["scores"], arrays.get("weights")
    width = 1 if kind == "probability" else targets.n_outputs(loss)
    if scores.ndim != 2 or not len(scores) or not _are_numbers(scores, (len(scores), width)):
        rule = f"must be a matrix of numbers in float64 with {width} column{'s' * (width > 1)}"
        raise ModelFileError(rule, argument="array 'conformal.scores'")
    if weights is not None and not (_are_numbers(weights, scores.shape[:1]) and weights.min() >= 0 < weights.max()):
        raise ModelFileError("must be a weight for each row of scores", argument="array 'conformal.weights'")
    return Conformal(kind, scores, weights)


def _are_numbers(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether an array, which holds something, is of this shape, in float64, and without a NaN."""
    return array.dtype == np.float64 and array.shape == shape and not np.isnan(array.min())


def rows_to_calibrate_on(n_rows: int, seed: int) -> np.ndarray:
    """Numbers of the rows used, increasing: all, or `MOST` drawn at random."""
    if n_rows <= MOST:
        return np.arange(n_rows)
    return np.sort(Stream(seed, Purpose.CHECK).permutation(n_rows)[:MOST])


def calibrate(estimator: Any, samples: Samples, Y: np.ndarray, calibration: str) -> None:
    """Set an estimator's temperature, where `calibration` asks for one, and its conformal scores, where there are any.

    Y : the network's outputs for the samples, which training did not use.
    """
    found = temperature_of(estimator, samples, Y) if calibration == "temperature" else 1.0
    conformal = conformal_scores(estimator, samples, Y, found)
    estimator._temperature, estimator._conformal = found, conformal  # both, or none where the samples do not fit


def temperature_of(estimator: Any, samples: Samples, Y: np.ndarray) -> float:
    """The temperature of lowest log loss on the samples, with the weights of the loss."""
    targets, loss = estimator._targets, estimator.network_.loss
    T = targets.encode(samples.y, loss)
    if loss.name == "cross_entropy":
        slope = slope_of_classes(Y, one_hot(T, Y.shape[1]), samples.loss_weights)
    else:
        slope = slope_of_labels(Y, T.reshape(Y.shape), samples.loss_weights)
    return find_temperature(slope)


def probabilities_of(estimator: Any, Y: np.ndarray, temperature: float | None = None) -> np.ndarray:
    """Probabilities (n, K) from the network's outputs, with a temperature, the estimator's if None is given."""
    temperature = estimator._temperature if temperature is None else temperature
    if temperature != 1.0:
        temper = temper_classes if estimator.network_.loss.name == "cross_entropy" else temper_labels
        Y = temper(Y, temperature)
    return estimator._targets.probabilities(Y)


def conformal_scores(estimator: Any, samples: Samples, Y: np.ndarray, temperature: float) -> Conformal | None:
    """The scores of the samples at a temperature; None for labels that do not exclude each other."""
    targets, loss = estimator._targets, estimator.network_.loss
    if targets.kind == "multilabel":
        return None
    if targets.kind == "classes":
        P = probabilities_of(estimator, Y, temperature)
        right = P[np.arange(len(P)), targets.encode(samples.y)]
        return Conformal("probability", 1.0 - right[:, None], samples.weights)
    y, P = targets.unscaled_targets(samples.y), targets.unscaled(Y)
    if loss.name == "quantile":
        return Conformal("quantile", y - np.sort(P, axis=-1), samples.weights)
    if loss.name == "poisson":
        return Conformal("pearson", abs(y - P) / np.sqrt(np.maximum(P, 1e-300)), samples.weights)
    return Conformal("residual", abs(y - P), samples.weights)


def require_conformal(estimator: Any, coverage: Any) -> Conformal:
    """The conformal scores of a fitted estimator. Raises OptionError where it has none, or for a bad coverage."""
    require_number("coverage", coverage, "must lie strictly between 0 and 1", lambda c: 0 < c < 1)
    if estimator._targets.kind == "multilabel":
        raise DataError("needs classes that exclude each other", argument="predict_set")
    if estimator._conformal is None:
        raise OptionError(
            "cannot be vouched for: no rows were held out",
            argument="coverage",
            value=coverage,
            remedy="Call calibrate(X, y) with rows that training did not use, or set early_stopping=True.",
        )
    return estimator._conformal


def check_calibration(calibration: Any, loss: Any, is_classifier: bool) -> None:
    """Raise OptionError for what is no calibration, and a temperature where no probabilities are to apply it to."""
    require_choice("calibration", calibration, CALIBRATIONS)
    if calibration == "temperature" and not (is_classifier and loss.name in TEMPERED):
        raise OptionError(
            "is for a classifier's named losses",
            argument="calibration",
            value=calibration,
            remedy='Leave it at "none".',
        )
