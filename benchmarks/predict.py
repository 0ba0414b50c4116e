"""How long a prediction takes, from one row to 100,000, beside scikit-learn's MLP, in one run.

    python benchmarks/predict.py [--rounds N]

Both classifiers have the layers 20-64-32-10 (ReLU) and are fitted on the same rows for two epochs; glassnet once by
each of its engines. Each turn calls `predict_proba` on a float32 array; turns take their place in rounds, and figures
are medians in microseconds. "inside" is what the engine itself takes for the matrix, without the estimator: checks of
the table, its encoding, and float64 probabilities. BLAS and the engine have the processors they would have anyway.

The second table holds the engine's matrix kernel against BLAS: rows a second through p-p-p-10 by the engine, as
GFLOP/s of its products, and sgemm on squares of 1,024, one thread each.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from glassnet import Dense, GlassNetClassifier, Network
from glassnet.training.compiled import engine_outputs

BATCHES = (1, 10, 100, 1_000, 10_000, 100_000)
SHORTEST = 0.02  # seconds of a turn at least


def seconds(call: Callable[..., object], *arguments: object) -> float:
    """Seconds a call with these arguments, over as many as fill a turn."""
    n, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < SHORTEST or n == 0:
        call(*arguments)
        n += 1
    return passed / n


def fitted() -> dict[str, object]:
    """The classifiers, by name."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5_000, 20)).astype(np.float32)
    y = (np.abs(X[:, :3]).sum(axis=1) * 2).astype(int).clip(0, 9)
    common = {"activation": "relu", "max_epochs": 2, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are not meant to converge
        return {
            "glassnet": GlassNetClassifier((64, 32), engine="compiled", **common).fit(X, y),
            "glassnet, NumPy": GlassNetClassifier((64, 32), engine="reference", **common).fit(X, y),
            "scikit-learn": MLPClassifier((64, 32), max_iter=2, random_state=0).fit(X, y),
        }


def estimators(rounds: int) -> None:
    """Print the table of estimators."""
    models = fitted()
    network = models["glassnet"].network_
    print("| rows | " + " | ".join([*models, "inside", "scikit-learn ÷ glassnet"]) + " |")
    print("| --: " * (len(models) + 3) + "|")
    for n in BATCHES:
        X = np.random.default_rng(n).normal(size=(n, 20)).astype(np.float32)
        calls = {name: (model.predict_proba, X) for name, model in models.items()}
        calls["inside"] = (engine_outputs, network, X)
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                taken[name].append(seconds(*call))
        figures = {name: median(values) * 1e6 for name, values in taken.items()}
        ratio = figures["scikit-learn"] / figures["glassnet"]
        print(f"| {n:,} | " + " | ".join(f"{figure:,.0f}" for figure in figures.values()) + f" | {ratio:.2f} |")


def products(rounds: int) -> None:
    """Print the table of matrix products."""
    A = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32)
    out = np.empty_like(A)
    with threadpool_limits(1, user_api="blas"):
        sgemm = 2 * 1024**3 / min(seconds(np.dot, A, A, out) for _ in range(rounds)) / 1e9
    print(f"\nsgemm, squares of 1,024: {sgemm:.0f} GFLOP/s\n")
    print("| units | GFLOP/s | of sgemm | one row, µs |\n| --: | --: | --: | --: |")
    for p in (64, 128, 256, 512):
        network = Network([Dense(p, "relu"), Dense(p, "relu"), Dense(10)], "cross_entropy", p, np.float32)
        X = np.random.default_rng(1).normal(size=(10_000, p)).astype(np.float32)
        table = min(seconds(engine_outputs, network, X, 1) for _ in range(rounds))
        row = min(seconds(engine_outputs, network, X[:1]) for _ in range(rounds))
        speed = 2 * len(X) * (2 * p * p + 10 * p) / table / 1e9
        print(f"| {p} | {speed:.0f} | {speed / sgemm:.2f} | {row * 1e6:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    estimators(arguments.rounds)
    products(arguments.rounds)
