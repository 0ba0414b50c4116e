"""What a model file holds, as plain data."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from glassnet.files.checkpoint_format import reading_checkpoint
from glassnet.files.fields import Fields
from glassnet.files.model_format import CHECKPOINT, read_header, reading_content
from glassnet.maths.layers import layer_from, sizes_of
from glassnet.tables.kinds import kind_from_plain

__all__ = ["describe_model", "described"]

ESTIMATORS = ("GlassNetClassifier", "GlassNetRegressor")  # by name: importing them would take a second

# Settings at these values say nothing: what they would switch on is off, or the choice is shown elsewhere.
SILENT = {
    "calibration": "none",
    "class_weight": None,
    "columns": None,
    "clip_norm": None,
    "dropout": 0.0,
    "embedding": "none",
    "initializer": "auto",
    "l1": 0.0,
    "l2": 0.0,
    "label_smoothing": 0.0,
    "n_jobs": None,
    "normalisation": "none",
    "quantiles": None,
    "retries": 0,
    "target_scaling": "auto",
    "time_limit": None,
    "validation_every": 1,
    "warm_start": False,
}


def describe_model(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file holds, as plain data: file, training, settings, columns, layers; or what a checkpoint does.

    Only the header is read, so no estimator is made. Raises ModelFileError.
    """
    header = read_header(path)
    data = Path(path).read_bytes()
    file = {"file": str(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if header["format"] == CHECKPOINT:
        with reading_checkpoint(path):
            return file | _checkpoint(Fields(header, "header"))
    with reading_content(path):
        return file | described(header)


def _checkpoint(header: Fields) -> dict[str, Any]:
    """What a checkpoint holds: how far each training of the fit has come, and what it was trained with."""
    settings, machine = header.fields("settings"), header.fields("machine")
    return {
        "checkpoint": True,
        "written_by": f"glassnet {header.text('written_by')}",
        "estimator": header.choice("estimator", ESTIMATORS),
        "finished": header.flag("finished"),
        "trainings": [_one_training(entry) for entry in header.records("trainings")],
        "planned": settings.whole("folds", 1) + int(settings.value("refit")),
        "engine": header.text("engine"),
        "machine": {name: machine.text(name) for name in machine.data},
        "settings": _telling(settings.data),
    }


def _one_training(entry: Fields) -> dict[str, Any]:
    """How far a training of a checkpoint has come: epoch, the last one planned, and why it ended, if it has."""
    last, _ = entry.numbers("planned")
    if "outcome" not in entry:
        return {"epoch": entry.fields("point").whole("epoch"), "of": int(last), "over": None}
    outcome = entry.fields("outcome")
    return {"epoch": outcome.whole("epochs"), "of": int(last), "over": outcome.text("reason")}


def _telling(settings: dict[str, Any]) -> dict[str, Any]:
    """Those settings that say something."""
    return {name: value for name, value in settings.items() if name not in SILENT or value != SILENT[name]}


def described(data: dict[str, Any]) -> dict[str, Any]:
    """What a header says; the sizes of the layers are worked out again, whatever the file says of them.

    Raises ModelFileError, OptionError or TypeError where the header is not as a model's.
    """
    header = Fields(data, "header")
    layers = _layers(header.fields("network"))
    targets = header.fields("targets")
    settings = header.fields("settings").data
    target = header.value("target", None)
    return {
        "written_by": f"glassnet {header.text('written_by')}",
        "estimator": header.choice("estimator", ESTIMATORS),
        "target": header.texts("target") if isinstance(target, list) else header.text("target", None),
        "classes": targets.sequence("classes") if "classes" in targets else None,
        "columns": [kind_from_plain(column).describe() for column in header.fields("encoder").records("columns")],
        "layers": layers,
        "networks": header.whole("predicting", 1, default=1),
        "parameters": sum(layer["n_parameters"] for layer in layers),
        "training": _training(header),
        "settings": _telling(settings),
    }


def _layers(network: Fields) -> list[dict[str, Any]]:
    found, p = [], network.whole("n_features", 1)
    for described in network.records("layers"):
        layer = layer_from(described.data)
        found.append({**layer.describe(), **sizes_of(layer, p)})
        p = layer.width(p)
    return found


def _training(header: Fields) -> dict[str, Any]:
    history, best_epoch = header.records("history"), header.whole("best_epoch")
    rows = {row.whole("epoch"): row for row in history}
    best = rows.get(best_epoch)
    return {
        "epochs": len(history),
        "best_epoch": best_epoch,
        "stop_reason": header.text("stop_reason"),
        "last": _numbers(history[-1]) if history else {},
        "best": {} if best is None else _numbers(best),
    }


def _numbers(row: Fields) -> dict[str, Any]:
    """The row of an epoch, whose entries are numbers, or None where there is none."""
    for name in row.data:
        if row.value(name) is not None:
            row.number(name)
    return row.data
