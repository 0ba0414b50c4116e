"""The training loop.

for each epoch:
    draw the row order and the rates of its steps
    for each run of steps:            a backend call, cut where a validation is due or time is short
        train                         (fewer steps than asked for, when Ctrl-C cut the call short)
        keep the point, if somebody keeps points to go on from
        validate, if it is due        (or if Ctrl-C ends it all, and it takes no more than a moment)
    write the epoch's row; stop if there is a reason to
use the best weights
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from glassnet.maths.random import Purpose, Stream, order_of
from glassnet.training.backend import Backend, Rows, State
from glassnet.training.blas import blas_threads_for
from glassnet.training.checkpoint import Keeper, Point, Position
from glassnet.training.options import TrainingOptions
from glassnet.training.progress import Progress
from glassnet.training.watch import Outcome, Watch

__all__ = ["row_order", "train"]

Draw = Callable[[Stream, int], np.ndarray]

SECONDS_A_CALL = 0.3  # a run of steps takes about this long at most, so that Ctrl-C and time limits answer soon


def train(
    backend: Backend,
    options: TrainingOptions,
    validation: Rows | None = None,
    progress: Progress | None = None,
    *,
    state: State | None = None,
    epoch: int = 0,
    keeper: Keeper | None = None,
) -> Outcome:
    """Train the backend's network until a reason to stop turns up; see `Outcome`.

    validation : rows to measure, by which the best weights are chosen; without any the last weights are used.
    state : to go on from, changed in place, after `epoch` epochs; None starts from the network's weights.
    keeper : is told after each run of steps how far training has come; where it holds a point already, training goes on
        from there, to the same bits as if it had never stopped.
    Raises TrainingDiverged when the loss becomes infinite or not a number before one epoch is complete.
    """
    point = None if keeper is None else keeper.point
    watch, pace = Watch(options, backend, progress or Progress(), validation), Pace()
    at, last = Position(epoch + 1), epoch + options.last_epoch
    if point is None:
        state = state or backend.start()
    else:
        at, state = point.position(), point.state
        watch.recall(point.seen)
    with blas_threads_for(backend.network, backend.batch_size), watch:
        if point is not None:
            watch.progress.go_on(at.epoch)
        while watch.reason is None:
            watch.begin_epoch(at.epoch)
            run_epoch(at, state, backend, options, watch, pace, keeper)
            if at.epoch == last:
                watch.stop("max_epochs")
            at = Position(at.epoch + 1)
    return watch.outcome()


def run_epoch(
    at: Position,
    state: State,
    backend: Backend,
    options: TrainingOptions,
    watch: Watch,
    pace: Pace,
    keeper: Keeper | None = None,
) -> None:
    """Train on every row once, validating where it is due; a reason to stop ends the epoch early.

    at : how far the epoch has come, which moves on.
    """
    n_rows, batch_size, members = len(backend.rows.X), backend.batch_size, backend.members
    rows = row_order(n_rows, batch_size, options.seed, at.epoch, backend.random_words, members)
    n_steps, first, size = backend.steps_per_epoch, int(state["step"]) - at.done, batch_size * members
    rates, finite = options.rates(first, n_steps, n_steps, watch.losses()), True
    if at.done:  # training goes on from a point, after which a validation may have been due
        validate(at, first, state, backend, options, watch)
    while at.done < n_steps and finite and watch.reason is None:
        end = end_of_run(at.done, first, n_steps, options, pace)
        with pace.timing(end - at.done):
            run = rows[at.done * size : end * size], rates[at.done : end]
            at.total, finite = backend.run(state, *run, at.total)
        at.done = int(state["step"]) - first
        if not finite and math.isfinite(at.total):  # the weights overflowed before the loss did
            at.total = math.nan
        watch.check_time()
        if finite:
            if keeper is not None:
                keeper.passed(Point(at.epoch, at.done, at.total, state, watch.seen()))
            validate(at, first, state, backend, options, watch)
        elif keeper is not None:
            keeper.point = None  # it refers to a state that has moved on, to where nobody wants to go
    if at.done == 0 and finite:  # interrupted before the epoch's first step was complete: nothing to write down
        return
    seen = rows[: max(at.done, 1) * size]  # of an epoch cut short; a step that is not finite may not count as done
    loss = backend.per_row(at.total) / backend.share(seen)
    watch.end_epoch(at.epoch, first + at.done, loss, float(rates[at.done - 1, 0]), backend.weights_of(state))


def validate(at: Position, first: int, state: State, backend: Backend, options: TrainingOptions, watch: Watch) -> None:
    """Validate where it is due, or where training is about to end after a step."""
    if at.done and (validation_due(first + at.done, backend.steps_per_epoch, options) or watch.reason):
        watch.validate(at.epoch, first + at.done, backend.weights_of(state))


def row_order(
    n_rows: int, batch_size: int, seed: int, epoch: int, draw: Draw | None = None, members: int = 1
) -> np.ndarray:
    """The order of rows in an epoch: shuffled anew each time, or as they are when one batch holds them all.

    draw : how to draw the first n words of a stream, where a backend has a faster way.
    members : of an ensemble; each has an order of its own. What they see in the first step stands first, member after
        member, then what they see in the second.
    """
    if batch_size >= n_rows:
        return np.arange(n_rows) if members == 1 else np.tile(np.arange(n_rows), members)
    streams = [Stream(seed, Purpose.ORDER, step=epoch, layer=member) for member in range(members)]
    orders = [stream.permutation(n_rows) if draw is None else order_of(draw(stream, n_rows)) for stream in streams]
    if members == 1:
        return orders[0]
    return np.concatenate(
        [order[first : first + batch_size] for first in range(0, n_rows, batch_size) for order in orders]
    )


class Pace:
    """How many steps fit in one call, from the time the last ones took."""

    def __init__(self) -> None:
        self.steps = 1
        self._begun, self._n = 0.0, 1

    def timing(self, n_steps: int) -> Pace:
        """A context around a call of `n_steps` steps."""
        self._n = n_steps
        return self

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *exception: object) -> None:
        seconds = max(time.monotonic() - self._begun, 1e-9)
        self.steps = max(1, min(4 * self.steps, int(SECONDS_A_CALL * self._n / seconds)))


def end_of_run(done: int, first: int, n_steps: int, options: TrainingOptions, pace: Pace) -> int:
    """Where the next run of steps ends, in steps of this epoch.

    done : steps of this epoch until now.   first : steps before it.   n_steps : steps it has.
    A run takes no longer than the pace allows and stops where a validation is due. Where the cuts fall changes nothing
    but the moments at which the clock is read.
    """
    interval = options.validation_every.steps(n_steps)
    return min(n_steps, done + pace.steps, done + interval - (first + done) % interval)


def validation_due(step: int, n_steps: int, options: TrainingOptions) -> bool:
    """Whether to validate once `step` steps are done in all, in epochs of n_steps: at each interval and at the end."""
    return step % options.validation_every.steps(n_steps) == 0 or step == options.max_epochs * n_steps
