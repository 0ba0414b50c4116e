"""Every real table, from pandas and from polars, whole and with holes and new categories: no argument but the target.

Run with -s to see the scores. Networks are small and trained briefly: these are tests of tables, not of accuracy.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import NearlyUniqueWarning
from glassnet.tables.frames import split_target, table_of

MOST_ROWS = 6000  # of a table, taken evenly
QUICK: dict[str, Any] = {
    "preset": "plain",
    "hidden_layer_sizes": (16,),
    "max_epochs": 15,
    "random_state": 0,
    "engine": "reference",
}
TABLES = 30
TWO_TARGETS = {"energy_efficiency": ["Heating Load", "Cooling Load"]}


def tables(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.parquet"))
    assert len(found) >= TABLES
    return found


def split(frame: Any, name: str) -> tuple[Any, Any, Any, Any]:
    """Features and target of every fourth row to test on, and of the others; at most MOST_ROWS in all."""
    rows = np.linspace(0, len(frame) - 1, min(len(frame), MOST_ROWS)).astype(int)
    X, y = split_target(frame, TWO_TARGETS.get(name, frame.columns[-1]))
    testing = np.arange(len(rows)) % 4 == 0
    part = (lambda places: X[places]) if isinstance(X, pl.DataFrame) else (lambda places: X.iloc[places])
    return part(rows[~testing]), y[rows[~testing]], part(rows[testing]), y[rows[testing]]


def fitted(X: Any, y: np.ndarray) -> Any:
    is_class = y.ndim == 1 and (y.dtype == object or len(np.unique(y)) <= 12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NearlyUniqueWarning)
        return (GlassNetClassifier if is_class else GlassNetRegressor)(**QUICK).fit(X, y)


def score(model: Any, X: Any, y: np.ndarray) -> float:
    """Accuracy or R²; classes that training did not meet are wrong."""
    if isinstance(model, GlassNetClassifier):
        return float(np.mean(model.predict(X) == y))
    return float(model.score(X, y))


def damaged(X: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The table with 10 % of all cells made missing, and 5 % of the texts replaced by ones never seen."""
    X = X.copy()
    for name in X.columns:
        if table_of(X[[name]]).columns[0].dtype == object:
            X[name] = X[name].astype(object).mask(rng.random(len(X)) < 0.05, "never seen")
        X[name] = X[name].mask(rng.random(len(X)) < 0.1)
    return X


def test_every_real_table_trains_and_predicts_alike_from_pandas_and_polars(real_data):
    for path in tables(real_data):
        X, y, X_test, y_test = split(pl.read_parquet(path), path.stem)
        P, y_pandas, P_test, _ = split(pd.read_parquet(path), path.stem)
        model, expected = fitted(P, y_pandas), fitted(X, y)
        assert model.columns_ == expected.columns_, path.stem
        assert model.history_[-1]["loss"] < model.history_[0]["loss"], path.stem
        for new in (P_test, X_test):
            assert model.predict(new).tolist() == expected.predict(X_test).tolist(), path.stem
        reached = score(model, X_test, y_test)
        print(f"{path.stem:<20} {reached:.3f}")
        assert np.isfinite(reached), path.stem


def test_holes_and_new_categories_in_prediction_cost_little(real_data):
    """Nothing is raised, predictions stay finite, and over all tables the score falls, but gracefully."""
    rng = np.random.default_rng(0)
    losses = []
    for path in tables(real_data):
        X, y, X_test, y_test = split(pd.read_parquet(path), path.stem)
        model = fitted(X, y)
        whole, worse = score(model, X_test, y_test), score(model, damaged(X_test, rng), y_test)
        print(f"{path.stem:<20} whole {whole:6.3f}   with holes {worse:6.3f}")
        assert np.isfinite(worse), path.stem
        losses.append(whole - worse)
    print(f"{'median':<20} {np.median(losses):.3f} lost, most {max(losses):.3f}")
    assert 0 < np.median(losses) < 0.15
