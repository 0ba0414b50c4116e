"""ONNX files: what they hold, what they take, and what is refused."""

import datetime
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor, custom_activation, custom_loss, export_onnx
from glassnet.errors import ColumnError, DataError, ExportError, ModelFileError, OptionError
from glassnet.export import graph

N = 60
RNG = np.random.default_rng(0)
TABLE = {
    "age": np.where(np.arange(N) % 7 == 0, np.nan, RNG.normal(40, 10, N)),
    "city": np.array(["Bern", "Ulm", None] * 20, object),
    "floor": np.arange(N) % 5 * 1.0,
    "wait": (np.arange(N) * 1_500_000).astype("m8[us]"),
    "same": np.full(N, 7.0),
    "note": np.array([f"text {i}" for i in range(N)], object),
}
COLUMNS = {"floor": "category", "note": "drop"}
QUICK = {"max_epochs": 2, "engine": "reference", "random_state": 0, "preset": "plain"}
Y = np.where(np.nan_to_num(TABLE["age"]) > 40, "old", "young")


def fitted(table=TABLE, y=Y, kind=GlassNetClassifier, **options):
    return kind((4,), **QUICK, **({"columns": COLUMNS} if table is TABLE else {}), **options).fit(table, y)


def session_of(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


DATES = np.datetime64("2024-02-27", "us") + np.arange(N) % 9 * np.timedelta64(1, "D")

FEED = {  # written by hand: an old one in Bern, and one of whom nothing is known
    "age": np.array([[61.5], [np.nan]]),
    "city": np.array([["Bern"], [""]], object),
    "floor": np.array([[4.0], [np.nan]]),
    "wait": np.array([[2.5], [np.nan]]),
}
ROWS = {
    "age": [61.5, None],
    "city": ["Bern", None],
    "floor": [4.0, None],
    "wait": [datetime.timedelta(seconds=2.5), None],
    "same": [7.0, 7.0],
}


def test_the_file_takes_each_column_that_counts_and_predicts(tmp_path):
    model = fitted()
    export_onnx(model, tmp_path / "m.onnx")
    session = session_of(tmp_path / "m.onnx")
    assert {put.name: (put.type, put.shape) for put in session.get_inputs()} == {
        "age": ("tensor(double)", ["rows", 1]),
        "city": ("tensor(string)", ["rows", 1]),
        "floor": ("tensor(double)", ["rows", 1]),
        "wait": ("tensor(double)", ["rows", 1]),
    }
    label, probabilities = session.run(["label", "probabilities"], FEED)
    assert label.tolist() == model.predict(ROWS).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(ROWS), rtol=1e-5, atol=1e-5)


def test_the_file_says_what_it_is_and_needs_nothing_beside_it(tmp_path):
    export_onnx(fitted(), tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    onnx.checker.check_model(proto, full_check=True)
    assert [(put.domain, put.version) for put in proto.opset_import] == [("", 17), ("ai.onnx.ml", 3)]
    assert proto.ir_version == 8
    assert (proto.producer_name, proto.producer_version) == ("glassnet", glassnet.__version__)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in proto.graph.initializer)
    assert proto.graph.input[3].doc_string == "durations in seconds; NaN is missing"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_the_same_model_gives_the_same_bytes_from_memory_and_from_its_file(tmp_path):
    model = fitted()
    model.save(tmp_path / "m.glassnet")
    export_onnx(model, tmp_path / "a.onnx")
    export_onnx(tmp_path / "m.glassnet", tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_number_that_predict_refuses_gives_nan(tmp_path):
    rows = {**FEED, "age": np.array([[np.inf], [1e300]])}
    model = fitted()
    with pytest.raises(DataError, match="must be finite"):
        model.predict({**ROWS, "age": [np.inf, 1.0]})
    export_onnx(model, tmp_path / "m.onnx")
    P = session_of(tmp_path / "m.onnx").run(["probabilities"], rows)[0]
    assert np.isnan(P).all(axis=1).tolist() == [True, False]


def test_a_row_that_overflows_in_the_network_gives_nan(tmp_path):
    model = GlassNetRegressor((16, 16), activation="relu", input_scaling="none", **QUICK).fit(
        {"x": np.linspace(-1, 1, N)}, np.linspace(-1, 1, N)
    )
    with pytest.raises(DataError, match=r"^row 2: column 'x' is encoded as a number that overflows float32"):
        model.predict({"x": [0.5, 3e38]})
    export_onnx(model, tmp_path / "m.onnx")
    found = session_of(tmp_path / "m.onnx").run(None, {"x": np.array([[0.5], [3e38]])})[0]
    np.testing.assert_allclose(found, [model.predict({"x": [0.5]})[0], np.nan], rtol=1e-5, atol=1e-5)


def test_rows_whose_squares_overflow_are_normalised_as_predict_does(tmp_path):
    """Their spread is measured in larger units, also where other rows of the table are small."""
    options = {"activation": "identity", "normalisation": "layer", "input_scaling": "none"}
    model = GlassNetRegressor((4, 4), **options, **QUICK).fit({"x": np.linspace(-1, 1, N)}, np.linspace(-1, 1, N))
    rows = {"x": [0.5, -1e25, 1e30]}  # the square of the second overflows float32
    export_onnx(model, tmp_path / "m.onnx")
    found = session_of(tmp_path / "m.onnx").run(None, {"x": np.array(rows["x"])[:, None]})[0]
    np.testing.assert_allclose(found, model.predict(rows), rtol=1e-5, atol=1e-5)
    assert len(set(model.predict(rows))) == 3  # had the spread been infinite, the last two were the same


def test_outputs_give_way_to_columns_of_their_names(tmp_path):
    table = {"label": TABLE["age"], "matrix": TABLE["floor"], "probabilities": TABLE["city"]}
    export_onnx(fitted(table), tmp_path / "m.onnx")
    assert [put.name for put in session_of(tmp_path / "m.onnx").get_outputs()] == ["label_", "probabilities_"]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(Y, "tensor(string)"), (Y == "old", "tensor(bool)"), ((Y == "old") * 3, "tensor(int64)"),
     ((Y == "old") * 2.0, "tensor(double)"), (Y.astype(object), "tensor(string)")],
)  # fmt: skip
def test_labels_keep_their_type(tmp_path, labels, kind):
    export_onnx(fitted(y=labels), tmp_path / "m.onnx")
    assert session_of(tmp_path / "m.onnx").get_outputs()[0].type == kind


def test_dates_are_the_microseconds_that_numpy_keeps(tmp_path):
    moments = DATES + np.arange(N) * np.timedelta64(5, "h")
    model = fitted({"when": moments, "z": TABLE["floor"]}, y=TABLE["floor"], kind=GlassNetRegressor)
    export_onnx(model, tmp_path / "m.onnx")
    session = session_of(tmp_path / "m.onnx")
    assert session.get_inputs()[0].type == "tensor(int64)"
    # 1 March 2000 and the last day of the year 0, as the proleptic calendar has it; NaT.
    dates = np.array(["2000-03-01T12:34", "0000-12-31", "NaT"], "M8[us]")
    feed = {"when": dates.astype(np.int64)[:, None], "z": np.ones((3, 1))}
    assert feed["when"][0, 0] == (11_017 * 1440 + 12 * 60 + 34) * 60_000_000  # 11,017 days: 30 years, 7 leap days, 60
    assert feed["when"][2, 0] == -(2**63)
    found = session.run(None, feed)[0]
    np.testing.assert_allclose(found, model.predict({"when": dates, "z": [1.0, 1.0, 1.0]}), rtol=1e-5, atol=1e-5)


def test_times_of_day_are_microseconds_since_midnight(tmp_path):
    times = [datetime.time(i % 24, i) for i in range(N)]
    model = fitted({"at": times, "z": TABLE["floor"]}, y=TABLE["floor"], kind=GlassNetRegressor)
    export_onnx(model, tmp_path / "m.onnx")
    feed = {"at": np.array([[(7 * 60 + 30) * 60_000_000], [-(2**63)]]), "z": np.ones((2, 1))}
    own = model.predict({"at": [datetime.time(7, 30), None], "z": [1.0, 1.0]})
    np.testing.assert_allclose(session_of(tmp_path / "m.onnx").run(None, feed)[0], own, rtol=1e-5)


# --- refusals ---


MOMENTS = pd.Series(pd.date_range("2024-01-01", periods=N, freq="7h", tz="Europe/Berlin"))
REFUSED = {
    "moments of a zone": (
        {"when": MOMENTS},
        {},
        "column 'when' is read on the clocks of Europe/Berlin, whose rules no exported model knows",
    ),
    "dates as levels": (
        {"when": DATES},
        {"when": "category"},
        "column 'when' has dates as levels, which ONNX does not know",
    ),
    "durations as levels": (
        {"span": np.repeat(TABLE["wait"][:6], 10)},
        {"span": "category"},
        "column 'span' has durations as levels, which ONNX does not know",
    ),
    "the empty text": (
        {"city": np.array(["", "Ulm"] * 30, object)},
        {},
        "column 'city' has the empty text \"\" as a level, which in ONNX is a missing value",
    ),
    "whole numbers beyond 2^53": (
        {"id": np.repeat([2**60, 2**60 + 1, 5], 20)},
        {"id": "category"},
        "column 'id' has levels beyond 2^53, which float64 does not tell apart, got '1152921504606846976'",
    ),
    "half a character": (
        {"city": np.array(["\ud800", "Ulm", "Bern"] * 20, object)},
        {},
        "column 'city' holds half a character, which has no UTF-8",
    ),
    "no name": ({"": TABLE["age"]}, {}, "column '' must have a name, which that of an input is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_input_can_hold_is_refused_with_the_column_and_nothing_is_written(tmp_path, case):
    table, columns, message = REFUSED[case]
    model = GlassNetClassifier((4,), **QUICK, columns=columns).fit({**table, "z": TABLE["floor"]}, Y)
    with pytest.raises(ColumnError) as caught:
        export_onnx(model, tmp_path / "m.onnx")
    assert str(caught.value).startswith(message)
    assert caught.value.column == next(iter(table))
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_makes_no_difference_is_not_refused(tmp_path):
    table = {"z": TABLE["floor"], "when": MOMENTS}
    model = GlassNetClassifier((4,), **QUICK, columns={"when": "drop"}).fit(table, Y)
    export_onnx(model, tmp_path / "m.onnx")
    assert [put.name for put in session_of(tmp_path / "m.onnx").get_inputs()] == ["z"]


def test_labels_that_are_bytes_are_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"y has labels that ONNX does not know, got \[b'old', b'young'\]\. Train on lab"
    ):
        export_onnx(fitted(y=Y.astype("S")), tmp_path / "m.onnx")


def test_functions_of_the_users_own_are_refused(tmp_path):
    rule = "is a function of your own, which no other program knows. Train with a named one."
    own = custom_activation(np.tanh, lambda Z: 1 - np.tanh(Z) ** 2, name="tanh")
    with pytest.raises(OptionError, match=f"activation {rule}"):
        export_onnx(fitted(activation=own), tmp_path / "m.onnx")
    own = custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * (Z - T))
    with pytest.raises(OptionError, match=f"loss {rule}"):
        export_onnx(fitted(loss=own, y=TABLE["floor"], kind=GlassNetRegressor), tmp_path / "m.onnx")


def test_what_is_no_fitted_estimator_is_refused(tmp_path):
    with pytest.raises(
        OptionError, match="model must be an estimator of glassnet or the path of a model file, got 'lis"
    ):
        export_onnx([], tmp_path / "m.onnx")
    with pytest.raises(NotFittedError):
        export_onnx(GlassNetClassifier(), tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match="no such file"):
        export_onnx(tmp_path / "none.glassnet", tmp_path / "m.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_the_remedy_is_to_install_them(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OptionError) as caught:
        export_onnx(fitted(), tmp_path / "m.onnx")
    assert str(caught.value).startswith("onnx needs the packages onnx and onnxruntime (import of ")
    assert caught.value.remedy == "Install them: pip install onnx onnxruntime."


# --- the comparison before a file is written ---


def wrong_tanh(monkeypatch):
    monkeypatch.setitem(graph.OPERATORS, "tanh", "Neg")


def wrong_edge(monkeypatch):
    """A level at a number counts from behind it: 4.0 would be no 4.0."""
    from glassnet.export import columns

    right = columns.last_at_most
    monkeypatch.setattr(columns, "last_at_most", lambda x, values: right(x - 1e-9, values))


def wrong_label(monkeypatch):
    from glassnet.export import to_onnx

    right = to_onnx._labels_of_one_type
    monkeypatch.setattr(to_onnx, "_labels_of_one_type", lambda classes: right(classes)[::-1])


@pytest.mark.parametrize(
    ("spoil", "where"), [(wrong_tanh, "probabilities"), (wrong_edge, "matrix"), (wrong_label, "label")]
)
def test_a_file_that_would_predict_something_else_is_not_written(tmp_path, monkeypatch, spoil, where):
    (tmp_path / "m.onnx").write_bytes(b"before")
    model = fitted(activation="tanh")
    spoil(monkeypatch)
    with pytest.raises(ExportError) as caught:
        export_onnx(model, tmp_path / "m.onnx")
    assert caught.value.argument == where
    assert caught.value.row >= 1
    assert caught.value.remedy.startswith("Nothing was written.")
    if where != "label":
        assert "by more than 1e-05, relative to its size and scale" in str(caught.value)
    assert (tmp_path / "m.onnx").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1
