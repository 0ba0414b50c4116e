"""Columns of any origin → one of four families: numbers, dates, durations, texts.

numbers   : float64, NaN = missing (integers, decimals). Whole numbers without gaps, in a column of many rows, may
            stay integers, so that the memory is shared, and do so where float64 would round them (beyond 2^53);
            `changes.as_numbers` makes them float64. Where there are gaps besides they are `texts.Wholes`
dates     : datetime64[us], NaT = missing; times of day are `zones.TimesOfDay`. Those with a zone are `zones.Moments`:
            instants in UTC, and the zone's name
durations : timedelta64[us], NaT = missing
texts     : `Texts` (strings, categories, booleans as "True" and "False", other objects)
"""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import DataError
from glassnet.tables.missing import MISSING_TYPES, is_missing
from glassnet.tables.texts import EXACT, FEW_ROWS, Texts, Truths, Wholes
from glassnet.tables.zones import Moments, TimesOfDay, name_of_zone

__all__ = [
    "Column",
    "Refused",
    "family_of_array",
    "family_of_pandas",
    "family_of_polars",
    "family_of_series",
    "family_of_values",
    "is_missing",
    "is_wide",
    "name_of_family",
]

Column = np.ndarray | Texts

BY_POLARS = (
    nw.Float64,
    nw.Int64,
    nw.UInt64,
    nw.Int32,
    nw.String,
    nw.Categorical,
    nw.Boolean,
)  # Arrow's, read faster so
# Steps from 1970, either way, that microseconds in 64 bits can hold; of units that can hold more.
SECOND = 1_000_000
FURTHEST = {"Y": 290_000, "M": 12 * 290_000} | {
    unit: (2**63 - 1) // size
    for unit, size in (
        *(("W", 604_800 * SECOND), ("D", 86_400 * SECOND), ("h", 3600 * SECOND)),
        *(("m", 60 * SECOND), ("s", SECOND), ("ms", 1000)),
    )
}
FAMILIES = {"f": "number", "i": "number", "u": "number", "M": "date", "m": "duration"}  # of a dtype's kind
CONTAINERS = (list, tuple, dict, set, frozenset, np.ndarray)


def name_of_family(values: Any) -> str:
    """Of a column: "number", "date", "duration" or "text"."""
    return "number" if isinstance(values, Wholes) else FAMILIES.get(values.dtype.kind, "text")


def is_wide(x: np.ndarray) -> bool:
    """Whether some number (NaN is none) lies beyond ±2^53, from where on float64 rounds whole numbers."""
    if not x.size or (x.dtype.kind in "iu" and x.dtype.itemsize < 8):
        return False
    return bool(np.fmax.reduce(x, axis=None) >= EXACT or np.fmin.reduce(x, axis=None) <= -EXACT)


def family_of_series(series: nw.Series[Any]) -> Column:
    """A column of a data frame → its family. Raises DataError for nested columns (lists, structs)."""
    dtype = series.dtype
    if series.implementation is nw.Implementation.PYARROW and isinstance(dtype, BY_POLARS):
        import polars as pl

        shared = pl.Series(series.name, series.to_native())  # it shares the memory
        return Texts.of_polars(shared) if isinstance(dtype, nw.Categorical) else family_of_polars(shared)
    if dtype.is_numeric():
        if dtype.is_integer() and nw.dependencies.is_pandas_series(native := series.to_native()):
            x = native.to_numpy(dtype=np.float64, na_value=np.nan)  # a cast of Arrow's refuses what it would round
        else:
            x = np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
        if dtype.is_float() or not is_wide(x):
            return x
        gapless = isinstance(dtype, nw.Int64 | nw.UInt64) and not series.null_count()
        return np.asarray(series.to_numpy()) if gapless else Wholes.of_values(series.to_list())
    if isinstance(dtype, nw.Datetime | nw.Date | nw.Duration):
        values = family_of_array(np.asarray(series.to_numpy()), series.name)
        return _zoned(values, name_of_zone(getattr(dtype, "time_zone", None)))
    if isinstance(dtype, nw.Categorical | nw.Enum | nw.String | nw.Boolean):
        return Texts.of_values(series.to_list())
    return family_of_values(series.to_list(), series.name)


def family_of_pandas(series: Any) -> Column:
    """A pandas column → its family: what `family_of_series` makes of it, the usual types by a shorter way."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iufM":
        return family_of_array(series.to_numpy(), series.name)
    if type(dtype).__name__ in ("StringDtype", "CategoricalDtype", "BooleanDtype", "BoolDType"):
        return Texts.of_pandas(series)
    if type(dtype).__name__ == "ObjectDType" and len(series) > FEW_ROWS:
        from pandas.api.types import infer_dtype

        if infer_dtype(series, skipna=True) == "string":
            return Texts.of_pandas(series)
    return family_of_series(nw.from_native(series, series_only=True))


def family_of_polars(series: Any) -> Column:
    """A polars column → its family: what `family_of_series` makes of it, the usual types by a shorter way."""
    if series.dtype.is_float() or series.dtype.is_integer():
        if type(series.dtype).__name__ in ("Int128", "UInt128"):  # which NumPy does not have
            return family_of_series(nw.from_native(series, series_only=True))
        values = series.to_numpy()  # whole numbers with gaps as float64
        if values.dtype.kind in "iu" and (len(values) > FEW_ROWS or is_wide(values)):
            return values
        if values.dtype.kind == "f" and series.dtype.is_integer() and is_wide(values):
            return Wholes.of_values(series.to_list())
        if values.dtype.kind in "iuf":
            return values.astype(np.float64, copy=False)
    if type(series.dtype).__name__ in ("String", "Categorical", "Enum", "Boolean"):
        return Texts.of_polars(series)
    return family_of_series(nw.from_native(series, series_only=True))


def family_of_array(values: np.ndarray, name: Any) -> Column:
    """A one-dimensional NumPy array → its family. `name` is the column, for errors."""
    kind = values.dtype.kind
    if kind in "iuf":
        return values if kind != "f" and is_wide(values) else values.astype(np.float64, copy=False)
    if kind in "mM":
        return _microseconds(values, name)
    if kind == "c":
        raise DataError("Complex data not supported", column=name, remedy="Give real and imaginary part a column each.")
    if kind in "bUTO":
        return family_of_values(values.tolist(), name)
    if kind == "S":
        return family_of_values(np.char.decode(values, "utf-8", "replace").tolist(), name)
    raise DataError("must hold numbers, dates or texts", column=name, value=values.dtype.name)


def _microseconds(values: np.ndarray, name: Any) -> np.ndarray:
    """Dates or durations of any unit in microseconds. DataError, naming the row, beyond 290,000 years: NumPy wraps."""
    unit, count = np.datetime_data(values.dtype)
    if unit in FURTHEST:
        steps = values.astype(np.int64)
        beyond = np.abs(steps) > FURTHEST[unit] // count  # NaT is the least integer, whose absolute value is itself
        if beyond.any():
            row = int(np.argmax(beyond))
            raise DataError(
                "must lie within 290,000 years of 1970" if values.dtype.kind == "M" else "must be below 290,000 years",
                row=row + 1,
                column=name,
                value=str(values[row]),
                remedy="Mend the cell, or leave it empty (missing).",
            )
    return values.astype(f"{values.dtype.kind}8[us]", copy=False)


@dataclass(frozen=True)
class Refused:
    """A column that is no family, and the error that says so, which is raised when someone looks at it.

    So a table may have a column of lists, if it is dropped or if no model asks for it.
    """

    error: DataError
    length: int

    @classmethod
    def unless(cls, read: Callable[..., Column], values: Any, *arguments: Any) -> Any:
        """What `read` makes of a column's values, or its refusal."""
        try:
            return read(values, *arguments)
        except DataError as error:
            return cls(error, len(values))

    @property
    def dtype(self) -> np.dtype:
        """What a column is looked at by."""
        raise self.error

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, rows: Any) -> Refused:
        """Some of the rows are refused likewise."""
        return Refused(self.error, len(np.arange(self.length)[rows]))


def family_of_values(values: list[Any], name: Any) -> Column:
    """Python objects → their family: numbers where every present value is one, dates likewise, else texts.

    Booleans among numbers are 0 and 1; booleans alone are texts. A column without any value is of numbers.
    Raises DataError, naming the row, for nested values and for numbers beyond ±1.8e308.
    """
    types = set(map(type, values))
    if types <= {float, int}:
        return _floats(values, name)
    if types <= {str, type(None)} and str in types:
        return Texts.of_strings(values)
    types = {kind for kind in types if kind.__name__ not in MISSING_TYPES}
    _refuse_nested(values, types, name)
    if float in types or np.floating in {base for kind in types for base in kind.__mro__}:
        types = {type(value) for value in values if not is_missing(value)}  # NaN says nothing about the family
    for allowed, convert in CONVERSIONS:
        if types and all(_is(kind, allowed) for kind in types) and not types <= {bool, np.bool_}:
            return _with_truths(values, types, convert(values, name))
    if any(issubclass(kind, complex | np.complexfloating) for kind in types):
        raise DataError("Complex data not supported", column=name, remedy="Give real and imaginary part a column each.")
    return Texts.of_mixed(values) if types else np.full(len(values), np.nan)


def _with_truths(values: list[Any], types: Iterable[type], column: Column) -> Column:
    """The column, with which cells are booleans where some are: as a level True is not 1."""
    if not {bool, np.bool_} & set(types):
        return column
    return Wholes.of_mixed(values) if isinstance(column, Wholes) else Truths.of_mixed(values)


def _is(kind: type, allowed: tuple[type, ...]) -> bool:
    """Whether a type is one of those allowed; to NumPy its durations are integers, to us they are not."""
    return issubclass(kind, allowed) and (np.timedelta64 in allowed or not issubclass(kind, np.timedelta64))


def _refuse_nested(values: list[Any], types: Iterable[type], name: Any) -> None:
    if not any(issubclass(kind, CONTAINERS) for kind in types):
        return
    row, value = next((row, value) for row, value in enumerate(values, 1) if isinstance(value, CONTAINERS))
    raise DataError(
        "must hold one number, date or text a cell", row=row, column=name, value=value, remedy="Spread it over columns."
    )


def _floats(values: list[Any], name: Any) -> Column:
    try:
        if set(map(type, values)) <= {float, int}:
            x = np.array(values, dtype=np.float64)
        else:
            x = np.array([np.nan if is_missing(value) else float(value) for value in values], dtype=np.float64)
        return Wholes.of_values(values) if is_wide(x) and any(map(_is_wide_whole, values)) else x
    except OverflowError:
        row, value = next((row, value) for row, value in enumerate(values, 1) if not _fits(value))
        raise DataError(
            "must lie within ±1.8e308",
            row=row,
            column=name,
            value=value,
            remedy="Leave the cell empty (missing), or take logarithms.",
        ) from None


def _is_wide_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer | Decimal) and not is_missing(value) and abs(float(value)) >= EXACT


def _fits(value: Any) -> bool:
    try:
        return is_missing(value) or float(value) is not None
    except OverflowError:
        return False


def _map(convert: Callable[[Any], Any], missing: Any, dtype: str) -> Callable[[list[Any], Any], np.ndarray]:
    def converted(values: list[Any], name: Any) -> np.ndarray:
        return np.array([missing if is_missing(value) else convert(value) for value in values], dtype=dtype)

    return converted


def _instant(value: Any) -> np.datetime64:
    zone = getattr(value, "tzinfo", None)
    naive = value if zone is None else value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(naive).astype("datetime64[us]")


def _zoned(instants: Any, zone: str | None) -> Column:
    return instants if zone is None else Moments.of(instants, zone)


def _moments(values: list[Any], name: Any) -> Column:
    """Dates and moments. Where all have one zone it is kept; where they have several, they are all of UTC."""
    instants = _map(_instant, np.datetime64("NaT", "us"), "datetime64[us]")(values, name)
    found = {getattr(value, "tzinfo", None) for value in values if not is_missing(value)}
    zones = {name_of_zone(zone) for zone in found}
    return _zoned(instants, zones.pop() if len(zones) == 1 else None)


def _time_of_day(value: datetime.time) -> np.datetime64:
    return np.datetime64(datetime.datetime.combine(datetime.date(1970, 1, 1), value.replace(tzinfo=None)))


def _times_of_day(values: list[Any], name: Any) -> Column:
    return _map(_time_of_day, np.datetime64("NaT", "us"), "datetime64[us]")(values, name).view(TimesOfDay)


CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[list[Any], Any], Column]], ...] = (
    ((numbers.Real, Decimal, np.bool_), _floats),
    ((datetime.date, np.datetime64), _moments),
    ((datetime.timedelta, np.timedelta64), _map(np.timedelta64, np.timedelta64("NaT", "us"), "timedelta64[us]")),
    ((datetime.time,), _times_of_day),
)
