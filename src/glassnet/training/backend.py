"""The reference backend: training steps and predictions on NumPy.

A backend is what the training loop talks to; it cannot tell one from another (`Backend` says what it must have). It
holds the data and the network, and works on a `state`, a dict of arrays: the flat `params`, the optimiser's moments by
name, `step`, the number of steps done, and where weights are averaged their `average`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from glassnet.maths.averaging import averaged, share_of_step
from glassnet.maths.layers import Draws
from glassnet.maths.optimisers import Optimiser
from glassnet.maths.penalties import clip_by_norm, decay, penalty, penalty_backward
from glassnet.maths.random import Purpose, Stream
from glassnet.network import Network
from glassnet.training.origin import Origin, Recall, Step, origin_of

__all__ = [
    "RATES",
    "Backend",
    "GivenUp",
    "ReferenceBackend",
    "Rows",
    "State",
    "reference_hidden",
    "reference_outputs",
    "require_rows",
]

State = dict[str, np.ndarray]

# The columns of `rates`, one row a step. The last two are factors on the layers' and the loss's own rates.
RATES = ("learning_rate", "weight_decay", "dropout", "label_smoothing")

CHUNK = 8192  # rows that are evaluated at a time, so that memory does not grow with the table
STACK = 1024  # rows that are predicted at a time: what they leave between layers stays in the processor's cache


class Rows(NamedTuple):
    """Samples: X (n, p), the targets T (n, K) as the loss makes them, and weights (n,) or None."""

    X: np.ndarray
    T: np.ndarray
    weights: np.ndarray | None = None

    @property
    def total_weight(self) -> float:
        """Sum of the weights, or the number of rows."""
        return float(len(self.X) if self.weights is None else self.weights.sum())


class GivenUp(Exception):  # noqa: N818 - no error: somebody asked for it
    """An evaluation was given up because `Backend.interrupt` was called meanwhile."""


class Backend:
    """What the training loop needs: the part that all backends share, and the methods in which they differ.

    network : whose weights are the first.   optimiser : of the steps.   rows : to train on.
    batch_size : rows a step, for each member of an ensemble; the last batch of an epoch may be smaller.
    averaging : memory of the average of weights, see `maths.averaging`; 0 keeps none.
    l1, l2 : penalties on the weights, added to the loss.   clip_norm : longest gradient, or None.
    seed : of the dropout masks.   origin : where the last run went out of range, if it did and that was found.
    """

    network: Network
    optimiser: Optimiser
    rows: Rows
    batch_size: int
    averaging: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None
    seed: int = 0
    origin: Origin | None = None
    _recall: Recall | None = None

    @property
    def members(self) -> int:
        """How many members see rows of their own; 1 for one network."""
        return self.network.members or 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches that the training rows make."""
        return -(-len(self.rows.X) // self.batch_size)

    def start(self) -> State:
        """The state before the first step: the network's weights, moments at 0."""
        params = self.network.params.copy()
        average = {"average": params.copy()} if self.averaging else {}
        return {"params": params, "step": np.zeros((), np.int64), **self.optimiser.start(params), **average}

    def weights_of(self, state: State) -> np.ndarray:
        """The weights to validate and to predict with: the average, where there is one."""
        return state.get("average", state["params"])

    def per_row(self, total: float, rows: Rows | None = None) -> float:
        """A summed loss as the network reduces it: divided by the weight of the rows, or left a sum; 0 of no weight."""
        if self.network.reduction == "sum":
            return total
        weight = (self.rows if rows is None else rows).total_weight
        return total / weight if weight > 0 else 0.0

    def share(self, rows: np.ndarray) -> float:
        """The part of the training rows' weight that these row numbers hold."""
        if self.rows.weights is None:
            return len(rows) / len(self.rows.X)
        return float(self.rows.weights[rows].sum()) / self.rows.total_weight

    def random_words(self, stream: Stream, n: int) -> np.ndarray:
        """The first n words of a stream, (n,) uint64: what the order of rows is drawn with."""
        return stream.bits(1, n)[0]

    def interrupt(self) -> None:
        """Ask a run under way to end early, from a signal handler or another thread. A run to come is not concerned."""

    def run(self, state: State, rows: np.ndarray, rates: np.ndarray, total: float = 0.0) -> tuple[float, bool]:
        """Train one step for each batch of `rows`, with one row of `rates` (see RATES) each; `state` changes in place.

        rows : row numbers in the order of training, cut into batches of `batch_size`, each of which stands there for
            every member in turn, see `loop.row_order`.
        total : the sum until now, to which each step's loss is added in its turn: the bits of an epoch's sum do not
            depend on where its runs are cut.
        Returns the sum over steps of loss times weight of the batch, penalties not counted, and whether all losses
        and the last weights, those of `weights_of`, are finite; where they are not, `origin` says where it began. Fewer
        steps are done than asked for where `interrupt` or a loss that is not finite cut the run short, as state["step"]
        then says. Raises IndexError for a number that no row has.
        """
        self._recall = self._recall or Recall()
        self._recall.keep(state, len(rates))
        total, finite = self._steps(state, rows, rates, total)
        self.origin = None if finite else self._origin(rows, rates)
        return total, finite

    def _steps(self, state: State, rows: np.ndarray, rates: np.ndarray, total: float = 0.0) -> tuple[float, bool]:
        """The steps of `run`. An average holds what is not finite in the weights, so it alone is looked at."""
        raise NotImplementedError

    def _origin(self, rows: np.ndarray, rates: np.ndarray) -> Origin | None:
        """Where the run that was just done went out of range: its steps again, up to the one that failed."""
        size = self.batch_size * self.members
        found = None if self._recall is None else self._recall.failed_step(self._steps, size, rows, rates)
        if found is None:
            return None
        before, k = found
        batch, step = rows[k * size : (k + 1) * size], int(before["step"])
        if self.network.members is not None:  # a part for each: (members, rows, columns)
            batch = batch.reshape(self.network.members, -1)
        data, (_, _, dropout, smoothing) = self.rows, rates[k].tolist()
        weights = None if data.weights is None else data.weights[batch]
        draws = Draws(Stream(self.seed, Purpose.DROPOUT, step=step), dropout)
        T = self.network.loss.smoothed(data.T[batch], smoothing)
        at = Step(before["params"], data.X[batch], T, weights, draws, self.l1, self.l2, self.clip_norm)
        return origin_of(self.network, at, step + 1)

    def loss_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss over all training rows, penalties included, and its gradient: what L-BFGS minimises.

        Raises GivenUp when it was interrupted.
        """
        raise NotImplementedError

    def predict(self, params: np.ndarray, X: np.ndarray) -> np.ndarray:
        """The outputs Y (n, K) of the network with these parameters."""
        raise NotImplementedError

    def evaluate(self, params: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """The loss on other rows, without dropout, smoothing or penalties, and the outputs Y.

        Raises GivenUp when it was interrupted.
        """
        raise NotImplementedError


class ReferenceBackend(Backend):
    """Steps of one optimiser on one network and its training rows.

    batch_size : rows a step; the last batch of an epoch may be smaller.
    l1, l2 : penalties on the weights, added to the loss.   clip_norm : longest gradient, or None.
    averaging : memory of the average of weights; 0 for none.   seed : of the dropout masks.
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
    ) -> None:
        self.network = network
        self.averaging = averaging
        self.optimiser = optimiser
        self.rows = rows
        self.batch_size = batch_size
        self.l1, self.l2 = l1, l2
        self.clip_norm = clip_norm
        self.seed = seed
        self._interrupted = False  # since the call under way began
        self._draws = any(layer.draws for layer in network.layers)
        self._weight_slices = [block.slice for block in network.blocks if block.role == "weight"]

    def interrupt(self) -> None:
        """See `Backend.interrupt`; heeded between two steps, and between two chunks of rows that are evaluated."""
        self._interrupted = True

    def _steps(self, state: State, rows: np.ndarray, rates: np.ndarray, total: float = 0.0) -> tuple[float, bool]:
        self._interrupted, finite = False, True
        require_rows(np.ascontiguousarray(rows, np.int64), len(self.rows.X))
        self.network.bind(state["params"])
        with np.errstate(all="ignore"):  # overflow shows in the flag
            for batch, step_rates in zip(self._batches(rows), rates, strict=True):
                loss = self._step(state, batch, *step_rates.tolist())
                total += loss
                finite = bool(np.isfinite(loss))
                if not finite or self._interrupted:  # after a loss that is not finite nothing can be better, and
                    break  # state["step"] now tells which step it was
        return total, finite and bool(np.isfinite(self.weights_of(state)).all())

    def _batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        size = self.batch_size * self.members
        return (rows[first : first + size] for first in range(0, len(rows), size))

    def _step(
        self,
        state: State,
        batch: np.ndarray,
        learning_rate: float,
        weight_decay: float,
        dropout: float,
        label_smoothing: float,
    ) -> float:
        """One step: gradient, penalties, clipping, decay, update. Returns loss times weight of the batch."""
        network, data = self.network, self.rows
        step = int(state["step"])
        if network.members is not None:  # a part for each: (members, rows, columns)
            batch = batch.reshape(network.members, -1)
        weights = None if data.weights is None else data.weights[batch]
        draws = Draws(Stream(self.seed, Purpose.DROPOUT, step=step), dropout) if self._draws else None
        T = network.loss.smoothed(data.T[batch], label_smoothing)
        loss, G = network.backpropagate(data.X[batch], T, weights, draws)
        self._add_penalties(G)
        if self.clip_norm is not None:
            G = clip_by_norm(G, self.clip_norm)
        if weight_decay:
            for W in network.weights:
                W[...] = decay(W, learning_rate, weight_decay)
        self.optimiser.update(state["params"], G, state, step + 1, learning_rate)
        state["step"] += 1
        if self.averaging:
            average, share = state["average"], share_of_step(np.float64(step + 1), self.averaging)
            average[...] = averaged(average, state["params"], average.dtype.type(share))
        if network.reduction == "sum":
            return loss
        return loss * float(batch.size if weights is None else weights.sum())

    def _add_penalties(self, G: np.ndarray) -> None:
        if self.l1 or self.l2:
            for place, W in zip(self._weight_slices, self.network.weights, strict=True):
                G[place] += penalty_backward(W, self.l1, self.l2)

    def loss_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss over all training rows, penalties included, and its gradient: what L-BFGS minimises."""
        network, self._interrupted = self.network, False
        network.bind(params)
        with np.errstate(all="ignore"):
            loss, G = network.backpropagate(self.rows.X, network.loss.smoothed(self.rows.T), self.rows.weights)
            self._add_penalties(G)
            loss += sum(penalty(W, self.l1, self.l2) for W in network.weights)
        if self._interrupted:
            raise GivenUp
        return loss, G

    def predict(self, params: np.ndarray, X: np.ndarray) -> np.ndarray:
        """The outputs Y (n, K) of the network with these parameters."""
        self.network.bind(params)
        return self.network.averaged(self.network.loss.output(scores_of(self.network, X)))

    def evaluate(self, params: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """The loss on other rows, without dropout, smoothing or penalties, and the outputs Y."""
        network, self._interrupted = self.network, False
        network.bind(params)
        with np.errstate(all="ignore"):
            Z = scores_of(network, rows.X, self._heed)
            losses = network.judged(Z, rows.T).astype(np.float64)
            total = float(losses.sum() if rows.weights is None else rows.weights @ losses)
            return self.per_row(total, rows), network.averaged(network.loss.output(Z))

    def _heed(self) -> None:
        if self._interrupted:
            raise GivenUp


def require_rows(rows: np.ndarray, n: int) -> None:
    """Raise IndexError unless every row number, int64 (m,), lies in [0, n): compiled code would read foreign memory.

    It takes 1.1 µs for 1,000 rows, of the 70 µs in which the engine trains on them (10-16-10, batches of 32).
    """
    # One pass for both ends: as numbers without sign, the negative ones are the largest.
    if rows.size and np.maximum.reduce(rows.view(np.uint64), axis=None) >= n:
        wrong = rows[(rows < 0) | (rows >= n)][0]
        raise IndexError(f"rows must be row numbers from 0 to {n - 1}, got {wrong}")


def scores_of(network: Network, X: np.ndarray, heed: Callable[[], None] = lambda: None) -> np.ndarray:
    """The raw scores Z (..., n, K) of a network, some rows at a time: memory does not grow with the table.

    heed : called before each chunk, to raise what ends it.
    """
    chunks = []
    for first in range(0, len(X), CHUNK):
        heed()
        chunks.append(network.forward(X[first : first + CHUNK])[0])
    return np.concatenate(chunks, axis=-2) if chunks else np.empty((0, network.n_outputs), network.dtype)


def reference_outputs(network: Network, X: np.ndarray) -> np.ndarray:
    """The outputs Y (n, K) of a trained network, in chunks of rows, each row by itself: X (n, p).

    A product of two matrices sums in an order that BLAS chooses by their shapes and by a row's place among the others,
    so the same row has other last digits in another table. Hence the rows go through the network as a stack of n
    matrices of one row, (n, 1, p): NumPy then calls BLAS for each row with the same shape, vector times matrix, and
    what a row comes out as depends on nothing else. All other formulas work within a row anyway. It takes two to three
    times as long as one product for all rows, so training, where nobody compares bits, does without.
    """
    if len(X) == 0:
        return np.empty((0, network.n_outputs), network.dtype)
    with np.errstate(all="ignore"):  # overflow shows in the outputs
        chunks = [network.forward(stacked(network, X[first : first + STACK]))[0] for first in range(0, len(X), STACK)]
        Y = network.loss.output(chunks[0] if len(chunks) == 1 else np.concatenate(chunks))
        return network.averaged(Y)[:, 0]


def reference_hidden(network: Network, X: np.ndarray, layer: int = -1) -> np.ndarray:
    """The values (n, units) of a hidden layer, each row by itself, as `reference_outputs` has them: X (n, p).

    Of an ensemble, those of all members side by side, (n, members · units).
    """
    chunks = []
    for first in range(0, len(X), STACK):
        with np.errstate(all="ignore"):
            A = network.hidden_values(stacked(network, X[first : first + STACK]), layer)
        chunks.append(A.reshape(len(A), -1))
    return np.concatenate(chunks)


def stacked(network: Network, X: np.ndarray) -> np.ndarray:
    """X (n, p) as a stack of matrices of one row, (n, 1, p), with an axis for an ensemble's members where there are."""
    return X[:, None, :] if network.members is None else X[:, None, None, :]
