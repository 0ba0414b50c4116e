"""`engine` and `n_jobs`: what is chosen, kept, saved and loaded, and that rows are predicted by themselves."""

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.engine.compiler import CompilerUnavailable
from glassnet.errors import ModelFileError, OptionError, ReferenceEngineWarning
from glassnet.files.model_format import read_model, write_model
from glassnet.training import choice
from glassnet.training.backend import ReferenceBackend, reference_outputs


def table(n=80, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.choice(["x", "y", "z"], size=n), "c": rng.normal(size=n)})
    X.loc[::9, "c"] = np.nan
    return X, X["a"] + (X["b"] == "x")


def quick(kind=GlassNetRegressor, **options):
    return kind(**{"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0, "preset": "plain", **options})


@pytest.fixture
def engine(monkeypatch):
    """An engine that computes with NumPy, and notes with how many threads it was to train and predict."""
    fake = SimpleNamespace(trained=[], predicted=[], error=None)

    def called(calls, n_jobs):
        calls.append(n_jobs)
        if fake.error is not None:
            raise fake.error

    class Backend(ReferenceBackend):
        def __init__(self, *arguments, n_jobs, announce, **options):
            called(fake.trained, n_jobs)
            super().__init__(*arguments, **options)

    def outputs(network, X, n_jobs=None):
        called(fake.predicted, n_jobs)
        return reference_outputs(network, X)

    fake.EngineBackend, fake.engine_outputs, fake.unsupported = Backend, outputs, lambda network, optimiser: None
    monkeypatch.setitem(sys.modules, "glassnet.training.compiled", fake)
    monkeypatch.setattr(choice, "_said", set())
    return fake


# --- choosing -------------------------------------------------------------------------------------------------------


def test_auto_becomes_the_engine_that_trained(engine, monkeypatch):
    X, y = table()
    small = quick().fit(X, y)
    assert small.settings_["engine"] == "reference"
    monkeypatch.setattr(choice, "WORTH_COMPILING", 0)
    large = quick().fit(X, y)
    assert large.settings_["engine"] == "compiled"
    assert large.get_params()["engine"] == "auto"
    assert engine.trained == [None]
    small.predict(X)
    assert engine.predicted == []
    large.predict(X)
    assert engine.predicted == [None]


@pytest.mark.parametrize("kind", ["compiled", "reference"])
def test_an_engine_can_be_named(engine, kind):
    X, y = table()
    model = quick(engine=kind, n_jobs=2).fit(X, y)
    model.predict(X)
    assert (model.settings_["engine"], model.settings_["n_jobs"]) == (kind, 2)
    assert (engine.trained, engine.predicted) == (([2], [2]) if kind == "compiled" else ([], []))


def test_every_optimiser_and_both_estimators_take_an_engine(engine):
    X, y = table()
    for kind, target, optimizer in ((GlassNetClassifier, y > 0, "lbfgs"), (GlassNetRegressor, y, "adam")):
        quick(kind, engine="compiled", optimizer=optimizer).fit(X, target)
    assert engine.trained == [None, None]


def test_settings_can_be_passed_back_and_choose_the_same_engine(engine, monkeypatch):
    X, y = table()
    monkeypatch.setattr(choice, "WORTH_COMPILING", 0)
    model = quick().fit(X, y)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "glassnet.training.compiled", engine)
    again = GlassNetRegressor(**model.settings_).fit(X, y)
    assert again.settings_ == model.settings_
    assert again.network_.params.tobytes() == model.network_.params.tobytes()


def test_a_clone_has_engine_and_threads():
    model = quick(engine="reference", n_jobs=np.int64(3))
    assert clone(model).get_params()["engine"] == "reference"
    assert clone(model).get_params()["n_jobs"] == 3
    assert GlassNetClassifier().get_params()["engine"] == "auto"
    assert GlassNetClassifier().get_params()["n_jobs"] is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"engine": "numba"}, "engine must be one of 'auto', 'compiled', 'reference', got 'numba'"),
        (
            {"engine": "compile"},
            "engine must be one of 'auto', 'compiled', 'reference', got 'compile'. Did you mean 'compiled'?",
        ),
        ({"engine": None}, "engine must be one of 'auto', 'compiled', 'reference', got None"),
        ({"n_jobs": 0}, "n_jobs must be None, -1 for all processors, or a whole number of at least 1, got 0"),
        ({"n_jobs": -2}, "n_jobs must be None, -1 for all processors, or a whole number of at least 1, got -2"),
        ({"n_jobs": 1.5}, "n_jobs must be None, -1 for all processors, or a whole number of at least 1, got 1.5"),
        ({"n_jobs": True}, "n_jobs must be None, -1 for all processors, or a whole number of at least 1, got True"),
        ({"n_jobs": "all"}, "n_jobs must be None, -1 for all processors, or a whole number of at least 1, got 'all'"),
    ],
    ids=str,
)
def test_what_is_no_engine_and_no_number_of_threads_is_refused(options, text):
    X, y = table()
    with pytest.raises(OptionError) as caught:
        quick(**options).fit(X, y)
    assert str(caught.value) == text


def test_threads_can_be_changed_after_fit_and_are_checked_again(engine):
    X, y = table()
    model = quick(engine="compiled").fit(X, y)
    model.set_params(n_jobs=1).predict(X)
    assert engine.predicted == [1]
    with pytest.raises(OptionError, match="^n_jobs must be None"):
        model.set_params(n_jobs=0).predict(X)


# --- an engine that cannot ------------------------------------------------------------------------------------------


def test_an_activation_of_ones_own_trains_on_the_reference_and_says_so_once(monkeypatch):
    monkeypatch.setattr(choice, "_said", set())
    X, y = table()
    own = glassnet.custom_activation(np.sin, np.cos, name="sine")
    with pytest.warns(ReferenceEngineWarning, match="^training runs on NumPy, .*'sine'") as caught:
        model = quick(activation=own, engine="compiled").fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert model.settings_["engine"] == "reference"
    model.fit(X, y).predict(X)  # a second warning would be an error


def test_without_a_compiler_auto_trains_with_numpy(engine, monkeypatch):
    monkeypatch.setattr(choice, "WORTH_COMPILING", 0)
    engine.error = CompilerUnavailable("Numba is switched off (NUMBA_DISABLE_JIT)")
    X, y = table()
    with pytest.warns(ReferenceEngineWarning, match="which cannot start: Numba is switched off") as caught:
        model = quick().fit(X, y)
    assert len(caught) == 1
    assert model.settings_["engine"] == "reference"
    with pytest.raises(OptionError, match="^engine cannot be had: Numba is switched off"):
        quick(engine="compiled").fit(X, y)


def test_a_compiled_model_predicts_without_a_compiler_unless_it_was_to_be_compiled(engine, monkeypatch):
    monkeypatch.setattr(choice, "WORTH_COMPILING", 0)
    X, y = table()
    model = quick().fit(X, y)
    expected = model.predict(X)
    engine.error = CompilerUnavailable("Numba cannot be imported")
    with pytest.warns(ReferenceEngineWarning, match="which cannot start"):
        assert np.array_equal(model.predict(X), expected)
    with pytest.raises(OptionError, match="^engine cannot be had: Numba cannot be imported"):
        model.set_params(engine="compiled").predict(X)


# --- keeping --------------------------------------------------------------------------------------------------------


def test_a_warm_start_stays_on_the_engine_of_the_first_fit_unless_another_is_named(engine, monkeypatch):
    X, y = table()
    model = quick(warm_start=True).fit(X, y)
    monkeypatch.setattr(choice, "WORTH_COMPILING", 0)
    assert model.fit(X, y).settings_["engine"] == "reference"
    assert model.set_params(engine="compiled").fit(X, y).settings_["engine"] == "compiled"
    assert model.set_params(engine="auto").fit(X, y).settings_["engine"] == "compiled"
    assert engine.trained == [None, None]


def test_a_loaded_model_predicts_with_the_engine_that_trained_it(engine, tmp_path):
    X, y = table()
    model = quick(engine="compiled", n_jobs=2).fit(X, y)
    model.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert loaded.settings_ == model.settings_
    assert loaded.get_params()["engine"] == "compiled"
    loaded.predict(X)
    pickle.loads(pickle.dumps(model)).predict(X)
    assert engine.predicted == [2, 2]


def without_the_engine(tmp_path, model):
    """A file as it was written before there was an engine."""
    model.save(tmp_path / "model.glassnet")
    header, arrays = read_model(tmp_path / "model.glassnet")
    for part in ("arguments", "settings"):
        header[part] = {k: v for k, v in header[part].items() if k not in ("engine", "n_jobs")}
    write_model(tmp_path / "old.glassnet", header, arrays)
    return glassnet.load(tmp_path / "old.glassnet")


def test_a_file_without_an_engine_was_trained_by_the_reference(tmp_path):
    X, y = table()
    model = quick().fit(X, y)
    old = without_the_engine(tmp_path, model)
    assert old.settings_ == model.settings_
    assert old.get_params()["engine"] == "auto"
    assert np.array_equal(old.predict(X), model.predict(X))
    old.save(tmp_path / "again.glassnet")
    assert glassnet.load(tmp_path / "again.glassnet").settings_["engine"] == "reference"


@pytest.mark.parametrize("value", ["auto", "numba", None, 3])
def test_a_file_with_no_engine_that_exists_is_damaged(tmp_path, value):
    X, y = table()
    quick().fit(X, y).save(tmp_path / "model.glassnet")
    header, arrays = read_model(tmp_path / "model.glassnet")
    header["settings"]["engine"] = value
    write_model(tmp_path / "odd.glassnet", header, arrays)
    with pytest.raises(
        ModelFileError, match=r"is damaged: settings\['engine'\] must be one of 'compiled', 'reference'"
    ):
        glassnet.load(tmp_path / "odd.glassnet")


# --- a prediction does not depend on the other rows ----------------------------------------------------------------


@pytest.mark.parametrize("kind", [GlassNetClassifier, GlassNetRegressor])
@pytest.mark.parametrize("options", [{}, {"normalisation": "layer", "dtype": "float64"}, {"optimizer": "lbfgs"}])
def test_any_rows_of_a_table_in_any_order_are_predicted_to_the_same_bits(kind, options):
    X, t = table(300)
    model = quick(kind, hidden_layer_sizes=(32, 16), **options)
    model.fit(X, t if kind is GlassNetRegressor else np.digitize(t, [-0.5, 0.5]))
    predict = model.predict if kind is GlassNetRegressor else model.predict_proba
    many = pd.concat([X] * 9, ignore_index=True)  # beyond a chunk, and columns encoded one by one
    whole = predict(many)
    assert whole.tobytes() == 9 * predict(X).tobytes()
    rng = np.random.default_rng(0)
    for _ in range(5):
        chosen = rng.permutation(len(many))[: rng.integers(1, 400)]
        assert predict(many.iloc[chosen]).tobytes() == whole[chosen].tobytes()
    for i in range(0, 40):
        one = {name: [None if pd.isna(value) else value] for name, value in X.iloc[i].items()}
        for row in (X[i : i + 1], pl.from_pandas(X[i : i + 1]), one):
            assert predict(row).tobytes() == whole[i].tobytes()
