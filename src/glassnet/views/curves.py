"""Curves: a training's loss, metrics and learning rate by epoch, and the activation functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from glassnet.errors import DataError, OptionError, require_choice
from glassnet.maths.activations import ACTIVATIONS, Activation, activation_named
from glassnet.views.palette import (
    BLUE,
    FAINT,
    QUIET,
    TRAINING,
    VALIDATION,
    VERMILLION,
    axes,
    dress,
    label_ends,
    legend_outside,
    log_scale,
    number,
    panels,
)

__all__ = ["plot_activation", "plot_activations", "plot_learning_rate", "plot_loss", "plot_metric"]

_NO_METRICS = {"epoch", "step", "seconds", "learning_rate"}
_LINE_OF = {"loss": {"color": TRAINING, "linewidth": 1.6}, "validation": {"color": VALIDATION, "linewidth": 1.8}}

Points = tuple[np.ndarray, np.ndarray]


def plot_loss(history: Any, ax: Axes | None = None) -> Axes:
    """The loss by epoch, on the training rows and, where it was measured, on the validation rows.

    history : the rows of `history_`, dicts with "epoch" and "loss" and perhaps "validation_loss" (not in every row:
    the points measured are joined), or the same as a data frame.
    The lowest validation loss, or without validation the lowest training loss, is marked and stands in the title. The
    axis is logarithmic when the values span more than a factor of 100.
    Raises DataError for a history without rows or without a finite loss.
    """
    rows = history_rows(history)
    drawn = {name: line_of(rows, name) for name in ("loss", "validation_loss")}
    if not len(drawn["loss"][0]):
        raise DataError("holds no finite loss", argument="history")
    ax = axes(ax)
    best = "validation_loss" if len(drawn["validation_loss"][0]) else "loss"
    draw_pair(ax, drawn["loss"], drawn["validation_loss"])
    epochs, values = drawn[best]
    lowest = int(np.argmin(values))
    mark_epoch(ax, epochs[lowest], values[lowest], VALIDATION if best == "validation_loss" else TRAINING)
    title = f"Lowest {best.replace('_', ' ')} {number(values[lowest])} at epoch {int(epochs[lowest]):,}"
    dress(ax, title, "epoch", "loss", grid=True)
    if spans_decades(np.concatenate([values for _, values in drawn.values()])):
        log_scale(ax)
    _name_pair(ax, drawn["loss"], drawn["validation_loss"])
    return ax


def plot_metric(history: Any, name: str, ax: Axes | None = None) -> Axes:
    """A metric by epoch: `name` on the training rows, "validation_" + `name` on the validation rows, whichever exist.

    history : rows as for `plot_loss`.   name : "accuracy", "r2", "loss", …
    Raises OptionError for a metric that the history does not hold, naming those it holds, and DataError for a history
    without rows.
    """
    rows = history_rows(history)
    name = str(name).removeprefix("validation_")
    require_choice("name", name, _metrics(rows))
    training, validation = line_of(rows, name), line_of(rows, f"validation_{name}")
    ax = axes(ax)
    draw_pair(ax, training, validation)
    dress(ax, "", "epoch", name.replace("_", " "), grid=True)
    _name_pair(ax, training, validation)
    return ax


def plot_learning_rate(history: Any, ax: Axes | None = None) -> Axes:
    """The learning rate by epoch, as steps; logarithmic when it spans more than a factor of 100.

    history : rows as for `plot_loss`, with "learning_rate".
    Raises DataError for a history without rows or without rates (L-BFGS searches its own step).
    """
    epochs, rates = line_of(history_rows(history), "learning_rate")
    if not len(epochs):
        raise DataError(
            "holds no learning rate", argument="history", remedy="L-BFGS searches the length of each step itself."
        )
    ax = axes(ax)
    ax.plot(epochs, rates, color=BLUE, linewidth=1.8, drawstyle="steps-post", label="learning rate")
    dress(ax, "", "epoch", "learning rate", grid=True)
    _whole_epochs(ax)
    if spans_decades(rates):
        log_scale(ax)
    return ax


def plot_activation(activation: str | Activation | tuple, ax: Axes | None = None) -> Axes:
    """An activation function on [-6, 6] and its slope: the article's picture of the sigmoid, with σ'(z) beside σ(z).

    activation : its name, an Activation, or a pair (value, slope) of functions.
    Raises OptionError for an unknown name, naming those there are.
    """
    f = activation_named(activation)
    ax = axes(ax)
    Z, A, slope = _value_and_slope(f, 6.0)
    _cross(ax)
    ax.plot(Z, A, color=BLUE, linewidth=2.2, label=f.name)
    ax.plot(Z, slope, color=VERMILLION, linewidth=1.8, linestyle=(0, (5, 2)), label="slope")
    dress(ax, "", "z", "", grid=True)
    ax.set_xlim(-6, 6)
    label_ends(ax, [(Z[-1], A[-1], f.name, BLUE), (Z[-1], slope[-1], "slope", VERMILLION)])
    return ax


def plot_activations(
    names: Iterable[str | Activation] | None = None, figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """Activation functions and their slopes, one small panel each, all on one scale: [-4, 4] across, [-1.5, 4] up.

    names : names or Activations; None draws all of them. Returns the figure.
    Raises OptionError for an unknown name or no names.
    """
    chosen = [activation_named(name) for name in (ACTIVATIONS if names is None else names)]
    if not chosen:
        raise OptionError("must hold at least one activation", argument="names", value=names)
    figure, grid = panels(len(chosen), figure, 4, (2.2, 1.95), sharex=True, sharey=True)
    for ax, f in zip(grid, chosen, strict=True):
        Z, A, slope = _value_and_slope(f, 4.0)
        _cross(ax)
        value_line = ax.plot(Z, A, color=BLUE, linewidth=2.0)[0]
        slope_line = ax.plot(Z, slope, color=VERMILLION, linewidth=1.5, linestyle=(0, (4, 1.5)))[0]
        dress(ax, f.name)
        ax.set(xlim=(-4, 4), ylim=(-1.5, 4))
    legend_outside(figure, [value_line, slope_line], ["value", "slope"])
    return figure


def history_rows(history: Any) -> list[dict[str, Any]]:
    """The rows of a history given as dicts or as a pandas or polars frame. Raises DataError when there are none."""
    if hasattr(history, "to_dicts"):  # polars
        history = history.to_dicts()
    elif hasattr(history, "to_dict"):  # pandas
        history = history.to_dict("records")
    rows = list(history) if isinstance(history, (Sequence, np.ndarray)) else None
    if rows is None or not all(isinstance(row, dict) for row in rows):
        raise DataError("must be a list of dicts, one an epoch", argument="history", value=history)
    if not rows:
        raise DataError("must hold at least one epoch", argument="history", value=rows)
    return rows


def line_of(rows: list[dict[str, Any]], name: str) -> Points:
    """Epochs and values of one entry, over the rows in which it is a finite number."""
    points = [
        (row.get("epoch", i), float(row[name]))
        for i, row in enumerate(rows, start=1)
        if isinstance(row.get(name), Real) and math.isfinite(row[name])
    ]
    epochs, values = np.array(points, float).reshape(-1, 2).T
    return epochs, values


def spans_decades(values: np.ndarray, factor: float = 100.0) -> bool:
    """Whether all values are positive and the largest is more than `factor` times the smallest."""
    return bool(values.min() > 0 and values.max() > factor * values.min())


def _metrics(rows: list[dict[str, Any]]) -> set[str]:
    found = {name.removeprefix("validation_") for row in rows for name in row} - _NO_METRICS
    return {name for name in found if any(len(line_of(rows, each)[0]) for each in (name, f"validation_{name}"))}


def draw_pair(ax: Axes, training: Points, validation: Points) -> None:
    for points, label, line in ((training, "training", "loss"), (validation, "validation", "validation")):
        if len(points[0]):
            # A single epoch makes no line, so it is drawn as a dot.
            ax.plot(*points, label=label, marker="o" if len(points[0]) == 1 else "", **_LINE_OF[line])  # type: ignore[arg-type]
    _whole_epochs(ax)


def _name_pair(ax: Axes, training: Points, validation: Points) -> None:
    """Name the two lines at their ends. A single line is named as well: which rows it is about matters."""
    pairs = ((training, "training", TRAINING), (validation, "validation", VALIDATION))
    label_ends(ax, [(x[-1], y[-1], name, ink) for (x, y), name, ink in pairs if len(x)])


def mark_epoch(ax: Axes, x: float, y: float, ink: str) -> None:
    """A ring on a curve, and a dotted line down to its epoch."""
    ax.axvline(x, color=QUIET, linewidth=0.9, linestyle=(0, (2, 3)), zorder=1)
    ax.plot(
        [x],
        [y],
        marker="o",
        markersize=8,
        color="white",
        markeredgecolor=ink,
        markeredgewidth=2,
        zorder=5,
        clip_on=False,
    )


def _whole_epochs(ax: Axes) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(lambda epoch, _: f"{epoch:,.0f}")
    ax.margins(x=0.02)


def _value_and_slope(f: Activation, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    Z = np.linspace(-reach, reach, 601)
    A = np.asarray(f.forward(Z))
    return Z, A, np.asarray(f.backward(np.ones_like(Z), Z, A))


def _cross(ax: Axes) -> None:
    """The two lines through zero."""
    ax.axhline(0, color=FAINT, linewidth=1.2, zorder=0.5)
    ax.axvline(0, color=FAINT, linewidth=1.2, zorder=0.5)
