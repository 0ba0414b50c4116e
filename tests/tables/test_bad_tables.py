"""Tables as they should not be: the typed error that names file, row or column; or the right result."""

import datetime
import io
import math
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glassnet import GlassNetRegressor, TableEncoder
from glassnet.errors import (
    ColumnError,
    DataError,
    EqualNumbersWarning,
    GlassNetError,
    GlassNetWarning,
    NearlyUniqueWarning,
)
from glassnet.tables.delimited import CharacterSetWarning
from glassnet.tables.reading import read_table
from glassnet.tables.texts import FEW_ROWS

MANY_LINES = "".join(f"{i},x\n" for i in range(20_000))  # beyond what is looked at to recognise a file


def read(text: str | bytes) -> pl.DataFrame:
    return read_table(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


# files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,4,5\n", "the stream: row 2: must have 2 cells, as the header, got 3. Quote cells"),
        ("a,b,c\n1,2,3\n4,5\n", "the stream: row 2: must have 3 cells, as the header, got 2. Quote cells"),
        ('a,b\n"x\ny",1\n"z\n', "the stream: row 2: must have 2 cells, as the header, got 1. Quote cells"),
        (b"a,b\n1,x\x00y\n", "the stream: is not a text file (it holds zero bytes). Check the file's format"),
        (b"\x00" * 99, "the stream: is not a text file (it holds zero bytes). Check the file's format"),
        (f"a,b\n{MANY_LINES}1,\x00\n", "the stream: row 20001: holds a zero byte. Mend the line: no text has one."),
        (b"\xef\xbb\xbf", "the stream: is empty. Give a file with a header line and at least one row."),
        ("a,b\n", "the stream: has a header but no rows. Add at least one line of values below the header."),
        ("a,b,a\n1,2,3\n", "the stream: column 'a' occurs 2 times in the header. Give every column a name of its own."),
        (",b,\n1,2,3\n", "the stream: column '' occurs 2 times in the header. Give every column a name of its own."),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_row_or_column(text, message):
    with pytest.raises(DataError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n1e999,3\n", "a,b\n1,2\n" + "9" * 400 + ",3\n", "a;b\n1;2\n-1e999;3\n"]
)  # fmt: skip
def test_numbers_beyond_the_largest_float_are_infinite_and_refused_with_row_and_column(text):
    with pytest.raises(DataError, match=r"row 2: column 'a' must be finite, got -?inf\. Replace it by a number"):
        TableEncoder().fit(read(text))


@pytest.mark.parametrize("large", [2**63, 2**64 - 1, 2**64, 10**26, 10**60])
def test_integers_over_2_63_are_numbers(large):
    expected = TableEncoder().fit_transform({"a": [1.0, float(large), 0.0]}).tolist()
    for X in (
        read(f"a\n1\n{large}\n0\n"),
        {"a": [1, large, 0]},
        pd.DataFrame({"a": [1, large, 0]}),
        [[1], [large], [0]],
    ):
        assert TableEncoder().fit_transform(X).tolist() == expected


def test_integers_of_128_bits_are_numbers_with_gaps_too():
    X = pl.DataFrame({"a": pl.Series([1, 2**100, None], dtype=pl.Int128)})
    assert TableEncoder().fit_transform(X).tolist() == [[-1, 0], [1, 0], [0, 1]]


def test_a_file_put_together_of_two_character_sets_is_read_line_by_line():
    with pytest.warns(
        CharacterSetWarning, match=r"the stream is UTF-8 but for 1 line\(s\), row 2 first; read as Windows"
    ):
        frame = read("a,b\n1,é\n".encode() + "2,ü\n".encode("cp1252") + "3,ñ\n".encode())
    assert frame["b"].to_list() == ["é", "ü", "ñ"]


def test_a_byte_order_mark_is_no_part_of_a_name_and_an_empty_name_is_one():
    assert read(b"\xef\xbb\xbfa,b\n1,2\n").columns == ["a", "b"]
    encoder = TableEncoder().fit(read(",b\n1,2\n3,4\n"))
    assert encoder.get_feature_names_out().tolist() == ["", "b"]
    with pytest.raises(DataError, match=r"X lacks 1 of the 2 columns of training: ''"):
        encoder.transform(read("b\n1\n"))


# frames


LISTS = [[1], [2, 3]]


@pytest.mark.parametrize(
    "X",
    [
        {"a": LISTS},
        {"a": [(1,), (2,)]},
        pd.DataFrame({"a": LISTS}),
        pl.DataFrame({"a": LISTS}),
        pa.table({"a": LISTS}),
        pl.DataFrame({"a": [{"x": 1}, {"x": 2}]}),
    ],
    ids=["dict", "tuples", "pandas", "polars", "Arrow", "structs"],
)
def test_a_column_of_lists_is_refused_with_row_and_column(X):
    with pytest.raises(
        DataError, match=r"row 1: column 'a' must hold one number, date or text a cell, got .*Spread it"
    ):
        TableEncoder().fit(X)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_a_column_of_lists_is_no_matter_where_it_is_dropped_or_not_asked_for(library):
    X = {"a": [1.0, 2.0], "tags": LISTS}
    expected = [[-1], [1]]
    encoder = TableEncoder(columns={"tags": "drop"}).fit(library(X))
    assert encoder.transform(library(X)).tolist() == expected
    assert TableEncoder().fit({"a": [1, 2]}).transform(library(X)).tolist() == expected
    model = GlassNetRegressor((), columns={"tags": "drop"}, max_epochs=1).fit(library(X), [0, 1])
    assert np.isfinite(model.predict(library(X))).all()


def test_a_dropped_column_of_lists_may_stand_first_where_rows_are_left_out():
    X, y = {"tags": [[1]] * 12, "a": np.arange(12.0)}, np.arange(12.0)
    weights = np.arange(12) % 3  # every third row is left out
    model = GlassNetRegressor((), columns={"tags": "drop"}, max_epochs=2, random_state=0)
    expected = GlassNetRegressor((), max_epochs=2, random_state=0).fit({"a": X["a"]}, y, sample_weight=weights)
    model.fit(X, y, sample_weight=weights)
    assert model.predict(X).tolist() == expected.predict({"a": X["a"]}).tolist()


def test_numbers_that_float32_cannot_hold_are_refused_by_name_where_nothing_scales_them():
    X, y = {"age": [1.0, 2.0, 3.0], "size": [0.0, 1.0, 1e39]}, [0, 1, 2]
    with pytest.raises(DataError) as caught:
        GlassNetRegressor((), input_scaling="none", max_epochs=1).fit(X, y)
    message = "row 3: column 'size' must not exceed 3.4e+38 without scaling, got 1e+39. Use a scaling."
    assert str(caught.value) == message
    assert GlassNetRegressor((), max_epochs=1).fit(X, y).predict(X).shape == (3,)


def test_keys_of_a_dict_that_are_one_name_are_refused():
    with pytest.raises(ColumnError, match=r"^column '1' occurs 2 times\. Give every column a name of its own\.$"):
        TableEncoder().fit({1: [1.0, 2.0], "1": [3.0, 4.0]})


def test_dates_and_durations_that_microseconds_cannot_hold_are_refused():
    for kind, rule in (("M", "must lie within 290,000 years of 1970"), ("m", "must be below 290,000 years")):
        for unit, steps in (("D", 10**9), ("s", 2**60), ("Y", 300_000)):
            X = np.array([[1], [steps]]).astype(f"{kind}8[{unit}]")
            with pytest.raises(DataError, match=f"row 2: column 'x0' {rule}, got "):
                TableEncoder().fit(X)
    far = np.array([["289999-01-01"], ["NaT"], ["-286000-01-01"]], dtype="datetime64[D]")
    encoder = TableEncoder("none", dtype="float64").fit(far)
    years = encoder.transform(far)[:, encoder.feature_names_out().index("x0 year")]
    assert years.tolist() == [289_999, 1999.5, -286_000]


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_no_rows_and_no_columns_are_refused_in_fit_and_transform(library):
    encoder = TableEncoder().fit({"a": [1, 2]})
    for use in (TableEncoder().fit, encoder.transform):
        with pytest.raises(DataError, match=r"X must have a row at least: 0 sample\(s\) \(shape=\(0, 1\)\)"):
            use(library({"a": np.empty(0)}))
        with pytest.raises(DataError, match=r"X must have a column at least: 0 feature\(s\)"):
            use(library({}))


def test_numbers_too_large_for_a_float_are_refused_with_row_and_column():
    for X in ({"x0": [1, 10**400]}, [[1], [10**400]], np.array([[1], [10**400]], dtype=object)):
        with pytest.raises(DataError, match=r"row 2: column 'x0' must lie within ±1\.8e308, got 10+…0+\. Leave the"):
            TableEncoder().fit(X)


def test_a_million_categories_are_left_out_or_codes():
    n = 1_000_000
    X = pl.DataFrame({"x": np.arange(n), "name": pl.Series("name", np.arange(n)).cast(pl.String)})
    with pytest.warns(NearlyUniqueWarning, match=r"column 'name': nearly every value is different"):
        assert TableEncoder().fit_transform(X).shape == (n, 1)
    encoder = TableEncoder(codes_above=64, columns={"name": {"kind": "category", "min_count": 1}}).fit(X)
    (codes,) = encoder.code_columns_
    assert (codes["name"], codes["column"], codes["n_codes"]) == ("name", 1, n + 1)
    matrix = encoder.transform(X)
    assert len(np.unique(matrix[:, 1])) == n
    assert encoder.transform({"x": [0, 0], "name": ["0", "-1"]})[:, 1].tolist() == [1, 0]


@pytest.mark.parametrize("n", [3, FEW_ROWS + 3])
def test_arrow_dictionaries_of_numbers_are_categories_however_long(n):
    values = pa.array([1, 2, None] * (n // 3)).dictionary_encode()
    encoder = TableEncoder().fit(pa.table({"a": values}))
    assert encoder.get_feature_names_out().tolist() == ["a=1", "a=2", "a=(missing)"]
    decimals = pa.table({"a": pa.array([1, 2, None] * (n // 3)).cast(pa.decimal128(20))})
    assert TableEncoder().fit(decimals).columns_[0]["kind"] == "number"


KINDS: dict[str, list[Any]] = {
    "number": [1.5, 2.5],
    "category": ["x", "y"],
    "date": [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 5, 1)],
    "duration": [datetime.timedelta(1), datetime.timedelta(2)],
}


@pytest.mark.parametrize("n", [2, FEW_ROWS + 2])
@pytest.mark.parametrize("seen", KINDS)
@pytest.mark.parametrize("new", KINDS)
def test_a_change_of_kind_names_column_and_row_and_missing_values_are_no_change(seen, new, n):
    X = pl.DataFrame({"a": KINDS[seen] * (n // 2)})
    model = GlassNetRegressor((), max_epochs=1, early_stopping=False).fit(X, np.arange(n))
    values = pl.DataFrame({"a": [None, KINDS[new][0]]})
    if new == seen:
        assert np.isfinite(model.predict(values)).all()
        assert np.isfinite(model.predict(values.to_pandas())).all()
        return
    with pytest.raises(DataError, match=r"row 2: column 'a' holds .* in training, got .*\. Give the column as it was"):
        model.predict(values)
    nothing = pl.DataFrame({"a": pl.Series([None], dtype=values["a"].dtype)})
    assert np.isfinite(model.predict(nothing)).all()


# anything


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.integers(10**308, 10**310),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.dates(),
    st.datetimes(),
    st.timedeltas(datetime.timedelta(-(10**5)), datetime.timedelta(10**5)),
    st.times(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.complex_numbers(max_magnitude=9),
    st.just([1]),
    st.just({}),
    st.just(pd.NA),
    st.just(pd.NaT),
    st.just(np.float32("nan")),
    st.just(np.datetime64("NaT")),
    st.just(Decimal("sNaN")),
)
SAME = st.sampled_from(
    [st.floats(), st.text(max_size=2), st.dates(), st.booleans(), st.timedeltas(max_value=datetime.timedelta(9)), CELLS]
)


def result_or_message(work: Callable[[], Any]) -> Any:
    """What `work` returns, or the text of the typed error that it raises; any other is the test's failure."""
    try:
        return work()
    except GlassNetError as error:
        return str(error)


@settings(max_examples=150)
@given(st.data())
def test_any_cells_give_a_typed_error_or_a_finite_matrix(data):
    n = data.draw(st.integers(1, 6))
    columns = {}
    for name in data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)):
        cells = data.draw(SAME)
        columns[name] = data.draw(st.lists(st.none() | cells, min_size=n, max_size=n))
    make = data.draw(
        st.sampled_from([dict, lambda c: [list(row) for row in zip(*c.values(), strict=True)], pd.DataFrame])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlassNetWarning)
        warnings.filterwarnings("ignore", module="pandas|narwhals")
        scaling = data.draw(st.sampled_from(["standard", "quantile", "smooth_clip"]))
        matrix = result_or_message(lambda: TableEncoder(scaling).fit_transform(make(columns)))
    if isinstance(matrix, str):
        assert "\n" not in matrix
    else:
        assert len(matrix) == n
        assert np.isfinite(matrix).all()


@settings(max_examples=200)
@example(b"a,b\n1,2")
@example(b"\xff\xfea")
@given(st.binary(max_size=40) | st.text("ab01.,;\t\"'\n\r- eNAé\x00", max_size=40).map(str.encode))
def test_any_bytes_give_a_typed_error_or_a_table(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlassNetWarning)
        frame = result_or_message(lambda: read_table(io.BytesIO(data)))
    assert "\n" not in frame if isinstance(frame, str) else math.prod(frame.shape) > 0


@pytest.mark.parametrize("start", [10**17, 2**63])
@pytest.mark.parametrize("make", [list, lambda x: np.array(x, np.uint64), pd.Series, lambda x: [*x[:-1], None]])
def test_whole_numbers_that_are_one_number_in_float64_are_warned_of(start, make):
    table = {"id": make([start, start + 1, start + 2]), "x": [1, 2, 3]}
    with pytest.warns(EqualNumbersWarning) as caught:
        encoder = TableEncoder().fit(table)
    assert str(caught[0].message) == (
        f"column 'id': its whole numbers differ, but are all {float(start)!r} in float64; it was left out as constant. "
        "Subtract the smallest of them, or take them for names with columns={'id': 'category'}."
    )
    assert encoder.columns_[0]["left_out"] == "constant"
    assert TableEncoder(columns={"id": "category"}).fit(table).columns_[0]["left_out"] is None


@pytest.mark.parametrize("values", [[2**60] * 3, [2**60, 2**60, None], [0.1, 0.1, None], ["7", "7.0", "07"]])
def test_a_column_that_is_constant_is_left_out_in_silence(values):
    encoder = TableEncoder(columns={"id": "number"}).fit({"id": values, "x": [1, 2, 3]})  # warnings are errors
    assert encoder.columns_[0]["left_out"] == "constant"
