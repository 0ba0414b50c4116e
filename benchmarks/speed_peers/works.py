"""The works: data, network, batches, rates and order, the same for every program.

A program gets a `Work` and trains its network from `weights` on X and y, the rows in the order of `orders`, one epoch
a row of it. What it reached is measured by `loss`, one function for all, from the weights that it ended with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glassnet import Dense, Network
from glassnet.datasets import three_clouds
from glassnet.maths.optimisers import Adam, GradientDescent, Optimiser

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam, everybody's defaults


class Goal(NamedTuple):
    """A figure to reach: `peer` ÷ ours at least `factor`, or ours ÷ "limit" at most; "two" is one thread ÷ two."""

    peer: str
    factor: float


@dataclass(frozen=True)
class Kind:
    """What is trained, before there is any data.

    widths : features, hidden nodes …, outputs.   rows, batch : of the data and of a step; full batch where equal.
    epochs : of one run; a run is what is timed.
    """

    title: str
    widths: tuple[int, ...]
    rows: int
    batch: int
    epochs: int
    goals: tuple[Goal, ...]
    activation: str = "relu"
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    task: str = "classes"

    @property
    def full_batch(self) -> bool:
        """Whether a step sees all rows, in the order they have."""
        return self.batch == self.rows

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return self.epochs * -(-self.rows // self.batch)

    @property
    def tail(self) -> int:
        """Rows of an epoch's last batch where it is a smaller one, else 0."""
        return self.rows % self.batch

    @property
    def reduction(self) -> str:
        """The article descends on the summed loss, everybody else on the mean."""
        return "sum" if self.optimiser == "descent" else "mean"


def _minibatch(widths: tuple[int, ...], batch: int, rows: int, epochs: int, *goals: Goal) -> Kind:
    return Kind(f"{'-'.join(map(str, widths))}, batch {batch}", widths, rows, batch, epochs, goals)


_MNIST = (784, 256, 128, 10)
_MNIST_GOALS = (Goal("best", 1.2), Goal("limit", 1.2), Goal("two", 1.7))

KINDS = {
    "article": Kind(
        "article, 1500×2-5-3, full batch",
        (2, 5, 3),
        1500,
        1500,
        1000,
        (Goal("JAX", 3), Goal("article's loop", 15), Goal("PyTorch", 35), Goal("limit", 1.4)),
        activation="sigmoid",
        optimiser="descent",
        learning_rate=1e-5,
    ),
    "10-16-10": _minibatch((10, 16, 10), 32, 16_000, 2, Goal("JAX", 2), Goal("scikit-learn", 40), Goal("PyTorch", 80)),
    "20-64-32-10": _minibatch(
        *((20, 64, 32, 10), 128, 25_600, 2),
        *(Goal("JAX", 1.8), Goal("scikit-learn", 8), Goal("PyTorch", 8), Goal("limit", 1.5)),
    ),
    "32-128-64-10": _minibatch(
        (32, 128, 64, 10), 256, 25_600, 2, Goal("best", 1.5), Goal("limit", 1.35), Goal("two", 1.6)
    ),
    "64-256-256-256-10": _minibatch(
        (64, 256, 256, 256, 10), 256, 25_600, 1, Goal("best", 1.2), Goal("limit", 1.2), Goal("two", 1.7)
    ),
    "mnist-128": _minibatch(_MNIST, 128, 60_000, 1, *_MNIST_GOALS),
    "mnist-256": _minibatch(_MNIST, 256, 60_000, 1, *_MNIST_GOALS),
    "simplechains": Kind(
        "4-32-16-4 tanh, 10,000 rows, full batch",
        (4, 32, 16, 4),
        10_000,
        10_000,
        50,
        (Goal("gflops", 18),),
        activation="tanh",
        task="numbers",
    ),
}


class Work:
    """A kind of work with its data: X (n, p) float32; y (n,) labels, or (n, K) numbers; T (n, K) targets as float32.

    weights : the first W (p, q) and b (q,) of each layer, float32.   orders : (epochs, n) row numbers.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name, self.kind = name, KINDS[name]
        make = {"article": _clouds, "simplechains": _exponentials}.get(name, _mnist if "mnist" in name else _teacher)
        X, y = make(self.kind, np.random.default_rng(seed))
        self.X = np.ascontiguousarray(X, np.float32)
        self.y = y.astype(np.int64 if self.kind.task == "classes" else np.float32)
        self.T = np.eye(self.kind.widths[-1], dtype=np.float32)[y] if self.kind.task == "classes" else self.y
        self.seed = seed
        network = self.network()
        self.weights = list(zip(network.coefs, network.intercepts, strict=True))

    @cached_property
    def orders(self) -> np.ndarray:
        """The row numbers of each epoch in the order of training."""
        kind = self.kind
        if kind.full_batch:
            return np.broadcast_to(np.arange(kind.rows), (kind.epochs, kind.rows))
        random = np.random.default_rng(self.seed + 1)
        return np.stack([random.permutation(kind.rows) for _ in range(kind.epochs)])

    def network(self) -> Network:
        """The network with its first weights, a new one each time."""
        kind = self.kind
        start = "standard_normal" if kind.optimiser == "descent" else "auto"
        layers = [Dense(width, kind.activation, start) for width in kind.widths[1:-1]]
        return Network(
            [*layers, Dense(kind.widths[-1], "identity", start)],
            "cross_entropy" if kind.task == "classes" else "squared_error",
            kind.widths[0],
            np.float32,
            reduction=kind.reduction,
            random_state=self.seed,
        )

    def optimiser(self) -> Optimiser:
        """The optimiser as glassnet has it."""
        return GradientDescent() if self.kind.optimiser == "descent" else Adam()

    def loss(self, weights: list[tuple[np.ndarray, np.ndarray]]) -> float:
        """The loss over all rows, in float64, of a network with these W (p, q) and b (q,)."""
        total = 0.0
        for first in range(0, len(self.X), 8192):
            A = self.X[first : first + 8192].astype(np.float64)
            for i, (W, b) in enumerate(weights):
                A = A @ np.asarray(W, np.float64) + np.asarray(b, np.float64)
                if i < len(weights) - 1:
                    A = _ACTIVATIONS[self.kind.activation](A)
            total += self._summed_loss(A, self.y[first : first + 8192])
        return total if self.kind.reduction == "sum" else total / len(self.X)

    def _summed_loss(self, Z: np.ndarray, y: np.ndarray) -> float:
        if self.kind.task == "numbers":
            return float(np.square(Z - y).mean(axis=1).sum())
        Z = Z - Z.max(axis=1, keepdims=True)
        return float((np.log(np.exp(Z).sum(axis=1)) - Z[np.arange(len(Z)), y]).sum())


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda Z: np.maximum(Z, 0.0),
    "sigmoid": lambda Z: 1.0 / (1.0 + np.exp(-Z)),
    "tanh": np.tanh,
}


def _clouds(kind: Kind, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    data = three_clouds(kind.rows // 3, seed=0)
    return data.X, data.y


def _teacher(kind: Kind, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Normal features; classes are the tenths of a curved score, so that there is something to learn."""
    X = random.standard_normal((kind.rows, kind.widths[0]))
    u, v = random.standard_normal((2, kind.widths[0])) / np.sqrt(kind.widths[0])
    score = X @ u + (X @ v) ** 2
    return X, score.argsort().argsort() * kind.widths[-1] // kind.rows


def _exponentials(kind: Kind, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """SimpleChains' example: the exponential of a 2×2 matrix, from the four entries to the four of the result."""
    from scipy.linalg import expm

    A = random.standard_normal((kind.rows, 2, 2))
    return A.reshape(-1, 4), expm(A).reshape(-1, 4)


def _mnist(kind: Kind, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X, y, _, _ = mnist()
    return X, y


def mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X and y to train on, X and y to test on; pixels from 0 to 1, float32. Raises FileNotFoundError."""
    with np.load(DATA / "mnist.npz") as data:
        parts = [data[name] for name in ("X_train", "y_train", "X_test", "y_test")]
    images = [part.reshape(len(part), -1).astype(np.float32) / np.float32(255) for part in parts[::2]]
    return images[0], parts[1], images[1], parts[3]
