"""Layers as operations: a place for everything an operation reads and writes, in rows of the arena.

All arrays of the arena are (units, stride): one sample a column, `chunk` samples at a time. A buffer of activations
has one row more than it has units, all ones, by which the next dense layer's bias is a row of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from glassnet.engine import machine
from glassnet.engine.catalogue import kernel_name
from glassnet.engine.columns import PASSES, operations_of_columns, place_in_inputs, plain_in_front
from glassnet.maths.activations import Activation as ActivationFunction
from glassnet.maths.columns import Columns
from glassnet.maths.layers import Activation, Dense, Dropout, Layer, LayerNorm
from glassnet.maths.losses import Loss
from glassnet.maths.members import EnsembleDense
from glassnet.network import Network

__all__ = ["Layout", "Operation", "Rows", "loss_name"]


@dataclass
class Operation:
    """One row of the table: kernels by name, and the fields of `records.OPERATION` by name, offsets in rows so far."""

    kernels: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)


class Rows:
    """Hands out rows of the arena one after the other."""

    def __init__(self) -> None:
        self.n = 0
        self.ones: list[int] = []

    def take(self, n: int, ones_below: bool = False) -> int:
        """The first of n rows; with a row of ones below them if asked."""
        first, self.n = self.n, self.n + n + ones_below
        if ones_below:
            self.ones.append(first + n)
        return first


class Layout:
    """Turns layers into operations, one after the other; `value` and `gradient` are where the last ones left theirs."""

    def __init__(self, network: Network, rows: Rows, training: bool) -> None:
        self.network, self.rows, self.dtype, self.training = network, rows, network.dtype, training
        self.operations: list[Operation] = []
        self.width = network.n_features
        self.inputs = self.value = rows.take(self.width, ones_below=not isinstance(network.layers[0], Columns))
        self.gradient = -1  # nobody asks for the gradient of the inputs,
        self.unasked = 0  # nor for that of so many of the last values, the first ones
        self.written_out = self.unfolding = 0  # numbers that an ensemble's members need of a thread's memory
        self.first = network.blocks[0].layer if network.blocks else len(network.layers)  # with parameters

    def add(self, i: int, layer: Layer) -> None:
        """The operations of layer i."""
        if isinstance(layer, Dense):
            self._dense(i, "dense", layer.units)
            self._activation(i, layer.activation)
        elif isinstance(layer, EnsembleDense):
            place, self.written_out = self.written_out, self.written_out + (self.width + 1) * layer.units
            self.unfolding = max(self.unfolding, unfolding_size(self.width, layer.units, self.dtype))
            self._dense(i, "ensemble", layer.units, shares=int(layer.shared), written_out=place)
            self._activation(i, layer.activation)
        elif isinstance(layer, Activation):
            self._activation(i, layer.activation)
        elif isinstance(layer, Dropout):
            self._dropout(i, layer)
        elif isinstance(layer, LayerNorm):
            self._layer_norm(i, layer)
        elif isinstance(layer, Columns):
            self._columns(i, layer)

    def _operation(self, i: int, kind: str, formula: str, passes: tuple[str, ...], **fields: Any) -> None:
        """One row of the table, from the last value to a new one."""
        if i < self.first or not self.training:  # nothing below learns, or nothing at all
            passes = ("forward",)
        kernels = {name: kernel_name(f"{kind}_{name}", self.dtype, formula) for name in passes}
        self.operations.append(Operation(kernels, {"layer": i, "x": self.value, **fields}))
        self.value = int(fields["a"])

    def _dense(self, i: int, kind: str, n_out: int, **fields: int) -> None:
        dx, below = self.gradient, i > self.first
        self.gradient = self._gradient_rows(n_out)
        wide = self._n_wide(n_out)
        self._operation(
            i,
            kind,
            "",
            ("forward", "backward", "gradient"),
            is_dense=1,
            n_in=self.width,
            n_out=n_out,
            a=self.rows.take(n_out, ones_below=True),
            da=self.gradient,
            dx=max(dx, 0),
            da_rows=self.rows.take(wide),
            n_wide=wide,
            params=self._offset(i),
            input_gradient=self.width - self.unasked if below else 0,
            **fields,
        )
        self.width, self.unasked = n_out, 0

    def _activation(self, i: int, activation: ActivationFunction) -> None:
        if activation.name == "identity":
            return
        after_dense = bool(self.operations) and self.operations[-1].fields.get("is_dense", 0) == 1
        self._in_place(i, "activation", activation.name, over=after_dense and activation.slope_of_output)

    def _dropout(self, i: int, layer: Dropout) -> None:
        self._in_place(i, "dropout", "", option=layer.rate, kept=self.rows.take(self.width))

    def _in_place(self, i: int, kind: str, formula: str, over: bool = False, **fields: int | float) -> None:
        """An operation on each entry, whose gradient overwrites the one that comes to it.

        over : whether its outputs overwrite the scores, which nobody asks for again.
        """
        place = max(self.gradient, 0)
        a = self.value if over else self.rows.take(self.width, ones_below=True)
        passes = ("forward", "backward") if self.gradient >= 0 else ("forward",)
        self._operation(i, kind, formula, passes, n_in=self.width, n_out=self.width, a=a, da=place, dx=place, **fields)

    def _layer_norm(self, i: int, layer: LayerNorm) -> None:
        dx, below = self.gradient, i > self.first
        self.gradient = self._gradient_rows(self.width)
        self._operation(
            i,
            "layer_norm",
            "",
            ("forward", "backward", "gradient"),
            n_in=self.width,
            n_out=self.width,
            a=self.rows.take(self.width, ones_below=True),
            kept=self.rows.take(self.width + 3, ones_below=True),
            da=self.gradient,
            dx=max(dx, 0),
            params=self._offset(i),
            option=layer.epsilon,
            input_gradient=self.width if below else 0,  # of each, as the means are over all of them
        )
        self.unasked = 0

    def _columns(self, i: int, layer: Columns) -> None:
        n_out, place = layer.width(self.width), place_in_inputs(layer, self.width)
        if place is None:
            output = self.rows.take(n_out, ones_below=True)
        else:  # on top of the inputs, and so far above them as there are more
            output = self.inputs + place
            self.rows.take(place + n_out - self.width, ones_below=True)
        blocks = [block for block in self.network.blocks if block.layer == i]
        self.gradient = self._gradient_rows(n_out) if blocks else -1
        params = {block.name.removeprefix(f"{i}."): block.offset for block in blocks}
        places = (self.inputs, self.rows.take, output, max(self.gradient, 0), params)
        for kind, formula, fields in operations_of_columns(layer, *places, self._n_wide, self.dtype):
            self._operation(i, kind, formula, PASSES[kind], **fields)
        self.value, self.width, self.unasked = output, n_out, plain_in_front(layer)

    def _n_wide(self, n_out: int) -> int:
        """Columns of a dense layer's gradient with a sample a row, whole vectors; 0 where it is not needed."""
        lanes = machine.lanes(self.dtype)
        return -(-n_out // lanes) * lanes if self.training and _is_wide(n_out, lanes) else 0

    def _gradient_rows(self, n: int) -> int:
        """Rows for a gradient; in a plan of predictions there are none, and nothing asks where they are."""
        return self.rows.take(n if self.training else 0)

    def _offset(self, i: int) -> int:
        return next(block.offset for block in self.network.blocks if block.layer == i)

    def loss(self, loss: Loss) -> Operation:
        """The operation at the end: from scores to losses and their gradient."""
        name = loss_name(loss)
        gradient = self.gradient if self.training and self.gradient >= 0 else self.rows.take(self.width)
        fields = {"n_out": self.width, "x": self.value, "dx": gradient, "kept": self.rows.take(3)}
        return Operation({"forward": kernel_name("loss", self.dtype, name)}, fields)


def unfolding_size(n_in: int, n_out: int, dtype: Any) -> int:
    """Numbers that an ensemble's gradient is worked out in: [dV; db], then dV ⊙ W and a row of s, in whole blocks."""
    block = machine.block(dtype)
    return _padded((n_in + 1) * n_out, block) + (n_in + 1) * _padded(n_out, block)


def _padded(n: int, block: int) -> int:
    return -(-n // block) * block


def _is_wide(n_out: int, lanes: int) -> bool:
    """Whether the gradient of a dense layer is summed with vectors along its outputs.

    Else they run along samples: right for a handful of units, where most lanes of the former would be empty.
    """
    return n_out > lanes // 2


def loss_name(loss: Loss) -> str:
    """The loss whose formulas a kernel takes."""
    return "binary_cross_entropy" if loss.name == "multilabel" else loss.name
