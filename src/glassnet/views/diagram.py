"""The network itself as a picture: nodes in columns, weights as lines between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.lines import Line2D

from glassnet.errors import DataError, OptionError
from glassnet.views.palette import INK, LABEL, NEGATIVE, POSITIVE, QUIET, SMALL, axes, extent, shorten

__all__ = ["plot_network"]

_FEW_EDGES = 80  # between two columns; beyond it lines are thinner, and negative ones are dashed nowhere
_MANY_EDGES = 120  # between two columns; beyond it weak ones are left out
_WEAK = 0.1  # beside the strongest edge drawn between the two columns
_WIDEST_GAP = 1.7  # between the nodes of a narrow layer, in units of the widest layer's
_PLACES_FOR_DOTS = 2  # rows that the "⋮" and the count of hidden nodes take


class _Column(NamedTuple):
    """Where a layer's nodes stand: indices of those drawn, their heights, and the dots' height and count if any."""

    shown: np.ndarray
    heights: np.ndarray
    dots: float | None
    hidden: int


def plot_network(
    coefs: Sequence[Any],
    intercepts: Sequence[Any] | None = None,
    input_names: Sequence[Any] | None = None,
    output_names: Sequence[Any] | None = None,
    activations: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    max_nodes: int = 12,
) -> Axes:
    """The network as nodes in columns, joined by a line for each weight.

    coefs : the weight matrices W, first to last, each (p, q), as `coefs_`.   intercepts : the biases b, each (q,).
    A line is blue for a positive weight and orange for a negative one, dashed in networks with few edges; it is
    stronger the larger the weight is beside the largest of its layer. Of more than 120 edges between two columns, those
    below a tenth of the strongest drawn are left out, and the legend says so. With intercepts, nodes are filled by
    their bias likewise.
    input_names, output_names : names of the first and last nodes.
    activations : one name for all hidden layers, or a list of one for each hidden layer or for each layer.
    max_nodes : of a wider layer the nodes with the largest sum of |weights|, in and out, are drawn in their order,
    with "⋮" and the number left out below them.
    Raises DataError for matrices that do not follow on one another, or names that are not as many as their nodes;
    OptionError when max_nodes is below 3.
    """
    matrices = _checked_coefs(coefs)
    widths = [matrices[0].shape[0], *(W.shape[1] for W in matrices)]
    biases = _checked_intercepts(intercepts, widths)
    if int(max_nodes) != max_nodes or max_nodes < 3:
        raise OptionError("must be a whole number of at least 3", argument="max_nodes", value=max_nodes)
    names = {0: _checked_names("input_names", input_names, widths[0])}
    names[len(matrices)] = _checked_names("output_names", output_names, widths[-1])
    captions = _captions(widths, activations)
    columns = _columns(matrices, int(max_nodes))
    tallest = max(len(c.shown) + _PLACES_FOR_DOTS * (c.dots is not None) for c in columns)
    ax = axes(ax, (min(2.1 * len(widths) + 1.4, 16.0), float(np.clip(0.42 * tallest + 1.2, 3.2, 7.0))))
    reach = max(float(column.heights[0]) for column in columns)
    ax.set_axis_off()
    ax.set(xlim=(-0.25, len(columns) - 0.75), ylim=(-reach - 1.3, reach + 0.6))
    diameter = _diameter(ax, tallest)
    drawn = [W[np.ix_(columns[i].shown, columns[i + 1].shown)] for i, W in enumerate(matrices)]
    few = max(weights.size for weights in drawn) <= _FEW_EDGES
    for i, (weights, W) in enumerate(zip(drawn, matrices, strict=True)):
        _draw_edges(ax, i, weights, float(np.abs(W).max()), (columns[i], columns[i + 1]), few=few)
    for i, column in enumerate(columns):
        _draw_nodes(ax, i, column, biases[i], diameter)
        _draw_dots(ax, i, column)
        _write_names(ax, i, column, names.get(i), diameter, left=i == 0)
        ax.text(i, -reach - 0.75, captions[i], ha="center", va="top", fontsize=LABEL, color=INK)
    _legend(ax, intercepts is not None, dashed=few, thinned=any(weights.size > _MANY_EDGES for weights in drawn))
    return ax


def _checked_coefs(coefs: Sequence[Any]) -> list[np.ndarray]:
    matrices = [np.asarray(W, float) for W in coefs]
    if not matrices:
        raise DataError("must hold at least one weight matrix", argument="coefs", value=[])
    for i, W in enumerate(matrices):
        if W.ndim != 2 or 0 in W.shape:
            raise DataError("must be a matrix (p, q)", argument=f"coefs[{i}]", value=W.shape)
        if i and W.shape[0] != matrices[i - 1].shape[1]:
            raise DataError(
                f"must have {matrices[i - 1].shape[1]} rows, as many as coefs[{i - 1}] has columns",
                argument=f"coefs[{i}]",
                value=W.shape,
            )
        if not np.isfinite(W).all():
            raise DataError("must be finite", argument=f"coefs[{i}]", value=float(W[~np.isfinite(W)][0]))
    return matrices


def _checked_intercepts(intercepts: Sequence[Any] | None, widths: list[int]) -> list[np.ndarray | None]:
    """The biases of every column; the input has none."""
    if intercepts is None:
        return [None] * len(widths)
    biases = [np.asarray(b, float) for b in intercepts]
    if [b.shape for b in biases] != [(q,) for q in widths[1:]]:
        raise DataError(
            f"must hold vectors of lengths {widths[1:]}", argument="intercepts", value=[b.shape for b in biases]
        )
    return [None, *biases]


def _checked_names(argument: str, names: Sequence[Any] | None, width: int) -> Sequence[Any] | None:
    if names is not None and len(names) != width:
        raise DataError(f"must hold {width} names, one for each node", argument=argument, value=len(names))
    return names


def _captions(widths: list[int], activations: str | Sequence[str] | None) -> list[str]:
    """What stands below each column: "2 inputs", "5 × sigmoid", "3 outputs"."""
    hidden = len(widths) - 2
    listed = [activations] * hidden if isinstance(activations, str) else list(activations or [""] * hidden)
    if len(listed) not in (hidden, hidden + 1):
        raise DataError(
            f"must hold {hidden} names, one for each hidden layer, or {hidden + 1} with the output layer's",
            argument="activations",
            value=listed,
        )
    listed += [""] * (hidden + 1 - len(listed))
    kinds = ["hidden"] * hidden + ["output" if widths[-1] == 1 else "outputs"]
    captions = [f"{widths[0]:,} input" + "s" * (widths[0] != 1)]
    for width, name, kind in zip(widths[1:], listed, kinds, strict=True):
        captions.append(f"{width:,} {kind}" if name in ("", "identity") else f"{width:,} × {name}")
    return captions


def _columns(matrices: list[np.ndarray], max_nodes: int) -> list[_Column]:
    """Where the nodes of each layer stand, the strongest of those that are wide."""
    strengths = _strengths(matrices)
    counts = [min(len(s), max_nodes) + _PLACES_FOR_DOTS * (len(s) > max_nodes) for s in strengths]
    return [_column(strength, max_nodes, max(counts)) for strength in strengths]


def _strengths(matrices: list[np.ndarray]) -> list[np.ndarray]:
    """The sum of |weights| into and out of each node, for each layer and the input."""
    into = [np.zeros(len(matrices[0])), *(np.abs(W).sum(axis=0) for W in matrices)]
    out = [*(np.abs(W).sum(axis=1) for W in matrices), np.zeros(matrices[-1].shape[1])]
    return [a + b for a, b in zip(into, out, strict=True)]


def _column(strength: np.ndarray, max_nodes: int, tallest: int) -> _Column:
    """The places of one layer's nodes, from the top, the middle at height 0."""
    width = len(strength)
    if width <= max_nodes:
        gap = min(_WIDEST_GAP, tallest / width)
        return _Column(np.arange(width), gap * ((width - 1) / 2 - np.arange(width)), None, 0)
    shown = np.sort(np.argsort(-strength, kind="stable")[:max_nodes])
    places = (max_nodes + _PLACES_FOR_DOTS - 1) / 2 - np.arange(max_nodes + _PLACES_FOR_DOTS)
    return _Column(shown, places[:max_nodes], float(places[max_nodes:].mean()), width - max_nodes)


def _diameter(ax: Axes, tallest: int) -> float:
    """Diameter of a node in points: two thirds of the room between neighbours, within what looks like a node."""
    return float(np.clip(0.66 * extent(ax)[1] / (tallest + 1.3), 5, 24))


def _draw_edges(
    ax: Axes, i: int, weights: np.ndarray, largest: float, sides: tuple[_Column, _Column], *, few: bool
) -> None:
    """A line for each weight between nodes that are drawn, the strong ones on top of the weak.

    largest : of the whole layer, also where it is not drawn.   few : dash negative weights, draw all lines stronger.
    """
    strength = np.abs(weights) / (largest or 1.0)
    starts, ends = np.meshgrid(sides[0].heights, sides[1].heights, indexing="ij")
    order = np.argsort(strength, axis=None, kind="stable")
    if weights.size > _MANY_EDGES:
        order = order[strength.ravel()[order] >= _WEAK * strength.max()]
    weights, strength = weights.ravel()[order], strength.ravel()[order]
    widths = (0.7 if few else 0.4) + (2.6 if few else 1.7) * strength
    # matplotlib stretches dashes with the line; those of thin lines are made longer, so that they can be seen.
    dashes = [(0, (max(3.0, 5 / width), max(1.5, 2.5 / width))) for width in widths]
    ax.add_collection(
        LineCollection(
            [((i, a), (i + 1, b)) for a, b in zip(starts.ravel()[order], ends.ravel()[order], strict=True)],
            colors=[
                to_rgba(_ink(w), (0.35 if few else 0.15) + (0.6 if few else 0.8) * s)
                for w, s in zip(weights, strength, strict=True)
            ],
            linewidths=widths,
            linestyles=[dash if few and w < 0 else "solid" for w, dash in zip(weights, dashes, strict=True)],
            zorder=1,
        )
    )


def _draw_nodes(ax: Axes, i: int, column: _Column, bias: np.ndarray | None, diameter: float) -> None:
    if bias is None:
        fill: Any = "white"
    else:
        shown = bias[column.shown]
        strength = np.abs(shown) / (np.abs(bias).max() or 1.0)
        fill = [_tint(b, 0.75 * s) for b, s in zip(shown, strength, strict=True)]
    across = np.full(len(column.heights), i)
    ax.scatter(across, column.heights, s=diameter**2, c=fill, edgecolors=INK, linewidths=1.1, zorder=3, clip_on=False)


def _draw_dots(ax: Axes, i: int, column: _Column) -> None:
    if column.dots is None:
        return
    background = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    look: dict[str, Any] = {"ha": "center", "color": INK, "zorder": 4, "bbox": background}
    ax.text(i, column.dots + 0.05, "⋮", va="bottom", fontsize=16, **look)
    ax.text(i, column.dots - 0.05, f"{column.hidden:,} more", va="top", fontsize=SMALL, **look)


def _write_names(
    ax: Axes, i: int, column: _Column, names: Sequence[Any] | None, diameter: float, *, left: bool
) -> None:
    if names is None:
        return
    away = diameter / 2 + 5
    for node, height in zip(column.shown, column.heights, strict=True):
        ax.annotate(
            shorten(names[node]),
            (i, height),
            xytext=(-away if left else away, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=SMALL,
            color=INK,
            parse_math=False,
            annotation_clip=False,
        )


def _ink(weight: float) -> str:
    return POSITIVE if weight >= 0 else NEGATIVE


def _tint(weight: float, strength: float) -> tuple[float, ...]:
    """White mixed with the colour of the weight's sign, `strength` of it."""
    return tuple(1 - strength * (1 - part) for part in to_rgb(_ink(weight)))


def _legend(ax: Axes, with_biases: bool, *, dashed: bool, thinned: bool) -> None:
    dash: Any = (0, (3, 1)) if dashed else "solid"
    handles = [
        Line2D([], [], color=POSITIVE, linewidth=2.4, label="positive weight"),
        Line2D([], [], color=NEGATIVE, linewidth=2.4, linestyle=dash, label="negative weight"),
    ]
    if with_biases:
        look: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 9, "markeredgecolor": INK}
        look |= {"fillstyle": "left", "markerfacecolor": _tint(1.0, 0.7), "markerfacecoloralt": _tint(-1.0, 0.7)}
        handles.append(Line2D([], [], label="positive | negative bias", **look))
    legend = ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=3 if extent(ax)[0] > 300 else 1,
        frameon=False,
        fontsize=SMALL,
        title="weights below a tenth of the strongest are not drawn" if thinned else None,
        title_fontsize=SMALL,
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_color(QUIET)
