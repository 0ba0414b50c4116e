"""The engine's backend: the same steps as the reference's, many of them in one call of compiled code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glassnet.engine.plan import plan_of, unsupported
from glassnet.engine.program import Program
from glassnet.maths.optimisers import Optimiser
from glassnet.network import Network
from glassnet.training.backend import RATES, Rows, State

__all__ = ["EngineBackend", "engine_outputs", "engine_supports"]

PREDICTED_TOGETHER = 512  # rows of a chunk of a prediction, at most

engine_supports = unsupported


class EngineBackend:
    """Steps of one optimiser on one network and its training rows; see `ReferenceBackend` for the arguments.

    n_jobs : threads, or None for as many as pay.
    """

    def __init__(
        self,
        network: Network,
        optimiser: Optimiser,
        rows: Rows,
        *,
        batch_size: int,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_norm: float | None = None,
        seed: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.network = network
        self.optimiser = optimiser
        self.rows = Rows(*(None if part is None else np.ascontiguousarray(part) for part in rows))
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self._program = Program(plan_of(network, batch_size, optimiser))
        self._gradient = np.zeros(network.params.size + 64, network.dtype)
        self._roles = np.array(
            [(block.offset, block.offset + block.size, block.role == "weight") for block in network.blocks], np.int64
        ).reshape(-1, 3)
        self._fields: dict[str, Any] = {
            "X": self.rows.X,
            "T": self.rows.T,
            "weights": 0 if self.rows.weights is None else self.rows.weights,
            "gradient": self._gradient,
            "roles": self._roles,
            "n_roles": len(self._roles),
            "batch": batch_size,
            "seed": seed,
            "l1": l1,
            "l2": l2,
            "clip_norm": clip_norm or 0.0,
            "smoothing": network.loss.label_smoothing,
            "smoothing_classes": network.loss.smoothing_classes(self.rows.T),
            "mean": int(network.reduction == "mean"),
        }

    @property
    def steps_per_epoch(self) -> int:
        """Batches that the training rows make."""
        return -(-len(self.rows.X) // self.batch_size)

    def start(self) -> State:
        """The state before the first step: the network's weights, moments at 0."""
        params = self.network.params.copy()
        return {"params": params, "step": np.zeros((), np.int64), **self.optimiser.start(params)}

    def run(self, state: State, rows: np.ndarray, rates: np.ndarray) -> tuple[float, bool]:
        """Train one step for each batch of `rows`; see `ReferenceBackend.run`."""
        n_steps, first = len(rates), int(state["step"])
        rows, rates = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(rates, np.float64)
        steps = np.arange(first + 1, first + n_steps + 1)
        factors = np.zeros((n_steps, 5))
        for column, value in enumerate(self.optimiser.factors(steps, rates[:, RATES.index("learning_rate")])):
            factors[:, column] = value
        moments = [state[name] for name in self.optimiser.moments]
        done = self._program.run(
            "train",
            self.n_jobs or 1,
            **self._fields,
            **{f"moment_{i}": moment for i, moment in enumerate(moments, 1)},
            params=state["params"],
            rows=rows,
            n_rows=len(rows),
            rates=rates,
            factors=factors,
            n_steps=n_steps,
            step=first,
            block_losses=np.zeros(self.batch_size + 64, self.network.dtype),
            finite=1,
        )
        state["step"] += int(done["n_done"])
        finite = bool(done["finite"]) and bool(np.isfinite(state["params"]).all())
        return float(done["total_loss"]), finite
