"""What a model file holds, as plain data."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from glassnet.files.model_format import read_header, reading_content
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
    """What a model file holds, as plain data: file, training, settings, columns, layers.

    Only the header is read, so no estimator is made. Raises ModelFileError.
    """
    header = read_header(path)
    data = Path(path).read_bytes()
    with reading_content(path):
        return {
            "file": str(path),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            **_described(header),
        }


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
        "settings": {
            name: value for name, value in header["settings"].items() if name not in SILENT or value != SILENT[name]
        },
    }
