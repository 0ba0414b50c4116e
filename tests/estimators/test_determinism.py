"""The same bits: of a row whatever rows stand beside it, of a fit whatever the number of threads and the process."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.tables.encoder import SCALINGS, TableEncoder

SIZES = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 200)


def mixed(n=400, seed=0):
    """A table with a column of each kind, and gaps: numbers, few and many levels, dates, durations, truth values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) * np.exp(rng.normal(size=n) * 3)
    days = np.datetime64("2020-01-01") + rng.integers(0, 2000, n).astype("timedelta64[D]")
    columns = {
        "x": [None if gap else float(value) for value, gap in zip(x, rng.random(n) < 0.1, strict=True)],
        "whole": rng.integers(-50, 50, n).tolist(),
        "colour": rng.choice(["red", "green", "blue", None], n).tolist(),
        "town": [f"town {k}" for k in rng.integers(0, 60, n)],
        "day": days.tolist(),
        "took": (rng.integers(0, 10**6, n).astype("timedelta64[s]")).tolist(),
        "sure": rng.choice([True, False], n).tolist(),
    }
    y = np.log1p(abs(x)) * np.sign(x) + (np.array(columns["whole"]) > 0)
    return pl.DataFrame(columns), y


TABLE, Y = mixed()
CLASSES = np.digitize(Y, [-0.5, 1.0])


def require_rows_by_themselves(use, table=TABLE):
    """Rows alone, in odd numbers and in any order have the bits that they have in the whole table."""
    whole, rng = np.asarray(use(table)), np.random.default_rng(0)
    for size in SIZES:
        for _ in range(4 if size < 10 else 2):
            rows = rng.permutation(table.height)[:size]
            assert np.asarray(use(table[rows.tolist()])).tobytes() == whole[rows].tobytes(), size


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("codes_above", [None, 20])
def test_a_row_is_encoded_by_itself(scaling, codes_above):
    for dtype in ("float32", "float64"):
        encoder = TableEncoder(scaling, codes_above=codes_above, dtype=dtype).fit(TABLE)
        require_rows_by_themselves(encoder.transform)


QUICK = {"hidden_layer_sizes": (12, 8), "max_epochs": 3, "random_state": 0, "batch_size": 64}
# Nine members, and nine networks: from eight on NumPy sums what lies side by side in another order.
ENSEMBLES = {
    "one network": {"preset": "plain", "normalisation": "layer", "activation": "gelu"},
    "nine members": {"members": 9, "folds": 1, "refit": 0},
    "nine networks": {"members": 1, "folds": 6, "refit": 3, "input_scaling": "quantile"},
    "members, folds and refits": {"members": 3, "folds": 3, "refit": 2, "calibration": "temperature"},
}


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("how", ENSEMBLES)
@pytest.mark.parametrize("task", ["three classes", "two classes", "labels"])
def test_a_row_is_classified_by_itself(task, how, engine):
    y = {"three classes": CLASSES, "two classes": CLASSES > 0, "labels": np.stack([CLASSES > 0, Y > 0.3], axis=1) * 1}
    model = GlassNetClassifier(**QUICK, **ENSEMBLES[how], engine=engine).fit(TABLE, y[task])
    require_rows_by_themselves(model.predict_proba)
    if task == "three classes":
        require_rows_by_themselves(lambda X: model.predict_set(X, coverage=0.8))
        require_rows_by_themselves(model.hidden)
        require_rows_by_themselves(model.predict)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("how", ENSEMBLES)
@pytest.mark.parametrize("task", ["number", "counts", "two numbers", "quantiles"])
def test_a_row_is_predicted_by_itself(task, how, engine):
    options = {name: value for name, value in ENSEMBLES[how].items() if name != "calibration"}
    options |= {"counts": {"loss": "poisson"}, "quantiles": {"quantiles": (0.1, 0.5, 0.9)}}.get(task, {})
    y = {"counts": CLASSES, "two numbers": np.stack([Y, -Y], axis=1)}.get(task, Y)
    model = GlassNetRegressor(**QUICK, **options, engine=engine).fit(TABLE, y)
    require_rows_by_themselves(model.predict)
    require_rows_by_themselves(lambda X: model.predict_interval(X, coverage=0.8))


@pytest.mark.parametrize("how", ENSEMBLES)
def test_threads_change_no_bit_of_a_fit_or_a_prediction(how):
    models = [
        GlassNetClassifier(**QUICK, **ENSEMBLES[how], engine="compiled", n_jobs=n_jobs).fit(TABLE, CLASSES)
        for n_jobs in (1, 2, None)
    ]
    for model in models[1:]:
        for found, expected in zip(model.networks_, models[0].networks_, strict=True):
            assert found.params.tobytes() == expected.params.tobytes()
        assert model.predict_proba(TABLE).tobytes() == models[0].predict_proba(TABLE).tobytes()
        assert [row["loss"] for row in model.history_] == [row["loss"] for row in models[0].history_]


PROCESS = """
import hashlib, numpy as np
from glassnet import GlassNetClassifier
from glassnet.datasets import three_clouds
data = three_clouds(seed=0)
digest = hashlib.sha256()
for engine in ("reference", "compiled"):
    options = {"members": 2, "folds": 2, "refit": 1, "calibration": "temperature", "engine": engine}
    model = GlassNetClassifier((8,), max_epochs=3, random_state=0, **options).fit(data.X, data.y)
    for network in model.networks_:
        digest.update(network.params.tobytes())
    digest.update(model.predict_proba(data.X).tobytes())
    digest.update(repr([(row["loss"], row["validation_loss"]) for row in model.history_]).encode())
print(digest.hexdigest())
"""


def test_two_processes_fit_and_predict_the_same_bits():
    # What Python itself draws anew in each process, the order of a set's texts, differs between the two.
    command, found = [sys.executable, "-c", PROCESS], set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1
