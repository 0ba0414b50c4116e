"""Presets: what "auto" means for the arguments of the estimators, chosen by measurement.

    "default"  an ensemble with numbers in bins, as accurate as gradient boosting in about CatBoost's time
    "fast"     a smaller one, in a third of the time
    "best"     more of them, trained for longer, in about three times the time
    "plain"    one network on scaled inputs, the article's kind: the quickest to train and the easiest to look into

Each is a set of ordinary arguments; any of them given by name stays as it is given. What they are goes by the number of
rows. Below 350, a plain network is trained for each of four folds, by NumPy in a moment, where an ensemble would wait
for the compiler; "best" and wide tables do wait. Below 1,000 an ensemble is trained for each of five folds, and one on
all rows. Above, an ensemble finds the number of epochs, and those that predict are trained on all rows.
The recipe follows TabM (Gorishniy, Kotelnikov, Babenko, 2025) and RealMLP (Holzmüller, Grinsztajn, Steinwart, 2024).
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["PRESETS", "SMALL_TABLE", "preset_for"]

PRESETS = ("default", "fast", "best", "plain")
SMALL_TABLE = 350  # rows below which NumPy trains plain networks: no compiler to wait for
FEW_ROWS = 1_000  # below which folds validate, since a fifth of the rows says little, and networks are smaller
MANY_COLUMNS, ROWS_A_COLUMN = 50, 4  # a table of so many columns is wide where it has fewer rows for each
MIDDLING = 3_000  # rows below which there are more epochs of fewer steps, and by default more members for numbers

PLAIN: dict[str, Any] = {
    "activation": "silu",
    "averaging": 0.0,
    "dropout": 0.0,
    "folds": 1,
    "embedding": {"numbers": "none"},
    "initializer": "auto",
    "input_scaling": "standard",
    "max_epochs": 200,
    "members": 1,
    "optimizer": "adam",
    "patience": 20,
    "refit": 0,
    "schedule": "cosine",
    "validation_fraction": 0.1,
}
ENSEMBLE: dict[str, Any] = {
    "activation": "relu",
    "averaging": 0.99,
    "embedding": {"numbers": "piecewise_linear", "bins": 128},
    "folds": 1,
    "hidden_layer_sizes": (128, 128),
    "initializer": "he_uniform",
    "input_scaling": "standard",
    "learning_rate": 0.005,
    "max_epochs": 65,
    "members": 4,
    "optimizer": "adamw",
    "patience": 10,
    "refit": 1,
    "schedule": "constant",
    "validation_fraction": 0.2,
    "weight_decay": 0.3,
}
TINY: dict[str, Any] = {
    "batch_size": 32,
    "dropout": 0.0,  # NumPy's masks would take three times as long as the rest of a step
    "embedding": {"numbers": "none"},
    "folds": 4,
    "hidden_layer_sizes": (64, 64),
    "initializer": "fan_in",
    "input_scaling": "smooth_clip",
    "learning_rate": 0.006,
    "max_epochs": 100,
    "members": 1,
    "patience": 12,
    "refit": 0,
}
LONG: dict[str, Any] = {"max_epochs": 150, "patience": 16}
FEW: dict[str, Any] = {
    "embedding": {"numbers": "piecewise_linear", "bins": 32},
    "folds": 5,
    "hidden_layer_sizes": (64, 64),
    "initializer": "fan_in",
    "learning_rate": 0.006,
    "max_epochs": 100,
    "patience": 12,
    "refit": 1,
}
# For classes, and for numbers: fewer networks and epochs, and nothing dropped of the little that tells 4.1 from 4.2.
BY_TASK: tuple[dict[str, Any], ...] = ({"dropout": 0.1, "refit": 3}, {"dropout": 0.0, "max_epochs": 55})
# For numbers two members at a lower rate are as accurate as four (to 0.2 %), in 0.6 of the time; below 3,000 rows not.
MANY_NUMBERS: dict[str, Any] = {"members": 2, "learning_rate": 0.003}
FEW_BY_TASK: tuple[dict[str, Any], ...] = ({"dropout": 0.1}, {"dropout": 0.0, "weight_decay": 0.0})
TINY_BY_TASK: tuple[dict[str, Any], ...] = (
    {},
    {"embedding": {"numbers": "piecewise_linear", "bins": 16}, "weight_decay": 0.0},
)
BEST_OF_TINY_BY_TASK: tuple[dict[str, Any], ...] = ({"dropout": 0.2, "weight_decay": 2.0}, {})
WIDE_BY_TASK: tuple[dict[str, Any], ...] = ({"dropout": 0.4, "weight_decay": 3.0}, {"weight_decay": 1.0})
FAST: dict[str, Any] = {"members": 2, "refit": 1, "max_epochs": 40, "patience": 8}
BEST_OF_FEW: dict[str, Any] = {"folds": 10, "refit": 3}
BEST: dict[str, Any] = {"max_epochs": 200, "patience": 20, "refit": 6}


def preset_for(name: str, n_rows: int, regression: bool, n_columns: int = 1) -> dict[str, Any]:
    """The arguments of a preset for a table of so many rows and columns, before categories are spread out."""
    if name == "plain":
        sizes = (128, 64) if n_rows >= FEW_ROWS else (64, 32)
        return {**PLAIN, "hidden_layer_sizes": sizes, "batch_size": _batch_size(n_rows)}
    if n_rows < FEW_ROWS:
        return _preset_for_few(name, n_rows, regression, _is_wide(n_rows, n_columns))
    found = ENSEMBLE | BY_TASK[regression] | {"batch_size": _batch_of_members(n_rows)}
    if regression and n_rows < 2 * FEW_ROWS:
        found["weight_decay"] = 0.0
    if n_rows < MIDDLING:
        found |= LONG
    elif regression and name == "default":
        found |= MANY_NUMBERS
    return found | {"fast": FAST, "best": BEST}.get(name, {})


def _preset_for_few(name: str, n_rows: int, regression: bool, wide: bool) -> dict[str, Any]:
    """The arguments of a preset for a table of fewer than `FEW_ROWS` rows."""
    tiny = n_rows < SMALL_TABLE
    if tiny and not wide and name != "best":
        return ENSEMBLE | TINY | TINY_BY_TASK[regression]
    found = ENSEMBLE | FEW | FEW_BY_TASK[regression] | {"batch_size": _batch_of_members(n_rows)}
    if wide:
        found |= WIDE_BY_TASK[regression]
    elif tiny:
        found |= BEST_OF_TINY_BY_TASK[regression]
    return found | (BEST_OF_FEW if name == "best" else {})


def _is_wide(n_rows: int, n_columns: int) -> bool:
    """Whether columns are so many, for the rows there are, that a network could learn the rows by heart."""
    return n_columns >= MANY_COLUMNS and n_columns * ROWS_A_COLUMN > n_rows


def _batch_size(n_rows: int) -> int:
    """Larger tables take larger batches: about as many steps, each with less noise and less overhead."""
    return int(np.clip(2 ** np.floor(np.log2(max(n_rows, 1) / 40)), 16, 256))


def _batch_of_members(n_rows: int) -> int:
    """Rows a step for each member."""
    sizes = ((1_250, 32), (3_750, 64), (10_000, 128), (50_000, 256), (200_000, 512))
    return next((size for limit, size in sizes if n_rows < limit), 1024)
