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
from glassnet.tables.missing import is_missing
from glassnet.training.validation import split_groups, split_last, split_rows
from glassnet.workflow.source import frame_of, naming, require_columns, require_known, target_names
from glassnet.workflow.suspects import warn_of_broken, with_values, without_index
from glassnet.workflow.task import CLASSES, TASKS, infer_several, infer_task

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A table ready to train on.

    name : of the file, "standard input", or "the table" where there is no file.
    table, y : the features and the target, all rows.   target : the target's name, or a list of several.
    task : "binary", "multiclass", "multilabel" or "regression".   task_reason : why, a phrase.
    training, test : row numbers, counted from 0; `test` may be empty.
    time_order : whether rows stand in the order of time.   groups : (n,) whole numbers, rows with the same one stay
        together, or None.
    """

    name: str
    table: Table
    y: np.ndarray
    target: str | list[str]
    task: str
    task_reason: str
    training: np.ndarray
    test: np.ndarray
    time_order: bool = False
    groups: np.ndarray | None = None

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
    time_order: bool = False,
    group: str | None = None,
) -> Prepared:
    """Read a table, decide the task and split the rows; see `train` for the arguments and what is raised.

    Warns of columns of numbers that a few broken cells make categories of (BrokenNumbersWarning), and of a first column
    without a name that numbers the rows, which is left out (RowNumbersWarning), and leaves out with an
    EmptyColumnWarning what has no value in the rows that train.
    """
    require_choice("task", task, TASKS)
    if isinstance(test_fraction, bool) or not 0 <= test_fraction < 1:
        raise OptionError("must be at least 0 and below 1", argument="test_fraction", value=test_fraction)
    if time_order and group is not None:
        raise OptionError("cannot be combined with time_order", argument="group", value=group)
    targets = target_names(target)
    name, frame = frame_of(source)
    with naming(name):
        unused = [*drop, *([] if group is None else [group])]
        require_columns(name, frame, targets, drop)
        require_columns(name, frame, (), unused)
        if group in targets:
            what = "the target" if len(targets) == 1 else "a target"
            remedy = "Name a column that says which rows belong together."
            raise ColumnError(f"is {what} and cannot be the group as well", file=name, column=group, remedy=remedy)
        groups = None if group is None else _groups(name, frame[group], 3 if test_fraction else 2)
        frame = without_index(frame.drop(*set(unused)), targets)
        table = _features(name, frame, targets)
        y, task, reason = _target(name, frame, targets, task)
    training, test = _split(y, task, float(test_fraction), seed_of(random_state), time_order, groups)
    named = targets[0] if len(targets) == 1 else targets
    table = with_values(table, training)
    return Prepared(name, table, y, named, task, reason, training, test, time_order, groups)


def _split(
    y: np.ndarray, task: str, fraction: float, seed: int, time_order: bool, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out: the last ones, whole groups, or some at random, of each class alike."""
    if not fraction:
        return np.arange(len(y)), np.arange(0)
    if time_order:
        return split_last(len(y), fraction)
    if groups is not None:
        return split_groups(groups, fraction, seed, Purpose.TEST)
    return split_rows(len(y), fraction, seed, _codes(y, task), Purpose.TEST)


def _groups(name: str, column: nw.Series[Any], fewest: int) -> np.ndarray:
    """The group of each row as a whole number from 0. Raises DataError for rows without one, or too few groups."""
    values = column.to_list()
    missing = [is_missing(value) for value in values]
    if any(missing):
        rule = f"holds groups and has missing values ({sum(missing)} of {len(values)} rows)"
        raise DataError(rule, file=name, row=missing.index(True) + 1, column=column.name, remedy="Fill them in.")
    try:
        places = {value: k for k, value in enumerate(dict.fromkeys(values))}
    except TypeError:  # lists and the like
        raise DataError("must hold one value a cell to be groups", file=name, column=column.name) from None
    if len(places) < fewest:
        parts = "one to train on, one to validate" + (", one held out" if fewest == 3 else "")
        raise DataError(
            f"must hold at least {fewest} groups: {parts}", file=name, column=column.name, value=len(places)
        )
    return np.array([places[value] for value in values])


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
