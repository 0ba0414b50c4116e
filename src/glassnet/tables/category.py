"""Categories as matrix columns: one a level, or one of codes for a learned embedding."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.files.fields import Fields
from glassnet.tables.changes import as_numbers, as_texts, exact_number, require_family, spelled_number
from glassnet.tables.families import Column, name_of_family
from glassnet.tables.missing import missing_mask
from glassnet.tables.number import require_no_infinity
from glassnet.tables.texts import Texts, Truths, Wholes, written

__all__ = ["Category", "Levels", "is_nearly_unique", "rows_of_codes"]

FEW_LEVELS = 10  # a column with no more levels than this keeps each, however rare
MOST_IN_TABLE = 512  # levels up to which each row of the matrix is kept ready: the square of their number in memory
NEARLY_UNIQUE = 0.9  # levels per present value from which a column is taken for names or identifiers


@dataclass(frozen=True)
class Levels:
    """Which levels of a category count.

    most : levels that get a column each; the rest share one.   least : rows that a level needs, see `Category`.
    codes_above : levels from which on a category is written as codes; None never.
    least_coded : rows that a level needs in a category that is written as codes.
    asked_for : the column was declared to be a category, so it is one however many values differ.
    indicator : write whether it is missing also where fit saw nothing missing.
    """

    most: int
    least: int
    codes_above: int | None = None
    least_coded: int = 1
    asked_for: bool = False
    indicator: bool = False


@dataclass(frozen=True)
class Category:
    """Texts as one column of 0 and 1 a level, in the order of the levels' names; or as one column of codes.

    More than 10 levels: those with fewer than `least` rows (`least_coded` where there are codes) are pooled into one
    column "(infrequent)", and so are all beyond the `most` most frequent (of equals, the first by name). Missing values
    have a column of their own where seen in fit. Two levels, nothing missing: one column, -1 for the first and +1 for
    the second.
    A level not seen in fit counts as infrequent where that column exists; otherwise, as a missing value where none was
    seen, it is zero in every column.
    A column in which every level is rare, or nine of ten values are distinct (names, identifiers), has no level
    columns, unless it was asked for; whether it is missing remains.

    coded : one column of whole numbers instead: 0 missing, k the k-th level, and one more for the infrequent ones, if
        there are any. A level not seen in fit is the latter, or else 0.
    family : what the column held in fit: texts, or numbers, dates or durations declared to be names. A number is the
        level of that number, whatever type it comes in, and so is a text that spells it where fit saw numbers.
    """

    kind: ClassVar[str] = "category"
    name: str
    family: str
    levels: tuple[str, ...]
    n_levels: int
    pooled: bool
    missing: bool
    coded: bool
    spells_numbers: bool  # some level of fit, pooled or not, is a number in letters, such as "007"

    @classmethod
    def fit(cls, name: str, values: Column, rules: Levels) -> Category:
        """Fit to a column of any family; DataError, naming the row, for an infinity."""
        if values.dtype.kind == "f" or isinstance(values, Wholes):
            require_no_infinity(name, as_numbers(name, values))
        texts = as_texts(as_numbers(name, values) if isinstance(values, Truths) else values)
        counts = texts.counts()
        n_present = sum(counts.values())
        coded = rules.codes_above is not None and len(counts) > rules.codes_above
        kept = _kept(counts, n_present, rules.least_coded if coded else rules.least, rules.asked_for)
        if not coded:
            kept = sorted(sorted(kept, key=lambda level: -counts[level])[: rules.most])
        return cls(
            name,
            "number" if texts.numeric else name_of_family(values),
            tuple(kept),
            n_levels=len(counts),
            pooled=0 < len(kept) < len(counts),
            missing=rules.indicator or n_present < len(texts),
            coded=coded and len(kept) > 0,
            spells_numbers=any(spelled_number(level) is not None for level in counts),
        )

    @property
    def is_identifier(self) -> bool:
        """Whether nearly every value was distinct, so that no level has a column."""
        return not self.levels and self.n_levels > 0

    @property
    def holds_booleans(self) -> bool:
        """Whether fit saw nothing but True and False, which files also spell true and FALSE."""
        return self.family == "text" and {*self.levels} <= {"True", "False"} and self.n_levels == len(self.levels)

    @property
    def holds_wholes(self) -> bool:
        """Whether all levels are whole numbers, which may be beyond those that float64 tells apart."""
        return all(re.fullmatch(r"-?\d+", level) for level in self.levels)

    @property
    def is_signed(self) -> bool:
        """Whether the column is written as one column of -1 and +1."""
        return len(self.levels) == 2 and not (self.pooled or self.missing or self.coded)

    @property
    def n_codes(self) -> int:
        """Different codes there are: 0, one a level, and one for infrequent levels."""
        return 1 + len(self.levels) + self.pooled

    @property
    def code_labels(self) -> list[str]:
        """What each code stands for."""
        return ["(missing)", *self.levels, *["(infrequent)"] * self.pooled]

    @property
    def names(self) -> list[str]:
        """Names of the matrix columns."""
        if self.coded:
            return [self.name]
        if self.is_signed:
            return [f"{self.name}={self.levels[1]}"]
        labels = [*self.levels] if len(self.levels) > 1 or self.pooled else []  # one level alone says nothing
        labels += ["(infrequent)"] * self.pooled + ["(missing)"] * self.missing
        return [f"{self.name}={label}" for label in labels]

    @property
    def scaled(self) -> list[int]:
        """Places of scaled numbers among the matrix columns: none."""
        return []

    def prepare(self, values: Column, dtype: Any) -> np.ndarray:
        """The code of each value: 0 missing, k the k-th level, one more unseen; ColumnError for another family."""
        spelled = self.family == "number" or self.spells_numbers
        if values.dtype.kind in "fiu" and spelled:
            return self._codes_of_numbers(values)
        if isinstance(values, Wholes) and spelled:
            require_no_infinity(self.name, as_numbers(self.name, values))
            return self._codes_of_texts(values, spelled)
        if isinstance(values, Texts) and self.family == "number":
            _require_no_spelled_infinity(self.name, values)
        else:
            require_family(self.name, values, (self.family,))
        if name_of_family(values) not in ("text", self.family):  # which then holds no value
            return np.zeros(len(values), np.int32)
        return self._codes_of_texts(as_texts(values), spelled)

    def _codes_of_texts(self, texts: Texts, spelled: bool) -> np.ndarray:
        """Levels by their names; numbers, which may be some of the cells alone, also by the number that a level spells.

        So what a cell is does not depend on whether the cells beside it make the column one of numbers or of texts.
        """
        lookup = {level: code for code, level in enumerate(self.levels, 1)}
        unseen = len(self.levels) + 1
        codes = np.array([0, *(lookup.get(text, unseen) for text in texts.levels)], np.min_scalar_type(unseen))
        all_numbers = self.family == "number" or texts.numeric or isinstance(texts, Wholes)
        if not spelled or not (all_numbers or texts.numbers is not None):
            return codes[texts.codes]
        numbers = codes.copy()
        for place, text in enumerate(texts.levels, 1):
            if numbers[place] == unseen:
                numbers[place] = self.codes_by_number.get(exact_number(text), unseen)
        if self.family != "number" and texts.numbers is not None:  # of a column of several types
            mixed: np.ndarray = np.where(texts.numbers, numbers[texts.codes], codes[texts.codes])
            return mixed
        return numbers[texts.codes]

    @cached_property
    def codes_by_number(self) -> dict[Any, int]:
        """The code of each level that spells a number: 1, 1.0 and True are one key.

        Of several levels that spell a number, such as "1", "1.0" and "True", it is the one that a number has as text.
        """
        found: dict[Any, int] = {}
        for code, level in enumerate(self.levels, 1):
            number = exact_number(level)
            if number is not None and not (number in found and self.levels[found[number] - 1] == written(number)):
                found[number] = code
        return found

    def _codes_of_numbers(self, x: Any) -> np.ndarray:
        """Levels by the number they spell: where only "7" of "7" and "7b" occurs, a file is read as numbers."""
        require_no_infinity(self.name, x)
        unseen, lookup = len(self.levels) + 1, self.codes_by_number
        absent = missing_mask(x)
        distinct, places = np.unique(x[~absent], return_inverse=True)
        codes = np.zeros(len(x), np.int32)
        codes[~absent] = np.array([lookup.get(number, unseen) for number in distinct.tolist()], np.int32)[places]
        return codes

    def write(self, codes: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (n, len(names)) from rows of what `prepare` gave."""
        if len(self.levels) <= MOST_IN_TABLE or self.coded:
            out[:] = self.rows.take(codes, axis=0)
        else:
            self._write_entries(codes, out)

    def _write_entries(self, codes: np.ndarray, out: np.ndarray) -> None:
        """`write` of a column with a column for each of many levels, entry by entry."""
        n = len(self.levels)
        out[:] = 0
        known = np.flatnonzero((codes >= 1) & (n >= codes))
        out[known, codes[known].astype(np.int64) - 1] = 1
        if self.pooled:
            out[codes == n + 1, n] = 1
        if self.missing:
            out[codes == 0, -1] = 1

    @cached_property
    def rows(self) -> np.ndarray:
        """The matrix row of each code, see `rows_of_codes`."""
        return rows_of_codes(len(self.levels), self.pooled, self.missing, self.coded)

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready scalars and lists."""
        return {"kind": self.kind, **asdict(self), "levels": list(self.levels)}

    @classmethod
    def from_plain(cls, fields: Fields) -> Category:
        """The record that `plain` described; ModelFileError where it did not."""
        flags = {name: fields.flag(name) for name in ("pooled", "missing", "coded", "spells_numbers")}
        levels = fields.texts("levels")
        if len(set(levels)) < len(levels):  # readers differ in which of two codes they take
            raise ModelFileError("must have each level once", argument=fields.place_of("levels"))
        return cls(
            fields.text("name"),
            fields.choice("family", ("number", "date", "duration", "text")),
            tuple(levels),
            fields.whole("n_levels"),
            **flags,
        )

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column; `levels` are those with a column or code of their own."""
        constant = None if len(self.levels) > 1 or self.pooled else "constant"
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "width": len(self.names),
            "left_out": "nearly unique" if self.is_identifier else constant,
            "levels": list(self.levels),
            "n_levels": self.n_levels,
            "pooled": self.pooled,
            "coded": self.coded,
        }


def _require_no_spelled_infinity(name: str, texts: Texts) -> None:
    """Raise DataError, naming the row, for a text that spells an infinity."""
    spelled = [spelled_number(text) for text in texts.levels]
    infinite = [np.inf if number is not None and np.isinf(number) else 0.0 for number in spelled]
    require_no_infinity(name, np.array([0.0, *infinite])[texts.codes])


def rows_of_codes(n_levels: int, pooled: bool, missing: bool, coded: bool) -> np.ndarray:
    """What stands in the matrix for each code (n_levels + 2, width), float32: whole numbers below 2^24 are exact.

    Codes are 0 for missing, 1 … n_levels, and one more for a level not seen in fit; see `Category`.
    """
    if coded:
        return np.array([*range(n_levels + 1), n_levels + 1 if pooled else 0], np.float32)[:, None]
    if n_levels == 2 and not (pooled or missing):
        return np.array([0, -1, 1, 0], np.float32)[:, None]
    shown = n_levels if n_levels > 1 or pooled else 0  # one level alone says nothing
    rows = np.zeros((n_levels + 2, shown + pooled + missing), np.float32)
    if shown:
        rows[range(1, n_levels + 1), range(n_levels)] = 1
    if pooled:
        rows[n_levels + 1, n_levels] = 1
    if missing:
        rows[0, -1] = 1
    return rows


def _kept(counts: dict[str, int], n_present: int, least: int, asked_for: bool) -> list[str]:
    """The levels that are frequent enough, by name."""
    levels = sorted(counts)
    if len(levels) <= FEW_LEVELS:
        return levels
    frequent = [level for level in levels if counts[level] >= least]
    if asked_for:
        return frequent or levels
    return [] if len(counts) >= NEARLY_UNIQUE * n_present else frequent


def is_nearly_unique(n_levels: int, values: Column) -> bool:
    """Whether a column of texts with so many levels has nearly as many levels as values present."""
    most = NEARLY_UNIQUE * len(values)  # which spares counting where nothing is missing
    return n_levels >= most or n_levels >= NEARLY_UNIQUE * sum(as_texts(values).counts().values())
