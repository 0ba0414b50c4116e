"""The plan: a network's layers as a table of operations, with a place for every array in one arena.

All arrays of the arena are (units, stride): one sample a column, `chunk` samples at a time. A buffer of activations
has one row more than it has units, all ones, by which the next dense layer's bias is a row of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.catalogue import ELEMENTWISE, SHARED_KERNELS, kernel_name, narrow_spelling
from glassnet.engine.columns import operations_of_columns, place_in_inputs, plain_in_front, unsupported_columns
from glassnet.engine.threads import WORTH_A_THREAD
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.activations import Activation as ActivationFunction
from glassnet.maths.columns import Columns
from glassnet.maths.layers import Activation, Dense, Dropout, Layer, LayerNorm
from glassnet.maths.losses import Elementwise, Loss, Quantile, SoftmaxCrossEntropy
from glassnet.maths.optimisers import OPTIMISERS, Optimiser
from glassnet.network import Network

__all__ = ["Operation", "Plan", "plan_of", "unsupported"]

ARENA_BYTES = 2**20  # of one chunk; smaller ones, down to the first-level cache, were no faster
FEWEST_COLUMNS = 256  # of a chunk, however wide the network
MOST_SLICES, SLICE_COLUMNS = 8, 64  # most slices of a chunk, and fewest columns of a slice
CACHE_LINE = 64
NARROW_PARAMS = 40  # most parameters of a network that is one kernel; with 60 it was no faster than its layers


@dataclass
class Operation:
    """One row of the table: kernels by name, and the fields of `records.OPERATION` by name, offsets in rows so far."""

    kernels: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class Plan:
    """What a program is made of.

    widths : of the inputs and of each layer's outputs.   n_params : length of the flat vector.
    operations : in the order of the forward pass.   loss : the one at the end.
    kernels : names of all kernels, those of `operations` apart: gather, output, train, predict, update.
    rows : rows of (stride) numbers that the arena has.   ones : rows that hold ones.
    places : offsets, in rows, of "inputs", "targets", "counts", "losses" and "outputs".
    chunk, stride : samples a chunk holds, and columns a buffer has.
    resident : whether inputs and targets have a place for every chunk of a batch, and stay there.
    n_slices : parts of a chunk that threads share out in training; 1: they share out columns and parameters instead.
    """

    dtype: np.dtype
    widths: list[int]
    n_params: int
    chunk: int
    stride: int
    operations: list[Operation]
    loss: Operation
    kernels: dict[str, str]
    rows: int
    ones: list[int]
    places: dict[str, int]
    options: np.ndarray | None
    n_targets: int
    resident: bool
    n_slices: int


def unsupported(network: Network, optimiser: Optimiser | None = None) -> str | None:
    """Why the engine cannot run a network: what in it is the user's own, or rare; None when it can."""
    reason = unsupported_columns(network.layers) or _unsupported_layers(network.layers)
    if reason is not None:
        return reason
    loss = network.loss
    if type(loss) not in (Elementwise, SoftmaxCrossEntropy, Quantile) or loss.custom:
        return f"the loss {loss.name!r} is not one of glassnet's"
    if optimiser is not None and type(optimiser) is not OPTIMISERS.get(optimiser.name):
        return f"the optimiser {type(optimiser).__name__} is not one of glassnet's"
    if network.dtype not in (np.float32, np.float64):
        return f"numbers are {network.dtype}"
    return None


def _unsupported_layers(layers: list[Layer]) -> str | None:
    for layer in layers:
        if type(layer) not in (Dense, Activation, Dropout, LayerNorm, Columns):
            return f"the layer {type(layer).__name__} is not one of glassnet's"
        activation = getattr(layer, "activation", None)
        if activation is not None and ACTIVATIONS.get(activation.name) != activation:
            return f"the activation {activation.name!r} is not one of glassnet's"
    return None


class _Rows:
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


def plan_of(
    network: Network,
    batch_size: int,
    optimiser: Optimiser | None = None,
    *,
    clipped: bool = False,
    resident: bool = False,
) -> Plan:
    """Lay out a network for batches (or predictions) of so many rows at most.

    optimiser : of the training steps; None for predictions alone.   clipped : whether gradients are.
    resident : keep the inputs and targets of a whole batch in the arena, since every step takes the same.
    """
    dtype, rows = network.dtype, _Rows()
    lay_out = _Layout(network, rows, training=optimiser is not None)
    for i, layer in enumerate(network.layers):
        lay_out.add(i, layer)
    n_outputs, n_targets = network.n_outputs, _n_targets(network.loss, network.n_outputs)
    loss = lay_out.loss(network.loss)
    places = {
        "inputs": lay_out.inputs,
        "targets": rows.take(n_targets),
        "counts": rows.take(2),
        "losses": rows.take(1),
        "outputs": rows.take(n_outputs),
    }
    output = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "multilabel": "sigmoid", "poisson": "exp"}
    kernels = {
        **{name: kernel_name(name, dtype) for name in SHARED_KERNELS},
        "gather": kernel_name("gather", dtype),
        "random_words": kernel_name("random_words", np.uint64),
        "loss": loss.kernels["forward"],
        "output": kernel_name("output", dtype, output.get(network.loss.name, "identity")),
        "predict": kernel_name("predict", dtype),
    }
    if clipped:
        kernels["clip"] = kernel_name("clip", dtype)
    if optimiser is not None:
        kernels["train"] = kernel_name("train", dtype)
        kernels["update"] = kernel_name("update", dtype, "adam" if optimiser.name == "adamw" else optimiser.name)
    chunk, stride = _columns(rows.n, batch_size, dtype)
    resident = resident and lay_out.operations[0].fields.get("is_dense", 0) == 1
    if resident:  # a place for each chunk, one after the other
        n_chunks = -(-batch_size // chunk)
        places["inputs"] = lay_out.operations[0].fields["x"] = rows.take(0)
        for _ in range(n_chunks):
            rows.take(network.n_features, ones_below=True)
        places["targets"] = rows.take(n_targets * n_chunks)
        lay_out.operations[0].fields["x_step"] = network.n_features + 1
    n_slices = _slices(network, lay_out.operations, min(chunk, batch_size))
    if optimiser is not None and n_slices > 1:
        kernels["add_slices"] = kernel_name("add_slices", dtype)
    if optimiser is not None and resident and (spelling := _narrow(network, loss_name(network.loss), batch_size)):
        kernels["narrow"] = kernel_name("narrow", dtype, spelling)
    options = _options(network.loss, n_outputs)
    return Plan(
        dtype,
        list(network.widths),
        network.params.size,
        chunk,
        stride,
        lay_out.operations,
        loss,
        kernels,
        rows.n,
        rows.ones,
        places,
        options,
        n_targets,
        resident,
        n_slices,
    )


class _Layout:
    """Turns layers into operations, one after the other; `value` and `gradient` are where the last ones left theirs."""

    def __init__(self, network: Network, rows: _Rows, training: bool) -> None:
        self.network, self.rows, self.dtype, self.training = network, rows, network.dtype, training
        self.operations: list[Operation] = []
        self.width = network.n_features
        self.inputs = self.value = rows.take(self.width, ones_below=not isinstance(network.layers[0], Columns))
        self.gradient = -1  # nobody asks for the gradient of the inputs,
        self.unasked = 0  # nor for that of so many of the last values, the first ones
        self.first = network.blocks[0].layer if network.blocks else len(network.layers)  # with parameters

    def add(self, i: int, layer: Layer) -> None:
        """The operations of layer i."""
        if isinstance(layer, Dense):
            self._dense(i, layer.units)
            self._activation(i, layer.activation)
        elif isinstance(layer, Activation):
            self._activation(i, layer.activation)
        elif isinstance(layer, Dropout):
            self._dropout(i, layer)
        elif isinstance(layer, LayerNorm):
            self._layer_norm(i, layer)
        elif isinstance(layer, Columns):
            self._columns(i, layer)

    def _operation(self, i: int, kind: str, formula: str, passes: tuple[str, ...], **fields: int | float) -> None:
        """One row of the table, from the last value to a new one."""
        if i < self.first or not self.training:  # nothing below learns, or nothing at all
            passes = ("forward",)
        kernels = {name: kernel_name(f"{kind}_{name}", self.dtype, formula) for name in passes}
        self.operations.append(Operation(kernels, {"layer": i, "x": self.value, **fields}))
        self.value = int(fields["a"])

    def _dense(self, i: int, n_out: int) -> None:
        lanes = machine.lanes(self.dtype)
        dx, below = self.gradient, i > self.first
        self.gradient = self._gradient_rows(n_out)
        wide = -(-n_out // lanes) * lanes if self.training and _is_wide(n_out, lanes) else 0
        self._operation(
            i,
            "dense",
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
        self.gradient = self._gradient_rows(n_out) if layer.inside else -1
        levels, gradient = self.rows.take(len(layer.inside)), max(self.gradient, 0)
        blocks = [block for block in self.network.blocks if block.layer == i]
        params = {block.name.removeprefix(f"{i}."): block.offset for block in blocks}
        for kind, fields in operations_of_columns(layer, self.inputs, levels, output, gradient, params):
            passes = ("forward", "gradient") if kind == "embedding" else ("forward",)
            self._operation(i, kind, "", passes, **fields)
        self.value, self.width, self.unasked = output, n_out, plain_in_front(layer)

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


def _is_wide(n_out: int, lanes: int) -> bool:
    """Whether the gradient of a dense layer is summed with vectors along its outputs.

    Else they run along samples: right for a handful of units, where most lanes of the former would be empty.
    """
    return n_out > lanes // 2


def _slices(network: Network, operations: list[Operation], n_columns: int) -> int:
    """Parts that a chunk is cut into, each with a gradient of its own, added up in their order.

    A thread then reads nothing that another has written but gradients. Where these hold more numbers than the arrays
    they are made of, threads read each other's arrays instead, and share out the parameters; a small step is one
    thread's work anyway. On two cores 32-128-64-10, batch 256, runs 1.6 to 1.8 times as fast with two threads in
    slices, and 1.2 to 1.4 times without.
    """
    if 3 * network.multiplications * n_columns < WORTH_A_THREAD:
        return 1
    n_slices = max(1, min(MOST_SLICES, n_columns // SLICE_COLUMNS))
    dense = [operation.fields for operation in operations if operation.fields.get("is_dense")]
    read = n_columns * sum(fields["n_in"] + fields["n_out"] for fields in dense)
    return n_slices if n_slices * network.params.size <= read else 1


def _narrow(network: Network, loss: str, n_rows: int) -> str | None:
    """The spelling of the kernel that takes a whole narrow network at once, where there is one; see `narrow`.

    It is made for one network, so only where each step takes all rows of a small table, as in the article's example:
    there it is 1.5 times as fast, and one thread does the work anyway.
    """
    plain = all(isinstance(layer, Dense) for layer in network.layers)
    without_option = loss == "cross_entropy" or (loss in ELEMENTWISE and not ELEMENTWISE[loss][2])
    small = 3 * network.multiplications * n_rows < WORTH_A_THREAD and network.params.size <= NARROW_PARAMS
    if not (plain and without_option and small):
        return None
    activations = [layer.activation.name for layer in network.layers if isinstance(layer, Dense)]
    return narrow_spelling(list(network.widths), activations, loss)


def loss_name(loss: Loss) -> str:
    """The loss whose formulas a kernel takes."""
    return "binary_cross_entropy" if loss.name == "multilabel" else loss.name


def _n_targets(loss: Loss, n_outputs: int) -> int:
    return 1 if isinstance(loss, Quantile) else n_outputs


def _options(loss: Loss, n_outputs: int) -> np.ndarray | None:
    """The third argument of the loss's formulas, one for each output."""
    if isinstance(loss, Quantile):
        return np.asarray(loss.quantiles, np.float64)
    delta = getattr(loss, "options", {}).get("delta")
    return None if delta is None else np.full(n_outputs, float(delta))


def _columns(n_rows: int, batch_size: int, dtype: np.dtype) -> tuple[int, int]:
    """Samples a chunk holds and columns a buffer has.

    A buffer's rows begin at different places of a cache: were they a power of two apart, they would displace each
    other.
    """
    block, size = machine.block(dtype), dtype.itemsize
    fits = ARENA_BYTES // (n_rows * size) // block * block
    chunk = min(-(-max(batch_size, 1) // block) * block, max(FEWEST_COLUMNS, fits))
    line = CACHE_LINE // size
    even = (chunk // line) % 2 == 0
    return chunk, chunk + (line if even and chunk >= 8 * line else 0)
