"""Rows of a table into the arena, where a sample is a column, and outputs back out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.engine.formulas import compiled_formula
from glassnet.engine.memory import call_transpose, int64s, jit, local_at, reals_of, shared_at
from glassnet.maths.random import philox_rounds

__all__ = ["gather", "random_words", "writer"]


def gather(dtype: Any) -> Callable[..., None]:
    """Copy the rows of this thread's columns into the arena: X, T (smoothed), and what each sample counts.

    Columns beyond the last sample repeat it, and count zero. What a resident plan holds already stays.
    """
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize

    @jit
    def number_of(shared, position):
        """The row in the table that stands at a position of the order of training."""
        return int64s(shared.rows, shared.n_rows)[position] if shared.rows else position

    @jit
    def fill(shared, local, source, width, n, place):
        """Rows of `source` to columns of the arena; the last sample again in those beyond it.

        Those count nothing, but they must not be worse than the samples: an overflow in them would be seen as one.
        """
        columns = local.end - local.begin
        offsets = int64s(local.scratch, columns)
        for i in range(columns):
            offsets[i] = number_of(shared, local.first + local.begin + min(i, n - 1)) * width
        destination = shared.arena + size * (place + local.begin)
        call_transpose(shared.transpose, (source, local.scratch, columns, width, destination, shared.stride))

    @jit
    def smooth(shared, local, place, n):
        """T ← (1 - ε) T + ε / K, as `maths.losses.Loss.smoothed` has it."""
        kept, spread = real(1.0 - local.smoothing), real(local.smoothing / shared.smoothing_classes)
        for k in range(shared.n_targets):
            row = reals(shared.arena + size * (place + local.begin + k * shared.stride), n)
            for i in range(n):
                row[i] = kept * row[i] + spread

    @jit
    def count(shared, local, n):
        """What each sample counts: in the loss its weight, and in the gradient its share of the reduced loss."""
        width = local.end - local.begin
        counts = reals(shared.arena + size * (shared.counts + local.begin), width)
        shares = reals(shared.arena + size * (shared.counts + shared.stride + local.begin), width)
        for i in range(n):
            counts[i] = real(1)
        for i in range(n, width):
            counts[i] = real(0)
        if shared.weights:
            weights = reals(shared.weights, 1 << 40)
            for i in range(n):
                counts[i] = weights[number_of(shared, local.first + local.begin + i)]
        share = real(local.share)
        for i in range(width):
            shares[i] = counts[i] * share

    def kernel(at_shared, at_local, at_operation):
        shared, local = shared_at(at_shared), local_at(at_local)
        n = min(max(local.n - local.begin, 0), local.end - local.begin)
        if shared.resident == 0:
            fill(shared, local, shared.X, shared.n_features, n, shared.inputs + local.number * shared.inputs_step)
        if shared.T == 0:
            return
        targets = shared.targets + local.number * shared.targets_step
        if shared.resident == 0 or shared.smoothing > 0.0:
            fill(shared, local, shared.T, shared.n_targets, n, targets)
        if local.smoothing > 0.0:
            smooth(shared, local, targets, n)
        count(shared, local, n)

    return kernel


def writer(dtype: Any) -> Any:
    """A function that copies a thread's columns of outputs to the rows of Y."""
    size = np.dtype(dtype).itemsize

    @jit
    def write(shared, local):
        n = min(max(local.n - local.begin, 0), local.end - local.begin)
        offsets = int64s(local.scratch, shared.n_outputs)
        for k in range(shared.n_outputs):
            offsets[k] = k * shared.stride
        row = local.member * shared.n_rows + local.first + local.begin  # the members' outputs stand below each other
        Y = shared.Y + size * row * shared.n_outputs
        source = shared.arena + size * (shared.outputs + local.begin)
        call_transpose(shared.transpose, (source, local.scratch, shared.n_outputs, n, Y, shared.n_outputs))

    return write


def random_words(dtype: Any) -> Callable[..., None]:
    """The kernel random_words(out, n_blocks, row, step, place, seed): blocks 0, 1, ... of a row of `maths.random`.

    The row order of an epoch is drawn with it; with NumPy that took longer than a short epoch itself.
    """
    rounds, words = compiled_formula(philox_rounds, np.float64), reals_of(dtype)

    def kernel(out, n_blocks, row, step, place, seed):
        drawn = words(out, 4 * n_blocks)
        for block in range(n_blocks):
            counter = np.uint64(block), np.uint64(row), np.uint64(step), np.uint64(place)
            a, b, c, d = rounds(*counter, np.uint64(seed), np.uint64(0))
            drawn[4 * block], drawn[4 * block + 1], drawn[4 * block + 2], drawn[4 * block + 3] = a, b, c, d

    return kernel
