"""Spike 6: categories as embeddings.

    python benchmarks/spikes/embeddings.py

Kernels: µs of looking up and of adding up, 256 samples, random levels; and of adding up without turning samples into
         rows first.
Steps  : µs of 20 numbers and some categories -> 128 -> 64 -> 10, ReLU, Adam, batch 256: the categories as embeddings
         of 8 numbers, as one-hot columns, and as embeddings on NumPy. One thread, float32.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from timing import best, callable_kernel, machine

from glassnet import Columns, Dense, Embedding, Network
from glassnet.engine import categories
from glassnet.engine.memory import local_at, operation_at, reals_of, shared_at
from glassnet.maths.optimisers import optimiser_named
from glassnet.training.backend import ReferenceBackend, Rows
from glassnet.training.compiled import EngineBackend

DTYPE = np.float32
N_ROWS, BATCH, NUMBERS = 8192, 256, 20


def straight_gradient(dtype: Any) -> Any:
    """Adding up as `categories.embedding_gradient` does it, one sample after the other where they stand."""
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        n, width, stride = local.n_columns, operation.n_out, shared.stride
        dE = reals(local.gradient + size * operation.params, (operation.n_in + 1) * width)
        if local.adding == 0:
            for k in range((operation.n_in + 1) * width):
                dE[k] = 0
        C = reals(shared.arena + size * (operation.x + local.from_column), n)
        dA = reals(shared.arena + size * (operation.da + local.from_column), width * stride)
        for i in range(n):
            for u in range(width):
                dE[np.int64(C[i]) * width + u] += dA[u * stride + i]

    return kernel


def columns(n_categories: int, levels: int, width: int) -> Columns:
    """Numbers as they are, then embeddings."""
    embedded = {f"c{k}": ([NUMBERS + k], [Embedding(levels, width)]) for k in range(n_categories)}
    return Columns({"numbers": (range(NUMBERS), []), **embedded})


def backend(kind: Any, layers: list[Any], X: np.ndarray, **options: Any) -> Any:
    """A backend with its network, on targets of ten classes."""
    T = np.eye(10, dtype=DTYPE)[np.random.default_rng(1).integers(10, size=len(X))]
    network = Network([*layers, Dense(10)], "cross_entropy", X.shape[1], DTYPE, random_state=0)
    return kind(network, optimiser_named("adam"), Rows(X.astype(DTYPE), T), batch_size=BATCH, **options)


def table(n_categories: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and codes from 1 on."""
    random = np.random.default_rng(0)
    return random.normal(size=(N_ROWS, NUMBERS)), random.integers(1, levels + 1, size=(N_ROWS, n_categories))


def microseconds(trained: Any) -> float:
    """Of a step of a whole epoch."""
    n_steps, rows = N_ROWS // BATCH, np.random.default_rng(2).permutation(N_ROWS)
    state, rates = trained.start(), np.tile([1e-4, 0.0, 1.0, 1.0], (n_steps, 1))
    return best(lambda: trained.run(state, rows, rates), rounds=30) / n_steps * 1e6


def kernels() -> None:
    """Lookup, gradient, gradient without turning."""
    print(f"{'levels × width':16} {'lookup':>8} {'gradient':>9} {'straight':>9}   µs")
    makers = {"lookup": categories.embedding_forward, "gradient": categories.embedding_gradient}
    calls = [callable_kernel(make(DTYPE), f"spike_{name}", 3) for name, make in makers.items()]
    calls.append(callable_kernel(straight_gradient(DTYPE), "spike_straight", 3))
    nothing = callable_kernel(lambda at_shared, at_local, at_operation: None, "spike_nothing", 3)
    for levels, width in [(20, 4), (20, 8), (20, 32), (1000, 4), (1000, 8), (1000, 16), (1000, 32)]:
        numbers, codes = table(1, levels)
        trained = backend(EngineBackend, [columns(1, levels, width)], np.hstack([numbers, codes]), n_jobs=1)
        trained.run(trained.start(), np.arange(BATCH), np.array([[1e-4, 0.0, 1.0, 1.0]]))  # which fills the arena
        program = trained._program
        local, shared = program._locals[0], program.shared.ctypes.data
        fields = {"end": BATCH, "n": BATCH, "n_columns": BATCH, "n_parts": 1, "gradient": trained._gradient.ctypes.data}
        for name in ("begin", "adding", "from_column", "part"):
            local.record[name] = 0
        for name, value in fields.items():
            local.record[name] = value
        row = next(i for i, op in enumerate(program.plan.operations) if op.fields.get("is_embedding"))
        operation = program.operations[row : row + 1].ctypes.data
        one_call = [functools.partial(call, shared, local.address, operation) for call in (nothing, *calls)]
        empty, *times = [best(call) * 1e6 for call in one_call]
        print(f"{levels:5} × {width:<8}", *(f"{time - empty:9.2f}" for time in times))


def steps() -> None:
    """Embeddings, one-hot columns, embeddings on the reference."""
    heads = ("categories × levels", "parameters", "embeddings", "one-hot", "NumPy")
    print(f"\n{heads[0]:20} {heads[1]:>10} {heads[2]:>11} {heads[3]:>9} {heads[4]:>9}   µs a step")
    hidden = [Dense(128, "relu"), Dense(64, "relu")]
    for n_categories, levels in [(1, 20), (4, 20), (4, 200), (4, 1000), (1, 10_000), (4, 10_000), (1, 100_000)]:
        numbers, codes = table(n_categories, levels)
        layers, X = [columns(n_categories, levels, 8), *hidden], np.hstack([numbers, codes])
        figures = [microseconds(backend(EngineBackend, layers, X, n_jobs=1)), float("nan")]
        if n_categories * levels <= 1000:
            one_hot = (codes[:, :, None] == np.arange(1, levels + 1)).reshape(N_ROWS, -1)
            figures[1] = microseconds(backend(EngineBackend, hidden, np.hstack([numbers, one_hot]), n_jobs=1))
        figures.append(microseconds(backend(ReferenceBackend, layers, X)))
        size = n_categories * (levels + 1) * 8
        print(f"{n_categories:5} × {levels:<12,} {size:>10,}", *(f"{figure:10.1f}" for figure in figures))


if __name__ == "__main__":
    print(machine(), end="\n\n")
    kernels()
    steps()
