"""Fitted estimators as plain data, and back: what a model file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import glassnet
from glassnet.errors import GlassNetError, ModelFileError, OptionError
from glassnet.estimators.settings import option_from
from glassnet.estimators.targets import targets_from
from glassnet.files.model_format import read_model, write_model
from glassnet.network import network_from
from glassnet.tables.encoder import TableEncoder

__all__ = ["load", "save"]

PARAMETERS, ENCODER = "network.params", "encoder."


def save(estimator: Any, path: str | Path) -> None:
    """Write a fitted estimator to `path`; see `GlassNetEstimator.save`."""
    _require_plain(estimator)
    network = estimator.network_
    encoder, arrays = estimator.encoder_.to_data()
    header = {
        "written_by": glassnet.__version__,
        "estimator": type(estimator).__name__,
        "settings": estimator._saved_settings(),
        "network": network.describe(),
        "targets": estimator._targets.data(),
        "encoder": encoder,
        "history": [without_clock(row) for row in estimator.history_],
        "best_epoch": estimator.best_epoch_,
        "stop_reason": estimator.stop_reason_,
    }
    if hasattr(estimator, "target_name_"):
        header["target"] = estimator.target_name_
    write_model(path, header, {PARAMETERS: network.params, **{ENCODER + name: a for name, a in arrays.items()}})


def without_clock(row: dict[str, Any]) -> dict[str, Any]:
    """An epoch's row without its seconds: the same training must give the same bytes."""
    return {name: value for name, value in row.items() if name != "seconds"}


def _require_plain(estimator: Any) -> None:
    """Raise OptionError when a function of the user's own is part of the network: a function is not data."""
    network = estimator.network_
    custom = [("loss", network.loss.custom)]
    custom += [("activation", layer.activation.custom) for layer in network.layers if hasattr(layer, "activation")]
    for argument, is_custom in custom:
        if is_custom:
            raise OptionError(
                "is a function of your own, which a model file cannot hold",
                argument=argument,
                remedy="Use a named one, or keep the weights with numpy.save(estimator.network_.params).",
            )


def load(path: str | Path) -> Any:
    """Read an estimator from a `.glassnet` file. Nothing in the file is executed.

    Raises ModelFileError when the file is missing, foreign, damaged, or of a newer version.
    """
    from glassnet.estimators.classifier import GlassNetClassifier
    from glassnet.estimators.regressor import GlassNetRegressor

    header, arrays = read_model(path)
    kinds = {kind.__name__: kind for kind in (GlassNetClassifier, GlassNetRegressor)}
    try:
        kind = kinds[header["estimator"]]
        settings = {name: option_from(name, value) for name, value in header["settings"].items()}
        estimator = kind(**settings)
        estimator.network_ = network_from(header["network"], arrays[PARAMETERS])
        tables = {name.removeprefix(ENCODER): a for name, a in arrays.items() if name.startswith(ENCODER)}
        estimator.encoder_ = TableEncoder.from_data(header["encoder"], tables)
        estimator._targets = targets_from(header["targets"])
        estimator.settings_ = settings
        estimator.history_ = list(header["history"])
        estimator.best_epoch_ = int(header["best_epoch"])
        estimator.stop_reason_ = str(header["stop_reason"])
        if "target" in header:
            estimator.target_name_ = str(header["target"])
        estimator._set_sizes()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, GlassNetError) as error:
        raise ModelFileError(
            f"is damaged: {type(error).__name__}: {error}", file=path, remedy="Save the model again."
        ) from error
    return estimator
