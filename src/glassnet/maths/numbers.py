"""Piecewise-linear encoding of numbers: a number becomes its shares in the bins of a column.

Between edges e_0 < e_1 < … < e_B lie B bins. The share of x in bin t is how far x has come through it,

    share_t(x) = clip((x - e_t) / (e_{t+1} - e_t), 0, 1)

so bins that x has passed are 1, those ahead of it 0, and the one it is in tells where. A dense layer behind them is a
function of x with a slope of its own in each bin: it bends where the data are, without a hidden layer.
Source: Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning" (2022).

Beyond the edges nothing goes on: a number out there, the outlier as the year that is yet to come, is taken for the edge
it has passed, as a decision tree would. A line that went on would carry a network off where no data have held it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import DataError, OptionError, require_number
from glassnet.maths.elementary import Array, maximum, minimum, where
from glassnet.maths.layers import Block, Draws, Layer, Parameters

__all__ = [
    "PiecewiseLinear",
    "bin_share",
    "bin_share_backward",
    "bin_table",
    "piecewise_linear",
    "piecewise_linear_backward",
    "quantile_edges",
    "within",
]

ROUNDS = 8  # of taking weight from numbers that have more than a bin; each makes the bins smaller that it goes by
LARGEST_EDGE = 1e30  # far from where float32 ends, so that nothing here overflows


# --- the mathematics ------------------------------------------------------------------------------------------------


def within(x: Array, least: Array, most: Array) -> Array:
    """x, or the end it has passed."""
    return minimum(maximum(x, least), most)


def bin_share(x: Array, edge: Array, end: Array, scale: Array) -> Array:
    """(clip(x, edge, end) - edge) · scale: the share of x in the bin from `edge` to `end`, which is 1/scale wide.

    x is clipped first, so no number is too large, and below the bin the share is exactly 0.
    """
    return (within(x, edge, end) - edge) * scale


def bin_share_backward(dA: Array, x: Array, edge: Array, end: Array, scale: Array) -> Array:
    """dX = dA · scale where edge ≤ x < end, else 0: at an edge, the slope of the bin to its right."""
    return where((x >= edge) & (x < end), dA * scale, 0.0)


def bin_table(edges: np.ndarray, dtype: Any) -> np.ndarray:
    """What `bin_share` takes for each bin, (3, B) in a float type: edge, end, scale.

    A bin of which a float type leaves nothing (edges that are equal in float32) has scale 0: its share is always 0.
    """
    e = np.asarray(edges).astype(dtype)
    with np.errstate(divide="ignore", over="ignore"):
        scale = 1.0 / np.diff(e)
    return np.stack([e[:-1], e[1:], np.where(np.isfinite(scale), scale, 0.0).astype(dtype)])


def piecewise_linear(X: Array, table: Array) -> Array:
    """A = [x, at the edges at most | share_1 | … | share_B]: X (..., n, 1), table (3, B), A (..., n, 1 + B)."""
    return np.concatenate([within(X, table[0, 0], table[1, -1]), bin_share(X, *table)], axis=-1)


def piecewise_linear_backward(dA: Array, X: Array, table: Array) -> Array:
    """dX = dA_0 + Σ_t dA_t · (slope of share_t at x), (..., n, 1); 0 beyond the edges."""
    inside = bin_share_backward(dA[..., :1], X, table[0, 0], table[1, -1], X.dtype.type(1))
    return inside + bin_share_backward(dA[..., 1:], X, *table).sum(axis=-1, keepdims=True)


def quantile_edges(x: Any, n_bins: int) -> np.ndarray:
    """Edges of at most n_bins bins that hold about equally many of the numbers x (n,).

    Where there are no more than n_bins + 1 different numbers, each is an edge. Else edges are quantiles, among the
    numbers themselves, of counts in which one number has at most the weight of a bin: where most are equal, 0 say, the
    plain quantiles would nearly all be 0, and tell nothing about the rest. The least and the largest are always edges.
    Raises DataError for numbers that are not finite, or that are all the same.
    """
    require_number("n_bins", n_bins, "must be a whole number of at least 1", lambda n: n >= 1, whole=True)
    x = np.asarray(x, np.float64).ravel()
    bad = ~np.isfinite(x)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError("must be finite", argument="x", row=row + 1, value=x[row])
    if len(x) == 0 or x.min() == x.max():
        rule = "must hold at least two different numbers"
        raise DataError(
            rule, argument="x", value=x[:1].tolist(), remedy="A constant column tells nothing: leave it out."
        )
    values, counts = np.unique(x, return_counts=True)
    if len(values) <= n_bins + 1:
        return values
    weights = counts.astype(np.float64)
    for _ in range(ROUNDS):
        weights = np.minimum(weights, weights.sum() / n_bins)
    middles = np.cumsum(weights) - weights / 2
    ranks = (middles - middles[0]) / (middles[-1] - middles[0])
    places = np.searchsorted(ranks, np.arange(n_bins) / n_bins - 1e-9)  # the last one is none too many by rounding
    return np.unique([*values[places], values[-1]])


# --- the layer ------------------------------------------------------------------------------------------------------


class PiecewiseLinear(Layer):
    """A = [x | shares of x in the bins between `edges`]: one column becomes 1 + B, without parameters.

    Beyond the edges x counts as the edge it has passed.

    edges : e_0 < e_1 < … < e_B, two or more, as of `quantile_edges`; plain data, kept with the network.

    The embedding of a number, e(x) = a x + c + V · shares(x), is a dense layer behind it in a branch of `Columns`:

        Columns({"age": ([0], [PiecewiseLinear(edges), Dense(8, "identity", "piecewise_linear")])})

    The initialiser of that name draws a and c and starts V at 0, a line that training bends. This is "version B" of
    TabM's embeddings (Gorishniy, Kotelnikov, Babenko, "TabM", 2024).
    """

    def __init__(self, edges: Sequence[float] | np.ndarray) -> None:
        try:
            values = np.array(edges, np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        many = values.ndim == 1 and len(values) >= 2
        if not (many and (np.abs(values) <= LARGEST_EDGE).all() and (np.diff(values) > 0).all()):
            rule = f"must be two or more numbers of at most {LARGEST_EDGE:g} in size, each larger than the one before"
            raise OptionError(rule, argument="edges", value=values.tolist() if values.size else edges)
        values.flags.writeable = False
        self.edges = values
        self._tables: dict[np.dtype[Any], np.ndarray] = {}

    @property
    def n_bins(self) -> int:
        """Number of bins between the edges."""
        return len(self.edges) - 1

    def table(self, dtype: Any) -> np.ndarray:
        """`bin_table` of the edges, made when a type first asks for it: a file may hold thousands of layers."""
        kind = np.dtype(dtype)
        if kind not in self._tables:
            self._tables[kind] = bin_table(self.edges, kind)
        return self._tables[kind]

    def shapes(self, p: int) -> dict[str, Block]:
        """No parameters. Raises OptionError unless there is one column."""
        if p != 1:
            raise OptionError(
                "takes one column of numbers",
                argument="PiecewiseLinear",
                value=p,
                remedy="Give each number a branch of its own: Columns({name: ([column], [PiecewiseLinear(edges)])}).",
            )
        return {}

    def width(self, p: int) -> int:
        """The number itself, and a share for each bin."""
        return 1 + self.n_bins

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, Any]:
        """A = [x | shares]."""
        return piecewise_linear(X, self.table(X.dtype)), X

    def backward(
        self, P: Parameters, cache: Any, dA: Array, input_gradient: bool = True
    ) -> tuple[Array | None, Parameters]:
        """See `piecewise_linear_backward`."""
        return (piecewise_linear_backward(dA, cache, self.table(cache.dtype)) if input_gradient else None), {}

    def names(self, inputs: Sequence[str]) -> list[str]:
        """The column's own name, then its bins, counted from 1."""
        return [*inputs, *(f"{inputs[0]} bin {t + 1}" for t in range(self.n_bins))]

    def describe(self) -> dict[str, Any]:
        """Kind and edges."""
        return {"kind": "PiecewiseLinear", "edges": self.edges.tolist()}

    def brief(self) -> str:
        """How many bins there are; edges would fill the page."""
        return f"PiecewiseLinear {self.n_bins}"
