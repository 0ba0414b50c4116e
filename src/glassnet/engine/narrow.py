"""A narrow network as one kernel: a vector of samples goes forward and backward in the processor's registers.

Where layers have a handful of units, as in the article's 2-5-3, a step is more reading and writing of intermediate
arrays than arithmetic. Here a vector of samples passes through all layers, the loss and back before the next one is
read, and adds its part to the gradient, one vector of sums for each parameter. Nothing between is stored.

The kernel is made for one network: its name says the widths, activations and loss, and every layer is written out.
Formulas are those of `maths`, run on `Number`s; sums over units run in the order of `maths` too, and each parameter's
sum over samples first in every lane, then over the lanes.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from glassnet.engine import machine
from glassnet.engine.catalogue import ELEMENTWISE
from glassnet.engine.formulas import on_numbers
from glassnet.engine.memory import local_at, operation_at, shared_at
from glassnet.engine.number import Number, fused, select
from glassnet.engine.operations import Kernel
from glassnet.engine.vectors import WORD, Vectors, writing
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.elementary import exp, log, maximum

__all__ = ["narrow"]


def narrow(dtype: Any, spelling: str) -> Kernel:
    """Forward, loss, backward and gradient of a chunk; `spelling` is that of `catalogue.narrow_spelling`."""

    def write(v: Vectors, *arguments: Any) -> None:
        _write_chunk(_Network(v, *_spelled(spelling)), *arguments)

    size, chunk = np.dtype(dtype).itemsize, writing(dtype, 9, write, registers=machine.TILE_COLUMNS)

    def kernel(at_shared, at_local, at_loss):
        shared, local = shared_at(at_shared), local_at(at_local)
        x = operation_at(shared.operations).x + local.number * shared.inputs_step
        t = shared.targets + local.number * shared.targets_step
        columns = local.end - local.begin
        counts, loss = shared.arena + size * shared.counts, shared.loss_sums + size * local.number
        X, T, add = shared.arena + size * x, shared.arena + size * t, 1 if local.number > 0 else 0
        chunk((shared.params, X, T, counts, shared.stride, columns, shared.gradient, loss, add))

    return kernel


def _spelled(spelling: str) -> tuple[list[int], list[str], str]:
    """Widths, activations and loss that a name spells: "p2_u5_sigmoid_u3_identity_loss_cross_entropy"."""
    layers, loss = spelling.split("_loss_")
    found = re.findall(r"_u(\d+)_([a-z_]+?)(?=_u\d|$)", layers)
    widths = [int(layers[1 : layers.index("_")]), *(int(units) for units, _ in found)]
    return widths, [activation for _, activation in found], loss


def _write_chunk(net: _Network, params, X, T, counts, stride, columns, gradient, loss, add) -> None:
    """All samples of a chunk, a vector at a time, then the sums over the lanes; see `narrow`."""
    v, builder = net.v, net.v.builder
    sums, lost = [v.zeroed() for _ in range(net.n_params)], v.zeroed()
    net.P = v.pointer(params)
    X, T, counts = v.pointer(X), v.pointer(T), v.pointer(counts)
    with cgutils.for_range(builder, builder.sdiv(columns, WORD(v.lanes))) as loop:
        place = builder.mul(loop.index, WORD(v.lanes))

        def row(matrix: Any, i: int) -> Number:
            return v.loaded(v.at(matrix, builder.add(builder.mul(stride, WORD(i)), place)))

        inputs, scores, outputs = net.forward([row(X, k) for k in range(net.widths[0])])
        losses, dZ = net.loss(outputs[-1], [row(T, k) for k in range(net.widths[-1])], row(counts, 1))
        _accumulate(v, lost, losses, row(counts, 0))
        net.backward(dZ, inputs, scores, outputs, sums)
    adding = builder.icmp_signed("!=", add, WORD(0))
    zero = ir.Constant(v.number, 0.0)
    G = v.pointer(gradient)
    for i, each in enumerate(sums):
        old = builder.select(adding, builder.load(v.at(G, i)), zero)
        builder.store(builder.fadd(old, v.total(builder.load(each))), v.at(G, i))
    builder.store(v.total(builder.load(lost)), v.pointer(loss))


def _accumulate(v: Vectors, place: Any, a: Number, b: Number | None = None) -> None:
    """Add a · b, or a alone, to a vector of sums."""
    old = Number(v.builder, v.builder.load(place))
    v.builder.store((a + old if b is None else fused(a, b, old)).value, place)


class _Network:
    """Writes the layers of a network, for a vector of samples."""

    def __init__(self, v: Vectors, widths: list[int], activations: list[str], loss: str) -> None:
        self.v, self.widths, self.loss_name = v, widths, loss
        self.activations = [ACTIVATIONS[name] for name in activations]
        sizes = [(p + 1) * q for p, q in itertools.pairwise(widths)]
        self.offsets = [sum(sizes[:i]) for i in range(len(sizes))]
        self.n_params = sum(sizes)
        self.P: Any = None  # pointer to the parameters

    def parameter(self, layer: int, k: int, j: int) -> Number:
        """W[k, j] of a layer in every lane; b[j], which follows W, for k = number of inputs."""
        return self.v.spread_from(self.v.at(self.P, self._place(layer, k, j)))

    def _place(self, layer: int, k: int, j: int) -> int:
        return self.offsets[layer] + k * self.widths[layer + 1] + j

    def forward(self, A: list[Number]) -> tuple[list[list[Number]], list[list[Number]], list[list[Number]]]:
        """Inputs, scores Z and outputs A of each layer."""
        inputs, scores, outputs = [], [], []
        for layer, activation in enumerate(self.activations):
            n_in, n_out = self.widths[layer : layer + 2]
            inputs.append(A)
            Z = []
            for j in range(n_out):
                z = A[0] * self.parameter(layer, 0, j)
                for k in range(1, n_in):
                    z = fused(self.parameter(layer, k, j), A[k], z)
                Z.append(z + self.parameter(layer, n_in, j))
            scores.append(Z)
            A = [on_numbers(activation.forward)(z) for z in Z]
            outputs.append(A)
        return inputs, scores, outputs

    def loss(self, Z: list[Number], T: list[Number], share: Number) -> tuple[Number, list[Number]]:
        """What each sample loses, and dZ times its share; `maths.losses`, with sums over units written out."""
        if self.loss_name == "cross_entropy":
            return _cross_entropy(Z, T, share)
        value, slope, _ = ELEMENTWISE[self.loss_name]
        value_of, slope_of, K = on_numbers(value), on_numbers(slope), float(len(Z))
        losses = [value_of(z, t) for z, t in zip(Z, T, strict=True)]
        return _sum(losses) / K, [slope_of(z, t) / K * share for z, t in zip(Z, T, strict=True)]

    def backward(
        self,
        dA: list[Number],
        inputs: list[list[Number]],
        scores: list[list[Number]],
        outputs: list[list[Number]],
        sums: list[Any],
    ) -> None:
        """Add to each parameter's sums, from the last layer to the first; dA is of the last layer's outputs."""
        for layer in reversed(range(len(inputs))):
            n_in, slope = self.widths[layer], on_numbers(self.activations[layer].backward)
            triples = zip(dA, scores[layer], outputs[layer], strict=True)
            dZ = [slope(da, z, a) for da, z, a in triples]
            for j, dz in enumerate(dZ):
                for k, a in enumerate(inputs[layer]):
                    _accumulate(self.v, sums[self._place(layer, k, j)], a, dz)
                _accumulate(self.v, sums[self._place(layer, n_in, j)], dz)
            if layer:
                dA = [self._input_gradient(layer, k, dZ) for k in range(n_in)]

    def _input_gradient(self, layer: int, k: int, dZ: list[Number]) -> Number:
        """dX_k = Σ_j W[k, j] dZ_j."""
        total = dZ[0] * self.parameter(layer, k, 0)
        for j in range(1, len(dZ)):
            total = fused(self.parameter(layer, k, j), dZ[j], total)
        return total


def _sum(numbers: list[Number]) -> Number:
    total = numbers[0]
    for number in numbers[1:]:
        total = total + number
    return total


def _cross_entropy(Z: list[Number], T: list[Number], share: Number) -> tuple[Number, list[Number]]:
    """-Σ_j T_j log softmax(Z)_j, and (softmax(Z) - T) · share: `maths.losses.softmax_cross_entropy`."""
    e, ln, larger = on_numbers(exp), on_numbers(log), on_numbers(maximum)
    largest = Z[0]
    for z in Z[1:]:
        largest = larger(largest, z)
    S = [z - largest for z in Z]
    E = [e(s) for s in S]
    total = _sum(E)
    logs = ln(total)
    losses = _sum([t * select(t > 0.0, s - logs, 0.0) for t, s in zip(T, S, strict=True)])
    scale = share / total
    return -losses, [each * scale - t * share for each, t in zip(E, T, strict=True)]
