"""What a program must do to be measured, and glassnet's own programs, the article's loop, and the limits."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from speed_peers.works import Work

Weights = list[tuple[np.ndarray, np.ndarray]]


class Program:
    """A program that does one work with a number of threads.

    `reset` goes back to the first weights, untimed; `train` does all steps of a run and returns when they are done;
    `weights` are then W (p, q), b (q,) of each layer.
    """

    def __init__(self, work: Work, threads: int) -> None:
        self.work, self.threads = work, threads

    def reset(self) -> None:
        raise NotImplementedError

    def train(self) -> None:
        raise NotImplementedError

    def weights(self) -> Weights | None:
        """What the last run reached; None where there is nothing to compare."""
        raise NotImplementedError

    def turn(self, budget: float) -> float:
        """Seconds a step: the median of as many runs as fit in `budget` seconds, one at least."""
        seconds: list[float] = []
        while not seconds or sum(seconds) < budget:
            self.reset()
            begin = time.perf_counter()
            self.train()
            seconds.append(time.perf_counter() - begin)
        return median(seconds) / self.work.kind.steps


class Glassnet(Program):
    """A backend of glassnet: all steps in one call, or a call an epoch where the last batch is a smaller one."""

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        from glassnet.training.backend import Rows

        kind = work.kind
        self.network = work.network()
        self.rows = Rows(work.X, work.T)
        self.backend = self.make(self.rows)
        parts = work.orders if kind.tail else [work.orders.ravel()]
        self.parts = [np.ascontiguousarray(rows) for rows in parts]
        self.rates = np.ones((kind.steps // len(self.parts), 4))  # learning rate, decay, dropout, smoothing
        self.rates[:, 0], self.rates[:, 1] = kind.learning_rate, 0.0

    def make(self, rows: object) -> object:
        from glassnet.training.compiled import EngineBackend

        work = self.work
        return EngineBackend(self.network, work.optimiser(), rows, batch_size=work.kind.batch, n_jobs=self.threads)

    def reset(self) -> None:
        self.network.params = self.work.network().params
        self.state = self.backend.start()

    def train(self) -> None:
        for rows in self.parts:
            _, finite = self.backend.run(self.state, rows, self.rates)
            assert finite, "the weights are not finite"

    def weights(self) -> Weights:
        self.network.params = self.state["params"]
        return list(zip(self.network.coefs, self.network.intercepts, strict=True))


class Reference(Glassnet):
    """glassnet's NumPy reference; its threads are those of BLAS."""

    def make(self, rows: object) -> object:
        from glassnet.training.backend import ReferenceBackend

        return ReferenceBackend(self.network, self.work.optimiser(), rows, batch_size=self.work.kind.batch)


class ArticleLoop(Program):
    """The loop of "Neural networks from scratch in Python" in NumPy and float64, without its printed losses."""

    def reset(self) -> None:
        self.X, self.T = self.work.X.astype(np.float64), self.work.T.astype(np.float64)
        (W1, b1), (W2, b2) = self.work.weights
        self.W1, self.b1, self.W2, self.b2 = (a.astype(np.float64) for a in (W1, b1, W2, b2))

    def train(self) -> None:
        X, T, W1, b1, W2, b2 = self.X, self.T, self.W1, self.b1, self.W2, self.b2
        alpha = self.work.kind.learning_rate
        for _ in range(self.work.kind.epochs):
            A = 1 / (1 + np.exp(-(X.dot(W1) + b1)))
            expZ = np.exp(A.dot(W2) + b2)
            Y = expZ / expZ.sum(axis=1, keepdims=True)
            delta2 = Y - T
            delta1 = delta2.dot(W2.T) * A * (1 - A)
            W2 -= alpha * A.T.dot(delta2)
            b2 -= alpha * delta2.sum(axis=0)
            W1 -= alpha * X.T.dot(delta1)
            b1 -= alpha * delta1.sum(axis=0)

    def weights(self) -> Weights:
        return [(self.W1, self.b1), (self.W2, self.b2)]


class MatrixProducts(Program):
    """The limit: each matrix product of a step by itself, `np.dot(A, B, out)` at that very shape, the faster layout.

    For a layer (p, q) and n rows: Z = X W, dW = Xᵀ dZ, and, but for the first layer, dX = dZ Wᵀ; once with samples
    along rows, once with samples along columns (Wᵀ Xᵀ and so on). The sum of the faster ones; biases, activations,
    loss, update and the gathering of rows count nothing.
    """

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        random = np.random.default_rng(0)

        def matrix(rows: int, columns: int) -> np.ndarray:
            return random.standard_normal((rows, columns)).astype(np.float32)

        n, widths = work.kind.batch, work.kind.widths
        self.products = []
        for i, (p, q) in enumerate(itertools.pairwise(widths)):
            X, W, dZ = matrix(n, p), matrix(p, q), matrix(n, q)
            rows = [(X, W), (X.T, dZ), (dZ, W.T)][: 3 if i else 2]
            Xt, Wt, dZt = matrix(p, n), matrix(q, p), matrix(q, n)
            columns = [(Wt, Xt), (dZt, Xt.T), (Wt.T, dZt)][: 3 if i else 2]
            self.products += list(zip(rows, columns, strict=True))

    def reset(self) -> None:
        """Nothing is kept."""

    def turn(self, budget: float) -> float:
        """Seconds of a step's products, each timed for a share of the budget."""
        share = budget / (2 * len(self.products))
        return sum(min(self._seconds(A, B, share) for A, B in layouts) for layouts in self.products)

    @staticmethod
    def _seconds(A: np.ndarray, B: np.ndarray, budget: float) -> float:
        out = np.empty((A.shape[0], B.shape[1]), np.float32)
        seconds: list[float] = []
        calls = max(1, int(2e6 / (A.size * B.shape[1])))  # so that reading the clock does not count
        while not seconds or sum(seconds) * calls < budget:
            begin = time.perf_counter()
            for _ in range(calls):
                np.dot(A, B, out)
            seconds.append((time.perf_counter() - begin) / calls)
        return median(seconds)

    def weights(self) -> None:
        return None


class HandFused(Program):
    """The limit of the article's row: article_limit.cpp for this processor. Raises RuntimeError without g++."""

    flags = ("-O3", "-march=native")

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        compiler = shutil.which("g++")
        if compiler is None:
            raise RuntimeError("no g++ here")
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.data, self.result, self.binary = folder / "data", folder / "weights", folder / "limit"
        source = Path(__file__).resolve().parents[1] / "article_limit.cpp"
        made = subprocess.run([compiler, *self.flags, source, "-o", self.binary], capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"g++ failed: {made.stderr[:500]}")
        (W1, b1), (W2, b2) = work.weights
        arrays = (work.X.T, work.T.T, W1.T, b1, W2.T, b2)
        self.data.write_bytes(
            struct.pack("<if", work.kind.rows, work.kind.learning_rate)
            + b"".join(np.ascontiguousarray(a, "<f4").tobytes() for a in arrays)
        )

    def reset(self) -> None:
        """Each run of the program starts from the first weights."""

    def turn(self, budget: float) -> float:
        arguments = [self.binary, self.data, str(self.work.kind.epochs), str(budget), self.result]
        return float(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)

    def weights(self) -> Weights:
        p, h, c = self.work.kind.widths
        flat = np.frombuffer(self.result.read_bytes(), "<f4")
        W1, b1, W2, b2 = np.split(flat, np.cumsum([h * p, h, c * h]))
        return [(W1.reshape(h, p).T, b1), (W2.reshape(c, h).T, b2)]


class HandFusedFastMath(HandFused):
    """The same with -ffast-math."""

    flags = ("-O3", "-march=native", "-ffast-math")
