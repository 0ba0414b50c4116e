"""Model files: what was saved comes back, and what is no model is refused."""

import json

import numpy as np
import pytest

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import ModelFileError
from glassnet.files.model_format import read_model, write_model
from glassnet.maths.optimisers import Nesterov
from glassnet.maths.schedules import Cosine, WarmUp


def data(n=80, seed=0):
    rng = np.random.default_rng(seed)
    X = {"a": rng.normal(size=n), "b": rng.choice(["x", "y", "z"], size=n).astype(object)}
    return X, X["a"] + (X["b"] == "x")


TARGETS = {
    "labels": (GlassNetClassifier, lambda t: np.where(t > 0, "high", "low"), {}),
    "numbers as labels": (GlassNetClassifier, lambda t: np.digitize(t, [-0.5, 0.5]) * 10, {}),
    "booleans": (GlassNetClassifier, lambda t: t > 0, {}),
    "objects": (GlassNetClassifier, lambda t: np.where(t > 0, "high", "low").astype(object), {}),
    "several labels": (GlassNetClassifier, lambda t: np.column_stack([t > 0, t > 1, t < 2]).astype(int), {}),
    "a number": (GlassNetRegressor, lambda t: t, {}),
    "numbers": (GlassNetRegressor, lambda t: np.column_stack([t, t**2]), {}),
    "quantiles": (GlassNetRegressor, lambda t: t, {"loss": "quantile", "quantiles": (0.1, 0.9)}),
    "huber": (GlassNetRegressor, lambda t: t, {"loss": "huber"}),
    "counts": (GlassNetRegressor, lambda t: np.floor(t**2), {"loss": "poisson"}),
    "objects as options": (
        GlassNetRegressor,
        lambda t: t,
        {
            "optimizer": Nesterov(momentum=0.8),
            "schedule": WarmUp(2, Cosine()),
            "dropout": 0.1,
            "normalisation": "layer",
        },
    ),
    "l-bfgs": (GlassNetRegressor, lambda t: t, {"optimizer": "lbfgs"}),
}


@pytest.mark.parametrize("task", TARGETS)
def test_a_loaded_model_predicts_the_same_bits_and_knows_its_past(tmp_path, task):
    kind, target, options = TARGETS[task]
    X, t = data()
    model = kind((6, 5), max_epochs=3, random_state=0, **options).fit(X, target(t))
    model.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert type(loaded) is kind
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.predict(X).dtype == model.predict(X).dtype
    # Seconds are left out of the file: the same training gives the same bytes.
    assert loaded.history_ == [{k: v for k, v in row.items() if k != "seconds"} for row in model.history_]
    assert loaded.best_epoch_ == model.best_epoch_
    assert loaded.feature_names_in_.tolist() == ["a", "b"]
    assert loaded.settings_["hidden_layer_sizes"] == (6, 5)
    if kind is GlassNetClassifier:
        assert np.array_equal(loaded.classes_, model.classes_)
        assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_loaded_model_can_be_saved_again_to_the_same_bytes(tmp_path):
    X, t = data()
    GlassNetRegressor((6,), max_epochs=2, random_state=0).fit(X, t).save(tmp_path / "first.glassnet")
    glassnet.load(tmp_path / "first.glassnet").save(tmp_path / "second.glassnet")
    assert (tmp_path / "first.glassnet").read_bytes() == (tmp_path / "second.glassnet").read_bytes()


@pytest.mark.parametrize("options", [{}, TARGETS["objects as options"][2], {"optimizer": "lbfgs"}])
def test_a_loaded_model_can_be_fitted_again_to_the_same_weights(tmp_path, options):
    X, t = data()
    model = GlassNetRegressor((6,), max_epochs=2, random_state=0, **options).fit(X, t)
    model.save(tmp_path / "model.glassnet")
    again = glassnet.load(tmp_path / "model.glassnet").fit(X, t)
    assert again.network_.params.tobytes() == model.network_.params.tobytes()


def test_a_missing_file_is_a_model_file_error(tmp_path):
    with pytest.raises(ModelFileError, match="nothing.glassnet"):
        glassnet.load(tmp_path / "nothing.glassnet")


def test_a_foreign_file_is_a_model_file_error(tmp_path):
    (tmp_path / "cars.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ModelFileError, match=r"cars.csv"):
        glassnet.load(tmp_path / "cars.csv")


@pytest.mark.parametrize("part", ["estimator", "network", "targets", "encoder", "arguments", "settings"])
@pytest.mark.parametrize("value", [None, 3, "text", [], {"no": "such"}])
def test_a_header_that_does_not_fit_is_a_model_file_error(tmp_path, part, value):
    X, t = data()
    GlassNetRegressor((6,), max_epochs=2, random_state=0).fit(X, t).save(tmp_path / "model.glassnet")
    header, arrays = read_model(tmp_path / "model.glassnet")
    write_model(tmp_path / "odd.glassnet", {**header, part: value}, arrays)
    with pytest.raises(ModelFileError, match=r"odd.glassnet: is damaged: "):
        glassnet.load(tmp_path / "odd.glassnet")


@pytest.mark.parametrize(("part", "value"), [("predicting", n) for n in (0, -1, 9, "all")] + [("vouching", [7])])
def test_networks_that_are_not_there_are_a_model_file_error(tmp_path, part, value):
    X, t = data()
    GlassNetRegressor((6,), max_epochs=2, random_state=0).fit(X, t).save(tmp_path / "model.glassnet")
    header, arrays = read_model(tmp_path / "model.glassnet")
    assert part in header
    write_model(tmp_path / "odd.glassnet", {**header, part: value}, arrays)
    with pytest.raises(ModelFileError, match=r"odd.glassnet: is damaged: "):
        glassnet.load(tmp_path / "odd.glassnet")


def test_parameters_of_another_size_are_a_model_file_error(tmp_path):
    X, t = data()
    GlassNetRegressor((6,), max_epochs=2, random_state=0).fit(X, t).save(tmp_path / "model.glassnet")
    header, arrays = read_model(tmp_path / "model.glassnet")
    write_model(tmp_path / "odd.glassnet", header, {**arrays, "network.params": arrays["network.params"][:-1]})
    with pytest.raises(ModelFileError, match=r"params must be a vector of \d+ numbers"):
        glassnet.load(tmp_path / "odd.glassnet")


def test_a_model_file_holds_no_pickle(tmp_path):
    X, t = data()
    GlassNetRegressor((6,), max_epochs=2, random_state=0).fit(X, t).save(tmp_path / "model.glassnet")
    content = (tmp_path / "model.glassnet").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["glassnet"])
    assert header["format"] == "glassnet"
    assert header["estimator"] == "GlassNetRegressor"


def test_a_loaded_model_has_the_arguments_of_the_one_that_was_saved(tmp_path):
    X, t = data()
    model = GlassNetRegressor(
        max_epochs=2, random_state=np.random.default_rng(0), dtype=np.float64, activation=["relu"]
    )
    model.set_params(hidden_layer_sizes=(6,)).fit(X, t).save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    arguments = loaded.get_params()
    assert arguments["batch_size"] == "auto"
    assert arguments["hidden_layer_sizes"] == (6,)
    assert arguments["activation"] == ["relu"]
    assert arguments["dtype"] == "float64"
    assert arguments["random_state"] == model.settings_["random_state"]
    assert loaded.settings_ == model.settings_


@pytest.mark.parametrize(("sizes", "found"), [("auto", "auto"), (5, 5), ([5, 4], (5, 4)), ((), ())])
def test_widths_come_back_as_they_were_given(tmp_path, sizes, found):
    X, t = data(20)
    GlassNetRegressor(sizes, preset="plain", max_epochs=1, random_state=0).fit(X, t).save(tmp_path / "model.glassnet")
    assert glassnet.load(tmp_path / "model.glassnet").get_params()["hidden_layer_sizes"] == found


def test_one_quantile_given_as_a_number_comes_back_as_one(tmp_path):
    X, t = data(20)
    model = GlassNetRegressor((2,), preset="plain", loss="quantile", quantiles=0.3, max_epochs=1, random_state=0)
    model.fit(X, t).save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert loaded.get_params()["quantiles"] == 0.3
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_a_file_written_before_there_were_scorers_and_intervals_is_read(tmp_path):
    X, t = data()
    model = GlassNetClassifier((6,), max_epochs=2, random_state=0, early_stopping=True).fit(X, t > 0)
    model.save(tmp_path / "model.glassnet")
    header, arrays = read_model(tmp_path / "model.glassnet")
    for part in ("settings", "arguments"):
        for name in ("scoring", "refit", "class_weight", "calibration"):
            del header[part][name]
    del header["conformal"]
    arrays = {name: array for name, array in arrays.items() if not name.startswith("conformal.")}
    write_model(tmp_path / "old.glassnet", header, arrays)
    loaded = glassnet.load(tmp_path / "old.glassnet")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.settings_ == model.settings_
    assert loaded.temperature_ == 1.0
    assert loaded.fit(X, t > 0).network_.params.tobytes() == model.network_.params.tobytes()
