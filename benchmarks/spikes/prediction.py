"""Spike 4: a row predicted alone and the same row among others.

    python benchmarks/spikes/prediction.py

Bits : one random row stands at all 64 places of a block, and at the first place of batches of 1 to 64 rows; how many
       different results the product with a matrix has, by BLAS and by the engine's kernel.
Speed: a network p -> p -> p -> 10 predicts 10,000 rows; GFLOP/s of the whole prediction, and of its three products by
       `np.dot(A, B, out)` on all rows at once. One thread.
A row: microseconds of predicting one row, by the kernel alone and by the backend's `predict`.
"""

from __future__ import annotations

import ctypes

import numpy as np
from timing import aligned, best, callable_kernel, machine

from glassnet import Dense, Network
from glassnet.engine import machine as processor
from glassnet.engine import microkernel
from glassnet.engine.plan import plan_of
from glassnet.engine.program import Program
from glassnet.training.compiled import engine_outputs

DTYPE = np.float32
WIDTHS = (64, 128, 256, 512)
N_ROWS = 10_000


def patterns(results: np.ndarray) -> int:
    """Different rows, bit by bit."""
    return len(np.unique(np.ascontiguousarray(results).view(np.uint32), axis=0))


def bits() -> None:
    """Of x W for one row x, wherever it stands."""
    columns = "{:32} {:>16} {:>8} {:>16} {:>8}"
    print(columns.format("different results of one row", "np.dot: places", "batches", "ours: places", "batches"))
    product, random = callable_kernel(microkernel.product(DTYPE), "spike_product", 11), np.random.default_rng(0)
    block = processor.block(DTYPE)
    for p, q in [(10, 16), (64, 64), (100, 10), (256, 128), (784, 256), (1000, 1000)]:
        x, W = random.standard_normal(p).astype(DTYPE), random.standard_normal((p, q)).astype(DTYPE)
        rows = np.tile(x, (64, 1))
        blas = [np.dot(rows, W), np.concatenate([np.dot(rows[:n], W)[:1] for n in range(1, 65)])]
        ours = []
        for n in (64, *range(1, 65)):
            width = -(-n // block) * block
            X, Z = aligned(p, width), aligned(q, width)
            X[:, :n] = x[:, None]
            product(W.ctypes.data, 1, q, X.ctypes.data, width, Z.ctypes.data, width, q, width, p, 0)
            ours.append(Z[:, :n].T.copy())
        figures = [patterns(results) for results in (*blas, ours[0], np.concatenate([each[:1] for each in ours[1:]]))]
        print(columns.format(f"{p:5} -> {q}", *figures))


def speed() -> None:
    """GFLOP/s."""
    print(f"\n{'p -> p -> p -> 10, ReLU':32} {'glassnet':>9} {'products by np.dot':>19}   GFLOP/s")
    random = np.random.default_rng(0)
    for p in WIDTHS:
        network = Network([Dense(p, "relu"), Dense(p, "relu"), Dense(10)], "cross_entropy", p, DTYPE, random_state=0)
        X = random.standard_normal((N_ROWS, p)).astype(DTYPE)
        ours = best(lambda network=network, X=X: engine_outputs(network, X, n_jobs=1), rounds=30)
        blas = 0.0
        for a, b in ((p, p), (p, p), (p, 10)):
            A, B = random.standard_normal((N_ROWS, a)).astype(DTYPE), random.standard_normal((a, b)).astype(DTYPE)
            out = np.empty((N_ROWS, b), DTYPE)
            blas += best(lambda A=A, B=B, out=out: np.dot(A, B, out), rounds=30)
        work = 2e-9 * N_ROWS * (2 * p * p + 10 * p)
        print(f"{p:5}{'':27} {work / ours:9.1f} {work / blas:19.1f}", flush=True)


def one_row() -> None:
    """Microseconds."""
    print(f"\n{'one row':32} {'kernel':>9} {'engine_outputs':>19}   µs")
    for widths in ((10, 16, 10), (20, 64, 32, 10), *((p, p, p, 10) for p in WIDTHS)):
        n_features, *hidden, n_outputs = widths
        layers = [*(Dense(width, "relu") for width in hidden), Dense(n_outputs)]
        network = Network(layers, "cross_entropy", n_features, DTYPE, random_state=0)
        X, Y = np.ones((1, n_features), DTYPE), np.empty((1, n_outputs), DTYPE)
        program = Program(plan_of(network, 512))
        shared = program.run("predict", 1, X=X, Y=Y, n_rows=1, params=network.params)
        record, local = np.array([shared]), program._locals[0].address
        kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(program.addresses["predict"])
        address, loss = record.ctypes.data, program.operations[-1:].ctypes.data
        alone = best(lambda kernel=kernel, a=address, b=local, c=loss: kernel(a, b, c))
        through = best(lambda network=network, X=X: engine_outputs(network, X, n_jobs=1))
        print(f"{'-'.join(map(str, widths)):32} {alone * 1e6:9.2f} {through * 1e6:19.2f}", flush=True)


if __name__ == "__main__":
    print(machine())
    bits()
    speed()
    one_row()
