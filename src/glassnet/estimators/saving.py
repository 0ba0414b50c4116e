"""A fitted estimator as plain data: what a model file holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import glassnet
from glassnet.errors import ModelFileError, OptionError
from glassnet.estimators.settings import plain_option
from glassnet.estimators.targets import plain_label
from glassnet.files.atomic import write_bytes
from glassnet.files.model_format import bytes_of_model
from glassnet.files.place import require_place
from glassnet.maths.losses import Loss
from glassnet.maths.optimisers import Optimiser
from glassnet.maths.schedules import Schedule
from glassnet.network import Network

__all__ = ["CONFORMAL", "ENCODER", "PARAMETERS", "name_of_params", "own_functions", "save"]

PARAMETERS = "network.params"  # name of an array
ENCODER, CONFORMAL = "encoder.", "conformal."  # beginnings of the names of others


def save(estimator: Any, path: str | Path) -> None:
    """Write a fitted estimator to `path`; see `GlassNetEstimator.save`."""
    require_place(path, "path")
    _require_plain(estimator)
    network = estimator.network_
    encoder, arrays = estimator.encoder_.to_data()
    header = {
        "written_by": glassnet.__version__,
        "estimator": type(estimator).__name__,
        "arguments": arguments_of(estimator),
        "settings": {name: plain_setting(name, value) for name, value in estimator.settings_.items()},
        "network": network.describe(),
        "targets": estimator._targets.data(),
        "encoder": encoder,
        "history": [without_clock(row) for row in estimator.history_],
        "best_epoch": estimator.best_epoch_,
        "stop_reason": estimator.stop_reason_,
    }
    if hasattr(estimator, "target_name_"):
        header["target"] = estimator.target_name_
    if estimator._temperature != 1.0:
        header["temperature"] = estimator._temperature
    networks = all_networks(estimator)
    header["predicting"] = len(estimator.networks_)
    parts = {name_of_params(i): network.params for i, network in enumerate(networks)}
    parts |= {**{ENCODER + name: a for name, a in arrays.items()}}
    if estimator._conformal is not None:
        header["conformal"] = estimator._conformal.kind
        header["vouching"] = [networks.index(network) for network in estimator._vouching]
        parts |= {CONFORMAL + name: a for name, a in estimator._conformal.arrays().items()}
    content = bytes_of_model(header, parts)
    _require_readable(content, path)
    write_bytes(path, content)


def _require_readable(content: bytes, path: str | os.PathLike[str]) -> None:
    """Raise ModelFileError for what `load` would refuse, such as weights that are not finite: the model is still there
    now, and so is the file that it would have replaced."""
    from glassnet.estimators.loading import load_from_bytes  # here, since it takes names from this module

    try:
        load_from_bytes(content)
    except ModelFileError as error:
        rule = error.rule.removeprefix("is damaged: ")
        remedy = "It could not be read again, so it is not written."
        raise ModelFileError(f"cannot hold the model: {rule}", file=path, remedy=remedy) from error


def all_networks(estimator: Any) -> list[Network]:
    """Those that predict, and behind them those that vouch for intervals alone."""
    predicting = estimator.networks_
    if estimator._conformal is None:
        return predicting
    return [*predicting, *(network for network in estimator._vouching if network not in predicting)]


def name_of_params(number: int) -> str:
    """The name of the array of parameters of a network, counted from 0; all networks are laid out alike."""
    return PARAMETERS if number == 0 else f"network.{number}.params"


def plain_setting(name: str, value: Any) -> Any:
    """A setting as plain data, see `plain_option`; weights of classes become pairs, for labels can be any scalar."""
    if name == "class_weight" and isinstance(value, dict):
        pairs = [
            [plain_label(getattr(part, "item", lambda part=part: part)()) for part in pair] for pair in value.items()
        ]
        return {"classes": pairs}
    return plain_option(value)


def arguments_of(estimator: Any) -> dict[str, Any]:
    """The constructor's arguments as plain data, so that a loaded estimator can be cloned and fitted like this one.

    What is no plain data (a generator of random numbers, a NumPy type) is replaced by what `fit` made of it.
    """
    plain = (str, int, float, list, tuple, dict, Optimiser, Schedule, Loss, type(None))
    given = {name: getattr(estimator, name) for name in estimator.settings_}
    return {
        name: plain_setting(name, value if isinstance(value, plain) else estimator.settings_[name])
        for name, value in given.items()
    }


def without_clock(row: dict[str, Any]) -> dict[str, Any]:
    """An epoch's row without its seconds: the same training must give the same bytes."""
    return {name: value for name, value in row.items() if name != "seconds"}


def _require_plain(estimator: Any) -> None:
    """Raise OptionError when a function of the user's own is part of the network: a function is not data."""
    for argument in own_functions(estimator.network_):
        raise OptionError(
            "is a function of your own, which a model file cannot hold",
            argument=argument,
            remedy="Use a named one; or keep the weights with numpy.save(path, estimator.network_.params), and "
            "assign them to network_.params of an estimator fitted alike.",
        )


def own_functions(network: Network) -> list[str]:
    """The arguments, "loss" or "activation", that are functions of the user's own."""
    layers = [part for layer in network.layers for part in (layer, *layer.inside)]
    custom = [("loss", network.loss.custom)]
    custom += [("activation", layer.activation.custom) for layer in layers if hasattr(layer, "activation")]
    return [argument for argument, is_custom in custom if is_custom]
