"""The steps: what every thread of a run does, and how threads wait for each other.

Training, for each step and each chunk of its batch:
    this thread's columns:     gather, forward, loss, backward
    barrier
    this thread's parameters:  gradient; after the last chunk the update, unless the gradient is to be clipped first
    barrier

Columns are independent of each other, and each entry of a gradient is summed over all columns in their order by
whichever thread it falls to: the bits of a result do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from glassnet.engine import machine
from glassnet.engine.memory import (
    call,
    call_dots,
    fetch_add,
    fetch_now,
    float64s,
    int64s,
    jit,
    local_at,
    operation_at,
    reals_of,
    shared_at,
    store_now,
    yield_processor,
)
from glassnet.engine.operations import Kernel
from glassnet.engine.records import ABORT, OPERATION, SHARED
from glassnet.engine.updates import update_share

__all__ = ["predict", "train"]

SPINS = 2000  # looks at the barrier, about a microsecond, before a waiting thread offers its processor to others
OPERATION_SIZE = OPERATION.itemsize
WAITING, ROUND = SHARED.fields["waiting"][1], SHARED.fields["round"][1]  # type: ignore[index]


@jit
def barrier(at_shared, n_threads, stop):
    """Wait until all threads are here; false if the run is aborted, because one of them will never come.

    The last to come opens the next round, which the others watch for.
    """
    if n_threads == 1:
        return True
    this_round = fetch_now(at_shared + ROUND)
    if fetch_add(at_shared + WAITING, 1) == n_threads - 1:
        store_now(at_shared + WAITING, 0)
        store_now(at_shared + ROUND, this_round + 1)
        return True
    spins = 0
    while fetch_now(at_shared + ROUND) == this_round:
        spins += 1
        if spins > SPINS:
            if fetch_now(stop) == ABORT:
                return False
            yield_processor()
    return True


class Passes(NamedTuple):
    """Functions that take the operations of the plan one after the other."""

    take_columns: Any
    forward: Any
    backward: Any
    gradients: Any


def passes(dtype: Any) -> Passes:
    """The passes over the plan, for a float type."""
    block = machine.block(dtype)

    @jit
    def take_columns(local, n, most, n_threads):
        """Give this thread its share of n columns, in whole blocks: what of them lies in its share of `most`."""
        n_blocks, most_blocks = (n + block - 1) // block, (most + block - 1) // block
        local.n = n
        local.begin = min(most_blocks * local.thread // n_threads, n_blocks) * block
        local.end = min(most_blocks * (local.thread + 1) // n_threads, n_blocks) * block

    @jit
    def forward(shared, at_shared, at_local):
        for i in range(shared.n_operations):
            at_operation = shared.operations + i * OPERATION_SIZE
            call(operation_at(at_operation).forward, (at_shared, at_local, at_operation))

    @jit
    def backward(shared, at_shared, at_local):
        for i in range(shared.n_operations - 1, -1, -1):
            at_operation = shared.operations + i * OPERATION_SIZE
            if operation_at(at_operation).backward:
                call(operation_at(at_operation).backward, (at_shared, at_local, at_operation))

    @jit
    def gradients(shared, at_shared, at_local):
        for i in range(shared.n_operations):
            at_operation = shared.operations + i * OPERATION_SIZE
            if operation_at(at_operation).gradient:
                call(operation_at(at_operation).gradient, (at_shared, at_local, at_operation))

    return Passes(take_columns, forward, backward, gradients)


def _accounts(dtype: Any) -> tuple[Any, Any]:
    """Functions that set out a step for a thread, and that add up what it lost."""
    reals = reals_of(dtype)

    @jit
    def weigh(shared, first, n):
        """The weight of a batch: the sum of its rows' weights, or their number."""
        if shared.weights == 0:
            return float(n)
        weights, rows, total = reals(shared.weights, 1 << 40), int64s(shared.rows, shared.n_rows), 0.0
        for i in range(first, first + n):
            total += weights[rows[i]]
        return total

    @jit
    def begin_step(shared, local, step, first, n_batch):
        """Rates and shares of a step of this run, whose batch begins at a position of the order."""
        rates = float64s(shared.rates + 32 * step, 4)
        local.run_step, local.step = step, shared.step + step
        local.learning_rate, local.weight_decay = rates[0], rates[1]
        local.dropout, local.smoothing = rates[2], shared.smoothing * rates[3]
        weight = weigh(shared, first, n_batch)
        local.share = 1.0 if shared.mean == 0 else (1.0 / weight if weight > 0.0 else 0.0)
        local.scale, local.number = 1.0, 0

    @jit
    def end_step(shared, step, n_chunks):
        """Add the losses of all chunks, in their order; a loss that is not finite ends the run."""
        sums, loss = reals(shared.loss_sums, n_chunks), 0.0
        for i in range(n_chunks):
            loss += sums[i]
        shared.total_loss += loss
        shared.n_done = step + 1
        shared.finite = 1 if np.isfinite(loss) else 0

    return begin_step, end_step


def _sum_losses(dtype: Any) -> Any:
    """A function that sums the losses of columns, each times what its sample counts, into a place of the sums."""
    size = np.dtype(dtype).itemsize

    @jit
    def sum_losses(shared, begin, end, place):
        losses, counts = shared.losses + begin, shared.counts + begin
        x, d = shared.arena + size * losses, shared.arena + size * counts
        call_dots(shared.dots, (x, 0, d, 0, shared.loss_sums + size * place, 0, 1, 1, end - begin, 0))

    return sum_losses


def _chunk_of(dtype: Any) -> Any:
    """A function that takes one chunk of a batch through the network, up to its gradients."""
    take_columns, forward, backward, gradients = passes(dtype)
    sum_losses, block = _sum_losses(dtype), machine.block(dtype)

    @jit
    def take_chunk(shared, local, at_shared, at_local, at_loss, n):
        """False if the step is to be given up: nothing of it has reached the parameters."""
        take_columns(local, n, n, shared.n_threads)
        if local.end > local.begin:
            call(shared.gather, (at_shared, at_local, 0))
            forward(shared, at_shared, at_local)
            call(shared.loss, (at_shared, at_local, at_loss))
            backward(shared, at_shared, at_local)
        if local.thread == 0:
            shared.stopping = fetch_now(shared.stop)
        if not barrier(at_shared, shared.n_threads, shared.stop) or shared.stopping:
            return False
        if local.thread == 0:  # over all columns at once, so that the number of threads does not count
            sum_losses(shared, 0, (n + block - 1) // block * block, local.number)
        gradients(shared, at_shared, at_local)
        local.number += 1
        return True

    return take_chunk


def train(dtype: Any) -> Kernel:
    """One thread's part of a run of training steps; the third address is that of the loss's operation."""
    take_chunk, update = _chunk_of(dtype), update_share()
    begin_step, end_step = _accounts(dtype)

    @jit
    def take_step(shared, local, at_shared, at_local, at_loss, step):
        """False if the run ends before the step is done."""
        first, done, n_threads, stop = step * shared.batch, 0, shared.n_threads, shared.stop
        n_batch = min(shared.batch, shared.n_rows - first)
        begin_step(shared, local, step, first, n_batch)
        while done < n_batch:
            if done > 0 and not barrier(at_shared, n_threads, stop):
                return False
            local.first, local.offset = first + done, done
            if not take_chunk(shared, local, at_shared, at_local, at_loss, min(shared.chunk, n_batch - done)):
                return False
            done += shared.chunk
        if shared.clip_norm > 0.0:
            if not barrier(at_shared, n_threads, stop):
                return False
            call(shared.clip, (at_shared, at_local, 0))
            if not barrier(at_shared, n_threads, stop):
                return False
        update(shared, local, at_shared, at_local)
        if local.thread == 0:
            end_step(shared, step, local.number)
        return barrier(at_shared, n_threads, stop)

    def kernel(at_shared, at_local, at_loss):
        shared, local = shared_at(at_shared), local_at(at_local)
        local.training = 1
        for step in range(shared.n_steps):
            if not take_step(shared, local, at_shared, at_local, at_loss, step) or shared.finite == 0:
                return

    return kernel


def predict(dtype: Any) -> Kernel:
    """One thread's part of a prediction, chunk by chunk; with targets, the losses of the blocks as well.

    Threads never meet: each works on its own columns of the arena, the same ones in every chunk.
    """
    take_columns, forward, _, _ = passes(dtype)
    sum_losses, vector, block = _sum_losses(dtype), machine.lanes(dtype), machine.block(dtype)

    def kernel(at_shared, at_local, at_loss):
        shared, local = shared_at(at_shared), local_at(at_local)
        local.training, local.number, local.smoothing, local.dropout, local.share = 0, 0, 0.0, 0.0, 1.0
        local.first, most = -shared.chunk, min(shared.chunk, shared.n_rows)
        while local.first + shared.chunk < shared.n_rows and fetch_now(shared.stop) == 0:
            local.first += shared.chunk
            take_columns(local, min(shared.chunk, shared.n_rows - local.first), most, shared.n_threads)
            if local.end == local.begin:
                continue
            if local.n <= vector and not shared.T:  # a row or a few: half a block will do
                local.end = vector
            call(shared.gather, (at_shared, at_local, 0))
            forward(shared, at_shared, at_local)
            if shared.T:
                call(shared.loss, (at_shared, at_local, at_loss))
                for column in range(local.begin, local.end, block):
                    sum_losses(shared, column, column + block, (local.first + column) // block)
            if shared.Y:
                call(shared.output, (at_shared, at_local, at_loss))

    return kernel
