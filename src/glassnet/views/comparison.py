"""Several trainings side by side: their regions, and their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from glassnet.errors import DataError
from glassnet.views.curves import draw_pair, history_rows, line_of, mark_epoch, spans_decades
from glassnet.views.palette import (
    INK,
    QUIET,
    SMALL,
    TRAINING,
    VALIDATION,
    axes,
    colour,
    dress,
    legend_outside,
    log_scale,
    marker,
    number,
    panels,
)
from glassnet.views.points import class_handles, class_order
from glassnet.views.regions import plot_regions, without_missing

__all__ = ["plot_curves_grid", "plot_loss_comparison", "plot_region_grid"]


def plot_region_grid(
    parts: Sequence[tuple[Any, ...]],
    X: Any,
    y: Any,
    figure: Figure | SubFigure | None = None,
    names: Sequence[Any] | None = None,
    *,
    classes: Sequence[Any] | None = None,
    columns: int = 4,
    resolution: int = 200,
) -> Figure | SubFigure:
    """The decision regions of several models over the same points, side by side.

    parts : (title, predict) or (title, predict, probabilities) for each panel, functions as for `plot_regions`.
    X : (n, 2), without rows that have missing values, as for `plot_regions`.   y : (n,) labels.
    names : of the two columns.   classes : their order; None sorts the labels.
    Returns the figure. Raises DataError for no parts, and what `plot_regions` raises.
    """
    if not len(parts):
        raise DataError("must hold at least one (title, predict)", argument="parts", value=parts)
    X, y, note = without_missing(X, y)
    order = class_order([y]) if classes is None else list(classes)
    figure, grid = panels(len(parts), figure, columns, (3.1, 2.9), sharex=True, sharey=True)
    for ax, (title, predict, *more) in zip(grid, parts, strict=True):
        probabilities = more[0] if more else None
        plot_regions(
            predict, X, y, ax, names, classes=order, resolution=resolution, probabilities=probabilities, legend=False
        )
        dress(ax, str(title))
        ax.label_outer()
    legend_outside(figure, class_handles(len(order)), order, title=f"{note}\n\nclass" if note else "class")
    return figure


def plot_curves_grid(
    histories: Mapping[str, Any],
    figure: Figure | SubFigure | None = None,
    *,
    name: str = "loss",
    columns: int = 4,
    kept: Mapping[str, int] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure | SubFigure:
    """A metric by epoch on training and validation rows, a panel for each training, all on one scale.

    histories : dict from title to history, rows as for `plot_loss`.   name : "loss", "accuracy", …
    kept : dict from title to the epoch whose weights the training kept, which is marked.
    limits : lowest and highest value of the panels, which are linear then; a line that leaves at the top is told how
    far it goes. None shows everything, on a logarithmic scale when the values span more than a factor of 100.
    Returns the figure. Raises DataError when there are none, or one does not hold `name`.
    """
    lines = {title: _pair(title, history, name) for title, history in _named(histories).items()}
    figure, grid = panels(len(lines), figure, columns, (3.1, 2.6), sharex=True, sharey=True)
    for ax, (title, (training, validation)) in zip(grid, lines.items(), strict=True):
        draw_pair(ax, training, validation)
        dress(ax, title, "epoch", name.replace("_", " "), grid=True)
        ax.locator_params(axis="x", nbins=4)
        ax.label_outer(remove_inner_ticks=False)
        ax.xaxis.set_tick_params(labelbottom=True)
        _mark_kept(ax, (kept or {}).get(title), training, validation, limits)
    if limits is not None:
        grid[0].set_ylim(limits)
        for ax, pair in zip(grid, lines.values(), strict=True):
            _tell_highest(ax, *pair, limits[1])
    elif spans_decades(_all_values(lines)):
        log_scale(grid[0])
    handles = [Line2D([], [], color=ink, linewidth=2) for ink in (TRAINING, VALIDATION)]
    entries = ["training", "validation"]
    if kept:
        ring: dict[str, Any] = {"marker": "o", "markersize": 8, "markerfacecolor": "white", "markeredgewidth": 2}
        handles.append(Line2D([], [], linestyle="none", markeredgecolor=VALIDATION, **ring))
        entries.append("epoch kept")
    legend_outside(figure, handles, entries)
    return figure


def plot_loss_comparison(histories: Mapping[str, Any], ax: Axes | None = None, *, name: str = "loss") -> Axes:
    """The losses of several trainings in one picture: validation drawn through, training dotted, a colour for each.

    histories : dict from name to history, rows as for `plot_loss`. The legend says the lowest validation loss (without
    validation: the lowest training loss) of each.   name : another metric than "loss" to draw.
    Raises DataError when there are none, or one does not hold `name`.
    """
    lines = {title: _pair(title, history, name) for title, history in _named(histories).items()}
    ax = axes(ax, (7.4, 4.4))
    handles, entries = [], []
    for i, (title, (training, validation)) in enumerate(lines.items()):
        measured = validation if len(validation[0]) else training
        marked: dict[str, Any] = {"marker": marker(i), "markersize": 6, "markevery": max(1, len(measured[0]) // 8)}
        handles += ax.plot(*measured, color=colour(i), linewidth=1.8, label=title, **marked)
        if measured is validation:
            ax.plot(*training, color=colour(i), linewidth=1.2, linestyle=(0, (1, 1.5)), alpha=0.9)
        entries.append(f"{title}: {number(measured[1].min())}" if name == "loss" else title)
    if any(len(validation[0]) for _, validation in lines.values()):
        handles += [Line2D([], [], color=QUIET, linewidth=2.0)]
        handles += [Line2D([], [], color=QUIET, linewidth=1.2, linestyle=(0, (1, 1.5)))]
        entries += ["validation", "training"]
    dress(ax, "", "epoch", name.replace("_", " "), grid=True)
    ax.margins(x=0.02)
    if spans_decades(_all_values(lines)):
        log_scale(ax)
    legend_outside(ax, handles, entries, title="lowest loss" if name == "loss" else None)
    return ax


def _mark_kept(ax: Axes, epoch: int | None, training: Any, validation: Any, limits: tuple[float, float] | None) -> None:
    """Mark the epoch kept on the validation's curve, where there is one; at the edge when the curve is beyond it."""
    ink, (epochs, values) = (VALIDATION, validation) if len(validation[0]) else (TRAINING, training)
    if epoch is not None and epoch in epochs:
        value = float(values[epochs == epoch][0])
        mark_epoch(ax, epoch, value if limits is None else float(np.clip(value, *limits)), ink)


def _tell_highest(ax: Axes, training: Any, validation: Any, top: float) -> None:
    """Where a line leaves the panel at the top, write how far up it goes."""
    for ink, (epochs, values) in ((TRAINING, training), (VALIDATION, validation)):
        if len(values) and values.max() > top:
            last = float(epochs[values > top][0])
            ax.annotate(
                f"up to {number(values.max())}",
                (last, top),
                xytext=(5, -4),
                textcoords="offset points",
                va="top",
                fontsize=SMALL,
                color=INK if ink == TRAINING else ink,
            )


def _named(histories: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(histories, Mapping) or not histories:
        raise DataError("must be a dict from name to history, with at least one", argument="histories", value=histories)
    return histories


def _pair(title: str, history: Any, name: str) -> tuple[Any, Any]:
    rows = history_rows(history)
    training, validation = line_of(rows, name), line_of(rows, f"validation_{name}")
    if not len(training[0]) and not len(validation[0]):
        raise DataError(f"holds no finite {name}", argument=f"histories[{title!r}]")
    return training, validation


def _all_values(lines: Mapping[str, tuple[Any, Any]]) -> np.ndarray:
    return np.concatenate([values for pair in lines.values() for _, values in pair])
