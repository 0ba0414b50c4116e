"""The training loop.

for each epoch:
    draw the row order and the rates of its steps
    for each run of steps:            a backend call, cut where a validation is due or time is short
        train
        validate, if it is due
    write the epoch's row; stop if there is a reason to
use the best weights
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np

from glassnet.maths.random import Purpose, Stream
from glassnet.training.backend import ReferenceBackend, Rows, State
from glassnet.training.blas import blas_threads_for
from glassnet.training.options import TrainingOptions
from glassnet.training.progress import Progress
from glassnet.training.watch import Outcome, Watch

__all__ = ["row_order", "train"]

SECONDS_A_CALL = 0.3  # a run of steps takes about this long at most, so that Ctrl-C and time limits answer soon


def train(
    backend: ReferenceBackend,
    options: TrainingOptions,
    validation: Rows | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Train the backend's network until a reason to stop turns up; see `Outcome`.

    validation : rows to measure, by which the best weights are chosen; without any the last weights are used.
    Raises TrainingDiverged when the loss becomes infinite or not a number before one epoch is complete.
    """
    state, pace, epoch = backend.start(), Pace(), 0
    watch = Watch(options, backend, progress or Progress(), validation)
    with blas_threads_for(backend.network, backend.batch_size), watch:
        while watch.reason is None:
            epoch += 1
            run_epoch(epoch, state, backend, options, watch, pace)
            if epoch == options.max_epochs:
                watch.stop("max_epochs")
    return watch.outcome()


def run_epoch(
    epoch: int, state: State, backend: ReferenceBackend, options: TrainingOptions, watch: Watch, pace: Pace
) -> None:
    """Train on every row once, validating where it is due; a reason to stop ends the epoch early."""
    rows = row_order(len(backend.rows.X), backend.batch_size, options.seed, epoch)
    first = int(state["step"])
    rates = options.rates(first, backend.steps_per_epoch, backend.steps_per_epoch, watch.losses())
    total, size = 0.0, backend.batch_size
    for begin, end, due in runs_of_steps(first, backend.steps_per_epoch, options, pace):
        with pace.timing(end - begin):
            loss, finite = backend.run(state, rows[begin * size : end * size], rates[begin:end])
        total += loss
        if not finite and math.isfinite(total):  # the weights overflowed before the loss did
            total = math.nan
        watch.check_time()
        if finite and (due or watch.reason):
            watch.validate(epoch, int(state["step"]), state["params"])
        if watch.reason or not finite:
            break
    loss = backend.per_row(total) / backend.share(rows[: end * size])  # of an epoch cut short, over what was seen
    watch.end_epoch(epoch, int(state["step"]), loss, float(rates[end - 1, 0]), state["params"])


def row_order(n_rows: int, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """The order of rows in an epoch: shuffled anew each time, or as they are when one batch holds them all."""
    if batch_size >= n_rows:
        return np.arange(n_rows)
    return Stream(seed, Purpose.ORDER, step=epoch).permutation(n_rows)


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


def runs_of_steps(first: int, n_steps: int, options: TrainingOptions, pace: Pace) -> Iterator[tuple[int, int, bool]]:
    """Cut an epoch of `n_steps` steps, which begins after `first` steps in all, into runs.

    Yields (begin, end, due): steps begin to end of this epoch, and whether a validation is due after them. Where the
    cuts fall changes nothing but the moments at which the clock is read.
    """
    interval = options.validation_every.steps(n_steps)
    last_of_all = options.max_epochs * n_steps
    begin = 0
    while begin < n_steps:
        until_due = interval - (first + begin) % interval
        end = min(n_steps, begin + pace.steps, begin + until_due)
        done = first + end
        yield begin, end, done % interval == 0 or done == last_of_all
        begin = end
