"""One fit, its scores and its seconds."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from scoring.tables import Split

SMALLEST = 1e-12  # a probability below counts as this much in the log loss


def measure(estimator: Any, split: Split, **fit_arguments: Any) -> dict[str, float]:
    """Scores on the test rows, seconds of `fit` and of predicting the test rows, and the numbers of rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a peer's number of epochs does not suffice is part of its defaults
        begun = time.perf_counter()
        estimator.fit(split.X_train, split.y_train, **fit_arguments)
        fitted = time.perf_counter()
        if split.regression:
            predicted = np.asarray(estimator.predict(split.X_test), float).ravel()
        else:
            predicted = np.asarray(estimator.predict_proba(split.X_test), float)
        ended = time.perf_counter()
    if split.regression:
        scores = number_scores(predicted, split.y_test)
    else:
        n_classes = int(max(split.y_train.max(), split.y_test.max())) + 1
        scores = class_scores(whole(predicted, estimator.classes_, n_classes), split.y_test)
    sizes = {"n": len(split.y_train), "n_test": len(split.y_test)}
    return {**scores, "fit_s": round(fitted - begun, 4), "predict_s": round(ended - fitted, 4), **sizes}


def whole(P: np.ndarray, classes: Any, n_classes: int) -> np.ndarray:
    """P (n, K) with a column for each of `n_classes`, also those that no training row had; none below SMALLEST."""
    found = np.full((len(P), n_classes), SMALLEST)
    found[:, np.asarray(classes, int)] = np.clip(P, SMALLEST, 1.0)
    return found


def number_scores(predicted: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """nrmse: root mean square error over the standard deviation of the test target; rmse: in the target's unit."""
    rmse = float(np.sqrt(np.mean((predicted - y) ** 2)))
    return {"nrmse": rmse / float(np.std(y)), "rmse": rmse}


def class_scores(P: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """error: share of rows whose likeliest class is wrong; logloss in nats a row; auc: see `area`."""
    scores = {
        "error": float(np.mean(P.argmax(axis=1) != y)),
        "logloss": float(-np.mean(np.log(P[np.arange(len(y)), y]))),
    }
    found = area(P, y)
    return scores if found is None else {**scores, "auc": found}


def area(P: np.ndarray, y: np.ndarray) -> float | None:
    """Area under the curve of class 1 of two; of more, the plain mean over the classes, each against the rest.

    Classes that all or none of the rows have do not count; None where no class is left.
    """
    classes = [1] if P.shape[1] == 2 else range(P.shape[1])
    areas = [roc_auc_score(y == k, P[:, k]) for k in classes if 0 < np.sum(y == k) < len(y)]
    return float(np.mean(areas)) if areas else None
