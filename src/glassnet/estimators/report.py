"""Scores of a fitted estimator on rows it has not seen."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sklearn import metrics

from glassnet.tables.frames import target_of

__all__ = ["Report", "report"]


@dataclass(frozen=True)
class Report:
    """Scores on `n_rows` rows; `str` gives a table, `to_dict` plain data.

    task : "binary", "multiclass", "multilabel" or "regression".
    scores : name -> number. Error measures of regression are in units of the target, log loss in nats.
    baseline : what a model that ignores its input reaches: the share of the most frequent class, or the standard
        deviation of the target (its RMSE when it always predicts the mean).
    per_class : for classes, one dict each: class, precision, recall, f1, rows.
    """

    task: str
    n_rows: int
    scores: dict[str, float]
    baseline: dict[str, float]
    per_class: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """The scores, and a line for each class."""
        lines = [f"{self.task}, {self.n_rows} rows"]
        lines += [f"  {name:<20}{value:>12.4g}" for name, value in self.scores.items()]
        lines += [f"  {f'({name})':<20}{value:>12.4g}" for name, value in self.baseline.items()]
        if self.per_class:
            width = max(8, *(len(str(row["class"])) for row in self.per_class))
            lines.append(f"  {'class':<{width}}{'precision':>11}{'recall':>9}{'f1':>9}{'rows':>8}")
            lines += [
                f"  {row['class']!s:<{width}}{row['precision']:>11.3f}{row['recall']:>9.3f}{row['f1']:>9.3f}"
                f"{row['rows']:>8}"
                for row in self.per_class
            ]
        return "\n".join(lines)


def report(estimator: Any, X: Any, y: Any) -> Report:
    """Measure an estimator; see `Report`."""
    y = target_of(y)
    if not hasattr(estimator, "predict_proba"):
        return _report_numbers(y.astype(float), estimator.predict(X))
    probabilities = estimator.predict_proba(X)
    if y.ndim == 2 and y.shape[1] > 1:
        return _report_labels(y.astype(int), probabilities)
    return _report_classes(y.reshape(-1), probabilities, estimator.classes_)


def _report_classes(y: np.ndarray, P: np.ndarray, classes: np.ndarray) -> Report:
    predicted = classes[P.argmax(axis=1)]
    known = np.isin(y, classes)  # a class that training did not know can only be wrong
    column = np.searchsorted(classes, y[known])
    likelihood = np.zeros(len(y))
    likelihood[known] = P[known, column]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes without a row, or without a prediction, are shown as 0
        precision, recall, f1, rows = metrics.precision_recall_fscore_support(
            y, predicted, labels=classes, zero_division=0.0
        )
        balanced = metrics.balanced_accuracy_score(y, predicted)
    scores = {
        "accuracy": float(np.mean(predicted == y)),
        "balanced accuracy": float(balanced),
        "log loss": float(-np.mean(np.log(np.maximum(likelihood, 1e-15)))),
    }
    if len(classes) == 2 and known.all() and len(np.unique(y)) == 2:
        scores["ROC AUC"] = float(metrics.roc_auc_score(y == classes[1], P[:, 1]))
    per_class = [
        {"class": label, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for label, p, r, f, n in zip(classes.tolist(), precision, recall, f1, rows, strict=True)
    ]
    most = max(row["rows"] for row in per_class) / len(y)
    task = "binary" if len(classes) == 2 else "multiclass"
    return Report(task, len(y), scores, {"most frequent class": most}, per_class)


def _report_labels(T: np.ndarray, P: np.ndarray) -> Report:
    predicted = (P > 0.5).astype(int)
    scores = {
        "all labels right": float(np.mean((predicted == T).all(axis=1))),
        "labels right": float(np.mean(predicted == T)),
        "micro F1": float(metrics.f1_score(T, predicted, average="micro", zero_division=0.0)),
    }
    return Report("multilabel", len(T), scores, {"most frequent answer": float(max(T.mean(), 1 - T.mean()))})


def _report_numbers(y: np.ndarray, predicted: np.ndarray) -> Report:
    error = predicted.reshape(y.shape) - y
    scores = {
        "R²": float(metrics.r2_score(y, predicted)) if len(y) > 1 else float("nan"),
        "RMSE": float(np.sqrt(np.mean(error**2))),
        "mean |error|": float(np.mean(np.abs(error))),
        "median |error|": float(np.median(np.abs(error))),
    }
    return Report("regression", len(y), scores, {"standard deviation": float(y.std())})
