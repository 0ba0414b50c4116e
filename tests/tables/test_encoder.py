import datetime
import json
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import DataError, NearlyUniqueWarning, OptionError
from glassnet.tables import category
from glassnet.tables.encoder import SCALINGS, TableEncoder
from glassnet.tables.frames import split_target, table_of
from glassnet.tables.number import middle_ranks
from glassnet.tables.reading import read_table
from glassnet.tables.texts import FEW_ROWS

NAN = float("nan")


def encoded(X, *, new=None, **options) -> np.ndarray:
    return TableEncoder(**options).fit(X).encode(X if new is None else new, np.float64)


def complaint(X, new, **options) -> str:
    encoder = TableEncoder(**options).owned_by("GlassNetClassifier").fit(X)
    with pytest.raises(DataError) as caught:
        encoder.transform(new)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# numbers


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("standard", [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2]),  # mean 5, standard deviation 2
        ("minmax", [-1, -3 / 7, -3 / 7, -3 / 7, -1 / 7, -1 / 7, 3 / 7, 1]),  # from 2 to 9
        ("robust", [-5 / 3, -1 / 3, -1 / 3, -1 / 3, 1 / 3, 1 / 3, 5 / 3, 3]),  # median 4.5, quartiles 4 and 5.5
        ("none", [2, 4, 4, 4, 5, 5, 7, 9]),
    ],
)
def test_numbers_are_scaled_as_the_option_says(scaling, expected):
    X = np.array([[2.0, 4, 4, 4, 5, 5, 7, 9]]).T
    np.testing.assert_allclose(encoded(X, input_scaling=scaling)[:, 0], expected, rtol=1e-15, atol=1e-16)


def test_robust_scaling_falls_back_to_the_range_where_the_quartiles_agree():
    X = np.array([[0.0, 0, 0, 0, 0, 0, 0, 4]]).T
    assert encoded(X, input_scaling="robust")[:, 0].tolist() == [0, 0, 0, 0, 0, 0, 0, 2]


@pytest.mark.parametrize(("scaling", "filled"), [("standard", 0), ("minmax", 0), ("robust", 0), ("none", 2)])
def test_a_missing_number_is_the_middle_and_has_an_indicator(scaling, filled):
    X = np.array([[1.0], [NAN], [3.0]])
    matrix = encoded(X, input_scaling=scaling)
    assert matrix[:, 1].tolist() == [0, 1, 0]
    assert matrix[1, 0] == filled
    assert matrix[0, 0] == 2 * filled - matrix[2, 0] or scaling == "none"


def test_missing_numbers_that_fit_did_not_see_are_the_middle_without_indicator():
    assert encoded([[1.0], [3.0]], new=[[NAN], [3.0]]).tolist() == [[0], [1]]
    assert encoded([[1.0], [3.0]], new=[[None], [None]]).tolist() == [[0], [0]]


def test_constant_columns_make_no_matrix_column():
    encoder = TableEncoder().fit(
        {"a": [1, 2, 3], "b": [7, 7, 7], "c": ["x"] * 3, "d": [NAN, 7, 7], "e": ["x", "x", None]}
    )
    assert encoder.feature_names_out() == ["a", "d=(missing)", "e=(missing)"]
    matrix = encoder.transform({"a": [2], "b": [9], "c": ["y"], "d": [None], "e": [None]})
    assert matrix.tolist() == [[0, 1, 1]]
    assert encoder.transform({"a": [2], "b": [9], "c": ["y"], "d": [3], "e": ["z"]}).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("size", [1.7e308, 1e300, 1e-300, 5e-324])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_the_largest_and_smallest_numbers_neither_overflow_nor_vanish(size, scaling):
    X = np.array([[-size], [size]])
    expected = 0.5 * 2 if scaling == "robust" else 1.0  # quartiles ±size/2: interquartile range = size
    np.testing.assert_allclose(encoded(X, input_scaling=scaling), [[-expected], [expected]])


def test_a_number_far_beyond_tiny_ones_has_the_last_rank():
    X = np.array([[1e-310], [2e-310], [3e-310]])
    z = encoded(X, new=[[1e300], [-1e300], [2e-310]], input_scaling="quantile")
    np.testing.assert_allclose(z, [[5.199338], [-5.199338], [0]], atol=1e-6)  # the quantile of 1e-7


def test_ranks_between_numbers_that_hardly_differ_are_linear():
    # Four knots, 0, 4e-312, 1e-308 and 1/2, of ranks 0, 1/3, 2/3 and 1: the slope between the first two is no float64.
    knots = np.array([0.0, 4e-312, 1e-308, 0.5])
    x = np.array([0.0, 1e-312, 4e-312, 0.25, 0.5, np.nan])
    expected = [1e-7, 1 / 12, 1 / 3, 5 / 6, 1 - 1e-7, np.nan]
    np.testing.assert_allclose(middle_ranks(x, knots), expected, rtol=1e-10)


def test_numbers_of_every_size_have_ranks():
    X = np.array([[0.0], [0.0], [0.0], [1.0], [4e292], [2.2e-16], [7.4e-19]])
    z = encoded(X, input_scaling="quantile")
    assert np.isfinite(z).all()
    assert (np.diff(z[np.argsort(X[:, 0]), 0]) >= 0).all()


def test_a_small_spread_around_a_large_number_is_kept():
    X = np.array([[1e15], [1e15 + 2]])
    assert encoded(X).tolist() == [[-1], [1]]
    X = 2.0**-90 * np.array([[1], [1 + 2**-51]])
    assert encoded(X).tolist() == [[-1], [1]]


def test_a_number_far_outside_is_clipped_and_without_scaling_refused():
    X = np.array([[-1.0], [1.0]])
    assert TableEncoder().fit(X).transform([[1e300], [-1e300]]).tolist() == [[1e6], [-1e6]]
    message = complaint(X, [[0.0], [1e300]], input_scaling="none")
    assert message == "row 2: column 'x0' must not exceed 3.4e+38 without scaling, got 1e+300. Use a scaling."


def test_infinity_is_refused_with_its_row_in_fit_and_transform():
    X = pl.DataFrame({"age": [1.0, NAN, float("-inf")]})
    message = "row 3: column 'age' must be finite, got -inf. Replace it by a number, or leave the cell empty (missing)."
    with pytest.raises(DataError) as caught:
        TableEncoder().fit(X)
    assert str(caught.value) == message
    assert (caught.value.row, caught.value.column) == (3, "age")
    assert complaint(X[:2].vstack(pl.DataFrame({"age": [3.0]})), X) == message


# categories


def test_two_levels_are_one_signed_column():
    X = {"s": ["yes", "no", "yes"]}
    encoder = TableEncoder().fit(X)
    assert encoder.feature_names_out() == ["s=yes"]
    assert encoder.transform(X).tolist() == [[1], [-1], [1]]
    assert encoder.transform({"s": ["maybe", None]}).tolist() == [[0], [0]]


def test_levels_are_columns_in_the_order_of_their_names_and_missing_is_a_level():
    X = {"s": ["b", "a", None, "c"]}
    encoder = TableEncoder().fit(X)
    assert encoder.feature_names_out() == ["s=a", "s=b", "s=c", "s=(missing)"]
    assert encoder.transform(X).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert encoder.transform({"s": ["new"]}).tolist() == [[0, 0, 0, 0]]


def test_rare_levels_share_a_column_that_takes_unseen_ones():
    levels = list("abcdefghij") * 3 + ["rare", "rarer"]  # 32 rows: a level needs 2
    encoder = TableEncoder().fit({"s": levels})
    assert encoder.feature_names_out() == [*(f"s={level}" for level in "abcdefghij"), "s=(infrequent)"]
    found = encoder.transform({"s": ["rare", "unseen", "j", None]})
    assert found[:, 10].tolist() == [1, 1, 0, 0]
    assert found[2].tolist() == [0] * 9 + [1, 0]
    assert not found[3].any()  # fit saw no missing value


@pytest.mark.parametrize("values", [["a", "b", "c", None], ["a", "b", "c", "a"], list("abcdefghijkl") * 3 + ["z"]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_column_of_many_levels_is_written_entry_by_entry_to_the_same_matrix(monkeypatch, values, dtype):
    encoder = TableEncoder(columns={"a": "category"}, dtype=dtype).fit({"a": np.array(values, object)})
    rows = {"a": np.array([*values, "new", None], object)}
    expected = encoder.transform(rows)
    monkeypatch.setattr(category, "MOST_IN_TABLE", 0)
    assert np.array_equal(encoder.transform(rows), expected)


def test_a_column_of_very_many_levels_takes_no_memory_in_the_square_of_their_number():
    levels = [f"level {k}" for k in range(5000)]
    encoder = TableEncoder(columns={"a": {"kind": "category", "max_levels": 5000}}, min_count=1)
    encoder.fit({"a": np.array(levels, object)})
    tracemalloc.start()
    matrix = encoder.transform({"a": np.array(levels[:3], object)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matrix.sum(axis=1).tolist() == [1, 1, 1]
    assert peak < 20 * matrix.nbytes + 1e6  # a table of all levels would take 100 MB


def test_the_most_frequent_levels_are_kept():
    levels = [name for count, name in enumerate("abcdefghijkl", 1) for _ in range(count)]
    encoder = TableEncoder(max_levels=3).fit({"s": levels})
    assert encoder.columns_[0]["levels"] == ["j", "k", "l"]
    assert encoder.columns_[0]["n_levels"] == 12
    assert TableEncoder(max_levels=64, min_count=12).fit({"s": levels}).columns_[0]["levels"] == ["l"]
    assert TableEncoder(max_levels=1).fit({"s": ["a", "b"]}).columns_[0]["levels"] == [
        "a"
    ]  # of equals the first by name


@pytest.mark.parametrize(("rows", "needed"), [(100, 2), (1000, 5), (1001, 6), (5000, 10)])
def test_a_level_needs_one_row_in_200_at_least_2_and_at_most_10(rows, needed):
    enough, too_few = ["enough"] * needed, ["too few"] * (needed - 1)
    others = [f"level {i % 9}" for i in range(rows - 2 * needed + 1)]
    levels = TableEncoder().fit({"s": enough + too_few + others}).columns_[0]["levels"]
    assert levels == ["enough", *(f"level {i}" for i in range(9))]


def test_identifiers_are_left_out_with_a_warning_that_names_them():
    X = {"name": [f"n{i}" for i in range(50)], "x": range(50), "cabin": [f"c{i}" for i in range(49)] + [None]}
    with pytest.warns(NearlyUniqueWarning) as caught:
        encoder = TableEncoder().fit(X)
    assert [str(warning.message) for warning in caught] == [
        "columns 'name', 'cabin': nearly every value is different (names, identifiers), which says nothing about new "
        "rows; the levels were left out. Keep them with columns={'name': 'category'}, or silence this warning with "
        "'drop' in its place."
    ]
    assert caught[0].filename == __file__
    assert encoder.feature_names_out() == ["x", "cabin=(missing)"]
    assert encoder.transform({"name": ["n3", "z"], "x": [24.5] * 2, "cabin": [None, "z"]}).tolist() == [[0, 1], [0, 0]]


def test_levels_that_are_all_rare_are_left_out_with_a_warning_that_does_not_call_them_names():
    X = {"shop": [f"s{i % 150}" for i in range(600)], "name": [f"n{i}" for i in range(600)], "x": range(600)}
    with pytest.warns(NearlyUniqueWarning) as caught:  # a shop has 4 rows
        TableEncoder(min_count=5).fit(X)
    assert [str(warning.message).partition(";")[0] for warning in caught] == [
        "column 'name': nearly every value is different (names, identifiers), which says nothing about new rows",
        "column 'shop': every level is in fewer rows than min_count asks for, too few to learn much from",
    ]
    assert (
        caught[1]
        .message.args[0]
        .endswith("Keep it with columns={'shop': 'category'}, or silence this warning with 'drop' in its place.")
    )


def test_categories_of_digits_may_arrive_as_numbers():
    encoder = TableEncoder().fit({"zip": ["01", "2", "3", None]})
    expected = encoder.transform({"zip": ["01", "3", None, "4"]}).tolist()
    assert encoder.transform({"zip": [1, 3, None, 4]}).tolist() == expected
    assert expected == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_categories_of_digits_and_words_may_arrive_as_numbers_where_only_digits_occur():
    encoder = TableEncoder().fit({"ticket": ["7", "7b", "8"]})
    assert encoder.transform({"ticket": [7, 9]}).tolist() == encoder.transform({"ticket": ["7", "9"]}).tolist()
    assert encoder.transform({"ticket": [7, 9]}).tolist() == [[1, 0, 0], [0, 0, 0]]


def test_booleans_and_the_numbers_0_and_1_stand_for_each_other():
    booleans, numbers = pl.DataFrame({"b": [True, False]}), pl.DataFrame({"b": [1, 0]})
    for seen in (booleans, numbers):
        for new in (booleans, numbers):
            assert encoded(seen, new=new).tolist() == [[1], [-1]]


def test_the_order_of_categories_is_not_used_and_their_ranks_can_be_given():
    sizes, names = ["small", "large", None, "small", "medium"], ["tiny", "small", "medium", "large"]  # nothing is tiny
    plain = pd.DataFrame({"size": sizes})
    ordered = pd.DataFrame({"size": pd.Categorical(sizes, categories=names, ordered=True)})
    enum = pl.DataFrame({"size": pl.Series(sizes, dtype=pl.Enum(names))})
    encoder = TableEncoder().fit(ordered)
    assert encoder.feature_names_out() == ["size=large", "size=medium", "size=small", "size=(missing)"]
    expected = [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]]
    for X in (plain, ordered, enum):
        assert encoded(X).tolist() == encoder.encode(X, np.float64).tolist() == expected
    # A level that was declared but not seen in fit is like any other new one.
    tiny = pd.DataFrame({"size": pd.Categorical(["tiny"], categories=names, ordered=True)})
    assert encoder.encode(tiny, np.float64).tolist() == [[0, 0, 0, 0]]
    # Ranks 1, 3, missing, 1, 2 have mean 7/4, which a missing one gets: 0 after scaling.
    ranks = pd.DataFrame({"size": ordered["size"].cat.codes.where(lambda codes: codes >= 0)})
    assert encoded(ranks, input_scaling="none").tolist() == [[1, 0], [3, 0], [1.75, 1], [1, 0], [2, 0]]
    assert encoded(pl.DataFrame({"size": enum["size"].to_physical()})).tolist() == encoded(ranks).tolist()


# dates


def test_a_date_is_elapsed_days_and_the_cycles_that_vary():
    days = [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 4, 1)]  # both Mondays, at midnight
    encoder = TableEncoder().fit({"d": days})
    assert encoder.feature_names_out() == ["d", "d sin(month)", "d cos(month)"]
    expected = [[-1, 0, 1], [1, 1, 0]]  # January at the top of the circle, April a quarter later
    np.testing.assert_allclose(encoder.transform({"d": days}), expected, atol=1e-7)


def test_days_weekdays_and_hours_are_cycles():
    days = [datetime.datetime(2024, 1, 1, 6), datetime.datetime(2024, 1, 3, 18)]  # Monday and Wednesday
    encoder = TableEncoder().fit({"d": days})
    assert encoder.feature_names_out() == [
        "d", "d sin(day)", "d cos(day)", "d sin(weekday)", "d cos(weekday)", "d sin(hour)", "d cos(hour)"
    ]  # fmt: skip
    day, weekday = 2 * np.pi * 2 / 31, 2 * np.pi * 2 / 7
    waves = [np.sin(day), np.cos(day), np.sin(weekday), np.cos(weekday)]
    expected = [[-1, 0, 1, 0, 1, 1, 0], [1, *waves, -1, 0]]
    np.testing.assert_allclose(encoder.transform({"d": days}), expected, atol=1e-7)


def test_a_missing_date_is_the_middle_with_an_indicator():
    X = {"d": [datetime.date(1960, 1, 1), None, datetime.date(1960, 6, 1)]}
    encoder = TableEncoder().fit(X)
    assert encoder.feature_names_out()[:2] == ["d", "d=(missing)"]
    assert encoder.transform(X)[1].tolist() == [0, 1, 0, 0, 0, 0]
    assert encoder.transform({"d": [None]})[0].tolist() == [0, 1, 0, 0, 0, 0]


# errors


def test_unknown_options_are_refused_in_fit():
    with pytest.raises(OptionError, match=r"input_scaling must be one of 'minmax', .*Did you mean 'standard'"):
        TableEncoder("standart").fit([[1], [2]])
    for option in ("max_levels", "min_count"):
        with pytest.raises(OptionError, match=f"{option} must be a whole number of at least 1, got 0"):
            TableEncoder(**{option: 0}).fit([[1], [2]])


def test_columns_without_a_value_are_refused_in_fit():
    with pytest.raises(DataError) as caught:
        TableEncoder().fit({"a": [1, 2], "b": [None, NAN]})
    assert str(caught.value) == "column 'b' holds no value at all. Drop it before training."
    with pytest.raises(DataError, match=r"X has columns without any value: 'b', 'c'. Drop them before training"):
        TableEncoder().fit(pl.DataFrame({"a": [1], "b": [None], "c": pl.Series([None], dtype=pl.String)}))


def test_a_table_in_which_nothing_varies_is_refused():
    with pytest.raises(DataError, match=r"X has no column that varies in its 1 sample\(s\)"):
        TableEncoder().fit([[1, 2]])


def test_missing_columns_are_named_with_the_nearest():
    X = pl.DataFrame({"age": [1, 2], "sex": ["f", "m"], "fare": [0, 1]})
    message = complaint(X, X.rename({"age": "Age"}).drop("fare"))
    assert message == (
        "X lacks 2 of the 3 columns of training: 'age', 'fare'. Did you mean its column 'Age' to be 'age'?"
    )
    assert "'fare'. Add them; cells may be empty." in complaint(X, X.drop("fare"))


def test_other_columns_and_another_order_make_no_difference():
    X = pl.DataFrame({"age": [1, 2], "sex": ["f", "m"]})
    new = pd.DataFrame({"note": ["?", "!"], "sex": ["f", "m"], "age": [1, 2]})
    assert encoded(X, new=new).tolist() == encoded(X).tolist() == [[-1, -1], [1, 1]]
    assert encoded(X, new=X.rows()).tolist() == [[-1, -1], [1, 1]]  # without names: by position


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_an_array_of_another_width_is_refused_in_scikit_learns_words():
    message = "X has 3 features, but GlassNetClassifier is expecting 2 features as input"
    assert complaint(np.eye(2), np.ones((1, 3))) == message
    assert complaint(pd.DataFrame(np.eye(2), columns=["a", "b"]), np.ones((1, 3))) == message


DATE = datetime.datetime(2024, 1, 1)


@pytest.mark.parametrize(
    ("seen", "new", "message"),
    [
        ([1, 2], ["1", None, "x"], "row 3: column 'a' holds text where numbers were in training, got 'x'."),
        ([1, 2], ["1", "2"], "row 1: column 'a' holds text where numbers were in training, got '1'."),
        ([1, 2], [DATE], "row 1: column 'a' holds a date where numbers were in training, got '2024-01-01T00:00"),
        (["x", "y"], [None, 2.5], "row 2: column 'a' holds a number where text was in training, got 2.5."),
        (["1", "2"], [DATE], "row 1: column 'a' holds a date where text was in training"),
        (
            [DATE, DATE.replace(day=2)],
            ["2024"],
            "row 1: column 'a' holds text where dates were in training, got '2024'.",
        ),
        (
            [DATE, DATE.replace(day=2)],
            [None, 3],
            "row 2: column 'a' holds a number where dates were in training, got 3.0",
        ),
    ],
)
def test_a_column_of_another_kind_is_refused_with_its_first_bad_value(seen, new, message):
    found = complaint({"a": seen}, {"a": new})
    assert found.startswith(message)
    assert found.endswith(". Give the column as it was in training.")


@pytest.mark.parametrize("seen", [[1, 2], ["x", "y", "z"], ["1", "2", None], [DATE, DATE.replace(day=2), None]])
@pytest.mark.parametrize("empty", [pl.Null, pl.String, pl.Float64, pl.Datetime])
def test_a_column_without_values_fits_every_kind_in_transform(seen, empty):
    encoder = TableEncoder().fit({"a": seen})
    new = pl.DataFrame({"a": pl.Series([None, None], dtype=empty)})
    expected = [name.endswith("(missing)") for name in encoder.feature_names_out()]
    assert encoder.transform(new).tolist() == [expected] * 2


# properties


@st.composite
def mixed_tables(draw) -> dict[str, list]:
    rows = draw(st.integers(2, 12))

    def column(values):
        return draw(st.lists(st.none() | values, min_size=rows, max_size=rows))

    return {
        "varies": [float(i) for i in range(rows)],
        "x": [draw(st.floats(-1e9, 1e9)) for _ in range(rows)],
        "age": [0.0, *column(st.floats(allow_nan=False, allow_infinity=False))[1:]],
        "n": [1, *column(st.integers(-(2**53), 2**53))[1:]],
        "s": ["a", *column(st.sampled_from(["a", "b", "ü", "", "1"]))[1:]],
        "b": [True, *column(st.booleans())[1:]],
        "d": [DATE, *column(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)))[1:]],
    }


@settings(max_examples=60)
@given(mixed_tables(), st.sampled_from(SCALINGS))
def test_every_origin_of_a_table_gives_the_same_matrix(data, scaling):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NearlyUniqueWarning)
        frame = pl.DataFrame(data, schema_overrides={"d": pl.Datetime("us")})
        encoder = TableEncoder(scaling).fit(frame)
        expected = encoder.encode(frame, np.float64)
        assert np.isfinite(expected).all()
        assert expected.flags.c_contiguous
        rows = np.array(frame.rows(), dtype=object)
        for X in (data, frame.to_arrow(), pd.DataFrame(data), frame.to_pandas(), rows):
            other = TableEncoder(scaling).fit(X)
            assert other.columns_ == [
                {**column, "name": name} for column, name in zip(encoder.columns_, other.feature_names_in, strict=True)
            ]
            np.testing.assert_array_equal(other.encode(X, np.float64), expected)


@settings(max_examples=30)
@given(mixed_tables(), st.sampled_from(SCALINGS))
def test_rows_alone_and_a_reloaded_encoder_give_the_same_matrix(data, scaling):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NearlyUniqueWarning)
        encoder = TableEncoder(scaling).fit(data)
    expected = encoder.encode(data, np.float64)
    for i, row in enumerate(expected):
        one = {name: [values[i]] for name, values in data.items()}
        np.testing.assert_array_equal(encoder.encode(one, np.float64)[0], row)
    plain, arrays = encoder.to_data()
    again = TableEncoder.from_data(json.loads(json.dumps(plain)), arrays)
    assert again.kinds_ == encoder.kinds_
    assert again.to_data() == encoder.to_data()
    np.testing.assert_array_equal(again.encode(data, np.float64), expected)


def test_a_reloaded_encoder_keeps_its_owner_and_options():
    encoder = (
        TableEncoder("robust", max_levels=5, min_count=np.int64(3)).owned_by("Owner").fit(pl.DataFrame({"a": [1, 2]}))
    )
    plain, arrays = encoder.to_data()
    again = TableEncoder.from_data(json.loads(json.dumps(plain)), arrays)
    assert (again.input_scaling, again.max_levels, again.min_count, again.owner) == ("robust", 5, 3, "Owner")
    assert (again.feature_names_in, again.named_, arrays) == (["a"], True, {})


def test_fit_transform_is_fit_and_transform():
    X = {"a": [1.0, 2.0], "s": ["x", "y"]}
    encoder = TableEncoder()
    assert encoder.fit_transform(X).tolist() == encoder.transform(X).tolist() == [[-1, -1], [1, 1]]
    assert encoder.transform(X).dtype == np.float32


# real tables

WIDTHS = {"penguins": 14, "adult": 107, "titanic": 21, "hflights": 158, "inst_eval": 147}  # at most


def test_every_real_table_becomes_a_finite_matrix(real_data):
    files = sorted(real_data.glob("*.parquet"))
    assert len(files) >= 30
    for path in files:
        frame = read_table(path)
        X, y = split_target(frame, frame.columns[-1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NearlyUniqueWarning)
            matrix = TableEncoder().fit_transform(X)
        assert len(matrix) == len(y) == frame.height
        assert np.isfinite(matrix).all(), path.name
        assert matrix.shape[1] <= WIDTHS.get(path.stem, 300), path.name


# columns written together


def table_of_all_kinds(n, seed=0):
    """Numbers small, large, constant, with and without gaps, among texts and dates."""
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(n) < 0.2, NAN, rng.normal(size=n))
    gaps[:2] = 0.5, NAN
    days = np.datetime64("2020-01-01") + rng.integers(0, 999, n).astype("timedelta64[D]")
    return pl.DataFrame(
        {
            "a": rng.normal(5, 3, size=n),
            "text": rng.choice(["x", "y", "z"], n),
            "gaps": gaps,
            "constant": np.full(n, 7.0),
            "constant with gaps": np.where(np.isnan(gaps), NAN, 3.0),
            "huge": rng.normal(size=n) * 1e300,
            "day": days,
            "tiny": rng.normal(size=n) * 1e-300,
        }
    )


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_rows_and_many_are_encoded_to_the_same_bits(scaling, dtype):
    table = table_of_all_kinds(FEW_ROWS + 50)
    if scaling == "none":
        table = table.drop("huge")  # float32 cannot hold it
    encoder = TableEncoder(scaling).fit(table)
    whole = encoder.encode(table, dtype)  # column by column
    few = np.vstack([encoder.encode(table[first : first + 150], dtype) for first in range(0, len(table), 150)])
    alone = np.vstack([encoder.encode(table[i], dtype) for i in range(30)])
    assert few.tobytes() == whole.tobytes()
    assert alone.tobytes() == whole[:30].tobytes()
    assert np.isfinite(whole).all()


def test_columns_written_together_are_read_back_from_plain_data():
    table = table_of_all_kinds(40)
    encoder = TableEncoder().fit(table)
    again = TableEncoder.from_data(json.loads(json.dumps(encoder.to_data()[0])))
    assert again.transform(table).tobytes() == encoder.transform(table).tobytes()


@pytest.mark.parametrize("n", [3, FEW_ROWS + 3])
def test_what_cannot_be_encoded_is_refused_alike_in_few_rows_and_many(n):
    X = pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 7.0]})
    new = pl.DataFrame({"a": np.ones(n), "b": np.ones(n)})
    infinite = new.with_columns(b=pl.when(pl.int_range(n) == 1).then(np.inf).otherwise(1.0))
    assert complaint(X, infinite) == (
        "row 2: column 'b' must be finite, got inf. Replace it by a number, or leave the cell empty (missing)."
    )
    assert "text where numbers were in training" in complaint(X, new.with_columns(a=pl.lit("three")))
    switches = new.with_columns(a=pl.int_range(n) % 2 == 0)  # 1 and 0 among numbers
    as_numbers = new.with_columns(a=1.0 - pl.int_range(n) % 2)
    encoder = TableEncoder().fit(X)
    assert encoder.transform(switches).tobytes() == encoder.transform(as_numbers).tobytes()


@pytest.mark.parametrize(
    "days", [[0, 59, 60, 364, 365, 19_782, 19_783, 2_932_896], [-719_162, -1, 0, 1], range(-800, 800)]
)
def test_parts_of_dates_are_those_of_pythons_calendar(days):
    """Years far apart and close together, before 1970, leap days: what `datetime` says of each day."""
    dates = [datetime.datetime(1970, 1, 1) + datetime.timedelta(days=day, hours=7) for day in days]
    X = {"d": [*dates, None]}
    encoder = TableEncoder("none", dtype="float64").fit(X)
    found = dict(zip(encoder.feature_names_out(), encoder.transform(X)[:-1].T, strict=True))
    assert found["d year"].tolist() == [date.year for date in dates]
    for part, cycle, steps in (
        ("month", 12, [date.month - 1 for date in dates]),
        ("day", 31, [date.day - 1 for date in dates]),
        ("weekday", 7, [date.weekday() for date in dates]),
    ):
        np.testing.assert_allclose(found[f"d sin({part})"], np.sin(2 * np.pi * np.array(steps) / cycle), atol=1e-12)
        np.testing.assert_allclose(found[f"d cos({part})"], np.cos(2 * np.pi * np.array(steps) / cycle), atol=1e-12)


@pytest.mark.parametrize("n", [50, FEW_ROWS + 50])
def test_the_same_table_from_every_library_gives_the_same_bits(n):
    """Short and long columns are read by different ways."""
    frame = table_of_all_kinds(n).with_columns(
        whole=pl.int_range(n) % 13,
        flag=pl.when(pl.int_range(n) % 7 == 0).then(None).otherwise(pl.int_range(n) % 2 == 0),
        category=pl.col("text").cast(pl.Categorical),
        enum=pl.when(pl.int_range(n) % 5 == 0).then(None).otherwise(pl.col("text")).cast(pl.Enum(["z", "y", "x"])),
        duration=pl.duration(minutes=pl.int_range(n)),
    )
    expected = TableEncoder().fit(frame)
    matrix = expected.transform(frame).tobytes()
    pandas = frame.to_pandas()
    ordered = pandas.assign(text=pd.Categorical(pandas["text"], categories=["z", "x", "y"], ordered=True))
    objects = pandas.assign(text=pandas["text"].astype(object))
    nullable = pandas.convert_dtypes()
    on_arrow = pandas.convert_dtypes(dtype_backend="pyarrow")
    as_dict = frame.to_dict(as_series=False)
    for X in (pandas, ordered, objects, nullable, on_arrow, frame.to_arrow(), as_dict, pl.from_arrow(frame.to_arrow())):
        other = TableEncoder().fit(X)
        assert other.columns_ == expected.columns_
        assert other.transform(X).tobytes() == matrix
        assert expected.transform(X).tobytes() == matrix  # whichever library it was fitted with


@pytest.mark.parametrize("n", [50, FEW_ROWS + 50])
def test_the_same_numbers_as_array_and_frame_give_the_same_bits(n):
    numbers = table_of_all_kinds(n).drop("text", "day")
    expected = TableEncoder().fit_transform(numbers).tobytes()
    array = numbers.to_numpy()
    for X in (np.ascontiguousarray(array), np.asfortranarray(array), array.astype(object), numbers.to_pandas()):
        assert TableEncoder().fit_transform(X).tobytes() == expected


# memory that is shared with the frame


def whole_numbers(n: int) -> pl.DataFrame:
    """Integers of several types, small and beyond what a float holds exactly, in more rows than are read at once."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "byte": pl.Series(rng.integers(0, 9, n), dtype=pl.UInt8),
            "negative": pl.Series(rng.integers(-9, 9, n), dtype=pl.Int32),
            "huge": pl.Series(2**60 + 100 * rng.integers(0, 9, n), dtype=pl.Int64),
            "code": pl.Series(rng.integers(10, 14, n), dtype=pl.Int64),
        }
    )


@pytest.mark.parametrize("scaling", SCALINGS)
def test_integers_of_a_frame_are_encoded_as_floats_are(scaling):
    frame = whole_numbers(3 * FEW_ROWS)
    floats = frame.with_columns(pl.all().cast(pl.Float64))
    assert table_of(frame).columns[0].dtype == np.uint8  # which the frame holds
    options = {"input_scaling": scaling, "columns": {"code": "category"}, "codes_above": 3}
    expected = encoded(floats, **options)
    encoder = TableEncoder(**options).fit(frame)
    for X in (frame, frame.to_pandas(), frame.to_arrow(), floats):
        np.testing.assert_array_equal(encoded(X, **options), expected)
        np.testing.assert_array_equal(encoder.encode(X, np.float64), expected)
    for rows in (slice(0, 5), slice(0, 2 * FEW_ROWS)):  # few rows of a table go another way
        np.testing.assert_array_equal(encoder.encode(table_of(frame).take(rows), np.float64), expected[rows])
    gaps = frame.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(pl.all()).name.keep())
    np.testing.assert_array_equal(encoder.encode(gaps, np.float64)[1:], expected[1:])


def test_integers_as_categories_are_spelled_as_floats_are():
    frame = whole_numbers(2 * FEW_ROWS).select("negative", "byte")
    floats = frame.with_columns(pl.all().cast(pl.Float64))
    options = {"columns": {"negative": {"kind": "category", "min_count": 1}, "byte": "category"}}
    names = TableEncoder(**options).fit(frame).feature_names_out()
    assert names == TableEncoder(**options).fit(floats).feature_names_out()
    assert names[-1] == "byte=8"
    np.testing.assert_array_equal(encoded(frame, **options), encoded(floats, **options))


@pytest.mark.parametrize("n_levels", [126, 127, 300])
def test_texts_of_few_levels_take_a_byte_and_of_more_the_same_way(n_levels):
    n = 3 * n_levels + FEW_ROWS
    texts = [None if i % 7 == 0 else f"t{i % n_levels:03}" for i in range(n)]
    found = table_of(pl.DataFrame({"a": texts})).columns[0]
    assert found.codes.dtype == (np.int8 if n_levels <= 126 else np.int32)
    assert found.tolist() == texts
    few = table_of({"a": texts}).columns[0]
    assert found.counts() == few.counts()
    options = {"columns": {"a": {"kind": "category", "min_count": 1, "max_levels": 500}}}
    for width in (None, 2):  # columns of 0 and 1, and codes
        np.testing.assert_array_equal(
            encoded(pl.DataFrame({"a": texts}), codes_above=width, **options),
            encoded({"a": texts}, codes_above=width, **options),
        )


def test_texts_that_spell_dates_may_be_missing_in_a_long_column():
    days = [None if i % 5 == 0 else f"2024-01-{1 + i % 28:02}" for i in range(2 * FEW_ROWS)]
    expected = pl.DataFrame({"d": days}).with_columns(pl.col("d").str.to_date())
    np.testing.assert_array_equal(encoded(pl.DataFrame({"d": days}), columns={"d": "date"}), encoded(expected))
