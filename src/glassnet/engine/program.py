"""A plan made callable: its arena, its tables, and the threads that run it."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.catalogue import SHARED_KERNELS, factory
from glassnet.engine.kernels import addresses
from glassnet.engine.plan import Plan
from glassnet.engine.records import ABORT, LOCAL, OPERATION, SHARED
from glassnet.engine.threads import run_together, threads_of
from glassnet.maths.random import Stream

__all__ = ["Program"]

ROW_FIELDS = ("x", "x_step", "a", "kept", "dx", "da", "da_rows")  # which the plan counts in rows of the arena
PLACES = {name: place for place, name in enumerate(SHARED.names or ())}  # of the fields, all of 8 bytes
REAL_FIELDS = {name for name in PLACES if SHARED[name] == np.float64}
ALIGNMENT = 64  # of the arena, a cache line
KERNEL = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)
RANDOM = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)


class Program:
    """The kernels of a plan with the memory they work in. One run at a time.

    announce : see `kernels.addresses`.   Raises CompilerUnavailable where kernels cannot be compiled.
    """

    def __init__(self, plan: Plan, announce: Callable[[int], Any] | None = None) -> None:
        self.plan = plan
        found = addresses({name: factory(name) for name in self._names()}, announce)
        self.addresses = {purpose: found[name] for purpose, name in plan.kernels.items()}
        parts = min(plan.n_slices, threads_of(None)) if plan.n_members else 1  # of the arena, one for each thread
        self.arena = _aligned(parts * plan.rows * plan.stride, plan.dtype)
        self.arena.reshape(parts, plan.rows, plan.stride)[:, plan.ones] = 1.0
        self.operations = _table(plan, [*plan.operations, plan.loss], found)
        if plan.options is not None:
            self.operations["options"][-1] = plan.options.ctypes.data
        self.shared = self._shared()
        self.stop = np.zeros(1, np.int64)
        self.shared["stop"] = self.stop.ctypes.data
        self._fixed = self.shared.view(np.int64).copy()
        self._words = self.shared.view(np.int64)  # the same memory: to set a field here takes a tenth of the time
        self._loss = self.operations[-1:].ctypes.data
        self._address = self.shared.ctypes.data
        self._locals: list[_Local] = []
        self._random = RANDOM(self.addresses["random_words"])
        self._runs: dict[str, Any] = {
            name: KERNEL(self.addresses[name]) for name in ("train", "predict") if name in self.addresses
        }

    def _names(self) -> set[str]:
        plan = self.plan
        used = {name for operation in plan.operations for name in operation.kernels.values()}
        return used | set(plan.kernels.values())

    def _shared(self) -> np.ndarray:
        plan = self.plan
        shared = np.zeros(1, SHARED)
        fixed = {
            "operations": self.operations.ctypes.data,
            "n_operations": len(plan.operations),
            "arena": self.arena.ctypes.data,
            "stride": plan.stride,
            "chunk": plan.chunk,
            "n_embeddings": sum(operation.fields.get("is_embedding", 0) for operation in plan.operations),
            "n_members": plan.n_members,
            "home_step": plan.rows * plan.stride if plan.n_members else 0,
            "n_slices": plan.n_slices,
            "n_features": plan.widths[0],
            "n_outputs": plan.widths[-1],
            "n_targets": plan.n_targets,
            "inputs_step": (plan.widths[0] + 1) * plan.stride if plan.resident else 0,
            "targets_step": plan.n_targets * plan.stride if plan.resident else 0,
            "n_params": plan.n_params,
            **{name: row * plan.stride for name, row in plan.places.items()},
            **{
                name: self.addresses.get(name, 0)
                for name in (*SHARED_KERNELS, "gather", "loss", "narrow", "output", "add_slices", "clip", "update")
            },
        }
        for name, value in fixed.items():
            shared[name] = value
        return shared

    def n_blocks(self, n_rows: int) -> int:
        """Sums of losses that so many rows leave, one for each block of columns."""
        block = machine.block(self.plan.dtype)
        return -(-n_rows // self.plan.chunk) * (self.plan.chunk // block)

    def load(self, X: np.ndarray, T: np.ndarray) -> None:
        """Put inputs and targets where a resident plan keeps them, chunk after chunk."""
        plan = self.plan
        arena = self.arena.reshape(plan.rows, plan.stride)
        for i, first in enumerate(range(0, len(X), plan.chunk)):
            last = min(first + plan.chunk, len(X))
            x = plan.places["inputs"] + i * (X.shape[1] + 1)
            t = plan.places["targets"] + i * T.shape[1]
            for place, matrix in ((x, X), (t, T)):
                rows = arena[place : place + matrix.shape[1], : plan.chunk]
                rows[:, : last - first] = matrix[first:last].T
                rows[:, last - first :] = matrix[last - 1][:, None]  # columns that count nothing: any sample will do

    def run(self, kernel: str, n_threads: int, *, wait: bool = False, **fields: Any) -> np.ndarray:
        """Run "train" or "predict" with these fields of `records.SHARED`; returns the record, (1,), until the next run.

        A field that is an array stands for its address. wait : let other threads do all the work, so that this one can
        be reached by Ctrl-C; for runs that take long. An interruption since `ready` was called ends it.
        """
        words = self._words
        words[:] = self._fixed
        for name, value in fields.items():
            words[PLACES[name]] = _word(value, name)
        words[PLACES["n_threads"]] = n_threads
        function = self._runs[kernel]
        while len(self._locals) < n_threads:
            self._locals.append(_Local(self.plan, len(self._locals)))
        address = self._address
        calls = [functools.partial(function, address, local.address, self._loss) for local in self._locals[:n_threads]]
        run_together(calls, wait, self.abort)
        return self.shared

    def random_words(self, stream: Stream, n: int) -> np.ndarray:
        """The first n words of a stream, (n,) uint64: `stream.bits(1, n)[0]`."""
        n_blocks = -(-n // 4)
        words = np.empty(4 * n_blocks, np.uint64)
        place, seed = (int(stream.purpose) << 32) + stream.layer, _word(stream.seed, "seed")
        self._random(_word(words, ""), n_blocks, stream.first_row, stream.step, place, int(seed))
        return words[:n]

    def ready(self) -> None:
        """Forget interruptions until now, of the run before. To be called before a run, as soon as it is decided on."""
        self.stop[0] = 0

    def interrupt(self) -> None:
        """Ask a run under way to stop. The step it is in may be given up: nothing of it then reaches the parameters."""
        self.stop[0] = 1

    def abort(self) -> None:
        """Make the threads of a run leave at once; what they worked on is then of no use."""
        self.stop[0] = ABORT


class _Local:
    """The record of one thread, with its scratch memory."""

    def __init__(self, plan: Plan, thread: int) -> None:
        widths = [*plan.widths, plan.n_targets]
        widths += [operation.fields["n_in"] for operation in plan.operations if operation.fields.get("is_dense")]
        lanes = machine.lanes(plan.dtype)
        self.whole = np.empty(max(*widths, plan.stride) + lanes, np.int64)
        self.real = _aligned((max(widths) + 1) * machine.block(plan.dtype), plan.dtype)
        self.record = np.zeros(1, LOCAL)
        self.members = _aligned(plan.written_out + plan.unfolding, plan.dtype)
        self.record["thread"] = thread
        self.record["written_out"] = self.members.ctypes.data
        self.record["unfolding"] = self.members[plan.written_out :].ctypes.data
        self.record["scratch"], self.record["scratch_2"] = self.whole.ctypes.data, self.real.ctypes.data
        self.address = self.record.ctypes.data


def _word(value: Any, name: str) -> Any:
    """A field's value as the 8 bytes that stand in its place, as a whole number."""
    if isinstance(value, np.ndarray):
        return value.__array_interface__["data"][0]  # as value.ctypes.data, in a third of the time
    if name in REAL_FIELDS:
        return np.float64(value).view(np.int64)
    return np.uint64(value).view(np.int64) if name == "seed" else value


def _aligned(n: int, dtype: np.dtype) -> np.ndarray:
    """n zeros that begin at a cache line."""
    size = np.dtype(dtype).itemsize
    memory = np.zeros(n + ALIGNMENT // size, dtype)
    return memory[-memory.ctypes.data % ALIGNMENT // size :][:n]


def _table(plan: Plan, operations: list[Any], found: dict[str, int]) -> np.ndarray:
    """The operations as records, rows of the arena turned into offsets."""
    table = np.zeros(len(operations), OPERATION)
    for record, operation in zip(table, operations, strict=True):
        for name, kernel in operation.kernels.items():
            record[name] = found[kernel]
        for name, value in operation.fields.items():
            if isinstance(value, np.ndarray):  # the plan keeps it
                record[name] = value.ctypes.data
            else:
                record[name] = value * plan.stride if name in ROW_FIELDS else value
    return table
