"""`glassnet.train` and its neighbours, as a program calls them."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import glassnet
from glassnet.errors import ColumnError, DataError, OptionError
from glassnet.workflow import evaluate, infer_task, predict, prepare, stem_of

PENGUINS = Path(glassnet.__file__).parent / "datasets" / "penguins.csv"


def frame(n=80, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 2))
    return pl.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "sum": x.sum(axis=1), "sign": np.where(x.sum(axis=1) > 0, "+", "-")}
    )


# --- the task ---


@pytest.mark.parametrize(
    ("y", "task", "reason"),
    [
        (np.array(["a", "b", "a"], object), "binary", "y holds 2 texts: binary"),
        (np.array(["a", "b", "c"], object), "multiclass", "y holds 3 texts: multiclass"),
        (np.array([True, False, True]), "binary", "y holds true and false: binary"),
        (np.array([0, 1, 1, 0]), "binary", "y holds 2 different whole numbers: binary"),
        (np.array([0.0, 1.0, 1.0]), "binary", "y holds 2 different whole numbers: binary"),
        (np.arange(60) % 3, "multiclass", "y holds 3 different whole numbers: multiclass"),
        (np.arange(59) % 3, "regression", "y holds 3 different whole numbers: regression"),
        (np.arange(400) % 20, "multiclass", "y holds 20 different whole numbers: multiclass"),
        (np.arange(4200) % 21, "regression", "y holds 21 different whole numbers: regression"),
        (np.array([0.5, 1.5, 0.5]), "regression", "y holds numbers: regression"),
    ],
)  # fmt: skip
def test_the_task_follows_from_the_target(y, task, reason):
    assert infer_task(y, "y") == (task, reason)


def test_a_task_that_was_asked_for_is_taken():
    assert infer_task(np.arange(60) % 3, "y", "regression")[0] == "regression"
    assert infer_task(np.arange(59) % 3, "y", "classification")[0] == "multiclass"
    assert infer_task(np.array([True, False]), "y", "regression")[0] == "regression"


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.array(["a", "a"], object), "auto", "column 'y' holds one class only, got 'a'"),
        (np.array([5.0, 5.0]), "auto", "column 'y' holds one number only, got 5.0"),
        (np.array([5, 5]), "classification", "column 'y' holds one class only, got 5"),
        (np.array([1.0, 2.5, 2.0]), "classification", "row 2: column 'y' holds numbers with decimals"),
        (np.array(["a", "b"], object), "regression", "column 'y' holds text, and regression needs numbers, got 'a'"),
        (np.array([*map(str, range(50))], object), "auto", "holds 50 different values in 50 rows, too many to be"),
        (np.array(["2020-01-01", "2020-01-02"], "M8[us]"), "auto", "column 'y' holds dates, which cannot be predicted"),
    ],
)  # fmt: skip
def test_a_target_that_no_task_fits_is_refused(y, task, message):
    with pytest.raises(DataError, match=message):
        infer_task(y, "y", task)


def test_categories_are_classes_even_when_they_are_numbers():
    table = pd.DataFrame({"x": np.arange(30.0), "y": pd.Categorical(np.arange(30) % 3)})
    assert prepare(table, "y").task == "multiclass"


# --- preparing ---


def test_the_held_out_part_has_the_fraction_of_each_class():
    table = pl.DataFrame({"x": range(100), "y": ["a"] * 60 + ["b"] * 40})
    prepared = prepare(table, "y", test_fraction=0.25)
    assert len(prepared.test) == 25
    assert (prepared.y[prepared.test] == "a").sum() == 15
    assert sorted([*prepared.training, *prepared.test]) == list(range(100))


def test_a_class_of_one_row_is_trained_on():
    table = pl.DataFrame({"x": range(41), "y": ["a"] * 20 + ["b"] * 20 + ["rare"]})
    prepared = prepare(table, "y", test_fraction=0.5)
    assert 40 in prepared.training
    assert len(prepared.test) == 20


def test_columns_are_counted_by_kind():
    table = pl.DataFrame({
        "n": [1.0, None, 3.0], "t": ["u", "v", None], "d": [datetime.date(2020, 1, day) for day in (1, 2, 3)],
        "y": [0.5, 1.0, 2.0],
    })  # fmt: skip
    prepared = prepare(table, "y")
    assert prepared.kinds == {"numbers": 1, "texts": 1, "dates": 1}
    assert prepared.missing_cells == 2


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("data/cars.csv", "cars"),
        ("cars.csv.gz", "cars"),
        ("v1.2.parquet", "v1.2"),
        ("-", "model"),
        ("the table", "model"),
    ],
)
def test_files_are_named_after_the_source(source, stem):
    assert stem_of(source) == stem


# --- training ---


def test_train_takes_data_frames_of_any_library_alike():
    table = frame()
    results = [
        glassnet.train(source, target="sign", max_epochs=3).report
        for source in (table, table.to_pandas(), table.to_arrow())
    ]
    assert results[0] == results[1] == results[2]


def test_the_report_is_about_rows_not_trained_on():
    table = frame(200)
    result = glassnet.train(table, target="sum", drop=["sign"], max_epochs=30)
    prepared = prepare(table, "sum", drop=["sign"])
    X, y = prepared.rows(prepared.test)
    assert (result.n_train, result.n_test) == (150, 50)
    assert result.report == result.model.report(X, y)
    assert result.report.scores["R²"] > 0.9
    assert result.files == []


def test_the_result_prints_a_summary_and_becomes_plain_data(tmp_path):
    out = tmp_path / "m.glassnet"
    result = glassnet.train(PENGUINS, target="species", max_epochs=2, out=out, pictures=tmp_path / "pictures")
    text = str(result)
    assert text.startswith("species holds 3 texts: multiclass\ntrained on 258 rows in ")
    assert "2 epochs (max_epochs), weights of epoch 2" in text
    assert f"wrote {out}" in text
    assert result.files == [out, *(tmp_path / "pictures" / f"{name}.png" for name in ("loss", "network", "confusion"))]
    assert result.to_dict()["rows"] == {"training": 258, "held_out": 86}


def test_pictures_can_be_named_after_the_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = glassnet.train(PENGUINS, target="species", max_epochs=1, pictures=True, test_fraction=0)
    assert result.report is None
    assert [str(path) for path in result.pictures] == ["penguins-pictures/loss.png", "penguins-pictures/network.png"]


def test_an_unknown_option_is_named_with_the_nearest_one():
    with pytest.raises(OptionError, match=r"max_epoch is no option of training\. Did you mean 'max_epochs'\?"):
        glassnet.train(PENGUINS, target="species", max_epoch=3)


def test_something_that_is_no_table_is_refused():
    with pytest.raises(DataError, match="source must be a path, \"-\" or a data frame, got 'int'"):
        glassnet.train(3, target="y")


def test_errors_of_a_table_in_memory_name_no_file():
    table = frame().with_columns(a=pl.lit(np.inf))
    with pytest.raises(DataError, match="row 1: column 'a' must be finite, got inf") as caught:
        glassnet.train(table, target="sign")
    assert (caught.value.row, caught.value.column) == (1, "a")


def test_outputs_that_cannot_be_written_are_found_before_training(tmp_path):
    with pytest.raises(OptionError, match="out is a folder, not a file"):
        glassnet.train(PENGUINS, target="species", out=tmp_path, max_epochs=1)
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="pictures is a file, not a folder"):
        glassnet.train(PENGUINS, target="species", pictures=tmp_path / "file", max_epochs=1)


# --- using ---


def test_predictions_come_in_the_library_of_the_source():
    table = frame()
    model = glassnet.train(table, target="sum", drop=["sign"], max_epochs=2).model
    polars, pandas = predict(model, table), predict(model, table.to_pandas())
    assert isinstance(polars, pl.DataFrame)
    assert isinstance(pandas, pd.DataFrame)
    assert polars.columns == ["prediction"]
    np.testing.assert_array_equal(polars["prediction"].to_numpy(), pandas["prediction"].to_numpy())
    np.testing.assert_array_equal(polars["prediction"].to_numpy(), model.predict(table))


def test_several_targets_and_labels_have_a_column_each():
    X = np.random.default_rng(0).normal(size=(40, 2))
    numbers = glassnet.GlassNetRegressor(max_epochs=1, random_state=0).fit(X, X)
    labels = glassnet.GlassNetClassifier(max_epochs=1, random_state=0).fit(X, (X > 0).astype(int))
    table = pl.DataFrame({"x0": X[:, 0], "x1": X[:, 1]})
    assert predict(numbers, table).columns == ["prediction 0", "prediction 1"]
    found = predict(labels, table)
    assert found.columns == ["prediction 0", "prediction 1", "probability 0", "probability 1"]
    np.testing.assert_array_equal(found["prediction 0"], (found["probability 0"] > 0.5).cast(int))


def test_evaluate_needs_a_target_that_somebody_names():
    table = frame()
    model = glassnet.GlassNetRegressor(max_epochs=1, random_state=0).fit(table.select("a", "b"), table["sum"])
    with pytest.raises(OptionError, match="target must be named, since the model does not know it"):
        evaluate(model, table)
    assert evaluate(model, table, "sum").n_rows == 80


def test_a_model_file_remembers_the_target(tmp_path):
    table = frame()
    result = glassnet.train(table, target="sum", drop=["sign"], max_epochs=2, out=tmp_path / "m.glassnet")
    assert glassnet.load(tmp_path / "m.glassnet").target_name_ == "sum"
    assert evaluate(tmp_path / "m.glassnet", table) == evaluate(result.model, table, "sum")


def test_evaluating_numbers_on_text_is_refused():
    table = frame()
    model = glassnet.train(table, target="sum", drop=["sign"], max_epochs=1).model
    with pytest.raises(DataError, match="column 'sign' holds text where numbers were in training"):
        evaluate(model, table, "sign")


def test_a_missing_column_is_named_by_the_file(tmp_path):
    table = frame()
    model = glassnet.train(table, target="sum", drop=["sign"], max_epochs=1).model
    table.select("a", "sum").write_csv(tmp_path / "less.csv")
    with pytest.raises(ColumnError, match=r"less\.csv: lacks 1 of the 2 columns of training: 'b'") as caught:
        predict(model, tmp_path / "less.csv")
    assert caught.value.file == str(tmp_path / "less.csv")
