"""What a data set is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["Dataset"]


@dataclass(frozen=True)
class Dataset:
    """A small table with its target.

    name : as `load_dataset` knows it.
    X : float array (n, p), or a dict from the name of a column to its array (n,): float64, or object holding text and
        None where a value is missing.
    y : (n,) labels or numbers.   target : the name of what y holds.
    names : of the p columns.
    classes : the labels that y holds, sorted; empty for a regression.
    note : where the rows come from, and under which licence.
    """

    name: str
    X: Any
    y: np.ndarray
    names: tuple[str, ...]
    target: str
    classes: tuple[Any, ...] = ()
    note: str = "generated, no licence needed"

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.names)

    @property
    def labels(self) -> np.ndarray | None:
        """The place of each row's label in `classes`, integers (n,); None for a regression."""
        return np.searchsorted(np.array(self.classes), self.y) if self.classes else None

    def take(self, rows: np.ndarray) -> Dataset:
        """The data set of some of the rows (row numbers or a mask), in that order."""
        X = {name: column[rows] for name, column in self.X.items()} if isinstance(self.X, dict) else self.X[rows]
        return replace(self, X=X, y=self.y[rows])
