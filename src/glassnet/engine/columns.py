"""Columns with embeddings at the head of a network: what their operations read and write, in rows of the arena.

First every column of codes becomes a row of levels; then the outputs are written, branch by branch. In this order the
outputs may take the place of the inputs, which spares plain columns a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from glassnet.maths.columns import Branch, Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Layer

__all__ = ["operations_of_columns", "place_in_inputs", "plain_in_front", "unsupported_columns"]


def unsupported_columns(layers: list[Layer]) -> str | None:
    """Why the engine cannot run the columns or embeddings of a network, or None when it can.

    It has them at the head of the chain alone, and in a branch nothing but one embedding.
    """
    for i, layer in enumerate(layers):
        if type(layer) is Embedding or (type(layer) is Columns and i > 0):
            return f"{type(layer).__name__} stands elsewhere than in the first place, or in a branch of Columns there"
        for name, branch in layer.branches.items() if type(layer) is Columns else ():
            if branch.layers and [type(inner) for inner in branch.layers] != [Embedding]:
                return f"the branch {name!r} of Columns holds more than an Embedding"
    return None


def place_in_inputs(layer: Columns, p: int) -> int | None:
    """Which of the p inputs the outputs may begin at, so that plain columns are read where they are; None if at none.

    Plain columns must be the first branch alone, and neighbours. The other outputs then overwrite the inputs above
    them, whose codes are levels by then; the row of ones must stand above them all, as they are gathered anew with each
    chunk.
    """
    first, *others = layer.branches.values()
    if first.layers or not all(branch.layers for branch in others) or not isinstance(first.selection, slice):
        return None
    return first.columns[0] if first.columns[0] + layer.width(p) >= p else None


def plain_in_front(layer: Columns) -> int:
    """How many outputs stand before the first of an embedding: nothing below them learns."""
    return sum(branch.width for branch in takewhile(lambda branch: not branch.layers, layer.branches.values()))


def operations_of_columns(
    layer: Columns, inputs: int, levels: int, output: int, gradient: int, params: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, int]]]:
    """The kind and the fields of each operation, in order; the arguments are first rows.

    levels : of a row for each embedding.   params : offsets of the tables E by the names they have in `Columns`.
    """
    rows: dict[str, int] = {}
    for name, branch in layer.branches.items():
        if branch.layers:
            rows[name] = levels + len(rows)
            yield "codes", {"x": inputs + branch.columns[0], "a": rows[name], "n_in": _embedding(branch).levels}
    unit = 0
    for name, branch in layer.branches.items():
        if name in rows:
            sizes = {"n_in": _embedding(branch).levels, "n_out": branch.width, "params": params[f"{name}.0.E"]}
            places = {"x": rows[name], "a": output + unit, "da": gradient + unit}
            yield "embedding", {"is_embedding": 1, **sizes, **places}
        else:
            for first, n in _neighbours(branch.columns):
                x, a = inputs + branch.columns[first], output + unit + first
                if x != a:  # else they stand there already
                    yield "copy", {"x": x, "a": a, "n_out": n}
        unit += branch.width


def _embedding(branch: Branch) -> Any:
    return branch.layers[0]


def _neighbours(columns: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Runs of columns that follow each other: the place of the first one, and their number."""
    first = 0
    for last in range(1, len(columns) + 1):
        if last == len(columns) or columns[last] != columns[last - 1] + 1:
            yield first, last - first
            first = last
