"""Write the model files of this folder, each with a table and what the model predicted for it.

Run once with every release, before its tag, in an environment that holds that release and no other:

    python tests/files/released/make_models.py

The files go to a folder named after the version and are never written again: they stand for the files that users of
that version have. `test_released.py` loads all of them with the glassnet of today and compares the predictions.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor

N_TRAINED, N_KEPT = 240, 10  # rows to train on, and to predict


def table(n_rows, seed):
    """Numbers with gaps, a category of three levels and one of forty, truth values, dates."""
    random = np.random.default_rng(seed)
    size = random.normal(5.0, 2.0, n_rows)
    size[::9] = np.nan
    return {
        "size": size,
        "price": np.exp(random.normal(0.0, 1.5, n_rows)),
        "colour": random.choice(["red", "green", "blue"], n_rows).astype(object),
        "shop": random.choice([f"shop {k:02}" for k in range(40)], n_rows).astype(object),
        "sold": random.choice([True, False], n_rows),
        "day": np.datetime64("2024-01-01T00:00:00", "us") + random.integers(0, 700, n_rows) * np.timedelta64(1, "D"),
    }


def signal(X):
    """What the targets are made of."""
    return np.log(X["price"]) + (X["colour"] == "red") + 0.2 * np.nan_to_num(X["size"]) + 0.5 * X["sold"]


def models():
    """name -> (estimator, targets): an ensemble, a regressor with intervals, and one plain network in float64."""
    X = table(N_TRAINED, seed=1)
    t = signal(X) + np.random.default_rng(2).normal(0.0, 0.1, N_TRAINED)
    options = {"random_state": 0, "engine": "reference"}
    return X, {
        "ensemble_classifier": (
            GlassNetClassifier(
                (8,),
                members=3,
                folds=2,
                max_epochs=8,
                embedding={"numbers": "piecewise_linear", "bins": 6, "width": 4},
                calibration="temperature",
                **options,
            ),
            np.select([t < 0.5, t < 2.0], ["low", "middle"], "high").astype(object),
        ),
        "regressor": (
            GlassNetRegressor((8,), preset="fast", max_epochs=10, columns={"shop": "drop"}, **options),
            t,
        ),
        "plain_classifier": (
            GlassNetClassifier(
                (6, 5),
                preset="plain",
                activation=["gelu", "tanh"],
                normalisation="layer",
                dropout=0.1,
                input_scaling="quantile",
                dtype="float64",
                max_epochs=12,
                **options,
            ),
            t > 1.0,
        ),
    }


def predictions(model, X):
    """What a model says of a table, as lists."""
    if hasattr(model, "predict_proba"):
        found = {"predict": model.predict(X), "predict_proba": model.predict_proba(X), "sets": model.predict_set(X)}
    else:
        found = {"predict": model.predict(X), "interval": model.predict_interval(X, 0.8)}
    return {name: values.tolist() for name, values in found.items()}


def plain(X):
    """The table as JSON has it: dates as text, missing numbers as null."""
    columns = {name: values.astype(str) if values.dtype.kind == "M" else values for name, values in X.items()}
    return {name: [None if v != v else v for v in values.tolist()] for name, values in columns.items()}


def main():
    folder = Path(__file__).parent / glassnet.__version__
    if any(folder.glob("*.glassnet")):
        sys.exit(f"{folder} is there already, and files of a release are never written again")
    folder.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    X, estimators = models()
    kept = table(N_KEPT, seed=3)
    for name, (estimator, y) in estimators.items():
        estimator.fit(X, y).save(folder / f"{name}.glassnet")
        expected = {"written_by": glassnet.__version__, "table": plain(kept), **predictions(estimator, kept)}
        (folder / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
