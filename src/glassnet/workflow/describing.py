"""What a model file holds, as plain data."""

from __future__ import annotations

import hashlib
import inspect
import os
from pathlib import Path
from typing import Any

from glassnet.estimators import load
from glassnet.files.model_format import read_header

__all__ = ["describe_model"]


def describe_model(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file holds, as plain data: file, training, settings, columns, layers. Raises ModelFileError."""
    header = read_header(path)
    model = load(Path(path))
    data = Path(path).read_bytes()
    history = model.history_
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(type(model).__init__).parameters.items()
    }
    classes = getattr(model, "classes_", None)
    return {
        "file": str(path),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "written_by": f"glassnet {header['written_by']}",
        "estimator": type(model).__name__,
        "target": getattr(model, "target_name_", None),
        "classes": None if classes is None else classes.tolist(),
        "columns": model.columns_,
        "layers": model.network_.describe()["layers"],
        "parameters": int(model.network_.params.size),
        "training": {
            "epochs": len(history),
            "best_epoch": model.best_epoch_,
            "stop_reason": model.stop_reason_,
            "last": history[-1] if history else {},
            "best": next((row for row in history if row["epoch"] == model.best_epoch_), {}),
        },
        "settings": {name: value for name, value in header["settings"].items() if value != _plain(defaults.get(name))},
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value  # as JSON has it
