"""What a cell is does not depend on the cells beside it."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import DataError
from glassnet.tables.encoder import TableEncoder

SPELLINGS = ["1", "1.0", "1e0", "True", "0", "False", "0.5", ".5", "007", "7", "1000", "1e3", "A", "no", ""]
NUMBERS = [1, 1.0, 0, 0.0, -0.0, 7, 0.5, 1000, 2, np.int8(1), np.float32(0.5), Decimal("1.0"), Fraction(1, 2)]
CELLS = st.sampled_from([*SPELLINGS, *NUMBERS, True, False, np.True_, 2**60 + 1, 2**60 + 3, None, float("nan")])


def objects(cells) -> np.ndarray:
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


def learned(*levels, **options) -> TableEncoder:
    """An encoder of one column of objects; a code a level, and one for what is none."""
    return TableEncoder(codes_above=1, **options).fit({"m": objects(levels * 30)})


def codes(encoder, *cells) -> list[float]:
    return encoder.transform({"m": objects(cells)}).ravel().tolist()


@settings(max_examples=300)
@given(st.lists(CELLS, min_size=2, max_size=12, unique_by=str), st.lists(CELLS, min_size=1, max_size=12))
def test_the_code_of_a_cell_is_that_of_the_cell_alone(levels, cells):
    try:
        encoder = learned("a", "b", *levels)
    except DataError:  # nothing but missing values
        return
    if not encoder.kinds_[0].spells_numbers:  # then numbers alone are refused
        cells = [cell for cell in cells if isinstance(cell, str | bool | np.bool_ | None)] or ["a"]
    assert codes(encoder, *cells) == [code for cell in cells for code in codes(encoder, cell)]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["1.0", "1", "z"], "1"),
        (["1", "1e0", "True"], "1"),
        (["1e3", "1000", "z"], "1000"),
        (["1.0", "1e0", "True"], "True"),  # none is spelled as a number is written: the last by name
    ],
)
def test_of_several_levels_that_spell_a_number_it_is_the_one_that_is_spelled_so(levels, expected):
    number = 1000 if "1000" in levels else 1
    encoder = learned(*levels)
    code = 1.0 + sorted(levels).index(expected)
    assert codes(encoder, number) == codes(encoder, expected) == [code]
    assert codes(encoder, number, "z", 0.5)[0] == code
    assert encoder.transform(pd.DataFrame({"m": [number]})).tolist() == [[code]]
    assert encoder.transform({"m": pd.Categorical([number])}).tolist() == [[code]]


def test_a_boolean_is_the_level_of_its_name_among_numbers_too():
    encoder = learned(1, "True", "no")
    assert codes(encoder, True) == codes(encoder, True, 1)[:1] == codes(encoder, True, 1, "no")[:1] == [2]
    assert codes(encoder, 1) == codes(encoder, True, 1)[1:] == codes(encoder, "no", 1)[1:] == [1]


def test_booleans_among_numbers_are_the_levels_1_and_0_where_numbers_were_declared_to_be_levels():
    encoder = learned(True, 1, 0, 2, columns={"m": "category"})
    assert encoder.kinds_[0].levels == ("0", "1", "2")
    assert codes(encoder, True, False, 2) == codes(encoder, 1, 0, 2) == [2, 1, 3]


def test_booleans_among_numbers_are_numbers_otherwise():
    encoder = TableEncoder("none").fit({"m": objects([True, 2.5, 3, None] * 2)})
    assert codes(encoder, False, 4.5) == [0, 0, 4.5, 0]  # each with its indicator of missing values
    with pytest.raises(DataError, match="row 2: column 'm' must be finite, got inf"):
        codes(encoder, True, float("inf"))


def test_a_number_that_only_one_level_spells_is_that_level_beside_texts_too():
    encoder = learned("007", "x")
    assert codes(encoder, 7) == codes(encoder, 7, "x")[:1] == [1]
    assert codes(encoder, "7") == codes(encoder, 7, "7")[1:] == [0]  # a text is compared letter by letter


def test_whole_numbers_with_gaps_beyond_those_of_a_float_are_the_levels_that_spell_them():
    encoder = learned(str(2**60 + 1), str(2**60 + 3), "x")
    column = pd.DataFrame({"m": pd.array([2**60 + 3, None], dtype="Int64")})
    assert encoder.transform(column).ravel().tolist() == [2, 0] == codes(encoder, 2**60 + 3, None)
