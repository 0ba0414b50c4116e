"""A learned embedding in the plane: levels that say about the same lie together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from glassnet.errors import DataError
from glassnet.views.palette import BLUE, INK, SMALL, axes, dress, finite_numbers, shorten

__all__ = ["plot_embedding"]


def plot_embedding(E: Any, labels: Sequence[Any], ax: Axes | None = None, *, most: int = 40, name: str = "") -> Axes:
    """Each level as a point, at its place along the two directions in which the levels differ most.

    E : (n, q) numbers of the levels, a row each.   labels : (n,) their names.   name : of the column, for the title.
    most : levels at most that are named, those furthest from the middle first, and only where there is room.

    The directions are the first two principal components: with C = E - mean(E) = U S Vᵀ, the points are the first two
    columns of U S. The axes say how much of the variance each shows. Raises DataError for arrays that do not fit.
    """
    E = finite_numbers("E", E, (None, None))
    if len(labels) != len(E) or len(E) == 0:
        raise DataError(f"must hold a name for each of the {len(E)} rows of E", argument="labels", value=len(labels))
    points, shares = _components(E)
    ax = axes(ax, (6.4, 5.2))
    size = float(np.clip(4000 / len(E), 6, 30))
    ax.scatter(points[:, 0], points[:, 1], s=size, color=BLUE, alpha=0.8, linewidths=0, zorder=3)
    ax.margins(0.08)
    ax.axis("equal")
    dress(ax, shorten(name), *(f"component {k + 1}, {share:.0%} of the variance" for k, share in enumerate(shares)))
    order = np.argsort(-np.square(points).sum(axis=1), kind="stable")[:most]
    _name(ax, points[order], [shorten(labels[i], 18) for i in order])
    return ax


def _name(ax: Axes, points: np.ndarray, labels: Sequence[str]) -> None:
    """Write each label beside its point, towards the middle, unless one before it stands there."""
    taken: list[Any] = []
    for point, label in zip(points, labels, strict=True):
        left = point[0] > 0
        text = ax.annotate(
            label, tuple(point), (-5 if left else 5, 0), textcoords="offset points", ha="right" if left else "left",
            va="center", fontsize=SMALL, color=INK, parse_math=False,
        )  # fmt: skip
        text.set_in_layout(False)
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


def _components(E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 2) along the first two principal components, and their shares (2,) of the variance; 0 where none."""
    U, S, _ = np.linalg.svd(E - E.mean(axis=0), full_matrices=False)
    points, shares = np.zeros((len(E), 2)), np.zeros(2)
    n = min(2, len(S))
    points[:, :n] = U[:, :n] * S[:n]
    if S.any():
        shares[:n] = S[:n] ** 2 / (S**2).sum()
    return points, shares
