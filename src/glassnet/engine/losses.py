"""The losses as kernels: what each sample loses, the slope of it, and the outputs.

A loss kernel reads the scores Z and the targets T of this thread's columns, writes dZ (times what each sample counts),
and leaves the sum of every block of columns where threads cannot change its order. An output kernel writes Y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.formulas import compiled_formula
from glassnet.engine.memory import (
    call_dots,
    call_transpose,
    int64s,
    jit,
    local_at,
    operation_at,
    reals_of,
    shared_at,
)
from glassnet.engine.operations import Kernel
from glassnet.maths.elementary import exp, log, maximum, where

__all__ = ["cross_entropy_loss", "elementwise_loss", "elementwise_output", "softmax_output"]


def _sum_blocks(dtype: Any) -> Any:
    """A function that sums the losses of a thread's columns, times what each sample counts, block by block."""
    block, size = machine.block(dtype), np.dtype(dtype).itemsize

    @jit
    def sum_blocks(dots, losses, counts, sums, begin, end, first):  # type: ignore[no-untyped-def]
        for column in range(begin, end, block):
            place = (first + column) // block
            x, d = losses + size * column, counts + size * column
            call_dots(dots, (x, 0, d, 0, sums + size * place, 0, 1, 1, block, 0))

    return sum_blocks


def cross_entropy_loss(dtype: Any) -> Kernel:
    """-Σ_j T_j log softmax(Z)_j and dZ = softmax(Z) - T: `maths.losses.softmax_cross_entropy`, classes along rows.

    The largest score of a sample is subtracted first, so that no exponential overflows.
    """
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    e, ln, larger, choose = (compiled_formula(f, dtype) for f in (exp, log, maximum, where))
    sum_blocks = _sum_blocks(dtype)

    def kernel(shared_address, local_address, operation_address):  # type: ignore[no-untyped-def]
        shared, local, operation = (
            shared_at(shared_address),
            local_at(local_address),
            operation_at(operation_address),
        )
        n, stride, n_classes, begin = local.end - local.begin, shared.stride, shared.n_outputs, local.begin
        z, t = shared.arena + size * (operation.x + begin), shared.arena + size * (shared.targets + begin)
        d, work = shared.arena + size * (operation.dx + begin), shared.arena + size * (operation.kept + begin)
        largest, total, loss = reals(work, n), reals(work + size * stride, n), reals(work + 2 * size * stride, n)
        share = reals(shared.arena + size * (shared.counts + stride + begin), n)
        Z = reals(z, n)
        for i in range(n):
            largest[i] = Z[i]
            total[i] = real(0)
            loss[i] = real(0)
        for k in range(1, n_classes):
            Z = reals(z + size * k * stride, n)
            for i in range(n):
                largest[i] = larger(largest[i], Z[i])
        for k in range(n_classes):
            Z, dZ = reals(z + size * k * stride, n), reals(d + size * k * stride, n)
            for i in range(n):
                E = e(Z[i] - largest[i])
                dZ[i] = E
                total[i] += E
        for i in range(n):
            largest[i] += ln(total[i])
            total[i] = share[i] / total[i]
        for k in range(n_classes):
            Z, dZ = reals(z + size * k * stride, n), reals(d + size * k * stride, n)
            T = reals(t + size * k * stride, n)
            for i in range(n):
                loss[i] -= T[i] * choose(T[i] > real(0), Z[i] - largest[i], real(0))
                dZ[i] = dZ[i] * total[i] - T[i] * share[i]
        first = local.first if local.training == 0 else local.offset
        losses, counts = shared.arena + size * (operation.kept + 2 * stride), shared.arena + size * shared.counts
        sum_blocks(shared.dots, losses, counts, shared.block_losses, begin, local.end, first)

    return kernel


def elementwise_loss(dtype: Any, value: Callable[..., Any], slope: Callable[..., Any], with_option: bool) -> Kernel:
    """(1/K) Σ_k value(Z_k, T_k) and dZ_k = slope(Z_k, T_k) / K, the formulas of `maths.losses`.

    with_option : whether the formulas take a third argument, one number for each output (delta, quantile).
    """
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    value_of, slope_of, sum_blocks = compiled_formula(value, dtype), compiled_formula(slope, dtype), _sum_blocks(dtype)
    float64s_at = reals_of(np.float64)
    if with_option:
        apply_value, apply_slope = value_of, slope_of
    else:

        @jit
        def apply_value(z, t, option):  # type: ignore[no-untyped-def]
            return value_of(z, t)

        @jit
        def apply_slope(z, t, option):  # type: ignore[no-untyped-def]
            return slope_of(z, t)

    def kernel(shared_address, local_address, operation_address):  # type: ignore[no-untyped-def]
        shared, local, operation = (
            shared_at(shared_address),
            local_at(local_address),
            operation_at(operation_address),
        )
        n, stride, n_outputs, begin = local.end - local.begin, shared.stride, shared.n_outputs, local.begin
        z, t = shared.arena + size * (operation.x + begin), shared.arena + size * (shared.targets + begin)
        d = shared.arena + size * (operation.dx + begin)
        loss = reals(shared.arena + size * (operation.kept + begin), n)
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
        first = local.first if local.training == 0 else local.offset
        losses, counts = shared.arena + size * operation.kept, shared.arena + size * shared.counts
        sum_blocks(shared.dots, losses, counts, shared.block_losses, begin, local.end, first)

    return kernel


def _write_outputs(dtype: Any) -> Any:
    """A function that copies a thread's columns of outputs to the rows of Y."""
    size = np.dtype(dtype).itemsize

    @jit
    def write(shared, local):  # type: ignore[no-untyped-def]
        n = min(max(local.n - local.begin, 0), local.end - local.begin)
        offsets = int64s(local.scratch, shared.n_outputs)
        for k in range(shared.n_outputs):
            offsets[k] = k * shared.stride
        Y = shared.Y + size * (local.first + local.begin) * shared.n_outputs
        source = shared.arena + size * (shared.outputs + local.begin)
        call_transpose(shared.transpose, (source, local.scratch, shared.n_outputs, n, Y, shared.n_outputs))

    return write


def softmax_output(dtype: Any) -> Kernel:
    """Y = softmax(Z), classes along rows: `maths.losses.softmax`."""
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    e, larger, write = compiled_formula(exp, dtype), compiled_formula(maximum, dtype), _write_outputs(dtype)

    def kernel(shared_address, local_address, operation_address):  # type: ignore[no-untyped-def]
        shared, local, operation = (
            shared_at(shared_address),
            local_at(local_address),
            operation_at(operation_address),
        )
        n, stride, n_classes, begin = local.end - local.begin, shared.stride, shared.n_outputs, local.begin
        z, y = shared.arena + size * (operation.x + begin), shared.arena + size * (shared.outputs + begin)
        work = shared.arena + size * (operation.kept + begin)
        largest, total = reals(work, n), reals(work + size * stride, n)
        Z = reals(z, n)
        for i in range(n):
            largest[i] = Z[i]
            total[i] = real(0)
        for k in range(1, n_classes):
            Z = reals(z + size * k * stride, n)
            for i in range(n):
                largest[i] = larger(largest[i], Z[i])
        for k in range(n_classes):
            Z, Y = reals(z + size * k * stride, n), reals(y + size * k * stride, n)
            for i in range(n):
                E = e(Z[i] - largest[i])
                Y[i] = E
                total[i] += E
        for k in range(n_classes):
            Y = reals(y + size * k * stride, n)
            for i in range(n):
                Y[i] /= total[i]
        write(shared, local)

    return kernel


def elementwise_output(dtype: Any, transform: Callable[..., Any]) -> Kernel:
    """Y = transform(Z), the output function of an elementwise loss."""
    formula, reals, size = compiled_formula(transform, dtype), reals_of(dtype), np.dtype(dtype).itemsize
    write = _write_outputs(dtype)

    def kernel(shared_address, local_address, operation_address):  # type: ignore[no-untyped-def]
        shared, local, operation = (
            shared_at(shared_address),
            local_at(local_address),
            operation_at(operation_address),
        )
        n, stride, begin = local.end - local.begin, shared.stride, local.begin
        for k in range(shared.n_outputs):
            Z = reals(shared.arena + size * (operation.x + k * stride + begin), n)
            Y = reals(shared.arena + size * (shared.outputs + k * stride + begin), n)
            for i in range(n):
                Y[i] = formula(Z[i])
        write(shared, local)

    return kernel
