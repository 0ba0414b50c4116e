"""Schedules: the factor on the learning rate as training goes on.

First the formulas, pure functions of a number that says how far training has come; then small objects that count in
the right unit. Step 0 is the first step. `t` is the fraction of the planned steps that lie behind, in [0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from glassnet.errors import OptionError, require_choice, require_number, require_options
from glassnet.maths.elementary import Array, cos, minimum, where

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "schedule_named",
]


# --- the formulas ---------------------------------------------------------------------------------------------------


def step_decay(epoch: Array, every: float, gamma: float) -> Array:
    """gamma^⌊epoch / every⌋: multiplied by gamma after each `every` epochs."""
    return gamma ** np.floor(epoch / every)


def cosine(t: Array, final: float = 0.0) -> Array:
    """From 1 at t = 0 down to `final` at t = 1 along half a cosine. Source: Loshchilov and Hutter (2017)."""
    return final + (1.0 - final) * 0.5 * (1.0 + cos(math.pi * t))


def one_cycle(t: Array, peak: float, start: float, final: float) -> Array:
    """Up from `start` to 1 at t = `peak`, then down to `final` at t = 1, each along half a cosine.

    Source: Smith and Topin, "Super-Convergence" (2018).
    """
    up = cosine(1.0 - t / peak, start)
    down = cosine((t - peak) / (1.0 - peak), final)
    return where(t < peak, up, down)


def warm_up(step: Array, steps: float) -> Array:
    """min(1, (step + 1) / steps): growing in a line over the first `steps` steps."""
    return minimum(1.0, (step + 1.0) / steps)


def plateau(losses: Sequence[float], factor: float, patience: int, tolerance: float, floor: float) -> float:
    """factor^r, at least `floor`, where r counts the reductions that the epochs' losses so far call for.

    A reduction is due when more than `patience` epochs in a row have not brought a loss below (1 - tolerance) · best;
    the count then starts anew. A pure function of the losses, so that a resumed run finds the same factor.
    """
    best, bad, reductions = math.inf, 0, 0
    for loss in losses:
        if loss < best - tolerance * abs(best) or not math.isfinite(best):
            best, bad = loss, 0
        else:
            bad += 1
        if bad > patience:
            reductions, bad = reductions + 1, 0
    return max(factor**reductions, floor)


# --- the objects ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Schedule:
    """Interface: `factors(steps, steps_per_epoch, total_steps)` gives the factor for each step number in `steps`."""

    name: ClassVar[str]

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """Factors on the learning rate, one for each step number."""
        raise NotImplementedError

    @property
    def planned(self) -> bool:
        """Whether a factor depends on how many steps are planned in all."""
        return False

    def describe(self) -> dict[str, Any]:
        """Name and options as plain data; `schedule_named(**description)` makes it again."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    name: ClassVar[str] = "constant"

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """1 for each step."""
        return np.ones(len(steps))


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiply the rate by `gamma` after every `epochs` epochs."""

    epochs: float = 30
    gamma: float = 0.1
    name: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        require_number("epochs", self.epochs, "must be positive", lambda n: n > 0)
        require_number("gamma", self.gamma, "must lie above 0 and be at most 1", lambda g: 0 < g <= 1)

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """See `step_decay`."""
        return step_decay(steps // steps_per_epoch, self.epochs, self.gamma)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Down to `final` (a fraction of the rate) along half a cosine over all planned epochs."""

    final: float = 0.0
    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        require_number("final", self.final, "must lie between 0 and 1", lambda f: 0 <= f <= 1)

    @property
    def planned(self) -> bool:
        """True: it ends with the last planned step."""
        return True

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """See `cosine`."""
        return cosine(np.minimum(steps / total_steps, 1.0), self.final)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from `start` to the full rate at the fraction `peak` of the planned epochs, then down to `final`."""

    peak: float = 0.3
    start: float = 0.04
    final: float = 1e-4
    name: ClassVar[str] = "one_cycle"

    def __post_init__(self) -> None:
        require_number("peak", self.peak, "must lie strictly between 0 and 1", lambda t: 0 < t < 1)
        require_number("start", self.start, "must lie between 0 and 1", lambda f: 0 <= f <= 1)
        require_number("final", self.final, "must lie between 0 and 1", lambda f: 0 <= f <= 1)

    @property
    def planned(self) -> bool:
        """True: it ends with the last planned step."""
        return True

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """See `one_cycle`."""
        return one_cycle(np.minimum(steps / total_steps, 1.0), self.peak, self.start, self.final)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Grow in a line over the first `epochs` epochs, times another schedule (`then`)."""

    epochs: float = 5
    then: str | Schedule = "constant"
    name: ClassVar[str] = "warm_up"

    def __post_init__(self) -> None:
        require_number("epochs", self.epochs, "must be positive", lambda n: n > 0)
        object.__setattr__(self, "then", schedule_named(self.then))
        if isinstance(self.then, (ReduceOnPlateau, WarmUp)):
            raise OptionError("must not look at losses or warm up itself", argument="then", value=self.then)

    @property
    def planned(self) -> bool:
        """As the schedule that follows."""
        assert isinstance(self.then, Schedule)
        return self.then.planned

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """See `warm_up`."""
        assert isinstance(self.then, Schedule)
        grown = warm_up(steps, self.epochs * steps_per_epoch)
        return grown * self.then.factors(steps, steps_per_epoch, total_steps)

    def describe(self) -> dict[str, Any]:
        """Name, epochs and the description of the schedule that follows."""
        assert isinstance(self.then, Schedule)
        return {"name": self.name, "epochs": self.epochs, "then": self.then.describe()}


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Multiply the rate by `factor` when the loss has not improved for more than `patience` epochs.

    The loss is the validation loss where there is one, else the training loss; an improvement is larger than the
    fraction `tolerance`. The one schedule that looks at losses: the loop asks `factor_after` once an epoch.
    """

    factor: float = 0.1
    patience: int = 10
    tolerance: float = 1e-4
    floor: float = 0.0
    name: ClassVar[str] = "plateau"

    def __post_init__(self) -> None:
        require_number("factor", self.factor, "must lie strictly between 0 and 1", lambda f: 0 < f < 1)
        require_number("patience", self.patience, "must be a whole number of at least 0", lambda n: n >= 0, whole=True)
        require_number("tolerance", self.tolerance, "must be at least 0 and below 1", lambda f: 0 <= f < 1)
        require_number("floor", self.floor, "must lie between 0 and 1", lambda f: 0 <= f <= 1)

    def factor_after(self, losses: Sequence[float]) -> float:
        """See `plateau`."""
        return plateau(losses, self.factor, self.patience, self.tolerance, self.floor)

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """1 for each step: the losses alone decide, see `factor_after`."""
        return np.ones(len(steps))


@dataclass(frozen=True)
class Custom(Schedule):
    """A function of your own, from the number of a step to a factor."""

    function: Callable[[int], float]
    name: ClassVar[str] = "custom"

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        """The function of each step number."""
        factors = [self.function(int(step)) for step in steps]
        for factor in factors:
            require_number("schedule", factor, "must return factors of at least 0", lambda f: f >= 0)
        return np.array(factors, dtype=float)

    def describe(self) -> dict[str, Any]:
        """Only that it is custom: a function is not data."""
        return {"name": self.name}


SCHEDULES: dict[str, type[Schedule]] = {
    kind.name: kind for kind in (Constant, StepDecay, Cosine, OneCycle, WarmUp, ReduceOnPlateau)
}


def schedule_named(name: str | Schedule | dict | Callable[[int], float], **options: Any) -> Schedule:
    """Return the schedule for a name and its options, a function step -> factor, or a Schedule itself.

    Raises OptionError, naming the schedules there are, or the option that it does not take.
    """
    if isinstance(name, Schedule):
        return name
    if isinstance(name, dict) and "name" in name:
        return schedule_named(**name)
    if callable(name):
        return Custom(name)
    require_choice("schedule", name, SCHEDULES)
    maker = SCHEDULES[str(name)]
    require_options("schedule", str(name), maker, options)
    return maker(**options)
