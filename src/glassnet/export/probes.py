"""Rows to try an exported model on, made from what the encoder knows: levels, missing and unseen ones, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from glassnet.tables.changes import exact_number
from glassnet.tables.families import family_of_array
from glassnet.tables.frames import Table
from glassnet.tables.kinds import Category, Date, Dropped, Duration, Number
from glassnet.tables.texts import EXACT
from glassnet.tables.zones import TimesOfDay

__all__ = ["MOST", "columns_to_try", "table_to_try"]

FEWEST, MOST = 256, 4096  # rows
DRAWN = 40  # numbers a column
UNSEEN = "\u2014 not in training \u2014"
FAR = (1e7, -1e7, 1e30, -1e30)  # standard deviations: beyond what scaled values are clipped to


def columns_to_try(model: Any, *, far: bool = False) -> dict[str, np.ndarray]:
    """Columns of equal length, by name: each value that may matter, in an order of its own in each column.

    far : with numbers far outside of the range of training besides. They show that clipping is the same; a network's
        outputs for them are sums of large numbers, whose rounding tells nothing.
    """
    rng = np.random.default_rng(0)
    found = {kind.name: _values_of(kind, rng, far) for kind in model.encoder_.kinds_ if not isinstance(kind, Dropped)}
    n_rows = min(max(FEWEST, *map(len, found.values())), MOST)
    return {name: values[_order(len(values), n_rows, rng)] for name, values in found.items()}


def table_to_try(model: Any, columns: dict[str, np.ndarray]) -> Table:
    """Such columns as a table for the estimator itself."""
    encoder = model.encoder_
    n_rows = len(next(iter(columns.values())))
    dropped = np.zeros(n_rows)
    found: list[Any] = [family_of_array(columns.get(kind.name, dropped), kind.name) for kind in encoder.kinds_]
    pairs = zip(found, encoder.kinds_, strict=True)
    found = [values.view(TimesOfDay) if getattr(kind, "of_day", None) else values for values, kind in pairs]
    return Table(encoder.feature_names_in, found, encoder.named_)


def _order(n_values: int, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Places of values, all of them as often as each other but for one."""
    rounds = -(-n_rows // n_values)
    return np.concatenate([rng.permutation(n_values) for _ in range(rounds)])[:n_rows]


def _values_of(kind: Any, rng: np.random.Generator, far: bool) -> np.ndarray:
    if isinstance(kind, Category):
        return _levels(kind)
    if isinstance(kind, Number):
        return np.array([*_numbers(kind, rng, far), np.nan])
    if isinstance(kind, Duration):
        return _microseconds(np.array([*_numbers(kind.seconds, rng, far), np.nan]), 1e6, "m8[us]")
    return _dates(kind, rng, far)


def _numbers(kind: Number, rng: np.random.Generator, far: bool) -> Iterator[float]:
    """Numbers over the range of training, in its units; and where ranks count, each knot and the middles between."""
    if kind.knots:
        knots = np.unique(kind.knots)
        scaled = np.concatenate([knots, (knots[1:] + knots[:-1]) / 2, knots[[0, -1]] * 1.5])
    elif kind.scaling == "none":
        scaled = kind.fill * np.array([0.0, 0.5, 1.0, 1.5]) + np.array([0.0, 0.5, -1.0, 2.0])
    else:
        z = np.concatenate([[-1.0, 0.0, 1.0], np.clip(rng.normal(size=DRAWN), -2.5, 2.5)])
        scaled = z * kind.scale + kind.centre
    if far and kind.scaling != "none":
        spread = kind.scale if not kind.knots else float(np.ptp(kind.knots))
        scaled = np.concatenate([scaled, np.array(FAR) * spread])
    with np.errstate(over="ignore"):
        x = np.ldexp(scaled, kind.exponent)
    yield from x[np.isfinite(x)].tolist()


def _levels(kind: Category) -> np.ndarray:
    """Every level, one that fit did not see, and a missing one, as the family has them."""
    if kind.family == "number":
        exact = [number for level in kind.levels if (number := exact_number(level)) is not None]
        if any(abs(number) >= EXACT for number in exact):
            return np.array([*exact, EXACT + 1, None], object)
        known = [float(number) for number in exact]
        finite = [number for number in known if np.isfinite(number)]
        return np.array([*finite, max(finite, default=0.0) + 0.5, min(finite, default=0.0) - 1.0, np.nan])
    if kind.family == "date":
        dates = np.array(kind.levels, "M8[us]")
        return np.array([*dates, np.datetime64("1900-01-01T00:00:00.000001"), np.datetime64("NaT", "us")], "M8[us]")
    if kind.family == "duration":
        spans = [int(level.split()[0]) for level in kind.levels]
        return np.array([*spans, 123_456_789, np.iinfo(np.int64).min]).astype("m8[us]")
    return np.array([*kind.levels, UNSEEN, None], object)


def _dates(kind: Date, rng: np.random.Generator, far: bool) -> np.ndarray:
    days = np.array([*_numbers(kind.elapsed, rng, False), np.nan])
    if far:
        days = np.append(days, [-800_000.25, 0.0, 11_016.0, 11_017.75, 47_000.5])  # years before Christ, leap days
    return _microseconds(days % 1.0 if kind.of_day else days, 86_400e6, "M8[us]")


def _microseconds(x: np.ndarray, unit: float, dtype: str) -> np.ndarray:
    limit = 9e18  # 285,000 years
    steps = np.clip(np.nan_to_num(x) * unit, -limit, limit).astype(np.int64)
    return np.where(np.isnan(x), np.iinfo(np.int64).min, steps).astype(dtype)
