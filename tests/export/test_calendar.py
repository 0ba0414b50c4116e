"""The calendar in whole numbers agrees with NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet.export.calendar import days_of, steps_of, year_month_day
from glassnet.tables.moment import CYCLES, cycle_steps, years_of


@pytest.mark.parametrize(
    ("date", "parts"),
    [("1970-01-01", (1970, 0, 0)), ("2024-02-29", (2024, 1, 28)), ("1900-03-01", (1900, 2, 0)),
     ("2000-12-31", (2000, 11, 30)), ("-0001-02-28", (-1, 1, 27)), ("0000-02-29", (0, 1, 28))],
)  # fmt: skip
def test_year_month_and_day_of_known_dates(date, parts):
    days = np.datetime64(date, "D").astype(np.int64)
    assert tuple(int(part) for part in year_month_day(days)) == parts


@given(st.lists(st.integers(-9 * 10**18, 9 * 10**18), min_size=1, max_size=50))
def test_parts_of_any_moment_are_those_that_the_encoder_writes(moments):
    moments = np.array(moments)
    for part in CYCLES:
        assert np.array_equal(steps_of(part, moments), cycle_steps(part, moments.astype("M8[us]")))
    assert np.array_equal(year_month_day(days_of(moments))[0], years_of(moments.astype("M8[us]")))


def test_each_day_of_eight_centuries_is_numpys():
    days = np.arange(-150_000, 150_000)
    calendar = days.astype("M8[D]")
    year, month, day = year_month_day(days)
    assert np.array_equal(year, calendar.astype("M8[Y]").astype(np.int64) + 1970)
    assert np.array_equal(month, calendar.astype("M8[M]").astype(np.int64) % 12)
    assert np.array_equal(day, (calendar - calendar.astype("M8[M]")).astype(np.int64))
