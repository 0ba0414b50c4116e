"""Spike 1: what it costs that threads wait for each other, within a kernel and through Python.

    python benchmarks/spikes/barrier.py

Threads enter a kernel that passes a barrier again and again; nothing else happens, so a passage is all waiting. A
waiting thread looks at the shared number so many times, and from then on offers its processor to others at every look.
Two threads are bound to a core each, or to one core both, as happens on a busy machine; three are left to the system.
The two shared numbers lie in one cache line, as in the engine's record, or in two. Beside them a step's fork and join
through Python. Nanoseconds of one passage: the least over many short runs, and the median.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from timing import aligned, callable_kernel, machine

from glassnet.engine.memory import fetch_add, fetch_now, jit, store_now, yield_processor

FOR_EVER = 1 << 60
LOOKS = {"looks without end": FOR_EVER, "no look": 0, "2,000 looks": 2_000, "30,000 looks": 30_000}


@jit
def passage(waiting, round_, n_threads, most_looks):
    """The engine's barrier, with the number of looks as an argument."""
    if n_threads == 1:
        return
    this_round = fetch_now(round_)
    if fetch_add(waiting, 1) == n_threads - 1:
        store_now(waiting, 0)
        store_now(round_, this_round + 1)
        return
    looks = 0
    while fetch_now(round_) == this_round:
        looks += 1
        if looks > most_looks:
            yield_processor()


def passages(waiting, round_, n_threads, most_looks, n):
    """The kernel that passes n barriers."""
    for _ in range(n):
        passage(waiting, round_, n_threads, most_looks)


def waits(address, n):
    """The kernel that waits for n looks, as the barrier does."""
    looks = 0
    while fetch_now(address) == 0:
        looks += 1
        if looks > n:
            store_now(address, 1)


def nanoseconds(
    kernel: Any, cores: list[set[int]], most_looks: int, n: int, runs: int, distance: int = 8
) -> list[float]:
    """Of one passage, in each of so many runs of n passages by a thread for each set of cores."""
    words = aligned(16, 1, np.int64)
    waiting, taken = words.ctypes.data, []
    gate = threading.Barrier(len(cores))

    def enter(allowed: set[int], first: bool) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(threading.get_native_id(), allowed)
        for _ in range(runs):
            gate.wait()
            begun = time.perf_counter()
            kernel(waiting, waiting + distance, len(cores), most_looks, n)
            if first:
                taken.append((time.perf_counter() - begun) / n * 1e9)

    threads = [threading.Thread(target=enter, args=(allowed, i == 0)) for i, allowed in enumerate(cores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def start_and_join() -> None:
    """One thread beside this one, started and joined."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def per_call(function: Callable[[], Any], n: int = 500) -> list[float]:
    """Nanoseconds of each of n calls."""
    taken = []
    for _ in range(n):
        begun = time.perf_counter()
        function()
        taken.append((time.perf_counter() - begun) * 1e9)
    return taken


def main() -> None:
    """Print the table."""
    print(machine())
    print(f"{'ns a passage':44} {'least':>12} {'median':>12}")

    def show(what: str, taken: list[float]) -> None:
        print(f"{what:44} {min(taken):12,.1f} {statistics.median(taken):12,.1f}", flush=True)

    watch, number = callable_kernel(waits, "spike_waits", 2), aligned(16, 1, np.int64)

    def look() -> None:
        number[:] = 0
        watch(number.ctypes.data, 100_000)

    show("one look", [t / 100_000 for t in per_call(look)])
    kernel = callable_kernel(passages, "spike_passages", 5)
    all_cores = set(range(os.cpu_count() or 1))
    for looks, most in LOOKS.items():
        show(f"{looks}, 1 thread", nanoseconds(kernel, [all_cores], most, 3000, 100))
        show(f"{looks}, 2 threads", nanoseconds(kernel, [{0}, {1}], most, 3000, 300))
        show(f"{looks}, 2 threads, numbers apart", nanoseconds(kernel, [{0}, {1}], most, 3000, 300, distance=64))
        n, runs = (20, 10) if most == FOR_EVER else (300, 100)
        show(f"{looks}, 2 threads on one core", nanoseconds(kernel, [{0}, {0}], most, n, runs))
        show(f"{looks}, 3 threads", nanoseconds(kernel, [all_cores] * 3, most, n, runs))
    with ThreadPoolExecutor(1) as pool:
        show("a thread, started and joined", per_call(start_and_join))
        show("a pool's thread, asked and awaited", per_call(lambda: pool.submit(int).result()))


if __name__ == "__main__":
    main()
