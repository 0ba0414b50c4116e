import datetime
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from glassnet.errors import ColumnError, DataError
from glassnet.tables.changes import as_numbers
from glassnet.tables.encoder import TableEncoder
from glassnet.tables.families import family_of_series, name_of_family
from glassnet.tables.frames import Table, split_target, table_of, target_of
from glassnet.tables.missing import missing_mask

NAN = float("nan")
DAYS = ["2020-01-01", None]


def column(X) -> list:
    """The only column of X, as a list with None for missing values."""
    values = table_of(X).columns[0]
    return [None if value != value else value for value in values.tolist()]


NUMBERS = {
    "pandas integers": pd.DataFrame({"a": [1, 2]}),
    "pandas floats": pd.DataFrame({"a": [1.0, NAN]}),
    "pandas nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    "pandas on Arrow": pd.DataFrame({"a": pd.array([1, None], dtype="int64[pyarrow]")}),
    "pandas objects": pd.DataFrame({"a": pd.Series([1, None], dtype=object)}),
    "polars integers": pl.DataFrame({"a": [1, None]}),
    "polars NaN": pl.DataFrame({"a": [1.0, NAN]}),
    "polars decimals": pl.DataFrame({"a": [Decimal("1.0"), None]}),
    "Arrow table": pa.table({"a": [1, None]}),
    "Arrow batch": pa.record_batch({"a": [1, None]}),
    "floats": np.array([[1.0], [NAN]], dtype=np.float32),
    "masked": np.ma.array([[1.0], [2.0]], mask=[[False], [True]]),
    "objects": np.array([[1], [None]], dtype=object),
    "Python decimals": np.array([[Decimal(1)], [Decimal("NaN")]], dtype=object),
    "lists": [[1], [None]],
    "dict": {"a": [1, None]},
    "dict of arrays": {"a": np.array([1, NAN])},
    "dict of series": {"a": pl.Series([1, None])},
}


@pytest.mark.parametrize("origin", NUMBERS)
def test_numbers_of_every_origin_are_float64(origin):
    table = table_of(NUMBERS[origin])
    assert table.columns[0].dtype == np.float64
    assert column(table) in ([1.0, None], [1.0, 2.0])
    assert table.named == (table.names == ["a"])


DURATIONS = {
    "pandas": pd.DataFrame({"a": pd.to_timedelta([1, None], unit="s")}),
    "pandas objects": pd.DataFrame({"a": pd.Series([datetime.timedelta(seconds=1), None], dtype=object)}),
    "polars": pl.DataFrame({"a": [datetime.timedelta(seconds=1), None]}),
    "Arrow": pa.table({"a": pa.array([1, None], pa.duration("s"))}),
    "array": np.array([[1], ["NaT"]], dtype="timedelta64[s]"),
    "objects": [[pd.Timedelta(1, "s")], [pd.NaT]],
    "NumPy's among objects": [[np.timedelta64(1, "s")], [None]],
    "of several units": {"a": [np.timedelta64(1, "s"), np.timedelta64("NaT", "D")]},
}


@pytest.mark.parametrize("origin", DURATIONS)
def test_durations_of_every_origin_are_microseconds(origin):
    values = table_of(DURATIONS[origin]).columns[0]
    assert values.dtype == "timedelta64[us]"
    assert values[0] == np.timedelta64(1, "s")
    assert np.isnat(values[1])


def test_durations_among_numbers_are_texts():
    assert column({"a": [np.timedelta64(1, "s"), 5]}) == ["1 seconds", "5"]


TIMES = {
    "polars": pl.DataFrame({"a": [datetime.time(18, 30), None]}),
    "pandas objects": pd.DataFrame({"a": [datetime.time(18, 30), None]}),
    "Arrow": pa.table({"a": pa.array([datetime.time(18, 30), None])}),
    "lists": [[datetime.time(18, 30)], [None]],
}


@pytest.mark.parametrize("origin", TIMES)
def test_times_of_day_are_dates_of_1970(origin):
    values = table_of(TIMES[origin]).columns[0]
    assert values.dtype == "datetime64[us]"
    assert values[0] == np.datetime64("1970-01-01T18:30")
    assert np.isnat(values[1])


@pytest.mark.parametrize("origin", TIMES)
def test_a_time_of_day_is_no_date(origin):
    times = Table(["x0"], table_of(TIMES[origin]).columns, named=True)
    of_day = TableEncoder().fit({"x0": [datetime.time(6), datetime.time(18, 30)]})
    dates = {"x0": [None, datetime.datetime(2024, 1, 1, 6), datetime.datetime(2024, 5, 1, 18, 30)]}
    assert of_day.transform(times)[0, 0] == 1
    with pytest.raises(ColumnError) as caught:
        TableEncoder().fit(dates).transform(times)
    assert str(caught.value) == (
        "row 1: column 'x0' holds times of day where dates were in training, got '18:30:00.000000'. "
        "Give the column as it was in training."
    )
    for encoder in (of_day, TableEncoder.from_data(*of_day.to_data())):
        with pytest.raises(ColumnError) as caught:
            encoder.transform(dates)
        assert str(caught.value) == (
            "row 2: column 'x0' holds dates where times of day were in training, got '2024-01-01T06:00:00.000000'. "
            "Give the column as it was in training."
        )
    data, _ = of_day.to_data()
    del data["columns"][0]["of_day"]  # as files of before
    TableEncoder.from_data(data).transform(dates)
    of_day.transform({"x0": [None, None]})  # nothing that could be wrong


DATES = {
    "pandas": pd.DataFrame({"a": pd.to_datetime(DAYS)}),
    "pandas zoned": pd.DataFrame({"a": pd.to_datetime(["2020-01-01 01:00", None]).tz_localize("Europe/Zurich")}),
    "pandas objects": pd.DataFrame({"a": [datetime.date(2020, 1, 1), None]}),
    "polars": pl.DataFrame({"a": [datetime.date(2020, 1, 1), None]}),
    "Arrow": pl.DataFrame({"a": [datetime.datetime(2020, 1, 1), None]}).to_arrow(),
    "array": np.array([["2020-01-01"], ["NaT"]], dtype="datetime64[D]"),
    "objects": [[pd.Timestamp("2020-01-01")], [pd.NaT]],
    "zoned objects": [[datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)], [None]],
}


@pytest.mark.parametrize("origin", DATES)
def test_dates_of_every_origin_are_microseconds_in_utc(origin):
    values = table_of(DATES[origin]).columns[0]
    assert values.dtype == "datetime64[us]"
    assert values[0] == np.datetime64("2020-01-01T00:00")
    assert np.isnat(values[1])


TEXTS = {
    "pandas": pd.DataFrame({"a": ["x", None]}),
    "pandas objects": pd.DataFrame({"a": pd.Series(["x", NAN], dtype=object)}),
    "pandas categories": pd.DataFrame({"a": pd.Categorical(["x", None])}),
    "polars": pl.DataFrame({"a": ["x", None]}),
    "polars categories": pl.DataFrame({"a": pl.Series(["x", None], dtype=pl.Categorical)}),
    "polars enum": pl.DataFrame({"a": pl.Series(["x", None], dtype=pl.Enum(["x"]))}),
    "Arrow": pa.table({"a": pa.array(["x", None]).dictionary_encode()}),
    "objects": np.array([["x"], [NAN]], dtype=object),
    "lists": [["x"], [None]],
    "bytes": [[b"x"], [None]],
}


@pytest.mark.parametrize("origin", TEXTS)
def test_texts_of_every_origin_are_strings_or_none(origin):
    values = table_of(TEXTS[origin]).columns[0]
    assert values.dtype == object
    assert values.tolist() == ["x", None]


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"a": pd.array([True, None, False], dtype="boolean")}),
        pd.DataFrame({"a": pd.Series([True, None, False], dtype=object)}),
        pl.DataFrame({"a": [True, None, False]}),
        pa.table({"a": [True, None, False]}),
        [[True], [NAN], [False]],
    ],
)
def test_booleans_are_texts(X):
    assert column(X) == ["True", None, "False"]


def test_booleans_among_numbers_are_numbers():
    assert column(np.array([[True], [False]])) == [1.0, 0.0]
    mixed = table_of([[True], [2.5]]).columns[0]
    assert name_of_family(mixed) == "number"
    assert as_numbers("x0", mixed).tolist() == [1.0, 2.5]


def test_mixed_objects_are_texts_and_numbers_in_their_neighbours_stay_numbers():
    table = table_of([[1, 1.5, "a"], ["b", 2, None]])
    assert [values.tolist() for values in table.columns] == [["1", "b"], [1.5, 2.0], ["a", None]]
    assert column(np.array([["1"], ["x"]])) == ["1", "x"]
    assert column(np.array([["1"], ["x"]], dtype="S")) == ["1", "x"]


def test_names_come_from_frames_and_are_numbered_otherwise():
    assert table_of(pl.DataFrame({"b": [1], "a": [2]})).names == ["b", "a"]
    for X in (np.zeros((1, 2)), pd.DataFrame([[0, 0]])):
        assert (table_of(X).names, table_of(X).named) == (["x0", "x1"], False)


def test_a_float_array_is_not_copied_when_its_columns_are_contiguous():
    X = np.asfortranarray(np.ones((3, 2)))
    assert np.shares_memory(table_of(X).columns[1], X)


@pytest.mark.parametrize(
    "form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array, sparse.dok_array, sparse.lil_matrix]
)
def test_cells_that_a_sparse_matrix_does_not_store_are_zeros(form):
    X = np.array([[0.0, 2.0], [NAN, 0.0]])
    table = table_of(form(X))
    assert table.names == ["x0", "x1"]
    np.testing.assert_array_equal(np.stack(table.columns, axis=-1), X)


def test_a_column_that_is_refused_has_as_many_rows_as_the_others_wherever_it_stands():
    table = table_of({"tags": [[1]] * 5, "a": [0.0, 1, 2, 3, 4]})
    for rows, left in (([4, 0, 4], [4, 0, 4]), (np.arange(5) > 2, [3, 4]), (slice(1, 3), [1, 2])):
        part = table.take(rows)
        assert part.n_rows == len(left)
        assert part.columns[1].tolist() == left


def test_take_keeps_the_rows_asked_for_in_their_order():
    table = table_of({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]}).take([2, 0])
    assert isinstance(table, Table)
    assert (table.n_rows, table.columns[0].tolist(), table.columns[1].tolist()) == (2, [3, 1], ["z", "x"])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1, 2], r"Expected 2D array, got 1D array instead: array=\[1 2\]\. Reshape your data either using "),
        (pd.Series([1, 2]), r"array\.reshape\(-1, 1\) if your data has a single feature or array\.reshape\(1, -1\)"),
        (pl.Series([1, 2]), "Expected 2D array, got 1D array instead"),
        (np.zeros((2, 2, 2)), "Expected 2D array, got 3D array instead"),
        (np.float64(3), "Expected 2D array, got scalar array instead"),
        (
            np.zeros((3, 0)),
            r"^X must have a column at least: 0 feature\(s\) \(shape=\(3, 0\)\) while a minimum",
        ),
        (
            np.zeros((0, 3)),
            r"^X must have a row at least: 0 sample\(s\) \(shape=\(0, 3\)\) while .* Look at what",
        ),
        (pd.DataFrame({"a": []}), r"^X must have a row at least: 0 sample\(s\) \(shape=\(0, 1\)\)"),
        ({}, r"^X must have a column at least: 0 feature\(s\)"),
        ({"a": [1, 2], "b": [1]}, "column 'b' must have 2 values, as the first column, got 1"),
        ({"a": "word"}, "column 'a' must be a one-dimensional column of values, got 'word'"),
        ([[1, 2], [3]], "row 2: X must have 2 values, as the first row, got 1"),
        (np.array([[1j]]), "column 'x0' Complex data not supported"),
        ([[1j, 2]], "Complex data not supported"),
        (pl.DataFrame({"a": [[1], [2]]}), r"row 1: column 'a' must hold one number, date or text a cell, got "),
        (np.array([[0.5], [{"k": 1}]], dtype=object), "row 2: column 'x0' must hold one number, date or text a cell"),
        (pl.LazyFrame({"a": [1]}), r"X must be a data frame.*A lazy frame needs collect\(\) first\."),
        ("table.csv", "X must be a data frame, a 2-D array, a dict of columns or a list of rows, got 'str'"),
        (None, "X must be a table, got None"),
        (pd.DataFrame([[1, 2]], columns=["a", 1]), "X must have names that are all strings, got 1"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column 'a' occurs 2 times. Give every column a name of its own"),
        (pa.table([[1], [2]], names=["a", "a"]), "column 'a' occurs 2 times"),
    ],
)
def test_what_is_no_table_is_refused(X, message):
    with pytest.raises(DataError, match=message):
        missing_mask(table_of(X).columns[0])


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([0, 1], np.array([0, 1])),
        (["a", "b"], np.array(["a", "b"])),
        (["a", None], np.array(["a", None], dtype=object)),
        ([1, "a"], np.array([1, "a"], dtype=object)),
        ([1, None], np.array([1, NAN])),
        ((True, False), np.array([True, False])),
        (pd.Series([0, 1], dtype="Int64"), np.array([0, 1])),
        (pd.Series([0, None], dtype="Int64"), np.array([0.0, NAN])),
        (pd.Series([0, 1], dtype=object), np.array([0, 1])),
        (pd.Series(["a", NAN]), np.array(["a", None], dtype=object)),
        (pd.Series(pd.Categorical([2, 1])), np.array([2, 1])),
        (pl.Series([1.5, None]), np.array([1.5, NAN])),
        (pl.Series([True, False]), np.array([True, False])),
        (pl.Series(["a", None], dtype=pl.Categorical), np.array(["a", None], dtype=object)),
        (pl.DataFrame({"y": [1, 2]}), np.array([1, 2])),
        (pd.DataFrame({"y": [1, 2], "z": [0.5, 1]}), np.array([[1, 0.5], [2, 1]])),
        (pa.chunked_array([[1, 2]]), np.array([1, 2])),
        (np.array([[1], [2]]), np.array([[1], [2]])),
        ([[0, 1], [1, 0]], np.array([[0, 1], [1, 0]])),
        (sparse.csr_matrix([[0, 1], [1, 0]]), np.array([[0, 1], [1, 0]])),
        (sparse.dok_array(np.array([[0.5], [0.0]])), np.array([[0.5], [0.0]])),
        (np.array(["a", "b"], dtype=object), np.array(["a", "b"], dtype=object)),
    ],
)
def test_targets_of_every_origin_are_arrays(y, expected):
    found = target_of(y)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_a_target_with_rows_of_several_lengths_is_refused_with_the_row():
    with pytest.raises(DataError) as caught:
        target_of([[0, 1], [1, 0], [1]])
    assert str(caught.value) == "row 3: y must have 2 values in each row, as in the first, got [1]"


def test_no_target_and_odd_targets_are_refused():
    with pytest.raises(DataError, match="requires y to be passed, but the target y is None"):
        target_of(None)
    for y in (3, np.zeros((1, 1, 1))):
        with pytest.raises(DataError, match=r"y should be a 1d array, got '[03] dimensions"):
            target_of(y)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_the_target_is_split_off_in_the_library_of_the_frame(library):
    frame = library({"a": [1, 2], "species": ["x", "y"], "b": [0.5, 1]})
    X, y = split_target(frame, "species")
    assert isinstance(X, library)
    assert (list(X.columns), y.tolist()) == (["a", "b"], ["x", "y"])
    X, y = split_target(frame, ["a", "b"])
    assert (list(X.columns), y.tolist()) == (["species"], [[1, 0.5], [2, 1]])
    assert split_target(frame, ["a"])[1].tolist() == [[1], [2]]


def test_a_missing_target_names_the_nearest_column():
    frame = pl.DataFrame({"species": [1], "b": [2]})
    with pytest.raises(ColumnError) as caught:
        split_target(frame, "Specie")
    assert str(caught.value) == "column 'Specie' is not in the table. Did you mean 'species'?"
    assert caught.value.column == "Specie"
    with pytest.raises(ColumnError, match="Its columns are 'species', 'b'"):
        split_target(frame, "weight")
    with pytest.raises(ColumnError, match=r"column 'b' is the only column\. Add columns to predict it from"):
        split_target(frame[["b"]], "b")


SHORTER_WAYS = {
    "float64": [1.5, NAN, -2.0],
    "float32": [1.5, NAN, -2.0],
    "int64": [1, 2**53 + 1, -3],
    "uint8": [1, 2, 255],
    "float16": [1.5, NAN, 2.0],
    "bool": [True, False, True],
    "datetime64[ns]": ["2020-01-01", "NaT", "2021-05-06"],
    "str": ["a", None, "c"],
    "object": ["a", None, "c"],
    "string[pyarrow]": ["a", None, "c"],
    "category": ["a", None, "c"],
    "Int64": [1, None, 3],
    "Float64": [1.5, None, 3.0],
    "boolean": [True, None, False],
    "double[pyarrow]": [1.5, None, 3.0],
}


def assert_same_family(values, expected):
    assert values.dtype == expected.dtype
    assert values.tolist() == expected.tolist() or np.array_equal(values, expected, equal_nan=True)


@pytest.mark.parametrize("dtype", SHORTER_WAYS)
def test_pandas_columns_are_what_narwhals_makes_of_them(dtype):
    series = pd.Series(SHORTER_WAYS[dtype], dtype=dtype, name="a")
    expected = family_of_series(nw.from_native(series, series_only=True))
    for frame in (series.to_frame(), pd.DataFrame({"a": series, "b": ["x", "y", "z"]})):  # numbers alone, and a mixture
        assert_same_family(table_of(frame).columns[0], expected)


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([1.5, None, NAN]),
        pl.Series([1.5, None, 2.0], dtype=pl.Float32),
        pl.Series([1, None, 2**53 + 1]),
        pl.Series([1, 2, 255], dtype=pl.UInt8),
        pl.Series([True, None, False]),
        pl.Series(["a", None, "c"]),
        pl.Series(["a", None, "c"], dtype=pl.Categorical),
        pl.Series([datetime.date(2020, 1, 1), None]),
        pl.Series([Decimal("1.5"), None]),
        pl.Series([None, None]),
    ],
    ids=lambda series: str(series.dtype),
)
def test_polars_columns_are_what_narwhals_makes_of_them(series):
    expected = family_of_series(nw.from_native(series, series_only=True))
    assert_same_family(table_of(series.to_frame("a")).columns[0], expected)


def test_a_tuple_of_values_is_a_column_like_a_list():
    assert table_of({"a": (1, None)}).columns[0].tolist()[0] == 1.0
    assert table_of({"a": ("x", "y")}).columns[0].tolist() == ["x", "y"]


def test_a_frame_that_a_table_was_made_of_is_not_written_to():
    frame = pd.DataFrame({"a": [1.0, NAN], "b": [3.0, 4.0]})
    before = frame.copy()
    table_of(frame)
    pd.testing.assert_frame_equal(frame, before)
