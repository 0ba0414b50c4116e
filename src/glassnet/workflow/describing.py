"""What a model file holds, as plain data."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from glassnet.files.model_format import CHECKPOINT, read_header, reading_content
from glassnet.tables.kinds import kind_from_plain

__all__ = ["describe_model"]

# Settings at these values say nothing: what they would switch on is off, or the choice is shown elsewhere.
SILENT = {
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
    with reading_content(path):
        return {
            "file": str(path),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            **(_checkpoint(header) if header["format"] == CHECKPOINT else _described(header)),
        }


def _checkpoint(header: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint holds: how far each training of the fit has come, and what it was trained with."""
    trainings = []
    for entry in header["trainings"]:
        over = entry.get("outcome")
        epoch = over["epochs"] if over else entry["point"]["epoch"]
        trainings.append({"epoch": epoch, "of": entry["planned"][0], "over": over["reason"] if over else None})
    settings = header["settings"]
    return {
        "checkpoint": True,
        "written_by": f"glassnet {header['written_by']}",
        "estimator": header["estimator"],
        "finished": header["finished"],
        "trainings": trainings,
        "planned": max(settings["folds"], 1) + int(settings["refit"]),
        "engine": header["engine"],
        "machine": header["machine"],
        "settings": _telling(settings),
    }


def _telling(settings: dict[str, Any]) -> dict[str, Any]:
    """Those settings that say something."""
    return {name: value for name, value in settings.items() if name not in SILENT or value != SILENT[name]}


def _described(header: dict[str, Any]) -> dict[str, Any]:
    history, best_epoch = header["history"], header["best_epoch"]
    layers = header["network"]["layers"]
    return {
        "written_by": f"glassnet {header['written_by']}",
        "estimator": header["estimator"],
        "target": header.get("target"),
        "classes": header["targets"].get("classes"),
        "columns": [kind_from_plain(column).describe() for column in header["encoder"]["columns"]],
        "layers": layers,
        "networks": int(header.get("predicting", 1)),
        "parameters": sum(layer["n_parameters"] for layer in layers),
        "training": {
            "epochs": len(history),
            "best_epoch": best_epoch,
            "stop_reason": header["stop_reason"],
            "last": history[-1] if history else {},
            "best": next((row for row in history if row["epoch"] == best_epoch), {}),
        },
        "settings": _telling(header["settings"]),
    }
