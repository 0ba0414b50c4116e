"""How right the predictions are: the confusion matrix, and predicted against true numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from glassnet.errors import DataError
from glassnet.views.palette import (
    BLUE,
    INK,
    LABEL,
    QUIET,
    SHARES,
    SMALL,
    PlainLogFormatter,
    axes,
    dress,
    extent,
    finite_numbers,
    number,
    shorten,
)

__all__ = ["plot_confusion", "plot_predicted_against_true"]

_MANY_POINTS = 5000  # beyond it points hide one another, and their density is drawn instead
_WIDER = 0.5  # of the true range: how far beyond it a prediction is still no outlier
_LETTER = 0.62  # width of a digit beside its height


def plot_confusion(matrix: Any, labels: Sequence[Any], ax: Axes | None = None) -> Axes:
    """The confusion matrix: a row for each true class, a column for each predicted one.

    matrix : (K, K), how many rows of the data (or how much weight) of each true class got each prediction.
    labels : the K names of the classes.
    Cells are coloured by their share of the true class. They show the count and this share where both fit, the count
    where it alone fits, and nothing where classes are many: then a colour bar tells the shares. The title says how many
    were right in all.
    Raises DataError for a matrix that is not square, negative or empty, or labels that are not as many.
    """
    counts = finite_numbers("matrix", matrix, (None, None))
    K = len(counts)
    if counts.shape != (K, K) or (counts < 0).any():
        raise DataError("must be a square matrix of counts of at least 0", argument="matrix", value=counts.shape)
    if len(labels) != K:
        raise DataError(f"must hold {K} names, one for each row of the matrix", argument="labels", value=len(labels))
    totals = counts.sum(axis=-1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    side = float(np.clip(0.62 * K + 2.1, 4.2, 9.5))
    ax = axes(ax, (side + 0.4, side))
    image = ax.imshow(shares, cmap=SHARES, vmin=0, vmax=1, aspect="equal")
    cell = min(extent(ax)) / K
    written = _write_cells(ax, counts, shares, cell)
    right, total = float(np.trace(counts)), float(counts.sum())
    title = f"{_count(right)} of {_count(total)} right" + (f" ({right / total:.1%})" if total > 0 else "")
    dress(ax, title, "predicted class", "true class")
    _name_classes(ax, [shorten(name) for name in labels], cell)
    ax.spines[:].set_visible(False)
    if not written:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.7, format=PercentFormatter(1.0, decimals=0))
        bar.outline.set_visible(False)
        bar.set_label("share of the true class", fontsize=LABEL, color=INK)
        bar.ax.tick_params(labelsize=SMALL)
    return ax


def plot_predicted_against_true(y_true: Any, y_pred: Any, ax: Axes | None = None, name: str | None = None) -> Axes:
    """Predicted against true values of a regression; a perfect model has all points on the line.

    y_true, y_pred : (n,) finite numbers.   name : what is predicted, for the axes.
    More than 5,000 points are drawn as their density. Single predictions far outside the range of the true values, at
    most three or one in 200, stay outside the picture, and the title says how many; else they would squeeze all others
    into a corner. The title has R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)² and the root of
    the mean squared error, in units of the target.
    Raises DataError for other shapes or numbers that are not finite.
    """
    y_true = finite_numbers("y_true", y_true, (None,))
    y_pred = finite_numbers("y_pred", y_pred, (len(y_true),))
    ax = axes(ax, (5.6, 4.9))
    inside = _inside(y_true, y_pred)
    low, high = min(y_true.min(), y_pred[inside].min()), max(y_true.max(), y_pred[inside].max())
    margin = 0.04 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    ax.plot(limits, limits, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=3, label="predicted = true")
    if len(y_true) > _MANY_POINTS:
        _density(ax, y_true, y_pred, limits)
    else:
        few = len(y_true) <= 500
        ax.scatter(y_true, y_pred, s=22 if few else 10, color=BLUE, alpha=0.6 if few else 0.3, linewidths=0, zorder=2)
    ax.set(xlim=limits, ylim=limits)
    ax.set_aspect("equal", adjustable="box")
    of = f" {shorten(name)}" if name else ""
    left_out = int((~inside).sum())
    note = f"\n{left_out:,} point{'s' * (left_out > 1)} outside" if left_out else ""
    dress(ax, _title(y_true, y_pred) + note, f"true{of}", f"predicted{of}", grid=True)
    _number_ticks(ax, limits)
    return ax


def _inside(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Which points the picture shows: all but a few whose prediction is far outside the range of the true values."""
    low, high = y_true.min(), y_true.max()
    excess = np.maximum(low - y_pred, y_pred - high)
    inside = np.ones(len(y_true), dtype=bool)
    allowed = min(max(3, len(y_true) // 200), len(y_true) // 10)
    farthest = np.argsort(excess)[len(y_true) - allowed :]
    inside[farthest[excess[farthest] > _WIDER * (high - low)]] = False
    # Without spread in the true values there is no range to be outside of.
    return inside if high > low else np.ones_like(inside)


def _number_ticks(ax: Axes, limits: tuple[float, float]) -> None:
    """The same few ticks on both axes, from 10,000 on with thousands apart."""
    largest = max(map(abs, limits))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5 if largest >= 1e6 else 6, steps=[1, 2, 2.5, 5, 10]))
    if 1e4 <= largest < 1e8:
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    else:
        ax.ticklabel_format(style="sci", scilimits=(-3, 6), useMathText=False)


def _write_cells(ax: Axes, counts: np.ndarray, shares: np.ndarray, cell: float) -> bool:
    """Write counts, and shares where there is room; False when cells, `cell` points wide, are too small for either."""
    texts = [[_count(value) for value in row] for row in counts]
    digits = max(len(text) for row in texts for text in row)
    size = min(LABEL, 0.88 * cell / (_LETTER * digits))
    if size < 6.5 or cell < 16:
        return False
    both = cell >= 2.9 * size and cell >= 5 * _LETTER * (size - 1) and len(counts) <= 10
    for i, j in np.ndindex(counts.shape):
        ink = "white" if shares[i, j] > 0.55 else INK if counts[i, j] > 0 else QUIET
        text = texts[i][j] + (f"\n{_share(float(shares[i, j]))}" if both and counts[i, j] > 0 else "")
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color=ink, linespacing=1.25)
    return True


def _name_classes(ax: Axes, names: list[str], cell: float) -> None:
    """The names beside rows and columns, turned where they are wider than a cell."""
    size = float(np.clip(0.85 * cell, 4.5, SMALL))
    turned: dict[str, Any] = {}
    if max(map(len, names)) * _LETTER * size > 0.95 * cell:
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(names)), names, parse_math=False, **turned)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    edges = np.arange(len(names) + 1) - 0.5
    ax.set_xticks(edges, minor=True)
    ax.set_yticks(edges, minor=True)
    ax.grid(which="minor", color="white", linewidth=1.5 if len(names) <= 15 else 0.7)
    ax.tick_params(which="both", length=0)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_fontsize(size)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.3g}"


def _share(value: float) -> str:
    """A share of more than none as whole percent, so that few never look like none or all."""
    return "<1%" if value < 0.005 else ">99%" if 0.995 <= value < 1 else f"{value:.0%}"


def _density(ax: Axes, y_true: np.ndarray, y_pred: np.ndarray, limits: tuple[float, float]) -> None:
    cells = ax.hexbin(
        y_true, y_pred, gridsize=70, extent=(*limits, *limits), bins="log", mincnt=1, cmap="viridis_r", linewidths=0.1
    )
    bar = ax.figure.colorbar(cells, ax=ax, shrink=0.8, format=PlainLogFormatter())
    bar.ax.yaxis.set_minor_formatter(PlainLogFormatter(minor_thresholds=(1, 0.4)))
    bar.outline.set_visible(False)
    bar.set_label("rows", fontsize=LABEL, color=INK)
    bar.ax.tick_params(labelsize=SMALL)


def _title(y_true: np.ndarray, y_pred: np.ndarray) -> str:
    squares = float(((y_true - y_pred) ** 2).sum())
    spread = float(((y_true - y_true.mean()) ** 2).sum())
    error = f"RMSE = {number(np.sqrt(squares / len(y_true)))}"
    # Without spread in the true values R² has no meaning.
    return f"R² = {1 - squares / spread:.3f}   {error}" if spread > 0 else error
