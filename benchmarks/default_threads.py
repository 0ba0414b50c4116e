"""Is training with `n_jobs=None`, the default, never slower than with one thread?

    python benchmarks/default_threads.py [--rounds 9] [--work NAME]

By default the engine tries numbers of threads, run after run, and keeps the fastest (`engine/threads.py`). For each
work of `speed.py` the two take turns of some runs (epochs, or so many full batches); figures are medians of seconds a
step in microseconds. Goal: a ratio of 1 at most, but for the noise of the machine, which the last column shows: one
thread against itself, the first half of the rounds divided by the second.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np

from glassnet.training.backend import Rows
from glassnet.training.compiled import EngineBackend
from speed_peers.report import machine, table
from speed_peers.works import DATA, KINDS, Work

SECONDS = 0.3  # of a turn


class Side:
    """Training of a work with some `n_jobs`."""

    def __init__(self, work: Work, n_jobs: int | None) -> None:
        kind = work.kind
        rows = Rows(work.X, work.T)
        self.backend = EngineBackend(work.network(), work.optimiser(), rows, batch_size=kind.batch, n_jobs=n_jobs)
        self.state, self.order = self.backend.start(), np.ascontiguousarray(work.orders[0])
        self.rates = np.tile([[kind.learning_rate, 0.0, 1.0, 1.0]], (-(-kind.rows // kind.batch), 1))
        self.figures: list[float] = []

    def turn(self) -> None:
        """Train for a while, an epoch a run."""
        steps, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < SECONDS or not steps:
            self.backend.run(self.state, self.order, self.rates)
            steps += len(self.rates)
        self.figures.append(passed / steps * 1e6)


def measured(name: str, rounds: int) -> list[str]:
    """The row of one work."""
    work = Work(name)
    one, default = Side(work, 1), Side(work, None)
    for side in (one, default):
        side.turn()
        side.figures.clear()  # cold
    for _ in range(rounds):
        one.turn()
        default.turn()
    half = rounds // 2
    figures = median(one.figures), median(default.figures)
    noise = median(one.figures[:half]) / median(one.figures[half:])
    cells = [f"{figure:,.1f}" for figure in figures]
    return [work.kind.title, *cells, f"{figures[1] / figures[0]:.2f}", f"{noise:.2f}"]


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--work", action="append", choices=list(KINDS))
    options = parser.parse_args()
    names = options.work or [name for name in KINDS if (DATA / "mnist.npz").exists() or "mnist" not in name]
    print(machine(), end="\n\n")
    head = ["work, µs a step", "one thread", "default", "default ÷ one", "one ÷ itself"]
    print(table(head, [measured(name, options.rounds) for name in names]))


if __name__ == "__main__":
    main()
