"""How many threads a run takes: what the process may use, and what pays."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from glassnet.errors import require_number

__all__ = ["WORTH_A_THREAD", "Crew", "available", "run_together", "threads_of"]

# Multiplications of a step below which a second thread is never tried: 20-64-32-10, batch 128 (1.4 million, 32 µs), was
# as fast with two, and 32-128-64-10, batch 256 (10 million), 1.7 times as fast.
WORTH_A_THREAD = 2_000_000
PROBE_EVERY = 50  # runs after which the choices that lost are tried again: what else the machine does may have changed
ENOUGH_SECONDS = 2e-4  # a run that a time can be taken from
PATIENCE = 0.05  # seconds between looks at whether Ctrl-C was pressed


def available() -> int:
    """Processors that this process may use: by affinity, by its control group, and by OMP_NUM_THREADS.

    The last is how joblib, Dask and batch systems tell a worker its share.
    """
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [n, _quota(), _environment("OMP_NUM_THREADS"), _environment("LOKY_MAX_CPU_COUNT")]
    return max(1, min(limit for limit in limits if limit is not None))


def _quota() -> int | None:
    """Processors that a control group (a container) grants, rounded up."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _environment(name: str) -> int | None:
    value = os.environ.get(name, "").split(",")[0]
    return int(value) if value.isdigit() and int(value) > 0 else None


def threads_of(n_jobs: int | None) -> int:
    """Most threads for an `n_jobs`: None or -1 for all that the process may use, else so many, if it may use them.

    Raises OptionError unless it is None, -1 or a whole number of at least 1.
    """
    if n_jobs is None or n_jobs == -1:
        return available()
    rule = "must be None, -1 (all processors), or a whole number of at least 1"
    require_number("n_jobs", n_jobs, rule, lambda n: n >= 1, whole=True)
    return min(int(n_jobs), available())


class Crew:
    """Chooses the number of threads for run after run of the same work, by the clock; results do not depend on it.

    most : threads at most.   fixed : whether that many are taken whenever the work is worth it.
    multiplications : in the matrix products of one step.
    """

    def __init__(self, most: int, multiplications: int, fixed: bool = False) -> None:
        worth = most > 1 and multiplications >= WORTH_A_THREAD
        powers = [2**i for i in range(most.bit_length()) if 2**i < most]
        self.choices: Sequence[int] = [1] if not worth else [most] if fixed else [*powers, most]
        self.seconds: dict[int, float] = {}  # of a step, by number of threads
        self.runs = 0

    def choose(self) -> int:
        """Threads for the next run: one not yet tried, else the best so far, and the others again now and then."""
        if len(self.choices) == 1:
            return self.choices[0]
        if self.runs and self.runs % PROBE_EVERY == 0:
            self.seconds.clear()
        for n in self.choices:
            if n not in self.seconds:
                return n
        return min(self.choices, key=self.seconds.__getitem__)

    def timed(self, n: int, seconds: float, steps: int) -> None:
        """Note what a run of so many steps took with n threads."""
        self.runs += 1
        if seconds >= ENOUGH_SECONDS and steps:
            each = seconds / steps
            self.seconds[n] = min(each, self.seconds.get(n, each))


def run_together(calls: Sequence[Callable[[], Any]], wait: bool, abort: Callable[[], Any]) -> None:
    """Make all calls at once, the first in this thread unless it is to `wait`, where Ctrl-C can reach it.

    An exception in this thread, such as KeyboardInterrupt, makes the others `abort`, and comes on when they have.
    """
    if len(calls) == 1 and not wait:
        calls[0]()
        return
    gate, cancelled = threading.Event(), threading.Event()

    def enter(call: Callable[[], Any], left: threading.Event) -> None:
        gate.wait()  # until all threads exist: one alone would wait for the others for ever
        try:
            if not cancelled.is_set():
                call()
        finally:
            left.set()

    # Thread.join is no help here: a KeyboardInterrupt within it makes it take a running thread for ended (as of Python
    # 3.11), and the caller would free the memory that the thread works in.
    all_left: list[threading.Event] = []
    try:
        for call in calls if wait else calls[1:]:
            left = threading.Event()
            threading.Thread(target=enter, args=(call, left), daemon=True).start()
            all_left.append(left)
        gate.set()
        if not wait:
            calls[0]()
        _wait_for(all_left)
    except BaseException:
        cancelled.set()
        gate.set()
        abort()
        while True:
            try:
                _wait_for(all_left)
                break
            except KeyboardInterrupt:  # pressed once more: they are leaving already
                continue
        raise


def _wait_for(events: Sequence[threading.Event]) -> None:
    for event in events:
        while not event.wait(PATIENCE):
            pass
