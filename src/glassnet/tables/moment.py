"""Dates and durations as matrix columns: elapsed time, and the parts of the calendar that vary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from glassnet.errors import ColumnError, ModelFileError
from glassnet.files.fields import Fields
from glassnet.tables.changes import AS_IN_TRAINING, as_dates, as_durations, require_family
from glassnet.tables.families import Column, name_of_family
from glassnet.tables.number import Number
from glassnet.tables.zones import UTC, TimesOfDay, is_zone, wall_time, zone_of

__all__ = ["CYCLES", "DAY", "WAVES", "Date", "Duration", "cycle_steps", "cycle_waves", "elapsed_days", "years_of"]

DAY = 86_400_000_000  # microseconds
CYCLES = {"month": 12, "day": 31, "weekday": 7, "hour": 1440}


@dataclass(frozen=True)
class Date:
    """A date as elapsed days since 1970, scaled like a number, the year likewise, and cyclic parts where they vary.

    month (of 12), day (of 31), weekday (of 7, Monday first) and hour (time of day to the minute, of 24) are each
    written as sin(2πt) and cos(2πt) of the elapsed fraction t of the cycle; both are 0 for a missing date. A part that
    was constant in fit is left out, and so is the year where the days do not vary.
    A time of day is one on 1 January 1970: its days are a fraction of one, and its only cycle is the hour.
    family : what the column held in fit: dates, or texts declared to be dates.
    zone : that of fit, None where it had none. Moments are then read on the clocks of that zone, whatever theirs is.
    of_day : whether they were times of day; None in files of before, which do not say it.
    """

    kind: ClassVar[str] = "date"
    name: str
    family: str
    elapsed: Number
    year: Number
    parts: tuple[str, ...]
    zone: str | None = None
    of_day: bool | None = None

    @classmethod
    def fit(cls, name: str, values: Column, scaling: str, indicator: bool = False) -> Date:
        """Fit to datetime64[us] values, or texts that spell dates; at least one present."""
        dates = as_dates(name, values)
        zone, of_day = zone_of(dates), isinstance(dates, TimesOfDay)
        dates = wall_time(dates, zone)
        elapsed = Number.fit(name, elapsed_days(dates), scaling, indicator)
        present = dates[~np.isnat(dates)]
        year = Number.fit(f"{name} year", years_of(present), scaling)
        steps = {part: cycle_steps(part, present) for part in CYCLES}
        varying = tuple(part for part in CYCLES if np.ptp(steps[part]) > 0)
        return cls(name, name_of_family(values), elapsed, year, varying, zone, of_day)

    @property
    def missing(self) -> bool:
        """Whether missing values were seen in fit."""
        return self.elapsed.missing

    @property
    def names(self) -> list[str]:
        """Names of the matrix columns."""
        waves = [f"{self.name} {wave}({part})" for part in self.parts for wave in ("sin", "cos")]
        return [*self.elapsed.names, *self.year.names, *waves]

    @property
    def scaled(self) -> list[int]:
        """Places of scaled numbers among the matrix columns: elapsed days, and the year behind their indicator."""
        return self.elapsed.scaled + [len(self.elapsed.names)] * self.year.varies

    def prepare(self, values: Column, dtype: Any) -> np.ndarray:
        """The column as datetime64[us], wall time; ColumnError for another family, or zone or day come or gone."""
        if self.family != "text":
            require_family(self.name, values, ("date",))
        dates = as_dates(self.name, values)
        _require_day(self.name, dates, self.of_day)
        _require_zone(self.name, dates, self.zone)
        return wall_time(dates, self.zone)

    def write(self, dates: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (n, len(names)) from rows of what `prepare` gave."""
        absent = np.isnat(dates)
        first = len(self.elapsed.names)
        self.elapsed.write(elapsed_days(dates), out[:, :first])
        if self.year.varies:
            self.year.write(years_of(dates), out[:, first : first + 1])
            first += 1
        known = np.where(absent, np.datetime64(0, "us"), dates)
        for j, part in enumerate(self.parts):
            waves = WAVES[part].take(cycle_steps(part, known), axis=0)
            waves[absent] = 0
            out[:, first + 2 * j : first + 2 * j + 2] = waves

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready scalars, lists and dicts."""
        return {
            "kind": self.kind,
            "name": self.name,
            "family": self.family,
            "elapsed": self.elapsed.plain(),
            "year": self.year.plain(),
            "parts": list(self.parts),
            "zone": self.zone,
            "of_day": self.of_day,
        }

    @classmethod
    def from_plain(cls, fields: Fields) -> Date:
        """The record that `plain` described; ModelFileError where it did not. Old files have no zone and no of_day."""
        elapsed, year = Number.from_plain(fields.fields("elapsed")), Number.from_plain(fields.fields("year"))
        parts = fields.texts("parts")
        if not set(parts) <= set(CYCLES) or len(set(parts)) < len(parts):
            rule = f"must be some of {', '.join(CYCLES)}, each once"
            raise ModelFileError(rule, argument=fields.place_of("parts"), value=parts)
        if year.missing:  # whether a date is missing is said by the elapsed days
            raise ModelFileError("must be false", argument=fields.fields("year").place_of("missing"), value=True)
        zone, of_day = fields.text("zone", None), fields.flag("of_day", None)
        if zone is not None and not is_zone(zone):
            raise ModelFileError("must be a time zone", argument=fields.place_of("zone"), value=zone)
        return cls(
            fields.text("name"),
            fields.choice("family", ("date", "text")),
            elapsed,
            year,
            tuple(parts),
            zone,
            of_day,
        )

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column."""
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "width": len(self.names),
            "left_out": None if self.elapsed.varies else "constant",
            "parts": ["year"] * self.year.varies + list(self.parts),
            "zone": self.zone,
        }


@dataclass(frozen=True)
class Duration:
    """A duration as seconds, scaled like a number, with its indicator of missing values."""

    kind: ClassVar[str] = "duration"
    name: str
    seconds: Number

    @classmethod
    def fit(cls, name: str, values: Column, scaling: str, indicator: bool = False) -> Duration:
        """Fit to timedelta64[us] values, at least one present."""
        return cls(name, Number.fit(name, as_durations(name, values), scaling, indicator))

    @property
    def missing(self) -> bool:
        """Whether missing values were seen in fit."""
        return self.seconds.missing

    @property
    def names(self) -> list[str]:
        """Names of the matrix columns."""
        return self.seconds.names

    @property
    def scaled(self) -> list[int]:
        """Places of scaled numbers among the matrix columns."""
        return self.seconds.scaled

    def prepare(self, values: Column, dtype: Any) -> np.ndarray:
        """The column in seconds; ColumnError for another family."""
        require_family(self.name, values, ("duration",))
        return self.seconds.prepare(as_durations(self.name, values), dtype)

    def write(self, seconds: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (n, len(names)) from rows of what `prepare` gave."""
        self.seconds.write(seconds, out)

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready scalars and dicts."""
        return {"kind": self.kind, "name": self.name, "seconds": self.seconds.plain()}

    @classmethod
    def from_plain(cls, fields: Fields) -> Duration:
        """The record that `plain` described; ModelFileError where it did not."""
        return cls(fields.text("name"), Number.from_plain(fields.fields("seconds")))

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column."""
        return {**self.seconds.describe(), "kind": self.kind}


def _require_zone(name: str, dates: np.ndarray, zone: str | None) -> None:
    """ColumnError where only one of fit and prediction had a zone other than UTC: which hours are meant is unclear."""
    new = zone_of(dates)
    if (zone in (None, UTC)) == (new in (None, UTC)) or (zone is not None and new is not None):
        return
    present = np.flatnonzero(~np.isnat(dates))
    if not len(present):
        return
    raise ColumnError(
        f"holds moments {'without a zone' if new is None else f'of the zone {new}'} where they had "
        f"{'none' if zone is None else f'the zone {zone}'} in training",
        column=name,
        row=int(present[0]) + 1,
        value=str(wall_time(dates[present[:1]], new)[0]),
        remedy="Give them a zone; any will do." if new is None else "Give them without a zone, or train with one.",
    )


def _require_day(name: str, dates: np.ndarray, of_day: bool | None) -> None:
    """ColumnError where only one of fit and prediction had times of day, which lie on no day."""
    new = isinstance(dates, TimesOfDay)
    present = np.flatnonzero(~np.isnat(dates))
    if of_day is None or of_day == new or not len(present):
        return
    moment = str(np.asarray(dates)[present[0]])
    raise ColumnError(
        f"holds {'times of day where dates' if new else 'dates where times of day'} were in training",
        column=name,
        row=int(present[0]) + 1,
        value=moment.partition("T")[2] if new else moment,
        remedy=AS_IN_TRAINING,
    )


def elapsed_days(dates: np.ndarray) -> np.ndarray:
    """Days since 1970 with their fraction, float64; NaN where missing."""
    days = dates.astype(np.int64) / DAY
    days[np.isnat(dates)] = np.nan
    return days


def years_of(dates: np.ndarray) -> np.ndarray:
    """The year, float64; NaN where missing."""
    absent = np.isnat(dates)
    days = np.where(absent, np.datetime64(0, "us"), dates).astype(np.int64) // DAY
    years = _by_day(days, lambda calendar: calendar.astype("datetime64[Y]").astype(np.float64) + 1970)
    years[absent] = np.nan
    return years


def cycle_waves(steps: int) -> np.ndarray:
    """sin and cos at each step of a cycle (steps, 2): a table, so a value never depends on how many are computed."""
    angle = 2 * np.pi * np.arange(steps) / steps
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1)


WAVES = {part: cycle_waves(steps) for part, steps in CYCLES.items()}


def cycle_steps(part: str, dates: np.ndarray) -> np.ndarray:
    """Place in the cycle: months since January, days since the first or since Monday, minutes since midnight."""
    moments = dates.astype(np.int64)
    days = moments // DAY
    if part == "month":
        return _by_day(days, lambda calendar: calendar.astype("datetime64[M]").astype(np.int64) % 12)
    if part == "day":
        return _by_day(days, lambda calendar: (calendar - calendar.astype("datetime64[M]")).astype(np.int64))
    if part == "weekday":
        return (days + 3) % 7  # 1 January 1970 was a Thursday
    return (moments - days * DAY) // 60_000_000


def _by_day(days: np.ndarray, part: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A part of the calendar for days since 1970: each day between the first and the last is looked up once, if that
    is less work, since NumPy's own arithmetic of months takes 80 ns a date."""
    if not len(days):
        return part(days.astype("datetime64[D]"))
    first, last = int(days.min()), int(days.max())
    if last - first >= len(days):
        return part(days.astype("datetime64[D]"))
    return part(np.arange(first, last + 1).astype("datetime64[D]"))[days - first]
