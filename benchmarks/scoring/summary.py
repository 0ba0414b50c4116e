"""Summaries over tables: pure functions of arrays with a row a table; a lower figure is better."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

FLOOR = 0.005  # a figure below counts as this much in a relative difference: no error at all is not infinitely better
RESAMPLES, LEVEL = 10_000, 0.95


class Difference(NamedTuple):
    """A mean and its interval, in percent."""

    mean: float
    low: float
    high: float


def mean_ranks(figures: np.ndarray) -> np.ndarray:
    """Mean over tables of each model's rank, 1 the best, for figures (tables, models); equal ones share the mean rank.

    Tables where a model has no figure (NaN) do not count; NaN for all where none is left.
    """
    complete = figures[~np.isnan(figures).any(axis=1)]
    if not len(complete):
        return np.full(figures.shape[1], np.nan)
    return rankdata(complete, axis=1).mean(axis=0)


def wins(ours: np.ndarray, theirs: np.ndarray) -> tuple[int, int, int]:
    """Tables where ours is lower, where both are equal, where theirs is lower."""
    return int(np.sum(ours < theirs)), int(np.sum(ours == theirs)), int(np.sum(ours > theirs))


def log_ratios(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """100 · ln(max(ours, FLOOR) / max(theirs, FLOOR)), a table each: below 0 ours is better.

    Symmetric: exchanging the two changes the sign alone. Close to the difference in percent where that is small.
    """
    return 100 * np.log(np.maximum(ours, FLOOR) / np.maximum(theirs, FLOOR))


def bootstrap(values: np.ndarray, seed: int = 0) -> Difference:
    """The mean of the values, and the 2.5 and 97.5 percentiles of the means of 10,000 resamples with replacement.

    One value has a mean alone, none has nothing: NaN.
    """
    if len(values) < 2:
        return Difference(float(values[0]) if len(values) else np.nan, np.nan, np.nan)
    places = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[places].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(values.mean()), float(low), float(high))


def difference(ours: np.ndarray, theirs: np.ndarray) -> Difference:
    """The mean log ratio over the tables where both have a figure, with its bootstrap interval over those tables."""
    both = ~np.isnan(ours) & ~np.isnan(theirs)
    return bootstrap(log_ratios(ours[both], theirs[both]))


def per_thousand(seconds: np.ndarray, rows: np.ndarray) -> float:
    """Seconds per 1,000 training rows: all seconds over all rows, of the tables that have a figure."""
    known = ~np.isnan(seconds)
    return float(1000 * seconds[known].sum() / rows[known].sum()) if known.any() else np.nan
