"""One family of column as another: texts that spell numbers or dates, numbers that are names of categories.

In fit this happens where `columns=` asks for it; in prediction where a file was read a little differently. What cannot
be changed is a ColumnError that names the row and the value.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from glassnet.errors import ColumnError
from glassnet.tables.families import Column, name_of_family
from glassnet.tables.missing import missing_mask
from glassnet.tables.texts import EXACT, Texts, written

__all__ = [
    "AS_IN_TRAINING",
    "as_dates",
    "as_durations",
    "as_numbers",
    "as_texts",
    "differ_exactly",
    "exact_number",
    "require_family",
    "spelled_number",
]

ONE = {"number": "a number", "date": "a date", "duration": "a duration", "text": "text"}
MANY = {"number": "numbers were", "date": "dates were", "duration": "durations were", "text": "text was"}
TRUTH = {"True": 1.0, "False": 0.0}
AS_IN_TRAINING = "Give the column as it was in training."


def spelled_number(text: str) -> float | None:
    """The number that a text spells; True and False spell 1 and 0. 1_000 is Python, and no number in a table."""
    try:
        return TRUTH[text] if text in TRUTH else None if "_" in text else float(text)
    except ValueError:
        return None


def exact_number(text: str) -> int | float | None:
    """`spelled_number`, and exactly so where float64 would round a whole number beyond 2^53."""
    number = spelled_number(text)
    if number is None or abs(number) < EXACT:
        return number
    try:
        return int(text)
    except ValueError:
        return number


def differ_exactly(values: Column) -> bool:
    """Whether a column of numbers, or of texts that spell them, holds two different ones, not rounded to float64."""
    if isinstance(values, Texts):
        return len({exact_number(level) for level in values.counts()}) > 1
    present = values[~missing_mask(values)]
    return bool(len(present) and present.min() < present.max())


def require_family(name: str, values: Column, families: tuple[str, ...]) -> None:
    """ColumnError unless a column is of one of the families of training, holds no value, or is Boolean for numbers."""
    family = name_of_family(values)
    if family in families:
        return
    if isinstance(values, Texts) and "number" in families:
        _require_spelled(name, values, TRUTH.get)
        return
    present = np.flatnonzero(~missing_mask(values))
    if len(present):
        row = _first_that_is_no_date(values) if isinstance(values, Texts) and "date" in families else present[0]
        raise ColumnError(
            f"holds {ONE[family]} where {MANY[families[0]]} in training",
            column=name,
            row=int(row) + 1,
            value=shown(values[row]),
            remedy=AS_IN_TRAINING,
        )


def _require_spelled(name: str, values: Texts, number_of: Any) -> None:
    counts = values.counts()
    odd = {values.first_row(text): text for text in counts if number_of(text) is None}
    if odd:  # of "1", "2", "abc" the last one is to blame
        row = next((row for row in sorted(odd) if spelled_number(odd[row]) is None), min(odd))
        raise ColumnError(
            "holds text where numbers were in training",
            column=name,
            row=row + 1,
            value=odd[row],
            remedy=AS_IN_TRAINING,
        )


def shown(value: Any) -> Any:
    """A value of a column for a message: numbers and texts as they are, dates and durations as text."""
    return str(value) if isinstance(value, np.datetime64 | np.timedelta64) else value


def as_numbers(name: str, values: Column) -> np.ndarray:
    """float64, NaN = missing: numbers, durations in seconds, texts that spell numbers (True and False: 1 and 0)."""
    kind = values.dtype.kind
    if kind in "fiu":
        return values.astype(np.float64, copy=False)  # type: ignore[union-attr]  # it is an array
    if kind == "m":
        return values / np.timedelta64(1, "s")  # type: ignore[operator]  # NaT becomes NaN
    if not isinstance(values, Texts):
        return _only_missing(name, values, np.full(len(values), np.nan), "numbers")
    numbers = [spelled_number(text) for text in values.levels]
    if None in numbers:
        for text in values.counts():
            if spelled_number(text) is None:
                _refuse(name, values, values.first_row(text), "numbers")
    return np.array([np.nan, *numbers], dtype=np.float64)[values.codes]


def as_dates(name: str, values: Column) -> np.ndarray:
    """datetime64[us], NaT = missing: dates, or texts that spell them all in one of the forms that files may have."""
    if values.dtype.kind == "M":
        return values  # type: ignore[return-value]  # it is an array
    missing = np.full(len(values), np.datetime64("NaT", "us"))
    if not isinstance(values, Texts) or not values.counts():
        return _only_missing(name, values, missing, "dates")
    counts = values.counts()
    texts = [text if text in counts else None for text in values.levels]  # others are of rows that were left out
    parsed = _parsed(texts)
    if parsed is None:
        _refuse(name, values, _first_other(values, texts), "dates of one form, such as 2024-12-31")
    return np.append(parsed, np.datetime64("NaT", "us"))[values.codes - 1]


def _parsed(texts: list[str | None]) -> np.ndarray | None:
    """The dates that texts spell, None where they are not all dates of one form."""
    import polars as pl

    from glassnet.tables.dates import with_dates
    from glassnet.tables.families import family_of_polars

    dates = with_dates(pl.DataFrame({"texts": pl.Series(texts, dtype=pl.String)}))["texts"]
    return None if dates.dtype == pl.String else np.asarray(family_of_polars(dates))


def _first_other(values: Texts, texts: list[str | None]) -> int:
    """The row to blame where not all texts are dates of one form, by bisection: the form is that of the first."""
    good, bad = 0, len(texts)  # the first `good` texts are such dates, the first `bad` are not
    while bad - good > 1:
        middle = (good + bad) // 2
        some = any(text is not None for text in texts[:middle])
        good, bad = (middle, bad) if not some or _parsed(texts[:middle]) is not None else (good, middle)
    return values.first_row(values.levels[bad - 1])


def _first_that_is_no_date(values: Texts) -> int:
    """The row to blame where dates were expected: where there are dates, one that is none, else the first."""
    counts = values.counts()
    texts = [text if text in counts else None for text in values.levels]
    return _first_other(values, texts) if _parsed(texts) is None else int(np.argmax(~values.missing))


def as_durations(name: str, values: Column) -> np.ndarray:
    """timedelta64[us], NaT = missing: durations."""
    if values.dtype.kind == "m":
        return values  # type: ignore[return-value]  # it is an array
    return _only_missing(name, values, np.full(len(values), np.timedelta64("NaT", "us")), "durations")


def as_texts(values: Column) -> Texts:
    """Texts: numbers as people write them (3, 0.5), dates and durations as NumPy does."""
    if isinstance(values, Texts):
        return values
    absent = missing_mask(values)
    distinct, found = np.unique(values[~absent], return_inverse=True)
    places = np.full(len(values), -1)
    places[~absent] = found
    spell = written if values.dtype.kind in "fiu" else str
    return Texts.of_levels([spell(value) for value in distinct], places)


def _only_missing(name: str, values: Column, empty: np.ndarray, what: str) -> np.ndarray:
    present = np.flatnonzero(~missing_mask(values))
    if len(present):
        _refuse(name, values, int(present[0]), what)
    return empty


def _refuse(name: str, values: Column, row: int, what: str) -> NoReturn:
    raise ColumnError(
        f"must hold {what}",
        column=name,
        row=row + 1,
        value=shown(values[row]),
        remedy="Mend the cell or leave it empty, or choose another kind in columns=.",
    )
