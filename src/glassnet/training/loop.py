"""The training loop.

for each epoch:
    draw the row order and the rates of its steps
    for each run of steps:            a backend call, cut where a validation is due or time is short
        train                         (fewer steps than asked for, when Ctrl-C cut the call short)
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
) -> Outcome:
    """Train the backend's network until a reason to stop turns up; see `Outcome`.

    validation : rows to measure, by which the best weights are chosen; without any the last weights are used.
    state : to go on from, changed in place, after `epoch` epochs; None starts from the network's weights.
    Raises TrainingDiverged when the loss becomes infinite or not a number before one epoch is complete.
    """
    state, pace, last = state or backend.start(), Pace(), epoch + options.last_epoch
    watch = Watch(options, backend, progress or Progress(), validation)
    with blas_threads_for(backend.network, backend.batch_size), watch:
        while watch.reason is None:
            epoch += 1
            watch.begin_epoch(epoch)
            run_epoch(epoch, state, backend, options, watch, pace)
            if epoch == last:
                watch.stop("max_epochs")
    return watch.outcome()


def run_epoch(epoch: int, state: State, backend: Backend, options: TrainingOptions, watch: Watch, pace: Pace) -> None:
    """Train on every row once, validating where it is due; a reason to stop ends the epoch early."""
    n_rows, batch_size, members = len(backend.rows.X), backend.batch_size, backend.members
    rows = row_order(n_rows, batch_size, options.seed, epoch, backend.random_words, members)
    first = int(state["step"])
    rates = options.rates(first, backend.steps_per_epoch, backend.steps_per_epoch, watch.losses())
    if watch.reason:  # Ctrl-C, while the order was drawn
        return
    total, size, done = 0.0, batch_size * members, 0
    while done < backend.steps_per_epoch:
        end = end_of_run(done, first, backend.steps_per_epoch, options, pace)
        with pace.timing(end - done):
            loss, finite = backend.run(state, rows[done * size : end * size], rates[done:end])
        done = int(state["step"]) - first
        total += loss
        if not finite and math.isfinite(total):  # the weights overflowed before the loss did
            total = math.nan
        watch.check_time()
        if finite and done and (validation_due(first + done, backend.steps_per_epoch, options) or watch.reason):
            watch.validate(epoch, first + done, backend.weights_of(state))
        if watch.reason or not finite:
            break
    if done == 0 and finite:  # interrupted before the epoch's first step was complete: there is nothing to write down
        return
    seen = rows[: max(done, 1) * size]  # of an epoch cut short; a step that is not finite may not count as done
    loss = backend.per_row(total) / backend.share(seen)
    watch.end_epoch(epoch, first + done, loss, float(rates[done - 1, 0]), backend.weights_of(state))


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
