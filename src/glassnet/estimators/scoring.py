"""scikit-learn's scorers, as the training loop takes them: plain functions of weights and outputs."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.errors import DataError, GlassNetError, OptionError, nearest
from glassnet.estimators.samples import Samples, native_rows

__all__ = ["LOSS", "check_scoring_name", "make_score", "scorer_of", "with_outputs"]

LOSS = "loss"  # scoring="loss": no scorer, the validation loss decides

Score = Callable[[np.ndarray, np.ndarray], float]


def check_scoring_name(scoring: Any) -> None:
    """Raise OptionError unless `scoring` is "auto", "loss", the name of a scikit-learn scorer, or can be called."""
    if callable(scoring) or (isinstance(scoring, str) and scoring in ("auto", LOSS)):
        return
    from sklearn.metrics import get_scorer_names

    names = get_scorer_names()
    if not isinstance(scoring, str) or scoring not in names:
        guess = nearest(scoring, names) if isinstance(scoring, str) else None
        raise OptionError(
            'must be "loss", the name of a scikit-learn scorer, or a function of (estimator, X, y)',
            argument="scoring",
            value=scoring,
            remedy=f"Did you mean {guess!r}?" if guess else None,
        )


def scorer_of(scoring: Any) -> Callable[..., Any]:
    """The scorer of a name, or the function itself."""
    from sklearn.metrics import get_scorer

    return get_scorer(scoring) if isinstance(scoring, str) else scoring


def with_outputs(estimator: Any, X: Any, Y: np.ndarray, **fitted: Any) -> Any:
    """A copy of an estimator whose network has the outputs Y for the table X, and that predicts others as usual.

    fitted : attributes of the copy, such as network_.
    """
    twin = copy.copy(estimator)
    for name, value in fitted.items():
        setattr(twin, name, value)
    twin._known = (X, Y)
    return twin


def make_score(scoring: Any, samples: Samples, twin: Callable[[np.ndarray, Any, np.ndarray], Any]) -> Score:
    """A function of (params, Y), the network's weights and its outputs on the samples: their score, higher is better.

    twin : function of (params, X, Y) that returns a fitted estimator with these weights and outputs.
    The scorer gets the rows as the user handed them over, and their sample weights where it takes any.
    """
    scorer, X = scorer_of(scoring), native_rows(samples)
    options = {} if samples.weights is None or not takes_weights(scorer) else {"sample_weight": samples.weights}

    def score(params: np.ndarray, Y: np.ndarray) -> float:
        return score_of(scorer, scoring, twin(params, X, Y), X, samples.y, options)

    return score


def score_of(
    scorer: Callable[..., Any], scoring: Any, fitted: Any, X: Any, y: np.ndarray, options: dict[str, Any]
) -> float:
    """What a scorer, called `scoring` by the user, says of a fitted estimator.

    Raises DataError for a score that is not finite, OptionError for what is no number, and where a scorer of
    scikit-learn is not meant for such a target. What a function of the user's own raises passes.
    """
    try:
        value = scorer(fitted, X, y, **options)
    except (AttributeError, TypeError, ValueError) as error:
        if isinstance(error, GlassNetError) or not isinstance(scoring, str):
            raise
        raise OptionError(
            f"does not suit the target: {' '.join(str(error).split())}",
            argument="scoring",
            value=scoring,
            remedy="roc_auc and f1 are for two classes, roc_auc_ovr and f1_macro for more, r2 for numbers.",
        ) from error
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise OptionError("must return a number", argument="scoring", value=value) from None
    if not np.isfinite(number):
        raise DataError(
            f"gives {number} on the validation rows, by which nothing can be compared",
            argument="scoring",
            value=scoring,
            remedy="Are all classes among them? A larger validation_fraction, or validation=(X, y), may help.",
        )
    return number


def takes_weights(scorer: Any) -> bool:
    """Whether a scorer, or the metric inside it, has an argument `sample_weight`."""
    try:
        parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    except (TypeError, ValueError):
        return False
    return "sample_weight" in parameters
