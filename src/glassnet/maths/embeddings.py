"""Learned embeddings: each category becomes a point, and training moves the points.

A category arrives as a whole-number code in a column of the input matrix: levels are counted from 1, and 0 stands for
what is missing or was unseen in training. Floats hold such codes exactly, float32 up to 2²⁴.

An embedding is a dense layer without bias behind a one-hot encoding: with O the one-hot rows of the codes, A = O E and
dE = Oᵀ dA. Neither O nor its products are ever made: A picks rows of E, and dE adds up rows of dA.
Source: Guo and Berkhahn, "Entity Embeddings of Categorical Variables" (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import DataError, OptionError, require_number
from glassnet.maths.elementary import Array
from glassnet.maths.layers import Block, Draws, Layer, Parameters, total
from glassnet.maths.random import Stream

__all__ = ["MOST_LEVELS", "Embedding", "embed", "embed_backward", "levels_of"]

MOST_LEVELS = 2**24  # up to which every whole number is a float32


# --- the mathematics ------------------------------------------------------------------------------------------------


def levels_of(X: Array, n_levels: int) -> Array:
    """The codes X, of any float type, as whole numbers from 0 to n_levels: what is none of 1, …, n_levels is 0.

    So a code that training did not know is unseen, as is a NaN; nothing can point outside of the table.
    """
    known = (X >= 1) & (n_levels >= X) & (np.floor(X) == X)
    return np.where(known, X, 0).astype(np.intp)


def embed(C: Array, E: Array) -> Array:
    """A_i = E[C_i], the row of E that belongs to each sample: C (..., n) levels, E (..., r, q), A (..., n, q)."""
    if E.ndim == 2:
        return E[C]
    return np.take_along_axis(E, np.broadcast_to(C, (*E.shape[:-2], C.shape[-1]))[..., None], axis=-2)


def embed_backward(dA: Array, C: Array, n_rows: int) -> Array:
    """dE[c] = Σ dA_i over the samples i of level c, in their order, (..., n_rows, q); 0 for levels that do not occur.

    The sums are in float64, whatever the type of dA (..., n, q); C (..., n) as in `embed`.
    """
    *members, _, q = dA.shape
    n_members = int(np.prod(members))
    tables = np.arange(n_members).reshape(*members, 1)  # each member adds to a table of its own
    places = ((tables * n_rows + C)[..., None] * q + np.arange(q)).ravel()
    sums = np.bincount(places, weights=dA.ravel(), minlength=n_members * n_rows * q)
    return sums.reshape(*members, n_rows, q).astype(dA.dtype)


# --- the layer ------------------------------------------------------------------------------------------------------


class Embedding(Layer):
    """A = E[c]: each level c of a category, from 1 to `levels`, has `width` learned numbers, and so has 0.

    X is one column of codes, which a branch of `Columns` picks out of the input matrix. A code that is no whole number
    from 1 to `levels` counts as 0, missing or unseen; `Network` refuses fractions and negative numbers beforehand,
    where its first layer looks codes up.

    spread : standard deviation of the levels at the start, N(0, spread²); 1 is what RealMLP takes, for a width of 8
        (Holzmüller, Grinsztajn, Steinwart, "Better by default", 2024). Row 0 starts at 0, the mean of them all, and
        stays there unless training meets missing values: a level that is new in prediction gets nobody's random start.
    Parameters: E (levels + 1, width), role "embedding". Penalties and decay leave it alone: a level is met once in many
    steps, and would shrink in each of them, so that how much it may say would depend on how rare it is and on the
    batch size.
    """

    def __init__(self, levels: int, width: int, spread: float = 1.0) -> None:
        rule = f"must be a whole number from 1 to {MOST_LEVELS}"
        require_number("levels", levels, rule, lambda n: 1 <= n <= MOST_LEVELS, whole=True)
        require_number("width", width, "must be a whole number of at least 1", lambda n: n >= 1, whole=True)
        require_number("spread", spread, "must be at least 0", lambda s: s >= 0)
        self.levels = int(levels)
        self.units = int(width)
        self.spread = float(spread)

    def shapes(self, p: int) -> dict[str, Block]:
        """E (levels + 1, width). Raises OptionError unless there is one column."""
        if p != 1:
            raise OptionError(
                "takes one column of codes",
                argument="Embedding",
                value=p,
                remedy="Give each category a branch of its own: Columns({name: ([column], [Embedding(…)])}).",
            )
        return {"E": Block((self.levels + 1, self.units), "embedding")}

    def width(self, p: int) -> int:
        """The numbers that a level has."""
        return self.units

    def initialise(self, P: Parameters, X: np.ndarray | None, random: Stream) -> None:
        """Draw the levels; row 0 is 0."""
        P["E"][...] = self.spread * random.normal(self.levels + 1, self.units)
        P["E"][..., 0, :] = 0.0

    def check(self, X: np.ndarray, columns: Sequence[int]) -> None:
        """Raise DataError for codes that are negative or no whole numbers: such a column was not encoded."""
        wrong = (X[:, 0] < 0) | (np.floor(X[:, 0]) != X[:, 0])
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                "must be a category's code, a whole number of at least 0",
                argument="X",
                row=row + 1,
                column=columns[0],
                value=X[row, 0],
                remedy="Levels are counted from 1; 0 is what is missing or was not there in training.",
            )

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, Any]:
        """A = E[c]."""
        C = levels_of(X[..., 0], self.levels)
        return embed(C, P["E"]), C

    def backward(
        self, P: Parameters, cache: Any, dA: Array, input_gradient: bool = True
    ) -> tuple[Array | None, Parameters]:
        """dE, see `embed_backward`. dX is 0: between two codes nothing changes."""
        dX = np.zeros((*dA.shape[:-1], 1), dA.dtype) if input_gradient else None
        return dX, {"E": total(embed_backward(dA, cache, self.levels + 1), P["E"])}

    def describe(self) -> dict[str, Any]:
        """Kind, levels, width, spread."""
        return {"kind": "Embedding", "levels": self.levels, "width": self.units, "spread": self.spread}
