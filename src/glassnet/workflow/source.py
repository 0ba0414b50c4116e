"""Where a table comes from: its name for messages, its frame, and the columns that must be there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import ColumnError, DataError, OptionError, nearest
from glassnet.tables.frames import listed
from glassnet.tables.kinds import missing_mask
from glassnet.tables.known import KnownColumns, none_known
from glassnet.tables.reading import STANDARD_INPUT, read_table

__all__ = ["IN_MEMORY", "TO_COMPARE", "frame_of", "naming", "require_columns", "require_known", "target_names"]

IN_MEMORY = "the table"


def frame_of(source: Any, known: KnownColumns = none_known) -> tuple[str, nw.DataFrame[Any]]:
    """The source's name for messages, and its table as a narwhals frame. known : see `read_table`."""
    if isinstance(source, str | os.PathLike) or hasattr(source, "read"):
        is_path = isinstance(source, str | os.PathLike) and source != "-"
        name = os.fspath(source) if is_path else STANDARD_INPUT
        return str(name), nw.from_native(read_table(source, known), eager_only=True)
    frame = nw.from_native(source, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        raise DataError('must be a path, "-" or a data frame', argument="source", value=type(source).__name__)
    return IN_MEMORY, frame


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Errors about rows and columns of a table say which file it is."""
    try:
        yield
    except DataError as error:
        if error.file is None and name != IN_MEMORY:
            error.file = name
            error.args = (f"{name}: {str(error).removeprefix('X ')}",)
        raise


def target_names(target: str | Sequence[str]) -> list[str]:
    """The target's name, or those of several, as a list. Raises OptionError for none, or one that comes twice."""
    names = [target] if isinstance(target, str) else list(target)
    if not names:
        raise OptionError("must name a column, or several", argument="target", value=names)
    for name in names:
        if names.count(name) > 1:
            raise OptionError("must name each column once", argument="target", value=name)
    return names


def require_columns(name: str, frame: nw.DataFrame[Any], targets: Sequence[str], dropped: Sequence[str] = ()) -> None:
    """Raise ColumnError, naming the nearest column, unless the table has them all, and no target is dropped."""
    for column in (*targets, *dropped):
        if column not in frame.columns:
            guess = nearest(column, frame.columns)
            remedy = f"Did you mean {guess!r}?" if guess else f"Its columns are {listed(frame.columns)}."
            raise ColumnError("is not in the table", file=name, column=column, remedy=remedy)
    for column in targets:
        if column in dropped:
            what = "the target" if len(targets) == 1 else "a target"
            raise ColumnError(f"is {what} and cannot be dropped", file=name, column=column)


TO_TRAIN = "Fill them in or remove those rows: a row without a target can teach nothing."
TO_COMPARE = "Fill them in or remove those rows: without a true value there is nothing to compare with."


def require_known(name: str, target: str, y: np.ndarray, remedy: str = TO_TRAIN) -> None:
    """Every row needs a target, and a finite one; `remedy` says why."""
    if y.dtype.kind in "biuU":
        return
    missing = missing_mask(y)
    if missing.any():
        n = int(missing.sum())
        raise DataError(
            f"is the target and has missing values ({n} of {len(y)} rows)",
            file=name,
            row=int(np.argmax(missing)) + 1,
            column=target,
            remedy=remedy,
        )
    if y.dtype.kind == "f" and np.isinf(y).any():
        row = int(np.argmax(np.isinf(y)))
        raise DataError("is the target and must be finite", file=name, row=row + 1, column=target, value=float(y[row]))
