"""Seconds of training until glassnet tells 98 % of MNIST's test images right: median over seeds.

    python benchmarks/speed_peers/to_accuracy.py THREADS SEED [SEED …]

784-256-128-10, ReLU, Adam at 1e-3, batches of 128, no regularisation; accuracy is looked at after each epoch, and the
looking is not on the clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

GOAL, MOST_EPOCHS, BATCH = 0.98, 40, 128


def train(seed: int, threads: int) -> dict[str, float | None]:
    """Seconds and epochs until the goal; None when it is not reached in `MOST_EPOCHS`."""
    from glassnet import Dense, Network
    from glassnet.maths.optimisers import Adam
    from glassnet.training.backend import Rows
    from glassnet.training.compiled import EngineBackend
    from glassnet.training.loop import row_order
    from speed_peers.works import mnist

    X, y, X_test, y_test = mnist()
    layers = [Dense(256, "relu"), Dense(128, "relu"), Dense(10)]
    network = Network(layers, "cross_entropy", 784, np.float32, random_state=seed)
    T = np.eye(10, dtype=np.float32)[y]
    backend = EngineBackend(network, Adam(), Rows(X, T), batch_size=BATCH, n_jobs=threads)
    state, seconds = backend.start(), 0.0
    rates = np.ones((backend.steps_per_epoch, 4))  # learning rate, decay, dropout, smoothing
    rates[:, 0], rates[:, 1] = 1e-3, 0.0
    for epoch in range(1, MOST_EPOCHS + 1):
        rows = row_order(len(X), BATCH, seed, epoch)
        begin = time.perf_counter()
        backend.run(state, rows, rates)
        seconds += time.perf_counter() - begin
        accuracy = float((backend.predict(state["params"], X_test).argmax(axis=1) == y_test).mean())
        if accuracy >= GOAL:
            return {"seconds": seconds, "epochs": epoch, "accuracy": accuracy}
    return {"seconds": None, "epochs": None, "accuracy": accuracy}


def report(seeds: int) -> str:
    """The figures as text, measured in processes of their own."""
    from speed_peers.pool import environment
    from speed_peers.report import table

    rows = []
    for threads in (1, 2):
        command = [sys.executable, __file__, str(threads), *map(str, range(seeds))]
        done = subprocess.run(command, capture_output=True, text=True, env=environment("glassnet", threads))
        if done.returncode:
            return f"not measured: {done.stderr.strip().splitlines()[-1]}"
        runs = json.loads(done.stdout.splitlines()[-1])
        reached = [run for run in runs if run["seconds"] is not None]
        cells = ["–", "–", "–"]
        if reached:
            seconds, epochs = ([run[name] for run in reached] for name in ("seconds", "epochs"))
            cells = [f"{median(seconds):.1f}", f"{min(seconds):.1f} to {max(seconds):.1f}", f"{median(epochs):g}"]
        rows.append([f"glassnet, {threads}", *cells, f"{len(reached)} of {len(runs)}"])
    return table([f"{seeds} seeds", "median s", "all, s", "epochs", "reached"], rows)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    print(json.dumps([train(int(seed), int(sys.argv[1])) for seed in sys.argv[2:]]))
