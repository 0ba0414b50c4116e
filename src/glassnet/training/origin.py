"""Where a training that diverged went out of range: its last run of steps again, one at a time, and one of them slowly.

While all is well nothing is looked at but each step's loss and, after each run of steps, the weights, so this costs a
copy of the state for each run. Only where a run has failed is the copy taken out: the same backend does its steps again
one by one, to the same bits, until one fails, and that one is computed once more with the network's own formulas, which
are asked after each of them whether all numbers are finite still.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.maths.layers import Draws
from glassnet.maths.penalties import clip_by_norm, penalty_backward
from glassnet.network import Network

__all__ = ["REMARKABLE", "Origin", "Recall", "Step", "origin_of"]

# Numbers of a state up to which it is copied, for each step of a run: to copy 2¹⁶ takes 5 µs. A full batch through
# 64-256-256-10, of 260,000 numbers and a step a run, would take 3 % longer; from four steps a run on it is copied.
REMEMBERED = 2**16
FIRST = "was the first to overflow"
REMARKABLE = 1e3  # a scaled input beyond is named; most lie within ±10

State = dict[str, np.ndarray]
Run = Callable[[State, np.ndarray, np.ndarray], tuple[float, bool]]


@dataclass(frozen=True)
class Origin:
    """The first number of a training that is not finite.

    step : counted from 1.   part : what overflowed, a sentence.   member : of an ensemble, counted from 0, or None.
    column : of X, counted from 0, where an input is far out of the ordinary, and its `value`; or None.
    learned : whether the step itself went wrong, from weights of a finite loss; else those it began with were bad.
    """

    step: int
    part: str = ""
    member: int | None = None
    column: int | None = None
    value: float = 0.0
    learned: bool = False

    def text(self, names: Sequence[str] = ()) -> str:
        """In words; `names` are those of the columns. Empty where nothing is known but the step."""
        if not self.part:
            return ""
        member = "" if self.member is None else f" in member {self.member}"
        column = ""
        if self.column is not None:
            name = names[self.column] if len(names) > self.column else self.column
            column = f", where column {name!r} of the encoded table is {self.value:g}"
        return f"{self.part}{member}{column}"


@dataclass(frozen=True)
class Step:
    """What one step of training works with.

    X (n, p), T (n, K), smoothed, weights (n,) or None; of an ensemble with an axis of members before.
    params : the weights before it.   draws : of dropout.   l1, l2, clip_norm : see `ReferenceBackend`.
    """

    params: np.ndarray
    X: np.ndarray
    T: np.ndarray
    weights: np.ndarray | None
    draws: Draws | None
    l1: float
    l2: float
    clip_norm: float | None


class Recall:
    """A copy of the state before each run of steps, and the way back to the step that failed."""

    def __init__(self) -> None:
        self._before: State | None = None
        self._size: int | None = None

    def keep(self, state: State, n_steps: int) -> None:
        """Copy the state before a run of so many steps, unless it is large beside them."""
        if self._size is None:
            self._size = sum(part.size for part in state.values())
        if self._size > REMEMBERED * n_steps:
            self._before = None
            return
        if self._before is None:
            self._before = {name: np.empty_like(part) for name, part in state.items()}
        for name, kept in self._before.items():
            np.copyto(kept, state[name])

    def failed_step(self, run: Run, size: int, rows: np.ndarray, rates: np.ndarray) -> tuple[State, int] | None:
        """The state before the step of this run that failed, and its place in the run; None if it was not kept.

        run : (state, rows, rates) -> (loss, finite), the backend's own; `rows` of one step are `size` row numbers.
        """
        state, self._before = self._before or {}, None
        for k in range(len(rates) if state else 0):
            before = {name: part.copy() for name, part in state.items()}
            _, finite = run(state, rows[k * size : (k + 1) * size], rates[k : k + 1])
            if not finite:
                return before, k
        return None


def origin_of(network: Network, at: Step, step: int) -> Origin:
    """Where the first number that is not finite arises in a step, by the reference's formulas.

    step : its number, for the answer. The network is left as it is. Forward, loss, backward, penalties and clipping are
    looked at in turn; where all of them are finite it is the update.
    """
    twin = copy.copy(network)
    twin.params = at.params
    with np.errstate(all="ignore"):
        return _forward(twin, at, step) or _backward(twin, at, step)


def _forward(network: Network, at: Step, step: int) -> Origin | None:
    """The first layer whose output is not finite, or the loss."""
    A = at.X
    for i, layer in enumerate(network.layers):
        draws = Draws(at.draws.stream.at(layer=i), at.draws.dropout) if at.draws and layer.draws else None
        A, _ = layer.forward(network.parameters(i), A, draws)
        bad = ~np.isfinite(A)
        if bad.any():
            place = tuple(int(p) for p in np.argwhere(bad)[0])
            member = place[0] if network.members is not None and A.ndim == 3 else None
            column, value = _remarkable(at.X, place, first=i == _first_with_weights(network))
            return Origin(step, f"the output of {_layer(network, i)} {FIRST}", member, column, value)
    rows = network.loss.rows(A, at.T)
    if np.isfinite(rows).all() and np.isfinite(rows.sum()):
        return None
    bad = ~np.isfinite(rows)
    member = int(bad.any(axis=-1).argmax()) if network.members is not None and bad.any() else None
    what, most = max(("targets", abs(at.T).max()), ("scores", abs(A).max()), key=lambda pair: pair[1])
    return Origin(step, f"{what} reach {most:.1e}", member)


def _remarkable(X: np.ndarray, place: tuple[int, ...], first: bool) -> tuple[int | None, float]:
    """The column of the largest input in the row of a place, and its value, where that is out of the ordinary."""
    x = X[place[:-1]] if X.ndim == len(place) else X[place[-2]]
    column = int(abs(x).argmax())
    return (column, float(x[column])) if first and abs(x[column]) > REMARKABLE else (None, 0.0)


def _first_with_weights(network: Network) -> int:
    return network.blocks[0].layer if network.blocks else 0


def _layer(network: Network, i: int) -> str:
    return f"layer {i + 1} of {len(network.layers)}, {type(network.layers[i]).__name__},"


def _backward(network: Network, at: Step, step: int) -> Origin:
    """The last layer whose gradient is not finite; else what penalties and clipping make of it, else the update."""
    _, G = network.backpropagate(at.X, at.T, at.weights, at.draws)
    spoiled = _block(network, G, last=True)
    if spoiled is not None:
        return Origin(step, f"the gradient of {spoiled} {FIRST}", learned=True)
    for block in network.blocks:
        if block.role == "weight":
            G[block.slice] += penalty_backward(at.params[block.slice], at.l1, at.l2)
    spoiled = _block(network, G if at.clip_norm is None else clip_by_norm(G, at.clip_norm))
    if spoiled is not None:
        return Origin(step, f"the penalty on {spoiled} {FIRST}", learned=True)
    return Origin(step, f"the step itself overflowed, with gradients up to {abs(G).max():.1e}", learned=True)


def _block(network: Network, vector: np.ndarray, last: bool = False) -> str | None:
    """The layer of the first (or last) block of parameters in which a vector like them is not finite."""
    spoiled = [block.layer for block in network.blocks if not np.isfinite(vector[block.slice]).all()]
    return _layer(network, spoiled[-1 if last else 0]) if spoiled else None
