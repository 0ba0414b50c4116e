"""An estimator from a model file."""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path
from typing import Any

from glassnet.estimators.calibrating import conformal_of
from glassnet.estimators.classifier import GlassNetClassifier
from glassnet.estimators.regressor import GlassNetRegressor
from glassnet.estimators.saving import CONFORMAL, ENCODER, name_of_params
from glassnet.estimators.settings import option_from
from glassnet.estimators.targets import targets_from
from glassnet.files.model_format import read_model, reading_content
from glassnet.network import network_from
from glassnet.tables.encoder import TableEncoder

__all__ = ["load"]

# Settings that older files do not have, and what was done then: when NumPy was all there was, for one.
OLDER: dict[str, Any] = {
    "engine": "reference",
    "n_jobs": None,
    "scoring": "loss",
    "refit": False,
    "class_weight": None,
    "calibration": "none",
    "embedding": "none",
    "folds": 1,
    "members": 1,
    "averaging": 0.0,
    "preset": "plain",
    "columns": None,
    "retries": 0,
}


def load(path: str | Path) -> Any:
    """Read an estimator from a `.glassnet` file. Nothing in the file is executed.

    Raises ModelFileError when the file is missing, foreign, damaged, or of a newer version.
    """
    header, arrays = read_model(path)
    kinds = {kind.__name__: kind for kind in (GlassNetClassifier, GlassNetRegressor)}
    with reading_content(path):
        kind = kinds[header["estimator"]]
        estimator = kind(**options_from(header["arguments"]))
        names = takewhile(lambda name: name in arrays, map(name_of_params, count(1)))
        params = [arrays[name] for name in (name_of_params(0), *names)]
        networks = [network_from(header["network"], vector) for vector in params]
        predicting = int(header.get("predicting", 1))
        if not 1 <= predicting <= len(networks):
            raise ValueError(f"{predicting} of its {len(networks)} networks are to predict")
        estimator.networks_ = networks[:predicting]
        tables = {name.removeprefix(ENCODER): a for name, a in arrays.items() if name.startswith(ENCODER)}
        estimator.encoder_ = TableEncoder.from_data(header["encoder"], tables)
        estimator._targets = targets_from(header["targets"])
        if set(header["settings"]) != set(header["arguments"]):
            raise ValueError("its settings have other names than its arguments")
        estimator.settings_ = options_from(header["settings"])
        for name, value in OLDER.items():
            estimator.settings_.setdefault(name, value)
        if estimator.settings_["engine"] not in ("compiled", "reference"):
            raise ValueError("its settings name no engine that exists")
        if "temperature" in header:
            estimator._temperature = float(header["temperature"])
        if "conformal" in header:
            scores = {name.removeprefix(CONFORMAL): a for name, a in arrays.items() if name.startswith(CONFORMAL)}
            estimator._conformal = conformal_of(header["conformal"], scores)
            estimator._vouching = [networks[number] for number in header.get("vouching", [0])]
        estimator.history_ = list(header["history"])
        estimator.best_epoch_ = int(header["best_epoch"])
        estimator.stop_reason_ = str(header["stop_reason"])
        if "target" in header:
            estimator.target_name_ = target_names_from(header["target"], estimator._targets)
        estimator._set_sizes()
    return estimator


def target_names_from(found: Any, targets: Any) -> str | list[str]:
    """The target's name, or a list of as many as there are targets."""
    if not isinstance(found, list):
        return str(found)
    if len(found) != targets.n_columns:
        raise ValueError("it names another number of targets than it has")
    return [str(name) for name in found]


def options_from(data: dict[str, Any]) -> dict[str, Any]:
    """Options again from their plain data."""
    return {name: option_from(name, value) for name, value in data.items()}
