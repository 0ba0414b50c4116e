"""Model files: what was saved comes back, and what is no model is refused."""

import copy
import json
from functools import partial

import numpy as np
import pytest

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor, export_onnx, export_python
from glassnet.errors import ModelFileError, OptionError
from glassnet.estimators.loading import load_from_bytes
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


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Header and arrays of a small classifier and a small regressor, by name."""
    X, t = data(60)
    X["day"] = np.datetime64("2024-01-01", "us") + np.arange(60) * np.timedelta64(9, "D")
    path, found = tmp_path_factory.mktemp("parts") / "model.glassnet", {}
    options = {"preset": "plain", "max_epochs": 1, "random_state": 0, "early_stopping": True}
    for name, kind, y in (
        ("classes", GlassNetClassifier, np.where(t > 0, "b", "a")),
        ("numbers", GlassNetRegressor, t),
    ):
        kind((2,), **options).fit(X, y).save(path)
        found[name] = read_model(path)
    return found


def at(value, *place):
    for key in place:
        value = value[key]
    return value


COLUMNS = ("encoder", "columns")
# name of the model, place in the header, what stands there instead, and what is said of it
MISFITS = {
    "another estimator": (
        "classes",
        ("estimator",),
        "GlassNetRegressor",
        "targets do not belong to a GlassNetRegressor",
    ),
    "an estimator that is none": (
        "classes",
        ("estimator",),
        "os.system",
        "header['estimator'] must be one of 'GlassNetC",
    ),
    "a loss of numbers": (
        "classes",
        ("network", "loss"),
        {"name": "huber"},
        "loss must be one of cross_entropy, binary",
    ),
    "three classes for one output": (
        "classes",
        ("targets", "classes"),
        ["a", "b", "c"],
        "classes must be 2 for binary_",
    ),
    "one class twice": (
        "classes",
        ("targets", "classes"),
        ["a", "a"],
        "targets['classes'] must be two labels or more,",
    ),
    "classes out of order": ("classes", ("targets", "classes"), ["b", "a"], "targets['classes'] must be two labels or"),
    "classes in lists": (
        "classes",
        ("targets", "classes"),
        [["a"], ["b"]],
        "label must be text, a number or a truth va",
    ),
    "labels of gigabytes": (
        "classes",
        ("targets", "dtype"),
        "<U99999999",
        "targets['dtype'] must be a NumPy type of la",
    ),
    "labels of a type with fields": (
        "classes",
        ("targets", "dtype"),
        "i4,i4",
        "targets['dtype'] must be a NumPy type of",
    ),
    "targets without scale": (
        "numbers",
        ("targets", "scale"),
        [0.0],
        "targets['scale'] must be a list of positive numb",
    ),
    "two targets of one output": (
        "numbers",
        ("targets",),
        {"kind": "numbers", "centre": [0, 0], "scale": [1, 1], "flat": False},
        "targets must have 1 outputs, for the network has as many, got 2",
    ),
    "a column less": ("numbers", (*COLUMNS, 0, "varies"), False, "encoder must have"),
    "no scale": (
        "numbers",
        (*COLUMNS, 0, "scale"),
        0,
        "encoder['columns'][0]['scale'] must be a positive number, got 0",
    ),
    "an exponent of no float": (
        "numbers",
        (*COLUMNS, 0, "exponent"),
        2**31,
        "['exponent'] must be a whole number from",
    ),
    "knots that fall": ("numbers", (*COLUMNS, 0, "knots"), [1, 0], "must be two numbers or more, none below the one"),
    "knots that span no float": ("numbers", (*COLUMNS, 0, "knots"), [-1e308, 1e308], "['knots'] must be two numbers"),
    "no knots": (
        "numbers",
        (*COLUMNS, 0, "scaling"),
        "quantile",
        "must be two numbers or more, none below the one befo",
    ),
    "levels that are no texts": (
        "numbers",
        (*COLUMNS, 1, "levels"),
        ["x", 1],
        "['levels'] must be a list of texts, got",
    ),
    "a level twice": ("numbers", (*COLUMNS, 1, "levels"), ["x", "x"], "['levels'] must have each level once"),
    "a zone that is none": (
        "numbers",
        (*COLUMNS, 2, "zone"),
        "Nowhere/At all",
        "['zone'] must be a time zone, got 'No",
    ),
    "a zone that is a path": ("numbers", (*COLUMNS, 2, "zone"), "../../etc/passwd\0", "['zone'] must be a time zone"),
    "a part of no calendar": ("numbers", (*COLUMNS, 2, "parts"), ["moon"], "['parts'] must be some of month, day, wee"),
    "a part twice": (
        "numbers",
        (*COLUMNS, 2, "parts"),
        ["day", "day"],
        "['parts'] must be some of month, day, weekday",
    ),
    # Its column would be there and never be written: whatever was in memory before would be predicted from.
    "a year that says what is missing": (
        "numbers",
        (*COLUMNS, 2, "year", "missing"),
        True,
        "['missing'] must be false",
    ),
    "a table of inputs in fractions": (
        "numbers",
        ("network", "n_features"),
        4.5,
        "['n_features'] must be a whole numb",
    ),
    "a type of another network": (
        "numbers",
        ("network", "dtype"),
        "float64",
        "array 'network.params' must be a vector in",
    ),
    "another type of scores": (
        "numbers",
        ("conformal",),
        "probability",
        "conformal does not fit the targets and the lo",
    ),
    "networks that vouch twice": (
        "numbers",
        ("vouching",),
        [0, 0],
        "header['vouching'] must be numbers of its 1 netwo",
    ),
    "a temperature of zero": ("classes", ("temperature",), 0, "header['temperature'] must be a positive number, got 0"),
    "an epoch in words": (
        "numbers",
        ("history", 0, "epoch"),
        "one",
        "header['history'][0]['epoch'] must be a whole num",
    ),
    "a loss in words": ("numbers", ("history", 0, "loss"), "low", "header['history'][0]['loss'] must be a finite numb"),
    "a target too many": ("numbers", ("target",), ["a", "b"], "header['target'] must name 1 targets, got ['a', 'b']"),
    "a size that overflows": ("numbers", ("network", "layers", 0, "units"), 10**300, "params must be a vector of"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_belong_together_is_damaged_and_named(tmp_path, parts, misfit):
    name, place, value, reason = MISFITS[misfit]
    header, arrays = copy.deepcopy(parts[name][0]), parts[name][1]
    at(header, *place[:-1])[place[-1]] = value
    write_model(tmp_path / "odd.glassnet", header, arrays)
    with pytest.raises(ModelFileError) as raised:
        glassnet.load(tmp_path / "odd.glassnet")
    assert str(raised.value).startswith(f"{tmp_path / 'odd.glassnet'}: is damaged: ")
    assert reason in str(raised.value)
    assert raised.value.file == str(tmp_path / "odd.glassnet")


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (
            "network.params",
            lambda a: np.where(a == a[0], np.nan, a),
            "array 'network.params' holds a number that is not",
        ),
        ("network.params", lambda a: np.where(a == a[-1], -np.inf, a), "array 'network.params' holds a number that is"),
        ("network.params", lambda a: a[:, None], "array 'network.params' must be a vector in float32"),
        ("network.params", lambda a: a.view(np.int32), "array 'network.params' must be a vector in float32"),
        (
            "conformal.scores",
            lambda a: a * np.nan,
            "array 'conformal.scores' must be a matrix of numbers in float64 with",
        ),
        ("conformal.scores", lambda a: a[:0], "array 'conformal.scores' must be a matrix of numbers in float64 with 1"),
        (
            "conformal.scores",
            lambda a: np.hstack([a, a]),
            "array 'conformal.scores' must be a matrix of numbers in float",
        ),
    ],
)
def test_numbers_that_no_training_leaves_behind_are_damaged(tmp_path, parts, name, change, reason):
    header, arrays = parts["numbers"]
    changed = change(arrays[name])
    write_model(tmp_path / "odd.glassnet", header, {**arrays, name: changed.astype(changed.dtype)})
    with pytest.raises(ModelFileError, match=reason):
        glassnet.load(tmp_path / "odd.glassnet")


def test_keys_settings_and_arrays_that_a_reader_does_not_know_are_left_aside(tmp_path, parts):
    header, arrays = copy.deepcopy(parts["numbers"][0]), parts["numbers"][1]
    header["invented"] = {"later": [1, 2]}
    header["arguments"]["later"] = header["settings"]["later"] = "auto"
    header["encoder"]["options"]["later"] = header["encoder"]["columns"][0]["later"] = 1
    write_model(tmp_path / "newer.glassnet", header, {**arrays, "later": np.arange(3)})
    loaded = glassnet.load(tmp_path / "newer.glassnet")
    assert "later" not in loaded.settings_
    write_model(tmp_path / "ours.glassnet", *parts["numbers"])
    X = {"a": [0.5], "b": ["x"], "day": np.array(["2024-02-01"], "M8[us]")}
    assert loaded.predict(X) == glassnet.load(tmp_path / "ours.glassnet").predict(X)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_could_not_be_read_again_is_not_written_over_one_that_can(tmp_path, value):
    X, t = data(60)
    model = GlassNetRegressor((2,), preset="plain", max_epochs=1, random_state=0).fit(X, t)
    model.save(tmp_path / "model.glassnet")
    content = (tmp_path / "model.glassnet").read_bytes()
    model.network_.params[0] = value
    with pytest.raises(ModelFileError) as raised:
        model.save(tmp_path / "model.glassnet")
    assert str(raised.value) == (
        f"{tmp_path / 'model.glassnet'}: cannot hold the model: array 'network.params' holds a number that is not "
        "finite. It could not be read again, so it is not written."
    )
    assert (tmp_path / "model.glassnet").read_bytes() == content


def test_a_reason_is_no_longer_than_a_screen_can_show(tmp_path, parts):
    header = {**parts["numbers"][0], "network": {"x" * 100_000: 1}}
    write_model(tmp_path / "odd.glassnet", header, parts["numbers"][1])
    with pytest.raises(ModelFileError) as raised:
        glassnet.load(tmp_path / "odd.glassnet")
    assert len(str(raised.value)) < 1000


def test_a_model_of_bytes_is_the_model_of_the_file(tmp_path, parts):
    write_model(tmp_path / "model.glassnet", *parts["numbers"])
    model = load_from_bytes((tmp_path / "model.glassnet").read_bytes())
    assert np.array_equal(model.network_.params, parts["numbers"][1]["network.params"])


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


@pytest.mark.parametrize("path", [None, 3, "a\0b", ".", "none/m.glassnet"])
def test_a_place_that_cannot_be_is_named_before_any_work(path, tmp_path, monkeypatch):
    """Where a model goes, and what is exported of it."""
    monkeypatch.chdir(tmp_path)
    rules = {None: "be the path of a file, got None", 3: "be the path of a file, got 3"}
    rules |= {
        "a\0b": r"be the path of a file, got 'a\\x00b'",
        ".": "is a folder, not a file, got '.'",
        "none/m.glassnet": "is in a folder that does not exist, got 'none",
    }
    model = GlassNetClassifier(max_epochs=1, preset="plain").fit([[0.0], [1.0]] * 10, [0, 1] * 10)
    for write in (model.save, partial(export_python, model), partial(export_onnx, model)):
        with pytest.raises(OptionError, match=f"^path (must )?{rules[path]}"):
            write(path)
    assert list(tmp_path.iterdir()) == []


def test_quantiles_of_classes_are_refused():
    with pytest.raises(
        OptionError, match=r"^quantiles are of numbers, got \(0.1,\). Leave them out, or use GlassNetReg"
    ):
        GlassNetClassifier(quantiles=(0.1,)).fit([[0.0], [1.0]] * 10, [0, 1] * 10)
