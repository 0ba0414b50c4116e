"""Which columns count: bars with their spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from glassnet.errors import DataError
from glassnet.views.palette import BLUE, QUIET, axes, dress, finite_numbers, shorten

__all__ = ["plot_importance"]


def plot_importance(
    names: Sequence[Any],
    means: Any,
    stds: Any = None,
    ax: Axes | None = None,
    *,
    most: int = 20,
    label: str = "importance",
) -> Axes:
    """A bar for each column, the most important one on top.

    names : (p,) of the columns.   means : (p,) lengths of the bars.   stds : (p,) drawn as whiskers, or None.
    most : bars at most; the title says how many are left out.   label : of the lengths.
    Raises DataError for arrays of other lengths or what is not finite.
    """
    lengths = finite_numbers("means", means, (None,))
    spread = np.zeros(len(lengths)) if stds is None else finite_numbers("stds", stds, (None,))
    if not len(names) == len(lengths) == len(spread):
        raise DataError(f"must be as many as names, {len(names)}", argument="means", value=len(lengths))
    order = np.argsort(-lengths, kind="stable")[:most]
    places = np.arange(len(order))
    ax = axes(ax, (6.4, 0.32 * len(order) + 1.2))
    whiskers = None if stds is None else spread[order]
    ax.barh(places, lengths[order], xerr=whiskers, color=BLUE, height=0.7, error_kw={"ecolor": QUIET, "lw": 1.2})
    ax.set_yticks(places, [shorten(str(names[j])) for j in order])
    ax.invert_yaxis()
    hidden = len(names) - len(order)
    dress(ax, title=f"{hidden} less important columns are not shown" if hidden else "", x=label, y="")
    return ax
