"""Which rows validate: a part of the training rows, chosen one way or another, or a set of the user's own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.errors import DataError, OptionError
from glassnet.estimators.samples import Samples, native_rows
from glassnet.tables.frames import Table, table_of
from glassnet.training.backend import Rows
from glassnet.training.validation import split_folds, split_groups, split_last, split_rows

__all__ = ["LAST", "Held", "check_validation", "choose_folds", "choose_rows", "is_given"]

LAST = "last"  # validation="last": rows stand in the order of time


@dataclass(frozen=True)
class Held:
    """Rows that validate: encoded, as `rows`, and as they were handed over. own : whether the user passed them.

    places : of a fold, the numbers of its rows among all.
    """

    rows: Rows
    samples: Samples
    own: bool
    places: np.ndarray | None = None


def is_given(validation: Any) -> bool:
    """Whether `validation` is a set of rows rather than a way to choose some."""
    return isinstance(validation, (tuple, list))


def check_validation(validation: Any, groups: Any) -> None:
    """Raise OptionError unless `validation` is one of the forms that `fit` takes."""
    splits = hasattr(validation, "split") and not isinstance(validation, str)
    named = isinstance(validation, str) and validation == LAST
    if is_given(validation):
        if len(validation) not in (2, 3):
            raise OptionError(
                "must be (X, y) or (X, y, sample_weight)", argument="validation", value=type(validation).__name__
            )
        if groups is not None:
            raise OptionError(
                "choose which training rows validate, and validation=(X, y) are rows of their own", argument="groups"
            )
    elif validation is not None and not splits and not named:
        raise OptionError(
            'must be (X, y) or (X, y, sample_weight), a scikit-learn splitter, "last" for rows in the order of time, '
            "or None",
            argument="validation",
            value=validation,
        )
    elif named and groups is not None:
        raise OptionError('cannot be kept together with validation="last"', argument="groups")


def choose_rows(
    samples: Samples, validation: Any, fraction: float, seed: int, classes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows to train on and of the rows held out, both increasing.

    validation : None, "last" or a splitter; see `fit`.   classes : (n,) of which each gives its share, or None.
    Raises DataError where a splitter gives parts that cannot be.
    """
    if validation is None and samples.groups is None:
        return split_rows(samples.n_rows, fraction, seed, classes)
    if validation is None:
        return split_groups(_numbered(samples.groups), fraction, seed)
    if isinstance(validation, str):
        return split_last(samples.n_rows, fraction)
    return _last_split(validation, samples)


def choose_folds(
    samples: Samples, validation: Any, n_folds: int, seed: int, classes: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers of the rows to train on and of the rows held out, for each fold; see `choose_rows`.

    Raises OptionError where `validation` names the rows, and DataError for fewer rows or groups than folds.
    """
    if validation is not None:
        raise OptionError(
            "must be None where folds validate each other", argument="validation", value=type(validation).__name__
        )
    groups = None if samples.groups is None else _numbered(samples.groups)
    n_parts = samples.n_rows if groups is None else int(groups.max()) + 1
    if n_parts < n_folds:
        rule = f"must be at least folds, {n_folds}"
        raise DataError(rule, argument="rows" if groups is None else "groups", value=n_parts)
    return split_folds(samples.n_rows, n_folds, seed, classes, groups)


def _numbered(groups: Any) -> np.ndarray:
    """The number of each row's group. Raises DataError for labels that cannot be compared."""
    try:
        return np.unique(np.asarray(groups), return_inverse=True)[1]
    except TypeError:
        kinds = sorted({type(value).__name__ for value in groups.tolist()})
        raise DataError(
            "must hold labels of one kind", argument="groups", value=kinds, remedy="Make them all text: str(label)."
        ) from None


def _of_rows_left(splitter: Any, samples: Samples) -> Any:
    """A PredefinedSplit, which numbers the rows as they were handed over, for those that are not left out."""
    if not hasattr(splitter, "test_fold"):
        return splitter
    folds, n_rows = np.asarray(splitter.test_fold), table_of(samples.X).n_rows
    if len(folds) != n_rows:
        raise DataError(f"must hold a fold for each of {n_rows} rows", argument="validation", value=len(folds))
    return type(splitter)(folds[samples.places])


def _last_split(splitter: Any, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """The last of a splitter's splits: of a TimeSeriesSplit the one that trains on most rows, of others any."""
    splitter, X = _of_rows_left(splitter, samples), native_rows(samples)
    X = np.zeros((samples.n_rows, 1)) if isinstance(X, dict | Table) else X  # whose length is not its number of rows
    try:
        splits = deque(splitter.split(X, samples.y, samples.groups), maxlen=1)
    except ValueError as error:
        rule = f"cannot split these rows: {' '.join(str(error).split())}"
        remedy = None if samples.groups is not None else "A splitter of groups needs fit(…, groups=)."
        raise DataError(rule, argument="validation", value=splitter, remedy=remedy) from error
    if not splits:
        raise DataError("gives no split of the training rows", argument="validation", value=splitter)
    training, held_out = (np.sort(np.asarray(part)) for part in splits[-1])
    if len(training) == 0 or len(held_out) == 0 or len(np.intersect1d(training, held_out)):
        raise DataError(
            "must split the rows into two parts that share none, both with rows",
            argument="validation",
            value=(len(training), len(held_out)),
        )
    return training, held_out
