"""The rows that a caller hands over, checked against each other, and ready for the network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glassnet.errors import DataError
from glassnet.network import Network, checked_weights
from glassnet.tables.frames import Table, table_of, target_of
from glassnet.training.backend import Rows

__all__ = ["Samples", "make_rows", "native_rows", "row_weights", "samples_of", "take"]


@dataclass(frozen=True)
class Samples:
    """Rows to learn from or to measure on.

    X : the table as it was handed over, of which the row numbers `places` are used.
    table, y, weights : those rows; weights (n,) have mean 1, or are None.
    unit : what a weight of 1 was as it was handed over.
    factors : (n,) on the weights in the loss, by class; or None.
    groups : (n,) which rows belong together, or None.
    """

    X: Any
    places: np.ndarray
    table: Table
    y: np.ndarray
    weights: np.ndarray | None = None
    factors: np.ndarray | None = None
    groups: np.ndarray | None = None
    unit: float = 1.0

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.places)

    @property
    def loss_weights(self) -> np.ndarray | None:
        """What each row counts in the loss: weights times factors, with mean 1."""
        product = self._products
        return product if product is None or self.factors is None else product / product.mean()

    @property
    def loss_unit(self) -> float:
        """What a row counts in the loss on average, in units of the weights that were handed over."""
        product = self._products
        return self.unit if product is None else self.unit * float(product.mean())

    @property
    def _products(self) -> np.ndarray | None:
        if self.factors is None:
            return self.weights
        return self.factors if self.weights is None else self.weights * self.factors

    def take(self, rows: np.ndarray) -> Samples:
        """Some of the rows."""
        weights, factors, groups = (
            None if part is None else part[rows] for part in (self.weights, self.factors, self.groups)
        )
        places, table, y = self.places[rows], self.table.take(rows), self.y[rows]
        return Samples(self.X, places, table, y, weights, factors, groups, self.unit)

    def multiplied(self, factors: np.ndarray | None) -> Samples:
        """With factors of at least 0 on the weights; rows of factor 0 are left out."""
        if factors is None:
            return self
        if not factors.any():
            raise DataError("leaves no row: every class that has rows weighs nothing", argument="class_weight", value=0)
        present = np.flatnonzero(factors)
        return replace(self if len(present) == self.n_rows else self.take(present), factors=factors[present])


def samples_of(X: Any, y: Any, sample_weight: Any, name: str, groups: Any = None) -> Samples:
    """The samples of a table and its target, of equal length, without the rows of weight 0.

    Those are left out before anything is learned from them: no scale, level or class. Raises DataError.
    """
    if y is None:
        raise DataError(f"This {name} estimator requires y to be passed, but the target y is None")
    table, y = table_of(X), target_of(y)
    if len(y) != table.n_rows:
        raise DataError(f"must have as many rows as X, {table.n_rows}", argument="y", value=len(y))
    if groups is not None:
        groups = target_of(groups, "groups")
        if groups.shape != (len(y),):
            raise DataError(f"must hold one group for each of {len(y)} rows", argument="groups", value=groups.shape)
    samples = Samples(X, np.arange(len(y)), table, y, groups=groups)
    if sample_weight is None:
        return samples
    weights = row_weights(sample_weight, len(y))
    if not weights.any():
        raise DataError("leaves no row: every weight is zero", argument="sample_weight", value=0)
    present = samples.take(np.flatnonzero(weights))
    weights = weights[present.places]
    unit = float(weights.mean())
    return replace(present, weights=weights / unit, unit=unit)  # no weighted mean changes, and float32 can hold them


def row_weights(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Weights of rows as float64 (n_rows,). Raises DataError, naming the row, unless they are numbers of at least 0."""
    given = target_of(sample_weight, "sample_weight")
    for row, value in enumerate([] if given.dtype.kind in "biuf" else given.tolist(), 1):
        if not _is_number(value):
            rule = f"must be {n_rows} finite numbers of at least 0, one for each row"
            raise DataError(rule, argument="sample_weight", row=row, value=value)
    return checked_weights(given, n_rows, np.dtype(np.float64))


def _is_number(value: Any) -> bool:
    try:
        return float(value) is not None
    except (TypeError, ValueError):
        return False


def make_rows(network: Network, matrix: np.ndarray, T: np.ndarray, weights: np.ndarray | None) -> Rows:
    """Encoded rows in the network's float type, checked against each other.

    Weights that the type cannot tell from 0 become its smallest: a network leaves rows of weight 0 out, and row i is to
    stay that of sample i.
    """
    if weights is not None:
        weights = np.maximum(weights, np.finfo(network.dtype).tiny)
    return Rows(*network.checked(matrix, T, weights))


def take(rows: Rows, places: np.ndarray) -> Rows:
    """Some of the rows."""
    return Rows(rows.X[places], rows.T[places], None if rows.weights is None else rows.weights[places])


def native_rows(samples: Samples) -> Any:
    """The table of the samples in the form that the caller has it, for functions of his own; else a `Table`."""
    import narwhals as nw
    from sklearn.utils import _safe_indexing

    X, places = samples.X, samples.places
    if isinstance(X, dict) and not hasattr(X, "nnz"):  # one kind of sparse array is a dict, too
        return {name: _safe_indexing(values, places) for name, values in X.items()}
    try:
        return _safe_indexing(X, places)
    except (TypeError, ValueError, AttributeError, IndexError, KeyError, NotImplementedError):
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        return frame[places].to_native() if isinstance(frame, nw.DataFrame) else samples.table  # Arrow, for one
