"""JAX at equal work: a whole run under `jit`, its steps a `lax.scan`, in two layouts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from speed_peers.program import Program, Weights
from speed_peers.works import BETAS, EPSILON, Work

_ACTIVATIONS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}


class JaxRows(Program):
    """Samples along rows: Z = X W + b. Only the gradient is asked for, not the loss, which is less than others do."""

    samples = -2  # axis along which the samples of an activation lie

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        kind = work.kind
        self.X, self.T = (self.put(A) for A in (work.X, work.T))
        steps = kind.rows // kind.batch
        self.orders = []  # of each scan: (steps, batch) row numbers
        if not kind.full_batch:
            whole = [order[: steps * kind.batch].reshape(steps, kind.batch) for order in work.orders]
            tails = [order[steps * kind.batch :][None] for order in work.orders]
            parts = [part for pair in zip(whole, tails, strict=True) for part in pair] if kind.tail else whole
            self.orders = [jnp.asarray(part, jnp.int32) for part in (parts if kind.tail else [np.concatenate(whole)])]
        t = np.arange(1, kind.steps + 1)
        self.rates = jnp.asarray(
            np.stack([kind.learning_rate / (1 - BETAS[0] ** t), 1 / np.sqrt(1 - BETAS[1] ** t)], axis=1), jnp.float32
        )
        self.run = jax.jit(self._run)

    def put(self, A: np.ndarray) -> jax.Array:
        return jnp.asarray(A)

    def first(self) -> list[jax.Array]:
        return [jnp.asarray(a) for pair in self.work.weights for a in pair]

    def affine(self, X: jax.Array, W: jax.Array, b: jax.Array) -> jax.Array:
        return X @ W + b

    def batch(self, A: jax.Array, s: jax.Array) -> jax.Array:
        return A[s]

    def loss(self, P: list[jax.Array], X: jax.Array, T: jax.Array) -> jax.Array:
        for i in range(0, len(P), 2):
            X = self.affine(X, P[i], P[i + 1])
            if i + 2 < len(P):
                X = _ACTIVATIONS[self.work.kind.activation](X)
        if self.work.kind.task == "numbers":
            return jnp.square(X - T).mean()
        total = -(T * jax.nn.log_softmax(X, axis=-3 - self.samples)).sum()
        return total if self.work.kind.reduction == "sum" else total / X.shape[self.samples]

    def _run(
        self, P: list[jax.Array], X: jax.Array, T: jax.Array, orders: list[jax.Array], rates: jax.Array
    ) -> list[jax.Array]:
        kind = self.work.kind
        carry = (P, [jnp.zeros_like(p) for p in P], [jnp.zeros_like(p) for p in P])
        if kind.full_batch:
            return lax.scan(lambda c, rate: (self.step(c, rate, X, T), None), carry, rates)[0][0]

        def step(carry: tuple, each: tuple) -> tuple:
            rate, s = each
            return self.step(carry, rate, self.batch(X, s), self.batch(T, s)), None

        done = 0
        for order in orders:
            carry = lax.scan(step, carry, (rates[done : done + len(order)], order))[0]
            done += len(order)
        return carry[0]

    def step(self, carry: tuple, rate: jax.Array, X: jax.Array, T: jax.Array) -> tuple:
        P, M, V = carry
        G = jax.grad(self.loss)(P, X, T)
        if self.work.kind.optimiser == "descent":
            return [p - self.work.kind.learning_rate * g for p, g in zip(P, G, strict=True)], M, V
        M = [BETAS[0] * m + (1 - BETAS[0]) * g for m, g in zip(M, G, strict=True)]
        V = [BETAS[1] * v + (1 - BETAS[1]) * g * g for v, g in zip(V, G, strict=True)]
        P = [p - rate[0] * m / (jnp.sqrt(v) * rate[1] + EPSILON) for p, m, v in zip(P, M, V, strict=True)]
        return P, M, V

    def reset(self) -> None:
        self.P = jax.block_until_ready(self.first())

    def train(self) -> None:
        self.P = jax.block_until_ready(self.run(self.P, self.X, self.T, self.orders, self.rates))

    def weights(self) -> Weights:
        return [(np.asarray(self.P[i]), np.asarray(self.P[i + 1])) for i in range(0, len(self.P), 2)]


class JaxColumns(JaxRows):
    """Samples along columns: Z = Wᵀ X + b, with Wᵀ (q, p) kept as such. Rows are gathered, then turned."""

    samples = -1

    def put(self, A: np.ndarray) -> jax.Array:
        return jnp.asarray(A.T.copy() if self.work.kind.full_batch else A)

    def first(self) -> list[jax.Array]:
        return [jnp.asarray(np.ascontiguousarray(a)) for W, b in self.work.weights for a in (W.T, b[:, None])]

    def affine(self, X: jax.Array, W: jax.Array, b: jax.Array) -> jax.Array:
        return W @ X + b

    def batch(self, A: jax.Array, s: jax.Array) -> jax.Array:
        return A[s].T

    def weights(self) -> Weights:
        return [(W.T, b[:, 0]) for W, b in super().weights()]
