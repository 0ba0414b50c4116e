"""Errors: messages are made from fields, fields survive pickling."""

import pickle

import numpy as np
import pytest

from glassnet.errors import (
    ColumnError,
    DataError,
    GlassNetError,
    OptionError,
    nearest,
    require_choice,
    require_number,
    require_options,
)


def test_a_message_says_where_which_rule_what_value_and_what_to_do():
    error = ColumnError(
        "must be a number", file="cars.csv", row=3, column="price", value="n/a", remedy="Mend the cell."
    )
    assert str(error) == "cars.csv: row 3: column 'price' must be a number, got 'n/a'. Mend the cell."


def test_only_what_is_known_stands_in_the_message():
    assert str(OptionError("must be positive", argument="l2")) == "l2 must be positive"
    assert str(DataError("is empty")) == "is empty"


def test_none_can_be_the_value_that_was_wrong():
    assert str(OptionError("must be a number", argument="l2", value=None)) == "l2 must be a number, got None"


def test_a_numpy_scalar_is_shown_as_a_number_and_a_long_value_is_cut():
    assert str(DataError("must be finite", value=np.float32(np.inf))) == "must be finite, got inf"
    assert str(DataError("is odd", value="x" * 200)) == f"is odd, got '{'x' * 38}…{'x' * 39}'"


def test_fields_survive_pickling():
    error = pickle.loads(pickle.dumps(ColumnError("is odd", column="a", row=2, value=1.5, remedy="Look.")))
    assert isinstance(error, ColumnError)
    assert str(error) == "row 2: column 'a' is odd, got 1.5. Look."
    assert (error.column, error.row, error.value, error.remedy) == ("a", 2, 1.5, "Look.")


def test_typed_errors_are_also_the_builtin_ones_that_callers_expect():
    assert issubclass(OptionError, ValueError)
    assert issubclass(ColumnError, DataError)
    assert issubclass(DataError, GlassNetError)


@pytest.mark.parametrize(
    ("name", "expected"), [("specis", "species"), ("Species", "species"), ("island ", "island"), ("zzz", None)]
)
def test_the_nearest_name_is_found_or_none(name, expected):
    assert nearest(name, ["species", "island"]) == expected


def test_a_choice_is_checked_against_the_choices():
    require_choice("dtype", "float32", ["float32", "float64"])
    with pytest.raises(OptionError, match=r"^dtype must be one of 'float32', 'float64', got 'float16'. Did you mean "):
        require_choice("dtype", "float16", ["float64", "float32"])
    with pytest.raises(OptionError, match=r"^dtype must be one of 'float32', 'float64', got 16$"):
        require_choice("dtype", 16, ["float64", "float32"])


@pytest.mark.parametrize("value", ["3", None, True, float("nan"), float("inf"), 2.5, 0, [1]])
def test_a_number_is_checked_for_being_one_and_for_its_rule(value):
    with pytest.raises(OptionError, match="^units must be a whole number of at least 1, got "):
        require_number("units", value, "must be a whole number of at least 1", lambda n: n >= 1, whole=True)


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3)])
def test_numbers_of_any_type_are_taken(value):
    require_number("units", value, "must be a whole number of at least 1", lambda n: n >= 1, whole=True)


def test_an_option_that_a_choice_does_not_take_is_named_with_those_it_takes():
    with pytest.raises(OptionError) as caught:
        require_options("loss", "huber", lambda delta=1.0: delta, ["gamma"])
    assert str(caught.value) == "loss takes no such option as gamma, got 'huber'. It takes delta."
    with pytest.raises(OptionError, match=r"It takes none\.$"):
        require_options("loss", "poisson", lambda: 0, ["gamma"])
