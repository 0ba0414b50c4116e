"""The trainings of a fit: one that validates, or one for each fold, and those on all rows that may follow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from glassnet.errors import TrainingDiverged
from glassnet.estimators.events import Epochs
from glassnet.estimators.fitting import Fitting
from glassnet.estimators.holdout import Held, choose_folds
from glassnet.estimators.samples import take
from glassnet.estimators.settings import LBFGS
from glassnet.network import Network
from glassnet.training.backend import Rows
from glassnet.training.lbfgs import train_lbfgs
from glassnet.training.loop import train
from glassnet.training.watch import UNDER_WAY, Outcome, PressedAgain

__all__ = ["Cut", "Trained", "train_folds", "train_once"]

T = TypeVar("T")

CUT_SHORT = (*UNDER_WAY, "diverged")  # reasons to stop after which nothing more is trained

# Epochs on all rows for each that was best on a part of them. More rows, and the average of the weights, bear more: on
# the choosing tables of benchmarks/accuracy.py 1.3 lowers log loss and RMSE by 0.9 % against 1, and 1.6 does no more.
LONGER = 1.3


@dataclass(frozen=True)
class Cut:
    """A training after the first that was cut short: which one, what it came to, and whether its network is kept."""

    what: str
    outcome: Outcome
    kept: bool


@dataclass(frozen=True)
class Trained:
    """What the trainings of a fit came to.

    outcome : that of the first training, with the last one's reason to stop where training was cut short.
    networks : whose mean output predicts.   validations : rows held out, and the network that did not see them.
    cut : the training that was cut short, where it was not the first.
    """

    outcome: Outcome
    networks: list[Network]
    validations: list[tuple[Held, Network]]
    cut: Cut | None = None


def train_once(fitting: Fitting, validation: Any, groups: Any, epochs: Epochs | None) -> Trained:
    """Train a network; with `refit`, others anew on all rows, which then predict in its place."""
    begun = time.monotonic()
    training, held = fitting.hold_out(validation, groups)
    fitting.follow(held, epochs)
    if held is not None and fitting.settings["refit"]:
        fitting.progress.about("to find the number of epochs")
    outcome = _train(fitting, training, held)
    network = _trained(fitting, outcome)
    validations = [] if held is None else [(held, network)]
    if held is None or not fitting.settings["refit"] or outcome.reason in CUT_SHORT:
        return Trained(outcome, [network], validations)
    networks, cut = _refit(fitting, outcome.best_epoch, held, begun)
    return Trained(_ended_as(outcome, cut), networks or [network], validations, cut)


def train_folds(fitting: Fitting, validation: Any, epochs: Epochs | None) -> Trained:
    """Train a network for each fold, which validates it; with `refit`, others on all rows join them."""
    begun, outcomes, validations = time.monotonic(), [], []
    folds = choose_folds(fitting.samples, validation, fitting.settings["folds"], fitting.seed, fitting.classes())
    whole, cut = fitting.options, None
    for fold, places in enumerate(folds):
        what = f"fold {fold + 1} of {len(folds)}"
        fitting.progress.about(what)
        fitting.options = replace(whole, time_limit=_time_left(whole.time_limit, begun))
        work = partial(_train_fold, fitting, fold, places, epochs if fold == 0 else None)
        outcome, validated = work() if fold == 0 else _further(work)
        if validated is not None:
            outcomes.append(outcome)
            validations.append(validated)
        if outcome.reason in CUT_SHORT:
            cut = Cut(what, outcome, validated is not None) if fold else None
            break
    networks = [network for _, network in validations]
    if not fitting.settings["refit"] or outcome.reason in CUT_SHORT:
        return Trained(_ended_as(outcomes[0], cut), networks, validations, cut)
    fitting.options = whole
    mean = float(np.mean([one.best_epoch for one in outcomes]))
    more, cut = _refit(fitting, mean, None, begun, beside=len(networks))
    return Trained(_ended_as(outcomes[0], cut), networks + more, validations, cut)


def _train_fold(
    fitting: Fitting, fold: int, places: tuple[np.ndarray, np.ndarray], epochs: Epochs | None
) -> tuple[Outcome, tuple[Held, Network]]:
    """Train on all rows but those of one fold, which validate: the outcome, these rows and the network."""
    training, held_out = places
    held = Held(take(fitting.rows, held_out), fitting.samples.take(held_out), own=False, places=held_out)
    fitting.follow(held, epochs)
    fitting.network = fitting.new_network(fitting.rows.X.shape[1], fold)
    outcome = _train(fitting, take(fitting.rows, training), held)
    return outcome, (held, _trained(fitting, outcome))


def _further(work: Callable[[], tuple[Outcome, T]]) -> tuple[Outcome, T | None]:
    """Do the work of a training after the first; where it ends before it has weights, what came before is not lost.

    There is an outcome then, with the reason, and nothing beside it. A second Ctrl-C interrupts as usual.
    """
    try:
        return work()
    except TrainingDiverged as error:
        return _without_weights(error, np.empty(0)), None
    except PressedAgain:
        raise
    except KeyboardInterrupt:
        return Outcome(np.empty(0), [], 0, "interrupted"), None


def _ended_as(first: Outcome, cut: Cut | None) -> Outcome:
    """The first outcome, but where a later training was cut short, that is why all of it ended."""
    if cut is None:
        return first
    return replace(cut.outcome, params=first.params, history=first.history, best_epoch=first.best_epoch)


def _train(fitting: Fitting, rows: Rows, held: Held | None) -> Outcome:
    """Train; what diverges begins again at a lower rate, as often in all as `retries` says."""
    begun, limit, start = time.monotonic(), fitting.options.time_limit, fitting.network.params.copy()
    while True:
        fitting.options = replace(fitting.options, learning_rate=fitting.settings["learning_rate"])
        try:
            outcome = _try(fitting, rows, held)
            if outcome.reason != "diverged" or not fitting.slow_down():
                return outcome
        except TrainingDiverged as error:
            if not fitting.slow_down():
                raise
            if fitting.checkpoint is not None:  # else a fit that goes on would take the next training for this one
                fitting.checkpoint.end(_without_weights(error, start))
        fitting.network.params = start
        fitting.options = replace(fitting.options, time_limit=_time_left(limit, begun))


def _without_weights(error: TrainingDiverged, params: np.ndarray) -> Outcome:
    """The outcome of a training that diverged before it had weights to use; `params` stand in their place."""
    return Outcome(params, [], 0, "diverged", error.loss, error.step, error.epoch, error.origin)


def _try(fitting: Fitting, rows: Rows, held: Held | None) -> Outcome:
    """Run the loop that the settings ask for, on the engine they ask for, unless a checkpoint has its outcome."""
    backend, held_rows, checkpoint = fitting.backend(rows), None if held is None else held.rows, fitting.checkpoint
    run = train_lbfgs if fitting.settings["optimizer"] == LBFGS else train
    if checkpoint is None:
        return run(backend, fitting.options, held_rows, fitting.progress)
    outcome = checkpoint.begin(rows, held_rows, backend, fitting.options, fitting.settings["engine"])
    if outcome is not None:
        fitting.progress.found()
        return outcome
    outcome = train(backend, fitting.options, held_rows, fitting.progress, keeper=checkpoint)
    checkpoint.end(outcome)
    return outcome


def _trained(fitting: Fitting, outcome: Outcome) -> Network:
    fitting.network.params = outcome.params
    return fitting.network


def _refit(
    fitting: Fitting, best_epoch: float, held: Held | None, begun: float, beside: int = 0
) -> tuple[list[Network], Cut | None]:
    """Train as many networks as `refit` says on all rows, those that validated among them.

    begun : when the time limit began to run. A network that the rest of it cuts short is not kept: fewer rows, but all
    their epochs, make a better one.   beside : networks that predict beside these, each of which begins elsewhere.
    Returns the networks, and the training that was cut short, if one was.
    """
    networks: list[Network] = []
    n_epochs, n_networks, whole = max(round(LONGER * best_epoch), 1), int(fitting.settings["refit"]), fitting.options
    for number in range(beside, beside + n_networks):
        what = f"on all rows, {number - beside + 1} of {n_networks}"
        fitting.progress.about(what)
        fitting.options = replace(whole, stop_after=n_epochs, time_limit=_time_left(whole.time_limit, begun))
        outcome, network = _further(partial(_train_on_all, fitting, held, number))
        if network is None or outcome.reason in CUT_SHORT:
            return networks, Cut(what, outcome, kept=False)
        networks.append(network)
    return networks, None


def _train_on_all(fitting: Fitting, held: Held | None, number: int) -> tuple[Outcome, Network]:
    """Train one network on all rows, those that the user passed to validate among them: the outcome and the network."""
    rows = fitting.rows
    if held is not None and held.own:
        rows = join(rows, held.rows, (fitting.samples.loss_unit, held.samples.loss_unit))
    fitting.network = fitting.new_network(rows.X.shape[1], number)
    plain: dict[str, Any] = {"score": None, "observers": (), "callbacks": ()}
    fitting.options = replace(fitting.options, seed=fitting.seed + number, **plain)  # other orders of the rows
    outcome = _train(fitting, rows, None)
    return outcome, _trained(fitting, outcome)


def _time_left(time_limit: float | None, begun: float) -> float | None:
    return None if time_limit is None else max(time_limit - (time.monotonic() - begun), 1e-3)


def join(rows: Rows, more: Rows, units: tuple[float, float]) -> Rows:
    """All rows of both, each with its own weight: those of each part have mean 1 in its unit, and so have all then."""
    parts, weights = (rows, more), None
    if rows.weights is not None or more.weights is not None:
        mean = np.average(units, weights=[len(part.X) for part in parts])
        weights = np.concatenate(
            [
                (np.ones(len(part.X), part.X.dtype) if part.weights is None else part.weights) * (unit / mean)
                for part, unit in zip(parts, units, strict=True)
            ],
            dtype=rows.X.dtype,
        )
    return Rows(np.concatenate([rows.X, more.X]), np.concatenate([rows.T, more.T]), weights)
