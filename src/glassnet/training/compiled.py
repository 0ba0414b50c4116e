"""The engine's backend: the same steps as the reference's, many of them in one call of compiled code."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from glassnet.engine.plan import Plan, plan_of, unsupported
from glassnet.engine.program import Program
from glassnet.engine.records import N_FACTORS
from glassnet.engine.threads import Crew, threads_of
from glassnet.maths.members import mean_of_members
from glassnet.maths.optimisers import Optimiser
from glassnet.maths.penalties import penalty, penalty_backward
from glassnet.maths.random import Stream
from glassnet.network import Network
from glassnet.training.backend import RATES, Backend, GivenUp, Rows, State, require_rows

__all__ = ["EngineBackend", "engine_outputs", "unsupported"]

ORDER_CHECKED = 2**15  # row numbers looked at together
PADDING = 64  # numbers between the gradients of two slices, so that no cache line holds both
RESIDENT_BYTES = 2**25  # of a full batch, up to which it is kept as kernels read it
AVERAGED_TOGETHER = 2**16  # rows whose outputs by every member are kept until their mean is taken
PREDICTED_TOGETHER = 512  # rows of a chunk of a prediction, at most
# Multiplications of a run from which on this thread only waits for others: half a second of work, during which Ctrl-C
# could not reach it.
WORTH_WAITING = 10_000_000_000
# To move a number of an embedding, which each step does whether a sample is there or not, takes 0.2 ns: as long as so
# many multiplications.
A_NUMBER_OF_A_TABLE = 10
# Multiplications of a prediction from which on it is shared out among threads. To start one takes about 80 µs, and the
# threads of BLAS, which go on looking for work for a while, may hold its processor: 10,000 rows through 20-64-32-10 (36
# million) took 480 µs with two and 440 with one, 20,000 rows 755 and 862.
WORTH_SHARING = 60_000_000


class EngineBackend(Backend):
    """Steps of one optimiser on one network and its training rows; see `ReferenceBackend` for the arguments.

    n_jobs : threads, at most as many as the process may use; None tries which number is fastest. The result does not
        depend on it.
    announce : called with the number of kernels to compile, where that takes more than about a second.
    Raises CompilerUnavailable where kernels cannot be compiled, and ValueError for arrays that do not fit the network.
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
        averaging: float = 0.0,
        seed: int = 0,
        n_jobs: int | None = None,
        announce: Callable[[int], Any] | None = None,
    ) -> None:
        self.network = network
        self.optimiser = optimiser
        weights = None if rows.weights is None else np.ascontiguousarray(rows.weights, network.dtype)
        X, T = (np.ascontiguousarray(part, network.dtype) for part in (rows.X, rows.T))
        self.rows = Rows(X, T, weights)
        self.batch_size = batch_size
        self.averaging = averaging
        self._evaluating: Program | None = None
        self.l1, self.l2 = l1, l2
        self.clip_norm, self.seed = clip_norm, seed
        self.n_jobs = n_jobs
        batch = min(batch_size, len(rows.X))
        tables = sum(block.size for block in network.blocks if block.role == "embedding")
        self._multiplications = 3 * network.multiplications * batch + A_NUMBER_OF_A_TABLE * tables  # of a step
        self._step_rows = batch_size * self.members
        whole = batch_size >= len(rows.X) and (rows.X.size + rows.T.size) * network.dtype.itemsize <= RESIDENT_BYTES
        plan = plan_of(network, batch, optimiser, clipped=bool(clip_norm), resident=whole)
        _require_fit(plan, self.rows)
        self._program = Program(plan, announce)
        self._loaded, self._order = False, np.arange(len(rows.X) if whole else 0)
        slices = plan.n_slices
        most = threads_of(n_jobs) if slices == 1 and not plan.n_members else min(threads_of(n_jobs), slices)
        self._crew = Crew(most, self._multiplications, fixed=n_jobs is not None)
        step = network.params.size + PADDING  # from one slice's gradient to the next
        self._gradient = np.zeros(slices * step, network.dtype)
        options = {
            "batch": batch * self.members,
            "gradient_step": step,
            "seed": seed,
            "l1": l1,
            "l2": l2,
            "clip_norm": clip_norm or 0.0,
            "memory": averaging,
        }
        self._fields = options | self._fixed_fields(batch)

    def _fixed_fields(self, batch: int) -> dict[str, Any]:
        """Fields of `records.SHARED` that data and network give."""
        network, rows = self.network, self.rows
        roles = [
            (block.offset, block.offset + block.size, block.role == "weight", network.is_own(block))
            for block in network.blocks
        ]
        return {
            "X": rows.X,
            "T": rows.T,
            "weights": 0 if rows.weights is None else rows.weights,
            "gradient": self._gradient,
            "roles": np.array(roles, np.int64).reshape(-1, 4),
            "n_roles": len(roles),
            "smoothing": network.loss.label_smoothing,
            "smoothing_classes": network.loss.smoothing_classes(rows.T),
            "mean": int(network.reduction == "mean"),
            "loss_sums": np.zeros(self._program.n_blocks(batch) * self.members, network.dtype),
        }

    def _steps(self, state: State, rows: np.ndarray, rates: np.ndarray, total: float = 0.0) -> tuple[float, bool]:
        self._program.ready()
        first, n_steps = int(state["step"]), len(rates)
        if n_steps != -(-len(rows) // self._step_rows):
            raise ValueError(
                f"{len(rows)} rows are not {n_steps} batches of {self.batch_size}, one for each of the rates"
            )
        rates = np.ascontiguousarray(rates, np.float64)
        n_threads, begun = self._crew.choose(), time.perf_counter()
        done = self._run(
            n_threads,
            rows,
            params=state["params"],
            rates=rates,
            factors=self._factors(first, rates),
            n_steps=n_steps,
            step=first,
            total_loss=total,
            average=state["average"] if self.averaging else 0,
            **{f"moment_{i}": state[name] for i, name in enumerate(self.optimiser.moments, 1)},
        )
        self._crew.timed(n_threads, time.perf_counter() - begun, int(done["n_done"][0]))
        state["step"] += int(done["n_done"][0])
        finite = bool(done["finite"][0]) and bool(np.isfinite(self.weights_of(state)).all())
        return float(done["total_loss"][0]), finite

    def _run(self, n_threads: int, rows: np.ndarray, **fields: Any) -> np.ndarray:
        """Run the training kernel over batches of `rows`."""
        rows = np.ascontiguousarray(rows, np.int64)
        resident = self._program.plan.resident and self._in_order(rows)
        if not resident:
            require_rows(rows, len(self.rows.X))
        if resident and not self._loaded:
            self._program.load(self.rows.X, self.rows.T)
        self._loaded = resident
        return self._program.run(
            "train",
            n_threads,
            wait=self._multiplications * fields["n_steps"] > WORTH_WAITING,
            **(self._fields | fields),
            rows=rows,
            n_rows=len(rows),
            finite=1,
            resident=int(resident),
        )

    def _factors(self, first: int, rates: np.ndarray) -> np.ndarray:
        """What the optimiser's formula takes at each step beside its arrays, (n_steps, N_FACTORS)."""
        steps = np.arange(first + 1, first + len(rates) + 1)
        factors = np.zeros((len(rates), N_FACTORS))
        for column, value in enumerate(self.optimiser.factors(steps, rates[:, RATES.index("learning_rate")])):
            factors[:, column] = value
        return factors

    def _in_order(self, rows: np.ndarray) -> bool:
        """Whether every batch holds all rows as they stand in the table."""
        n = len(self.rows.X)
        if len(rows) % n:
            return False
        batches, some = rows.reshape(-1, n), max(1, ORDER_CHECKED // n)  # some at a time stay in the cache
        return all(bool((batches[i : i + some] == self._order).all()) for i in range(0, len(batches), some))

    def interrupt(self) -> None:
        """Ask a run or an evaluation under way to end early, from a signal handler or another thread."""
        for program in (self._program, self._evaluating):
            if program is not None:
                program.interrupt()

    def random_words(self, stream: Stream, n: int) -> np.ndarray:
        """The first n words of a stream, (n,) uint64, as `maths.random` has them."""
        return self._program.random_words(stream, n)

    def loss_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss over all training rows, penalties included, and its gradient; see `ReferenceBackend`."""
        self._program.ready()
        n = len(self.rows.X)
        params = np.ascontiguousarray(params, self.network.dtype)
        done = self._run(
            self._crew.choices[-1],
            np.tile(np.arange(n), self.members),
            params=params,
            rates=np.array([[0.0, 0.0, 0.0, 1.0]]),  # nothing moves, nothing is dropped
            n_steps=1,
            batch=n * self.members,
            update=0,
            clip_norm=0.0,
            loss_sums=np.zeros(self._program.n_blocks(n) * self.members, self.network.dtype),
        )
        if not done["n_done"][0]:
            raise GivenUp
        G = self._gradient[: params.size].copy()
        loss = self.per_row(float(done["total_loss"][0]))
        if self.network.reduction == "mean":
            loss /= self.members
        for block in self.network.blocks:
            if block.role == "weight" and (self.l1 or self.l2):
                W = params[block.slice]
                G[block.slice] += penalty_backward(W, self.l1, self.l2)
                loss += penalty(W, self.l1, self.l2)
        return loss, G

    def predict(self, params: np.ndarray, X: np.ndarray) -> np.ndarray:
        """The outputs Y (n, K) of the network with these parameters."""
        return _predictor(self.network)(params, X, self.n_jobs)

    def evaluate(self, params: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """The loss on other rows, without dropout, smoothing or penalties, and the outputs Y."""
        predictor, members = _predictor(self.network), self.network.members
        _require_fit(predictor.plan, rows)
        self._evaluating = program = predictor.take()
        try:
            Y, total = predictor.run(program, params, rows.X, self.n_jobs, None if members else rows)
            if program.stop[0]:
                raise GivenUp
        finally:
            self._evaluating = None
            predictor.give_back(program)
        if members:  # judged by the mean of its members' outputs
            losses = self.network.loss.rows(self.network.loss.scores(Y), rows.T).astype(np.float64)
            total = float(losses.sum() if rows.weights is None else rows.weights @ losses)
        return self.per_row(total, rows), Y


class _Predictor:
    """Predicts with one network's layers, whatever its parameters; keeps the program between calls."""

    def __init__(self, network: Network) -> None:
        self.dtype, self.n_outputs, self.weights = network.dtype, network.n_outputs, network.multiplications
        self.plan = plan_of(network, PREDICTED_TOGETHER)
        self._free: list[Program] = []  # programs that no other thread is using

    def take(self) -> Program:
        """A program that no other thread is using."""
        try:
            program = self._free.pop()
        except IndexError:
            return Program(self.plan)
        program.ready()
        return program

    def give_back(self, program: Program) -> None:
        """Keep a program for the next who needs one."""
        self._free.append(program)

    def __call__(self, params: np.ndarray, X: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
        """Outputs Y (n, K) for X (n, p)."""
        program = self.take()
        try:
            return self.run(program, params, X, n_jobs)[0]
        finally:
            self.give_back(program)

    def run(
        self, program: Program, params: np.ndarray, X: np.ndarray, n_jobs: int | None, rows: Rows | None = None
    ) -> tuple[np.ndarray, float]:
        """Outputs Y (n, K) for X (n, p), and with `rows` the sum of their losses times weights."""
        X, params = np.ascontiguousarray(X, self.dtype), np.ascontiguousarray(params, self.dtype)
        if X.ndim != 2 or X.shape[1] != program.plan.widths[0]:
            raise ValueError(f"X must have {program.plan.widths[0]} columns, got the shape {X.shape}")
        n, work = len(X), len(X) * self.weights
        if program.plan.n_members and n > AVERAGED_TOGETHER:
            parts = [X[first : first + AVERAGED_TOGETHER] for first in range(0, n, AVERAGED_TOGETHER)]
            return np.concatenate([self.run(program, params, part, n_jobs)[0] for part in parts]), 0.0
        members = max(program.plan.n_members, 1)
        Y = np.empty((members, n, self.n_outputs), self.dtype)
        fields: dict[str, Any] = {}
        if rows is not None:
            T = np.ascontiguousarray(rows.T, self.dtype)
            weights = 0 if rows.weights is None else np.ascontiguousarray(rows.weights, self.dtype)
            sums = np.zeros(program.n_blocks(n), self.dtype)
            fields = {"T": T, "weights": weights, "loss_sums": sums}
        n_threads = threads_of(n_jobs) if work >= WORTH_SHARING else 1
        program.run("predict", n_threads, wait=work > WORTH_WAITING, X=X, Y=Y, n_rows=n, params=params, **fields)
        Y = Y[0] if members == 1 else mean_of_members(Y)
        return Y, float(sums.sum(dtype=np.float64)) if rows is not None else 0.0


_PREDICTORS: WeakKeyDictionary[Network, _Predictor] = WeakKeyDictionary()


def _predictor(network: Network) -> _Predictor:
    """The predictor of a network, made when it is first needed."""
    predictor = _PREDICTORS.get(network)
    if predictor is None:
        predictor = _PREDICTORS[network] = _Predictor(network)
    return predictor


def engine_outputs(network: Network, X: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """The outputs Y (n, K) of a trained network; each row's bits depend on nothing but the row.

    Raises CompilerUnavailable where kernels cannot be compiled.
    """
    return _predictor(network)(network.params, X, n_jobs)


def _require_fit(plan: Plan, rows: Rows) -> None:
    """Raise ValueError unless the arrays have the shapes the kernels will read: they look at nothing but addresses."""
    n = len(rows.X)
    wanted: dict[str, tuple[int, ...]] = {"X": (n, plan.widths[0]), "T": (n, plan.n_targets)}
    if rows.weights is not None:
        wanted |= {"weights": (n,)}
    for name, shape in wanted.items():
        found = getattr(rows, name).shape
        if found != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {found}")
