"""Dates that know more than an instant: moments know on whose clock they were written, times of day that they have
no day."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["UTC", "Moments", "TimesOfDay", "is_zone", "name_of_zone", "wall_time", "zone_of"]

UTC = "UTC"
SAME_AS_UTC = ("UTC", "Etc/UTC", "Z", "Zulu", "GMT", "Etc/GMT", "+00:00", "-00:00")
NAME = re.compile(r"[A-Za-z0-9_+:/-]{1,64}")  # of the names in the database of zones, and of offsets
OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):?(\d\d)")
MINUTES = re.compile(r"pytz\.FixedOffset\((-?\d+)\)")
FURTHEST = np.timedelta64(200_000 * 365, "D")  # from 1970, either way, to which calendars know zones


class Moments(np.ndarray):
    """An array of datetime64[us], instants in UTC, and the name of their `zone`; some of its rows keep the zone."""

    zone: str

    @classmethod
    def of(cls, instants: np.ndarray, zone: str) -> Moments:
        """The instants (n,) with their zone; the memory is shared."""
        moments = instants.view(cls)
        moments.zone = zone
        return moments

    def __array_finalize__(self, source: Any) -> None:
        self.zone = getattr(source, "zone", UTC)


class TimesOfDay(np.ndarray):
    """An array of datetime64[us], times on 1 January 1970; some of its rows are such times as well."""


def zone_of(values: Any) -> str | None:
    """The zone of a column, None where it has none."""
    return values.zone if isinstance(values, Moments) else None


def name_of_zone(zone: Any) -> str | None:
    """The name by which a zone is kept, "Europe/Berlin" or "+02:00"; UTC for one that has no known name.

    zone : None, a name, or a tzinfo of Python, pytz or others.
    """
    if zone is None:
        return None
    text = str(zone)
    if found := MINUTES.fullmatch(text):
        minutes = int(found[1])
        text = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    if found := OFFSET.fullmatch(text):
        text = f"{found[1]}{found[2]}:{found[3]}"
    return text if text not in SAME_AS_UTC and _is_known(text) else UTC


def wall_time(instants: np.ndarray, zone: str | None) -> np.ndarray:
    """What clocks in the zone show at these instants of UTC, datetime64[us] (n,). ValueError for an unknown zone.

    An hour that is there twice, when summer time ends, comes out alike; beyond 200,000 years from 1970 it is UTC.
    """
    instants = np.asarray(instants)
    if zone is None or zone == UTC:
        return instants
    if found := OFFSET.fullmatch(zone):
        minutes = int(found[2]) * 60 + int(found[3])
        return instants + np.timedelta64(-minutes if found[1] == "-" else minutes, "m").astype("m8[us]")
    import polars as pl

    near = np.abs(instants - np.datetime64(0, "us")) < FURTHEST  # False for NaT
    series = pl.Series(np.where(near, instants, np.datetime64(0, "us")))
    try:
        local = series.dt.replace_time_zone(UTC).dt.convert_time_zone(zone).dt.replace_time_zone(None).to_numpy()
    except pl.exceptions.PolarsError:
        raise ValueError(f"{zone!r} is no known time zone") from None
    return np.where(near, local, instants)


def is_zone(zone: str) -> bool:
    """Whether `wall_time` knows a zone of this name."""
    return NAME.fullmatch(zone) is not None and _is_known(zone)


@lru_cache(maxsize=1024)  # names may come from files of strangers
def _is_known(zone: str) -> bool:
    try:
        wall_time(np.zeros(1, "M8[us]"), zone)
    except ValueError:
        return False
    return True
