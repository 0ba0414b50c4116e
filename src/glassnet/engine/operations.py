"""The layers as kernels: forward, backward, and the gradient of their parameters.

Each kernel is a function of the addresses of three records, see `records`. Forward and backward kernels
work on this thread's columns of the arena, local.begin to local.end; gradient kernels on the columns and the part of
the parameters that the driver names. What is an entry-by-entry formula comes from `maths`; what sums over units or
samples is written here for columns of samples, and tests hold it against the layers of `maths`.

A factory makes the kernel for a float type, so that nothing is compiled before a plan needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.formulas import compiled_formula
from glassnet.engine.memory import (
    call_dots,
    call_product,
    call_transpose,
    int64s,
    jit,
    local_at,
    operation_at,
    reals_of,
    shared_at,
)
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.elementary import sqrt
from glassnet.maths.layers import far_unit
from glassnet.maths.random import Purpose, philox_rounds

__all__ = [
    "activation_backward",
    "activation_forward",
    "dense_backward",
    "dense_forward",
    "dense_gradient",
    "dense_passes",
    "dropout_backward",
    "dropout_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "layer_norm_gradient",
]

Kernel = Callable[[int, int, int], None]


# --- dense ----------------------------------------------------------------------------------------------------------
# A row of ones stands below the inputs, and the biases follow the weights in the flat vector: [W; b] is one matrix of
# n_in + 1 rows, and the bias needs no formula of its own.


def dense_passes(dtype: Any) -> tuple[Any, Any, Any]:
    """The three passes with [W; b] at an address: forward and backward (shared, local, operation, W), and the gradient

    (shared, local, operation, G, adding), to an address G. See the kernels below.
    """
    block, vector, reals, size = machine.block(dtype), machine.lanes(dtype), reals_of(dtype), np.dtype(dtype).itemsize

    @jit
    def da_rows(shared, local, operation, column):
        """Where the row of the sample in this column begins; a thread's own part of the arena has rows of its own."""
        return shared.arena + size * (operation.da_rows + local.home + (column - local.home) * operation.n_wide)

    @jit
    def forward(shared, local, operation, W):
        x = operation.x + local.number * operation.x_step
        X = shared.arena + size * (x + local.begin)
        Z = shared.arena + size * (operation.a + local.begin)
        n_in, n_out, stride = operation.n_in, operation.n_out, shared.stride
        call_product(shared.product, (W, 1, n_out, X, stride, Z, stride, n_out, local.end - local.begin, n_in + 1, 0))

    @jit
    def backward(shared, local, operation, W):
        n_in, n_out, stride, begin = operation.n_in, operation.n_out, shared.stride, local.begin
        n = local.end - begin
        dZ = shared.arena + size * (operation.da + begin)
        asked = operation.input_gradient
        if asked:
            dX = shared.arena + size * (operation.dx + (n_in - asked) * stride + begin)
            rows_of_W = W + size * (n_in - asked) * n_out
            call_product(shared.product, (rows_of_W, n_out, 1, dZ, stride, dX, stride, asked, n, n_out, 0))
        wide = operation.n_wide
        if wide:  # whole vectors: what is beyond the last output is there to fill them, and goes nowhere
            offsets = int64s(local.scratch, wide)
            for j in range(wide):
                offsets[j] = min(j, n_out - 1) * stride
            rows = da_rows(shared, local, operation, begin)
            call_transpose(shared.transpose, (dZ, local.scratch, wide, n, rows, wide))

    @jit
    def gradient(shared, local, operation, G, add):
        n_in, n_out, stride, wide = operation.n_in, operation.n_out, shared.stride, operation.n_wide
        first = (n_in + 1) * local.part // local.n_parts
        n_rows = (n_in + 1) * (local.part + 1) // local.n_parts - first
        if n_rows == 0:
            return
        column, n = local.from_column, local.n_columns
        X = shared.arena + size * (operation.x + local.number * operation.x_step + first * stride + column)
        G += size * first * n_out
        if wide == 0:
            dZ, whole = shared.arena + size * (operation.da + column), (n + block - 1) // block * block
            call_dots(shared.dots, (X, stride, dZ, stride, G, n_out, n_rows, n_out, whole, add))
            return
        rows = da_rows(shared, local, operation, column)
        whole = n_out - n_out % vector
        if whole:
            call_product(shared.product, (X, stride, 1, rows, wide, G, n_out, n_rows, whole, n, add))
        if whole < n_out:  # the last columns in memory of this thread, since whole vectors would reach beyond the row
            rest = wide - whole
            last = rows + size * whole
            call_product(shared.product, (X, stride, 1, last, wide, local.scratch_2, rest, n_rows, rest, n, 0))
            part, out = reals(local.scratch_2, n_rows * rest), reals(G, n_rows * n_out)
            for k in range(n_rows):
                for j in range(n_out - whole):
                    old = out[k * n_out + whole + j]
                    out[k * n_out + whole + j] = old + part[k * rest + j] if add else part[k * rest + j]

    return forward, backward, gradient


def dense_forward(dtype: Any) -> Kernel:
    """Z = [W; b]ᵀ [X; 1]."""
    size, (forward, _, _) = np.dtype(dtype).itemsize, dense_passes(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        forward(shared, local, operation, shared.params + size * operation.params)

    return kernel


def dense_backward(dtype: Any) -> Kernel:
    """dX = W dZ for the inputs that are asked for, the last ones, and dZ again with a sample a row for the gradient."""
    size, (_, backward, _) = np.dtype(dtype).itemsize, dense_passes(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        backward(shared, local, operation, shared.params + size * operation.params)

    return kernel


def dense_gradient(dtype: Any) -> Kernel:
    """[dW; db] = [X; 1] dZᵀ over some samples, a part of the rows; added to what earlier chunks of the batch left."""
    size, (_, _, gradient) = np.dtype(dtype).itemsize, dense_passes(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        gradient(shared, local, operation, local.gradient + size * operation.params, local.adding)

    return kernel


# --- activations ----------------------------------------------------------------------------------------------------


def activation_forward(dtype: Any, name: str) -> Kernel:
    """A = f(Z), the formula of `maths.activations`; A may lie where Z does if the backward pass asks for A alone."""
    activation = ACTIVATIONS[name]
    formula, reals, size = compiled_formula(activation.forward, dtype), reals_of(dtype), np.dtype(dtype).itemsize
    over = activation.slope_of_output

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n = local.end - local.begin
        for u in range(operation.n_out):
            place = u * shared.stride + local.begin
            Z = reals(shared.arena + size * (operation.x + place), n)
            if over and operation.x == operation.a:
                for i in range(n):  # a loop of its own: of two arrays that overlap LLVM makes no vectors
                    Z[i] = formula(Z[i])
            else:
                A = reals(shared.arena + size * (operation.a + place), n)
                for i in range(n):
                    A[i] = formula(Z[i])

    return kernel


def activation_backward(dtype: Any, name: str) -> Kernel:
    """dZ = dA ⊙ f'(Z), in place of dA."""
    formula, reals = compiled_formula(ACTIVATIONS[name].backward, dtype), reals_of(dtype)
    size = np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n = local.end - local.begin
        for u in range(operation.n_out):
            place = u * shared.stride + local.begin
            Z = reals(shared.arena + size * (operation.x + place), n)
            A = reals(shared.arena + size * (operation.a + place), n)
            dA = reals(shared.arena + size * (operation.da + place), n)
            for i in range(n):
                dA[i] = formula(dA[i], Z[i], A[i])

    return kernel


# --- dropout --------------------------------------------------------------------------------------------------------


def dropout_forward(dtype: Any) -> Kernel:
    """A = X · keep / (1 - rate) in training, the mask being `maths.random`'s own; A = X otherwise.

    The factors, 0 or 1 / (1 - rate), are kept for the backward pass.
    """
    rounds, reals, real = compiled_formula(philox_rounds, dtype), reals_of(dtype), np.dtype(dtype).type
    size, purpose, half, low = np.dtype(dtype).itemsize, int(Purpose.DROPOUT), np.uint64(32), np.uint64(0xFFFFFFFF)

    @jit
    def draw(factors, first, u, n_units, stride, begin, n, row, step, layer, seed, threshold, factor):
        """Factors of the units u to u + 7, which share a block of random words, for n samples."""
        place = np.uint64((purpose << 32) + layer)
        for i in range(n):
            words = rounds(np.uint64(u // 8), np.uint64(row + i), np.uint64(step), place, np.uint64(seed), np.uint64(0))
            for word in range(4):
                for part in range(2):
                    unit = u + 2 * word + part
                    if unit < n_units:
                        bits = (words[word] >> half) if part else (words[word] & low)
                        factors[first + unit * stride + begin + i] = factor if bits >= threshold else real(0)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, n_units, stride = local.end - local.begin, operation.n_out, shared.stride
        rate = operation.option * local.dropout if local.training else 0.0
        factors = reals(shared.arena, 1 << 40)
        if rate > 0.0:
            threshold, factor = np.uint64(round(rate * 4294967296.0)), real(1) / real(1.0 - rate)
            for u in range(0, n_units, 8):
                draw(
                    factors, operation.kept, u, n_units, stride, local.begin, n, local.offset + local.begin,
                    local.step, operation.layer, shared.seed, threshold, factor,
                )  # fmt: skip
        for u in range(n_units):
            place = u * stride + local.begin
            X = reals(shared.arena + size * (operation.x + place), n)
            A = reals(shared.arena + size * (operation.a + place), n)
            F = reals(shared.arena + size * (operation.kept + place), n)
            if rate > 0.0:
                for i in range(n):
                    A[i] = X[i] * F[i]
            else:
                for i in range(n):
                    A[i] = X[i]
                    F[i] = real(1)

    return kernel


def dropout_backward(dtype: Any) -> Kernel:
    """dX = dA · keep / (1 - rate), in place of dA."""
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n = local.end - local.begin
        for u in range(operation.n_out):
            place = u * shared.stride + local.begin
            F = reals(shared.arena + size * (operation.kept + place), n)
            dA = reals(shared.arena + size * (operation.da + place), n)
            for i in range(n):
                dA[i] *= F[i]

    return kernel


# --- layer normalisation --------------------------------------------------------------------------------------------
# Below the normalised N (n_out rows) are kept: the spread, two rows for sums, and a row of ones.


def layer_norm_forward(dtype: Any) -> Kernel:
    """A = scale · N + shift with N = (X - mean) / spread: `maths.layers.layer_norm`, sums running over units."""
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    root, far, infinite = compiled_formula(sqrt, dtype), real(far_unit(dtype)), real(np.inf)

    @jit
    def measure_again(kept, spread, unit, stride, n, p, units, epsilon):
        """The spread of columns in which it overflowed, in larger units; the others' comes out the same."""
        for i in range(n):
            unit[i] = far if spread[i] == infinite else real(1)
            spread[i] = real(0)
        for u in range(p):
            N = reals(kept + size * u * stride, n)
            for i in range(n):
                D = N[i] * unit[i]
                spread[i] += D * D
        for i in range(n):
            spread[i] = root(spread[i] / units + epsilon * unit[i] * unit[i]) / unit[i]

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, p, stride = local.end - local.begin, operation.n_out, shared.stride
        kept = shared.arena + size * (operation.kept + local.begin)
        x, a = shared.arena + size * (operation.x + local.begin), shared.arena + size * (operation.a + local.begin)
        spread, mean = reals(kept + size * p * stride, n), reals(kept + size * (p + 1) * stride, n)
        P = reals(shared.params + size * operation.params, 2 * p)
        epsilon, units = real(operation.option), real(p)
        for i in range(n):
            mean[i] = real(0)
            spread[i] = real(0)
        for u in range(p):
            X = reals(x + size * u * stride, n)
            for i in range(n):
                mean[i] += X[i]
        for i in range(n):
            mean[i] /= units
        for u in range(p):
            X, N = reals(x + size * u * stride, n), reals(kept + size * u * stride, n)
            for i in range(n):
                D = X[i] - mean[i]
                N[i] = D
                spread[i] += D * D
        overflow = False
        for i in range(n):
            spread[i] = root(spread[i] / units + epsilon)
            overflow |= spread[i] == infinite
        if overflow:
            measure_again(kept, spread, mean, stride, n, p, units, epsilon)
        for u in range(p):
            N, A = reals(kept + size * u * stride, n), reals(a + size * u * stride, n)
            scale, shift = P[u], P[p + u]
            for i in range(n):
                N[i] /= spread[i]
                A[i] = scale * N[i] + shift

    return kernel


def layer_norm_backward(dtype: Any) -> Kernel:
    """dX = (dN - mean(dN) - N · mean(dN · N)) / spread with dN = dA · scale: `maths.layers.layer_norm_backward`."""
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        if operation.input_gradient == 0:
            return
        n, p, stride = local.end - local.begin, operation.n_out, shared.stride
        kept = shared.arena + size * (operation.kept + local.begin)
        da, dx = shared.arena + size * (operation.da + local.begin), shared.arena + size * (operation.dx + local.begin)
        spread = reals(kept + size * p * stride, n)
        mean, mean_N = reals(kept + size * (p + 1) * stride, n), reals(kept + size * (p + 2) * stride, n)
        scale, units = reals(shared.params + size * operation.params, p), real(p)
        for i in range(n):
            mean[i] = real(0)
            mean_N[i] = real(0)
        for u in range(p):
            dA, N = reals(da + size * u * stride, n), reals(kept + size * u * stride, n)
            for i in range(n):
                dN = dA[i] * scale[u]
                mean[i] += dN
                mean_N[i] += dN * N[i]
        for i in range(n):
            mean[i] /= units
            mean_N[i] /= units
        for u in range(p):
            dA, N = reals(da + size * u * stride, n), reals(kept + size * u * stride, n)
            dX = reals(dx + size * u * stride, n)
            for i in range(n):
                dX[i] = (dA[i] * scale[u] - (mean[i] + N[i] * mean_N[i])) / spread[i]

    return kernel


def layer_norm_gradient(dtype: Any) -> Kernel:
    """d_scale = Σ dA · N and d_shift = Σ dA over some samples, for a part of the units."""
    size, block = np.dtype(dtype).itemsize, machine.block(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        p, stride, column = operation.n_out, shared.stride, local.from_column
        kept, G = shared.arena + size * (operation.kept + column), local.gradient + size * operation.params
        n, add = (local.n_columns + block - 1) // block * block, local.adding
        ones = kept + size * (p + 3) * stride
        for u in range(p * local.part // local.n_parts, p * (local.part + 1) // local.n_parts):
            dA = shared.arena + size * (operation.da + u * stride + column)
            call_dots(shared.dots, (kept + size * u * stride, stride, dA, stride, G + size * u, 1, 1, 1, n, add))
            call_dots(shared.dots, (ones, stride, dA, stride, G + size * (p + u), 1, 1, 1, n, add))

    return kernel
