"""A plan made callable: its arena, its tables, and the threads that run it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.catalogue import SHARED_KERNELS, factory
from glassnet.engine.kernels import addresses
from glassnet.engine.plan import Plan
from glassnet.engine.records import LOCAL, OPERATION, SHARED

__all__ = ["Program"]

ALIGNMENT = 64  # of the arena, a cache line
KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


class Program:
    """The kernels of a plan with the memory they work in. One run at a time.

    announce : see `kernels.addresses`.   Raises CompilerUnavailable where kernels cannot be compiled.
    """

    def __init__(self, plan: Plan, announce: Callable[[int], Any] | None = None) -> None:
        self.plan = plan
        found = addresses({name: factory(name) for name in self._names()}, announce)
        self.addresses = {purpose: found[name] for purpose, name in plan.kernels.items()}
        self.arena = _aligned(plan.rows * plan.stride, plan.dtype)
        arena = self.arena.reshape(plan.rows, plan.stride)
        arena[plan.ones] = 1.0
        self.operations = _table(plan, [*plan.operations, plan.loss], found)
        if plan.options is not None:
            self.operations["options"][-1] = plan.options.ctypes.data
        self.shared = self._shared()
        self.stop = np.zeros(1, np.int64)
        self.shared["stop"] = self.stop.ctypes.data
        self._train, self._predict = KERNEL(self.addresses["train"]), KERNEL(self.addresses["predict"])

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
            "n_features": plan.network.n_features,
            "n_outputs": plan.network.n_outputs,
            "n_targets": plan.n_targets,
            "n_params": plan.network.params.size,
            **{name: row * plan.stride for name, row in plan.places.items()},
            **{name: self.addresses.get(name, 0) for name in (*SHARED_KERNELS, "gather", "loss", "output", "update")},
        }
        for name, value in fixed.items():
            shared[name] = value
        return shared

    def run(self, kernel: str, n_threads: int, **fields: Any) -> np.ndarray:
        """Run "train" or "predict" with these fields of `records.SHARED`; returns the record as it is afterwards.

        A field that is an array stands for its address. The calling thread waits in Python, where Ctrl-C can reach it.
        """
        shared = self.shared.copy()
        for name, value in fields.items():
            shared[name] = value.ctypes.data if isinstance(value, np.ndarray) else value
        self.stop[0] = 0
        function = self._train if kernel == "train" else self._predict
        locals_ = [_Local(self.plan, thread) for thread in range(n_threads)]
        shared["n_threads"] = n_threads
        loss = self.operations[-1:].ctypes.data
        calls = [(shared.ctypes.data, local.address, loss) for local in locals_]
        if n_threads == 1:
            function(*calls[0])
        else:
            threads = [threading.Thread(target=function, args=call, daemon=True) for call in calls[1:]]
            for thread in threads:
                thread.start()
            function(*calls[0])
            for thread in threads:
                thread.join()
        return shared[0]

    def interrupt(self) -> None:
        """Ask a run under way to stop: after the step, or within it where a step takes long."""
        self.stop[0] = 1


class _Local:
    """The record of one thread, with its scratch memory."""

    def __init__(self, plan: Plan, thread: int) -> None:
        widths = [plan.network.n_features, *plan.network.widths, plan.stride]
        self.whole = np.empty(max(widths) + 1, np.int64)
        self.real = _aligned((max(widths[:-1]) + 1) * machine.block(plan.dtype), plan.dtype)
        self.record = np.zeros(1, LOCAL)
        self.record["thread"] = thread
        self.record["scratch"], self.record["scratch_2"] = self.whole.ctypes.data, self.real.ctypes.data
        self.address = self.record.ctypes.data


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
            record[name] = value * plan.stride if name in ("x", "a", "kept", "dx", "da", "da_rows") else value
    return table
