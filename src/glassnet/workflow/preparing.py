"""Read a table, decide the task, split the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import ColumnError, DataError, OptionError, require_choice
from glassnet.maths.random import Purpose, seed_of
from glassnet.tables.families import name_of_family
from glassnet.tables.frames import Table, table_of, target_of
from glassnet.tables.kinds import missing_mask
from glassnet.training.validation import split_rows
from glassnet.workflow.source import frame_of, naming, require_columns, require_known, target_names
from glassnet.workflow.suspects import warn_of_broken, without_index
from glassnet.workflow.task import CLASSES, TASKS, infer_several, infer_task

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A table ready to train on.

    name : of the file, "standard input", or "the table" where there is no file.
    table, y : the features and the target, all rows.   target : the target's name, or a list of several.
    task : "binary", "multiclass", "multilabel" or "regression".   task_reason : why, a phrase.
    training, test : row numbers, counted from 0; `test` may be empty.
    """

    name: str
    table: Table
    y: np.ndarray
    target: str | list[str]
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

    def classes(self, places: np.ndarray | slice = slice(None)) -> np.ndarray | None:
        """The classes of some rows as whole numbers, where each class is to give its share of a split."""
        return _codes(self.y[places], self.task)

    def rows(self, places: np.ndarray) -> tuple[Table, np.ndarray]:
        """Some rows of features and target."""
        return self.table.take(places), self.y[places]


def prepare(
    source: Any,
    target: str | Sequence[str],
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
    targets = target_names(target)
    name, frame = frame_of(source)
    with naming(name):
        require_columns(name, frame, targets, drop)
        frame = without_index(frame.drop(*drop), targets)
        table = _features(name, frame, targets)
        y, task, reason = _target(name, frame, targets, task)
    training, test = np.arange(len(y)), np.arange(0)
    if test_fraction:
        training, test = split_rows(len(y), test_fraction, seed_of(random_state), _codes(y, task), Purpose.TEST)
    return Prepared(name, table, y, targets[0] if len(targets) == 1 else targets, task, reason, training, test)


def _features(name: str, frame: nw.DataFrame[Any], targets: list[str]) -> Table:
    """The other columns, which must be fit to train on."""
    features = frame.drop(*targets)
    if not features.columns:
        what = "is the only column" if len(targets) == 1 else "is a target, as is every other column"
        raise ColumnError(what, column=targets[0], remedy="Add columns to predict it from.")
    table = table_of(features.to_native())
    _require_usable(name, table)
    warn_of_broken(table)
    return table


def _target(name: str, frame: nw.DataFrame[Any], targets: list[str], task: str) -> tuple[np.ndarray, str, str]:
    """y (n,), or (n, K) of several targets, the task and why."""
    columns = {}
    for target in targets:
        y = target_of(frame[target].to_native())
        require_known(name, target, y)
        columns[target] = y.astype(object) if isinstance(frame[target].dtype, nw.Categorical | nw.Enum) else y
    if len(targets) == 1:
        return columns[targets[0]], *infer_task(columns[targets[0]], targets[0], task)
    task, reason = infer_several(columns, task)
    kind = np.int64 if task == "multilabel" else np.float64
    return np.stack([y.astype(kind) for y in columns.values()], axis=-1), task, reason


def _codes(y: np.ndarray, task: str) -> np.ndarray | None:
    """Classes (n,) as whole numbers from 0, or None where there are none that exclude each other."""
    return np.unique(y, return_inverse=True)[1] if task in CLASSES else None


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
