"""Where a training is, as plain data, so that another process can go on from there to the same bits.

A point lies after some steps, before the validation that may be due after them: nothing that happens there, Ctrl-C
least of all, has left a trace yet. What is random, the order of the rows and the masks of dropout, is a pure function
of the seed, the epoch and the step (`maths.random`), so these counters stand for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.training.backend import Backend, State
from glassnet.training.history import epoch_row
from glassnet.training.watch import Best, Outcome, Seen

__all__ = ["Keeper", "Point", "Position", "outcome_data", "outcome_from", "point_data", "point_from", "require_fit"]

Data = tuple[dict[str, Any], dict[str, np.ndarray]]  # what JSON can say, and arrays by name

STATE = "state."  # beginning of the names of arrays


@dataclass
class Position:
    """How far a training has come: `done` steps of an epoch, counted from 1, and the sum of their losses."""

    epoch: int
    done: int = 0
    total: float = 0.0


@dataclass(frozen=True)
class Point:
    """A point to go on from: see `Position`, the backend's state, and what the watch had seen.

    It refers to the state and copies nothing, so it holds until the next run of steps.
    """

    epoch: int
    done: int
    total: float
    state: State
    seen: Seen

    def position(self) -> Position:
        """Its epoch, steps and sum."""
        return Position(self.epoch, self.done, self.total)


class Keeper:
    """Interface of what keeps points. `point` is the one to go on from, or None for a training from the start."""

    point: Point | None = None

    def passed(self, point: Point) -> None:
        """A run of steps is over; the point holds until this returns, and on until the next run."""


# --- as plain data ---


def point_data(point: Point) -> Data:
    """A point as plain data."""
    seen = point.seen
    names, history = history_arrays(seen.history[: seen.n_rows])
    header = {
        "epoch": point.epoch,
        "done": point.done,
        "total": plain_float(point.total),
        "seconds": seen.seconds,
        "measured": {name: plain_float(value) for name, value in seen.measured.items()},
        "best": best_data(seen.best),
        "before": best_data(seen.before),
        "history": names,
    }
    arrays = {STATE + name: array for name, array in point.state.items()} | history
    for name, best in (("best", seen.best), ("before", seen.before)):
        if best.params is not None:
            arrays[name] = best.params
    return header, arrays


def point_from(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Point:
    """A point again from its data; raises KeyError, TypeError or ValueError where these are no point's."""
    state = {name.removeprefix(STATE): owned(array) for name, array in arrays.items() if name.startswith(STATE)}
    history = history_from(header["history"], arrays)
    best, before = (best_from(header[name], arrays.get(name)) for name in ("best", "before"))
    measured = {str(name): float(value) for name, value in header["measured"].items()}
    seen = Seen(history, len(history), best, before, measured, counted(header, "seconds", float))
    return Point(counted(header, "epoch"), counted(header, "done"), float(header["total"]), state, seen)


def outcome_data(outcome: Outcome) -> Data:
    """An outcome as plain data."""
    names, history = history_arrays(outcome.history)
    loss = outcome.diverged_loss
    header = {
        "epochs": len(outcome.history),
        "best_epoch": outcome.best_epoch,
        "reason": outcome.reason,
        "diverged_loss": None if loss is None else plain_float(loss),
        "diverged_step": outcome.diverged_step,
        "diverged_epoch": outcome.diverged_epoch,
        "origin": outcome.origin,
        "history": names,
    }
    return header, {"params": outcome.params, **history}


def outcome_from(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Outcome:
    """An outcome again from its data; raises KeyError, TypeError or ValueError where these are no outcome's."""
    loss, history, best_epoch = header["diverged_loss"], history_from(header["history"], arrays), header["best_epoch"]
    if counted(header, "best_epoch") > len(history) + 1:  # one more where the epoch after the last ended early
        raise ValueError(f"epoch {best_epoch} cannot be the best of {len(history)}")
    return Outcome(
        owned(arrays["params"]),
        history,
        best_epoch,
        str(header["reason"]),
        None if loss is None else float(loss),
        counted(header, "diverged_step"),
        counted(header, "diverged_epoch"),
        str(header["origin"]),
    )


def require_fit(point: Point, backend: Backend) -> None:
    """Raise ValueError unless the backend can go on from a point: compiled code looks at nothing but addresses."""
    start = backend.start()
    if set(point.state) != set(start):
        raise ValueError(f"its state holds {sorted(point.state)} instead of {sorted(start)}")
    wanted = [(f"state {name}", point.state[name], array) for name, array in start.items()]
    for name, best in (("best", point.seen.best), ("before", point.seen.before)):
        if best.params is not None:
            wanted.append((f"{name} weights", best.params, start["params"]))
    for name, found, like in wanted:
        if found.shape != like.shape or found.dtype != like.dtype:
            raise ValueError(f"its {name} do not fit the network")
        if like is start["params"] and not np.isfinite(found).all():  # what is kept after a run of steps always is
            raise ValueError(f"its {name} are not finite")
    n_steps, step = backend.steps_per_epoch, int(point.state["step"])
    if point.done > n_steps or point.epoch < 1 or step != (point.epoch - 1) * n_steps + point.done:
        raise ValueError(f"step {step} is not step {point.done} of epoch {point.epoch}, of {n_steps} steps each")
    seen = point.seen
    if seen.n_rows != point.epoch - 1 or max(seen.best.epoch, seen.before.epoch) > point.epoch:
        raise ValueError(f"epoch {point.epoch} does not follow {seen.n_rows}, or comes before the best")


def counted(header: dict[str, Any], name: str, kind: type = int) -> Any:
    """A number of at least 0; ValueError for what is none."""
    value = header[name]
    if type(value) not in (int, kind) or not value >= 0:
        raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
    return kind(value)


def owned(array: np.ndarray) -> np.ndarray:
    """A copy in memory of its own, aligned and writable: what a file holds may lie at any address."""
    return np.array(array, order="C")


def best_data(best: Best) -> dict[str, Any]:
    """Loss, epoch and step; the weights are an array."""
    return {"loss": plain_float(best.loss), "epoch": best.epoch, "step": best.step}


def best_from(header: dict[str, Any], params: np.ndarray | None) -> Best:
    """The best again."""
    weights = None if params is None else owned(params)
    return Best(float(header["loss"]), counted(header, "epoch"), counted(header, "step"), weights)


def plain_float(value: float) -> float | str:
    """A number, or for one that JSON does not have its name: "inf", "-inf" or "nan", which `float` reads."""
    return value if math.isfinite(value) else str(float(value))


def history_arrays(rows: list[dict[str, Any]]) -> tuple[list[str], dict[str, np.ndarray]]:
    """The history as a table: names of columns, numbers (n, k), and which of them are known (n, k)."""
    names = max((list(row) for row in rows), key=len, default=[])  # the fullest row has them all, in their order
    known = np.array([[name in row for name in names] for row in rows], bool).reshape(len(rows), len(names))
    table = np.array([[row.get(name, 0.0) for name in names] for row in rows], np.float64).reshape(known.shape)
    return names, {"history": table, "history.known": known}


def history_from(names: list[str], arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """The rows again, each with its names in their order; whole numbers are whole again."""
    table, known = arrays["history"], arrays["history.known"]
    if table.shape != known.shape or table.shape != (len(table), len(names)) or known.dtype != bool:
        raise ValueError("its history is no table")
    rows = []
    for values, there in zip(table.tolist(), known.tolist(), strict=True):
        found = {name: value for name, value, is_known in zip(names, values, there, strict=True) if is_known}
        counts, rate = (int(found.pop("epoch")), int(found.pop("step"))), found.pop("learning_rate", None)
        loss, seconds = found.pop("loss"), found.pop("seconds")
        rows.append(epoch_row(*counts, loss, found, rate, seconds))
    return rows
