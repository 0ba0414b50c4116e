"""How the cells of a file spell what they hold: a number, a truth, or that nothing is there."""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

__all__ = [
    "MISSING_AMONG_NUMBERS",
    "MISSING_WORDS",
    "NUMBER",
    "ONE_AND_ZERO",
    "TRUTHS",
    "blanked",
    "is_number",
    "spelled_numbers",
]

MISSING_WORDS = ("na", "n/a", "#n/a", "nan", "null", "?")  # in any column, however their letters are cased
MISSING_AMONG_NUMBERS = ("none", "-", ".", "")  # and among dates; between texts each may be a text of its own
TRUTHS = {"true": "True", "false": "False"}  # however their letters are cased
ONE_AND_ZERO = {"true": "1", "false": "0"}

# The digits of ASCII alone, in Python as in Polars, which parses no others.
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
WITH_POINT, WITH_POINT_OR_COMMA = re.compile(NUMBER), re.compile(NUMBER.replace(r"\.", "[.,]"))


def is_number(text: str, *, comma: bool = False) -> bool:
    """Whether a text, but for spaces around it, spells a number; `comma`: also one with a decimal comma."""
    return (WITH_POINT_OR_COMMA if comma else WITH_POINT).fullmatch(text.strip()) is not None


def spelled_numbers(texts: pl.Series) -> pl.Series:
    """The numbers that texts spell, which all match NUMBER: whole numbers where they are and fit 64 bits."""
    whole = texts.cast(pl.Int64, strict=False)
    return texts.cast(pl.Float64) if whole.null_count() > texts.null_count() else whole


def blanked(texts: pl.Series, words: Iterable[str]) -> pl.Series:
    """The texts with nulls in place of some words, however these are cased and spaced."""
    absent = texts.str.strip_chars().str.to_lowercase().is_in([*words])
    return texts.to_frame().select(pl.when(~absent).then(pl.first())).to_series().alias(texts.name)
