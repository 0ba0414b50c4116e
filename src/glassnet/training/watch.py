"""What is kept in sight while a network trains: history, best weights, and the reasons to stop."""

from __future__ import annotations

import math
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from glassnet.errors import TrainingDiverged
from glassnet.training.backend import Backend, GivenUp, Rows
from glassnet.training.history import epoch_row
from glassnet.training.options import TrainingOptions
from glassnet.training.origin import Origin
from glassnet.training.progress import Progress

__all__ = ["UNDER_WAY", "Best", "Outcome", "PressedAgain", "Seen", "Watch"]

UNDER_WAY = ("interrupted", "time limit")  # reasons to stop after which there is more to train
TRIED = 1024  # training rows on which the last weights are tried, where there is no validation
A_MOMENT = 0.25  # seconds that an evaluation may still take once training was interrupted


class PressedAgain(KeyboardInterrupt):
    """Ctrl-C for the second time in one training: all is to end at once."""


@dataclass(frozen=True)
class Best:
    """The best weights so far: those with the lowest loss (or negative score), epoch and step of that validation."""

    loss: float = math.inf
    epoch: int = 0
    step: int = 0
    params: np.ndarray | None = None

    def or_better(self, loss: float, epoch: int, step: int, params: np.ndarray, tolerance: float = 0.0) -> Best:
        """The best with these: a copy of `params` if `loss` is lower than until now by more than `tolerance`."""
        return Best(loss, epoch, step, params.copy()) if loss < self.loss - tolerance else self


@dataclass(frozen=True)
class Seen:
    """What a watch had seen at one moment.

    history : the list that the watch goes on writing to, of which the first `n_rows` were there.
    best, before : the best weights, and without a validation those of the epoch before.
    measured : by the last validation of the epoch under way.   seconds : since training began.
    """

    history: list[dict[str, Any]]
    n_rows: int
    best: Best
    before: Best
    measured: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    params : the weights to use.   history : one row an epoch.
    best_epoch : the epoch, counted from 1, whose weights these are.
    reason : "max_epochs", "early stopping", "time limit", "callback", "interrupted", "converged" or "diverged".
    diverged_loss, diverged_epoch, diverged_step : the loss that was not finite, if one was, its epoch and its step,
        counted from 1.   origin : where it began, in words, or "".
    """

    params: np.ndarray
    history: list[dict[str, Any]]
    best_epoch: int
    reason: str
    diverged_loss: float | None = None
    diverged_step: int = 0
    diverged_epoch: int = 0
    origin: str = ""


@dataclass
class Watch:
    """Sees every epoch and validation of one training, and says when to stop (`reason` is then set).

    Used as a context, so that Ctrl-C is caught: the first one asks the backend to cut short the steps under way, stops
    training and keeps the best weights; a second one interrupts as usual. Only the main thread can catch it. The steps
    since the last validation count only if there is time to validate them: if it takes no more than a moment.

    tried : whether an epoch's loss is that of the weights it ends with, as L-BFGS has it, or of those that each step
        began with.
    """

    options: TrainingOptions
    backend: Backend
    progress: Progress
    validation: Rows | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    reason: str | None = None
    diverged_loss: float | None = None
    diverged_step: int = 0
    diverged_epoch: int = 0
    origin: Origin | None = None
    tried: bool = False
    measured: dict[str, float] = field(default_factory=dict)  # by the last validation of this epoch
    started: float = field(default_factory=time.monotonic)
    earlier: float = 0.0  # seconds before, in the process that this one goes on from
    _before: Best = field(default_factory=Best)  # the last weights but one, without a validation

    def __enter__(self) -> Watch:
        self._handler: Any = None
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # so a shell starts what runs in the background
        if threading.current_thread() is threading.main_thread() and not ignored:
            self._handler = signal.signal(signal.SIGINT, self._interrupted)
        self.progress.start(self.options.max_epochs)
        return self

    def __exit__(self, *exception: Any) -> None:
        if exception[0] is None:
            self._try_last()
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        self.progress.finish(self._summary())

    def _interrupted(self, number: int, frame: Any) -> None:
        self.reason = "interrupted"
        signal.signal(signal.SIGINT, pressed_again)
        self.backend.interrupt()

    def _summary(self) -> str:
        n = len(self.history)
        kept = f"; weights of epoch {self.best.epoch} kept" if self.best.epoch and self.best.epoch != n else ""
        return f"stopped after {n} epoch{'s' * (n != 1)} ({self.reason or 'error'}){kept}"

    @property
    def seconds(self) -> float:
        """Since training began, in whatever process."""
        return self.earlier + time.monotonic() - self.started

    def seen(self) -> Seen:
        """All there is to know to watch on from here; without a copy, since what it refers to is never changed."""
        return Seen(self.history, len(self.history), self.best, self._before, self.measured, self.seconds)

    def recall(self, seen: Seen) -> None:
        """Watch on from there."""
        self.history, self.measured = seen.history[: seen.n_rows], seen.measured
        self.best, self._before, self.earlier = seen.best, seen.before, seen.seconds

    def losses(self) -> list[float]:
        """Losses by which a schedule can tell a plateau: every one of validation, or without it each epoch's."""
        name = "loss" if self.validation is None else "validation_loss"
        return [row[name] for row in self.history if name in row]

    def validate(self, epoch: int, step: int, params: np.ndarray) -> None:
        """Measure the validation rows, keep the weights if they are the best, and stop if patience has run out."""
        if self.validation is None:
            return
        try:
            loss, Y = self.evaluate(params, self.validation)
        except GivenUp:  # what was not measured is not written down, and cannot be the best
            return
        T, weights, score = self.validation.T, self.validation.weights, self.options.score
        self.measured = {"validation_loss": loss}  # a new dict, see `seen`
        with np.errstate(all="ignore"):  # of a network about to diverge; the loss will say so
            self.measured |= {f"validation_{name}": f(T, Y, weights) for name, f in self.options.metrics.items()}
        if score is None:
            self.best = self.best.or_better(loss, epoch, step, params, self.options.tolerance)
        elif np.isfinite(Y).all():  # else it is about to diverge, and no score is defined
            self.measured["validation_score"] = value = score(params, Y)
            self.best = self.best.or_better(-value, epoch, step, params, self.options.tolerance)
        patience = self.options.patience
        waited = (step - self.best.step) / self.backend.steps_per_epoch
        if patience is not None and waited >= patience:
            self.stop("early stopping")

    def evaluate(self, params: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """`Backend.evaluate`; once training was interrupted it raises GivenUp where that takes more than a moment."""
        if self.reason != "interrupted":
            try:
                return self.backend.evaluate(params, rows)
            except GivenUp:  # interrupted just now; perhaps a moment is enough to begin again
                pass
        limit = threading.Timer(A_MOMENT, self.backend.interrupt)
        limit.daemon = True
        limit.start()
        try:
            return self.backend.evaluate(params, rows)
        finally:
            limit.cancel()
            limit.join()

    def begin_epoch(self, epoch: int) -> None:
        """Tell those who follow the training."""
        for observer in self.options.observers:
            observer.begin_epoch(epoch)

    def end_epoch(self, epoch: int, step: int, loss: float, learning_rate: float | None, params: np.ndarray) -> None:
        """Write the epoch's row, show it, and ask the callbacks."""
        if not math.isfinite(loss):
            self._diverge(loss, step)
            return
        row = epoch_row(epoch, step, loss, self.measured, learning_rate, self.seconds)
        self.history.append(row)
        self.measured = {}
        self.progress.update(row)
        for observer in self.options.observers:
            if observer.end_epoch(dict(row), params):
                self.stop("callback")
        if self.validation is None or self.best.params is None:
            # No validation yet, or none at all: the last weights are the ones to use, and to fall back on.
            self._before, self.best = self.best, Best(math.inf, epoch, step, params.copy())
        for callback in self.options.callbacks:
            if callback(dict(row)):  # a copy: the history is not theirs to change
                self.stop("callback")

    def _diverge(self, loss: float, step: int) -> None:
        """Note a loss that is not finite, of the epoch under way, and where it comes from."""
        self.origin = self.backend.origin
        self.diverged_loss, self.diverged_epoch = loss, len(self.history) + 1
        self.diverged_step = step if self.origin is None else self.origin.step
        learned = self.origin is not None and self.origin.learned  # the step began with weights of a finite loss
        if self._untried and self.diverged_step == self.best.step + 1 and not learned:
            self.best = self._before  # the first step since shows that the weights of the last epoch were bad
        self.stop("diverged")

    @property
    def _untried(self) -> bool:
        """Whether the weights to use are the last ones, whose loss nothing has found to be finite."""
        return self.best.params is not None and self.best.loss == math.inf and not self.tried

    def _try_last(self) -> None:
        """See whether the last weights, where no validation and no later step has tried them, have a finite loss.

        On some of the training rows: weights that overflow do so nearly everywhere.
        """
        if not self._untried or self.best.params is None or self.reason == "diverged":
            return
        X, T, weights = self.backend.rows
        some = Rows(X[:TRIED], T[:TRIED], None if weights is None else weights[:TRIED])
        try:
            loss, Y = self.evaluate(self.best.params, some)
        except GivenUp:
            return
        if math.isfinite(loss) and np.isfinite(Y).all():
            return
        self.diverged_loss, self.diverged_epoch, self.diverged_step = loss, self.best.epoch, self.best.step
        self.origin = Origin(self.best.step, "with the weights that the step left")
        self.best = self._before
        if self.reason not in UNDER_WAY:  # else the next step, once training goes on, will say so
            self.reason = "diverged"

    def stop(self, reason: str) -> None:
        """Set the reason, unless there is one already."""
        self.reason = self.reason or reason

    def check_time(self) -> None:
        """Stop when the time limit has passed, which counts the seconds of this process alone."""
        if self.options.time_limit is not None and self.seconds - self.earlier >= self.options.time_limit:
            self.stop("time limit")

    def outcome(self) -> Outcome:
        """The best weights and all the rest.

        When no epoch left weights to use, raises KeyboardInterrupt if Ctrl-C came before the first step was complete,
        TrainingDiverged otherwise.
        """
        if self.best.params is None and self.reason == "interrupted" and self.diverged_loss is None:
            raise KeyboardInterrupt
        origin = "" if self.origin is None else self.origin.text(self.options.inputs)
        if self.best.params is None or self._never_valid:
            self._refuse(origin)
        return Outcome(
            self.best.params,
            self.history,
            self.best.epoch,
            self.reason or "max_epochs",
            self.diverged_loss,
            self.diverged_step,
            self.diverged_epoch,
            origin,
        )

    @property
    def _never_valid(self) -> bool:
        """Whether validations were made, and none of them found a loss that is finite."""
        return self.best.loss == math.inf and any("validation_loss" in row for row in self.history)

    def _refuse(self, origin: str) -> NoReturn:
        """Raise TrainingDiverged."""
        what = f"training diverged in epoch {self.diverged_epoch}, step {self.diverged_step}"
        loss, name = self.diverged_loss, "loss"
        if self._never_valid:
            what, name = f"training diverged within {len(self.history)} epochs", "validation loss"
            loss = next(row["validation_loss"] for row in self.history if "validation_loss" in row)
        rate = self.options.learning_rate
        at, remedy = "", "Try scaled inputs, or a larger l2."
        if rate is not None:
            at = f" at learning rate {rate:g}"
            remedy = f"Try a lower learning_rate, such as {rate / 10:g}, clip_norm=1, or scaled inputs."
        where = f" ({origin})" if origin else ""
        error = TrainingDiverged(f"{what}{at}: the {name} became {loss}{where}", remedy=remedy)
        error.loss, error.epoch, error.step, error.origin = loss, self.diverged_epoch, self.diverged_step, origin
        raise error


def pressed_again(number: int, frame: Any) -> None:
    """Raise PressedAgain: what a second Ctrl-C does."""
    raise PressedAgain
