"""`Texts`: a column of texts as its different texts and a code a row.

A million rows of five words are five Python strings and four megabytes of codes, not a million strings. Frames that
hold texts so already, or can number them themselves, are asked to; what comes row by row is numbered in one pass.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np

from glassnet.tables.missing import is_missing

__all__ = ["EXACT", "Texts", "Truths", "Wholes", "written"]

MOST_SMALL = 126  # levels whose codes, and the number after them, fit a byte with a sign
EXACT = 2**53  # float64 tells all whole numbers up to here apart
FEW_ROWS = 1000  # up to which numbering in Python takes less time than the calls of another library


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts: row i holds `levels[codes[i] - 1]`, or nothing where `codes[i]` is 0.

    levels : different strings, in no particular order; after `column[rows]` some may have no row left.
    codes : (n,) int32, or int8 for few levels, which is a quarter of the memory; signed, so that codes - 1 is too.
    numeric : the levels are numbers, which a frame held as categories; each is spelled as `written` has it.
    numbers : (n,) True where the cell was a number, of a column that holds other things besides; None of others. A
        category looks up a number as one, whatever stands in the cells beside it.

    It has what other columns, NumPy arrays, are asked for: dtype (object), length, rows by index, `tolist`.
    """

    dtype: ClassVar[np.dtype] = np.dtype(object)
    levels: list[str]
    codes: np.ndarray
    numeric: bool = False
    numbers: np.ndarray | None = None

    @classmethod
    def of_mixed(cls, values: list[Any]) -> Texts:
        """`of_values` of Python objects of several types, numbers perhaps among them."""
        numeric = np.fromiter(map(_is_number, values), bool, len(values))
        return replace(cls.of_values(values), numbers=numeric if numeric.any() else None)

    @classmethod
    def of_values(cls, values: Iterable[Any]) -> Texts:
        """Strings as they are, missing values of any kind as None, numbers as `written`, anything else as `str`."""
        return cls._numbered(value if type(value) is str else _text(value) for value in values)

    @classmethod
    def of_strings(cls, values: list[str | None]) -> Texts:
        """`of_values` for what is known to hold strings and None alone."""
        return cls._numbered(values)

    @classmethod
    def _numbered(cls, values: Iterable[str | None]) -> Texts:
        numbering = _Numbering({None: 0})
        codes = np.fromiter(map(numbering.__getitem__, values), np.int32)
        return cls(list(numbering)[1:], codes)

    @classmethod
    def of_levels(cls, levels: list[Any], places: np.ndarray, numeric: bool = False) -> Texts:
        """Row i holds levels[places[i]], nothing where places[i] is -1; levels of the same text become one."""
        texts = cls.of_values(levels)
        codes = np.concatenate([texts.codes, np.zeros(1, np.int32)])  # place -1 is the last
        return cls(texts.levels, codes[places], numeric)

    @classmethod
    def of_polars(cls, series: Any) -> Texts:
        """A polars series of strings, categories or booleans; of numbers, which were categories in Arrow."""
        if series.dtype.is_numeric():
            return replace(cls.of_values(series.to_list()), numeric=True)
        if len(series) <= FEW_ROWS:
            return cls.of_values(series.to_list())
        import polars as pl

        if series.dtype == pl.Boolean:
            return cls(["False", "True"], (series.cast(pl.Int8) + 1).fill_null(0).to_numpy())
        strings = series if series.dtype == pl.String else series.cast(pl.String)
        levels = strings.unique().drop_nulls()
        small = pl.Int8 if len(levels) <= MOST_SMALL else pl.Int32
        codes = strings.cast(pl.Enum(levels)).to_physical().cast(small) + 1
        return cls(levels.to_list(), codes.fill_null(0).to_numpy())

    @classmethod
    def of_pandas(cls, series: Any) -> Texts:
        """A pandas series of strings, booleans or categories."""
        if type(series.dtype).__name__ == "CategoricalDtype":
            return cls.of_categories(series.cat)
        if len(series) <= FEW_ROWS:
            return cls.of_values(series.to_list())
        places, levels = series.factorize()
        return cls.of_levels(levels.tolist(), places)

    @classmethod
    def of_categories(cls, values: Any) -> Texts:
        """A Categorical of pandas, or the `cat` of a series."""
        levels = values.categories
        numeric = getattr(levels.dtype, "kind", "O") in "iuf"
        return cls.of_levels(levels.tolist(), np.asarray(values.codes), numeric)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Any:
        """The text of one row, or the column of several (indices, mask or slice)."""
        codes = self.codes[rows]
        if np.ndim(codes):
            return replace(self, codes=codes, numbers=None if self.numbers is None else self.numbers[rows])
        return self.levels[codes - 1] if codes else None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The texts as an object array of str and None."""
        return np.array([None, *self.levels], dtype=object)[self.codes]

    def tolist(self) -> list[str | None]:
        """The texts, None where missing."""
        return self.__array__().tolist()

    @property
    def missing(self) -> np.ndarray:
        """True where a row holds nothing."""
        return self.codes == 0

    def counts(self) -> dict[str, int]:
        """Rows of each text that occurs."""
        counts = np.bincount(self.codes, minlength=len(self.levels) + 1)[1:].tolist()
        return {level: count for level, count in zip(self.levels, counts, strict=True) if count}

    def first_row(self, level: str) -> int:
        """The first row, counted from 0, that holds this text."""
        return int(np.argmax(self.codes == self.levels.index(level) + 1))


class Wholes(Texts):
    """A column of numbers with gaps, of which some are whole numbers beyond 2^53: float64 would make neighbours one.

    Its family is that of numbers. As a category it has them exactly, as a number they are rounded.
    """


class Truths(Wholes):
    """A column of numbers with True and False among them, which are 1 and 0; `numbers` says which cells are numbers.

    As a category whose levels are texts it has True as the level "True", as it would without the numbers.
    """


class _Numbering(dict[Any, int]):
    """Numbers what it has not met before: 1, 2, 3, …"""

    def __missing__(self, key: Any) -> int:
        self[key] = number = len(self)
        return number


def _text(value: Any) -> str | None:
    if is_missing(value):
        return None
    if _is_number(value):
        return written(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _is_number(value: Any) -> bool:
    """Whether a cell is a number; True and False are none."""
    return isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool | np.timedelta64)


def written(number: Any) -> str:
    """A number as people write it: 3 rather than 3.0, 0.5; the same text for the same number of any type."""
    if isinstance(number, int | np.integer):
        return str(int(number))
    if isinstance(number, Decimal) and EXACT <= abs(number) < 10**308 and number == number.to_integral_value():
        return str(int(number))
    value = float(number)
    return str(int(value)) if abs(value) < EXACT and value == int(value) else str(value)
