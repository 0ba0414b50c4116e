"""Which task a target asks for: classes or numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from glassnet.errors import DataError
from glassnet.tables.spelling import is_number

__all__ = ["CLASSES", "TASKS", "infer_several", "infer_task"]

TASKS = ("auto", "classification", "regression")
CLASSES = ("binary", "multiclass")  # that exclude each other
FEW_NUMBERS = 20  # most different whole numbers that are taken for classes
SIGNS = r"[$€£%,\s]"  # that people put around and into numbers
MOSTLY = 0.8  # share of amounts from which on a column of text is meant as numbers
ROWS_A_NUMBER = 20  # and each must occur in this many rows on average


def infer_task(y: np.ndarray, target: str, task: str = "auto") -> tuple[str, str]:
    """The task that a target without missing values asks for: "binary", "multiclass" or "regression", and why.

    With task="auto":
        text, categories, true and false          -> classes
        two different whole numbers               -> classes
        whole numbers, at most 20 different ones,
            each in 20 rows or more on average    -> classes
        other numbers                             -> regression

    Raises DataError for a target that the task cannot be: one class only, text for a regression, numbers of which some
    are text, numbers with decimals or nearly as many classes as rows for a classification, dates.
    """
    values = set(y.tolist())
    if y.dtype.kind in "Mm":
        raise DataError("holds dates, which cannot be predicted", column=target, remedy="Turn them into numbers.")
    if len(values) < 2:
        what = "number" if y.dtype.kind in "iuf" and task != "classification" else "class"
        raise DataError(
            f"holds one {what} only",
            column=target,
            value=next(iter(values), None),
            remedy="There is nothing to tell apart: the target must differ between rows.",
        )
    if task != "classification":
        _require_sound_numbers(y, target, len(values), task)
    what, is_classes = _nature(y, target, values)
    if task == "regression" or (task == "auto" and not is_classes):
        if y.dtype.kind not in "iufb":
            raise DataError(
                "holds text, and regression needs numbers",
                column=target,
                value=y[0],
                remedy="Use task classification, or repair the column.",
            )
        return "regression", f"{what}: regression" + (", as asked" if task == "regression" else "")
    _require_classes(y, target, values)
    kind = "binary" if len(values) == 2 else "multiclass"
    return kind, f"{what}: {kind}" + (", as asked" if task == "classification" else "")


def infer_several(columns: dict[str, np.ndarray], task: str = "auto") -> tuple[str, str]:
    """The task that several targets without missing values ask for: "multilabel" or "regression", and why.

    With task="auto" targets that all hold 0 and 1, or true and false, are labels, each there or not; all others are
    numbers.
    Raises DataError, naming the target, for one that is neither.
    """
    hold = f"{joined(list(columns))} hold"
    others = [target for target, y in columns.items() if not _yes_or_no(y)]
    for target, y in columns.items():
        infer_task(y, target, "auto" if target not in others else "regression")  # raises for what is neither
    if task == "classification" and others:
        raise DataError(
            "must hold 0 and 1, as all of several targets of a classification do",
            column=others[0],
            value=columns[others[0]][0],
            remedy="Train a model for each target of more classes.",
        )
    asked = ", as asked" if task != "auto" else ""
    if task == "regression" or others:
        return "regression", f"{hold} numbers: regression{asked}"
    return "multilabel", f"{hold} 0 and 1: multilabel{asked}"


def joined(names: list[str], most: int = 5) -> str:
    """Names in a sentence: "a, b and c", and of many the first ones."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _yes_or_no(y: np.ndarray) -> bool:
    return y.dtype.kind == "b" or (y.dtype.kind in "iuf" and bool(np.isin(y, (0, 1)).all()))


def _nature(y: np.ndarray, target: str, values: set[Any]) -> tuple[str, bool]:
    """What the target holds, in words, and whether that is classes rather than numbers."""
    n = len(values)
    if y.dtype.kind == "b":
        return f"{target} holds true and false", True
    if y.dtype.kind not in "iuf":
        return f"{target} holds {n:,} {'texts' if all(isinstance(v, str) for v in values) else 'categories'}", True
    if np.any(y != np.floor(y)):
        return f"{target} holds numbers", False
    few = n == 2 or (n <= FEW_NUMBERS and n * ROWS_A_NUMBER <= len(y))
    return f"{target} holds {n:,} different whole numbers", few


def _require_sound_numbers(y: np.ndarray, target: str, n_values: int, task: str) -> None:
    """Texts most of which are amounts, "12.50" or "$1,250", are meant as numbers: name the first that is none."""
    if y.dtype.kind not in "OU" or (n_values <= FEW_NUMBERS and task == "auto"):
        return
    texts = y.tolist()
    amounts = sum(isinstance(text, str) and is_number(re.sub(SIGNS, "", text)) for text in texts)
    if amounts < MOSTLY * len(texts):
        return
    others = [(row, text) for row, text in enumerate(texts) if not (isinstance(text, str) and is_number(text))]
    if not others:
        return
    n_numbers, (row, value) = len(texts) - len(others), others[0]
    raise DataError(
        "holds text" + (f", though {n_numbers:,} of {len(texts):,} values are numbers" if n_numbers else ""),
        row=row + 1,
        column=target,
        value=value,
        remedy="Write numbers as 16884.92; or use task classification, if these are classes.",
    )


def _require_classes(y: np.ndarray, target: str, values: set[Any]) -> None:
    if y.dtype.kind == "f" and np.any(y != np.floor(y)):
        row = int(np.argmax(y != np.floor(y)))
        raise DataError(
            "holds numbers with decimals, which are no classes",
            row=row + 1,
            column=target,
            value=float(y[row]),
            remedy="Use task regression.",
        )
    if len(values) > max(FEW_NUMBERS, len(y) // 2):
        raise DataError(
            f"holds {len(values):,} different values in {len(y):,} rows, too many to be classes",
            column=target,
            remedy="Predict another column, or group its values.",
        )
