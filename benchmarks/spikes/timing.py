"""What the spikes share: the best of many short repetitions, kernels as Python functions, and the machine's name."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from glassnet.engine.compiler import load, object_code

__all__ = ["aligned", "best", "callable_kernel", "machine"]

ALIGNMENT = 64

_limit = threadpool_limits(1)  # all figures here are of one thread of BLAS, too


def best(function: Callable[[], Any], *, each: float = 2e-3, rounds: int = 40) -> float:
    """Seconds of one call in this thread: the least of `rounds` means, each over about `each` seconds of calls.

    Other work on the machine can only make a round slower, so the least is what the machine can do. The clock is that
    of the thread, which stands still while others have the processor.
    """
    function()
    begun = time.thread_time()
    function()
    n = max(1, int(each / max(time.thread_time() - begun, 1e-8)))
    least = float("inf")
    for _ in range(rounds):
        begun = time.thread_time()
        for _ in range(n):
            function()
        least = min(least, (time.thread_time() - begun) / n)
    return least


def callable_kernel(kernel: Callable[..., None], name: str, n_arguments: int) -> Any:
    """A kernel compiled as the engine compiles it, as a function of whole numbers that releases the GIL."""
    address = load({name: object_code(kernel, name)})[name]
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * n_arguments)(address)


def aligned(rows: int, columns: int, dtype: Any = np.float32) -> np.ndarray:
    """Zeros (rows, columns) that begin at a cache line."""
    size = np.dtype(dtype).itemsize
    memory = np.zeros(rows * columns + ALIGNMENT // size, dtype)
    first = -memory.ctypes.data % ALIGNMENT // size
    return memory[first : first + rows * columns].reshape(rows, columns)


def machine() -> str:
    """Processor, number of cores, and versions of what is measured."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("numpy", "numba", "llvmlite"))
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores; {versions}"
