"""Parts of the calendar from microseconds since 1970, in whole numbers: of arrays, or of values of a graph."""

from __future__ import annotations

import numpy as np

from glassnet.maths.elementary import Array
from glassnet.tables.moment import DAY

__all__ = ["ABSENT", "days_of", "steps_of", "year_month_day"]

ABSENT = np.iinfo(np.int64).min  # NumPy's NaT
MINUTE = 60_000_000
TO_MARCH_0 = 719_468  # days from 1 March of the year 0 to 1 January 1970
CENTURIES, CENTURY, FOUR_YEARS = 146_097, 36_524, 1_461  # days


def days_of(moments: Array) -> Array:
    """Whole days since 1970, downwards."""
    return moments // DAY


def year_month_day(days: Array) -> tuple[Array, Array, Array]:
    """The year, the month from 0, and the day of the month from 0, in the Gregorian calendar extended both ways.

    Years begin in March here, so that a leap day is the last of its year, and 400 of them have 146,097 days.
    Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2021), `civil_from_days`.
    """
    since = days + TO_MARCH_0
    era, day = since // CENTURIES, since % CENTURIES
    year = (day - day // (FOUR_YEARS - 1) + day // CENTURY - day // (CENTURIES - 1)) // 365
    day = day - (365 * year + year // 4 - year // 100)
    month = (5 * day + 2) // 153  # from March
    in_year = (month + 2) % 12
    return year + 400 * era + np.where(month >= 10, 1, 0), in_year, day - (153 * month + 2) // 5


def steps_of(part: str, moments: Array) -> Array:
    """The place in a cycle, as `tables.moment` has it: of "month", "day", "weekday" or "hour"."""
    days = days_of(moments)
    if part == "weekday":
        return (days + 3) % 7  # 1 January 1970 was a Thursday
    if part == "hour":
        return (moments - days * DAY) // MINUTE
    _, month, day = year_month_day(days)
    return month if part == "month" else day
