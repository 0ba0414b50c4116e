"""Categories as kernels: codes to levels, levels to rows of a table, and the gradient of the table.

What `maths.embeddings` and `maths.columns` do with rows of samples is written here for columns of samples, and tests
hold both together. Codes become levels before any output is written, since outputs may take the inputs' place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.memory import call_transpose, int64s, jit, local_at, operation_at, reals_of, shared_at
from glassnet.engine.operations import Kernel

__all__ = ["codes_forward", "copy_forward", "embedding_forward", "embedding_gradient"]


def codes_forward(dtype: Any) -> Kernel:
    """C = the codes that are one of 1, …, n_in, and 0 for all others: `maths.embeddings.levels_of`, still as floats."""
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, most = local.end - local.begin, real(operation.n_in)
        X = reals(shared.arena + size * (operation.x + local.begin), n)
        C = reals(shared.arena + size * (operation.a + local.begin), n)
        for i in range(n):
            code = X[i] if X[i] >= real(1) and X[i] <= most else real(0)  # only then it has a whole number near it
            C[i] = code if real(np.int32(code)) == code else real(0)

    return kernel


def copy_forward(dtype: Any) -> Kernel:
    """A = X: columns as they are, where they cannot be read in place."""
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n = local.end - local.begin
        for u in range(operation.n_out):
            place = u * shared.stride + local.begin
            X = reals(shared.arena + size * (operation.x + place), n)
            A = reals(shared.arena + size * (operation.a + place), n)
            for i in range(n):
                A[i] = X[i]

    return kernel


def embedding_forward(dtype: Any) -> Kernel:
    """A = Eᵀ[C]: the row of E that belongs to each sample, as a column."""
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, width = local.end - local.begin, operation.n_out
        C, offsets = reals(shared.arena + size * (operation.x + local.begin), n), int64s(local.scratch, n)
        for i in range(n):
            offsets[i] = np.int64(C[i]) * width
        E, A = shared.params + size * operation.params, shared.arena + size * (operation.a + local.begin)
        call_transpose(shared.transpose, (E, local.scratch, n, width, A, shared.stride))

    return kernel


def embedding_gradient(dtype: Any) -> Kernel:
    """dE[c] = Σ dA_i over the samples i of level c, in their order, for a part of the levels.

    Each thread looks at all samples and adds those of its levels, so the order of a sum does not depend on the parts.
    Samples are turned into rows first, some at a time: what belongs to one then lies together, here and in E.
    """
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    block = machine.block(dtype)

    @jit
    def add_rows(C, first, last, n, width, rows, table):
        for i in range(n):
            level = np.int64(C[i])
            if first <= level < last:
                d, dE = reals(rows + size * i * width, width), reals(table + size * level * width, width)
                for u in range(width):
                    dE[u] += d[u]

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, n_rows, width, stride = local.n_columns, operation.n_in + 1, operation.n_out, shared.stride
        first, last = n_rows * local.part // local.n_parts, n_rows * (local.part + 1) // local.n_parts
        table = local.gradient + size * operation.params
        if local.adding == 0:
            mine = reals(table + size * first * width, (last - first) * width)
            for k in range((last - first) * width):
                mine[k] = real(0)
        offsets = int64s(local.scratch, width)
        for u in range(width):
            offsets[u] = u * stride
        c = shared.arena + size * (operation.x + local.from_column)
        d = shared.arena + size * (operation.da + local.from_column)
        for done in range(0, n, block):
            m = min(block, n - done)
            call_transpose(shared.transpose, (d + size * done, local.scratch, width, m, local.scratch_2, width))
            add_rows(reals(c + size * done, m), first, last, m, width, local.scratch_2, table)

    return kernel
