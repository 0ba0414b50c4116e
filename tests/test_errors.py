"""Errors: messages are made from fields, fields survive pickling."""

import pickle

import numpy as np
import pytest

from glassnet.errors import ColumnError, DataError, GlassNetError, OptionError, nearest, require_choice


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
    assert str(DataError("is odd", value="x" * 200)) == f"is odd, got '{'x' * 78}…"


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
