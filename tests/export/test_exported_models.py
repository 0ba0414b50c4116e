"""What an exported model predicts is what its estimator predicts, for drawn settings, tables and rows."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import TrainingDiverged
from glassnet.maths.activations import ACTIVATIONS
from torture_export import (
    TOLERANCES,
    as_inputs,
    by_module,
    by_onnxruntime,
    by_reference,
    drawn_model,
    exported,
    largest_difference,
    may_be_refused,
    new_rows,
    own_results,
)

FEW = settings(
    max_examples=60,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


def require_equal(model, table, folder, n_rows):
    """Both exports say what the model does, on as many new rows; the ModelProto, None where it is refused."""
    proto, module = exported(model, folder)
    rows = new_rows(table, n_rows, np.random.default_rng(n_rows))
    own = own_results(model, rows)
    tolerance = TOLERANCES[model.network_.dtype.name]
    assert largest_difference(model, by_module(module, rows), own) <= tolerance
    if proto is None:
        assert may_be_refused(model)
        return None
    feed = as_inputs(model, rows)
    assert largest_difference(model, by_onnxruntime(proto, feed), own) <= tolerance
    assert largest_difference(model, by_reference(proto, feed), own) <= tolerance
    return proto


@FEW
@given(data=st.data(), n_rows=st.sampled_from([1, 2, 7, 101]))
def test_exports_of_drawn_models_predict_what_the_estimator_does(tmp_path_factory, data, n_rows):
    try:
        model, table = drawn_model(lambda options: data.draw(st.sampled_from(list(options))))
    except TrainingDiverged:
        assume(False)
    proto = require_equal(model, table, tmp_path_factory.mktemp("model"), n_rows)
    if proto is not None:
        import onnx

        onnx.checker.check_model(proto, full_check=True)


X = {"x": np.linspace(-2, 2, 40), "c": np.array(["a", "b", "c", "d"] * 10, object)}
Y = X["x"] + (X["c"] == "a")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_activation_is_exported(tmp_path, dtype):
    """All in one network, each with four units of weights that lead out of its linear part."""
    sizes, names = (4,) * len(ACTIVATIONS), list(ACTIVATIONS)
    options = {"normalisation": "layer", "max_epochs": 1, "engine": "reference", "random_state": 0, "dtype": dtype}
    model = GlassNetRegressor(sizes, activation=names, preset="plain", **options).fit(X, Y)
    assert require_equal(model, X, tmp_path, 51) is not None


@pytest.mark.parametrize("kind", [GlassNetClassifier, GlassNetRegressor])
def test_no_rows_give_no_predictions_of_the_same_width(tmp_path, kind):
    y = np.digitize(Y, [-1, 1]) if kind is GlassNetClassifier else np.column_stack([Y, Y**2])
    model = kind((5,), max_epochs=2, engine="reference", random_state=0, members=2).fit(X, y)
    proto, module = exported(model, tmp_path)
    none = {name: values[:0] for name, values in X.items()}
    whole = own_results(model, X)
    for results in (
        by_module(module, none),
        by_onnxruntime(proto, as_inputs(model, none)),
        by_reference(proto, as_inputs(model, none)),
    ):
        assert {name: values.shape[1:] for name, values in results.items()} == {
            name: values.shape[1:] for name, values in whole.items()
        }
        assert all(len(values) == 0 for values in results.values())


def test_a_table_of_texts_alone_is_exported(tmp_path):
    table = {"c": X["c"], "d": np.array(["u", "v", None, "u\0", "w"] * 8, object)}
    model = GlassNetClassifier((5,), max_epochs=2, engine="reference", random_state=0, preset="plain").fit(table, Y > 0)
    assert require_equal(model, table, tmp_path, 50) is not None


def test_a_matrix_without_names_is_exported(tmp_path):
    matrix = np.column_stack([X["x"], X["x"] ** 2, np.zeros(40)])
    model = GlassNetClassifier((5,), max_epochs=2, engine="reference", random_state=0, preset="plain").fit(
        matrix, Y > 0
    )
    proto, module = exported(model, tmp_path)
    table = {"x0": matrix[:, 0], "x1": matrix[:, 1]}  # the third is constant, and no input
    P = model.predict_proba(matrix)
    np.testing.assert_allclose(by_module(module, table)["probabilities"], P, rtol=1e-5)
    np.testing.assert_allclose(by_onnxruntime(proto, as_inputs(model, table))["probabilities"], P, rtol=1e-5)


def test_one_member_of_an_ensemble_is_exported(tmp_path):
    options = {"max_epochs": 2, "engine": "reference", "random_state": 0, "members": 3, "preset": "plain"}
    model = GlassNetRegressor((5,), **options).fit(X, Y)
    assert require_equal(model.member(1), X, tmp_path, 20) is not None


def test_a_model_that_the_engine_trained_is_exported(tmp_path):
    model = GlassNetClassifier((6,), max_epochs=2, engine="compiled", random_state=0, preset="plain").fit(X, Y > 0)
    assert require_equal(model, X, tmp_path, 33) is not None


GUARD = """
import builtins, json, sys
real = builtins.__import__
here = set(sys.stdlib_module_names) | {"numpy"}
def guarded(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name.partition(".")[0] not in here:
        raise ImportError(f"{name} is not to be imported")
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = guarded
import runpy
module = runpy.run_path(sys.argv[1])
table = json.loads(sys.argv[2])
print(json.dumps({"label": module["predict"](table).tolist(), "P": module["predict_proba"](table).tolist(),
                  "loaded": sorted(set(sys.modules) & {"glassnet", "pandas", "scipy", "sklearn", "polars"})}))
"""


def test_the_module_predicts_in_an_isolated_interpreter_that_imports_numpy_alone(tmp_path):
    settings = {"activation": "gelu", "input_scaling": "quantile", "calibration": "temperature", "preset": "plain"}
    y = np.where(Y > 0, "yes", "no")
    model = GlassNetClassifier((5,), max_epochs=3, engine="reference", early_stopping=True, **settings).fit(X, y)
    exported(model, tmp_path)
    rows = {"x": [0.1, None, -5.0], "c": ["a", None, "new"]}
    command = [sys.executable, "-I", "-c", GUARD, str(tmp_path / "model.py"), json.dumps(rows)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["loaded"] == []
    assert found["label"] == model.predict(rows).tolist()
    # Of a probability of 1e-107 the last bit of a score is more than 1e-5: the promise is 1e-5 of the whole.
    np.testing.assert_allclose(found["P"], model.predict_proba(rows), rtol=1e-5, atol=1e-5)
