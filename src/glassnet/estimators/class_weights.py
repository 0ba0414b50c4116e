"""What a row of each class counts: `class_weight`."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.errors import OptionError, nearest, require_number
from glassnet.tables.frames import listed

__all__ = ["balanced_weights", "check_class_weight", "class_factors"]


def check_class_weight(value: Any) -> None:
    """Raise OptionError unless it is None, "balanced" or a dict of numbers of at least 0."""
    if value is None or (isinstance(value, str) and value == "balanced"):
        return
    if not isinstance(value, dict):
        raise OptionError(
            'must be None, "balanced" or a dict of labels and weights', argument="class_weight", value=value
        )
    for label, weight in value.items():
        require_number("class_weight", weight, f"must be at least 0, for the class {label!r}", lambda w: w >= 0)


def class_factors(class_weight: Any, targets: Any, y: Any, weights: np.ndarray | None) -> np.ndarray | None:
    """The factor (n,) on each row's weight, or None.

    targets : the fitted `ClassTargets`.   y : (n,) labels.   weights : (n,) of the rows, or None.
    Raises OptionError for labels that are no classes, and for targets that are not classes that exclude each other.
    """
    if class_weight is None:
        return None
    if targets.kind != "classes":
        raise OptionError(
            "is for classes that exclude each other",
            argument="class_weight",
            value=class_weight,
            remedy="Leave it at None, and pass sample_weight to fit.",
        )
    codes, classes = targets.encode(y), targets.classes
    if isinstance(class_weight, str):
        return balanced_weights(codes, len(classes), weights)[codes]
    known = classes.tolist()
    for label in class_weight:
        if label not in known:
            guess = nearest(str(label), map(str, known))
            raise OptionError(
                f"must name classes of y, which are {listed(known)}",
                argument="class_weight",
                value=label,
                remedy=f"Did you mean {guess}?" if guess else None,
            )
    given = np.array([float(class_weight.get(label, 1.0)) for label in known])
    return (given / (given.max() or 1.0))[codes]  # no weighted mean changes, and no sum of weights overflows


def balanced_weights(codes: np.ndarray, n_classes: int, weights: np.ndarray | None = None) -> np.ndarray:
    """w_k = W / (K W_k), with W_k the weight (or number) of the rows of class k: every class then weighs the same.

    codes : (n,) whole numbers below n_classes. Returns (n_classes,); 0 for a class without rows.
    """
    totals = np.bincount(codes, weights, minlength=n_classes).astype(float)
    return np.divide(totals.sum() / n_classes, totals, out=np.zeros(n_classes), where=totals > 0)
