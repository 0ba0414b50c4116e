"""Columns at the head of a network, with categories and numbers apart: what their operations read and write.

All places are rows of the arena. First whatever reads columns through layers does so: codes become levels, numbers
their shares in bins. Then the outputs are written, branch by branch. In this order the outputs may take the place of
the inputs, which spares plain columns a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, takewhile
from typing import Any

import numpy as np

from glassnet.maths.columns import Branch, Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Dense, Layer
from glassnet.maths.numbers import PiecewiseLinear

__all__ = ["PASSES", "operations_of_columns", "place_in_inputs", "plain_in_front", "unsupported_columns"]

PASSES = {  # that each kind of operation has a kernel for, of those that are taken here
    "activation": ("forward", "backward"),
    "bins": ("forward",),
    "codes": ("forward",),
    "copy": ("forward",),
    "dense": ("forward", "backward", "gradient"),
    "embedding": ("forward", "gradient"),
}

BRANCHES: list[list[type[Layer]]] = [[], [Embedding], [PiecewiseLinear], [PiecewiseLinear, Dense]]

Step = tuple[str, str, dict[str, Any]]  # kind, formula and fields of an operation


def unsupported_columns(layers: list[Layer]) -> str | None:
    """Why the engine cannot run the columns, embeddings or bins of a network, or None when it can.

    It has them at the head of the chain alone, and in a branch nothing but one embedding, or bins and at most a dense
    layer behind them.
    """
    for i, layer in enumerate(layers):
        if type(layer) in (Embedding, PiecewiseLinear) or (type(layer) is Columns and i > 0):
            return f"{type(layer).__name__} stands elsewhere than in the first place, or in a branch of Columns there"
        for name, branch in layer.branches.items() if type(layer) is Columns else ():
            if [type(inner) for inner in branch.layers] not in BRANCHES:
                return f"the branch {name!r} of Columns holds more than an Embedding, or PiecewiseLinear and Dense"
    return None


def place_in_inputs(layer: Columns, p: int) -> int | None:
    """Which of the p inputs the outputs may begin at, so that plain columns are read where they are; None if at none.

    Plain columns must be the first branch alone, and neighbours. The other outputs then overwrite the inputs above
    them, which have been read by then, unless bins themselves are outputs; the row of ones must stand above them all,
    as they are gathered anew with each chunk.
    """
    first, *others = layer.branches.values()
    read = all(branch.layers and not _is_bare(branch) for branch in others)
    if first.layers or not read or not isinstance(first.selection, slice):
        return None
    return first.columns[0] if first.columns[0] + layer.width(p) >= p else None


def plain_in_front(layer: Columns) -> int:
    """How many outputs stand before the first that is learned: nothing below them learns."""
    fixed = takewhile(lambda branch: not branch.layers or _is_bare(branch), layer.branches.values())
    return sum(branch.width for branch in fixed)


def operations_of_columns(
    layer: Columns,
    inputs: int,
    take: Callable[..., int],
    output: int,
    gradient: int,
    params: Mapping[str, int],
    n_wide: Callable[[int], int],
    dtype: np.dtype,
) -> Iterator[Step]:
    """The operations, in order; `inputs`, `output` and `gradient` are first rows.

    take : hands out rows, see `layout.Rows`.   params : offsets of parameters by the names they have in `Columns`.
    n_wide : of a dense layer's outputs, how many columns its gradient has when a sample is a row.
    """
    branches = layer.branches
    units = dict(zip(branches, accumulate((b.width for b in branches.values()), initial=0), strict=False))
    rows: dict[str, int] = {}
    for name, branch in branches.items():
        x, first = inputs + branch.columns[0], branch.layers[0] if branch.layers else None
        if isinstance(first, Embedding):
            rows[name] = take(1)
            yield "codes", "", {"x": x, "a": rows[name], "n_in": first.levels}
        elif isinstance(first, PiecewiseLinear):
            n = first.width(1)
            rows[name] = output + units[name] if _is_bare(branch) else take(n, ones_below=True)
            yield "bins", "", {"x": x, "a": rows[name], "n_out": n, "options": first.table(dtype)}
    for name, branch in branches.items():
        places = {"x": rows.get(name, 0), "a": output + units[name], "da": gradient + units[name]}
        last = branch.layers[-1] if branch.layers else None
        if isinstance(last, Embedding):
            sizes = {"n_in": last.levels, "n_out": branch.width, "params": params[f"{name}.0.E"]}
            yield "embedding", "", {"is_embedding": 1, **sizes, **places}
        elif isinstance(last, Dense):
            yield from _dense(last, branch.layers[0].width(1), places, params[f"{name}.1.W"], take, n_wide(last.units))
        elif not branch.layers:
            yield from _copies(branch, inputs, output + units[name])


def _is_bare(branch: Branch) -> bool:
    """Whether a branch is bins alone, which are outputs then."""
    return len(branch.layers) == 1 and isinstance(branch.layers[0], PiecewiseLinear)


def _dense(
    layer: Dense, n_in: int, places: dict[str, int], params: int, take: Callable[..., int], wide: int
) -> Iterator[Step]:
    """A dense layer within a branch, and its activation; nobody asks for the gradient of what comes to it."""
    n_out, activation, z = layer.units, layer.activation, places["a"]
    plain = activation.name == "identity"
    if not plain and not activation.slope_of_output:  # then scores are asked for again, and outputs lie elsewhere
        z = take(n_out)
    sizes = {"n_in": n_in, "n_out": n_out, "params": params, "n_wide": wide, "input_gradient": 0, "dx": 0}
    yield "dense", "", {"is_dense": 1, **sizes, **places, "a": z, "da_rows": take(wide)}
    if not plain:
        yield "activation", activation.name, {"n_in": n_out, "n_out": n_out, "dx": places["da"], **places, "x": z}


def _copies(branch: Branch, inputs: int, output: int) -> Iterator[Step]:
    """Columns as they are, where they do not stand there already."""
    for first, n in _neighbours(branch.columns):
        x, a = inputs + branch.columns[first], output + first
        if x != a:
            yield "copy", "", {"x": x, "a": a, "n_out": n}


def _neighbours(columns: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Runs of columns that follow each other: the place of the first one, and their number."""
    first = 0
    for last in range(1, len(columns) + 1):
        if last == len(columns) or columns[last] != columns[last - 1] + 1:
            yield first, last - first
            first = last
