"""The losses as kernels: what each sample loses, the slope of it, and the outputs.

A loss kernel reads the scores Z and the targets T of this thread's columns. It writes dZ, times what each sample
counts, and the loss of each sample, which the driver adds up. An output kernel writes Y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba.core import cgutils

from glassnet.engine.formulas import compiled_formula, on_numbers
from glassnet.engine.memory import jit, local_at, operation_at, reals_of, shared_at
from glassnet.engine.number import Number, select
from glassnet.engine.operations import Kernel
from glassnet.engine.rows import writer
from glassnet.engine.vectors import WORD, Vectors, writing
from glassnet.maths.elementary import exp, log, maximum

__all__ = ["cross_entropy_loss", "elementwise_loss", "elementwise_output", "softmax_output"]


class _Scores:
    """Writes the passes over the classes of a vector of samples: Z, and E of the same shape."""

    def __init__(self, v: Vectors, z: Any, e: Any, stride: Any, n_classes: Any) -> None:
        self.v, self.Z, self.E, self.stride, self.n_classes = v, z, e, stride, n_classes

    def each_class(self) -> Iterator[Any]:
        """The offset of each class's row, in a loop of the code that is being written."""
        with cgutils.for_range(self.v.builder, self.n_classes) as loop:
            yield self.v.builder.mul(loop.index, self.stride)

    def exponentials(self) -> tuple[Number, Number]:
        """Write e^(Z_k - largest) to E_k; the largest score and the total. So no exponential overflows."""
        v, e, larger = self.v, on_numbers(exp), on_numbers(maximum)
        largest, total = v.variable(v.loaded(self.Z)), v.variable(v.zeros())
        for row in self.each_class():
            largest.set(larger(largest.now(), v.loaded(v.at(self.Z, row))))
        for row in self.each_class():
            power = e(v.loaded(v.at(self.Z, row)) - largest.now())
            v.store(power.value, v.at(self.E, row))
            total.set(total.now() + power)
        return largest.now(), total.now()


def _each_vector(v: Vectors, n: Any) -> Iterator[Any]:
    """The place of each vector of n columns, in a loop of the code that is being written."""
    with cgutils.for_range(v.builder, v.builder.sdiv(n, WORD(v.lanes))) as loop:
        yield v.builder.mul(loop.index, WORD(v.lanes))


def _write_cross_entropy(v: Vectors, z, d, t, loss, share, stride, n_classes, n) -> None:
    """The loss of each sample and dZ; see `cross_entropy_loss`."""
    Z, D, T, L, S = (v.pointer(address) for address in (z, d, t, loss, share))
    for place in _each_vector(v, n):
        scores = _Scores(v, v.at(Z, place), v.at(D, place), stride, n_classes)
        largest, total = scores.exponentials()
        counts = v.loaded(v.at(S, place))
        logs, scale, lost = on_numbers(log)(total), counts / total, v.variable(v.zeros())
        for row in scores.each_class():
            target, power = v.loaded(v.at(v.at(T, place), row)), v.loaded(v.at(scores.E, row))
            log_y = (v.loaded(v.at(scores.Z, row)) - largest) - logs
            lost.set(lost.now() - target * select(target > 0.0, log_y, 0.0))
            v.store((power * scale - target * counts).value, v.at(scores.E, row))
        v.store(lost.now().value, v.at(L, place))


def cross_entropy_loss(dtype: Any) -> Kernel:
    """-Σ_j T_j log softmax(Z)_j and dZ = softmax(Z) - T: `maths.losses.softmax_cross_entropy`, classes along rows.

    Vectors are named, since ten classes would else be forty short loops of Numba's, each with a prologue that takes
    longer than itself.
    """
    size, cross_entropy = np.dtype(dtype).itemsize, writing(dtype, 8, _write_cross_entropy)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        begin, stride = shared.arena + size * local.begin, shared.stride
        z, d, loss = begin + size * operation.x, begin + size * operation.dx, begin + size * shared.losses
        t = begin + size * (shared.targets + local.number * shared.targets_step)
        share = begin + size * (shared.counts + stride)
        cross_entropy((z, d, t, loss, share, stride, shared.n_outputs, local.end - local.begin))

    return kernel


def elementwise_loss(dtype: Any, value: Callable[..., Any], slope: Callable[..., Any], with_option: bool) -> Kernel:
    """(1/K) Σ_k value(Z_k, T_k) and dZ_k = slope(Z_k, T_k) / K, the formulas of `maths.losses`.

    with_option : whether the formulas take a third argument, one number for each output (delta, quantile).
    """
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    value_of, slope_of = compiled_formula(value, dtype), compiled_formula(slope, dtype)
    float64s_at = reals_of(np.float64)
    if with_option:
        apply_value, apply_slope = value_of, slope_of
    else:

        def value_without(z, t, option):
            return value_of(z, t)

        def slope_without(z, t, option):
            return slope_of(z, t)

        apply_value, apply_slope = jit(value_without, inline=True), jit(slope_without, inline=True)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, stride, n_outputs, begin = local.end - local.begin, shared.stride, shared.n_outputs, local.begin
        z = shared.arena + size * (operation.x + begin)
        t = shared.arena + size * (shared.targets + local.number * shared.targets_step + begin)
        d = shared.arena + size * (operation.dx + begin)
        loss = reals(shared.arena + size * (shared.losses + begin), n)
        share = reals(shared.arena + size * (shared.counts + stride + begin), n)
        options, outputs = float64s_at(operation.options, n_outputs), real(n_outputs)
        one_target = shared.n_targets == 1
        for i in range(n):
            loss[i] = real(0)
        for k in range(n_outputs):
            Z, dZ = reals(z + size * k * stride, n), reals(d + size * k * stride, n)
            T = reals(t + (0 if one_target else size * k * stride), n)
            option = real(options[k]) if operation.options else real(0)
            for i in range(n):
                loss[i] += apply_value(Z[i], T[i], option)
                dZ[i] = apply_slope(Z[i], T[i], option) / outputs * share[i]
        for i in range(n):
            loss[i] /= outputs

    return kernel


def _write_softmax(v: Vectors, z, y, stride, n_classes, n) -> None:
    """Y = softmax(Z)."""
    Z, Y = v.pointer(z), v.pointer(y)
    for place in _each_vector(v, n):
        scores = _Scores(v, v.at(Z, place), v.at(Y, place), stride, n_classes)
        _, total = scores.exponentials()
        for row in scores.each_class():
            v.store((v.loaded(v.at(scores.E, row)) / total).value, v.at(scores.E, row))


def softmax_output(dtype: Any) -> Kernel:
    """Y = softmax(Z), classes along rows: `maths.losses.softmax`."""
    size, softmax, write = np.dtype(dtype).itemsize, writing(dtype, 5, _write_softmax), writer(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        begin = shared.arena + size * local.begin
        z, y = begin + size * operation.x, begin + size * shared.outputs
        softmax((z, y, shared.stride, shared.n_outputs, local.end - local.begin))
        write(shared, local)

    return kernel


def elementwise_output(dtype: Any, transform: Callable[..., Any]) -> Kernel:
    """Y = transform(Z), the output function of an elementwise loss."""
    formula, reals, size = compiled_formula(transform, dtype), reals_of(dtype), np.dtype(dtype).itemsize
    write = writer(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, stride, begin = local.end - local.begin, shared.stride, local.begin
        for k in range(shared.n_outputs):
            Z = reals(shared.arena + size * (operation.x + k * stride + begin), n)
            Y = reals(shared.arena + size * (shared.outputs + k * stride + begin), n)
            for i in range(n):
                Y[i] = formula(Z[i])
        write(shared, local)

    return kernel
