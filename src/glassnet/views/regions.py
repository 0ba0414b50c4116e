"""What a model says everywhere: decision regions in the plane, a fitted curve on the line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from glassnet.errors import DataError, OptionError
from glassnet.views.palette import BLUE, INK, VERMILLION, axes, colour, dress, finite_numbers, legend_outside
from glassnet.views.points import axis_names, class_handles, class_order, draw_points, label_vector, places_of

__all__ = ["plot_fit", "plot_regions"]

Predict = Callable[[np.ndarray], Any]


def plot_regions(
    predict: Predict,
    X: Any,
    y: Any,
    ax: Axes | None = None,
    names: Sequence[Any] | None = None,
    *,
    classes: Sequence[Any] | None = None,
    resolution: int = 300,
    probabilities: Predict | None = None,
    legend: bool = True,
) -> Axes:
    """The regions of the plane by the class predicted there, their borders, and the points over them.

    predict : function of an array (m, 2) that returns the m labels.   X : (n, 2) numbers.   y : (n,) labels.
    Rows in which a number or the label is missing (NaN, None) are left out, and the title says how many.
    names : names of the two columns.   classes : order of the classes; None sorts the labels that occur.
    resolution : the plane is asked at resolution × resolution places.
    probabilities : function of an array (m, 2) that returns (m, K), columns in the order of `classes`: regions are
    then drawn fainter where the largest probability is low.
    Raises DataError for other shapes, infinite numbers, or a label outside `classes`, OptionError for a resolution
    below 2.
    """
    X, y, note = without_missing(X, y)
    if int(resolution) != resolution or resolution < 2:
        raise OptionError("must be a whole number of at least 2", argument="resolution", value=resolution)
    across, up = (_reach(column, int(resolution)) for column in X.T)
    plane = np.column_stack([part.ravel() for part in np.meshgrid(across, up)])
    predicted = label_vector("predict(X)", predict(plane), len(plane))
    order = class_order([y, predicted]) if classes is None else list(classes)
    shape = (len(up), len(across))
    regions = places_of("predict(X)", predicted, order).reshape(shape)
    P = None if probabilities is None else _probabilities(probabilities(plane), len(plane), len(order))
    ax = axes(ax, (6.4, 4.6))
    _fill(ax, across, up, regions, None if P is None else P.max(axis=-1).reshape(shape), len(order))
    _borders(ax, across, up, regions, P, len(order))
    draw_points(ax, X, places_of("y", y, order), order)
    dress(ax, note, *axis_names(names))
    if legend:
        legend_outside(ax, class_handles(len(order)), order, title="class")
    return ax


def plot_fit(
    x: Any,
    y: Any,
    predict: Predict,
    ax: Axes | None = None,
    names: Sequence[Any] | None = None,
    *,
    band: Callable[[np.ndarray], tuple[Any, Any]] | None = None,
) -> Axes:
    """A regression on one feature: the points, and the curve that the model has learned.

    x : (n,) or (n, 1) finite numbers.   y : (n,).   predict : function of an array (m, 1) that returns (m,).
    names : names of x and y.   band : function of (m, 1) that returns the lower and the upper bound, each (m,).
    Raises DataError for other shapes or numbers that are not finite.
    """
    flat = np.asarray(x)
    flat = finite_numbers("x", flat[:, 0] if flat.ndim == 2 and flat.shape[1] == 1 else flat, (None,))
    y = finite_numbers("y", y, (len(flat),))
    line = _reach(flat, 400)
    curve = finite_numbers("predict(x)", np.ravel(predict(line[:, None])), (len(line),))
    ax = axes(ax)
    few = len(flat) <= 300
    points = ax.scatter(flat, y, s=26 if few else 9, color=BLUE, alpha=0.75 if few else 0.35, linewidths=0, zorder=2)
    handles: list[Any] = [points, ax.plot(line, curve, color=VERMILLION, linewidth=2.4, zorder=3)[0]]
    labels = ["data", "network"]
    if band is not None:
        lower, upper = (finite_numbers("band(x)", np.ravel(side), (len(line),)) for side in band(line[:, None]))
        handles.append(ax.fill_between(line, lower, upper, color=VERMILLION, alpha=0.18, linewidth=0, zorder=1))
        labels.append("interval")
    across, up = ("x", "y") if names is None else axis_names(names)
    dress(ax, "", across, up, grid=True)
    ax.margins(x=0)
    legend_outside(ax, handles, labels)
    return ax


def without_missing(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray, str]:
    """The rows of X (n, 2) and y (n,) in which nothing is missing, and how many were left out, in words."""
    X = finite_numbers("X", X, (None, 2), missing=True)
    y = label_vector("y", y, len(X))
    missing = np.isnan(X).any(axis=-1) | np.array([label is None or label != label for label in y.tolist()])
    left_out = int(missing.sum())
    if left_out == len(X):
        raise DataError("must hold at least one row without missing values", argument="X", value=X.shape)
    rows = "row" if left_out == 1 else "rows"
    return X[~missing], y[~missing], f"{left_out:,} {rows} with missing values left out" if left_out else ""


def _reach(column: np.ndarray, count: int) -> np.ndarray:
    """`count` places from a little before the smallest value to a little after the largest."""
    low, high = column.min(), column.max()
    margin = 0.07 * (high - low) or 1.0  # a constant column still gets a plane
    return np.linspace(low - margin, high + margin, count)


def _probabilities(P: Any, rows: int, n_classes: int) -> np.ndarray:
    P = np.asarray(P, float)
    if P.shape != (rows, n_classes):
        raise DataError(
            f"must return one column for each of the {n_classes} classes",
            argument="probabilities",
            value=P.shape,
            remedy="Pass classes= in the order of the columns.",
        )
    return P


def _fill(
    ax: Axes, across: np.ndarray, up: np.ndarray, regions: np.ndarray, confidence: np.ndarray | None, n_classes: int
) -> None:
    """Colour the plane: white mixed with the colour of the class, more of it where the confidence is higher."""
    colours = np.array([to_rgb(colour(i)) for i in range(n_classes)])
    strength: Any = 0.3
    if confidence is not None:
        chance = 1 / n_classes
        sure = np.clip((confidence - chance) / (1 - chance), 0, 1) if n_classes > 1 else np.ones_like(confidence)
        strength = (0.06 + 0.36 * sure)[..., None]
    image = 1 - strength * (1 - colours[regions])
    half_across, half_up = (across[1] - across[0]) / 2, (up[1] - up[0]) / 2  # pixels are centred on their places
    ax.imshow(
        image,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(across[0] - half_across, across[-1] + half_across, up[0] - half_up, up[-1] + half_up),
        zorder=0,
    )
    ax.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))


def _borders(
    ax: Axes, across: np.ndarray, up: np.ndarray, regions: np.ndarray, P: np.ndarray | None, n_classes: int
) -> None:
    """A line around the region of each class.

    Where probabilities agree with the labels, the line is where the class's probability equals the best other one:
    it is smooth. Otherwise it runs between the places asked, in small steps.
    """
    smooth = P is not None and n_classes > 1 and np.array_equal(P.argmax(axis=-1), regions.ravel())
    for k in range(n_classes):
        inside = regions == k
        if not inside.any() or inside.all():
            continue
        height = np.where(inside, 0.5, -0.5)
        if smooth and P is not None:
            height = (P[:, k] - np.delete(P, k, axis=-1).max(axis=-1)).reshape(regions.shape)
        ax.contour(across, up, height, levels=[0.0], colors=INK, linewidths=0.9, linestyles="solid", zorder=2)
