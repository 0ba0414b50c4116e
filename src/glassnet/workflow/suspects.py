"""Columns that are not what they seem: numbers with a broken cell, numbers of rows, nothing in the rows that train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import GlassNetWarning, warn
from glassnet.tables.families import Column
from glassnet.tables.frames import Table
from glassnet.tables.kinds import missing_mask
from glassnet.tables.spelling import MISSING_AMONG_NUMBERS, is_number

__all__ = [
    "BrokenNumbersWarning",
    "EmptyColumnWarning",
    "RowNumbersWarning",
    "broken_numbers",
    "warn_of_broken",
    "with_values",
    "without_index",
]

FEWEST, SHARE = 20, 0.95  # of a column's values, from which on the others are taken for mistakes


class BrokenNumbersWarning(GlassNetWarning):
    """A column holds numbers but for a few cells, which make categories of it."""


class EmptyColumnWarning(GlassNetWarning):
    """A column's few values are all in rows that are held out, and it was left out."""


class RowNumbersWarning(GlassNetWarning):
    """A column without a name numbers the rows, and was left out."""


def broken_numbers(values: Column) -> tuple[int, int, int, str] | None:
    """For texts of which nearly all spell numbers: how many do, of how many, the place and text of the first other."""
    if values.dtype.kind not in "OU":
        return None
    present = [(row, value) for row, value in enumerate(values.tolist()) if value is not None and value == value]
    if len(present) < FEWEST or not all(isinstance(value, str) for _, value in present):
        return None
    others = [(row, value) for row, value in present if not is_number(value)]
    wrong = [(row, value) for row, value in others if value.strip().lower() not in MISSING_AMONG_NUMBERS]
    n_numbers = len(present) - len(others)
    others = wrong or others  # once the wrong ones are mended, a file's other words are missing values
    n_present = n_numbers + len(others)
    if not others or n_numbers < SHARE * n_present:
        return None
    return n_numbers, n_present, *others[0]


def warn_of_broken(table: Table) -> None:
    """Warn with BrokenNumbersWarning of each column that is all numbers but for a few cells."""
    for column, values in zip(table.names, table.columns, strict=True):
        found = broken_numbers(values)
        if found is None:
            continue
        n_numbers, n_present, row, value = found
        more = n_present - n_numbers - 1
        others = f" (and {more:,} more)" if more else ""
        mend = "Mend the cells, or leave them empty." if more else "Mend the cell, or leave it empty."
        text = (
            f"column {column!r} is read as categories: {n_numbers:,} of {n_present:,} values are numbers, but row "
            f"{row + 1} holds {value!r}{others}. {mend}"
        )
        warn(BrokenNumbersWarning(text))


def with_values(table: Table, training: np.ndarray) -> Table:
    """The table without columns that have values in some rows, but in none that train: nothing can be learned of them.

    Warns of each with EmptyColumnWarning. A column without any value is another matter, and refused before.
    """
    empty = [missing_mask(values[training]).all() for values in table.columns]
    for name in (name for name, gone in zip(table.names, empty, strict=True) if gone):
        text = f"column {name!r} has no value in the {len(training):,} rows that train, and is left out"
        warn(EmptyColumnWarning(f"{text}. Drop it, or hold out other rows (another seed)."))
    kept = [k for k, gone in enumerate(empty) if not gone]
    return Table([table.names[k] for k in kept], [table.columns[k] for k in kept], table.named) if any(empty) else table


def without_index(frame: nw.DataFrame[Any], targets: Sequence[str]) -> nw.DataFrame[Any]:
    """The frame without a first column that numbers the rows and has no name, as spreadsheets and pandas write it."""
    first = frame.columns[0]
    if first in targets or len(frame.columns) < 3 or (str(first).strip() and not str(first).startswith("Unnamed: ")):
        return frame
    numbers = frame[first]
    if not numbers.dtype.is_integer() or numbers.is_null().any() or not (numbers.diff().drop_nulls() == 1).all():
        return frame
    text = f"column {first!r}, the first, has no name and numbers the rows: it is left out. Name it to use it."
    warn(RowNumbersWarning(text))
    return frame.drop(first)
