"""How cells spell numbers: one rule, the same in Python and in Polars."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet.tables.spelling import NUMBER, blanked, is_number, spelled_numbers


@pytest.mark.parametrize("text", ["0", "007", "+1", "-1.", ".5", "1.5e3", "2E-7", " 12 ", "-0.0"])
def test_what_spells_a_number(text):
    assert is_number(text)
    assert is_number(text, comma=True)
    float(text)


@pytest.mark.parametrize(
    "text", ["", ".", "-", "+.", "1e", "e5", "1 2", "1_000", "0x1f", "nan", "inf", "1.2.3", "--1", "٣", "1\n2"]
)
def test_what_spells_none(text):
    assert not is_number(text)
    assert not is_number(text, comma=True)


def test_a_decimal_comma_is_one_where_it_may_be():
    assert is_number("-1,5e3", comma=True)
    assert is_number(",5", comma=True)
    assert not is_number("-1,5e3")
    assert not is_number("1,234.5", comma=True)


@given(st.text(alphabet="0123456789+-.eE ٣x", max_size=6))
def test_polars_and_python_agree_and_polars_parses_what_matches(text):
    stripped = text.strip()
    column = pl.Series([stripped])
    assert column.str.contains(NUMBER).item() == is_number(text)
    if is_number(text):
        assert spelled_numbers(column).item() == float(text)


def test_whole_numbers_stay_whole_where_64_bits_hold_all_of_them():
    assert spelled_numbers(pl.Series(["9007199254740993", None, "-1"])).to_list() == [2**53 + 1, None, -1]
    assert spelled_numbers(pl.Series(["9223372036854775808", "1"])).to_list() == [2.0**63, 1.0]
    assert spelled_numbers(pl.Series(["1.0", "1"])).dtype == pl.Float64


def test_words_become_nulls_however_they_are_cased_and_spaced():
    assert blanked(pl.Series("x", [" NA", "na", "nah", None]), ("na",)).to_list() == [None, None, "nah", None]
