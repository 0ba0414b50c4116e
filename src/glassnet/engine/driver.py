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

from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.formulas import compiled_formula
from glassnet.engine.memory import (
    call,
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
from glassnet.engine.records import OPERATION, SHARED
from glassnet.maths.penalties import penalty_backward

__all__ = ["predict_kernel", "train_kernel"]

SPINS = 2000  # looks at the barrier, about 10 µs, before a waiting thread offers its processor to others
OPERATION_SIZE = OPERATION.itemsize
WAITING, ROUND = SHARED.fields["waiting"][1], SHARED.fields["round"][1]  # type: ignore[index]


@jit
def barrier(shared_address, n_threads):  # type: ignore[no-untyped-def]
    """Wait until all threads are here. The last to come opens the next round, which the others watch for."""
    if n_threads == 1:
        return
    this_round = fetch_now(shared_address + ROUND)
    if fetch_add(shared_address + WAITING, 1) == n_threads - 1:
        store_now(shared_address + WAITING, 0)
        store_now(shared_address + ROUND, this_round + 1)
        return
    spins = 0
    while fetch_now(shared_address + ROUND) == this_round:
        spins += 1
        if spins > SPINS:
            yield_processor()


def _passes(dtype: Any) -> Any:
    """Functions that take the operations of the plan from first to last, and back."""
    block = machine.block(dtype)

    @jit
    def take_columns(local, n, n_threads):  # type: ignore[no-untyped-def]
        """Give this thread its share of n columns, in whole blocks."""
        n_blocks = (n + block - 1) // block
        local.n = n
        local.begin = n_blocks * local.thread // n_threads * block
        local.end = n_blocks * (local.thread + 1) // n_threads * block

    @jit
    def forward(shared, shared_address, local_address):  # type: ignore[no-untyped-def]
        for i in range(shared.n_operations):
            operation = shared.operations + i * OPERATION_SIZE
            call(operation_at(operation).forward, (shared_address, local_address, operation))

    @jit
    def backward(shared, shared_address, local_address):  # type: ignore[no-untyped-def]
        for i in range(shared.n_operations - 1, -1, -1):
            operation = shared.operations + i * OPERATION_SIZE
            if operation_at(operation).backward:
                call(operation_at(operation).backward, (shared_address, local_address, operation))

    @jit
    def gradients(shared, shared_address, local_address):  # type: ignore[no-untyped-def]
        for i in range(shared.n_operations):
            operation = shared.operations + i * OPERATION_SIZE
            if operation_at(operation).gradient:
                call(operation_at(operation).gradient, (shared_address, local_address, operation))

    return take_columns, forward, backward, gradients


def train_kernel(dtype: Any) -> Kernel:
    """One thread's part of a run of training steps: (shared, local, address of the loss's operation)."""
    take_columns, forward, backward, gradients = _passes(dtype)
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize
    block, penalty_of = machine.block(dtype), compiled_formula(penalty_backward, dtype)

    @jit
    def weigh(shared, first, n):  # type: ignore[no-untyped-def]
        """The weight of a batch: the sum of its rows' weights, or their number."""
        if shared.weights == 0:
            return float(n)
        weights, rows, total = reals(shared.weights, 1 << 40), int64s(shared.rows, shared.n_rows), 0.0
        for i in range(first, first + n):
            total += weights[rows[i] if shared.rows else i]
        return total

    @jit
    def update_range(shared, local, shared_address, local_address, begin, end, is_weight):  # type: ignore[no-untyped-def]
        if end > begin and shared.update:
            local.from_param, local.to_param, local.is_weight = begin, end, is_weight
            call(shared.update, (shared_address, local_address, 0))

    @jit
    def update_own(shared, local, shared_address, local_address):  # type: ignore[no-untyped-def]
        """Update the parameters whose gradient this thread has summed: rows of W, and the bias with the last."""
        for i in range(shared.n_operations):
            operation = operation_at(shared.operations + i * OPERATION_SIZE)
            if operation.gradient == 0:
                continue
            n_units = operation.n_in + 1 if operation.is_dense else operation.n_out
            first = n_units * local.thread // shared.n_threads
            last = n_units * (local.thread + 1) // shared.n_threads
            start, q = operation.params, operation.n_out
            if operation.is_dense:
                weights = min(last, operation.n_in)
                update_range(
                    shared, local, shared_address, local_address, start + first * q, start + weights * q, 1
                )
                if last > operation.n_in:
                    bias = start + operation.n_in * q
                    update_range(shared, local, shared_address, local_address, bias, bias + q, 0)
            else:
                update_range(shared, local, shared_address, local_address, start + first, start + last, 0)
                update_range(shared, local, shared_address, local_address, start + q + first, start + q + last, 0)

    @jit
    def norm(shared):  # type: ignore[no-untyped-def]
        """‖G‖ with the penalties in it, in float64."""
        G, P, roles = reals(shared.gradient, shared.n_params), reals(shared.params, shared.n_params), int64s(
            shared.roles, 3 * shared.n_roles
        )
        total = 0.0
        l1, l2 = real(shared.l1), real(shared.l2)
        for r in range(shared.n_roles):
            penalised = roles[3 * r + 2] != 0 and (shared.l1 > 0.0 or shared.l2 > 0.0)
            for i in range(roles[3 * r], roles[3 * r + 1]):
                g = G[i]
                if penalised:
                    g += penalty_of(P[i], l1, l2)
                total += float(g) * float(g)
        return np.sqrt(total)

    def kernel(shared_address, local_address, operation_address):  # type: ignore[no-untyped-def]
        shared, local = shared_at(shared_address), local_at(local_address)
        n_threads, batch, chunk = shared.n_threads, shared.batch, shared.chunk
        rates = float64s(shared.rates, 4 * shared.n_steps)
        local.training, local.l1, local.l2 = 1, shared.l1, shared.l2
        for step in range(shared.n_steps):
            start = step * batch
            n_batch = min(batch, shared.n_rows - start)
            local.run_step, local.step = step, shared.step + step
            local.learning_rate, local.weight_decay = rates[4 * step], rates[4 * step + 1]
            local.dropout, local.smoothing = rates[4 * step + 2], shared.smoothing * rates[4 * step + 3]
            weight = weigh(shared, start, n_batch)
            local.share = 1.0 if shared.mean == 0 else (1.0 / weight if weight > 0.0 else 0.0)
            local.scale, local.number = 1.0, 0
            stopping = False
            offset = 0
            while offset < n_batch:
                n = min(chunk, n_batch - offset)
                local.first, local.offset = start + offset, offset
                take_columns(local, n, n_threads)
                if local.end > local.begin:
                    call(shared.gather, (shared_address, local_address, 0))
                    forward(shared, shared_address, local_address)
                    call(shared.loss, (shared_address, local_address, operation_address))
                    backward(shared, shared_address, local_address)
                if local.thread == 0:
                    shared.stopping = fetch_now(shared.stop)
                barrier(shared_address, n_threads)
                stopping = shared.stopping != 0
                if stopping:
                    break
                gradients(shared, shared_address, local_address)
                local.number += 1
                offset += chunk
                if offset < n_batch:
                    barrier(shared_address, n_threads)
            if stopping:  # the step under way is given up: nothing of it has reached the parameters
                break
            if shared.clip_norm > 0.0:
                barrier(shared_address, n_threads)
                length = norm(shared)
                local.scale = min(1.0, shared.clip_norm / (length + 1e-6))
                barrier(shared_address, n_threads)
            update_own(shared, local, shared_address, local_address)
            if local.thread == 0:
                sums = reals(shared.block_losses, (n_batch + block - 1) // block)
                loss = 0.0
                for i in range((n_batch + block - 1) // block):
                    loss += sums[i]
                shared.total_loss += loss
                shared.n_done = step + 1
                shared.finite = 1 if np.isfinite(loss) else 0
            barrier(shared_address, n_threads)
            if shared.finite == 0:
                break

    return kernel


def predict_kernel(dtype: Any) -> Kernel:
    """One thread's part of a prediction, chunk by chunk; with targets, the losses of the blocks as well."""
    take_columns, forward, _, _ = _passes(dtype)

    def kernel(shared_address, local_address, operation_address):  # type: ignore[no-untyped-def]
        shared, local = shared_at(shared_address), local_at(local_address)
        local.training, local.number, local.offset, local.smoothing, local.dropout = 0, 0, 0, 0.0, 0.0
        local.share = 1.0
        local.first = -shared.chunk
        while local.first + shared.chunk < shared.n_rows and fetch_now(shared.stop) == 0:
            local.first += shared.chunk
            take_columns(local, min(shared.chunk, shared.n_rows - local.first), shared.n_threads)
            if local.end == local.begin:
                continue
            call(shared.gather, (shared_address, local_address, 0))
            forward(shared, shared_address, local_address)
            if shared.T:
                call(shared.loss, (shared_address, local_address, operation_address))
            if shared.Y:
                call(shared.output, (shared_address, local_address, operation_address))

    return kernel
