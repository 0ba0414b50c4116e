"""The losses as kernels: what each sample loses, the slope of it, and the outputs.

A loss kernel reads the scores Z and the targets T of this thread's columns. It writes dZ, times what each sample
counts, and the loss of each sample, which the driver adds up. An output kernel writes Y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.engine.formulas import compiled_formula
from glassnet.engine.memory import jit, local_at, operation_at, reals_of, shared_at
from glassnet.engine.operations import Kernel
from glassnet.engine.rows import writer
from glassnet.maths.elementary import exp, log, maximum, where

__all__ = ["cross_entropy_loss", "elementwise_loss", "elementwise_output", "softmax_output"]


def _exponentials(dtype: Any) -> Any:
    """A function that writes e^(Z_k - largest) to E_k, their total over k, and the largest score of each sample.

    So no exponential overflows. `work` is the address of two rows: the largest scores and the totals.
    """
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize
    e, larger = compiled_formula(exp, dtype), compiled_formula(maximum, dtype)

    @jit
    def exponentials(z, out, work, n_classes, n, stride):
        largest, total = reals(work, n), reals(work + size * stride, n)
        Z = reals(z, n)
        for i in range(n):
            largest[i] = Z[i]
        for k in range(1, n_classes):
            Z = reals(z + size * k * stride, n)
            for i in range(n):
                largest[i] = larger(largest[i], Z[i])
        Z, E = reals(z, n), reals(out, n)
        for i in range(n):
            power = e(Z[i] - largest[i])
            E[i] = power
            total[i] = power
        for k in range(1, n_classes):
            Z, E = reals(z + size * k * stride, n), reals(out + size * k * stride, n)
            for i in range(n):
                power = e(Z[i] - largest[i])
                E[i] = power
                total[i] += power

    return exponentials


def cross_entropy_loss(dtype: Any) -> Kernel:
    """-Σ_j T_j log softmax(Z)_j and dZ = softmax(Z) - T: `maths.losses.softmax_cross_entropy`, classes along rows."""
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    ln, choose = compiled_formula(log, dtype), compiled_formula(where, dtype)
    exponentials = _exponentials(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, stride, n_classes, begin = local.end - local.begin, shared.stride, shared.n_outputs, local.begin
        z, d = shared.arena + size * (operation.x + begin), shared.arena + size * (operation.dx + begin)
        t = shared.arena + size * (shared.targets + local.number * shared.targets_step + begin)
        work = shared.arena + size * (operation.kept + begin)
        share = reals(shared.arena + size * (shared.counts + stride + begin), n)
        exponentials(z, d, work, n_classes, n, stride)
        largest, total = reals(work, n), reals(work + size * stride, n)
        loss, logs = reals(shared.arena + size * (shared.losses + begin), n), reals(work + 2 * size * stride, n)
        for i in range(n):
            logs[i] = ln(total[i])
            total[i] = share[i] / total[i]
        for k in range(n_classes):
            Z, dZ = reals(z + size * k * stride, n), reals(d + size * k * stride, n)
            T = reals(t + size * k * stride, n)
            for i in range(n):  # two loops: LLVM gives up on one with this many arrays that might overlap
                log_y = (Z[i] - largest[i]) - logs[i]
                part = T[i] * choose(T[i] > real(0), log_y, real(0))
                loss[i] = -part if k == 0 else loss[i] - part
            for i in range(n):
                dZ[i] = dZ[i] * total[i] - T[i] * share[i]

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


def softmax_output(dtype: Any) -> Kernel:
    """Y = softmax(Z), classes along rows: `maths.losses.softmax`."""
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize
    exponentials, write = _exponentials(dtype), writer(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, stride, n_classes, begin = local.end - local.begin, shared.stride, shared.n_outputs, local.begin
        z, y = shared.arena + size * (operation.x + begin), shared.arena + size * (shared.outputs + begin)
        work = shared.arena + size * (operation.kept + begin)
        exponentials(z, y, work, n_classes, n, stride)
        total = reals(work + size * stride, n)
        for k in range(n_classes):
            Y = reals(y + size * k * stride, n)
            for i in range(n):
                Y[i] /= total[i]
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
