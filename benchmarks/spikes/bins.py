"""Spike 7: numbers as their shares in bins.

    python benchmarks/spikes/bins.py

µs a step, by the processor time of the thread, medians of epochs taken in turns: 20 numbers, two hidden layers, ReLU,
one output, Adam, float32, one thread. As they are; 160 of them; behind a dense layer of 160; in 16 bins each with an
embedding of 8 numbers; in 16 bins each, bare.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from timing import machine

from glassnet import Columns, Dense, Network, PiecewiseLinear
from glassnet.maths.layers import Layer
from glassnet.maths.numbers import quantile_edges
from glassnet.maths.optimisers import optimiser_named
from glassnet.training.backend import Rows
from glassnet.training.compiled import EngineBackend

N_ROWS, NUMBERS, BINS, WIDTH, EPOCHS = 8192, 20, 16, 8, 100


def apart(X: np.ndarray, *behind: Layer) -> Columns:
    """Each number in bins of its own."""
    return Columns({f"n{k}": ([k], [PiecewiseLinear(quantile_edges(X[:, k], BINS)), *behind]) for k in range(NUMBERS)})


def backend(first: list[Layer], X: np.ndarray, hidden: int, batch: int) -> EngineBackend:
    layers = [*first, Dense(hidden, "relu"), Dense(hidden, "relu"), Dense(1)]
    network = Network(layers, "squared_error", X.shape[1], np.float32, random_state=0)
    T = np.random.default_rng(1).normal(size=(len(X), 1))
    rows = Rows(X.astype(np.float32), T.astype(np.float32))
    return EngineBackend(network, optimiser_named("adam"), rows, batch_size=batch, n_jobs=1)


def medians(cases: list[EngineBackend]) -> list[float]:
    """Of a step of each, taken in turns."""
    random = np.random.default_rng(2)
    states, times = [case.start() for case in cases], np.empty((EPOCHS, len(cases)))
    for epoch in range(EPOCHS):
        order = random.permutation(N_ROWS)
        for i, (case, state) in enumerate(zip(cases, states, strict=True)):
            n_steps = N_ROWS // case.batch_size
            rates = np.tile([1e-3, 0.0, 1.0, 1.0], (n_steps, 1))
            start = time.thread_time()
            case.run(state, order, rates)
            times[epoch, i] = (time.thread_time() - start) / n_steps * 1e6
    return np.median(times, axis=0).tolist()


def main() -> None:
    random: Any = np.random.default_rng(0)
    X, wide = random.normal(size=(N_ROWS, NUMBERS)), random.normal(size=(N_ROWS, NUMBERS * WIDTH))
    embedded, bare = [apart(X, Dense(WIDTH, "identity", "piecewise_linear"))], [apart(X)]
    heads = ("hidden, batch", "20 numbers", "160 numbers", "dense 160", "embedded", "bare")
    print(f"{heads[0]:16}", *(f"{head:>11}" for head in heads[1:]))
    for hidden, batch in ((128, 128), (128, 256), (256, 256)):
        firsts: list[tuple[list[Layer], np.ndarray]] = [([], X), ([], wide), ([Dense(NUMBERS * WIDTH)], X)]
        firsts += [(embedded, X), (bare, X)]
        times = medians([backend(first, data, hidden, batch) for first, data in firsts])
        print(f"{f'{hidden}-{hidden}, {batch}':16}", *(f"{figure:11.1f}" for figure in times))


if __name__ == "__main__":
    print(machine(), end="\n\n")
    main()
