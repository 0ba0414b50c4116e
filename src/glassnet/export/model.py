"""The fitted estimator that is to be exported, and what is refused of it whatever the format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import OptionError
from glassnet.estimators.base import GlassNetEstimator
from glassnet.estimators.loading import load
from glassnet.estimators.saving import own_functions
from glassnet.maths.calibration import temper_classes, temper_labels
from glassnet.maths.losses import Quantile
from glassnet.tables.kinds import Kind

__all__ = ["PROBABILITIES", "fitted_model", "kinds_used", "middle_quantile", "result_names", "results_of", "tempering"]

PROBABILITIES = ("classes", "multilabel")  # kinds of targets


def fitted_model(model: Any) -> Any:
    """The fitted estimator, read from its file where a path is given.

    Raises ModelFileError as `glassnet.load` does, scikit-learn's NotFittedError, and OptionError for what is no
    estimator of glassnet or holds a function of the user's own.
    """
    if isinstance(model, str | os.PathLike):
        model = load(Path(model))
    if not isinstance(model, GlassNetEstimator):
        raise OptionError(
            "must be an estimator of glassnet or the path of a model file", argument="model", value=type(model).__name__
        )
    check_is_fitted(model, "networks_")
    for argument in own_functions(model.network_):
        raise OptionError(
            "is a function of your own, which no other program knows",
            argument=argument,
            remedy="Train with a named one.",
        )
    return model


def kinds_used(model: Any) -> list[Kind]:
    """The columns of the table that have a place in the matrix, in the order of the table."""
    return [kind for kind in model.encoder_.kinds_ if kind.names]


def tempering(model: Any) -> Any:
    """The function that applies the temperature of probabilities, None where there is none."""
    if model._temperature == 1.0:
        return None
    return temper_classes if model.network_.loss.name == "cross_entropy" else temper_labels


def middle_quantile(loss: Quantile) -> int:
    """Which of the quantiles is the prediction: the one nearest to the median."""
    return int(np.argmin(np.abs(np.array(loss.quantiles) - 0.5)))


def result_names(model: Any) -> list[str]:
    """The names that exported models have for what they predict."""
    if model._targets.kind in PROBABILITIES:
        return ["label", "probabilities"]
    return ["prediction", "quantiles"] if isinstance(model.network_.loss, Quantile) else ["prediction"]


def results_of(model: Any, table: Any) -> dict[str, np.ndarray]:
    """What the estimator itself says of a table, by those names."""
    methods = {"label": "predict", "prediction": "predict", "quantiles": "predict_quantiles"}
    return {name: getattr(model, methods.get(name, "predict_proba"))(table) for name in result_names(model)}
