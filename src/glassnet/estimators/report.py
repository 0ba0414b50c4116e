"""Scores of a fitted estimator on rows it has not seen."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sklearn import metrics

from glassnet.errors import GlassNetWarning, warn
from glassnet.estimators.targets import require_as_many
from glassnet.tables.frames import listed, target_of
from glassnet.tables.wording import number

__all__ = ["Report", "UnknownClassWarning", "report"]


LABELS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
    "all_labels_right": "all labels right",
    "labels_right": "labels right",
    "micro_f1": "micro F1",
    "r2": "R²",
    "rmse": "RMSE",
    "mean_absolute_error": "mean |error|",
    "median_absolute_error": "median |error|",
}
# Of each task: the score that the baseline compares with, the baseline's name, and what it does.
BASELINES = {
    "binary": ("accuracy", "most_frequent_class_accuracy", "always the most frequent class"),
    "multiclass": ("accuracy", "most_frequent_class_accuracy", "always the most frequent class"),
    "multilabel": ("labels_right", "most_frequent_answer_accuracy", "always the most frequent answer"),
    "regression": ("rmse", "baseline_rmse", "always the mean (RMSE)"),
}
SCORES_OF_TARGETS = ("r2", "rmse", "mean_absolute_error")
STANDARD_ERRORS = 2.0  # that an accuracy must lie below the baseline to be called worse


class UnknownClassWarning(GlassNetWarning):
    """Rows to measure on have classes that training did not know, which can only be wrong."""


@dataclass(frozen=True)
class Report:
    """Scores on `n_rows` rows; `str` gives a table, `to_dict` plain data.

    task : "binary", "multiclass", "multilabel" or "regression".
    scores : name -> number; the names are the keys of LABELS. Error measures of regression are in units of the target,
        log loss in nats.
    baseline : what a model that ignores its input reaches: "most_frequent_class_accuracy", or "baseline_rmse", the
        standard deviation of the target (its RMSE when it always predicts the mean).
    per_class : for classes, one dict each: class, precision, recall, f1, rows. Classes that training did not know
        follow at the end, so that the rows add up.
    per_target : for several numbers, one dict each: target, r2, rmse, mean_absolute_error, baseline_rmse. Then r2 in
        `scores` is the mean over targets, and errors are of all targets together.
    per_label : for several labels a row, one dict each: label, accuracy, most_frequent_answer_accuracy, precision,
        recall, f1, rows (that have the label).
    """

    task: str
    n_rows: int
    scores: dict[str, float]
    baseline: dict[str, float]
    per_class: list[dict[str, Any]] = field(default_factory=list)
    per_target: list[dict[str, Any]] = field(default_factory=list)
    per_label: list[dict[str, Any]] = field(default_factory=list)

    @property
    def verdict(self) -> str | None:
        """A line that says so where the model is worse than its baseline, else None.

        Worse is R² < 0, or an accuracy more than two standard errors sqrt(b (1 - b) / n) below the baseline's b.
        """
        compared, name, _ = BASELINES[self.task]
        value, base = self.scores[compared], self.baseline[name]
        if self.per_target:
            worst = min(self.per_target, key=lambda row: row["r2"])
            if worst["r2"] < 0:
                return (
                    f"worse than always predicting the mean of {worst['target']}: RMSE {number(worst['rmse'])}, "
                    f"the mean has {number(worst['baseline_rmse'])}"
                )
        elif self.task == "regression":
            if self.scores["r2"] < 0:
                return f"worse than always predicting the mean: RMSE {number(value)}, the mean has {number(base)}"
        elif value < base - STANDARD_ERRORS * math.sqrt(base * (1 - base) / self.n_rows):
            what = "answer" if self.task == "multilabel" else "class"
            return (
                f"worse than always predicting the most frequent {what}: {LABELS[compared]} {number(value)}, "
                f"that has {number(base)}"
            )
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: the fields, and the verdict as "worse_than_baseline", a text or None."""
        return asdict(self) | {"worse_than_baseline": self.verdict}

    def lines(self, most_classes: int | None = None) -> list[str]:
        """The scores with their baseline, the verdict if it is bad, and a line for each target, label or class; of
        labels and classes up to `most_classes`."""
        lines = [*self._score_lines(), *([] if self.verdict is None else [self.verdict])]
        lines += ["", *self._target_lines()] if self.per_target else []
        lines += ["", *self._label_lines(most_classes)] if self.per_label else []
        return lines + (["", *self._class_lines(most_classes)] if self.per_class else [])

    def _score_lines(self) -> list[str]:
        compared, name, words = BASELINES[self.task]
        rows = [
            (LABELS[score], number(value), f"  {words}: {number(self.baseline[name])}" if score == compared else "")
            for score, value in self.scores.items()
        ]
        left, right = (max(len(row[k]) for row in rows) for k in (0, 1))
        return [f"{label:<{left}}  {value:>{right}}{note}" for label, value, note in rows]

    def _target_lines(self) -> list[str]:
        names = ["target", *(LABELS[score] for score in SCORES_OF_TARGETS), "RMSE of the mean"]
        rows = [
            [str(row["target"]), *(number(row[score]) for score in (*SCORES_OF_TARGETS, "baseline_rmse"))]
            for row in self.per_target
        ]
        return _in_columns([names, *rows])

    def _label_lines(self, most: int | None) -> list[str]:
        scores = ("accuracy", "most_frequent_answer_accuracy", "precision", "recall", "f1")
        names = ["label", "accuracy", "most frequent answer", "precision", "recall", "F1", "rows with it"]
        rows = [
            [str(row["label"]), *(f"{row[score]:.3f}" for score in scores), f"{row['rows']:,}"]
            for row in self.per_label[:most]
        ]
        return _in_columns([names, *rows]) + _hidden(len(self.per_label) - len(rows), "label", "labels")

    def _class_lines(self, most: int | None) -> list[str]:
        shown = self.per_class[:most]
        width = max(5, *(len(str(row["class"])) for row in shown))
        lines = [f"{'class':<{width}}  precision  recall     F1   rows"]
        lines += [
            f"{row['class']!s:<{width}}  {row['precision']:>9.3f}  {row['recall']:>6.3f}  {row['f1']:.3f}"
            f"  {row['rows']:>5,}"
            for row in shown
        ]
        return lines + _hidden(len(self.per_class) - len(shown), "class", "classes")

    def __str__(self) -> str:
        """Task and rows, then `lines`."""
        return "\n".join([f"{self.task}, {self.n_rows:,} rows", *self.lines()])


def _in_columns(rows: list[list[str]]) -> list[str]:
    """Lines of cells below each other, the first of each line on the left of its column and the others on the right."""
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([f"{name:<{first}}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))])
        for name, *cells in rows
    ]


def _hidden(count: int, one: str, many: str) -> list[str]:
    return [f"and {count:,} {many if count > 1 else one} more"] if count else []


def report(estimator: Any, X: Any, y: Any) -> Report:
    """Measure an estimator; see `Report`. Warns with UnknownClassWarning of classes that training did not know.

    Raises DataError unless there is a target for each row.
    """
    y = target_of(y)
    predicted = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)
    require_as_many(y, predicted)
    if not hasattr(estimator, "predict_proba"):
        return _report_numbers(y.astype(float), predicted, getattr(estimator, "target_name_", None))
    if y.ndim == 2 and y.shape[1] > 1:
        return _report_labels(y.astype(int), predicted, getattr(estimator, "target_name_", None))
    return _report_classes(y.reshape(-1), predicted, estimator.classes_)


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
        "balanced_accuracy": float(balanced),
        "log_loss": float(-np.mean(np.log(np.maximum(likelihood, 1e-15)))),
    }
    if len(classes) == 2 and known.all() and len(np.unique(y)) == 2:
        scores["roc_auc"] = float(metrics.roc_auc_score(y == classes[1], P[:, 1]))
    per_class = [
        {"class": label, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for label, p, r, f, n in zip(classes.tolist(), precision, recall, f1, rows, strict=True)
    ]
    per_class += _unknown_classes(y[~known])
    most = max(row["rows"] for row in per_class) / len(y)
    task = "binary" if len(classes) == 2 else "multiclass"
    return Report(task, len(y), scores, {"most_frequent_class_accuracy": most}, per_class)


def _unknown_classes(y: np.ndarray) -> list[dict[str, Any]]:
    """Rows of the report for classes that training did not know, with a warning."""
    found = Counter(y.tolist())
    if found:
        n, many = len(y), len(found) > 1
        have = f"{n:,} rows have" if n > 1 else "1 row has"
        classes = "classes" if many else "a class"
        warn(UnknownClassWarning(f"{have} {classes} that training did not know: {listed(list(found))}"))
    return [{"class": label, "precision": 0.0, "recall": 0.0, "f1": 0.0, "rows": rows} for label, rows in found.items()]


def _report_labels(T: np.ndarray, P: np.ndarray, names: Any = None) -> Report:
    predicted = (P > 0.5).astype(int)
    scores = {
        "all_labels_right": float(np.mean((predicted == T).all(axis=1))),
        "labels_right": float(np.mean(predicted == T)),
        "micro_f1": float(metrics.f1_score(T, predicted, average="micro", zero_division=0.0)),
    }
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(T, predicted, zero_division=0.0)
    per_label = [
        {
            "label": name,
            "accuracy": float(np.mean(predicted[:, k] == T[:, k])),
            "most_frequent_answer_accuracy": _most_frequent(T[:, k]),
            **{"precision": float(precision[k]), "recall": float(recall[k]), "f1": float(f1[k]), "rows": int(rows[k])},
        }
        for k, name in enumerate(_names_of_columns(names, T))
    ]
    baseline = {"most_frequent_answer_accuracy": _most_frequent(T)}
    return Report("multilabel", len(T), scores, baseline, per_label=per_label)


def _most_frequent(T: np.ndarray) -> float:
    """The share of the more frequent one of 0 and 1."""
    return float(max(T.mean(), 1 - T.mean()))


def _names_of_columns(names: Any, Y: np.ndarray) -> list[Any]:
    """The targets' names, where they are known, else their numbers."""
    return names if isinstance(names, list) and len(names) == Y.shape[1] else list(range(Y.shape[1]))


def _report_numbers(y: np.ndarray, predicted: np.ndarray, names: Any = None) -> Report:
    predicted = predicted.reshape(y.shape)
    scores, baseline = _scores_of_numbers(y, predicted), {"baseline_rmse": float(np.sqrt(y.var(axis=0).mean()))}
    if y.ndim == 1:
        return Report("regression", len(y), scores, baseline)
    per_target = []
    for k, name in enumerate(_names_of_columns(names, y)):
        found = _scores_of_numbers(y[:, k], predicted[:, k])
        of_target = {score: found[score] for score in SCORES_OF_TARGETS}
        per_target.append({"target": name, **of_target, "baseline_rmse": float(y[:, k].std())})
    return Report("regression", len(y), scores, baseline, per_target=per_target)


def _scores_of_numbers(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    error = predicted - y
    return {
        "r2": float(metrics.r2_score(y, predicted)) if len(y) > 1 else float("nan"),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mean_absolute_error": float(np.mean(np.abs(error))),
        "median_absolute_error": float(np.median(np.abs(error))),
    }
