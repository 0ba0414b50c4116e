"""What an exported module does with the columns of a table: functions whose source is copied into it.

They need NumPy alone, and so do all that they call. A table is a dict of columns, lists or arrays of equal length; None
and NaN are missing.
"""

from __future__ import annotations

import sys

import numpy as np

from glassnet.export.special import normal_quantile
from glassnet.tables.changes import spelled_number
from glassnet.tables.moment import CYCLES, cycle_steps, cycle_waves
from glassnet.tables.number import middle_ranks

__all__ = [
    "codes_of_numbers",
    "codes_of_spellings",
    "codes_of_texts",
    "column",
    "dates",
    "durations",
    "finite",
    "in_units",
    "numbers",
    "quantile_scaled",
    "texts_of",
    "times_of_day",
    "waves",
]


def column(table, name):
    """The values of one column. Raises ValueError where the table lacks it."""
    if name not in table:
        raise ValueError(f"the table has no column {name!r}")
    return table[name]


def is_missing(value):
    """Whether a cell is empty: None, or what does not equal itself (NaN, NaT), or cannot tell (pandas' NA)."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def refused(name, row, value, rule):
    """The error for a cell; rows count from 1."""
    return ValueError(f"row {row + 1}: column {name!r} {rule}, got {value!r}")


def number_of(value, spelled):
    """The number that a cell holds, NaN where it is empty, None where it holds none."""
    if is_missing(value):
        return np.nan
    if isinstance(value, str):
        return spelled_number(value) if spelled else None
    try:
        return None if isinstance(value, bytes) else float(value)
    except TypeError:
        return None


def numbers(table, name, limit=sys.float_info.max, spelled=False):
    """A column of numbers as float64 (n,), NaN where missing. Raises ValueError for infinities and other things.

    spelled : the column was of texts that spell numbers, and may be so here.
    """
    values = column(table, name)
    x = np.asarray(values)
    if x.dtype.kind not in "iufb":
        x = np.empty(len(values))
        for row, value in enumerate(values):
            number = number_of(value, spelled)
            if number is None:
                raise refused(name, row, value, "must hold numbers")
            x[row] = number
    x = x.astype(np.float64)
    beyond = np.abs(x) > limit
    if beyond.any():
        row = int(np.argmax(beyond))
        rule = "must be finite" if np.isinf(x[row]) else f"must not exceed {limit:.1e}"
        raise refused(name, row, float(x[row]), rule)
    return x


def microseconds(values, name, dtype, rule):
    """Dates or durations of other types as NumPy's (n,). Raises ValueError, with the rule, for what is none."""
    import re

    found = np.empty(len(values), dtype)
    for row, value in enumerate(values):
        try:
            value = "NaT" if is_missing(value) else value
            kind = np.asarray(value).dtype.kind  # NumPy would take numbers, "today" and 20241231 as well
            if kind in "biuf" or (kind == "U" and not re.match(r"NaT$|\d{4}-\d\d-\d\d", value)):
                raise ValueError
            found[row] = np.array(value, dtype)
        except (TypeError, ValueError):
            raise refused(name, row, value, rule) from None
    return found


def durations(table, name):
    """A column of durations as seconds (n,): timedelta of NumPy or Python, or seconds already."""
    values = column(table, name)
    found = np.asarray(values)
    if found.dtype.kind != "m":
        present = [value for value in values if not is_missing(value)]
        if all(isinstance(value, (int, float, np.number)) for value in present):
            return numbers(table, name)
        found = microseconds(values, name, "m8[us]", "must hold durations")
    return found.astype("m8[us]") / np.timedelta64(1, "s")


def dates(table, name):
    """A column of dates as datetime64[us] (n,): of NumPy or Python without a zone, or texts such as 2024-12-31."""
    values = column(table, name)
    found = np.asarray(values)
    if found.dtype.kind != "M":
        found = microseconds(values, name, "M8[us]", "must hold dates such as 2024-12-31")
    return found.astype("M8[us]")


def times_of_day(table, name):
    """A column of times of day as datetime64[us] (n,) on 1 January 1970: datetime.time, texts such as 23:59:59, or as
    `dates` has them."""
    import datetime
    import re

    values = column(table, name)
    if np.asarray(values).dtype.kind == "M":
        return dates(table, name)
    found = np.full(len(values), np.datetime64("NaT", "us"))
    for row, value in enumerate(values):
        try:
            time = value
            if isinstance(value, str) and re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d+)?)?", value):
                time = datetime.time.fromisoformat(value)
            found[row] = None if is_missing(value) else datetime.datetime.combine(datetime.date(1970, 1, 1), time)
        except (TypeError, ValueError):
            raise refused(name, row, value, "must hold times of day such as 23:59:59") from None
    return found


def texts_of(values):
    """Dates, or durations in seconds, as the names of levels, None where missing."""
    if values.dtype.kind == "f":
        steps = np.rint(np.where(np.isnan(values), 0, values) * 1e6).astype(np.int64)
        values = np.where(np.isnan(values), np.timedelta64("NaT"), steps.astype("m8[us]"))
    return [None if np.isnat(value) else str(value) for value in values]


def codes_of_texts(values, name, levels):
    """The code of each text (n,): 0 missing, k the k-th level, one more for a level that training did not see."""
    known = {level: code for code, level in enumerate(levels, 1)}
    codes = []
    for row, value in enumerate(values):
        if is_missing(value):
            codes.append(0)
        elif isinstance(value, (str, bool, np.bool_)):
            codes.append(known.get(str(value), len(levels) + 1))
        else:
            raise refused(name, row, value, "must hold texts")
    return np.array(codes, np.int64)


def codes_of_numbers(values, name, known, n_levels):
    """The code of each number (n,), as `codes_of_texts` has them. known : {number: code}."""
    codes = []
    for row, value in enumerate(values):
        if is_missing(value):
            codes.append(0)
        elif isinstance(value, (str, bytes)) or abs(value) == float("inf"):
            raise refused(name, row, value, "must hold finite numbers")
        else:
            codes.append(known.get(int(value) if isinstance(value, np.bool_) else value, n_levels + 1))
    return np.array(codes, np.int64)


def codes_of_spellings(values, name, levels, known):
    """`codes_of_texts` where some levels spell numbers, {number: code}: numbers alone are taken for those."""
    if any(isinstance(value, (str, bool, np.bool_)) for value in values):
        return codes_of_texts(values, name, levels)
    return codes_of_numbers(values, name, known, len(levels))


def quantile_scaled(x, exponent, knots, fill):
    """The standard normal quantile of each number's rank among the knots; `fill` where it is missing."""
    with np.errstate(over="ignore"):
        z = normal_quantile(middle_ranks(np.ldexp(x, -exponent), np.array(knots)))
    return np.where(np.isnan(x), fill, z)


def waves(moments, part):
    """sin and cos of the elapsed fraction of a cycle of the calendar (n, 2); 0 where the date is missing."""
    absent = np.isnat(moments)
    known = np.where(absent, np.datetime64(0, "us"), moments)
    found = cycle_waves(CYCLES[part]).take(cycle_steps(part, known), axis=0)
    found[absent] = 0
    return found


def finite(Y):
    """Outputs (n, K) as they are. Raises ValueError, naming the row, where one overflowed on its way."""
    bad = ~np.isfinite(Y).all(axis=1)
    if bad.any():
        raise ValueError(f"row {int(np.argmax(bad)) + 1}: has a prediction that {Y.dtype} cannot hold")
    return Y


def in_units(Y, scale, centre):
    """Outputs (n, K) in the units of what is predicted, float64. Raises ValueError as `finite` does."""
    with np.errstate(over="ignore"):
        return finite(Y.astype(np.float64) * scale + centre)
