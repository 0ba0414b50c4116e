"""Columns of numbers written together: a table of few rows costs as many calls as one column of it.

Each call of NumPy takes about a microsecond before it does anything. Column by column, a row of twenty numbers came to
200 µs, three times what the network then took; together it is 15 µs. Columns of many rows are written one by one, so
that what is in work stays in the processor's cache. Both ways go through `kinds.scaled`, entry by entry, and agree in
every bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.tables.families import Column
from glassnet.tables.kinds import Kind, Number
from glassnet.tables.number import scaled
from glassnet.tables.texts import FEW_ROWS

__all__ = ["Numbers"]


@dataclass(frozen=True)
class Numbers:
    """The columns of numbers among the columns of a table, their constants as matrices (m, 1).

    places : of the m columns in the table.
    written, into : which of them vary, and their columns of the encoder's matrix.
    flagged, flags : which of them had missing values in fit, and the columns of those indicators.
    """

    places: list[int]
    exponent: np.ndarray | int
    centre: np.ndarray
    scale: np.ndarray
    fill: np.ndarray
    written: np.ndarray
    into: np.ndarray
    flagged: np.ndarray
    flags: np.ndarray

    @classmethod
    def of(cls, kinds: Sequence[Kind], starts: Sequence[int]) -> Numbers | None:
        """Those among `kinds`, the matrix columns of each beginning at `starts`.

        None when there are none, or when they are not all scaled by a linear function.
        """
        found = [(place, kind, starts[place]) for place, kind in enumerate(kinds) if isinstance(kind, Number)]
        if not found or not all(kind.is_linear for _, kind, _ in found):
            return None
        places = [place for place, _, _ in found]

        def constants(name: str) -> np.ndarray:
            return np.array([[getattr(kind, name)] for _, kind, _ in found])

        exponent = constants("exponent")
        return cls(
            places,
            exponent if exponent.any() else 0,
            constants("centre"),
            constants("scale"),
            constants("fill"),
            np.flatnonzero([kind.varies for _, kind, _ in found]),
            np.array([start for _, kind, start in found if kind.varies], np.int64),
            np.flatnonzero([kind.missing for _, kind, _ in found]),
            np.array([start + kind.varies for _, kind, start in found if kind.missing], np.int64),
        )

    def write(self, columns: Sequence[Column], matrix: np.ndarray) -> bool:
        """Fill their columns of the encoder's matrix, and return True.

        Returns False, with nothing written, for many rows and for values that the columns must look at one by one: of
        another family, or infinite.
        """
        mine = [columns[place] for place in self.places]
        if len(matrix) > FEW_ROWS or any(values.dtype.kind not in "fiu" for values in mine):
            return False
        x = np.array(mine, np.float64)
        finite = np.isfinite(x)
        absent = None if finite.all() else np.isnan(x)
        if absent is not None and not (finite | absent).all():
            return False
        z = scaled(x, self.exponent, self.centre, self.scale, self.fill, absent)
        matrix[:, self.into] = z[self.written].T
        if len(self.flags):
            matrix[:, self.flags] = False if absent is None else absent[self.flagged].T
        return True
