"""`partial_fit`: one pass over some rows at a time, for data that arrive in parts or do not fit in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from glassnet.errors import DataError, OptionError, TrainingDiverged
from glassnet.estimators.fitting import Fitting
from glassnet.estimators.samples import Samples
from glassnet.estimators.settings import LBFGS, keep_settings, plain_option, resolve_settings
from glassnet.estimators.targets import ClassTargets, MultilabelTargets, given_classes
from glassnet.estimators.trainings import Trained
from glassnet.tables.frames import target_of
from glassnet.training.backend import State
from glassnet.training.loop import train

__all__ = ["class_targets_for", "partial_fit"]


def partial_fit(estimator: Any, samples: Samples, targets: Any = None) -> None:
    """Train one epoch on the samples, going on from the weights and the optimiser's moments of the last call.

    targets : fitted ones, for the first call; None learns them from the samples.
    A call with another optimiser than the last begins with new moments.
    The first call, where no fit came before it, also learns the encoding of the table. The row order and the dropout
    masks of the k-th call are those of a fit's k-th epoch.
    """
    again = hasattr(estimator, "networks_")
    settings = _settings(estimator, samples.n_rows, again)
    fitting = Fitting(estimator, samples, settings, again=again, targets=targets)
    fitting.options = replace(fitting.options, stop_after=1)
    backend = fitting.backend(fitting.rows)
    steps = estimator.__dict__.get("_steps")
    if again and plain_option(settings["optimizer"]) != plain_option(estimator.settings_["optimizer"]):
        steps = None  # another optimiser keeps other moments
    state = backend.start() if steps is None else {name: part.copy() for name, part in steps.items()}
    history = estimator.history_ if again else []
    outcome = train(backend, fitting.options, None, fitting.progress, state=state, epoch=len(history))
    _require_finite_moments(state)
    fitting.network.params = outcome.params
    outcome = replace(outcome, history=history + outcome.history)
    estimator._keep(fitting, Trained(outcome, [fitting.network], []))
    estimator._steps = state
    estimator._warn(outcome)


def _require_finite_moments(state: State) -> None:
    """Raise TrainingDiverged where the optimiser's moments overflowed, as squares do long before the weights.

    The weights of this call would do, but every later one would go on from these moments and diverge.
    """
    for name, part in state.items():
        if not np.isfinite(part).all():
            raise TrainingDiverged(
                f"training diverged: the optimiser's moment {name!r} became {part[~np.isfinite(part)][0]}",
                remedy="Try clip_norm=1, or scaled inputs and targets. The estimator is as it was before this call.",
            )


def _settings(estimator: Any, n_rows: int, again: bool) -> dict[str, Any]:
    """The settings of one pass: a constant rate unless another schedule is asked for, and no rows held out."""
    arguments = estimator.get_params(deep=False)
    if again:
        keep_settings(arguments, estimator.settings_, cause="partial_fit")
        if isinstance(arguments["batch_size"], str) and arguments["batch_size"] == "auto":
            arguments["batch_size"] = estimator.settings_["batch_size"]
    refused = {
        "optimizer": (LBFGS, "It needs all rows at each step."),
        "class_weight": ("balanced", 'Pass a dict of weights: no call sees all rows that "balanced" would count.'),
        "calibration": ("temperature", "Set it afterwards, and call calibrate(X, y) with rows of your own."),
    }
    if arguments["checkpoint"] is not None:
        remedy = "Each call is an epoch of its own: pickle the estimator between two of them."
        raise OptionError("cannot be had with partial_fit", argument="checkpoint", remedy=remedy)
    for argument, (value, remedy) in refused.items():
        if isinstance(arguments[argument], str) and arguments[argument] == value:
            raise OptionError("cannot be had with partial_fit", argument=argument, value=value, remedy=remedy)
    if isinstance(arguments["schedule"], str) and arguments["schedule"] == "auto":
        arguments["schedule"] = "constant"
    arguments["early_stopping"], arguments["refit"], arguments["scoring"] = False, False, "loss"
    arguments["folds"] = 1
    if arguments["preset"] == "default":
        arguments["preset"] = "plain"  # no call sees enough rows to find bins, or the epoch at which to stop
    return resolve_settings(arguments, n_rows, regression=not hasattr(estimator, "predict_proba"))


def class_targets_for(estimator: Any, y: Any, classes: Any) -> ClassTargets | MultilabelTargets | None:
    """The targets of a classifier's first call, from `classes`; None where they are known already.

    Raises DataError where the first call has no `classes`, or a later one has others.
    """
    if hasattr(estimator, "_targets"):
        targets = estimator._targets
        if targets.kind == "multilabel":
            _require_labels(classes, targets.n_labels)
        elif classes is not None and not np.array_equal(np.unique(target_of(classes, "classes")), targets.classes):
            raise DataError(
                "must be the classes of the first call, or None",
                argument="classes",
                value=target_of(classes, "classes").tolist(),
            )
        return None
    y = target_of(y)
    if y.ndim == 2 and y.shape[1] > 1:
        _require_labels(classes, y.shape[1])
        return MultilabelTargets(y.shape[1])
    if classes is None:
        raise DataError(
            "must be passed on the first call to partial_fit: the rows of one call may not have them all",
            argument="classes",
            value=None,
        )
    return given_classes(classes)


def _require_labels(classes: Any, n_labels: int) -> None:
    """Raise DataError unless `classes`, where it is given, names as many labels as y has columns."""
    named = None if classes is None else np.asarray(classes).shape
    if named is not None and named != (n_labels,):
        value = named[0] if len(named) == 1 else classes
        raise DataError(f"must name a label for each of {n_labels} columns of y", argument="classes", value=value)
