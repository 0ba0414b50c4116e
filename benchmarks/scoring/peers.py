"""The libraries compared with, each at its defaults behind the preparation that its own documentation asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module, metadata
from typing import Any

import pandas as pd
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from scoring.tables import Split

# Peer -> the distribution whose version its scores belong to.
PEERS = {
    "catboost": "catboost",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "histgb": "scikit-learn",
    "sklearn_mlp": "scikit-learn",
    "realmlp": "pytabkit",
    "tabm": "pytabkit",
}
MISSING = "(missing)"
MOST_LEVELS = {"histgb": 250}  # it refuses columns of more than 255; the rarest are missing to it
TYPED = ("histgb", "lightgbm", "xgboost", "realmlp", "tabm")  # these know a category by pandas' type
GAPLESS = ("realmlp", "tabm")  # these raise on missing numbers
THREADS = 2


def version_of(peer: str) -> str | None:
    """The installed version of the peer's library, or None."""
    try:
        return f"{PEERS[peer]} {metadata.version(PEERS[peer])}"
    except metadata.PackageNotFoundError:
        return None


def numbers_and_texts(X: pd.DataFrame) -> pd.DataFrame:
    """Every column as floats (dates: days since 1970) or as texts, with a text of its own for what is missing."""

    def plain(column: pd.Series) -> pd.Series:
        if pd.api.types.is_datetime64_any_dtype(column):
            return (column - pd.Timestamp(0)) / pd.Timedelta(days=1)
        if pd.api.types.is_numeric_dtype(column):
            return column.astype(float)
        return column.astype(object).where(column.notna(), MISSING).astype(str)

    return X.apply(plain)


def text_columns(X: pd.DataFrame) -> list[str]:
    """Names of the columns that are no numbers."""
    return [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]


def prepared(peer: str, split: Split) -> Split:
    """The split as the peer takes it; whatever is learned for that is learned from the training rows."""
    train, test = numbers_and_texts(split.X_train), numbers_and_texts(split.X_test)
    texts = text_columns(train)
    if peer in GAPLESS:
        means = train.drop(columns=texts).mean()
        train, test = train.fillna(means), test.fillna(means)
    if peer in TYPED:
        for name in texts:
            levels = train[name].value_counts().index[: MOST_LEVELS.get(peer)]
            kind = pd.CategoricalDtype(sorted(levels))
            train[name], test[name] = (X[name].where(X[name].isin(levels)).astype(kind) for X in (train, test))
    return replace(split, X_train=train, X_test=test)


def network(split: Split, seed: int) -> Any:
    """scikit-learn's MLP behind scaling and one-hot, and for a regression before a scaled target."""
    texts = text_columns(split.X_train)
    numbers = [name for name in split.X_train if name not in texts]
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False)
    columns = make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), numbers), (one_hot, texts))
    if split.regression:
        inner = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
        return make_pipeline(columns, inner)
    return make_pipeline(columns, MLPClassifier(random_state=seed))


def histogram_trees(split: Split, seed: int) -> Any:
    kind = HistGradientBoostingRegressor if split.regression else HistGradientBoostingClassifier
    return kind(categorical_features="from_dtype", random_state=seed)


def catboost(split: Split, seed: int) -> Any:
    options = {"verbose": 0, "allow_writing_files": False, "cat_features": text_columns(split.X_train)}
    return _from("catboost", "CatBoostRegressor", "CatBoostClassifier")(split, seed, **options)


def _from(module: str, regressor: str, classifier: str, **options: Any) -> Callable[..., Any]:
    """A maker of one of two classes of a library that is imported when it is asked for."""

    def make(split: Split, seed: int, **more: Any) -> Any:
        kind = getattr(import_module(module), regressor if split.regression else classifier)
        return kind(random_state=seed, **options, **more)

    return make


_TABKIT = {"device": "cpu", "n_threads": THREADS, "verbosity": 0}
MAKERS: dict[str, Callable[[Split, int], Any]] = {
    "catboost": catboost,
    "lightgbm": _from("lightgbm", "LGBMRegressor", "LGBMClassifier", verbose=-1),
    "xgboost": _from("xgboost", "XGBRegressor", "XGBClassifier", enable_categorical=True),
    "histgb": histogram_trees,
    "sklearn_mlp": network,
    "realmlp": _from("pytabkit", "RealMLP_TD_Regressor", "RealMLP_TD_Classifier", **_TABKIT),
    "tabm": _from("pytabkit", "TabM_D_Regressor", "TabM_D_Classifier", **_TABKIT),
}


def make_peer(peer: str, split: Split, seed: int) -> Any:
    """The peer's estimator, for a split that `prepared` made. Raises ImportError without its library."""
    return MAKERS[peer](split, seed)
