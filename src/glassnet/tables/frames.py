"""Any table a caller may hold → `Table`, names and plain columns; and targets likewise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import ColumnError, DataError, nearest
from glassnet.tables.families import (
    Column,
    Refused,
    family_of_array,
    family_of_pandas,
    family_of_polars,
    family_of_series,
    family_of_values,
    is_missing,
    is_wide,
)
from glassnet.tables.texts import Texts

__all__ = ["Table", "listed", "split_target", "table_of", "target_of"]


@dataclass(frozen=True)
class Table:
    """A table as columns.

    names : one a column; "x0", "x1", … where the source has none, and then `named` is False.
    columns : of equal length, each a NumPy array of numbers, datetime64[us] or timedelta64[us], or `Texts`; see
        `families`.
    """

    names: list[str]
    columns: list[Column]
    named: bool

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0])

    def take(self, rows: Any) -> Table:
        """The table of the given rows (indices, mask or slice), in that order."""
        return Table(self.names, [column[rows] for column in self.columns], self.named)


def table_of(X: Any) -> Table:
    """Any table → `Table`.

    X : pandas, polars or Arrow table (all that narwhals knows), 2-D NumPy array (numbers, or objects), SciPy sparse
        matrix (cells that are not stored are 0), dict of columns, list of rows, or anything with `__array__`. NaN and
        null both mean missing. A 2-D Boolean array is numbers 0 and 1.

    Raises DataError for other shapes (with scikit-learn's hint to reshape), no rows, no columns, and ColumnError for
    repeated names. A column of complex or nested data is an error once it is looked at (`families.Refused`).
    """
    if isinstance(X, Table):
        return X
    if X is None:
        raise DataError("must be a table", argument="X", value=None)
    for known, read in (
        (lambda: _is_sparse(X), _table_of_sparse),  # before dict: DOK is one
        (lambda: isinstance(X, dict), _table_of_dict),
        (lambda: type(X) is np.ndarray or type(X) is list, _table_of_rows),
        (lambda: nw.dependencies.is_pandas_dataframe(X), _table_of_pandas),
        (lambda: nw.dependencies.is_polars_dataframe(X), _table_of_polars),
    ):
        if known():
            return read(X)
    frame = _frame_of(X)
    return _table_of_rows(X) if frame is None else _table_of_frame(frame)


def _table_of_rows(X: Any) -> Table:
    return _table_of_array(_array_of(X))


def _table_of_polars(X: Any) -> Table:
    return _table_of_columns(
        X.columns, X.shape, (Refused.unless(family_of_polars, series) for series in X.iter_columns())
    )


def _table_of_pandas(X: Any) -> Table:
    """A pandas frame. Narwhals would do, but takes 60 µs and 40 for each column, which a single row feels."""
    names = X.columns.tolist()
    _require_unique(names)
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in X.dtypes.tolist()):
        matrix = X.to_numpy(dtype=np.float64)
        if not is_wide(matrix):  # else some column may be of whole numbers that float64 rounds
            return _table_of_columns(names, X.shape, matrix.T)
    return _table_of_columns(names, X.shape, (Refused.unless(family_of_pandas, series) for _, series in X.items()))


def _frame_of(X: Any) -> nw.DataFrame[Any] | None:
    """A narwhals frame around X, or None where X is no data frame."""
    if hasattr(X, "__arrow_c_stream__") and hasattr(X, "num_columns") and not hasattr(X, "to_batches"):
        import polars

        X = polars.DataFrame(X)  # an Arrow record batch
    try:
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        return frame if isinstance(frame, nw.DataFrame) else None
    except nw.exceptions.DuplicateError:
        _require_unique(list(X.column_names if hasattr(X, "column_names") else X.columns))
        raise


def _require_unique(names: Sequence[Any]) -> None:
    if len(set(names)) == len(names):
        return
    for name, count in Counter(names).items():
        if count > 1:
            raise ColumnError(f"occurs {count} times", column=name, remedy="Give every column a name of its own.")


def _table_of_frame(frame: nw.DataFrame[Any]) -> Table:
    names: list[Any] = list(frame.columns)
    return _table_of_columns(
        names, frame.shape, (Refused.unless(family_of_series, series) for series in frame.iter_columns())
    )


def _table_of_columns(names: list[Any], shape: tuple[int, int], columns: Iterable[Column]) -> Table:
    """The table of a frame's columns; names that are no texts count for nothing."""
    texts = sum(isinstance(name, str) for name in names)
    if 0 < texts < len(names):
        odd = next(name for name in names if not isinstance(name, str))
        raise ColumnError("must have names that are all strings", argument="X", value=odd, remedy="Use str(name).")
    _require_size(shape)
    return Table(names if texts else _numbered(len(names)), list(columns), named=texts > 0)


def _table_of_dict(X: dict[Any, Any]) -> Table:
    columns = [_column_of(values, name) for name, values in X.items()]
    lengths = [len(column) for column in columns]
    for name, length in zip(X, lengths, strict=True):
        if length != lengths[0]:
            raise DataError(f"must have {lengths[0]} values, as the first column", column=name, value=length)
    names = [str(name) for name in X]
    _require_unique(names)  # 1 and "1" are two keys and one name
    _require_size((lengths[0] if lengths else 0, len(columns)))
    return Table(names, columns, named=True)


def _column_of(values: Any, name: Any) -> Column:
    if type(values) is list:
        return Refused.unless(family_of_values, values, name)
    if type(values) is np.ndarray and values.ndim == 1:
        return Refused.unless(family_of_array, values, name)
    categorical = type(values).__name__ == "Categorical"  # of pandas
    if categorical or nw.dependencies.is_pandas_series(values):
        return Refused.unless(Texts.of_categories if categorical else family_of_pandas, values)
    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return Refused.unless(family_of_series, series)
    if hasattr(values, "__array__"):
        array = np.asarray(values)
        if array.ndim == 1:
            return Refused.unless(family_of_array, array, name)
    elif isinstance(values, Sequence) and not isinstance(values, str):
        return Refused.unless(family_of_values, list(values), name)
    raise DataError("must be a one-dimensional column of values", column=name, value=values)


def _array_of(X: Any) -> np.ndarray:
    if isinstance(X, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(X), np.array(None), X.data.astype(object))
    if hasattr(X, "__array__"):
        return np.asarray(X)
    if not isinstance(X, Sequence) or isinstance(X, str | bytes):
        raise DataError(
            "must be a data frame, a 2-D array, a dict of columns or a list of rows",
            argument="X",
            value=type(X).__name__,
            remedy="A lazy frame needs collect() first." if hasattr(X, "collect") else None,
        )
    return _array_of_rows(X)


def _array_of_rows(rows: Sequence[Any]) -> np.ndarray:
    """Lists of numbers become a numeric array; with texts among them an object array, so that 1.5 stays a number."""
    try:
        array = np.asarray(rows)
        mixed = array.ndim == 2 and any(isinstance(value, bool | np.bool_) for value in list(rows[0]))
        mixed = mixed or (array.dtype.kind == "f" and is_wide(array))  # perhaps whole numbers that it rounds
        return array if array.dtype.kind in "biufc" and not mixed else np.array(rows, dtype=object)
    except ValueError:
        widths = [len(row) if hasattr(row, "__len__") else 0 for row in rows]
        row = next((i for i, width in enumerate(widths, 1) if width != widths[0]), 1)
        raise DataError(
            f"must have {widths[0]} values, as the first row", argument="X", row=row, value=widths[row - 1]
        ) from None


def _table_of_array(array: np.ndarray) -> Table:
    if array.ndim != 2:
        shown = " ".join(np.array2string(array, threshold=6, edgeitems=2).split())
        raise DataError(
            f"Expected 2D array, got {'scalar' if array.ndim == 0 else f'{array.ndim}D'} array instead: array={shown}",
            remedy="Reshape your data either using array.reshape(-1, 1) if your data has a single feature "
            "or array.reshape(1, -1) if it contains a single sample.",
        )
    _require_size(array.shape)
    names = _numbered(array.shape[1])
    if array.dtype.kind in "iu" and is_wide(array):
        return Table(names, [family_of_array(array[:, j], name) for j, name in enumerate(names)], named=False)
    if array.dtype.kind in "biuf":
        array = array.astype(np.float64, order="F", copy=False)  # one pass, columns side by side in memory
        return Table(names, list(array.T), named=False)
    return Table(
        names, [Refused.unless(family_of_array, array[:, j], name) for j, name in enumerate(names)], named=False
    )


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "nnz") and hasattr(X, "toarray")


def _table_of_sparse(X: Any) -> Table:
    """A SciPy matrix, column by column: a network takes dense rows, so its size is that of the dense matrix."""
    if X.ndim != 2:
        return _table_of_array(X.toarray())
    return _table_of_array(X.tocsc().toarray(order="F"))


def _numbered(count: int) -> list[str]:
    return [f"x{j}" for j in range(count)]


def _require_size(shape: tuple[int, ...]) -> None:
    for count, what, noun in ((shape[1], "column", "feature"), (shape[0], "row", "sample")):
        if count == 0:  # the second half is what scikit-learn's users know, and its checks look for
            rule = f"must have a {what} at least: 0 {noun}(s) (shape={shape}) while a minimum of 1 is required"
            raise DataError(rule, argument="X", remedy="Look at what was selected from the table.")


def target_of(y: Any, argument: str = "y") -> np.ndarray:
    """A target as a NumPy array. argument : its name, for errors.

    y : Series, 1-D or 2-D array, list, data frame, or SciPy sparse matrix (cells that are not stored are 0). A frame of
        one column becomes 1-D; other 2-D targets stay 2-D.
    Whole numbers stay whole, texts and categories become object arrays of their values, missing is NaN, NaT or None.

    Raises DataError where there is no target or it is not one or two-dimensional.
    """
    if y is None:
        raise DataError("This estimator requires y to be passed, but the target y is None")
    if _is_sparse(y):
        y = y.toarray()
    wrapped = nw.from_native(y, allow_series=True, eager_only=True, pass_through=True)
    if isinstance(wrapped, nw.DataFrame):
        columns = [_target_of_series(wrapped.get_column(name)) for name in wrapped.columns]
        return columns[0] if len(columns) == 1 else np.stack(columns, axis=-1)
    if isinstance(wrapped, nw.Series):
        return _target_of_series(wrapped)
    array = np.asarray(y) if hasattr(y, "__array__") else _target_of_list(y, argument)
    if array.ndim not in (1, 2):
        shown = " ".join(np.array2string(array, threshold=6, edgeitems=2).split())
        raise DataError(f"{argument} should be a 1d array", value=f"{array.ndim} dimensions, {shown}")
    return _tightened(array) if array.dtype == object else array


def _target_of_list(y: Any, argument: str) -> np.ndarray:
    """Like np.asarray, but None and numbers among texts stay what they are, and so do NULs at the end of a text."""
    if not hasattr(y, "__iter__") or isinstance(y, str | bytes):
        return np.asarray(y)
    rows = list(y)
    try:
        array = np.asarray(rows)
    except ValueError:
        widths = [len(row) if hasattr(row, "__len__") else 0 for row in rows]
        row = next((i for i, width in enumerate(widths, 1) if width != widths[0]), 1)
        rule = f"must have {widths[0]} values in each row, as in the first"
        raise DataError(rule, argument=argument, row=row, value=rows[row - 1]) from None
    if array.dtype.kind in "US" and array.ndim == 1 and not _fit_numpy_text(rows):
        return np.array(rows, dtype=object)
    return array


def _fit_numpy_text(values: list[Any]) -> bool:
    """Whether a NumPy array of texts, or of bytes, gives the values back: it takes all for one and drops last NULs."""
    kind = str if isinstance(values[0], str) else bytes
    return all(isinstance(value, kind) and value[-1:] not in ("\0", b"\0") for value in values)


def _target_of_series(series: nw.Series[Any]) -> np.ndarray:
    dtype = series.dtype
    if dtype.is_numeric() and (isinstance(dtype, nw.Decimal) or series.null_count()):
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    if dtype.is_numeric() or (isinstance(dtype, nw.Boolean) and not series.null_count()):
        return np.asarray(series.to_numpy())
    if isinstance(dtype, nw.Datetime | nw.Date | nw.Duration):
        return np.asarray(series.to_numpy())
    values = series.to_list()
    array = np.empty(len(values), dtype=object)
    array[:] = [None if is_missing(value) else value for value in values]
    return _tightened(array)


def _tightened(array: np.ndarray) -> np.ndarray:
    """An object array of numbers as an array of numbers, so that labels 0 and 1 are recognised as such."""
    values = array.ravel().tolist()
    present = {type(value) for value in values if not is_missing(value)}
    if not present or not all(issubclass(kind, int | float | np.number | np.bool_) for kind in present):
        return array
    if any(is_missing(value) for value in values):
        if present <= {bool, np.bool_}:
            return array
        values = [np.nan if is_missing(value) else value for value in values]
    return np.array(values).reshape(array.shape)


def split_target(frame: Any, target: str | Sequence[str]) -> tuple[Any, np.ndarray]:
    """Split a data frame into its features, a frame of the same library, and its target, a NumPy array.

    target : name of the target column, or a list of names for several targets (then y is 2-D).
    Raises ColumnError, naming the nearest column, where a target is not in the table or nothing else is.
    """
    wrapped = nw.from_native(frame, eager_only=True)
    targets = [target] if isinstance(target, str) else list(target)
    for name in targets:
        if name not in wrapped.columns:
            guess = nearest(name, wrapped.columns)
            remedy = f"Did you mean {guess!r}?" if guess else f"Its columns are {listed(wrapped.columns)}."
            raise ColumnError("is not in the table", column=name, remedy=remedy)
    features = wrapped.drop(*targets)
    if not features.columns:
        raise ColumnError("is the only column", column=targets[0], remedy="Add columns to predict it from.")
    y = target_of(wrapped.select(*targets).to_native())
    return features.to_native(), y[:, None] if not isinstance(target, str) and y.ndim == 1 else y


def listed(names: Sequence[Any], limit: int = 10) -> str:
    """Names for a message: 'a', 'b' and 3 more."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
