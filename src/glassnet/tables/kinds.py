"""The three kinds of column, each fitted to its values and written as matrix columns.

A kind is a small frozen record of plain values (so a fitted table is plain data) with the same four members:
`fit`, `names` (one a matrix column it makes), `write` (values → its slice of the matrix) and `plain`.
Matrices are float64 here or cast on assignment, after the arithmetic.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

from glassnet.errors import ColumnError, DataError

__all__ = ["Category", "Date", "Kind", "Number", "kind_from_plain", "missing_mask", "scaled"]

FURTHEST = 1e6  # scaled values are clipped here: a mistyped 1e300 must not overflow float32 inside the network
FEW_LEVELS = 10  # a column with no more levels than this keeps each, however rare
NEARLY_UNIQUE = 0.9  # levels per present value from which a column is taken for names or identifiers
DAY = 86_400_000_000  # microseconds
PARTS = ("month", "weekday", "hour")


def missing_mask(values: np.ndarray) -> np.ndarray:
    """True where a value of any family is missing."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.isnat(values) if values.dtype.kind == "M" else values == np.array(None)


@dataclass(frozen=True)
class Number:
    """A number x as z = (x / 2^exponent - centre) / scale, and an indicator where missing values were seen in fit.

    scaling   centre         scale
    standard  mean           standard deviation (of the rows of fit, divided by n)
    minmax    middle of the range, (min + max) / 2      (max - min) / 2, so that z lies in [-1, 1]
    robust    median         interquartile range; where that is zero, (max - min) / 2
    none      0              1

    exponent is 0 unless the largest value lies beyond 2^±100: only then a division by a power of two, which is exact,
    keeps squares from overflowing. A missing value becomes `fill`: 0, or the mean without scaling. Scaled values are
    clipped to ±1e6. `varies` is False for a constant column, which makes no matrix column of its own.
    """

    kind: ClassVar[str] = "number"
    name: str
    exponent: int
    centre: float
    scale: float
    fill: float
    clipped: bool
    varies: bool
    missing: bool

    @classmethod
    def fit(cls, name: str, values: np.ndarray, scaling: str) -> Number:
        """Fit to float64 values, NaN = missing, at least one present; DataError names the row of an infinity."""
        present = values[~np.isnan(values)]
        _require_finite(name, values)
        lowest, highest = present.min(), present.max()
        exponent = int(np.frexp(max(abs(lowest), abs(highest)))[1])
        exponent = exponent if abs(exponent) > 100 else 0
        scaled = np.ldexp(present, -exponent) if exponent else np.ascontiguousarray(present)
        if scaling == "none":
            centre, scale, fill = 0.0, 1.0, float(np.ldexp(scaled.mean(), exponent))
            exponent = 0
        else:
            centre, scale = _centre_and_scale(scaled, scaling)
            fill = 0.0
        missing = len(present) < len(values)
        return cls(name, exponent, centre, scale, fill, scaling != "none", bool(lowest < highest), missing)

    @property
    def names(self) -> list[str]:
        """Names of the matrix columns."""
        return [self.name] * self.varies + [f"{self.name}=(missing)"] * self.missing

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (n, len(names)); ColumnError where values are of another family."""
        x = _numbers_of(self.name, values)
        _require_finite(self.name, x)
        absent = np.isnan(x)
        if self.varies:
            z = scaled(x, self.exponent, self.centre, self.scale, self.fill, absent, self.clipped)
            out[:, 0] = z if self.clipped else self._fitting(z, x, out.dtype)
        if self.missing:
            out[:, -1] = absent

    def _fitting(self, z: np.ndarray, x: np.ndarray, dtype: Any) -> np.ndarray:
        limit = np.finfo(dtype).max
        _refuse_row(np.abs(z) > limit, self.name, x, f"must not exceed {limit:.1e} without scaling", "Use a scaling.")
        return z

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready scalars."""
        return {"kind": self.kind, **asdict(self)}

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column."""
        return {"name": self.name, "kind": self.kind, "missing": self.missing, "width": len(self.names)}


def scaled(
    x: np.ndarray, exponent: Any, centre: Any, scale: Any, fill: Any, absent: np.ndarray | None, clipped: bool = True
) -> np.ndarray:
    """z = (x / 2^exponent - centre) / scale, clipped to ±1e6 if asked, and `fill` where x is absent; see `Number`.

    x : finite or absent.   The constants : numbers, or arrays that fit x, one for each of several columns.
    absent : True where x is missing; None when it nowhere is.
    """
    with np.errstate(over="ignore"):  # far outside the range seen in fit: clipped below
        z = ((np.ldexp(x, -exponent) if isinstance(exponent, np.ndarray) or exponent else x) - centre) / scale
    if absent is not None:
        np.copyto(z, fill, where=absent)
    return np.clip(z, -FURTHEST, FURTHEST, out=z) if clipped else z


def _centre_and_scale(x: np.ndarray, scaling: str) -> tuple[float, float]:
    lowest, highest = x.min(), x.max()
    half_range = highest / 2 - lowest / 2
    if scaling == "standard":
        centre, scale = x.mean(), x.std()
    elif scaling == "minmax":
        centre, scale = lowest / 2 + highest / 2, half_range
    else:
        first, centre, third = np.quantile(x, [0.25, 0.5, 0.75])
        scale = third - first
    return float(centre), float(scale or half_range or 1.0)


def _numbers_of(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return values
    present = np.flatnonzero(~missing_mask(values))
    if values.dtype.kind == "M" and len(present):
        raise _other_kind(name, present[0], str(values[present[0]]), "a date where numbers were in training")
    truth = {None: np.nan, "True": 1.0, "False": 0.0}
    texts = [] if values.dtype.kind == "M" else values.tolist()
    odd = [row for row, text in enumerate(texts) if text not in truth]
    if odd:  # of "1", "2", "abc" the last one is to blame
        row = next((row for row in odd if _as_number(texts[row]) is None), odd[0])
        raise _other_kind(name, row, texts[row], "text where numbers were in training")
    return np.array([truth[text] for text in texts]) if texts else np.full(len(values), np.nan)


def _as_number(text: str) -> float | None:
    """The number that a level spells; True and False spell 1 and 0."""
    try:
        return {"True": 1.0, "False": 0.0}[text] if text in ("True", "False") else float(text)
    except ValueError:
        return None


def _other_kind(name: str, row: Any, value: Any, rule: str) -> ColumnError:
    return ColumnError(
        f"holds {rule}", column=name, row=int(row) + 1, value=value, remedy="Give the column as it was in training."
    )


def _require_finite(name: str, x: np.ndarray) -> None:
    _refuse_row(np.isinf(x), name, x, "must be finite", "Replace it by a number, or leave the cell empty (missing).")


def _refuse_row(bad: np.ndarray, name: str, x: np.ndarray, rule: str, remedy: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(rule, row=row + 1, column=name, value=float(x[row]), remedy=remedy)


@dataclass(frozen=True)
class Category:
    """Texts as one column of 0 and 1 a level, in the order of the levels' names.

    More than 10 levels: those with fewer than `min_count` rows are pooled into one column "(infrequent)", and so are
    all beyond the `max_levels` most frequent (of equals, the first by name). Missing values have a column of their own
    where seen in fit. Two levels, nothing missing: one column, -1 for the first and +1 for the second.
    A level not seen in fit counts as infrequent where that column exists; otherwise, as a missing value where none was
    seen, it is zero in every column.
    A column in which every level is rare, or nine of ten values are distinct (names, identifiers), has no level
    columns; whether it is missing remains.
    """

    kind: ClassVar[str] = "category"
    name: str
    levels: tuple[str, ...]
    n_levels: int
    pooled: bool
    missing: bool
    spells_numbers: bool  # some level of fit, pooled or not, is a number in letters, such as "007"

    @classmethod
    def fit(cls, name: str, values: np.ndarray, max_levels: int, min_count: int) -> Category:
        """Fit to an object array of str, None = missing."""
        counts = Counter(values.tolist())
        absent = counts.pop(None, 0)
        levels = sorted(counts)
        if len(levels) > FEW_LEVELS:
            levels = [level for level in levels if counts[level] >= min_count]
            if len(counts) >= NEARLY_UNIQUE * (len(values) - absent):
                levels = []
        spells_numbers = any(_as_number(level) is not None for level in counts)
        kept = sorted(sorted(levels, key=lambda level: -counts[level])[:max_levels])
        return cls(name, tuple(kept), len(counts), 0 < len(kept) < len(counts), absent > 0, spells_numbers)

    @property
    def is_identifier(self) -> bool:
        """Whether nearly every value was distinct, so that no level has a column."""
        return not self.levels and self.n_levels > 0

    @property
    def is_signed(self) -> bool:
        """Whether the column is written as one column of -1 and +1."""
        return len(self.levels) == 2 and not self.pooled and not self.missing

    @property
    def names(self) -> list[str]:
        """Names of the matrix columns."""
        if self.is_signed:
            return [f"{self.name}={self.levels[1]}"]
        labels = [*self.levels] if len(self.levels) > 1 or self.pooled else []  # one level alone says nothing
        labels += ["(infrequent)"] * self.pooled + ["(missing)"] * self.missing
        return [f"{self.name}={label}" for label in labels]

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (n, len(names)); ColumnError where values are of another family."""
        width = out.shape[1]
        if not width:
            return
        codes = self._codes(values)
        if self.is_signed:
            out[:, 0] = np.array([-1.0, 1.0, 0.0, 0.0])[codes]  # first level, second, unseen, missing
            return
        nowhere = -1
        has_levels = width > self.pooled + self.missing
        places = [place if has_levels else nowhere for place in range(len(self.levels))]
        places += [len(self.levels) if self.pooled else nowhere, width - 1 if self.missing else nowhere]
        chosen = np.array(places)[codes]
        rows = np.flatnonzero(chosen != nowhere)
        out[:] = 0
        out[rows, chosen[rows]] = 1

    def _codes(self, values: np.ndarray) -> np.ndarray:
        """Position of each value among the levels; with n levels, n = not among them and n + 1 = missing."""
        is_text = values.dtype.kind == "O"
        lookup = self._text_lookup() if is_text else self._numeric_lookup(values)
        unseen, absent = len(self.levels), len(self.levels) + 1
        keys = values.tolist()
        codes = np.fromiter(map(lookup.get, keys, repeat(unseen)), dtype=np.int64, count=len(keys))
        codes[missing_mask(values)] = absent
        return codes

    def _text_lookup(self) -> dict[Any, int]:
        return {level: code for code, level in enumerate(self.levels)}

    def _numeric_lookup(self, values: np.ndarray) -> dict[Any, int]:
        """Levels by the number they spell: where only "7" of "7" and "7b" occurs, a file is read as numbers."""
        present = np.flatnonzero(~missing_mask(values))
        if len(present) and (not self.spells_numbers or values.dtype.kind == "M"):
            what = "a date" if values.dtype.kind == "M" else "a number"
            value = values[present[0]]
            shown = str(value) if values.dtype.kind == "M" else float(value)
            raise _other_kind(self.name, present[0], shown, f"{what} where text was in training")
        numbers = {_as_number(level): code for code, level in enumerate(self.levels)}
        return {number: code for number, code in numbers.items() if number is not None}

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready scalars and lists."""
        return {"kind": self.kind, **asdict(self), "levels": list(self.levels)}

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column; `levels` are those with a column of their own."""
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "width": len(self.names),
            "levels": list(self.levels),
            "n_levels": self.n_levels,
            "pooled": self.pooled,
        }


@dataclass(frozen=True)
class Date:
    """A date as elapsed days since 1970, scaled like a number, and cyclic parts where they vary in fit.

    month (of 12), weekday (of 7, Monday first) and hour (time of day to the minute, of 24) are each written as
    sin(2πt) and cos(2πt) of the elapsed fraction t of the cycle; both are 0 for a missing date.
    """

    kind: ClassVar[str] = "date"
    name: str
    elapsed: Number
    parts: tuple[str, ...]

    @classmethod
    def fit(cls, name: str, values: np.ndarray, scaling: str) -> Date:
        """Fit to datetime64[us] values, NaT = missing."""
        elapsed = Number.fit(name, _days(values), scaling)
        present = values[~np.isnat(values)]
        steps = {part: _steps(part, present) for part in PARTS}
        return cls(name, elapsed, tuple(part for part in PARTS if np.ptp(steps[part]) > 0))

    @property
    def missing(self) -> bool:
        """Whether missing values were seen in fit."""
        return self.elapsed.missing

    @property
    def names(self) -> list[str]:
        """Names of the matrix columns."""
        return [*self.elapsed.names, *(f"{self.name} {wave}({part})" for part in self.parts for wave in ("sin", "cos"))]

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (n, len(names)); ColumnError where values are of another family."""
        absent = missing_mask(values)
        if values.dtype.kind != "M":
            if not absent.all():
                row = np.flatnonzero(~absent)[0]
                what = "text" if values.dtype.kind == "O" else "a number"
                shown = values[row] if values.dtype.kind == "O" else float(values[row])
                raise _other_kind(self.name, row, shown, f"{what} where dates were in training")
            values = np.full(len(values), np.datetime64("NaT", "us"))
        width = len(self.elapsed.names)
        self.elapsed.write(_days(values), out[:, :width])
        known = np.where(absent, np.datetime64(0, "us"), values)
        for j, part in enumerate(self.parts):
            waves = WAVES[part][:, _steps(part, known)]
            waves[:, absent] = 0
            out[:, width + 2 * j : width + 2 * j + 2] = waves.T

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready scalars, lists and dicts."""
        return {"kind": self.kind, "name": self.name, "elapsed": self.elapsed.plain(), "parts": list(self.parts)}

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column."""
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "width": len(self.names),
            "parts": list(self.parts),
        }


def _days(values: np.ndarray) -> np.ndarray:
    days = values.astype(np.int64) / DAY
    days[np.isnat(values)] = np.nan
    return days


def _waves(steps: int) -> np.ndarray:
    """sin and cos at each step of a cycle (2, steps): a table, so a value never depends on how many are computed."""
    angle = 2 * np.pi * np.arange(steps) / steps
    return np.array([np.sin(angle), np.cos(angle)])


WAVES = {"month": _waves(12), "weekday": _waves(7), "hour": _waves(1440)}


def _steps(part: str, values: np.ndarray) -> np.ndarray:
    """Place in the cycle: months since January, days since Monday, minutes since midnight. No missing values."""
    if part == "month":
        return values.astype("datetime64[M]").astype(np.int64) % 12
    moments = values.astype(np.int64)
    if part == "weekday":
        return (moments // DAY + 3) % 7  # 1 January 1970 was a Thursday
    return moments % DAY // 60_000_000


Kind = Number | Category | Date


def kind_from_plain(data: dict[str, Any]) -> Kind:
    """The record that `plain` described."""
    fields: dict[str, Any] = {key: value for key, value in data.items() if key != "kind"}
    if data["kind"] == "category":
        return Category(**{**fields, "levels": tuple(fields["levels"])})
    if data["kind"] == "date":
        elapsed = {key: value for key, value in fields["elapsed"].items() if key != "kind"}
        return Date(fields["name"], Number(**elapsed), tuple(fields["parts"]))
    return Number(**fields)
