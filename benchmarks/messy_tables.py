"""Every real table as it is, and then with holes and new categories: no argument but the target.

    python benchmarks/messy_tables.py [--data FOLDER] [--seed N] [--rows N] [TABLE ...]

Each table is read by pandas and by polars, and the default estimator (only `random_state` is given) is fitted to 75 %
of the rows of either frame. Both must predict the same bits, from both frames. energy_efficiency has two targets, which
one regressor learns at once. Then the other 25 % are damaged: 5 % of the cells of each category become a level that
training never saw, and 10 % of all cells become missing. Scores are accuracy and R² (*, the mean over targets):

    clean   on the test rows as they are
    messy   on the same rows, damaged
    fall    the difference
    mode    what always predicting the most frequent class reaches; 0 for R², by its definition

hflights and inst_eval are cut to `--rows` rows, drawn at random, for time; the others are whole. The exit code is 1
where a table raises anything, or where the two frames differ.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import traceback
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import NearlyUniqueWarning
from glassnet.tables.frames import split_target

REGRESSION = {
    *("abalone", "airfoil", "bike_sharing", "california_housing", "concrete", "diamonds", "energy_efficiency"),
    *("hflights", "inst_eval", "insurance", "taxis", "wine_quality"),
}
TARGETS = {"energy_efficiency": ["Heating Load", "Cooling Load"]}  # of the others: the last column
CUT = ("hflights", "inst_eval")
NEW, MISSING = 0.05, 0.1  # shares of cells
TEXTS = (pl.String, pl.Categorical, pl.Enum)


def damaged(X: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The rows with 5 % of the cells of each category made new levels, and then 10 % of all cells missing."""

    def chosen(share: float) -> pl.Series:
        return pl.Series(rng.random(len(X)) < share)

    texts = [values.name for values in X.iter_columns() if values.dtype in TEXTS]
    X = X.with_columns(
        pl.when(chosen(NEW)).then(pl.lit("never seen")).otherwise(pl.col(name).cast(pl.String)).alias(name)
        for name in texts
    )
    return X.with_columns(pl.when(~chosen(MISSING)).then(name).alias(name) for name in X.columns)


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The rows as pandas reads them from a file."""
    file = io.BytesIO()
    frame.write_parquet(file)
    return pd.read_parquet(file)


def score(regression: bool, y: np.ndarray, predicted: np.ndarray) -> float:
    """Accuracy, where a class that training did not meet is wrong; or R², the mean over targets."""
    if not regression:
        return float(np.mean(predicted == y))
    left, spread = ((y - predicted) ** 2).sum(axis=0), ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    return float(np.mean(1 - left / spread))


def same_predictions(models: list[Any], frames: list[Any]) -> np.ndarray:
    """What every model predicts from every frame; AssertionError where two of them differ in a bit."""
    expected = models[0].predict(frames[0])
    detailed = "predict" if isinstance(models[0], GlassNetRegressor) else "predict_proba"
    bits = getattr(models[0], detailed)(frames[0]).tobytes()
    for model in models:
        for frame in frames:
            assert getattr(model, detailed)(frame).tobytes() == bits, "pandas and polars give different predictions"
    return expected


def measure(path: Path, seed: int, most: int) -> dict[str, Any]:
    """Scores on clean and damaged test rows of one table, and the seconds of one fit."""
    rng, regression = np.random.default_rng(seed), path.stem in REGRESSION
    target = TARGETS.get(path.stem, list(pl.read_parquet_schema(path))[-1])
    frames, models = [], []
    table = pl.read_parquet(path)
    rows = rng.permutation(len(table))[: most if path.stem in CUT else None]
    testing, training = np.split(rows, [len(rows) // 4])
    for read in (pd.read_parquet, pl.read_parquet):
        X, y = split_target(read(path), target)
        take = X.__getitem__ if isinstance(X, pl.DataFrame) else X.iloc.__getitem__
        begun = time.perf_counter()
        kind = GlassNetRegressor if regression else GlassNetClassifier
        models.append(kind(random_state=seed).fit(take(training), y[training]))
        seconds = time.perf_counter() - begun
        frames.append(take(testing))
    clean = same_predictions(models, frames)
    worse = damaged(frames[1], rng)
    messy = same_predictions(models, [as_pandas(worse), worse])
    frequent = 0.0 if regression else np.unique(y[training], return_counts=True)[1].max() / len(training)
    return {
        "rows": len(rows),
        "clean": score(regression, y[testing], clean),
        "messy": score(regression, y[testing], messy),
        "mode": float(frequent),
        "seconds": seconds,
    }


def main() -> int:
    """Print a row a table, and fail when any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="names of tables; by default all")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=20_000, help="most rows of hflights and inst_eval")
    options = parser.parse_args()
    paths = sorted(options.data.glob("*.parquet"))
    paths = [path for path in paths if not options.tables or path.stem in options.tables]
    if not paths:
        parser.error(f"no tables in {options.data}; name their folder with --data")
    warnings.simplefilter("ignore", NearlyUniqueWarning)
    print(f"glassnet {glassnet.__version__}, pandas {pd.__version__}, polars {pl.__version__}, seed {options.seed}")
    print(f"{' and '.join(CUT)} cut to {options.rows:,} rows; R² where a star stands, else accuracy\n")
    print("| table | rows | clean | messy | fall | mode | s |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    falls, failed = [], []
    for path in paths:
        name = path.stem + " *" * (path.stem in REGRESSION)
        try:
            found = measure(path, options.seed, options.rows)
        except Exception:  # whatever it is, the other tables are still of interest
            traceback.print_exc()
            failed.append(path.stem)
            continue
        falls.append(found["clean"] - found["messy"])
        mode = "" if path.stem in REGRESSION else f"{found['mode']:.3f}"
        print(
            f"| {name} | {found['rows']:,} | {found['clean']:.3f} | {found['messy']:.3f} | {falls[-1]:.3f} "
            f"| {mode} | {found['seconds']:.1f} |",
            flush=True,
        )
    print(f"\n{len(falls)} tables, the same bits from pandas and polars; failed: {', '.join(failed) or 'none'}")
    if falls:
        print(f"fall: median {median(falls):.3f}, largest {max(falls):.3f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
