"""The trainings of a fit: one that validates, or one for each fold, and those on all rows that may follow."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

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
from glassnet.training.watch import Outcome

__all__ = ["Trained", "train_folds", "train_once"]

CUT_SHORT = ("interrupted", "time limit", "diverged")  # reasons to stop after which nothing more is trained

# Epochs on all rows for each that was best on a part of them. More rows, and the average of the weights, bear more: on
# the choosing tables of benchmarks/accuracy.py 1.3 lowers log loss and RMSE by 0.9 % against 1, and 1.6 does no more.
LONGER = 1.3


@dataclass(frozen=True)
class Trained:
    """What the trainings of a fit came to.

    outcome : that of the first training, with the last one's reason to stop where training was cut short.
    networks : whose mean output predicts.   validations : rows held out, and the network that did not see them.
    """

    outcome: Outcome
    networks: list[Network]
    validations: list[tuple[Held, Network]]


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
    again, networks = _refit(fitting, outcome.best_epoch, held, begun)
    return Trained(_ended_as(outcome, again), networks or [network], validations)


def train_folds(fitting: Fitting, validation: Any, epochs: Epochs | None) -> Trained:
    """Train a network for each fold, which validates it; with `refit`, others on all rows join them."""
    begun, outcomes, validations = time.monotonic(), [], []
    folds = choose_folds(fitting.samples, validation, fitting.settings["folds"], fitting.seed, fitting.classes())
    whole = fitting.options
    for fold, (training, held_out) in enumerate(folds):
        held = Held(take(fitting.rows, held_out), fitting.samples.take(held_out), own=False, places=held_out)
        fitting.options = replace(whole, time_limit=_time_left(whole.time_limit, begun))
        fitting.follow(held, epochs if fold == 0 else None)
        fitting.network = fitting.new_network(fitting.rows.X.shape[1], fold)
        fitting.progress.about(f"fold {fold + 1} of {len(folds)}")
        outcomes.append(_train(fitting, take(fitting.rows, training), held, others=fold > 0))
        if outcomes[-1].best_epoch:
            validations.append((held, _trained(fitting, outcomes[-1])))
        if outcomes[-1].reason in CUT_SHORT:
            break
    networks, outcome = [network for _, network in validations], _ended_as(outcomes[0], outcomes[-1])
    if not fitting.settings["refit"] or outcome.reason in CUT_SHORT:
        return Trained(outcome, networks, validations)
    fitting.options = whole
    mean = float(np.mean([one.best_epoch for one in outcomes]))
    again, more = _refit(fitting, mean, None, begun, beside=len(networks))
    return Trained(_ended_as(outcome, again), networks + more, validations)


def _ended_as(first: Outcome, last: Outcome) -> Outcome:
    """The first outcome, but where the last training was cut short, that is why all of it ended."""
    if last.reason not in CUT_SHORT:
        return first
    return replace(last, params=first.params, history=first.history, best_epoch=first.best_epoch)


def _train(fitting: Fitting, rows: Rows, held: Held | None, others: bool = False) -> Outcome:
    """Run the loop that the settings ask for, on the engine they ask for.

    A training that diverges begins again at a lower rate, as often in all as `retries` says.
    others : whether networks were trained before this one, which are left where it comes to nothing: its outcome then
        has best_epoch 0. Without them it raises TrainingDiverged.
    """
    run = train_lbfgs if fitting.settings["optimizer"] == LBFGS else train
    begun, limit, start = time.monotonic(), fitting.options.time_limit, fitting.network.params.copy()
    while True:
        fitting.options = replace(fitting.options, learning_rate=fitting.settings["learning_rate"])
        try:
            outcome = run(fitting.backend(rows), fitting.options, None if held is None else held.rows, fitting.progress)
        except TrainingDiverged as error:
            if not fitting.slow_down():
                if not others:
                    raise
                return Outcome(start, [], 0, "diverged", error.loss, error.step, error.epoch, error.origin)
        else:
            if outcome.reason != "diverged" or not fitting.slow_down():
                return outcome
        fitting.network.params = start
        fitting.options = replace(fitting.options, time_limit=_time_left(limit, begun))


def _trained(fitting: Fitting, outcome: Outcome) -> Network:
    fitting.network.params = outcome.params
    return fitting.network


def _refit(
    fitting: Fitting, best_epoch: float, held: Held | None, begun: float, beside: int = 0
) -> tuple[Outcome, list[Network]]:
    """Train as many networks as `refit` says on all rows, those that validated among them.

    begun : when the time limit began to run. A network that the rest of it cuts short is not kept: fewer rows, but all
    their epochs, make a better one.   beside : networks that predict beside these, each of which begins elsewhere.
    Returns the last outcome, and the networks.
    """
    rows, networks, time_limit = fitting.rows, [], fitting.options.time_limit
    if held is not None and held.own:
        rows = join(rows, held.rows, (fitting.samples.loss_unit, held.samples.loss_unit))
    plain: dict[str, Any] = {"score": None, "observers": (), "callbacks": ()}
    n_epochs, n_networks = max(round(LONGER * best_epoch), 1), int(fitting.settings["refit"])
    for number in range(beside, beside + n_networks):
        fitting.progress.about(f"on all rows, {number - beside + 1} of {n_networks}")
        fitting.network = fitting.new_network(rows.X.shape[1], number)
        left = _time_left(time_limit, begun)
        seed = fitting.seed + number  # other orders of the rows
        fitting.options = replace(fitting.options, stop_after=n_epochs, time_limit=left, seed=seed, **plain)
        outcome = _train(fitting, rows, None, others=True)
        if outcome.reason in CUT_SHORT:
            break
        networks.append(_trained(fitting, outcome))
    return outcome, networks


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
