"""Model files of released versions, as users have them: they load, and predict what they predicted then."""

import json
from pathlib import Path

import numpy as np
import pytest

import glassnet

RELEASED = Path(__file__).parent / "released"
FILES = sorted(RELEASED.glob("*/*.glassnet"))

# Other processors sum and take exponentials in another order, or with other vectors, than the machine that wrote the
# files: a few units in the last place of each layer, of a float32 some 6e-8 each.
TOLERANCE = {"float32": 1e-5, "float64": 1e-11}


def table_of(columns):
    columns = {name: np.array(values, object) for name, values in columns.items()}
    columns["size"] = columns["size"].astype(np.float64)  # None is NaN
    columns["price"] = columns["price"].astype(np.float64)
    columns["sold"] = columns["sold"].astype(bool)
    columns["day"] = columns["day"].astype("datetime64[us]")
    return columns


def test_each_release_left_a_classifier_of_several_networks_a_regressor_and_a_plain_network():
    names = {path.stem for path in RELEASED.glob("0.1.0/*.glassnet")}
    assert names == {"ensemble_classifier", "regressor", "plain_classifier"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_file_of_a_released_version_predicts_what_it_predicted_then(path):
    expected = json.loads(path.with_suffix(".json").read_text())
    model = glassnet.load(path)
    X = table_of(expected["table"])
    tolerance = TOLERANCE[model.network_.dtype.name]
    if hasattr(model, "predict_proba"):
        assert model.predict(X).tolist() == expected["predict"]
        assert model.predict_set(X).tolist() == expected["sets"]
        np.testing.assert_allclose(model.predict_proba(X), expected["predict_proba"], rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_allclose(model.predict(X), expected["predict"], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(model.predict_interval(X, 0.8), expected["interval"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_file_of_a_released_version_can_be_fitted_again(path):
    model = glassnet.load(path).set_params(max_epochs=1, folds=1)
    X = table_of(json.loads(path.with_suffix(".json").read_text())["table"])
    X = {name: np.tile(values, 6) for name, values in X.items()}
    y = X["price"] if not hasattr(model, "classes_") else np.where(X["price"] > 1, *model.classes_[:2])
    assert len(model.fit(X, y).predict(X)) == 60
