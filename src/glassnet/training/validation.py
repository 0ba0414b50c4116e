"""Which rows are held out to validate."""

from __future__ import annotations

import numpy as np

from glassnet.maths.random import Purpose, Stream

__all__ = ["split_rows"]


def split_rows(
    n_rows: int, fraction: float, seed: int, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers at random into training and validation rows, both in increasing order.

    fraction : of the rows for validation, strictly between 0 and 1.
    classes : (n_rows,) whole numbers; each class then gives the same fraction, to the nearest row, and keeps at least
    one row for training (a class of one row is never held out).
    A pure function of its arguments. Either part may be empty when there are very few rows.
    """
    order = Stream(seed, Purpose.SPLIT).permutation(n_rows)
    if classes is None:
        groups = [order]
    else:
        shuffled = classes[order]
        groups = [order[shuffled == k] for k in np.unique(classes)]
    held_out = [group[: min(round(fraction * len(group)), len(group) - 1)] for group in groups]
    validation = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(n_rows), validation, assume_unique=True), validation
