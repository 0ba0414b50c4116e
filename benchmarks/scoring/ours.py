"""glassnet's estimators as the benchmarks make them, and the version that their scores belong to."""

from __future__ import annotations

import hashlib
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import GlassNetError
from scoring.tables import Split

PRESETS = ("default", "fast", "best")
WARM_ROWS = 500


@cache
def version() -> str:
    """The version and a digest of all sources: a score of other sources is never taken for one of these."""
    folder, digest = Path(glassnet.__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return f"glassnet {glassnet.__version__}+{digest.hexdigest()[:16]}"


def preset_arguments(preset: str) -> dict[str, Any] | None:
    """Arguments of a preset; None where this glassnet has no presets, and so none but "default"."""
    if "preset" in GlassNetClassifier().get_params():
        return {"preset": preset}
    return {} if preset == "default" else None


def make_ours(regression: bool, seed: int, arguments: dict[str, Any]) -> Any:
    """An estimator with these arguments."""
    return (GlassNetRegressor if regression else GlassNetClassifier)(random_state=seed, **arguments)


def warm_up(split: Split, arguments: dict[str, Any]) -> None:
    """Train two epochs on some rows, so that what is compiled and loaded once a machine is not on the clock.

    The rows have every class, so that the network has its full width. What fails here fails again, seen, in the fit.
    """
    rows = np.arange(min(WARM_ROWS, len(split.y_train)))
    if not split.regression:
        rows = np.union1d(rows, np.unique(split.y_train, return_index=True)[1])
    X = split.X_train.iloc[rows] if hasattr(split.X_train, "iloc") else split.X_train[rows]
    model = make_ours(split.regression, 0, {**arguments, "engine": "compiled", "max_epochs": 2})
    with warnings.catch_warnings(), suppress(GlassNetError):
        warnings.simplefilter("ignore")
        model.fit(X, split.y_train[rows])
        (model.predict if split.regression else model.predict_proba)(X)
