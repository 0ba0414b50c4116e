"""Columns of any origin → one of three families: numbers, dates, texts.

numbers : float64, NaN = missing (integers, decimals, durations in seconds, times in seconds after midnight)
dates   : datetime64[us] without a zone (zoned instants in UTC), NaT = missing
texts   : object array of str, None = missing (strings, categories, booleans as "True" and "False", other objects)
"""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import DataError

__all__ = [
    "family_of_array",
    "family_of_pandas",
    "family_of_polars",
    "family_of_series",
    "family_of_values",
    "is_missing",
]

CONTAINERS = (list, tuple, dict, set, frozenset, np.ndarray)
MISSING_TYPES = ("NoneType", "NAType", "NaTType")  # the last two are pandas', which need not be installed


def family_of_series(series: nw.Series[Any]) -> np.ndarray:
    """A column of a data frame → its family. Raises DataError for nested columns (lists, structs)."""
    dtype = series.dtype
    if dtype.is_numeric():
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    if isinstance(dtype, nw.Datetime | nw.Date | nw.Duration):
        return family_of_array(np.asarray(series.to_numpy()), series.name)
    if isinstance(dtype, nw.Boolean):
        return _texts(series.to_list())
    if isinstance(dtype, nw.Categorical | nw.Enum | nw.String):
        return _texts(series.to_list())
    return family_of_values(series.to_list(), series.name)


def family_of_pandas(series: Any) -> np.ndarray:
    """A pandas column → its family: what `family_of_series` makes of it, the usual types by a shorter way."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iufM":
        return family_of_array(series.to_numpy(), series.name)
    if type(dtype).__name__ == "StringDtype":
        return _texts(series.to_list())
    return family_of_series(nw.from_native(series, series_only=True))


def family_of_polars(series: Any) -> np.ndarray:
    """A polars column → its family: what `family_of_series` makes of it, the usual types by a shorter way."""
    if series.dtype.is_float() or series.dtype.is_integer():
        values = series.to_numpy()  # whole numbers with gaps as float64
        if values.dtype.kind in "iuf":
            return values.astype(np.float64, copy=False)
    if type(series.dtype).__name__ == "String":
        return _texts(series.to_list())
    return family_of_series(nw.from_native(series, series_only=True))


def family_of_array(values: np.ndarray, name: Any) -> np.ndarray:
    """A one-dimensional NumPy array → its family. `name` is the column, for errors."""
    kind = values.dtype.kind
    if kind in "iuf":
        return values.astype(np.float64, copy=False)
    if kind == "M":
        return values.astype("datetime64[us]", copy=False)
    if kind == "m":
        return values / np.timedelta64(1, "s")  # NaT becomes NaN
    if kind == "c":
        raise DataError("Complex data not supported", column=name, remedy="Give real and imaginary part a column each.")
    if kind in "bUTO":
        return family_of_values(values.tolist(), name)
    if kind == "S":
        return family_of_values(np.char.decode(values, "utf-8", "replace").tolist(), name)
    raise DataError("must hold numbers, dates or texts", column=name, value=values.dtype.name)


def family_of_values(values: list[Any], name: Any) -> np.ndarray:
    """Python objects → their family: numbers where every present value is one, dates likewise, else texts.

    Booleans among numbers are 0 and 1; booleans alone are texts. A column without any value is of texts.
    """
    types = set(map(type, values))
    if types <= {float, int}:
        return np.array(values, dtype=np.float64)
    types = {kind for kind in types if kind.__name__ not in MISSING_TYPES}
    if types <= {str}:
        return _texts(values)
    _refuse_nested(values, types, name)
    if float in types or np.floating in {base for kind in types for base in kind.__mro__}:
        types = {type(value) for value in values if not is_missing(value)}  # NaN says nothing about the family
    for allowed, convert in CONVERSIONS:
        if types and all(issubclass(kind, allowed) for kind in types) and not types <= {bool, np.bool_}:
            return convert(values)
    if any(issubclass(kind, complex | np.complexfloating) for kind in types):
        raise DataError("Complex data not supported", column=name, remedy="Give real and imaginary part a column each.")
    return _texts(values) if types else np.full(len(values), np.nan) if values else np.empty(0)


def is_missing(value: Any) -> bool:
    """Whether a scalar is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in MISSING_TYPES:
        return True
    return isinstance(value, numbers.Number | np.generic) and bool(value != value)


def _refuse_nested(values: list[Any], types: Iterable[type], name: Any) -> None:
    if not any(issubclass(kind, CONTAINERS) for kind in types):
        return
    row, value = next((row, value) for row, value in enumerate(values, 1) if isinstance(value, CONTAINERS))
    raise DataError(
        "must hold one number, date or text a cell", row=row, column=name, value=value, remedy="Spread it over columns."
    )


def _texts(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = [value if type(value) is str else _text(value) for value in values]
    return column


def _text(value: Any) -> str | None:
    if is_missing(value):
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _map(convert: Callable[[Any], Any], missing: Any, dtype: str) -> Callable[[list[Any]], np.ndarray]:
    def converted(values: list[Any]) -> np.ndarray:
        return np.array([missing if is_missing(value) else convert(value) for value in values], dtype=dtype)

    return converted


def _instant(value: Any) -> np.datetime64:
    zone = getattr(value, "tzinfo", None)
    naive = value if zone is None else value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(naive).astype("datetime64[us]")


def _seconds(value: Any) -> float:
    if isinstance(value, datetime.time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    return float(np.timedelta64(value) / np.timedelta64(1, "s"))


CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[list[Any]], np.ndarray]], ...] = (
    ((numbers.Real, Decimal, np.bool_), _map(float, np.nan, "float64")),
    ((datetime.date, np.datetime64), _map(_instant, np.datetime64("NaT", "us"), "datetime64[us]")),
    ((datetime.timedelta, np.timedelta64, datetime.time), _map(_seconds, np.nan, "float64")),
)
