"""What all pictures share: colours, markers, sizes of letters, the bare style, and how a picture becomes a file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend
from matplotlib.ticker import LogFormatter

from glassnet.errors import DataError, OptionError
from glassnet.files.atomic import replacing

# Okabe and Ito, "Color Universal Design" (2008): eight colours that stay apart for every common kind of colour vision.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, BLACK = "#E69F00", "#56B4E9", "#F0E442", "#000000"
CATEGORIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, BLACK)
# Nine markers to eight colours: seventy-two pairs pass before one comes again, and a grey print keeps the markers.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")

TRAINING, VALIDATION = BLUE, VERMILLION
POSITIVE, NEGATIVE = BLUE, VERMILLION
INK, QUIET, FAINT = "#222222", "#666666", "#E4E4E4"  # letters, axes, grid lines

TITLE, LABEL, SMALL = 12.0, 10.5, 9.5  # points
_NARROW = 260.0  # points: axes that share a figure with others get a smaller title
LONGEST_NAME = 28  # characters of a class or column name that a legend or an axis shows

# White to blue: the blue half of RdBu.
SHARES = LinearSegmentedColormap.from_list("shares", colormaps["RdBu"](np.linspace(0.5, 0.95, 64)))


def colour(i: int) -> str:
    """The colour of category i = 0, 1, …; they come round after eight."""
    return CATEGORIES[i % len(CATEGORIES)]


def marker(i: int) -> str:
    """The marker of category i = 0, 1, …; they come round after nine."""
    return MARKERS[i % len(MARKERS)]


def axes(ax: Axes | None, figsize: tuple[float, float] = (6.4, 4.4)) -> Axes:
    """`ax` itself, or the axes of a new figure of `figsize` inches that belongs to no window.

    Raises OptionError when `ax` is no matplotlib Axes.
    """
    if ax is None:
        return new_figure(figsize).add_subplot()
    if not isinstance(ax, Axes):
        raise OptionError("must be the Axes of a matplotlib figure, or None", argument="ax", value=ax)
    return ax


def new_figure(figsize: tuple[float, float]) -> Figure:
    """A figure outside pyplot: it opens no window and is freed like any other object."""
    return Figure(figsize=figsize, layout="constrained", facecolor="white")


def panels(
    count: int, figure: Figure | SubFigure | None, columns: int, size: tuple[float, float], **sharing: Any
) -> tuple[Figure | SubFigure, list[Axes]]:
    """A figure with `count` axes in a grid of at most `columns` columns, each of `size` inches.

    Returns the figure and its axes row by row; places beyond `count` stay empty. `sharing` goes to Figure.subplots.
    Raises OptionError for a figure that is none.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    if figure is None:
        figure = new_figure((columns * size[0], rows * size[1]))
    if not isinstance(figure, (Figure, SubFigure)):
        raise OptionError("must be a matplotlib Figure, or None", argument="figure", value=figure)
    grid = list(figure.subplots(rows, columns, squeeze=False, **sharing).flat)
    for empty in grid[count:]:
        empty.remove()
    return figure, grid[:count]


def extent(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes in points, as they stand before a layout moves them."""
    box = ax.get_window_extent()
    return box.width * 72 / ax.figure.dpi, box.height * 72 / ax.figure.dpi


def dress(ax: Axes, title: str = "", x: str = "", y: str = "", *, grid: bool = False) -> None:
    """The common style: two thin spines, quiet ticks, names as they are written.

    A "$" in a name starts no formula; text without one leaves formulas on, for a title that the caller sets afterwards.
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET)
    ax.tick_params(which="both", colors=QUIET, labelcolor=INK, labelsize=SMALL)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set_fontsize(SMALL)
    if title:
        size = TITLE if extent(ax)[0] >= _NARROW else LABEL
        ax.set_title(title, fontsize=size, color=INK, parse_math="$" not in title)
    if x:
        ax.set_xlabel(x, fontsize=LABEL, color=INK, parse_math="$" not in x)
    if y:
        ax.set_ylabel(y, fontsize=LABEL, color=INK, parse_math="$" not in y)
    if grid:
        ax.grid(color=FAINT, linewidth=0.8)
        ax.set_axisbelow(True)


def shorten(name: Any, longest: int = LONGEST_NAME) -> str:
    """`name` as text on one line, cut with "…" when longer than `longest` characters."""
    text = " ".join(str(name).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def number(value: float) -> str:
    """A number for people: three significant digits, thousands apart."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


class PlainLogFormatter(LogFormatter):
    """Ticks of a logarithmic axis as 0.001 instead of a formula, which needs fonts that some machines lack."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The number, where matplotlib's rule for crowded axes wants one."""
        return number(x) if super().__call__(x, pos) else ""


def log_scale(ax: Axes) -> None:
    """Make the vertical axis logarithmic, with ticks in plain text."""
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(PlainLogFormatter())
    ax.yaxis.set_minor_formatter(PlainLogFormatter(minor_thresholds=(1, 0.4)))


def legend_outside(
    owner: Axes | Figure | SubFigure, handles: Sequence[Any], names: Iterable[Any], title: str | None = None
) -> Legend:
    """A legend to the right of the axes or figure, where it hides no data; two columns when it is long."""
    place = (
        {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
        if isinstance(owner, Axes)
        else {"loc": "outside right upper"}
    )
    # The names come in afterwards: matplotlib leaves out a label that begins with "_".
    legend = owner.legend(
        handles,
        ["-"] * len(handles),
        frameon=False,
        fontsize=SMALL,
        title=title,
        title_fontsize=SMALL,
        ncols=1 if len(handles) <= 14 else 2,
        alignment="left",
        **place,
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=shorten(name), parse_math=False, color=INK)
    return legend


def label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names beside the right ends of lines, pushed apart where they would lie on one another.

    ends : (x, y, name, colour) of each line's last point in data coordinates. Call it once the limits are set.
    """
    height = extent(ax)[1]
    to_axes = ax.transData + ax.transAxes.inverted()
    wanted = [float(np.clip(to_axes.transform((x, y))[1], 0, 1)) * height for x, y, _, _ in ends]
    for (x, y, name, ink), old, new in zip(ends, wanted, _apart(wanted, 1.35 * SMALL), strict=True):
        ax.annotate(
            name,
            (x, y),
            xytext=(9, new - old),
            textcoords="offset points",
            color=ink,
            fontsize=SMALL,
            va="center",
            parse_math=False,
            annotation_clip=False,
        )


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """`places` moved as little as it takes for neighbours to be `gap` apart; their order stays."""
    order = np.argsort(places, kind="stable")
    result = np.array(places, float)
    blocks: list[list[int]] = []  # runs of labels that touch, each centred on the mean of the places wanted
    for i in order:
        blocks.append([int(i)])
        while True:
            members = blocks[-1]
            start = float(np.mean([places[j] for j in members])) - gap * (len(members) - 1) / 2
            result[members] = start + gap * np.arange(len(members))
            if len(blocks) == 1 or result[members[0]] - result[blocks[-2][-1]] >= gap:
                break
            last = blocks.pop()
            blocks[-1].extend(last)
    return result.tolist()


def finite_numbers(argument: str, values: Any, shape: tuple[int | None, ...], *, missing: bool = False) -> np.ndarray:
    """`values` as a float array whose shape is `shape`, where None stands for any length of at least 1.

    missing : whether missing values (NaN, None) may stand among them.
    Raises DataError for text, another shape, no rows, or numbers that are not finite.
    """
    wanted = f"({', '.join('n' if size is None else str(size) for size in shape)}{',' if len(shape) == 1 else ''})"
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"must be numbers of shape {wanted}", argument=argument) from error
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits:
        raise DataError(f"must be of shape {wanted}", argument=argument, value=array.shape)
    if array.size == 0:
        raise DataError("must hold at least one row", argument=argument, value=array.shape)
    wrong = np.isinf(array) if missing else ~np.isfinite(array)
    if wrong.any():
        bad = array[wrong][0]
        raise DataError("must be finite", argument=argument, value=float(bad))
    return array


def save_picture(picture: Axes | Figure | SubFigure, path: str | os.PathLike[str]) -> Path:
    """Write the figure, or the one that axes belong to, to `path` at 150 dots per inch, and return the path.

    The ending says the format: .png, .pdf, .svg and what else matplotlib writes. Missing folders are made. The file
    is replaced as a whole: on an error the one that was there stays.
    Raises OptionError for something that is no picture or an unknown ending, OSError when it cannot be written.
    """
    figure: Any = picture.figure if isinstance(picture, Axes) else picture
    while isinstance(figure, SubFigure):
        figure = figure.figure
    if not isinstance(figure, Figure):
        raise OptionError("must be a matplotlib Axes or Figure", argument="picture", value=picture)
    path = Path(path)
    ending = path.suffix[1:].lower()
    known = figure.canvas.get_supported_filetypes()
    if ending not in known:
        endings = ", ".join(f".{name}" for name in sorted(known))
        raise OptionError(f"must end in one of {endings}", argument="path", value=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        figure.savefig(file, format=ending, dpi=150, bbox_inches="tight")
    return path
