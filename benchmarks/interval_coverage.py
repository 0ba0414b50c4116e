"""Do intervals and sets hold their coverage? The mean over random splits of ten real tables.

    python benchmarks/interval_coverage.py [--splits 20] [--coverage 0.9] [--data FOLDER]

Each split of a table (8,000 of its rows, drawn anew) trains with the defaults on 70 %, of which a tenth validates; 7 %
are fresh rows, 23 % test. Columns, in percent of the test rows, with the standard error of the mean over splits:

    covered     by `predict_interval` or `predict_set` after `fit` alone: calibrated on the rows that validated
    fresh       the same after `calibrate` with the fresh rows
    plain       after `fit` alone, without the margin of `maths.conformal`
    plain fresh after `calibrate`, without the margin

What choosing the best epoch by the validation rows costs is the difference of the last two. `size` is the mean length
of an interval in standard deviations of the target, or the mean number of classes in a set.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.estimators.calibrating import conformal_scores
from glassnet.estimators.samples import samples_of
from glassnet.maths.conformal import threshold

REGRESSION = ("abalone", "bike_sharing", "california_housing", "diamonds", "wine_quality")
CLASSIFICATION = ("adult", "covertype_20k", "electricity", "higgs_7500", "letter")
MOST_ROWS = 8000


def parts_of(frame: pl.DataFrame, seed: int) -> list[tuple[pl.DataFrame, np.ndarray]]:
    """Rows to train on, fresh rows and test rows, each as X and y."""
    rows = np.random.default_rng(seed).permutation(len(frame))[:MOST_ROWS]
    cuts = [int(share * len(rows)) for share in (0.7, 0.77)]
    parts = (frame[part] for part in np.split(rows, cuts))
    return [(part[:, :-1], part[:, -1].to_numpy()) for part in parts]


def covered(model: GlassNetClassifier | GlassNetRegressor, X: pl.DataFrame, y: np.ndarray, coverage: float):
    """Share of rows whose interval or set holds the target, and the mean size."""
    if isinstance(model, GlassNetRegressor):
        lower, upper = model.predict_interval(X, coverage).T
        return np.mean((lower <= y) & (y <= upper)), np.mean(upper - lower) / y.std()
    sets = model.predict_set(X, coverage)
    known = np.isin(y, model.classes_)
    place = np.searchsorted(model.classes_, y[known])
    return sets[np.flatnonzero(known), place].sum() / len(y), sets.sum(axis=1).mean()


def plain(model: GlassNetClassifier | GlassNetRegressor, X: pl.DataFrame, y: np.ndarray, coverage: float) -> float:
    """Share of rows whose score is below the threshold without its margin."""
    samples = samples_of(X, y, None, "model")
    scores = conformal_scores(model, samples, model._outputs(X), model._temperature).scores[:, 0]
    return np.mean(scores <= threshold(model._conformal.scores[:, 0], coverage, margin=0.0))


def measure(kind: type, frame: pl.DataFrame, seed: int, coverage: float) -> list[float]:
    """The four columns and the size, of one split."""
    (X, y), (X_fresh, y_fresh), (X_test, y_test) = parts_of(frame, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(random_state=seed).fit(X, y)
    first, size = covered(model, X_test, y_test, coverage)
    first_plain = plain(model, X_test, y_test, coverage)
    model.calibrate(X_fresh, y_fresh)
    second, _ = covered(model, X_test, y_test, coverage)
    return [100 * first, 100 * second, 100 * first_plain, 100 * plain(model, X_test, y_test, coverage), size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--coverage", type=float, default=0.9)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GLASSNET_DATA", beside)))
    given = parser.parse_args()
    print(f"coverage {given.coverage:g}, {given.splits} splits\n")
    print(f"{'table':<20}{'covered':>14}{'fresh':>14}{'plain':>14}{'plain fresh':>14}{'size':>8}{'seconds':>9}")
    tables = [(name, GlassNetRegressor) for name in REGRESSION]
    tables += [(name, GlassNetClassifier) for name in CLASSIFICATION]
    means = []
    for name, kind in tables:
        frame, begun = pl.read_parquet(given.data / f"{name}.parquet"), time.perf_counter()
        values = np.array([measure(kind, frame, seed, given.coverage) for seed in range(given.splits)])
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(given.splits)
        cells = "".join(f"{m:>8.2f} ±{e:4.2f}" for m, e in zip(mean[:4], error[:4], strict=True))
        print(f"{name:<20}{cells}{mean[4]:>8.2f}{time.perf_counter() - begun:>9.0f}", flush=True)
        means.append(mean)
    print(f"{'mean':<20}" + "".join(f"{m:>8.2f}      " for m in np.mean(means, axis=0)[:4]))
    low, high = 100 * given.coverage, 100 * given.coverage + 2
    outside = [name for (name, _), mean in zip(tables, means, strict=True) if not low <= mean[0] <= high]
    print(f"\nnot between {low:g} and {high:g} with fit alone: {', '.join(outside) or 'none'}")


if __name__ == "__main__":
    main()
