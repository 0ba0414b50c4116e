"""The steps: what every thread of a run does, and how threads wait for each other.

Training, for each step, where the chunk is cut into slices (the plan decides):
    for each chunk of the batch, for each of this thread's slices:
        gather, forward, loss, backward, and the slice's own gradient
    barrier
    this thread's parameters:  the gradients of all slices added up, then the update
    barrier

and where it is not, because the step is small or the gradients are larger than what they are made of:
    for each chunk of the batch:
        this thread's columns:     gather, forward, loss, backward
        barrier
        this thread's parameters:  gradient over all columns; after the last chunk the update
        barrier

In an ensemble a slice is a group of members, and each thread takes its members one after the other, in a part of the
arena of its own:
    for each of this thread's members, for each chunk of its batch:
        gather, forward, loss, backward, and the gradient
    barrier, and on as with slices

Either way each sum runs in an order that the plan fixes, whichever thread it falls to: the bits of a result do not
depend on the number of threads. Where the gradient is to be clipped, two more barriers stand before the update.
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
from glassnet.engine.records import ABORT, OPERATION_SIZE, SHARED
from glassnet.engine.updates import n_folded, own_blocks, own_ranges

__all__ = ["predict", "train_members", "train_narrow", "train_slices", "train_together"]

SPINS = 2000  # looks at the barrier, about a microsecond, before a waiting thread offers its processor to others
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


def _there_and_back(dtype: Any) -> Any:
    """A function that takes this thread's columns through the network, to the loss and back."""
    _, forward, backward, _ = passes(dtype)

    @jit
    def there_and_back(shared, local, at_shared, at_local, at_loss):
        if local.end > local.begin:
            call(shared.gather, (at_shared, at_local, 0))
            forward(shared, at_shared, at_local)
            call(shared.loss, (at_shared, at_local, at_loss))
            backward(shared, at_shared, at_local)

    return there_and_back


def _chunks_of(take_chunk: Any) -> Any:
    """A function that takes all chunks of a batch through the network: their number, 0 if the step is given up.

    take_chunk : (shared, local, at_shared, at_local, at_loss, n, most) of a chunk of n columns, `most` in the longest;
    false if the step is to be given up: nothing of it has reached the parameters.
    """

    @jit
    def take_chunks(shared, local, at_shared, at_local, at_loss, n_batch):
        start, done, going, most = local.first, 0, True, min(shared.chunk, n_batch)
        while done < n_batch and going:
            local.first, local.offset, n = start + done, done, min(shared.chunk, n_batch - done)
            going = take_chunk(shared, local, at_shared, at_local, at_loss, n, most)
            local.number += 1
            done += shared.chunk
        return local.number if going else 0

    return take_chunks


def train_narrow(dtype: Any) -> Kernel:
    """One thread's part of a run of training steps by the kernel of a narrow network; see `_training`."""
    take_columns = passes(dtype).take_columns

    @jit
    def take_chunk(shared, local, at_shared, at_local, at_loss, n, most):
        if fetch_now(shared.stop):
            return False
        take_columns(local, n, n, 1)
        call(shared.gather, (at_shared, at_local, 0))
        call(shared.narrow, (at_shared, at_local, at_loss))
        return True

    return _training(dtype, _chunks_of(take_chunk), own_ranges())


def train_together(dtype: Any) -> Kernel:
    """One thread's part of a run of training steps whose chunks all threads take together; see `_training`."""
    take_columns, _, _, gradients = passes(dtype)
    there_and_back = _there_and_back(dtype)
    sum_losses, block = _sum_losses(dtype), machine.block(dtype)

    @jit
    def take_chunk(shared, local, at_shared, at_local, at_loss, n, most):
        if local.number > 0 and not barrier(at_shared, shared.n_threads, shared.stop):
            return False
        take_columns(local, n, n, shared.n_threads)
        there_and_back(shared, local, at_shared, at_local, at_loss)
        if local.thread == 0:
            shared.stopping = fetch_now(shared.stop)
        if not barrier(at_shared, shared.n_threads, shared.stop) or shared.stopping:
            return False
        if local.thread == 0:
            sum_losses(shared, 0, (n + block - 1) // block * block, local.number)
        local.gradient, local.from_column, local.n_columns = shared.gradient, 0, n
        local.adding = 1 if local.number > 0 else 0
        local.part, local.n_parts = local.thread, shared.n_threads
        gradients(shared, at_shared, at_local)
        return True

    return _training(dtype, _chunks_of(take_chunk), own_ranges())


def train_slices(dtype: Any) -> Kernel:
    """One thread's part of a run of training steps whose chunks are cut into slices; see `_training`."""
    _, _, _, gradients = passes(dtype)
    there_and_back, on_own_ranges = _there_and_back(dtype), own_ranges()
    sum_losses, block, size = _sum_losses(dtype), machine.block(dtype), np.dtype(dtype).itemsize

    @jit
    def take_chunk(shared, local, at_shared, at_local, at_loss, n, most):
        # A slice is the same columns of every chunk: threads do not meet between chunks, and a shorter one cut in
        # another way would have one thread write where another still reads.
        if fetch_now(shared.stop):
            shared.stopping = 1  # for all threads, at the next barrier
            return False
        n_blocks, most_blocks, n_slices = (n + block - 1) // block, (most + block - 1) // block, shared.n_slices
        local.n, local.part, local.n_parts = n, 0, 1
        for s in range(n_slices * local.thread // shared.n_threads, n_slices * (local.thread + 1) // shared.n_threads):
            local.begin = min(most_blocks * s // n_slices, n_blocks) * block
            local.end = min(most_blocks * (s + 1) // n_slices, n_blocks) * block
            local.from_column, local.n_columns = local.begin, max(min(n, local.end) - local.begin, 0)
            folded = s < n_folded(shared)
            local.gradient = shared.gradient + (0 if folded else size * s * shared.gradient_step)
            local.adding = 1 if local.number > 0 or (folded and s > 0) else 0
            there_and_back(shared, local, at_shared, at_local, at_loss)
            sum_losses(shared, local.begin, local.end, local.number * n_slices + s)
            gradients(shared, at_shared, at_local)
        return True

    take_chunks = _chunks_of(take_chunk)

    @jit
    def take_batch(shared, local, at_shared, at_local, at_loss, n_batch):
        n_chunks = take_chunks(shared, local, at_shared, at_local, at_loss, n_batch)
        if not barrier(at_shared, shared.n_threads, shared.stop) or shared.stopping:
            return 0
        if n_folded(shared) < shared.n_slices:
            on_own_ranges(shared.add_slices, shared, local, at_shared, at_local)
        return n_chunks * shared.n_slices

    return _training(dtype, take_batch, on_own_ranges)


def train_members(dtype: Any) -> Kernel:
    """One thread's part of a run of training steps of an ensemble, by members; see `_training`."""
    _, _, _, gradients = passes(dtype)
    there_and_back, on_own_blocks = _there_and_back(dtype), own_blocks()
    sum_losses, block, size = _sum_losses(dtype), machine.block(dtype), np.dtype(dtype).itemsize

    @jit
    def take_member(shared, local, at_shared, at_local, at_loss, start, n_batch):
        """All samples of local.member, whose batch of n_batch begins at a position of the order."""
        chunk, home, done, number = shared.chunk, local.home, 0, 0
        n_chunks, position = (n_batch + chunk - 1) // chunk, local.member * n_batch
        while done < n_batch:
            if fetch_now(shared.stop):
                shared.stopping = 1
                return False
            n = min(chunk, n_batch - done)
            local.begin, local.end = home, home + (n + block - 1) // block * block
            local.n, local.from_column, local.n_columns = home + n, home, n
            local.first, local.offset = start + position + done - home, position + done - home
            local.going_on = number
            there_and_back(shared, local, at_shared, at_local, at_loss)
            sum_losses(shared, local.begin, local.end, local.member * n_chunks + number)
            gradients(shared, at_shared, at_local)
            local.adding = 1
            done, number = done + chunk, number + 1
        return True

    @jit
    def take_members(shared, local, at_shared, at_local, at_loss, n_batch):
        n_slices, n_members, thread, n_threads = shared.n_slices, shared.n_members, local.thread, shared.n_threads
        start, local.home = local.first, thread * shared.home_step
        local.part, local.n_parts = 0, 1
        for s in range(n_slices * thread // n_threads, n_slices * (thread + 1) // n_threads):
            folded = s < n_folded(shared)
            local.gradient = shared.gradient + (0 if folded else size * s * shared.gradient_step)
            local.adding = 1 if folded and s > 0 else 0
            for member in range(n_members * s // n_slices, n_members * (s + 1) // n_slices):
                local.member = member
                if not take_member(shared, local, at_shared, at_local, at_loss, start, n_batch):
                    return False
        return True

    @jit
    def take_batch(shared, local, at_shared, at_local, at_loss, n_batch):
        n = n_batch // shared.n_members
        take_members(shared, local, at_shared, at_local, at_loss, n)
        if not barrier(at_shared, shared.n_threads, shared.stop) or shared.stopping:
            return 0
        if n_folded(shared) < shared.n_slices and shared.n_slices > 1:
            on_own_blocks(shared.add_slices, shared, local, at_shared, at_local)
        return shared.n_members * ((n + shared.chunk - 1) // shared.chunk)

    return _training(dtype, take_batch, on_own_blocks)


def _training(dtype: Any, take_batch: Any, on_own: Any) -> Kernel:
    """The steps of a run, as a kernel whose third address is that of the loss's operation.

    Each way of taking a batch is a kernel of its own, since a program needs one of them and each compiles sooner.

    take_batch : (shared, local, at_shared, at_local, at_loss, n_batch) takes a batch through the network and its
    gradients; the number of sums of losses it left, 0 if the step is to be given up.
    on_own : calls a kernel on this thread's share of the parameters.
    """
    begin_step, end_step = _accounts(dtype)

    @jit
    def take_step(shared, local, at_shared, at_local, at_loss, step):
        """False if the run ends before the step is done."""
        n_threads, stop, local.first = shared.n_threads, shared.stop, step * shared.batch
        n_batch = min(shared.batch, shared.n_rows - local.first)
        begin_step(shared, local, step, local.first, n_batch)
        n_sums = take_batch(shared, local, at_shared, at_local, at_loss, n_batch)
        if n_sums == 0:
            return False
        if shared.clip_norm > 0.0:
            if not barrier(at_shared, n_threads, stop):
                return False
            call(shared.clip, (at_shared, at_local, 0))
            if not barrier(at_shared, n_threads, stop):
                return False
        on_own(shared.update, shared, local, at_shared, at_local)
        if local.thread == 0:
            end_step(shared, step, n_sums)
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

    @jit
    def predict_all(shared, local, at_shared, at_local, at_loss):
        """This thread's columns of every chunk, by one member."""
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
            local.going_on = 1
            if shared.T:
                call(shared.loss, (at_shared, at_local, at_loss))
                for column in range(local.begin, local.end, block):
                    sum_losses(shared, column, column + block, (local.first + column) // block)
            if shared.Y:
                call(shared.output, (at_shared, at_local, at_loss))

    def kernel(at_shared, at_local, at_loss):
        shared, local = shared_at(at_shared), local_at(at_local)
        local.training, local.number, local.smoothing, local.dropout, local.share = 0, 0, 0.0, 0.0, 1.0
        for member in range(max(shared.n_members, 1)):
            local.member, local.going_on = member, 0
            predict_all(shared, local, at_shared, at_local, at_loss)

    return kernel
