"""Points of several classes in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from glassnet.errors import DataError
from glassnet.views.palette import axes, colour, dress, finite_numbers, legend_outside, marker

__all__ = ["plot_points"]


def plot_points(
    X: Any,
    labels: Any,
    ax: Axes | None = None,
    names: Sequence[Any] | None = None,
    *,
    classes: Sequence[Any] | None = None,
    legend: bool = True,
) -> Axes:
    """Points in the plane, each class with its colour and its marker.

    X : (n, 2) finite numbers.   labels : (n,) class of each point, numbers or text.
    names : names of the two columns, for the axes.   classes : order of the classes; None sorts the labels.
    Raises DataError for another shape, numbers that are not finite, or labels that are not among `classes`.
    """
    X = finite_numbers("X", X, (None, 2))
    labels = label_vector("labels", labels, len(X))
    order = class_order([labels]) if classes is None else list(classes)
    ax = axes(ax, (6.4, 4.6))
    draw_points(ax, X, places_of("labels", labels, order), order)
    dress(ax, "", *axis_names(names))
    if legend:
        legend_outside(ax, class_handles(len(order)), order, title="class")
    return ax


def draw_points(ax: Axes, X: np.ndarray, places: np.ndarray, order: Sequence[Any]) -> None:
    """One scatter for each class, its points smaller and fainter the more there are in all.

    places : (n,) integers, the index of each point's class in `order`.
    """
    size = float(np.clip(24000 / len(X), 5, 46))
    look: dict[str, Any] = {
        "s": size,
        "alpha": float(np.clip(30 / np.sqrt(len(X)), 0.25, 0.9)),
        "edgecolors": "white" if size > 12 else "none",
        "linewidths": 0.6,
    }
    for i, name in enumerate(order):
        ax.scatter(*X[places == i].T, color=colour(i), marker=marker(i), label=str(name), zorder=3, **look)


def class_handles(count: int) -> list[Line2D]:
    """What a legend shows for each class: its marker, large enough to read however small the points are."""
    return [
        Line2D([], [], color=colour(i), marker=marker(i), linestyle="none", markersize=6.5, markeredgewidth=0)
        for i in range(count)
    ]


def label_vector(argument: str, labels: Any, rows: int) -> np.ndarray:
    """`labels` as an array (rows,). Raises DataError for another shape."""
    labels = np.asarray(labels)
    if labels.shape != (rows,):
        raise DataError(f"must hold one label for each of the {rows} rows", argument=argument, value=labels.shape)
    return labels


def class_order(groups: Sequence[np.ndarray]) -> list[Any]:
    """All labels that occur, each once, sorted; as text where they are of kinds that cannot be compared."""
    found = {label for group in groups for label in np.asarray(group).tolist()}
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=str)


def places_of(argument: str, labels: np.ndarray, order: Sequence[Any]) -> np.ndarray:
    """The index in `order` of each label, integers (n,). Raises DataError for a label that is not in `order`."""
    places = {name.item() if isinstance(name, np.generic) else name: i for i, name in enumerate(order)}
    try:
        return np.array([places[label] for label in labels.tolist()], dtype=int)
    except KeyError as error:
        raise DataError(
            f"must be among the classes {', '.join(map(repr, places))}", argument=argument, value=error.args[0]
        ) from None


def axis_names(names: Sequence[Any] | None) -> tuple[str, str]:
    """The names of the two axes. Raises DataError unless there are two."""
    if names is None:
        return "x₁", "x₂"
    if len(names) != 2:
        raise DataError("must hold the names of two columns", argument="names", value=list(names))
    return str(names[0]), str(names[1])
