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
from glassnet.estimators.report import Report, UnknownClassWarning
from glassnet.estimators.report import report as measured
from glassnet.workflow import evaluate, infer_task, predict, prepare, stem_of
from glassnet.workflow.suspects import BrokenNumbersWarning, EmptyColumnWarning, RowNumbersWarning
from glassnet.workflow.task import infer_several

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


def test_numbers_with_a_broken_cell_are_warned_of():
    cells = [str(i) for i in range(39)]
    message = (
        "column 'bmi' is read as categories: 39 of 40 values are numbers, but row 4 holds 'fat'. "
        "Mend the cell, or leave it empty."
    )
    with pytest.warns(BrokenNumbersWarning) as caught:
        prepare(pl.DataFrame({"bmi": [*cells[:3], "fat", *cells[3:]], "y": [0.5, 1.5] * 20}), "y")
    assert [str(warning.message) for warning in caught] == [message]
    with pytest.warns(BrokenNumbersWarning, match=r"38 of 40 .* row 1 holds 'x' \(and 1 more\)\. Mend the cells"):
        prepare(pl.DataFrame({"bmi": ["x", *cells[:38], "y"], "y": [0.5, 1.5] * 20}), "y")


def test_a_dash_among_numbers_with_a_broken_cell_counts_as_missing():
    cells = ["-", "fat", *map(str, range(38))]
    with pytest.warns(
        BrokenNumbersWarning, match=r"38 of 39 values are numbers, but row 2 holds 'fat'\. Mend the cell,"
    ):
        prepare(pl.DataFrame({"bmi": cells, "y": [0.5, 1.5] * 20}), "y")


def test_a_dash_alone_is_missing_where_training_saw_numbers_or_dates_also_as_levels():
    days = [datetime.date(2020, 1, day) for day in (1, 2, 3, 4)] * 10
    table = pl.DataFrame({"n": [1, 2, 3, 4] * 10, "d": days, "t": ["u", "v", "w", "-"] * 10})
    model = glassnet.GlassNetRegressor((), max_epochs=1, engine="reference", random_state=0)
    model.set_params(columns={"n": "category", "d": "category"}).fit(table, [1.0, 2.0, 4.0, 8.0] * 10)
    dashes, missing = pl.DataFrame({"n": "-", "d": "-", "t": "-"}), pl.DataFrame({"n": None, "d": None, "t": "-"})
    assert predict(model, dashes).equals(predict(model, missing))
    assert not predict(model, dashes).equals(predict(model, missing.with_columns(t=None)))


@pytest.mark.parametrize("cells", [["x", *"123456789"] * 4, ["x", *"123456789" * 2], [*"1234567890" * 4]])
def test_texts_a_few_rows_and_texts_that_are_all_numbers_are_not_warned_of(cells):
    prepare(pl.DataFrame({"a": cells, "y": [0.5, *range(1, len(cells))]}, strict=False), "y")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_a_column_of_row_numbers_without_a_name_is_left_out(name):
    table = pl.DataFrame({name: range(5, 35), "x": [1.0, 2.0, 4.0] * 10, "y": ["a", "b"] * 15})
    message = f"column {name!r}, the first, has no name and numbers the rows: it is left out. Name it to use it."
    with pytest.warns(RowNumbersWarning) as caught:
        prepared = prepare(table, "y")
    assert str(caught[0].message) == message
    assert prepared.table.names == ["x"]
    with pytest.warns(RowNumbersWarning):
        model = glassnet.train(table, "y", max_epochs=1).model
    assert evaluate(model, table).n_rows == 30  # where it is left out in silence


def test_a_column_whose_few_values_are_held_out_is_left_out():
    """Which rows are held out is chance, or the seed: no reason to fail. All rows of b but the last are empty."""
    table = pl.DataFrame({"a": range(40), "b": [None] * 39 + [7.0], "y": ["p", "q"] * 20})
    message = (
        "column 'b' has no value in the 30 rows that train, and is left out. Drop it, or hold out other rows "
        "(another seed)."
    )
    with pytest.warns(EmptyColumnWarning) as caught:
        model = glassnet.train(table, "y", max_epochs=1, time_order=True).model
    assert [str(one.message) for one in caught] == [message]
    assert model.encoder_.feature_names_in == ["a"]
    assert prepare(table, "y", test_fraction=0).table.names == ["a", "b"]


def test_other_first_columns_are_kept():
    x = {"x": [1.0, 2.0, 4.0] * 10, "y": ["a", "b"] * 15}
    assert prepare(pl.DataFrame({"id": range(30), **x}), "y").table.names == ["id", "x"]
    assert prepare(pl.DataFrame({"": [0, *range(29)], **x}), "y").table.names == ["", "x"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            [f"${i},884.92" for i in range(40)],
            "row 1: column 'y' holds text, got '$0,884.92'. Write numbers as 16884.92",
        ),
        (
            [*map(str, range(30)), "unknown"],
            "row 31: column 'y' holds text, though 30 of 31 values are numbers, got 'unknown'. Write numbers as",
        ),
    ],
)
def test_a_target_of_numbers_with_text_among_them_names_the_cell(cells, message):
    with pytest.raises(DataError) as caught:
        infer_task(np.array(cells, object), "y")
    assert str(caught.value).startswith(message)
    assert infer_task(np.array(cells[20:] * 2, object), "y", "classification")[0] == "multiclass"


# --- several targets ---


def test_the_task_of_several_targets_is_numbers_or_labels():
    numbers, zeros, truth = np.arange(4) / 3, np.array([0, 1, 1, 0]), np.array([True, False, True, True])
    assert infer_several({"a": numbers, "b": zeros}) == ("regression", "a and b hold numbers: regression")
    assert infer_several({"a": zeros, "b": truth}) == ("multilabel", "a and b hold 0 and 1: multilabel")
    asked = infer_several({"a": zeros, "b": truth, "c": zeros}, "regression")
    assert asked == ("regression", "a, b and c hold numbers: regression, as asked")
    assert infer_several(dict.fromkeys("abcdefg", numbers))[1] == "a, b, c, d and 3 more hold numbers: regression"
    with pytest.raises(DataError) as caught:
        infer_several({"a": zeros, "b": numbers}, "classification")
    assert str(caught.value) == (
        "column 'b' must hold 0 and 1, as all of several targets of a classification do, got 0.0. "
        "Train a model for each target of more classes."
    )
    with pytest.raises(DataError, match="column 'b' holds one number only, got 0"):
        infer_several({"a": zeros, "b": 0 * zeros})


def test_several_targets_train_the_model_that_the_estimator_trains(tmp_path):
    table = frame().with_columns(difference=pl.col("a") - pl.col("b")).drop("sign")
    result = glassnet.train(table, target=["sum", "difference"], max_epochs=5, out=tmp_path / "m.glassnet")
    prepared = prepare(table, ["sum", "difference"])
    X, y = prepared.rows(prepared.training)
    expected = glassnet.GlassNetRegressor(max_epochs=5, random_state=0).fit(X, y)
    np.testing.assert_array_equal(result.model.predict(table), expected.predict(table))
    assert (result.target, result.to_dict()["target"]) == (["sum", "difference"],) * 2
    assert glassnet.load(tmp_path / "m.glassnet").target_name_ == ["sum", "difference"]
    assert predict(result.model, table).columns == ["prediction_sum", "prediction_difference"]


def test_a_list_of_one_target_is_that_target():
    one, listed = (glassnet.train(frame(), target, drop=["sign"], max_epochs=2) for target in ("sum", ["sum"]))
    assert (one.target, listed.target) == ("sum", "sum")
    assert one.report == listed.report


def test_labels_are_predicted_and_measured_under_their_names():
    table = frame().with_columns(up=pl.col("a") > 0, big=pl.col("b") > 0.5).drop("sum", "sign")
    result = glassnet.train(table, target=["up", "big"], max_epochs=3, pictures=False)
    assert (result.task, result.report.task) == ("multilabel", "multilabel")
    found = predict(result.model, table)
    assert found.columns == ["prediction_up", "prediction_big", "probability_up", "probability_big"]
    right = [(found[f"prediction_{name}"] == table[name].cast(int)).mean() for name in ("up", "big")]
    assert evaluate(result.model, table).scores["labels_right"] == pytest.approx(np.mean(right))
    with pytest.raises(DataError, match="column 'big' holds other values than 0 and 1, which were in training, got 2"):
        evaluate(result.model, table.with_columns(big=pl.lit(2)))


def test_targets_leave_something_to_predict_from():
    with pytest.raises(ColumnError, match="column 'a' is a target, as is every other column. Add columns to predict"):
        prepare(frame().select("a", "b"), ["a", "b"])
    with pytest.raises(ColumnError, match="column 'b' is a target and cannot be dropped"):
        prepare(frame(), ["a", "b"], drop=["b"])
    for targets, what in (("sign", "the target"), (["a", "sign"], "a target")):
        with pytest.raises(ColumnError) as caught:
            prepare(frame(), targets, group="sign")
        rule = f"column 'sign' is {what} and cannot be the group as well"
        assert str(caught.value) == f"the table: {rule}. Name a column that says which rows belong together."
    with pytest.raises(OptionError, match="target must name a column, or several, got"):
        prepare(frame(), [])


def test_a_report_of_several_numbers_has_a_line_for_each():
    # Errors 1, -1 and 0, 0, 2, 2: R² = 1 - Σe²/Σ(y - ȳ)², with Σ(y - ȳ)² = 5 for 0, 1, 2, 3 and 500 for ten times that.
    y = np.array([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    errors = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 2.0], [-1.0, 2.0]])

    class Fitted:
        target_name_ = ["small", "large"]  # noqa: RUF012

        def predict(self, X):
            return y + errors

    found = measured(Fitted(), None, y)
    small, large = found.per_target
    assert small == pytest.approx(
        {"target": "small", "r2": 0.2, "rmse": 1.0, "mean_absolute_error": 1.0, "baseline_rmse": np.sqrt(1.25)}
    )
    assert large == pytest.approx(
        {
            "target": "large",
            "r2": 1 - 8 / 500,
            "rmse": np.sqrt(2),
            "mean_absolute_error": 1.0,
            "baseline_rmse": np.sqrt(125),
        }
    )
    assert found.scores["r2"] == pytest.approx((0.2 + 1 - 8 / 500) / 2)
    assert found.baseline["baseline_rmse"] == pytest.approx(np.sqrt((1.25 + 125) / 2))  # each mean predicts its own
    assert found.verdict is None
    assert str(found).splitlines()[-3:] == [
        "target      R²   RMSE  mean |error|  RMSE of the mean",
        "small   0.2000      1             1             1.118",
        "large   0.9840  1.414             1             11.18",
    ]
    errors[:, 0] *= 2
    assert measured(Fitted(), None, y).verdict == (
        "worse than always predicting the mean of small: RMSE 2, the mean has 1.118"
    )


# --- which rows are held out ---


def test_the_last_rows_are_held_out_in_the_order_of_time():
    prepared = prepare(frame(80), "sum", time_order=True)
    assert (prepared.training.tolist(), prepared.test.tolist()) == (list(range(60)), list(range(60, 80)))


def test_time_order_and_groups_reach_the_validation():
    table = frame(400).with_columns(who=pl.Series(np.arange(400) // 4))
    for options, passed in (
        ({"time_order": True}, {"validation": "last"}),
        ({"group": "who"}, {"groups": np.repeat(np.arange(100), 4)}),
    ):
        result = glassnet.train(
            table, "sum", drop=["sign", *([] if "group" in options else ["who"])], max_epochs=3, **options
        )
        prepared = prepare(table, "sum", drop=["sign", "who"])
        places = prepare(table, "sum", **options).training
        if "groups" in passed:
            passed = {"groups": passed["groups"][places]}
        table_of_rows = prepared.table.take(places)
        expected = glassnet.GlassNetRegressor(max_epochs=3, random_state=0).fit(
            table_of_rows, prepared.y[places], **passed
        )
        np.testing.assert_array_equal(result.model.predict(prepared.table), expected.predict(prepared.table))
        assert result.n_train + result.n_validation == len(places) == 300
        assert result.n_validation == 60  # a fifth, which is 15 whole groups


def test_no_group_is_in_both_parts():
    table = frame(400).with_columns(who=pl.Series([f"w{k % 13}" for k in range(400)]))
    prepared = prepare(table, "sum", group="who")
    who = table["who"].to_numpy()
    assert set(who[prepared.test]).isdisjoint(who[prepared.training])
    assert prepared.table.names == ["a", "b", "sign"]
    assert len(set(who[prepared.test])) == 3  # of 13 groups of 30 or 31 rows: 3 are nearest to 100 rows


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
    result = glassnet.train(table, target="sum", drop=["sign"], max_epochs=30, folds=1)
    prepared = prepare(table, "sum", drop=["sign"])
    X, y = prepared.rows(prepared.test)
    assert (result.n_train, result.n_validation, result.n_test) == (120, 30, 50)  # a fifth of 150 validates
    assert result.report == result.model.report(X, y)
    assert result.report.scores["r2"] > 0.9
    assert result.files == []


def test_the_result_prints_a_summary_and_becomes_plain_data(tmp_path):
    out = tmp_path / "m.glassnet"
    result = glassnet.train(PENGUINS, target="species", max_epochs=2, out=out, pictures=tmp_path / "pictures")
    text = str(result)
    folds = "trained on 258 rows, which validate each other in 4 folds, in "
    assert text.startswith(f"species holds 3 texts: multiclass\n{folds}")
    assert "2 epochs (max_epochs), weights of epoch 2" in text
    assert f"wrote {out}" in text
    assert result.files == [out, *(tmp_path / "pictures" / f"{name}.png" for name in ("loss", "network", "confusion"))]
    assert result.to_dict()["rows"] == {"training": 258, "validation": 0, "held_out": 86}
    assert result.to_dict()["folds"] == 4


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


def test_the_model_may_not_take_the_place_of_a_table(tmp_path):
    path = tmp_path / "cars.data.csv"
    path.write_text("a,y\n1,2\n")
    with pytest.raises(OptionError) as caught:
        glassnet.train(path, target="y", out=tmp_path / "x" / ".." / "cars.data.csv")
    assert "out is in a folder that does not exist" in str(caught.value)
    (tmp_path / "x").mkdir()
    again = tmp_path / "x" / ".." / "cars.data.csv"
    with pytest.raises(OptionError) as caught:
        glassnet.train(path, target="y", out=again)
    assert str(caught.value).startswith("out is the table to train on, which would be lost, got ")
    assert caught.value.value == str(again)


@pytest.mark.parametrize("suffix", [".csv", ".PARQUET", ".jsonl.gz"])
def test_a_model_does_not_get_the_suffix_of_a_table(suffix):
    with pytest.raises(OptionError) as caught:
        glassnet.train("nosuch.csv", target="y", out=f"m{suffix}")
    assert str(caught.value) == (
        f"out ends like a table ({suffix.lower()}), and a model is to be written, got 'm{suffix}'. "
        "Name a file such as model.glassnet."
    )


def test_options_are_checked_before_the_table_is_read():
    for option, value, message in [
        ("activation", "rleu", "activation must be one of"),
        ("optimizer", "adm", "optimizer must be one of"),
        ("schedule", "cosin", "schedule must be one of"),
        ("input_scaling", "standart", "input_scaling must be one of"),
        ("dropout", 1.5, "must be at least 0 and below 1, got 1.5"),
        ("random_state", -1, "random_state must"),
        ("max_epochs", 0, "max_epochs must be a whole number of at least 1"),
        ("validation_fraction", 1.0, "validation_fraction must lie strictly between 0 and 1"),
    ]:
        with pytest.raises(OptionError, match=message):
            glassnet.train("nosuch.csv", target="y", **{option: value})


def test_pictures_are_named_after_the_model_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = glassnet.train(PENGUINS, "species", max_epochs=1, out="tt.glassnet", pictures=True, test_fraction=0)
    assert result.pictures[0] == Path("tt-pictures/loss.png")


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
    table = pl.DataFrame({"x0": X[:, 0], "x1": X[:, 1]})
    numbers = glassnet.GlassNetRegressor(max_epochs=1, random_state=0).fit(table, X)
    labels = glassnet.GlassNetClassifier(max_epochs=1, random_state=0).fit(table, (X > 0).astype(int))
    assert predict(numbers, table).columns == ["prediction_0", "prediction_1"]
    found = predict(labels, table)
    assert found.columns == ["prediction_0", "prediction_1", "probability_0", "probability_1"]
    np.testing.assert_array_equal(found["prediction_0"], (found["probability_0"] > 0.5).cast(int))


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


def test_a_table_of_the_target_alone_lacks_every_column(tmp_path):
    table = frame()
    model = glassnet.train(table, target="sum", drop=["sign"], max_epochs=1).model
    table.select("sum").write_csv(tmp_path / "sum.csv")
    rule = "lacks 2 of the 2 columns of training: 'a', 'b'. Add them; cells may be empty."
    with pytest.raises(ColumnError) as caught:
        evaluate(model, tmp_path / "sum.csv")
    assert str(caught.value) == f"{tmp_path / 'sum.csv'}: {rule}"
    unnamed = glassnet.GlassNetRegressor((), max_epochs=1).fit(table.select("a", "b").to_numpy(), table["sum"])
    with pytest.raises(DataError, match="X has 0 features, but GlassNetRegressor is expecting 2 features as input"):
        evaluate(unnamed, table.select("sum"), "sum")


def test_a_feature_is_no_target_to_evaluate_with():
    table = frame()
    model = glassnet.train(table, target="sum", drop=["sign"], max_epochs=1).model
    with pytest.raises(OptionError) as caught:
        evaluate(model, table, "a")
    assert str(caught.value) == (
        "target must hold the true values: the model predicts 'sum', from 'a' among others, got 'a'"
    )


def test_without_true_values_there_is_nothing_to_compare_with():
    table = frame()
    model = glassnet.train(table, target="sum", drop=["sign"], max_epochs=1).model
    with pytest.raises(DataError, match="row 1: column 'sum' is the target and has missing values .* to compare with"):
        evaluate(model, table.with_columns(sum=pl.when(pl.col("a") == table["a"][0]).then(None).otherwise("sum")))


def test_short_predictions_have_seven_digits_and_others_all():
    table = frame()
    model = glassnet.train(table, target="sign", max_epochs=2).model
    short, full = predict(model, table, short=True), predict(model, table)
    expected = [float(f"{value:.7g}") for value in model.predict_proba(table)[:, 0]]
    assert short["probability_+"].to_list() == expected
    np.testing.assert_array_equal(full["probability_+"].to_numpy(), model.predict_proba(table)[:, 0])
    assert max(len(str(value).strip("0.").split("e")[0]) for value in expected) <= 8  # seven digits and a point


def test_a_table_to_predict_may_hold_nothing_but_a_dash_where_numbers_were(tmp_path):
    (tmp_path / "new.csv").write_text("a,b\n-,0.5\n")
    (tmp_path / "empty.csv").write_text("a,b\n,0.5\n")
    table = frame().with_columns(a=pl.when(pl.col("a") > 1).then(None).otherwise("a"))
    model = glassnet.train(table, target="sum", drop=["sign"], max_epochs=1).model
    assert predict(model, tmp_path / "new.csv").equals(predict(model, tmp_path / "empty.csv"))


# --- the report ---


def test_a_class_that_training_did_not_know_has_a_row_of_its_own():
    table = pl.DataFrame({"x": [-1.0, 1.0] * 20, "y": ["a", "b"] * 20})
    model = glassnet.train(table, target="y", max_epochs=2).model
    other = pl.DataFrame({"x": [-1.0, 1.0, 1.0], "y": ["a", "b", "other"]})
    with pytest.warns(UnknownClassWarning) as caught:
        report = evaluate(model, other)
    assert [str(warning.message) for warning in caught] == ["1 row has a class that training did not know: 'other'"]
    assert report.per_class[2] == {"class": "other", "precision": 0.0, "recall": 0.0, "f1": 0.0, "rows": 1}
    assert sum(row["rows"] for row in report.per_class) == report.n_rows == 3
    with pytest.warns(UnknownClassWarning, match="2 rows have classes that training did not know: 'c', 'd'"):
        evaluate(model, pl.DataFrame({"x": [1.0, 1.0, 1.0], "y": ["a", "c", "d"]}))


def test_the_report_says_when_the_model_is_worse_than_its_baseline():
    # 100 rows, half of them in the most frequent class: a standard error is sqrt(0.5 · 0.5 / 100) = 0.05.
    base = {"most_frequent_class_accuracy": 0.5}
    assert Report("binary", 100, {"accuracy": 0.41}, base).verdict is None
    worse = Report("binary", 100, {"accuracy": 0.39}, base)
    text = "worse than always predicting the most frequent class: accuracy 0.3900, that has 0.5000"
    assert worse.to_dict()["worse_than_baseline"] == text
    assert str(worse) == f"binary, 100 rows\naccuracy  0.3900  always the most frequent class: 0.5000\n{text}"
    numbers = {"r2": -0.21, "rmse": 1.1}
    assert Report("regression", 9, numbers, {"baseline_rmse": 1.0}).verdict == (
        "worse than always predicting the mean: RMSE 1.1, the mean has 1"
    )
    assert Report("regression", 9, {"r2": 0.19, "rmse": 0.9}, {"baseline_rmse": 1.0}).verdict is None


def test_the_keys_of_a_report_are_names_for_programs():
    table = frame(200)
    numbers = glassnet.train(table, target="sum", drop=["sign"], max_epochs=2).report
    classes = glassnet.train(table, target="sign", drop=["sum"], max_epochs=2).report
    assert list(numbers.scores) == ["r2", "rmse", "mean_absolute_error", "median_absolute_error"]
    assert list(numbers.baseline) == ["baseline_rmse"]
    assert list(classes.scores) == ["accuracy", "balanced_accuracy", "log_loss", "roc_auc"]
    assert list(classes.baseline) == ["most_frequent_class_accuracy"]
