"""Python modules: what they take, what is refused, and that they run as programs."""

import ast
import contextlib
import dataclasses
import datetime
import inspect
import subprocess
import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from glassnet import GlassNetClassifier, GlassNetRegressor, export_python
from glassnet.errors import ColumnError, DataError, ExportError
from glassnet.export import layers, to_python
from glassnet.maths import activations

N = 60
RNG = np.random.default_rng(0)
QUICK = {"max_epochs": 2, "engine": "reference", "random_state": 0, "preset": "plain"}
DATES = np.datetime64("2023-12-25T06:30", "us") + np.arange(N) * np.timedelta64(40, "h")
TABLE = {
    "age": np.where(np.arange(N) % 7 == 0, np.nan, RNG.normal(40, 10, N)),
    "city": np.array(["Bern", "Ulm", None] * 20, object),
    "member": np.array([True, False, False] * 20),
    "floor": np.arange(N) % 5 * 1.0,
    "when": DATES,
    "wait": (np.arange(N) * 1_500_000).astype("m8[us]"),
}
Y = np.where(np.nan_to_num(TABLE["age"]) > 40, "old", "young")


def fitted(y=Y, kind=GlassNetClassifier, table=TABLE, columns=None, **options):
    return kind((4,), **QUICK, columns=columns or {"floor": "category"}, **options).fit(table, y)


def module_of(model, folder):
    export_python(model, folder / "m.py")
    module = ModuleType("m")
    exec((folder / "m.py").read_text(encoding="utf-8"), module.__dict__)
    return module


def test_lists_and_arrays_of_all_kinds_are_taken_as_the_estimator_takes_them(tmp_path):
    model = fitted()
    module = module_of(model, tmp_path)
    rows = {
        "age": [61.5, None, float("nan")],
        "city": np.array(["Bern", "Paris", "Ulm"]),
        "member": [None, True, False],
        "floor": [4, np.float32(3), None],
        "when": pd.to_datetime(["2024-02-29 23:59", None, "1969-12-31 00:00"]).to_numpy(),
        "wait": [pd.Timedelta(seconds=2.5).to_pytimedelta(), None, None],
    }
    np.testing.assert_allclose(module.predict_proba(rows), model.predict_proba(rows), rtol=1e-5, atol=1e-5)
    assert module.predict(rows).tolist() == model.predict(rows).tolist()
    texts = {**rows, "when": ["2024-02-29 23:59", None, "1969-12-31"], "wait": [2.5, None, None]}
    np.testing.assert_array_equal(module.predict_proba(texts), module.predict_proba(rows))


def test_columns_of_pandas_are_taken_with_its_own_kinds_of_missing(tmp_path):
    model = fitted()
    rows = {
        "age": pd.Series([50.5, None], dtype="Float64"),
        "city": pd.Series(["Bern", None], dtype="string"),
        "member": pd.Series([True, None], dtype="boolean"),
        "floor": pd.Series([3, None], dtype="Int64"),
        "when": pd.Series(DATES[:2]),
        "wait": pd.Series(TABLE["wait"][:2]),
    }
    found = module_of(model, tmp_path).predict_proba(rows)
    np.testing.assert_allclose(found, model.predict_proba(pd.DataFrame(rows)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [lambda y: y.astype("S"), lambda y: y == "old", lambda y: y.astype(object)])
def test_labels_keep_their_type(tmp_path, make):
    model = fitted(y=make(Y))
    found = module_of(model, tmp_path).predict(TABLE)
    assert found.dtype == model.predict(TABLE).dtype
    assert found.tolist() == model.predict(TABLE).tolist()


def test_whole_numbers_beyond_2_53_stay_apart(tmp_path):
    table = {"id": np.repeat([2**60, 2**60 + 1, 5], 20), "z": TABLE["floor"]}
    model = fitted(table=table, columns={"id": "category"})
    module = module_of(model, tmp_path)
    rows = {"id": [2**60, 2**60 + 1, 2**60 + 2], "z": [1.0, 1.0, 1.0]}
    found = module.predict_proba(rows)
    np.testing.assert_allclose(found, model.predict_proba(rows), rtol=1e-5, atol=1e-5)
    assert len(set(found[:, 0].tolist())) == 3


@pytest.mark.parametrize("when", ["dates", "dates as levels", "durations as levels"])
def test_dates_and_durations_are_read_by_numpy(tmp_path, when):
    values = TABLE["wait"] if when.startswith("durations") else DATES
    values = values if when == "dates" else np.repeat(values[:6], 10)
    columns = {"t": "category"} if when.endswith("levels") else {}
    table = {"t": values, "z": TABLE["floor"]}
    model = fitted(table=table, columns=columns or {"z": "number"})
    module = module_of(model, tmp_path)
    rows = {"t": values[::-1], "z": table["z"]}
    np.testing.assert_allclose(module.predict_proba(rows), model.predict_proba(rows), rtol=1e-5, atol=1e-5)


def test_the_program_prints_predictions_for_a_csv_file(tmp_path):
    model = fitted(kind=GlassNetRegressor, y=np.column_stack([TABLE["floor"], TABLE["floor"] ** 2]))
    export_python(model, tmp_path / "m.py")
    head = "member,city,age,floor,when,wait,other\n"
    (tmp_path / "new.csv").write_text(head + "TRUE,Bern,61.5,4,2024-02-29,2.5,x\n,,,,,,\n", encoding="utf-8-sig")
    command = [sys.executable, "-I", str(tmp_path / "m.py"), str(tmp_path / "new.csv")]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    head, *lines = out.splitlines()
    assert head == "prediction_0,prediction_1"
    rows = {"member": [True, None], "city": ["Bern", None], "age": [61.5, None], "floor": [4, None]}
    rows |= {"when": [np.datetime64("2024-02-29"), None], "wait": [np.timedelta64(2_500_000, "us"), None]}
    np.testing.assert_allclose(
        [[*map(float, line.split(","))] for line in lines], model.predict(rows), rtol=1e-5, atol=1e-5
    )

    (tmp_path / "new.csv").write_text("member,city,age,floor,when,wait\nTrue,Bern,old,4,2024-02-29,2.5\n")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("new.csv: row 1: column 'age' must hold numbers, got 'old'")


def test_the_program_says_in_one_line_what_it_takes_and_what_it_cannot_read(tmp_path):
    export_python(fitted(), tmp_path / "m.py")
    (tmp_path / "odd.csv").write_bytes(b"age,city\n1,M\xfcnchen\n")
    for arguments, said in (
        ([], f"usage: python {tmp_path / 'm.py'} new.csv"),
        (["none.csv"], "none.csv: No such file or directory"),
        (["odd.csv"], "odd.csv: 'utf-8' codec can't decode byte 0xfc in position 12: invalid start byte"),
    ):
        command = [sys.executable, "-I", str(tmp_path / "m.py"), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"{said}\n")


def test_the_program_ends_quietly_where_the_reader_has_had_enough(tmp_path):
    export_python(fitted(), tmp_path / "m.py")
    (tmp_path / "new.csv").write_text("age,city,member,floor,when,wait\n" + "61.5,Bern,True,4,2024-02-29,2.5\n" * 9999)
    command = [sys.executable, "-I", "m.py", "new.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as program:
        program.stdout.close()  # before the first row is written
        assert program.stderr.read() == b""
    assert program.returncode == 1


BAD = {
    "a column that is not there": ({"age": None}, "the table has no column 'age'"),
    "text among numbers": ({"age": [1.0, "x"]}, "row 2: column 'age' must hold numbers, got 'x'"),
    "a date among numbers": ({"age": [DATES[0], 1.0]}, f"row 1: column 'age' must hold numbers, got {DATES[0]!r}"),
    "no date": (
        {"when": ["2024-02-29", "soon"]},
        "row 2: column 'when' must hold dates such as 2024-12-31, got 'soon'",
    ),
    "no duration": ({"wait": ["long", None]}, "row 1: column 'wait' must hold durations, got 'long'"),
    "an infinity": ({"age": [1.0, np.inf]}, "row 2: column 'age' must be finite, got inf"),
    "a number among texts": ({"city": ["Bern", 3]}, "row 2: column 'city' must hold texts, got 3"),
    "text among numbers as levels": ({"floor": [1, "1"]}, "row 2: column 'floor' must hold finite numbers, got '1'"),
}


@pytest.mark.parametrize("case", BAD)
def test_the_module_names_row_and_column_of_a_bad_cell(tmp_path, case):
    changes, message = BAD[case]
    rows = {name: values[:2] for name, values in TABLE.items()} | changes
    rows = {name: values for name, values in rows.items() if values is not None}
    with pytest.raises(ValueError) as caught:
        module_of(fitted(), tmp_path).predict(rows)
    assert str(caught.value) == message


def test_numbers_that_float32_cannot_hold_are_refused_without_scaling(tmp_path):
    module = module_of(fitted(table={"z": TABLE["floor"]}, columns={"z": "number"}, input_scaling="none"), tmp_path)
    with pytest.raises(ValueError, match=r"row 1: column 'z' must not exceed 3\.4e\+38, got 1e\+39"):
        module.predict({"z": [1e39]})


def test_a_row_that_overflows_in_the_network_is_named(tmp_path):
    model = GlassNetRegressor((16, 16), activation="relu", input_scaling="none", **QUICK).fit(
        {"x": np.linspace(-1, 1, N)}, np.linspace(-1, 1, N)
    )
    module = module_of(model, tmp_path)
    with pytest.raises(DataError, match=r"^row 2: column 'x' is encoded as a number that overflows float32"):
        model.predict({"x": [0.5, 3e38]})
    with pytest.raises(ValueError, match=r"^row 2: has a prediction that float32 cannot hold$"):
        module.predict({"x": [0.5, 3e38]})
    with pytest.raises(ValueError, match=r"^row 1: has a prediction that float64 cannot hold$"):
        module.in_units(np.array([[1e38]]), np.array([1e300]), np.array([0.0]))


def test_times_of_day_are_taken_as_datetime_or_texts_have_them(tmp_path):
    times = [datetime.time(i % 24, i) for i in range(N)]
    model = fitted(table={"at": times, "z": TABLE["floor"]}, columns={"z": "number"})
    module = module_of(model, tmp_path)
    rows = {"at": [datetime.time(7, 30, 15), None, datetime.time(23, 59)], "z": [1.0, 2.0, 3.0]}
    np.testing.assert_allclose(module.predict_proba(rows), model.predict_proba(rows), rtol=1e-5, atol=1e-5)
    texts = {**rows, "at": ["07:30:15", None, "23:59"]}
    np.testing.assert_array_equal(module.predict_proba(texts), module.predict_proba(rows))
    with pytest.raises(ValueError, match="row 2: column 'at' must hold times of day such as 23:59:59, got 'noon'"):
        module.predict({"at": ["12:00", "noon"], "z": [1.0, 2.0]})


def test_moments_of_a_zone_are_refused_with_the_column(tmp_path):
    moments = pd.Series(pd.date_range("2024-01-01", periods=N, freq="7h", tz="Europe/Berlin"))
    model = fitted(table={"t": moments, "z": TABLE["floor"]}, columns={"z": "number"})
    with pytest.raises(ColumnError) as caught:
        export_python(model, tmp_path / "m.py")
    rule = "column 't' is read on the clocks of Europe/Berlin, whose rules no exported model knows"
    assert str(caught.value) == f"{rule}. Train on moments without a zone, or of UTC."
    assert list(tmp_path.iterdir()) == []


def test_the_source_holds_the_formulas_of_glassnet_and_only_those_it_needs(tmp_path):
    export_python(fitted(activation="gelu", normalisation="layer"), tmp_path / "m.py")
    tree = ast.parse((tmp_path / "m.py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"gelu", "normal_distribution", "erf", "layer_norm", "dense", "scaled", "waves"} <= functions.keys()
    assert not {"relu", "mish", "softmax", "embed", "written_out", "smooth_clip"} & functions.keys()
    assert ast.get_docstring(functions["gelu"]) == ast.get_docstring(
        ast.parse(inspect.getsource(activations.gelu)).body[0]
    )
    assert all(ast.get_docstring(node) for name, node in functions.items() if name[0] != "_")


def test_no_column_name_breaks_out_of_the_source(tmp_path):
    names = ['"""', "'", "\\", "{x}", "a\nb", "# no", "größe", "\\N{DASH}", "\ud800", ""]
    table = {name: RNG.normal(size=N) for name in names}
    embedding = {"numbers": "piecewise_linear", "bins": 3}
    model = fitted(table=table, columns={"'": "number"}, embedding=embedding)
    np.testing.assert_allclose(
        module_of(model, tmp_path).predict_proba(table), model.predict_proba(table), rtol=1e-5, atol=1e-5
    )


PAYLOAD = "0) or open('ran', 'w').close() #"


def hostile(kind):
    """The kind as a model file could have it that was written by someone else: code in place of each value in turn."""
    for field in dataclasses.fields(kind):
        value = getattr(kind, field.name)
        if dataclasses.is_dataclass(value):
            yield from (dataclasses.replace(kind, **{field.name: part}) for part in hostile(value))
        elif field.name != "name":
            yield dataclasses.replace(kind, **{field.name: PAYLOAD})
        if isinstance(value, tuple):
            yield dataclasses.replace(kind, **{field.name: (PAYLOAD, PAYLOAD)})


@pytest.mark.parametrize("scaling", ["standard", "quantile", "none"])
def test_no_value_of_a_model_file_is_run_as_code(tmp_path, monkeypatch, scaling):
    monkeypatch.chdir(tmp_path)
    model = fitted(input_scaling=scaling)
    kinds = model.encoder_.kinds_
    tried = 0
    for place, kind in enumerate(kinds):
        for spoiled in hostile(kind):
            model.encoder_.kinds_ = [*kinds[:place], spoiled, *kinds[place + 1 :]]
            with contextlib.suppress(Exception):  # what is no number may be anything but run
                export_python(model, tmp_path / "m.py")
            tried += 1
    assert tried > 50
    assert not (tmp_path / "ran").exists()


def test_a_module_that_would_predict_something_else_is_not_written(tmp_path, monkeypatch):
    (tmp_path / "m.py").write_bytes(b"before")
    monkeypatch.setitem(layers.LOSS_OUTPUTS, "binary_cross_entropy", activations.softplus)
    with pytest.raises(ExportError, match=r"probabilities differs from the estimator's .* by more than 1e-05"):
        export_python(fitted(), tmp_path / "m.py")
    assert (tmp_path / "m.py").read_bytes() == b"before"


def test_a_module_whose_matrix_differs_is_said_to_be_a_fault_of_glassnet(tmp_path, monkeypatch):
    """Other advice than that for a network, which float64 may help."""
    monkeypatch.setattr(to_python, "scaled", unscaled)
    with pytest.raises(
        ExportError, match=r"matrix differs .* Nothing was written\. This is a fault of glassnet: please"
    ):
        export_python(fitted(input_scaling="standard"), tmp_path / "m.py")
    assert not (tmp_path / "m.py").exists()


def unscaled(x, *exponent, absent, **numbers):
    """A formula that is wrong."""
    return np.where(absent, 0.0, x)


def test_a_module_that_would_refuse_what_the_estimator_predicts_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(layers.LOSS_OUTPUTS, "binary_cross_entropy", infinite)
    with pytest.raises(ExportError, match=r"^refuses what the estimator predicts: row 1: has a prediction "):
        export_python(fitted(), tmp_path / "m.py")
    assert not (tmp_path / "m.py").exists()


def infinite(A):
    """A formula that is wrong."""
    return A * 0.0 + np.inf


def test_a_model_that_overflows_far_outside_of_training_is_exported(tmp_path):
    """Columns are compared on numbers far outside, which the network need not bear."""
    model = GlassNetRegressor((), **QUICK, input_scaling="standard").fit({"x": np.arange(N)}, np.arange(N))
    model.network_.params[:] = [1e33, 0.0]  # weight and bias; scaled numbers are clipped to 1e6
    rows = {"x": [0.0, 20.0, 59.0]}
    with pytest.raises(DataError, match=r"^row 1: column 'x' .* overflows float32 .* got 1000000\.0\. Repair"):
        model.predict({"x": [1e9]})
    np.testing.assert_allclose(module_of(model, tmp_path).predict(rows), model.predict(rows), rtol=1e-5, atol=1e-5)


def test_the_same_model_gives_the_same_text(tmp_path):
    model = fitted()
    export_python(model, tmp_path / "a.py")
    export_python(model, tmp_path / "b.py")
    assert (tmp_path / "a.py").read_bytes() == (tmp_path / "b.py").read_bytes()
