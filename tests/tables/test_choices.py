"""What `columns=` says is done, stored, shown and checked."""

import datetime
import json
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from glassnet import GlassNetClassifier, load
from glassnet.errors import ColumnError, DataError, NearlyUniqueWarning, OptionError
from glassnet.tables.changes import spelled_number
from glassnet.tables.encoder import TableEncoder
from glassnet.tables.frames import table_of

NAN = float("nan")


def fitted(X, **columns) -> TableEncoder:
    return TableEncoder(columns=columns).fit(X)


def test_numbers_declared_a_category_are_levels_as_people_write_them():
    encoder = fitted({"zip": [3000.0, 0.5, 3000.0, None]}, zip="category")
    assert encoder.get_feature_names_out().tolist() == ["zip=0.5", "zip=3000", "zip=(missing)"]
    expected = [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert encoder.transform({"zip": [3000, 0.5, None, 7]}).tolist() == expected
    assert encoder.transform({"zip": ["3000", "0.5", None, "x"]}).tolist() == expected


LEVELS_0_1 = {  # the numbers 0 and 1, in every form that the same column may have
    "int": {"a": [0, 1]},
    "float": {"a": [0.0, 1.0]},
    "float with a gap": {"a": [0.0, 1.0, None]},
    "bool": {"a": [False, True]},
    "text of an int": {"a": ["0", "1"]},
    "text of a float": {"a": ["0.0", "1.0"]},
    "objects": {"a": np.array([0, 1.0, None], dtype=object)},
    "pandas int": pd.DataFrame({"a": [0, 1]}),
    "pandas nullable": pd.DataFrame({"a": pd.array([0, 1, None], dtype="Int64")}),
    "categorical of ints": pd.DataFrame({"a": pd.Categorical([0, 1])}),
    "categorical of floats": pd.DataFrame({"a": pd.Categorical([0.0, 1.0, None])}),
    "categorical of bools": pd.DataFrame({"a": pd.Categorical([False, True])}),
    "categorical in a dict": {"a": pd.Categorical([0.0, 1.0, None])},
    "categorical series in a dict": {"a": pd.Series(pd.Categorical([0.0, 1.0, None]))},
    "polars": pl.DataFrame({"a": [0, 1, None]}),
    "Arrow dictionary": pa.table({"a": pa.array([0.0, 1.0]).dictionary_encode()}),
}


@pytest.mark.parametrize("given", LEVELS_0_1)
@pytest.mark.parametrize("learned", ["int", "float", "pandas nullable", "categorical of ints", "categorical of floats"])
def test_the_same_number_is_the_same_level_in_whatever_type_it_comes(learned, given):
    encoder = fitted(LEVELS_0_1[learned], a={"kind": "category", "missing": True})
    assert encoder.get_feature_names_out().tolist() == ["a=0", "a=1", "a=(missing)"]
    assert (
        encoder.transform(LEVELS_0_1[given]).tolist()
        == [[1, 0, 0], [0, 1, 0], [0, 0, 1]][: table_of(LEVELS_0_1[given]).n_rows]
    )


@pytest.mark.parametrize("given", [name for name in LEVELS_0_1 if not name.startswith("text")])
def test_truth_values_and_numbers_are_the_same_levels_too(given):
    encoder = fitted({"a": [True, False]}, a={"kind": "category", "missing": True})
    assert encoder.transform(LEVELS_0_1[given]).tolist()[:2] == [[1, 0, 0], [0, 1, 0]]


def test_a_pandas_categorical_is_a_category_in_a_dict_as_in_a_frame():
    for X in ({"a": pd.Categorical([3, 1, 2])}, pd.DataFrame({"a": pd.Categorical([3, 1, 2])})):
        assert TableEncoder().fit(X).get_feature_names_out().tolist() == ["a=1", "a=2", "a=3"]


def test_texts_that_are_no_numbers_stay_apart_from_numbers():
    encoder = fitted({"a": ["007", "7b"]}, a="category")
    assert encoder.transform({"a": ["7", "007", "7b"]}).ravel().tolist() == [0, -1, 1]  # text to text: letter by letter
    assert encoder.transform({"a": [7, 7.0]}).ravel().tolist() == [-1, -1]
    encoder = fitted({"a": [1000, 2000]}, a="category")
    assert encoder.transform({"a": ["1000", "1_000", "1e3", "x"]}).ravel().tolist() == [-1, 0, -1, 0]


def test_underscores_make_no_number_of_a_text():
    for text, number in (("1_000", None), ("1000", 1000.0), ("1e3", 1000.0), ("True", 1.0), ("x", None)):
        assert spelled_number(text) == number
    with pytest.raises(ColumnError, match=r"^row 2: column 'a' must hold numbers, got '1_000'\. Mend the cell"):
        fitted({"a": ["1", "1_000", "3"]}, a="number")


WIDE = 2**60
WIDE_COLUMNS = {
    "list": {"a": [WIDE + 1, WIDE + 2]},
    "list with a gap": {"a": [WIDE + 1, WIDE + 2, None]},
    "array": {"a": np.array([WIDE + 1, WIDE + 2])},
    "unsigned array": {"a": np.array([WIDE + 1, WIDE + 2], np.uint64)},
    "objects": {"a": np.array([WIDE + 1, WIDE + 2, NAN], dtype=object)},
    "pandas": pd.DataFrame({"a": [WIDE + 1, WIDE + 2]}),
    "pandas nullable": pd.DataFrame({"a": pd.array([WIDE + 1, WIDE + 2, None], dtype="Int64")}),
    "pandas on Arrow": pd.DataFrame({"a": pd.array([WIDE + 1, WIDE + 2, None], dtype="int64[pyarrow]")}),
    "polars": pl.DataFrame({"a": [WIDE + 1, WIDE + 2]}),
    "polars with a gap": pl.DataFrame({"a": [WIDE + 1, WIDE + 2, None]}),
    "polars, 128 bits": pl.DataFrame({"a": pl.Series([WIDE + 1, WIDE + 2, None], dtype=pl.Int128)}),
    "Arrow": pa.table({"a": [WIDE + 1, WIDE + 2]}),
    "Arrow with a gap": pa.table({"a": pa.array([WIDE + 1, WIDE + 2, None], pa.uint64())}),
}


@pytest.mark.parametrize("given", WIDE_COLUMNS)
@pytest.mark.parametrize("learned", WIDE_COLUMNS)
def test_whole_numbers_beyond_those_of_a_float_are_levels_of_their_own(learned, given):
    encoder = fitted(WIDE_COLUMNS[learned], a={"kind": "category", "missing": True})
    assert encoder.get_feature_names_out().tolist() == [f"a={WIDE + 1}", f"a={WIDE + 2}", "a=(missing)"]
    rows = encoder.transform(WIDE_COLUMNS[given]).tolist()
    assert rows == [[1, 0, 0], [0, 1, 0], [0, 0, 1]][: len(rows)]


@pytest.mark.parametrize("rows", [[[WIDE + 1, 1], [WIDE + 2, 3]], [[WIDE + 1, 1.5], [WIDE + 2, None]]])
def test_rows_with_whole_numbers_beyond_those_of_a_float_keep_them(rows):
    for X in (rows, np.array(rows, dtype=object)):
        assert fitted(X, x0="category").get_feature_names_out()[0] == f"x0={WIDE + 2}"


@pytest.mark.parametrize("given", WIDE_COLUMNS)
def test_as_numbers_whole_numbers_beyond_those_of_a_float_are_rounded(given):
    X = {"a": [float(WIDE), 0.0]}
    encoder = TableEncoder(input_scaling="minmax").fit(X)
    rows = encoder.transform(WIDE_COLUMNS[given])[:, 0].tolist()
    assert rows == [1.0, 1.0, 0.0][: len(rows)]
    assert table_of(WIDE_COLUMNS[given]).take([1]).n_rows == 1
    assert [column["kind"] for column in TableEncoder().fit({"a": [1, WIDE + 1, None]}).columns_] == ["number"]


def test_an_infinity_beside_large_whole_numbers_is_refused():
    for options in ({}, {"a": "category"}):
        for infinity in (float("inf"), Decimal("Infinity"), Decimal("1e10000")):
            with pytest.raises(DataError, match=r"^row 2: column 'a' must be finite, got inf\."):
                fitted({"a": [WIDE + 1, infinity, None]}, **options)


def test_decimals_that_are_whole_are_levels_as_integers_are():
    encoder = fitted({"a": [Decimal(WIDE + 1), Decimal("2.50"), Decimal("3.0")]}, a="category")
    assert encoder.get_feature_names_out().tolist() == [f"a={WIDE + 1}", "a=2.5", "a=3"]
    assert encoder.transform({"a": [WIDE + 1, 2.5, 3]}).tolist() == np.eye(3).tolist()


def test_an_infinity_is_no_level_either():
    with pytest.raises(DataError, match=r"row 2: column 'zip' must be finite, got inf\."):
        fitted({"zip": [1.0, float("inf")]}, zip="category")
    encoder = fitted({"zip": [1.0, 2.0]}, zip="category")
    with pytest.raises(DataError, match=r"row 1: column 'zip' must be finite, got -inf\."):
        encoder.transform({"zip": [-float("inf")]})
    assert encoder.transform({"zip": [None, datetime.date(2024, 1, 1)][:1]}).tolist() == [[0]]
    with pytest.raises(ColumnError, match="row 2: column 'zip' holds a date where numbers were in training"):
        encoder.transform({"zip": [None, datetime.date(2024, 1, 1)]})


def test_texts_declared_numbers_are_read_as_such():
    encoder = fitted({"x": ["1", "3", None, "True"]}, x="number")
    assert encoder.columns_[0]["kind"] == "number"
    expected = encoder.transform({"x": ["1", "3", None]}).tolist()
    assert encoder.transform({"x": [1, 3, None]}).tolist() == expected
    with pytest.raises(ColumnError, match=r"row 2: column 'x' must hold numbers, got 'three'\. Mend the cell"):
        encoder.transform({"x": ["1", "three"]})
    with pytest.raises(ColumnError, match=r"row 3: column 'x' must hold numbers, got 'b'"):
        fitted({"x": ["1", "1", "b"]}, x="number")


def test_texts_declared_dates_are_parsed():
    days = ["2024-01-01", None, "2024-04-01"]
    encoder = fitted({"d": days}, d="date")
    as_dates = pl.DataFrame({"d": [None if day is None else datetime.date.fromisoformat(day) for day in days]})
    np.testing.assert_array_equal(encoder.transform({"d": days}), TableEncoder().fit_transform(as_dates))
    np.testing.assert_array_equal(encoder.transform(as_dates), encoder.transform({"d": days}))
    with pytest.raises(ColumnError, match=r"row 1: column 'd' must hold dates of one form, such as 20.*, got 'x'"):
        encoder.transform({"d": ["x"]})


@pytest.mark.parametrize("row", [0, 1, 5, 11, 12])
def test_the_text_that_is_no_date_is_the_one_to_blame(row):
    texts: list[str | None] = [f"2024-{month:02}-01" for month in range(1, 13)]
    texts.insert(row, "soon")
    if row == 0:  # the form is that of the first text, which is none
        texts.insert(0, None)
        row = 1
    with pytest.raises(ColumnError, match=rf"row {row + 1}: column 'd' must hold dates of one form, .* got 'soon'\."):
        fitted({"d": texts}, d="date")


def test_texts_of_rows_that_were_left_out_need_not_be_dates():
    table = table_of({"d": ["2024-01-01", "never", "2024-02-01", None]})
    assert fitted(table.take([0, 2, 3]), d="date").columns_[0]["kind"] == "date"
    numbers = table_of({"n": ["1", "x", "2"]})
    assert fitted(numbers.take([0, 2]), n="number").transform(numbers.take([2])).tolist() == [[1]]


def test_dates_declared_a_category_are_levels():
    days = [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), None]
    encoder = fitted({"d": days}, d="category")
    assert encoder.transform({"d": days}).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    with pytest.raises(ColumnError, match="holds a number where dates were in training, got 3"):
        encoder.transform({"d": [3]})


def test_durations_are_a_kind_of_their_own_in_seconds():
    X = {"t": [datetime.timedelta(seconds=1), None, datetime.timedelta(minutes=1)]}
    encoder = TableEncoder("none").fit(X)
    assert encoder.columns_ == [
        {"name": "t", "kind": "duration", "missing": True, "width": 2, "left_out": None, "scaling": "none"}
    ]
    assert encoder.transform(X).tolist() == [[1, 0], [30.5, 1], [60, 0]]
    assert encoder.transform(pd.DataFrame({"t": pd.to_timedelta([2], unit="h")})).tolist() == [[7200, 0]]
    assert encoder.transform({"t": [None]}).tolist() == [[30.5, 1]]
    for new, what in ((3, "a number"), ("1:00", "text"), (datetime.date(2024, 1, 1), "a date")):
        with pytest.raises(ColumnError, match=f"row 2: column 't' holds {what} where durations were in training"):
            encoder.transform({"t": [None, new]})
    as_numbers = TableEncoder("none", columns={"t": "number"}).fit(X)
    assert as_numbers.transform(X).tolist() == encoder.transform(X).tolist()


@pytest.mark.parametrize(
    ("values", "kind", "what"),
    [
        ([1.0, 2.0], "date", "dates, got 1"),
        ([1.0, 2.0], "duration", "durations, got 1"),
        (["1h", "2h"], "duration", "durations, got '1h'"),
        ([datetime.date(2024, 1, 1)] * 2, "number", "numbers, got '2024-01-01"),
    ],
)
def test_a_kind_that_a_column_cannot_be_is_refused_in_fit(values, kind, what):
    with pytest.raises(ColumnError, match=f"row 1: column 'a' must hold {what}") as caught:
        fitted({"a": values}, a=kind)
    assert "or choose another kind in columns=" in str(caught.value)


def test_a_dropped_column_may_hold_anything_and_need_not_be_there():
    X = pl.DataFrame({"a": [1, 2], "empty": [None, None], "note": ["x", "y"]})
    encoder = fitted(X, empty="drop", note="drop")
    assert encoder.get_feature_names_out().tolist() == ["a"]
    assert encoder.columns_[1] == {
        "name": "empty", "kind": "drop", "missing": False, "width": 0, "left_out": "asked for"
    }  # fmt: skip
    for new in (X, X.select("a"), X.with_columns(note=1)):
        assert encoder.transform(new).tolist() == [[-1], [1]]
    assert encoder.n_features_in_ == 3
    assert encoder.feature_names_in_.tolist() == ["a", "empty", "note"]


def test_identifiers_are_kept_where_asked_and_silent_where_dropped():
    X = {"name": [f"n{i:02}" for i in range(50)], "x": range(50)}
    kept = fitted(X, name={"kind": "category", "max_levels": 5})
    assert kept.columns_[0]["levels"] == [f"n{i:02}" for i in range(5)]
    assert kept.get_feature_names_out().tolist()[5:] == ["name=(infrequent)", "x"]
    assert fitted(X, name="drop").get_feature_names_out().tolist() == ["x"]
    with pytest.warns(NearlyUniqueWarning):
        TableEncoder().fit(X)


def test_options_of_one_column_leave_the_others_alone():
    X = {"a": [0.0, 1.0, 2.0, 9.0], "b": [0.0, 1.0, 2.0, 9.0], "c": list("xyzz")}
    encoder = fitted(X, b={"scaling": "minmax", "missing": True}, c={"max_levels": 1, "missing": True})
    assert encoder.get_feature_names_out().tolist() == [
        "a", "b", "b=(missing)", "c=z", "c=(infrequent)", "c=(missing)"
    ]  # fmt: skip
    b = encoder.transform(X)[:, 1]
    np.testing.assert_allclose(b, [-1, -7 / 9, -5 / 9, 1], rtol=1e-6)
    np.testing.assert_array_equal(encoder.transform(X)[:, 0], TableEncoder().fit_transform(X)[:, 0])
    new = encoder.transform({"a": [1], "b": [None], "c": [None]})
    assert new.tolist()[0][1:] == [0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a"], r"columns must be a dict from names of columns, got \['a'\]\. For example \{'zip'"),
        ({1: "number"}, "columns must have names that are strings, got 1"),
        ({"a": "numbr"}, r"columns\['a'\] must be one of 'auto', .*, got 'numbr'\. Did you mean 'number'\?"),
        ({"a": {"kind": "number", "max_levels": 3}}, r"no option 'max_levels', .* Options of 'number': scaling, mis"),
        ({"a": {"kind": "drop", "missing": True}}, "Options of 'drop': none"),
        ({"a": {"scaling": "robst"}}, r"columns\['a'\]\['scaling'\] must be .*Did you mean 'robust'"),
        ({"a": {"missing": 1}}, r"columns\['a'\]\['missing'\] must be True or False, got 1"),
        ({"a": {"min_count": 0}}, r"columns\['a'\]\['min_count'\] must be a whole number of at least 1, got 0"),
    ],
)
def test_what_columns_cannot_say_is_refused(columns, message):
    with pytest.raises(OptionError, match=message):
        TableEncoder(columns=columns).fit({"a": [1, 2]})


def test_a_choice_about_a_column_that_is_not_there_names_the_nearest():
    with pytest.raises(ColumnError) as caught:
        fitted({"weight": [1, 2]}, wieght="category")
    assert str(caught.value) == "column 'wieght' named by columns= is not in the table. Did you mean 'weight'?"


def test_choices_survive_plain_data():
    X = {"a": [1, 2, 3], "d": ["2024-01-01", "2024-01-02", None], "t": [datetime.timedelta(1)] * 2 + [None], "n": "xyz"}
    X["n"] = list(X["n"])
    encoder = fitted(X, a={"kind": "category", "min_count": 1}, d="date", n="drop")
    again = TableEncoder.from_data(json.loads(json.dumps(encoder.to_data()[0])))
    assert again.kinds_ == encoder.kinds_
    assert again.get_params() == encoder.get_params()
    assert again.transform(X).tobytes() == encoder.transform(X).tobytes()


# codes for embeddings


def test_categories_of_many_levels_become_codes_where_asked():
    levels = [f"l{i:02}" for i in range(20)]
    X = {"x": range(45), "many": levels * 2 + ["rare", None, None, None, None], "few": ["a", "b", "c"] * 15}
    encoder = TableEncoder(codes_above=10).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x", "many", "few=a", "few=b", "few=c"]
    labels = ["(missing)", *levels, "(infrequent)"]
    assert encoder.code_columns_ == [{"name": "many", "column": 1, "n_codes": 22, "labels": labels}]
    new = {"x": [0] * 5, "many": ["l00", "l19", None, "rare", "unseen"], "few": ["a"] * 5}
    assert encoder.transform(new)[:, 1].tolist() == [1, 20, 0, 21, 21]
    without_rare = TableEncoder(codes_above=10).fit({"many": levels * 2})
    assert without_rare.code_columns_ == [{"name": "many", "column": 0, "n_codes": 21, "labels": labels[:-1]}]
    assert without_rare.transform({"many": ["l00", "unseen", None]}).tolist() == [[1], [0], [0]]
    again = TableEncoder.from_data(json.loads(json.dumps(encoder.to_data()[0])))
    assert again.code_columns_ == encoder.code_columns_
    assert TableEncoder().fit({"many": levels * 2}).code_columns_ == []
    counted = TableEncoder(codes_above=10, columns={"many": {"max_levels": 30}}).fit({"many": levels * 2})
    assert counted.code_columns_ == []  # so many columns were asked for


def test_codes_are_not_limited_by_max_levels_and_exact_in_float32():
    levels = [f"l{i:05}" for i in range(30_000)]
    encoder = TableEncoder(codes_above=64, min_count=1).fit({"many": levels * 2, "x": range(60_000)})
    codes = encoder.transform({"many": levels, "x": range(30_000)})[:, 0]
    assert codes.dtype == np.float32
    assert codes.tolist() == list(range(1, 30_001))


@pytest.mark.parametrize(
    ("n_rows", "for_a_column", "for_a_code"), [(200, 2, 2), (600, 3, 3), (2_000, 10, 3), (20_000, 10, 3)]
)
def test_a_code_needs_fewer_rows_than_a_column(n_rows, for_a_column, for_a_code):
    """One row in 200, at least 2; at most 10 for a column of 0 and 1, and at most 3 for a code."""
    levels = [f"rare {count:02}" for count in range(1, 12) for _ in range(count)]  # 11 levels in 66 rows
    X = {"a": levels + ["frequent"] * (n_rows - len(levels))}
    for options, least in (({}, for_a_column), ({"codes_above": 11}, for_a_code)):
        for asked in ({}, {"min_count": 5}, {"columns": {"a": {"min_count": 5}}}):
            (column,) = TableEncoder(**options, **asked).fit(X).columns_
            expected = 5 if asked else least
            assert column["levels"] == ["frequent", *(f"rare {count:02}" for count in range(expected, 12))]


# through the estimators


def test_estimators_pass_columns_on_and_keep_them_in_files(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"zip": rng.integers(0, 3, 60), "x": rng.normal(size=60), "note": ["?"] * 60})
    y = X["zip"] == 1
    columns = {"zip": "category", "note": "drop"}
    clf = GlassNetClassifier(columns=columns, max_epochs=3, random_state=0).fit(X, y)
    assert [column["kind"] for column in clf.columns_] == ["category", "number", "drop"]
    assert clf.settings_["columns"] == columns
    clf.save(tmp_path / "m.glassnet")
    again = load(tmp_path / "m.glassnet")
    assert again.columns == columns
    new = X.drop(columns="note")
    np.testing.assert_array_equal(again.predict_proba(new), clf.predict_proba(X))
    assert GlassNetClassifier(**clf.settings_).fit(X, y).columns_ == clf.columns_


def test_a_warm_start_keeps_its_columns():
    X, y = {"a": [1, 2, 3, 4] * 5}, [0, 1, 0, 1] * 5
    clf = GlassNetClassifier(columns={"a": "category"}, warm_start=True, max_epochs=2, random_state=0).fit(X, y)
    assert clf.fit(X, y).columns_[0]["kind"] == "category"
    with pytest.raises(OptionError, match=r"columns must stay \{'a': 'category'\}, as in the last fit"):
        clf.set_params(columns=None).fit(X, y)


def test_nothing_warns_where_nothing_is_odd():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted({"a": [1, 2]}, a="auto")
