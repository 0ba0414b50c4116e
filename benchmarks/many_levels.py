"""How many rows a level of a category needs for learned numbers of its own: made tables, limits side by side.

    python benchmarks/many_levels.py [--seeds 3]

A table has one category, whose levels shift the target by normal numbers of a spread, and two numbers, of which the
first counts. The printed figures are the default presets' RMSE and log loss on as many new rows, the means over seeds.
"auto" is what `TableEncoder` does, 10 what it does for columns of 0 and 1.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import polars as pl

from glassnet import GlassNetClassifier, GlassNetRegressor

LIMITS = ("auto", 1, 2, 10)
CASES = (  # rows, levels, spread of their effects
    *((800, 200, 1.0), (3_000, 300, 1.0), (3_000, 1_000, 1.0), (8_000, 1_000, 1.0), (8_000, 4_000, 1.0)),
    *((800, 200, 0.0), (3_000, 300, 0.0), (3_000, 1_000, 0.0), (8_000, 1_000, 0.0), (8_000, 4_000, 0.0)),
)


def made(n_rows: int, n_levels: int, spread: float, seed: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """X, a number and a class for each of 2 · `n_rows` rows."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, n_levels, 2 * n_rows)
    numbers = random.normal(size=(2 * n_rows, 2))
    score = spread * random.normal(size=n_levels)[codes] + numbers[:, 0]
    X = pl.DataFrame({"level": [f"level {code}" for code in codes], "a": numbers[:, 0], "b": numbers[:, 1]})
    return X, score + 0.5 * random.normal(size=len(score)), (score > random.logistic(size=len(score))).astype(int)


def scores(n_rows: int, n_levels: int, spread: float, seed: int, limit: str | int) -> tuple[float, float]:
    """RMSE and log loss on new rows."""
    X, t, y = made(n_rows, n_levels, spread, seed)
    columns = {} if limit == "auto" else {"level": {"min_count": limit}}
    train, test = slice(0, n_rows), slice(n_rows, None)
    regressor = GlassNetRegressor(columns=columns, random_state=seed).fit(X[train], t[train])
    classifier = GlassNetClassifier(columns=columns, random_state=seed).fit(X[train], y[train])
    P = classifier.predict_proba(X[test])[np.arange(n_rows), y[test]]
    return float(np.sqrt(np.mean((regressor.predict(X[test]) - t[test]) ** 2))), float(-np.log(P).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # levels left out, as they are with a limit of 10
    print(f"{'rows':>6} {'levels':>7} {'spread':>7}  " + "  ".join(f"{'limit ' + str(limit):>15}" for limit in LIMITS))
    for n_rows, n_levels, spread in CASES:
        line = f"{n_rows:6} {n_levels:7} {spread:7.1f}"
        for limit in LIMITS:
            found = [scores(n_rows, n_levels, spread, seed, limit) for seed in range(arguments.seeds)]
            rmse, loss = np.mean(found, axis=0)
            line += f"  {f'{rmse:.4f} {loss:.4f}':>15}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
