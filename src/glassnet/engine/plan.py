"""The plan: a network's layers as a table of operations, with a place for every array in one arena.

`layout` lays the layers out; here is what concerns a whole step: chunks, slices, and the kernels that all share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassnet.engine import machine
from glassnet.engine.catalogue import ELEMENTWISE, SHARED_KERNELS, kernel_name, narrow_spelling
from glassnet.engine.columns import unsupported_columns
from glassnet.engine.layout import Layout, Operation, Rows, loss_name
from glassnet.engine.threads import WORTH_A_THREAD
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.columns import Columns
from glassnet.maths.layers import Activation, Dense, Dropout, Layer, LayerNorm
from glassnet.maths.losses import Elementwise, Loss, Quantile, SoftmaxCrossEntropy
from glassnet.maths.members import EnsembleDense
from glassnet.maths.optimisers import OPTIMISERS, Optimiser
from glassnet.network import Network

__all__ = ["Plan", "plan_of", "unsupported"]

ARENA_BYTES = 2**20  # of one chunk; smaller ones, down to the first-level cache, were no faster
FEWEST_COLUMNS = 256  # of a chunk, however wide the network
MOST_SLICES, SLICE_COLUMNS = 8, 64  # most slices of a chunk, and fewest columns of a slice
CACHE_LINE = 64
OUTPUT_OF = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "multilabel": "sigmoid", "poisson": "exp"}
NARROW_PARAMS = 40  # most parameters of a network that is one kernel; with 60 it was no faster than its layers


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
        Of an ensemble, groups of members.
    n_members : of an ensemble, 0 for one network. Each thread then has a part of the arena of its own.
    written_out, unfolding : numbers of a thread's memory in which members' weights and gradients are worked out.
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
    n_members: int
    written_out: int
    unfolding: int


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
        if type(layer) not in (Dense, EnsembleDense, Activation, Dropout, LayerNorm, Columns):
            return f"the layer {type(layer).__name__} is not one of glassnet's"
        for part in (layer, *layer.inside):
            activation = getattr(part, "activation", None)
            if activation is not None and ACTIVATIONS.get(activation.name) != activation:
                return f"the activation {activation.name!r} is not one of glassnet's"
    return None


def plan_of(
    network: Network,
    batch_size: int,
    optimiser: Optimiser | None = None,
    *,
    clipped: bool = False,
    resident: bool = False,
) -> Plan:
    """Lay out a network for batches (or predictions) of so many rows at most, for each member of an ensemble.

    optimiser : of the training steps; None for predictions alone.   clipped : whether gradients are.
    resident : keep the inputs and targets of a whole batch in the arena, since every step takes the same.
    """
    dtype, rows = network.dtype, Rows()
    layout = Layout(network, rows, training=optimiser is not None)
    for i, layer in enumerate(network.layers):
        layout.add(i, layer)
    loss, n_targets = layout.loss(network.loss), _n_targets(network.loss, network.n_outputs)
    places = {
        "inputs": layout.inputs,
        "targets": rows.take(n_targets),
        "counts": rows.take(2),
        "losses": rows.take(1),
        "outputs": rows.take(network.n_outputs),
    }
    chunk, stride = _columns(rows.n, batch_size, dtype)
    resident = resident and network.members is None and layout.operations[0].fields.get("is_dense", 0) == 1
    if resident:
        _settle(network.n_features, n_targets, -(-batch_size // chunk), layout, places)
    n_slices = _slices(network, layout.operations, min(chunk, batch_size))
    kernels = _kernels(network, optimiser)
    if clipped:
        kernels["clip"] = kernel_name("clip", dtype)
    if optimiser is not None and n_slices > 1:
        kernels["add_slices"] = kernel_name("add_slices", dtype)
    if optimiser is not None and resident and (spelling := _narrow(network, batch_size)):
        kernels["narrow"] = kernel_name("narrow", dtype, spelling)
    if optimiser is not None:
        kernels["train"] = kernel_name(_way(network, n_slices, kernels), dtype)
    return Plan(
        dtype=dtype,
        widths=list(network.widths),
        n_params=network.params.size,
        chunk=chunk,
        stride=stride,
        operations=layout.operations,
        loss=loss,
        kernels=kernels,
        rows=rows.n,
        ones=rows.ones,
        places=places,
        options=_options(network.loss, network.n_outputs),
        n_targets=n_targets,
        resident=resident,
        n_slices=n_slices,
        n_members=network.members or 0,
        written_out=layout.written_out,
        unfolding=layout.unfolding,
    )


def _way(network: Network, n_slices: int, kernels: dict[str, str]) -> str:
    """Which kernel takes the steps."""
    if network.members is not None:
        return "train_members"
    if n_slices > 1:
        return "train_slices"
    return "train_narrow" if "narrow" in kernels else "train_together"


def _kernels(network: Network, optimiser: Optimiser | None) -> dict[str, str]:
    """The names of the kernels that belong to no layer, by what they are for."""
    dtype = network.dtype
    kernels = {
        **{name: kernel_name(name, dtype) for name in (*SHARED_KERNELS, "gather", "predict")},
        "random_words": kernel_name("random_words", np.uint64),
        "loss": kernel_name("loss", dtype, loss_name(network.loss)),
        "output": kernel_name("output", dtype, OUTPUT_OF.get(network.loss.name, "identity")),
    }
    if optimiser is not None:
        kernels["update"] = kernel_name("update", dtype, "adam" if optimiser.name == "adamw" else optimiser.name)
    return kernels


def _settle(n_features: int, n_targets: int, n_chunks: int, layout: Layout, places: dict[str, int]) -> None:
    """Give the inputs and targets of each chunk a place where they stay, one after the other."""
    first, rows = layout.operations[0].fields, layout.rows
    places["inputs"] = first["x"] = rows.take(0)
    for _ in range(n_chunks):
        rows.take(n_features, ones_below=True)
    places["targets"] = rows.take(n_targets * n_chunks)
    first["x_step"] = n_features + 1


def _slices(network: Network, operations: list[Operation], n_columns: int) -> int:
    """Parts that a chunk is cut into, each with a gradient of its own, added up in their order.

    A thread then reads nothing that another has written but gradients. Where these hold more numbers than the arrays
    they are made of, threads read each other's arrays instead, and share out the parameters; a small step is one
    thread's work anyway. On two cores 32-128-64-10, batch 256, runs 1.6 to 1.8 times as fast with two threads in
    slices, and 1.2 to 1.4 times without.
    """
    if 3 * network.multiplications * n_columns < WORTH_A_THREAD:
        return 1
    if network.members is not None:
        return min(MOST_SLICES, network.members)
    n_slices = max(1, min(MOST_SLICES, n_columns // SLICE_COLUMNS))
    dense = [operation.fields for operation in operations if operation.fields.get("is_dense")]
    read = n_columns * sum(fields["n_in"] + fields["n_out"] for fields in dense)
    return n_slices if n_slices * network.params.size <= read else 1


def _narrow(network: Network, n_rows: int) -> str | None:
    """The spelling of the kernel that takes a whole narrow network at once, where there is one; see `narrow`.

    It is made for one network, so only where each step takes all rows of a small table, as in the article's example:
    there it is 1.25 times as fast, and one thread does the work anyway.
    """
    loss, plain = loss_name(network.loss), all(isinstance(layer, Dense) for layer in network.layers)
    without_option = loss == "cross_entropy" or (loss in ELEMENTWISE and not ELEMENTWISE[loss][2])
    small = 3 * network.multiplications * n_rows < WORTH_A_THREAD and network.params.size <= NARROW_PARAMS
    if not (plain and without_option and small):
        return None
    activations = [layer.activation.name for layer in network.layers if isinstance(layer, Dense)]
    return narrow_spelling(list(network.widths), activations, loss)


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
