"""How to train: the loop's options, checked, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassnet.errors import OptionError, require_number
from glassnet.maths.schedules import Constant, ReduceOnPlateau, Schedule

__all__ = ["Every", "Observer", "TrainingOptions", "every"]


class Observer:
    """Interface of what follows a training epoch by epoch and may want the weights."""

    def begin_epoch(self, epoch: int) -> None:
        """An epoch, counted from 1, begins."""

    def end_epoch(self, row: dict[str, Any], params: np.ndarray) -> bool:
        """An epoch is done: its row of the history and the weights (not to be changed); a true answer stops."""
        return False


@dataclass(frozen=True)
class Every:
    """An interval counted in epochs or in steps."""

    n: int
    unit: str = "epochs"

    def steps(self, steps_per_epoch: int) -> int:
        """The interval in steps."""
        return self.n * (steps_per_epoch if self.unit == "epochs" else 1)


def every(value: int | str) -> Every:
    """Read an interval: a whole number of epochs, or text such as "50 steps" or "2 epochs".

    Raises OptionError for anything else.
    """
    number, unit = value, "epochs"
    if isinstance(value, str):
        number, _, unit = value.strip().partition(" ")
        number = int(number) if number.isdigit() else value
        unit = unit.strip().rstrip("s") + "s"
    if (
        isinstance(number, bool)
        or not isinstance(number, (int, np.integer))
        or number < 1
        or unit not in ("epochs", "steps")
    ):
        raise OptionError(
            'must be a whole number of epochs, or text such as "50 steps"',
            argument="validation_every",
            value=value,
        )
    return Every(int(number), unit)


@dataclass(frozen=True)
class TrainingOptions:
    """What the loop needs to know beside the backend.

    max_epochs : most passes over the training rows; a schedule is laid out over them.
    stop_after : epochs after which training ends all the same, or None.
    learning_rate : of the first steps, times the schedule's factor; None where a line search sets the step.
    patience : epochs without a better validation before training stops; None never stops early.
    validation_every : interval of validations.
    score : function of (params, Y), the outputs on the validation rows, by which validations are compared, higher is
        better; None compares their losses.
    tolerance : a validation is better when its loss is lower, or its score higher, by more than this.
    time_limit : seconds, or None.   seed : of the row order.
    callbacks : functions of an epoch's row; a true answer stops training.
    metrics : {name: function of (T, Y, weights)} measured at each validation.
    observers : followers of the training, see `Observer`.   inputs : names of the columns of X, for messages.
    """

    max_epochs: int = 100
    stop_after: int | None = None
    learning_rate: float | None = 1e-3
    weight_decay: float = 0.0
    schedule: Schedule = field(default_factory=Constant)
    patience: int | None = None
    validation_every: Every = field(default_factory=lambda: Every(1))
    score: Callable[[np.ndarray, np.ndarray], float] | None = None
    tolerance: float = 0.0
    time_limit: float | None = None
    seed: int = 0
    callbacks: Sequence[Callable[[dict[str, Any]], Any]] = ()
    metrics: dict[str, Callable[..., float]] = field(default_factory=dict)
    observers: Sequence[Observer] = ()
    inputs: Sequence[str] = ()

    def __post_init__(self) -> None:
        for argument in ("max_epochs", "stop_after", "learning_rate", "patience", "time_limit"):
            value = getattr(self, argument)
            if value is not None:
                require_number(argument, value, "must be positive", lambda v: v > 0)
        require_number("weight_decay", self.weight_decay, "must be at least 0", lambda v: v >= 0)
        if self.learning_rate is not None and self.weight_decay * self.learning_rate > 1:
            raise OptionError(
                f"must be at most 1 / learning_rate, which is {1 / self.learning_rate:.4g}",
                argument="weight_decay",
                value=self.weight_decay,
                remedy="A step multiplies each weight by 1 - learning_rate · weight_decay, which would turn its sign.",
            )
        for callback in self.callbacks:
            if not callable(callback):
                raise OptionError("must hold functions of an epoch's row", argument="callbacks", value=callback)

    @property
    def last_epoch(self) -> int:
        """The epoch after which training ends at the latest."""
        return self.max_epochs if self.stop_after is None else min(self.stop_after, self.max_epochs)

    def rates(self, first_step: int, n_steps: int, steps_per_epoch: int, losses: Sequence[float]) -> np.ndarray:
        """One row of rates (learning rate, decay, factors on dropout and smoothing) for each of `n_steps` steps.

        losses : of the epochs so far, validation losses where there are any, for a schedule that looks at them.
        """
        steps = np.arange(first_step, first_step + n_steps)
        factors = self.schedule.factors(steps, steps_per_epoch, steps_per_epoch * self.max_epochs)
        if isinstance(self.schedule, ReduceOnPlateau):
            factors = factors * self.schedule.factor_after(losses)
        rates = np.ones((n_steps, 4))
        rates[:, 0] = factors if self.learning_rate is None else self.learning_rate * factors
        rates[:, 1] = self.weight_decay
        return rates
