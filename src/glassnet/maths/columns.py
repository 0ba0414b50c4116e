"""Branches over columns of one matrix: what is different about columns is said once, and the chain goes on.

    Columns({"numbers": (range(4), []), "city": ([4], [Embedding(300, 8)])})       (n, 5) -> (n, 4 + 8)

Each branch takes some columns, passes them through its own layers, and the outputs stand side by side in the order of
the branches. A branch without layers hands its columns on as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from glassnet.errors import OptionError
from glassnet.maths.elementary import Array
from glassnet.maths.layers import Block, Draws, Layer, Parameters, layer_from, sizes_of
from glassnet.maths.random import Stream

__all__ = ["INNER_LAYER", "Branch", "Columns", "side_by_side"]

# Number k of the layers inside layer i draws from the stream of layer i + (k + 1) · 2¹⁶: no layer of a chain has it.
INNER_LAYER = 2**16


class Branch(NamedTuple):
    """The columns a branch takes, in its order, and its layers."""

    columns: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def selection(self) -> Any:
        """The columns as an index: a slice where they are neighbours, which copies nothing."""
        first, n = self.columns[0], len(self.columns)
        return slice(first, first + n) if self.columns == tuple(range(first, first + n)) else list(self.columns)

    @property
    def width(self) -> int:
        """Number of its outputs."""
        p = len(self.columns)
        for layer in self.layers:
            p = layer.width(p)
        return p


class _Inner(NamedTuple):
    """A layer inside: its number of inputs, and the names of its parameters here by its own names for them."""

    layer: Layer
    p: int
    names: dict[str, str]


class Columns(Layer):
    """A = [A_1 | A_2 | …], each A_b being the chain of branch b on its columns of X.

    branches : {name: (columns, layers)}, in the order of the outputs. Columns are counted from 0, and several branches
        may take the same; a column that none takes is left out. Raises OptionError for a branch without columns or
        with one twice, for columns that X does not have, and for Columns inside Columns.
    Parameters: those of the layers inside, named "branch.number.name", such as "city.0.E".
    """

    def __init__(self, branches: Mapping[str, tuple[Any, Sequence[Layer]]]) -> None:
        if not isinstance(branches, Mapping) or not branches:
            raise OptionError("must be a dict {name: (columns, layers)}", argument="branches", value=branches)
        self.branches = {name: _branch(name, value) for name, value in branches.items()}
        self._inner = [[*_inner(name, branch)] for name, branch in self.branches.items()]
        self.inside = tuple(layer for branch in self.branches.values() for layer in branch.layers)
        self.draws = any(layer.draws for layer in self.inside)

    def shapes(self, p: int) -> dict[str, Block]:
        """The parameters of all layers inside. Raises OptionError for columns that p inputs do not have."""
        for name, branch in self.branches.items():
            if max(branch.columns) >= p:
                rule = f"must lie from 0 to {p - 1}, as there are {p} inputs"
                raise OptionError(rule, argument=f"columns of branch {name!r}", value=max(branch.columns))
        inner = [part for parts in self._inner for part in parts]
        return {part.names[own]: block for part in inner for own, block in part.layer.shapes(part.p).items()}

    def width(self, p: int) -> int:
        """The widths of all branches together."""
        return sum(branch.width for branch in self.branches.values())

    def initialise(self, P: Parameters, X: np.ndarray | None, random: Stream) -> None:
        """Each layer inside draws from a stream of its own, and sees what comes to it."""
        number = 0
        for branch, inner in zip(self.branches.values(), self._inner, strict=True):
            A = None if X is None else X[..., branch.selection]
            for layer, _, names in inner:
                own = {name: P[here] for name, here in names.items()}
                layer.initialise(own, A, random.at(layer=_stream_layer(random, number)))
                A = None if A is None else layer.forward(own, A, None)[0]
                number += 1

    def check(self, X: np.ndarray, columns: Sequence[int]) -> None:
        """Let the first layer of each branch look at its columns."""
        for branch in self.branches.values():
            if branch.layers:
                branch.layers[0].check(X[:, branch.selection], [columns[c] for c in branch.columns])

    def forward(self, P: Parameters, X: Array, random: Draws | None) -> tuple[Array, Any]:
        """The branches one after the other, and their outputs side by side."""
        parts, caches, number = [], [], 0
        for branch, inner in zip(self.branches.values(), self._inner, strict=True):
            A, kept = X[..., branch.selection], []
            for layer, _, names in inner:
                draws = _draws(random, number) if layer.draws else None
                A, cache = layer.forward({name: P[here] for name, here in names.items()}, A, draws)
                kept.append(cache)
                number += 1
            parts.append(A)
            caches.append(kept)
        return side_by_side(parts), (X.shape[-1], caches)

    def backward(
        self, P: Parameters, cache: Any, dA: Array, input_gradient: bool = True
    ) -> tuple[Array | None, Parameters]:
        """Each branch takes its part of dA back through its layers; a column of dX adds up what its branches say."""
        p, caches = cache
        dX = np.zeros((*dA.shape[:-1], p), dA.dtype) if input_gradient else None
        dP: Parameters = {}
        first = 0
        for branch, inner, kept in zip(self.branches.values(), self._inner, caches, strict=True):
            d: Any = dA[..., first : first + branch.width]
            first += branch.width
            for place in range(len(inner) - 1, -1, -1):
                layer, _, names = inner[place]
                own = {name: P[here] for name, here in names.items()}
                d, found = layer.backward(own, kept[place], d, input_gradient=input_gradient or place > 0)
                dP |= {names[name]: value for name, value in found.items()}
            if dX is not None:
                dX[..., branch.selection] += d
        return dX, dP

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Columns as they are keep their names; other outputs are numbered, from 1, behind the column's or branch's."""
        found: list[str] = []
        for name, branch in self.branches.items():
            own = [inputs[column] for column in branch.columns]
            stem = own[0] if len(own) == 1 else name
            found += [f"{stem} {unit + 1}" for unit in range(branch.width)] if branch.layers else own
        return found

    def describe(self) -> dict[str, Any]:
        """Kind and branches: of each its columns, and its layers with their sizes."""
        return {
            "kind": "Columns",
            "branches": {
                name: {
                    "columns": list(branch.columns),
                    "layers": [{**layer.describe(), **sizes_of(layer, p)} for layer, p, _ in inner],
                }
                for (name, branch), inner in zip(self.branches.items(), self._inner, strict=True)
            },
        }

    @classmethod
    def described(cls, options: dict[str, Any]) -> Columns:
        """Make the branches again from their descriptions."""
        branches = options["branches"]
        return cls({name: (b["columns"], [layer_from(d) for d in b["layers"]]) for name, b in branches.items()})

    def brief(self) -> str:
        """Branches with their layers, or how many columns they hand on."""
        parts = []
        for name, branch in self.branches.items():
            what = ", ".join(layer.brief() for layer in branch.layers) or f"{len(branch.columns)} as they are"
            parts.append(f"{name}: {what}")
        return f"Columns ({'; '.join(parts)})"


def _branch(name: Any, value: Any) -> Branch:
    """A branch as it was given, checked."""
    where = f"branch {name!r}"
    if not isinstance(name, str):
        raise OptionError("must have a name that is text", argument="branch", value=name)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise OptionError("must be (columns, layers)", argument=where, value=value)
    columns, layers = list(np.atleast_1d(np.asarray(value[0], object))), tuple(value[1])
    whole = all(isinstance(c, (int, np.integer)) and not isinstance(c, bool) and c >= 0 for c in columns)
    if not columns or not whole or len(set(columns)) < len(columns):
        rule = "must be different whole numbers of at least 0, one or more"
        raise OptionError(rule, argument=f"columns of {where}", value=value[0])
    if not all(isinstance(layer, Layer) and not isinstance(layer, Columns) for layer in layers):
        rule = "must be layers, and none of them Columns again"
        raise OptionError(rule, argument=f"layers of {where}", value=layers)
    return Branch(tuple(int(c) for c in columns), layers)


def _inner(name: str, branch: Branch) -> list[_Inner]:
    """The layers of a branch, with what stands before each."""
    found, p = [], len(branch.columns)
    for number, layer in enumerate(branch.layers):
        found.append(_Inner(layer, p, {own: f"{name}.{number}.{own}" for own in layer.shapes(p)}))
        p = layer.width(p)
    return found


def _stream_layer(stream: Stream, number: int) -> int:
    return stream.layer + (number + 1) * INNER_LAYER


def _draws(random: Draws | None, number: int) -> Draws | None:
    """What layer `number` of those inside may draw."""
    if random is None:
        return None
    return Draws(random.stream.at(layer=_stream_layer(random.stream, number)), random.dropout)


def side_by_side(parts: list[Array]) -> Array:
    """The outputs joined along units; one that all members share is repeated for each."""
    if len(parts) == 1:
        return parts[0]
    rows = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return np.concatenate([np.broadcast_to(part, (*rows, part.shape[-1])) for part in parts], axis=-1)
