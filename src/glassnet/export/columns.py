"""The columns of a table as the matrix of a network, in an ONNX graph: what `TableEncoder.encode` does, kind by kind.

All of it is in float64, and where it jumps (levels, ranks among knots) numbers are compared with the very numbers that
fit saw. Formulas are those of `Number`, `Category` and `Duration`, and a test holds both together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.errors import ColumnError
from glassnet.export.calendar import ABSENT, days_of, steps_of, year_month_day
from glassnet.export.graph import Graph
from glassnet.export.special import normal_quantile
from glassnet.maths.elementary import Array
from glassnet.tables.changes import exact_number
from glassnet.tables.kinds import Category, Date, Duration, Kind, Number
from glassnet.tables.moment import DAY, WAVES
from glassnet.tables.number import FURTHEST, RAREST, smooth_clip
from glassnet.tables.texts import EXACT
from glassnet.tables.zones import UTC

__all__ = ["input_of", "require_clocks", "require_expressible", "require_name", "write_column"]

NUMBERS = "numbers; NaN is missing"
SECONDS = "durations in seconds; NaN is missing"
NUMBERS_AS_LEVELS = "a category of numbers; NaN is missing"
MOMENTS = f"microseconds since 1970-01-01; {ABSENT} is missing"
TIMES = f"microseconds since midnight; {ABSENT} is missing"
TEXTS = 'a category of texts (True and False for truth values); "" is missing'


def require_expressible(kind: Kind) -> None:
    """Raise ColumnError for a column that a graph cannot take as the table has it."""
    require_name(kind.name)
    if isinstance(kind, Date):
        require_clocks(kind)
    if isinstance(kind, Category) and kind.family in ("date", "duration"):
        raise ColumnError(
            f"has {kind.family}s as levels, which ONNX does not know",
            column=kind.name,
            remedy='Train on them as text; or export with "python".',
        )
    if not isinstance(kind, Category):
        return
    if kind.family == "number":
        wide = [level for level in kind.levels if abs(exact_number(level) or 0) >= EXACT]
        if wide:
            raise ColumnError(
                "has levels beyond 2^53, which float64 does not tell apart",
                column=kind.name,
                value=wide[0],
                remedy="Train on them as text: str(value).",
            )
        return
    for level in kind.levels:
        _require_unicode(kind.name, level)
    if "" in kind.levels:
        raise ColumnError(
            'has the empty text "" as a level, which in ONNX is a missing value',
            column=kind.name,
            remedy="Give that level a name, or leave its cells empty (missing).",
        )


def require_clocks(kind: Date) -> None:
    """Raise ColumnError for moments that are read on the clocks of a time zone: its rules change, and stand nowhere."""
    if kind.zone not in (None, UTC):
        raise ColumnError(
            f"is read on the clocks of {kind.zone}, whose rules no exported model knows",
            column=kind.name,
            remedy="Train on moments without a zone, or of UTC.",
        )


def require_name(name: str) -> None:
    """Raise ColumnError for a name that no input can have."""
    if not name:
        raise ColumnError("must have a name, which that of an input is", column=name, remedy="Name the column.")
    _require_unicode(name, name)


def _require_unicode(column: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ColumnError("holds half a character, which has no UTF-8", column=column, value=text) from None


def input_of(graph: Graph, kind: Kind) -> Array:
    """The input of a column, (rows, 1): float64, texts, or int64 of dates."""
    if isinstance(kind, Date):
        return graph.input(kind.name, np.int64, TIMES if kind.of_day else MOMENTS)
    if isinstance(kind, Duration) or (isinstance(kind, Number) and kind.family == "duration"):
        return graph.input(kind.name, np.float64, SECONDS)
    if isinstance(kind, Category) and kind.family != "number":
        return graph.input(kind.name, object, TEXTS)
    return graph.input(kind.name, np.float64, NUMBERS_AS_LEVELS if isinstance(kind, Category) else NUMBERS)


def write_column(x: Array, kind: Any, limit: float) -> tuple[list[Array], list[Array]]:
    """The matrix columns (rows, 1 or more) in float64 that a column x (rows, 1) makes, side by side, and where it is
    refused (rows, 1): infinite, or beyond `limit`, the largest number of the network, without scaling."""
    if isinstance(kind, Category):
        codes = codes_of_texts(x, kind) if kind.family != "number" else codes_of_numbers(x, kind)
        refused = [abs(x) > np.finfo(np.float64).max] if kind.family == "number" else []
        return [x.graph.constant(kind.rows.astype(np.float64))[codes[:, 0]]], refused
    if isinstance(kind, Date):
        return date_columns(x, kind), []
    number = kind.seconds if isinstance(kind, Duration) else kind
    refused = abs(x) > (limit if number.scaling == "none" else np.finfo(np.float64).max)
    return number_columns(x, np.isnan(x), number), [refused]


def number_columns(x: Array, absent: Array, kind: Number) -> list[Array]:
    """The number itself, where it varies, and whether it is missing."""
    parts = [scaled_number(x, absent, kind)] if kind.varies else []
    return [*parts, absent.astype(np.float64)] if kind.missing else parts


def date_columns(moments: Array, kind: Date) -> list[Array]:
    """Elapsed days, the year, and the cyclic parts, as `Date` writes them."""
    absent = moments == ABSENT
    moments = np.where(absent, 0, moments)
    parts = number_columns(moments.astype(np.float64) / float(DAY), absent, kind.elapsed)
    if kind.year.varies:
        year = year_month_day(days_of(moments))[0].astype(np.float64)
        parts += number_columns(year, absent, kind.year)
    for part in kind.parts:
        waves = lookup(WAVES[part], steps_of(part, moments)[:, 0])
        parts.append(np.where(absent, 0.0, waves))
    return parts


# --- numbers --------------------------------------------------------------------------------------------------------


def scaled_number(x: Array, absent: Array, kind: Number) -> Array:
    """z of `Number`, with its fill where x is missing."""
    if kind.scaling == "none":
        return np.where(absent, kind.fill, x)
    x = shifted(x, -kind.exponent)
    if kind.scaling == "quantile":
        return np.where(absent, kind.fill, normal_quantile(rank(x, np.array(kind.knots))))
    z = np.where(absent, kind.fill, (x - kind.centre) / kind.scale)
    z = np.minimum(np.maximum(z, -FURTHEST), FURTHEST)
    return smooth_clip(z) if kind.scaling == "smooth_clip" else z


def shifted(x: Array, exponent: int) -> Array:
    """x · 2^exponent, in two steps: 2^1074 is no number."""
    if not exponent:
        return x
    half = exponent // 2
    return x * 2.0**half * 2.0 ** (exponent - half)


def rank(x: Array, knots: np.ndarray) -> Array:
    """The rank of x among the knots, clipped as `Number` does; of equal knots the middle one."""
    values, first, counts = np.unique(knots, return_index=True, return_counts=True)
    steps = len(knots) - 1
    lowest, highest = first / steps, (first + counts - 1) / steps
    at = last_at_most(x, values)
    start = lookup(values, at)
    width = lookup(np.append(np.diff(values), 1.0), at)
    rise = lookup(np.append(lowest[1:] - highest[:-1], 0.0), at)
    between = lookup(highest, at) + rise * ((x - start) / width)
    found = np.where(x == start, lookup((lowest + highest) / 2, at), between)
    found = np.where(x < float(values[0]), 0.0, found)
    return np.minimum(np.maximum(found, RAREST), 1.0 - RAREST)


def last_at_most(x: Array, values: np.ndarray) -> Array:
    """The place of the last of the increasing values that is at most x, 0 where none is; by bisection."""
    size = 1 << (len(values) - 1).bit_length()
    padded = np.append(values, np.full(size - len(values), np.inf))
    found = np.where(x >= float(padded[0]), 0, x.graph.constant(np.int64(0)))
    step = size // 2
    while step:
        further = found + step
        found = np.where(x >= lookup(padded, further), further, found)
        step //= 2
    return found


def lookup(table: np.ndarray, places: Array) -> Array:
    """table[places] as a value."""
    return places.graph.constant(table)[places]


# --- categories -----------------------------------------------------------------------------------------------------


def codes_of_texts(x: Array, kind: Category) -> Array:
    """0 where missing, the number of the level, and one more where it is none."""
    keys = ["", *kind.levels]
    options = {"keys_strings": keys, "values_int64s": list(range(len(keys))), "default_int64": len(keys)}
    return x.graph.node("LabelEncoder", [x], np.int64, x.shape, domain="ai.onnx.ml", **options)


def codes_of_numbers(x: Array, kind: Category) -> Array:
    """The same of a category whose levels are numbers."""
    unseen = len(kind.levels) + 1
    known = sorted((float(number), code) for number, code in kind.codes_by_number.items() if np.isfinite(number))
    code = np.where(np.isnan(x), 0, x.graph.constant(np.int64(unseen)))
    if not known:
        return code
    numbers = np.array([number for number, _ in known])
    at = last_at_most(x, numbers)
    return np.where(lookup(numbers, at) == x, lookup(np.array([code for _, code in known], np.int64), at), code)
