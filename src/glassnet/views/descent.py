"""The way downhill: paths of gradient descent on functions of one and of two variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from glassnet.errors import DataError, OptionError
from glassnet.views.palette import (
    BLUE,
    INK,
    QUIET,
    SMALL,
    VERMILLION,
    axes,
    colour,
    dress,
    legend_outside,
    log_scale,
    marker,
    number,
)

__all__ = ["plot_descent", "plot_descent_1d", "plot_descent_values"]

_MOST_DOTS = 60  # steps drawn as dots; of a longer path every so manieth
_ARROWS = 7
_MOST_NUMBERS = 25  # steps of a path that can be numbered
_RINGS = 11  # contour lines, about
_DEPTHS = LinearSegmentedColormap.from_list("depths", ["#A9CBE3", "#FFFFFF"])
_FAR = 1e9  # a path that gets beyond has diverged; what follows would only overflow

Limits = tuple[float, float]


def plot_descent(
    f: Callable[[np.ndarray], Any],
    path: Any,
    ax: Axes | None = None,
    names: Sequence[Any] = ("x", "y"),
    *,
    limits: tuple[Limits, Limits] | None = None,
    resolution: int = 100,
    learning_rate: float | None = None,
    numbered: bool = False,
) -> Axes:
    """The path of a descent on a function of two variables, over the function's contour lines.

    f : the function, called with one point at a time, an array of the shape of path[0].
    path : (steps + 1, 2) or (steps + 1, 2, 1), the article's columns, as `gradient_descent` returns it.
    limits : ((left, right), (bottom, top)) of the picture; None makes room for the path. A path that diverges is drawn
    until it passes 1e9.   resolution : f is drawn from its values at resolution × resolution places.
    learning_rate : the one used, for the title.   numbered : number the first 25 steps instead of drawing arrows, for a
    path that goes to and fro over itself.
    Raises DataError for a path of another shape, OptionError for a resolution below 2.
    """
    points, shape = _path("path", path, 2)
    if int(resolution) != resolution or resolution < 2:
        raise OptionError("must be a whole number of at least 2", argument="resolution", value=resolution)
    across, up = limits if limits is not None else _room(points)
    ax = axes(ax, (6.0, 4.8))
    _contours(ax, f, np.linspace(*across, resolution), np.linspace(*up, resolution), shape, points)
    ax.plot(*points.T, color=VERMILLION, linewidth=1.6, zorder=3)
    every = max(1, -(-len(points) // _MOST_DOTS))
    ax.plot(*points[::every].T, color=VERMILLION, linestyle="none", marker="o", markersize=3.2, zorder=3, label="steps")
    if numbered:
        _numbers(ax, points)
    else:
        _arrows(ax, points)
    ax.plot(*points[0], marker="o", markersize=9, color="white", markeredgecolor=INK, markeredgewidth=1.6, zorder=5)
    ax.plot(*points[-1], marker="*", markersize=15, color=VERMILLION, markeredgecolor="white", zorder=5)
    ax.set(xlim=across, ylim=up)
    _note(ax, points[0], "start", points[-1] - points[0])
    if len(points) > 1:
        _note(ax, points[-1], "end", points[-1] - points[0])
    last = _values(f, points[-1:], shape)[0]
    title = f"{number(len(points) - 1)} step{'s' * (len(points) != 2)}, f = {number(last)}"
    if len(points) < len(path):
        title = f"Diverges: beyond {_FAR:g} after {number(len(points) - 1)} steps"
    if learning_rate is not None:
        title = f"Learning rate {number(learning_rate)}\n{title}"
    dress(ax, title, str(names[0]), str(names[1]))
    ax.set_aspect("equal", adjustable="box")
    return ax


def plot_descent_values(f: Callable[[np.ndarray], Any], path: Any, ax: Axes | None = None, name: str = "f") -> Axes:
    """The value of a function at each step of a descent, logarithmic when it spans more than a factor of 100.

    f : the function, called with one point at a time, an array of the shape of path[0].
    path : (steps + 1,) or (steps + 1, d) or (steps + 1, d, 1). One that diverges is drawn until it passes 1e9.
    name : of the value, for the axis.
    Raises DataError for a path of another shape or one on which f is nowhere defined.
    """
    size = int(np.prod(np.shape(path)[1:], dtype=int))
    points, shape = _path("path", path, size)
    heights = _values(f, points, shape)
    if np.isnan(heights).all():
        raise DataError("must be defined somewhere on the path", argument="f")
    ax = axes(ax)
    dots = "o" if len(points) <= _MOST_DOTS else ""
    ax.plot(np.arange(len(points)), heights, color=VERMILLION, linewidth=1.8, marker=dots, markersize=5)
    dress(ax, "", "step", name, grid=True)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    low, high = np.nanmin(heights), np.nanmax(heights)
    if low > 0 and high > 100 * low:
        log_scale(ax)
    elif low >= 0:
        ax.set_ylim(bottom=0)
    return ax


def plot_descent_1d(
    f: Callable[[np.ndarray], Any],
    paths: Any,
    ax: Axes | None = None,
    names: Sequence[Any] = ("x", "f(x)"),
    *,
    limits: Limits | None = None,
) -> Axes:
    """Paths of descents on a function of one variable, as points that walk along its curve.

    f : the function, called with one place at a time, an array of the shape of path[0].
    paths : one path, a list of them, or a dict from name to path, each (steps + 1,) or (steps + 1, 1).
    limits : left and right end of the picture; None makes room for all paths. A path that diverges is drawn until it
    passes 1e9. Open markers are starts, filled ones ends.
    Raises DataError for a path of another shape or no paths.
    """
    named = _named_paths(paths)
    left, right = limits if limits is not None else _reach(np.concatenate([points for _, points, _ in named]))
    ax = axes(ax)
    places = np.linspace(left, right, 500)
    shape = named[0][2]
    curve = _values(f, places, shape)
    ax.plot(places, curve, color=QUIET, linewidth=1.6, zorder=1)
    handles, highest = [], -np.inf
    for i, (_, points, shape) in enumerate(named):
        heights = _values(f, points, shape)
        highest = max(highest, float(np.max(heights[(left <= points) & (points <= right)], initial=-np.inf)))
        look: dict[str, Any] = {"color": colour(i), "marker": marker(i)}
        every = max(1, -(-len(points) // _MOST_DOTS))
        handles += ax.plot(points, heights, linewidth=1.0, markersize=5, markevery=every, alpha=0.85, zorder=2, **look)
        ax.plot(points[:1], heights[:1], markersize=9, markerfacecolor="white", markeredgewidth=1.8, zorder=4, **look)
        ax.plot(points[-1:], heights[-1:], markersize=10, markeredgecolor="white", zorder=5, **look)
    dress(ax, "", str(names[0]), str(names[1]), grid=True)
    ax.set(xlim=(left, right), ylim=_heights(curve, highest))
    if any(name for name, _, _ in named):
        legend_outside(ax, handles, [name for name, _, _ in named])
    return ax


def _path(argument: str, path: Any, size: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """The points of a path as (k, size), up to the first that is far out, and the shape that f takes."""
    array = np.asarray(path, float)
    steps = f"(steps + 1, {size})" if size > 1 else "(steps + 1,)"
    if array.ndim not in (1, 2, 3) or array.shape[0] < 1 or int(np.prod(array.shape[1:])) != size:
        raise DataError(f"must be of shape {steps}", argument=argument, value=array.shape)
    points = array.reshape(len(array), size)
    far = ~(np.abs(points) <= _FAR).all(axis=-1)  # true for NaN as well
    if far[0]:
        raise DataError(f"must start at numbers within ±{_FAR:g}", argument=argument, value=points[0].tolist())
    return points[: int(np.argmax(far))] if far.any() else points, array.shape[1:]


def _named_paths(paths: Any) -> list[tuple[str, np.ndarray, tuple[int, ...]]]:
    """Name, places (k,) and the shape that f takes, for each path."""
    if isinstance(paths, Mapping):
        items = [(str(name), path) for name, path in paths.items()]
    elif isinstance(paths, np.ndarray) or (len(paths) and np.ndim(paths[0]) == 0):
        items = [("", paths)]
    else:
        items = [("", path) for path in paths]
    if not items:
        raise DataError("must hold at least one path", argument="paths", value=paths)
    read = [(name, *_path(f"paths[{name!r}]" if name else "paths", path, 1)) for name, path in items]
    return [(name, points[:, 0], shape) for name, points, shape in read]


def _values(f: Callable[[np.ndarray], Any], points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """f at each point as a number; one that overflowed or is undefined becomes NaN, which leaves a gap in a line."""
    with np.errstate(all="ignore"):
        values = np.array([float(np.squeeze(f(point.reshape(shape)))) for point in points])
    return np.where(np.isfinite(values), values, np.nan)


def _room(points: np.ndarray) -> tuple[Limits, Limits]:
    """Limits around the path, at least 2 : 3 in shape so that a straight path does not make a strip."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, 0.75 * (high - low)
    half = np.maximum(half, 0.67 * half.max())
    half[half == 0] = 1.0
    (left, bottom), (right, top) = middle - half, middle + half
    return (float(left), float(right)), (float(bottom), float(top))


def _reach(places: np.ndarray) -> Limits:
    margin = 0.12 * float(np.ptp(places)) or 1.0
    return float(places.min()) - margin, float(places.max()) + margin


def _heights(curve: np.ndarray, highest: float) -> Limits:
    """From below the curve to well above the highest point of a path; the curve may leave at the top."""
    low, top = float(np.nanmin(curve)), float(np.nanmax(curve))
    high = min(top, highest + 0.3 * (highest - low)) if np.isfinite(highest) and highest > low else top
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def _contours(
    ax: Axes,
    f: Callable[[np.ndarray], Any],
    across: np.ndarray,
    up: np.ndarray,
    shape: tuple[int, ...],
    points: np.ndarray,
) -> None:
    plane = np.column_stack([part.ravel() for part in np.meshgrid(across, up)])
    heights = np.ma.masked_invalid(_values(f, plane, shape).reshape(len(up), len(across)))
    if heights.count() == 0 or heights.min() == heights.max():
        return  # nowhere defined, or flat: no lines to draw
    low, high = float(heights.min()), float(heights.max())
    levels = _levels(low, high)
    ax.contourf(across, up, heights, levels=[low, *levels, high], cmap=_DEPTHS, zorder=0)
    lines = ax.contour(across, up, heights, levels=levels, colors=BLUE, linewidths=0.7, alpha=0.7, zorder=1)
    places = _label_places([np.asarray(path.vertices) for path in lines.get_paths()][1::2], (across, up), points)
    if places:
        for label in ax.clabel(lines, fontsize=SMALL - 1.5, fmt=number, manual=places):
            label.set_rotation(0)  # turned, a 9 could be a 6


def _levels(low: float, high: float) -> np.ndarray:
    """Round heights between low and high, evenly spaced in the root: a bowl gets evenly spaced rings.

    They are floor + (k s)² with a step s of 1, 2 or 5 times a power of ten, so 0.01, 0.04, 0.09, … or 1, 4, 9, ….
    """
    wanted = float(np.sqrt(high - low)) / _RINGS
    power = 10.0 ** np.floor(np.log10(wanted))
    step = power * min((1, 2, 5, 10), key=lambda nice: abs(np.log(nice * power / wanted)))
    floor = np.floor(low / step**2) * step**2
    levels = floor + (step * np.arange(2 * _RINGS + 3)) ** 2
    between = levels[(levels > low) & (levels < high)]
    return between if len(between) else np.array([(low + high) / 2])


def _label_places(
    curves: Sequence[np.ndarray], sides: tuple[np.ndarray, np.ndarray], points: np.ndarray
) -> list[tuple[float, float]]:
    """The place on each contour line, away from the edges, that is farthest from the path and from other labels."""
    low, high = (np.array([side[i] for side in sides]) for i in (0, -1))
    every = max(1, -(-len(points) // _MOST_DOTS))
    taken = (np.concatenate([points[::every], points[-1:]]) - low) / (high - low)
    places = []
    for curve in curves:
        shares = (curve - low) / (high - low)
        free = np.flatnonzero(((shares > 0.07) & (shares < 0.93)).all(axis=-1))
        if not len(free):
            continue
        distances = np.linalg.norm(shares[free, None] - taken, axis=-1).min(axis=-1)
        best = free[int(distances.argmax())]
        if distances.max() < 0.12:  # no room: a label would cover the path or another label
            continue
        taken = np.concatenate([taken, shares[best : best + 1]])
        places.append((float(curve[best, 0]), float(curve[best, 1])))
    return places


def _numbers(ax: Axes, points: np.ndarray) -> None:
    """The number of each step beside its point, on the other side than "start" and "end"."""
    along = points[-1] - points[0]
    length = float(np.linalg.norm(along)) or 1.0
    across, up = along[1] / length, -along[0] / length
    if up > 0:
        across, up = -across, -up
    for step, (x, y) in enumerate(points[: _MOST_NUMBERS + 1]):
        ax.annotate(
            f"{step}",
            (float(x), float(y)),
            xytext=(14 * across, 14 * up),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL,
            color=VERMILLION,
            zorder=6,
        )


def _arrows(ax: Axes, points: np.ndarray) -> None:
    """Arrow heads at equal distances along the path."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    travelled = np.concatenate([[0.0], np.cumsum(lengths)])
    total = travelled[-1]
    if total == 0:
        return
    wanted = total * (np.arange(_ARROWS) + 0.5) / _ARROWS
    for distance, i in zip(wanted, np.searchsorted(travelled, wanted, side="right") - 1, strict=True):
        direction = (points[i + 1] - points[i]) / lengths[i]
        tip = points[i] + (distance - travelled[i]) * direction
        tail = tip - 1e-3 * total * direction
        look = {"arrowstyle": "-|>", "color": VERMILLION, "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", tip, tail, arrowprops=look, zorder=4)


def _note(ax: Axes, point: np.ndarray, text: str, along: np.ndarray) -> None:
    """Write above a point, to the side of the direction `along`, where the path does not run."""
    length = float(np.linalg.norm(along))
    across, up = (-along[1] / length, along[0] / length) if length > 0 else (0.0, 1.0)
    if up < 0:
        across, up = -across, -up
    ax.annotate(
        text,
        (float(point[0]), float(point[1])),
        xytext=(13 * across, 13 * up),
        textcoords="offset points",
        ha="left" if across > 0.3 else "right" if across < -0.3 else "center",
        va="bottom" if up > 0.3 else "center",
        fontsize=SMALL,
        color=INK,
        zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0},
    )
