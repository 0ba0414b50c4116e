"""Read a table, decide the task, split the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import DataError, OptionError, require_choice
from glassnet.maths.random import Purpose, seed_of
from glassnet.tables.families import name_of_family
from glassnet.tables.frames import Table, split_target, table_of
from glassnet.tables.kinds import missing_mask
from glassnet.training.validation import split_rows
from glassnet.workflow.source import frame_of, naming, require_columns, require_known
from glassnet.workflow.suspects import warn_of_broken, without_index
from glassnet.workflow.task import TASKS, infer_task

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A table ready to train on.

    name : of the file, "standard input", or "the table" where there is no file.
    table, y : the features and the target, all rows.   target : the target's name.
    task : "binary", "multiclass" or "regression".   task_reason : why, a phrase.
    training, test : row numbers, counted from 0; `test` may be empty.
    """

    name: str
    table: Table
    y: np.ndarray
    target: str
    task: str
    task_reason: str
    training: np.ndarray
    test: np.ndarray

    @property
    def kinds(self) -> dict[str, int]:
        """How many columns hold numbers, texts, dates and durations; kinds that do not occur are left out."""
        kinds = [name_of_family(column) + "s" for column in self.table.columns]
        return {kind: kinds.count(kind) for kind in ("numbers", "texts", "dates", "durations") if kind in kinds}

    @property
    def missing_cells(self) -> int:
        """Cells without a value, the target not counted."""
        return sum(int(missing_mask(column).sum()) for column in self.table.columns)

    def rows(self, places: np.ndarray) -> tuple[Table, np.ndarray]:
        """Some rows of features and target."""
        return self.table.take(places), self.y[places]


def prepare(
    source: Any,
    target: str,
    *,
    task: str = "auto",
    test_fraction: float = 0.25,
    random_state: Any = 0,
    drop: Sequence[str] = (),
) -> Prepared:
    """Read a table, decide the task and split the rows; see `train` for the arguments and what is raised.

    Warns of columns of numbers that a few broken cells make categories of (BrokenNumbersWarning), and of a first column
    without a name that numbers the rows, which is left out (RowNumbersWarning).
    """
    require_choice("task", task, TASKS)
    if isinstance(test_fraction, bool) or not 0 <= test_fraction < 1:
        raise OptionError("must be at least 0 and below 1", argument="test_fraction", value=test_fraction)
    name, frame = frame_of(source)
    with naming(name):
        require_columns(name, frame, [target, *drop])
        frame = without_index(frame.drop(*drop), target)
        categorical = isinstance(frame[target].dtype, nw.Categorical | nw.Enum)
        features, y = split_target(frame.to_native(), target)
        table = table_of(features)
        _require_usable(name, table)
        warn_of_broken(table)
        require_known(name, target, y)
        if categorical:
            y = y.astype(object)
        task, reason = infer_task(y, target, task)
    classes = None if task == "regression" else np.unique(y, return_inverse=True)[1]
    training, test = np.arange(len(y)), np.arange(0)
    if test_fraction:
        training, test = split_rows(len(y), test_fraction, seed_of(random_state), classes, Purpose.TEST)
    return Prepared(name, table, y, target, task, reason, training, test)


def _require_usable(name: str, table: Table) -> None:
    """Columns that training would refuse, looked for in all rows, so that a row number is that of the file."""
    for column, values in zip(table.names, table.columns, strict=True):
        if missing_mask(values).all():
            raise DataError("holds no value at all", file=name, column=column, remedy="Drop it before training.")
        infinite = np.isinf(np.asarray(values)) if values.dtype.kind == "f" else np.zeros(1, bool)
        if infinite.any():
            row = int(np.argmax(infinite))
            raise DataError(
                "must be finite",
                file=name,
                row=row + 1,
                column=column,
                value=float(values[row]),
                remedy="Replace it by a number, or leave the cell empty (missing).",
            )
