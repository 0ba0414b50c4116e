"""What the constructor's arguments become: "auto" decided, names looked up, everything checked, before work begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import OptionError, require_choice, require_number
from glassnet.estimators.class_weights import check_class_weight
from glassnet.estimators.embedding import embedding_settings
from glassnet.estimators.presets import PRESETS, preset_for
from glassnet.estimators.scoring import LOSS, check_scoring_name
from glassnet.estimators.targets import label_from
from glassnet.maths.activations import Activation as ActivationFunction
from glassnet.maths.activations import activation_named
from glassnet.maths.layers import Activation, Dense, Dropout, Layer, LayerNorm
from glassnet.maths.losses import Loss, loss_named
from glassnet.maths.members import MOST_MEMBERS, EnsembleDense
from glassnet.maths.optimisers import OPTIMISERS, Adam, Optimiser, optimiser_named
from glassnet.maths.schedules import Schedule, schedule_named
from glassnet.tables.encoder import SCALINGS
from glassnet.training.choice import ENGINES
from glassnet.training.options import TrainingOptions, every

__all__ = [
    "build_layers",
    "build_optimiser",
    "build_options",
    "checked_jobs",
    "keep_settings",
    "option_from",
    "plain_option",
    "require_resumable",
    "resolve_settings",
]

SMALLEST_VALIDATION = 10  # rows: a validation set of fewer says nothing, so very small tables train without one
LBFGS = "lbfgs"
# The network, its loss and the encoding belong together: going on from old weights, none of them can be another.
KEPT_BY_WARM_START = (
    *("hidden_layer_sizes", "activation", "normalisation", "embedding", "members", "loss", "quantiles"),
    *("columns", "input_scaling", "target_scaling", "dtype"),
)


def resolve_settings(
    arguments: dict[str, Any],
    n_rows: int,
    validation_given: bool = False,
    *,
    n_columns: int = 1,
    regression: bool = False,
) -> dict[str, Any]:
    """The constructor's arguments with each "auto" replaced by what it means for `n_rows` training rows.

    `engine` alone may stay "auto": which one it is follows from the network, see `training.choice`.
    The result can be passed to the constructor again. Raises OptionError for values that cannot be, before any work.
    """
    settings = {name: _without_numpy(value) for name, value in arguments.items()}
    require_choice("preset", settings["preset"], PRESETS)
    lbfgs = settings["optimizer"] == LBFGS
    if lbfgs:
        _check_lbfgs(settings)
    preset, free_folds = _preset(settings, n_rows, n_columns, regression), _is_auto(settings["folds"])
    for name, value in preset.items():
        if _is_auto(settings[name]):
            settings[name] = value
    settings["hidden_layer_sizes"] = _widths(settings["hidden_layer_sizes"])
    settings["embedding"] = embedding_settings(settings["embedding"])
    if _is_auto(settings["learning_rate"]):
        linear = not settings["hidden_layer_sizes"]
        settings["learning_rate"] = None if lbfgs else _default_rate(settings["optimizer"], linear)
    if _is_auto(settings["weight_decay"]):
        settings["weight_decay"] = 0.0 if lbfgs else _optimiser(settings["optimizer"]).weight_decay
    if _is_auto(settings["scoring"]):
        settings["scoring"] = LOSS
    if _is_auto(settings["early_stopping"]):
        settings["early_stopping"] = validation_given or _can_spare(settings, n_rows, free_folds and not regression)
    if free_folds and (validation_given or not settings["early_stopping"] or settings["warm_start"]):
        settings["folds"] = 1  # the rows that validate are named, or there are none, or have been trained on
    settings["dtype"] = _type_name(settings["dtype"])
    _check_choices(settings)
    _check_numbers(settings)
    _check_checkpoint(settings)
    return settings


def _can_spare(settings: dict[str, Any], n_rows: int, by_folds: bool) -> bool:
    """Whether rows can be kept from training.

    by_folds : each validates once, so that two a fold are enough to tell when a network begins to learn them by heart.
    """
    return n_rows * _fraction(settings) >= SMALLEST_VALIDATION or (by_folds and n_rows >= 2 * settings["folds"] > 2)


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def _preset(settings: dict[str, Any], n_rows: int, n_columns: int, regression: bool) -> dict[str, Any]:
    """The preset's arguments; its rates are for its optimiser, and a linear model or L-BFGS is one plain network."""
    optimizer, sizes = settings["optimizer"], settings["hidden_layer_sizes"]
    plain = optimizer == LBFGS or (isinstance(sizes, (tuple, list)) and not len(sizes))
    preset = preset_for("plain" if plain else settings["preset"], n_rows, regression, n_columns)
    if optimizer == LBFGS:
        return preset | {"batch_size": "full", "max_epochs": 500, "schedule": "constant"}
    if not _is_auto(optimizer) and optimizer != preset["optimizer"]:
        return {name: value for name, value in preset.items() if name not in ("learning_rate", "weight_decay")}
    return preset


def _without_numpy(value: Any) -> Any:
    """NumPy's numbers as Python's, and arrays of them as tuples; anything else as it is."""
    if isinstance(value, np.ndarray) and value.ndim:
        return tuple(value.tolist())
    return value.item() if isinstance(value, np.generic | np.ndarray) else value


def _optimiser(name: str | Optimiser) -> Optimiser:
    if not isinstance(name, Optimiser):
        require_choice("optimizer", name, ["auto", LBFGS, *OPTIMISERS])
    return optimiser_named(name)


def _default_rate(optimizer: str | Optimiser, linear: bool) -> float:
    """Adam's rate suits scaled inputs and a schedule that ends at 0; a linear model, which is convex, bears more."""
    optimiser = _optimiser(optimizer)
    if not isinstance(optimiser, Adam):
        return optimiser.learning_rate
    return 0.03 if linear else 0.003


def _fraction(settings: dict[str, Any]) -> float:
    fraction = settings["validation_fraction"]
    require_number("validation_fraction", fraction, "must lie strictly between 0 and 1", lambda f: 0 < f < 1)
    return fraction


def _type_name(dtype: Any) -> Any:
    """The name of a NumPy type, or what was passed if it is none."""
    try:
        return dtype if dtype is None else np.dtype(dtype).name  # to NumPy None is float64
    except TypeError:
        return dtype


def _widths(sizes: Any) -> tuple[int, ...]:
    sizes = (sizes,) if isinstance(sizes, (int, np.integer)) else sizes
    try:
        widths = tuple(int(size) for size in sizes)
    except (TypeError, ValueError):
        widths = (0,)
    if any(width < 1 for width in widths) or any(isinstance(size, (bool, float)) for size in sizes):
        raise OptionError(
            "must be widths of hidden layers, whole numbers of at least 1",
            argument="hidden_layer_sizes",
            value=sizes,
            remedy="For example (64, 32), or () for a linear model.",
        )
    return widths


def _check_lbfgs(settings: dict[str, Any]) -> None:
    """L-BFGS needs the same loss at every step, all rows, and finds its step lengths itself."""
    free = {
        "dropout": ("auto", 0.0, 0),
        "averaging": ("auto", 0.0, 0),
        "batch_size": ("auto", "full"),
        "schedule": ("auto", "constant"),
        "clip_norm": (None,),
        "learning_rate": ("auto", None),
        "weight_decay": ("auto", 0.0, 0),
        "retries": (0,),
    }
    for argument, values in free.items():
        if not any(settings[argument] is value or settings[argument] == value for value in values):
            raise OptionError(
                f"must be left at {values[0]!r} with optimizer='lbfgs'",
                argument=argument,
                value=settings[argument],
                remedy="L-BFGS takes all rows at each step and sets its own step length; l1 and l2 work with it.",
            )


def _check_choices(settings: dict[str, Any]) -> None:
    """Plain choices."""
    require_choice("normalisation", settings["normalisation"], ["none", "layer"])
    require_choice("input_scaling", settings["input_scaling"], SCALINGS)
    require_choice("target_scaling", settings["target_scaling"], ["auto", "standard", "minmax", "robust", "none"])
    require_choice("engine", settings["engine"], ENGINES)
    require_choice("calibration", settings["calibration"], ["none", "temperature"])
    check_class_weight(settings["class_weight"])
    check_scoring_name(settings["scoring"])
    for name, types in (("warm_start", bool), ("verbose", bool | int)):
        if not isinstance(settings[name], types):
            raise OptionError("must be True or False", argument=name, value=settings[name])
    if not isinstance(settings["callbacks"], (list, tuple)):
        raise OptionError(
            "must be a list of functions of an epoch's row", argument="callbacks", value=settings["callbacks"]
        )


def _check_numbers(settings: dict[str, Any]) -> None:
    """Ranges of the plain numbers; what needs an object made is checked where it is made."""
    for name in ("max_epochs", "patience"):
        require_number(name, settings[name], "must be a whole number of at least 1", lambda n: n >= 1, whole=True)
        settings[name] = int(settings[name])
    for name in ("l1", "l2", "weight_decay"):
        require_number(name, settings[name], "must be at least 0", lambda v: v >= 0)
    rule = f"must be a whole number from 1 to {MOST_MEMBERS}"
    require_number("members", settings["members"], rule, lambda n: 1 <= n <= MOST_MEMBERS, whole=True)
    if not isinstance(settings["refit"], bool):
        rule = "must be True, False or a whole number of at least 0"
        require_number("refit", settings["refit"], rule, lambda n: n >= 0, whole=True)
    require_number("folds", settings["folds"], "must be a whole number of at least 1", lambda n: n >= 1, whole=True)
    require_number("averaging", settings["averaging"], "must be at least 0 and below 1", lambda a: 0 <= a < 1)
    require_number("retries", settings["retries"], "must be a whole number of at least 0", lambda n: n >= 0, whole=True)
    for name in ("members", "folds", "retries"):
        settings[name] = int(settings[name])  # 3.0 is a whole number as well, and counts nothing
    for name in ("clip_norm", "time_limit"):
        if settings[name] is not None:
            require_number(name, settings[name], "must be positive", lambda v: v > 0)
    if settings["optimizer"] != LBFGS:
        require_number("learning_rate", settings["learning_rate"], "must be positive", lambda v: v > 0)
    if settings["batch_size"] != "full":
        rule = 'must be "auto", "full" or a whole number of at least 1'
        require_number("batch_size", settings["batch_size"], rule, lambda n: n >= 1, whole=True)
    settings["n_jobs"] = checked_jobs(settings["n_jobs"])
    require_choice("dtype", settings["dtype"], ["float32", "float64"])
    if not isinstance(settings["early_stopping"], bool):
        raise OptionError('must be "auto", True or False', argument="early_stopping", value=settings["early_stopping"])


def _check_checkpoint(settings: dict[str, Any]) -> None:
    """A path, where there is one, and how often."""
    path = settings["checkpoint"]
    if path is not None and not isinstance(path, str | os.PathLike):
        raise OptionError("must be the path of a file, or None", argument="checkpoint", value=path)
    rule = "must be a number of seconds, at least 0"
    require_number("checkpoint_every", settings["checkpoint_every"], rule, lambda seconds: seconds >= 0)
    if path is not None:
        require_resumable(settings, "checkpoint")


def require_resumable(settings: dict[str, Any], argument: str) -> None:
    """Raise OptionError, naming `argument` ("checkpoint", "resume"), where training cannot go on to the same bits."""
    if settings["optimizer"] == LBFGS:
        raise OptionError(
            "cannot be had with optimizer='lbfgs'",
            argument=argument,
            remedy="SciPy keeps what it knows of the curvature to itself, and would begin anew. Use another optimizer.",
        )
    if settings["warm_start"]:
        raise OptionError(
            "cannot be had with warm_start=True",
            argument=argument,
            remedy="Go on from a checkpoint, or from the last fit: the weights can come from one of them only.",
        )


def checked_jobs(n_jobs: Any) -> int | None:
    """The number of threads as it was passed. Raises OptionError unless it is None, -1 or at least 1."""
    if n_jobs is None:
        return None
    rule = "must be None, -1 for all processors, or a whole number of at least 1"
    require_number("n_jobs", n_jobs, rule, lambda n: n >= 1 or n == -1, whole=True)
    return int(n_jobs)


def keep_settings(settings: dict[str, Any], last: dict[str, Any], cause: str = "warm_start=True") -> None:
    """What a warm start cannot change is taken from the last fit. Raises OptionError where it was asked to change.

    cause : what makes training go on from the last weights, for the error.
    """
    for name in KEPT_BY_WARM_START:
        value = _type_name(settings[name]) if name == "dtype" else _without_numpy(settings[name])
        if name == "hidden_layer_sizes" and value != "auto":
            value = _widths(value)
        if name == "embedding" and value != "auto":
            value = embedding_settings(value)
        if not (isinstance(value, str) and value == "auto") and plain_option(value) != plain_option(last[name]):
            raise OptionError(f"must stay {last[name]!r}, as in the last fit, for {cause}", argument=name, value=value)
        settings[name] = last[name]
    if settings["engine"] == "auto":  # either engine can go on from the other's weights, but not with the same digits
        settings["engine"] = last["engine"]
    if settings["random_state"] is None:  # the same split, or rows trained on before would validate now
        settings["random_state"] = last["random_state"]


def _per_layer(name: str, value: Any, n_layers: int) -> list[Any]:
    """One value for each hidden layer, from one value or a sequence of them; a pair of functions is one value."""
    if not isinstance(value, (list, tuple)) or (len(value) == 2 and all(callable(part) for part in value)):
        return [value] * n_layers
    if len(value) != n_layers:
        raise OptionError(f"must hold one value for each of {n_layers} hidden layers", argument=name, value=value)
    return list(value)


def build_layers(settings: dict[str, Any], n_outputs: int) -> list[Layer]:
    """The hidden layers the settings ask for, and the output layer with its raw scores."""
    widths = settings["hidden_layer_sizes"]
    activations = _per_layer("activation", settings["activation"], len(widths))
    rates = _per_layer("dropout", settings["dropout"], len(widths))
    initializer = settings["initializer"]
    if not widths:  # then nothing below would look at these two
        activation_named(settings["activation"])
        Dropout(settings["dropout"])
    layers: list[Layer] = []
    for units, activation, rate in zip(widths, activations, rates, strict=True):
        rule = activation_named(activation).initializer if initializer == "auto" else initializer
        if settings["normalisation"] == "layer":
            layers += [_dense(settings, units, "identity", rule, not layers), LayerNorm(), Activation(activation)]
        else:
            layers.append(_dense(settings, units, activation, rule, not layers))
        dropout = Dropout(rate)
        if dropout.rate > 0:
            layers.append(dropout)
    if settings["members"] > 1:
        return [*layers, EnsembleDense(n_outputs, initializer=initializer, members=settings["members"], shared=False)]
    return [*layers, Dense(n_outputs, "identity", initializer)]


def _dense(settings: dict[str, Any], units: int, activation: Any, rule: Any, first: bool) -> Layer:
    """A hidden layer; of an ensemble, with scales for each member, by which members differ from the first layer on."""
    if settings["members"] == 1:
        return Dense(units, activation, rule)
    start = "normal" if first else "ones"
    return EnsembleDense(units, activation, rule, members=settings["members"], start=start)


def build_optimiser(settings: dict[str, Any]) -> Optimiser:
    """The optimiser the settings name. L-BFGS has no step of its own here; its place is taken by plain descent."""
    return optimiser_named("gradient_descent" if settings["optimizer"] == LBFGS else settings["optimizer"])


def build_options(
    settings: dict[str, Any], seed: int, metrics: dict[str, Any], callbacks: Sequence[Any]
) -> TrainingOptions:
    """The loop's options."""
    schedule: Schedule = schedule_named(settings["schedule"])
    return TrainingOptions(
        max_epochs=settings["max_epochs"],
        learning_rate=settings["learning_rate"],
        weight_decay=float(settings["weight_decay"]),
        schedule=schedule,
        patience=settings["patience"] if settings["early_stopping"] else None,
        validation_every=every(settings["validation_every"]),
        time_limit=settings["time_limit"],
        seed=seed,
        callbacks=tuple(callbacks),
        metrics=metrics,
    )


def plain_option(value: Any) -> Any:
    """An option as plain data. A function of the user's own, which training no longer needs, becomes "auto"."""
    if isinstance(value, (list, tuple)):
        return [plain_option(part) for part in value]
    if isinstance(value, ActivationFunction):
        return value.name
    if isinstance(value, (Optimiser, Schedule, Loss)):
        return value.describe()
    return "auto" if callable(value) else value


def option_from(name: str, value: Any) -> Any:
    """The option again from its plain data."""
    makers: dict[str, Any] = {"optimizer": optimiser_named, "schedule": schedule_named, "loss": loss_named}
    if name == "class_weight" and isinstance(value, dict):
        return {label_from(label): weight for label, weight in value["classes"]}
    if isinstance(value, dict) and name in makers:
        return makers[name](**value)
    return tuple(value) if name in ("hidden_layer_sizes", "quantiles") and isinstance(value, list) else value
