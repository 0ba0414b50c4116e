"""An estimator from a model file, which anyone may have written.

`files` has checked the table of the arrays and parsed the header. Here all that the header says is checked, field by
field and then against the arrays, before anything as large as these is made: a network is laid out in whole numbers and
compared with the length of its vector. What comes out predicts as an estimator does that was fitted here.
"""

from __future__ import annotations

import os
from itertools import count, takewhile
from typing import Any

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.estimators.calibrating import conformal_of
from glassnet.estimators.classifier import GlassNetClassifier
from glassnet.estimators.regressor import LOSSES_OF_NUMBERS, GlassNetRegressor
from glassnet.estimators.saving import CONFORMAL, ENCODER, name_of_params
from glassnet.estimators.settings import option_from
from glassnet.estimators.targets import targets_from
from glassnet.files.fields import Fields
from glassnet.files.model_format import model_in, read_model, reading_content
from glassnet.network import Network, network_from
from glassnet.tables.encoder import TableEncoder

__all__ = ["load", "load_from_bytes"]

# Settings that were added to format 1, and what was done before: when NumPy was all there was, for one.
ADDED: dict[str, Any] = {
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

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (GlassNetClassifier, GlassNetRegressor)}
LOSSES_OF_TARGETS: dict[str, tuple[str, ...]] = {
    "classes": ("cross_entropy", "binary_cross_entropy"),
    "multilabel": ("multilabel",),
    "numbers": LOSSES_OF_NUMBERS,
}
# Parameters of layers, of all networks together: each is a view of its vector, of 250 bytes however small it is.
MOST_BLOCKS = 100_000


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator from a `.glassnet` file. Nothing in the file is executed.

    It takes memory of at most four times the file and 64 MiB, and time in proportion to the file, whatever the file
    claims to hold. Raises ModelFileError when the file is missing, foreign, damaged, or of a newer version, and
    OptionError when `path` is no path.
    """
    return _estimator_of(*read_model(path), path)


def load_from_bytes(content: bytes, path: str | os.PathLike[str] = "model") -> Any:
    """`load` of the content of a file; `path` is what errors call it."""
    return _estimator_of(*model_in(content, path), path)


def _estimator_of(header: dict[str, Any], arrays: dict[str, np.ndarray], path: str | os.PathLike[str]) -> Any:
    with reading_content(path):
        fields = Fields(header, "header")
        estimator = _unfitted(fields)
        networks = _networks_of(fields, arrays)
        encoder = TableEncoder.from_data(fields.value("encoder"), _named(arrays, ENCODER))
        targets = targets_from(fields.value("targets"))
        _require_belonging(type(estimator), networks[0], encoder, targets)
        estimator.networks_ = networks[: fields.whole("predicting", 1, len(networks), default=1)]
        estimator.encoder_ = encoder
        estimator._targets = targets
        if fields.value("temperature", None) is not None:
            estimator._temperature = fields.number("temperature", positive=True)
        if "conformal" in fields:
            _set_conformal(estimator, fields, networks, _named(arrays, CONFORMAL))
        _set_history(estimator, fields)
        estimator._set_sizes()
    return estimator


def _unfitted(fields: Fields) -> Any:
    """The estimator with its arguments and settings; those that this version does not know are left aside."""
    kind = KINDS[fields.choice("estimator", KINDS)]
    known = kind._get_param_names()
    arguments, settings = fields.fields("arguments").data, fields.fields("settings").data
    if set(settings) != set(arguments):
        raise ModelFileError("must have the names of the arguments", argument=fields.place_of("settings"))
    missing = {name: value for name, value in ADDED.items() if name not in settings}
    arguments, settings = options_from(arguments), options_from(settings) | missing
    estimator = kind(**{name: value for name, value in arguments.items() if name in known})
    estimator.settings_ = {name: value for name, value in settings.items() if name in known}
    Fields(settings, "settings").choice("engine", ("compiled", "reference"))
    return estimator


def _networks_of(fields: Fields, arrays: dict[str, np.ndarray]) -> list[Network]:
    """The networks, whose vectors are known to fit their layers and to be finite before anything is made of them."""
    names = [*takewhile(lambda name: name in arrays, map(name_of_params, count()))]
    described = fields.fields("network")
    dtype = described.choice("dtype", ("float32", "float64"))
    described.whole("n_features", 1)
    described.records("layers")
    if not names:
        raise ModelFileError("is missing", argument=f"array {name_of_params(0)!r}")
    for name in names:
        vector = arrays[name]
        if vector.ndim != 1 or vector.dtype != dtype:
            raise ModelFileError(f"must be a vector in {dtype}", argument=f"array {name!r}")
        # The least and the largest: a table of truth values as long as the vector is not needed.
        if vector.size and not (np.isfinite(vector.min()) and np.isfinite(vector.max())):
            raise ModelFileError("holds a number that is not finite", argument=f"array {name!r}")
    first = network_from(described.data, arrays[names[0]])
    if len(first.blocks) * len(names) > MOST_BLOCKS:
        rule = f"have {len(first.blocks):,} parameters in each of {len(names):,} networks, and that is too many"
        raise ModelFileError(rule, argument="layers")
    return [first, *(first.with_params(arrays[name]) for name in names[1:])]


def _require_belonging(kind: type, network: Network, encoder: TableEncoder, targets: Any) -> None:
    """ModelFileError unless table, network, targets and estimator fit together: each alone may be well made."""
    if (targets.kind == "numbers") != (kind is GlassNetRegressor):
        raise ModelFileError(f"do not belong to a {kind.__name__}", argument="targets", value=targets.kind)
    losses = LOSSES_OF_TARGETS[targets.kind]
    if network.loss.name not in losses:
        rule = f"must be one of {', '.join(losses)}, for the targets are {targets.kind}"
        raise ModelFileError(rule, argument="loss", value=network.loss.name)
    if network.loss.name == "binary_cross_entropy" and len(targets.classes) != 2:
        raise ModelFileError("must be 2 for binary_cross_entropy", argument="classes", value=len(targets.classes))
    if encoder.width != network.n_features:
        rule = f"must have {network.n_features} inputs, for the network has as many"
        raise ModelFileError(rule, argument="encoder", value=encoder.width)
    if targets.n_outputs(network.loss) != network.n_outputs:
        rule = f"must have {network.n_outputs} outputs, for the network has as many"
        raise ModelFileError(rule, argument="targets", value=targets.n_outputs(network.loss))


def _set_conformal(estimator: Any, fields: Fields, networks: list[Network], arrays: dict[str, np.ndarray]) -> None:
    """The scores that intervals and sets go by, and the networks whose they are."""
    estimator._conformal = conformal_of(fields.text("conformal"), arrays, estimator._targets, networks[0].loss)
    vouching = fields.value("vouching", [0])
    known = isinstance(vouching, list) and all(type(k) is int and 0 <= k < len(networks) for k in vouching)
    if not known or not vouching or len(set(vouching)) < len(vouching):
        rule = f"must be numbers of its {len(networks)} networks, each once"
        raise ModelFileError(rule, argument=fields.place_of("vouching"), value=vouching)
    estimator._vouching = [networks[number] for number in vouching]


def _set_history(estimator: Any, fields: Fields) -> None:
    """How training went, and what the target was called."""
    history = fields.records("history")
    for row in history:
        row.whole("epoch")
        for name in row.data:
            if row.value(name) is not None:
                row.number(name)
    estimator.history_ = [row.data for row in history]
    estimator.best_epoch_ = fields.whole("best_epoch")
    estimator.stop_reason_ = fields.text("stop_reason")
    if "target" in fields:
        estimator.target_name_ = target_names_from(fields, estimator._targets)


def target_names_from(fields: Fields, targets: Any) -> str | list[str]:
    """The target's name, or a list of as many as there are targets."""
    if not isinstance(fields.value("target"), list):
        return fields.text("target")
    names = fields.texts("target")
    if len(names) != targets.n_columns:
        raise ModelFileError(f"must name {targets.n_columns} targets", argument=fields.place_of("target"), value=names)
    return names


def _named(arrays: dict[str, np.ndarray], beginning: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin so, by the rest of their names."""
    return {name.removeprefix(beginning): array for name, array in arrays.items() if name.startswith(beginning)}


def options_from(data: dict[str, Any]) -> dict[str, Any]:
    """Options again from their plain data."""
    return {name: option_from(name, value) for name, value in data.items()}
