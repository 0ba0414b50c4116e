"""Columns of a file that a model knows, read as they were in training: for formats without types of their own.

Inferred from the rows of a new file, "1" alone would be a number, and a text where "A" stands below it. What a cell
becomes here depends on the cell and the model alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from glassnet.tables.changes import spelled_number
from glassnet.tables.dates import with_dates
from glassnet.tables.kinds import Date, Dropped, Duration, Kind, Number
from glassnet.tables.spelling import (
    MISSING_AMONG_NUMBERS,
    NUMBER,
    ONE_AND_ZERO,
    TRUTHS,
    blanked,
    is_number,
    spelled_numbers,
)
from glassnet.tables.texts import EXACT, written

__all__ = ["TEXTS", "KnownColumn", "KnownColumns", "known_column", "none_known"]


@dataclass(frozen=True)
class KnownColumn:
    """How to read a column.

    raw : its cells are wanted as the file spells them, whatever they look like; else `read` gets what no type fits.
    numeric : it holds numbers, so that a decimal comma is one.
    read : the texts of its cells, missing words left out, as the column.
    """

    raw: bool
    numeric: bool
    read: Callable[[pl.Series], pl.Series]


TEXTS = KnownColumn(True, False, lambda texts: texts)
KnownColumns = Callable[[Sequence[str]], Mapping[str, KnownColumn]]  # the columns of a file → those that are known


def none_known(_columns: Sequence[str]) -> Mapping[str, KnownColumn]:
    """No column is known."""
    return {}


def known_column(kind: Kind) -> KnownColumn | None:
    """How to read the column of a model; None where types may be inferred as if it was not known."""
    if isinstance(kind, Dropped):
        return None
    if isinstance(kind, Number):
        return KnownColumn(False, True, _numbers)
    if isinstance(kind, Date | Duration) or kind.family in ("date", "duration"):
        return KnownColumn(False, False, _dates)
    if kind.family == "number":
        return KnownColumn(True, True, partial(_levels_of_numbers, whole=kind.holds_wholes))
    return KnownColumn(True, False, _booleans) if kind.holds_booleans else TEXTS


def _respelled(texts: pl.Series, words: Mapping[str, str]) -> pl.Series:
    """The texts with some words, however they are cased, in another spelling."""
    lower = texts.str.to_lowercase()
    places = lower.is_in([*words])
    if not places.any():
        return texts
    spelled = lower.replace_strict(words, default=None, return_dtype=pl.String)
    return pl.select(pl.when(places).then(spelled).otherwise(texts)).to_series().alias(texts.name)


def _booleans(texts: pl.Series) -> pl.Series:
    """Booleans, or texts with True and False among them."""
    found = _respelled(texts, TRUTHS)
    return found == "True" if found.is_in([*TRUTHS.values(), None], nulls_equal=True).all() else found


def _numbers(texts: pl.Series) -> pl.Series:
    """Numbers, true and false being 1 and 0; or the texts, of which the model will say which one is none."""
    texts = blanked(texts, MISSING_AMONG_NUMBERS)
    numbers = _respelled(texts.str.strip_chars(), ONE_AND_ZERO)
    return spelled_numbers(numbers) if numbers.str.contains(NUMBER).all() else _respelled(texts, TRUTHS)


def _levels_of_numbers(texts: pl.Series, whole: bool) -> pl.Series:
    """Numbers that are levels, exactly so; texts where there are others, or where float64 would round some.

    whole : whether all levels are whole numbers. Else the column of training was one of float64.
    """
    numbers = _respelled(blanked(texts, MISSING_AMONG_NUMBERS).str.strip_chars(), ONE_AND_ZERO)
    if numbers.str.contains(NUMBER).all():
        found = spelled_numbers(numbers)
        if not whole:
            return found.cast(pl.Float64)
        if found.dtype == pl.Int64 or not (found.abs() >= EXACT).any():
            return found
    return numbers if whole else numbers.map_elements(_rounded, return_dtype=pl.String)


def _rounded(text: str) -> str:
    """The name of the level that float64 makes of a number; other texts as they are."""
    number = spelled_number(text) if is_number(text) else None
    return text if number is None else written(number)


def _dates(texts: pl.Series) -> pl.Series:
    """Dates of one form, or the texts, of which the model will say which one is none."""
    texts = blanked(texts, MISSING_AMONG_NUMBERS)
    return with_dates(texts.str.strip_chars().to_frame()).to_series()
