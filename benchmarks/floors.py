"""Do the default networks reach their floors on real tables? Beside scikit-learn's MLP, in one run.

    python benchmarks/floors.py [--data FOLDER] [--seeds 0,1,2] [TABLE ...]

Each table is split 75/25 with random_state = seed, stratified for classes. glassnet gets the table as it is; the MLP
gets it through a ColumnTransformer (mean imputation with indicator and scaling for numbers, one-hot for categories,
dates as numbers) and, for regression, a scaled target: the best its users do by hand. Both are at their defaults.
Scores are accuracy and R²; times are seconds of `fit` on this machine, for orientation only.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor

# Table -> the score that the defaults must reach on the mean of the seeds.
FLOORS = {"penguins": 0.97, "optdigits": 0.97, "adult": 0.845, "diamonds": 0.97, "california_housing": 0.75}
REGRESSION = {
    *("abalone", "airfoil", "bike_sharing", "california_housing", "concrete", "diamonds", "energy_efficiency"),
    *("hflights", "inst_eval", "insurance", "taxis", "wine_quality"),
}


def load(folder: Path, name: str) -> tuple[pd.DataFrame, pd.Series]:
    """The features and the target, the last column; of energy_efficiency's two targets the first."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    if name == "energy_efficiency":
        frame = frame.iloc[:, :-1]
    frame = frame[frame.iloc[:, -1].notna()]
    return frame.iloc[:, :-1], frame.iloc[:, -1]


def numbers_and_texts(X: pd.DataFrame) -> pd.DataFrame:
    """What scikit-learn's transformers take: dates as days, categories as plain objects."""
    X = X.copy()
    for column in X:
        if pd.api.types.is_datetime64_any_dtype(X[column]):
            X[column] = (X[column] - X[column].min()) / pd.Timedelta(days=1)
        elif not pd.api.types.is_numeric_dtype(X[column]):
            X[column] = X[column].astype(object).where(X[column].notna(), "(missing)")
        else:
            X[column] = X[column].astype(float)
    return X


def mlp(X: pd.DataFrame, regression: bool, seed: int) -> object:
    """scikit-learn's MLP at its defaults behind the usual preparation."""
    texts = [column for column in X if X[column].dtype == object]
    values = [column for column in X if column not in texts]
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), values),
            (
                "texts",
                OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False),
                texts,
            ),
        ]
    )
    if regression:
        return make_pipeline(
            prepare, TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
        )
    return make_pipeline(prepare, MLPClassifier(random_state=seed))


def scores(folder: Path, name: str, seed: int) -> dict[str, float]:
    """Score and seconds of both models on one split."""
    regression = name in REGRESSION
    X, y = load(folder, name)
    counts = y.value_counts()
    stratify = None if regression or counts.min() < 2 else y
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=stratify)
    ours = (GlassNetRegressor if regression else GlassNetClassifier)(random_state=seed)
    plain_train, plain_test = numbers_and_texts(X_train), numbers_and_texts(X_test)
    theirs = mlp(plain_train, regression, seed)
    start = time.perf_counter()
    ours.fit(X_train, y_train)
    middle = time.perf_counter()
    theirs.fit(plain_train, y_train)
    end = time.perf_counter()
    return {
        "glassnet": float(ours.score(X_test, y_test)),
        "mlp": float(theirs.score(plain_test, y_test)),
        "glassnet_s": middle - start,
        "mlp_s": end - middle,
    }


def main() -> int:
    """Print a row a table, and fail when a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="names of tables; by default all")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--seeds", default="0,1,2")
    options = parser.parse_args()
    names = options.tables or sorted(path.stem for path in options.data.glob("*.parquet"))
    if not names:
        parser.error(f"no tables in {options.data}; name their folder with --data")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    warnings.simplefilter("ignore")  # ConvergenceWarning: the MLP's default number of epochs is part of its defaults
    print(f"glassnet {glassnet.__version__}, scikit-learn {sklearn.__version__}, Python {sys.version.split()[0]}")
    print(f"accuracy or R² (*), mean and lowest of seeds {options.seeds}; seconds of one fit, mean\n")
    print(f"{'table':<20}{'glassnet':>9}{'lowest':>8}{'MLP':>9}{'lowest':>8}{'goal':>7}{'s':>8}{'s, MLP':>8}")
    missed, wins, total = [], 0, 0
    for name in names:
        rows = [scores(options.data, name, seed) for seed in seeds]
        column = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        goal = FLOORS.get(name)
        wins += int(column["glassnet"].mean() >= column["mlp"].mean())
        total += 1
        if goal is not None and column["glassnet"].mean() < goal:
            missed.append(name)
        print(
            f"{name + ' *' * (name in REGRESSION):<20}"
            f"{column['glassnet'].mean():>9.4f}{column['glassnet'].min():>8.4f}"
            f"{column['mlp'].mean():>9.4f}{column['mlp'].min():>8.4f}"
            f"{'' if goal is None else f'≥{goal:g}':>7}"
            f"{column['glassnet_s'].mean():>8.1f}{column['mlp_s'].mean():>8.1f}",
            flush=True,
        )
    print(f"\nglassnet at least equal on {wins} of {total} tables; goals missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
