"""Which rows are held out to validate."""

from __future__ import annotations

import numpy as np

from glassnet.maths.random import Purpose, Stream

__all__ = ["split_folds", "split_groups", "split_last", "split_rows"]


def split_rows(
    n_rows: int,
    fraction: float,
    seed: int,
    classes: np.ndarray | None = None,
    purpose: Purpose = Purpose.SPLIT,
) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers at random into training rows and rows held out, both in increasing order.

    fraction : of the rows to hold out, strictly between 0 and 1, to the nearest row.
    classes : (n_rows,) whole numbers; each class then gives its share, rounded up or down so that the total is right,
        and keeps at least one row for training (a class of one row is never held out).
    purpose : of the stream, so that splits for different ends do not repeat each other.
    A pure function of its arguments. Either part may be empty when there are very few rows.
    """
    order = Stream(seed, purpose).permutation(n_rows)
    if classes is None:
        held_out = order[: min(round(fraction * n_rows), n_rows - 1)]
    else:
        counts = _shares(classes[order], fraction)
        held_out = np.concatenate([order[classes[order] == k][:count] for k, count in counts.items()])
    held_out = np.sort(held_out)
    return np.setdiff1d(np.arange(n_rows), held_out, assume_unique=True), held_out


def split_folds(
    n_rows: int, n_folds: int, seed: int, classes: np.ndarray | None = None, groups: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split row numbers into folds, each held out once: (training rows, rows held out), both in increasing order.

    classes : (n_rows,) whole numbers; the rows of each class are dealt out one by one, so folds have equal shares.
    groups : (n_rows,) whole numbers from 0, dealt out whole; classes do not count then.
    A pure function of its arguments.
    """
    if groups is not None:
        n_groups = int(groups.max()) + 1
        dealt = np.empty(n_groups, np.int64)
        dealt[Stream(seed, Purpose.SPLIT).permutation(n_groups)] = np.arange(n_groups) % n_folds
        fold = dealt[groups]
    else:
        order = Stream(seed, Purpose.SPLIT).permutation(n_rows)
        if classes is not None:
            order = order[np.argsort(classes[order], kind="stable")]
        fold = np.empty(n_rows, np.int64)
        fold[order] = np.arange(n_rows) % n_folds
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]


def split_groups(
    groups: np.ndarray, fraction: float, seed: int, purpose: Purpose = Purpose.SPLIT
) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers so that no group has rows in both parts; see `split_rows`.

    groups : (n_rows,) whole numbers from 0, the group of each row.
    Groups are taken in random order as long as they bring the held-out rows nearer to the fraction; one group at least
    is held out and one is left, where there are two.
    """
    sizes = np.bincount(groups)
    present = np.flatnonzero(sizes)
    order = present[Stream(seed, purpose).permutation(len(present))]
    taken = np.concatenate([[0], np.cumsum(sizes[order])])
    nearest = int(np.argmin(np.abs(taken - fraction * len(groups))))
    count = min(max(nearest, 1), len(present) - 1)
    out = np.isin(groups, order[:count])
    return np.flatnonzero(~out), np.flatnonzero(out)


def split_last(n_rows: int, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Hold out the last rows, for rows in the order of time: the future is what a model is to predict."""
    first = n_rows - min(round(fraction * n_rows), n_rows - 1)
    return np.arange(first), np.arange(first, n_rows)


def _shares(classes: np.ndarray, fraction: float) -> dict[int, int]:
    """Rows that each class gives: the whole part of its share, then one more for the largest remainders.

    classes : in random order, so that equal remainders are served by chance.
    """
    labels, first, sizes = np.unique(classes, return_index=True, return_counts=True)
    shares = fraction * sizes
    counts = np.minimum(np.floor(shares), sizes - 1).astype(int)
    missing = round(fraction * len(classes)) - counts.sum()
    by_remainder = np.lexsort((first, counts - shares))
    for k in [k for k in by_remainder if counts[k] < sizes[k] - 1][: max(missing, 0)]:
        counts[k] += 1
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))
