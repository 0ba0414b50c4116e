"""A network: layers chained, all of their parameters in one flat vector.

This is the reference. It says with NumPy what a network computes; whatever is faster must agree with it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from glassnet.errors import DataError, OptionError, require_choice, require_number
from glassnet.maths.layers import Activation, Dense, Draws, Layer, dense_one, layer_from, sizes_of
from glassnet.maths.losses import Loss, loss_named
from glassnet.maths.members import EnsembleDense, mean_of_members
from glassnet.maths.random import Purpose, Stream, seed_of
from glassnet.maths.slopes import numeric_gradient

__all__ = ["GradientCheck", "Network", "ParameterBlock", "checked_weights", "network_from"]


class ParameterBlock(NamedTuple):
    """Where one parameter stands in the flat vector: params[offset : offset + size].reshape(shape)."""

    name: str
    layer: int
    offset: int
    shape: tuple[int, ...]
    role: str

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def slice(self) -> slice:
        """Its place in the flat vector."""
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True)
class GradientCheck:
    """What `Network.gradient_check` found.

    passed : whether every entry agrees, |analytic - numeric| ≤ rtol |numeric| + atol max|numeric|.
    worst : name of the block with the largest disagreement, its index in the flat vector, and both slopes there.
    largest_error : the largest |analytic - numeric|, divided by the largest slope.
    n_checked : how many entries were looked at.
    """

    passed: bool
    largest_error: float
    worst: tuple[str, int, float, float]
    n_checked: int


class Network:
    """A chain of layers with a loss at its end.

    layers : list of layers; the last one gives the raw scores, so it has no activation as a rule.
    loss : name or Loss, see `maths.losses`; it holds the output function as well.
    n_features : number of columns of X.
    dtype : float64 or float32.
    reduction : "mean", Σ w_i l_i / Σ w_i over the rows, or "sum", the article's total Σ w_i l_i.
    random_state : seed of the first weights; None draws a fresh one.
    params : the flat vector to begin with (a copy of it), in place of first weights that are drawn.

    With `EnsembleDense` layers it is an ensemble of `members` networks, trained on the mean of their losses; what it
    predicts is the mean of their outputs, and `member` gives one of them as a network of its own.

    `params` is one flat vector of all parameters, writable; `blocks` says what stands where. Raises OptionError for
    options that cannot be.

    The article's network, three classes from two features by way of five hidden nodes:

        Network([Dense(5, "sigmoid"), Dense(3)], loss="cross_entropy", n_features=2)
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: str | Loss,
        n_features: int,
        dtype: Any = np.float64,
        *,
        reduction: str = "mean",
        random_state: Any = None,
        params: np.ndarray | None = None,
    ) -> None:
        require_choice("reduction", reduction, ["mean", "sum"])
        require_number("n_features", n_features, "must be a whole number of at least 1", lambda n: n >= 1, whole=True)
        self.layers = list(layers)
        if not self.layers or not all(isinstance(layer, Layer) for layer in self.layers):
            raise OptionError("must hold layers, at least one", argument="layers", value=layers)
        self.loss = loss_named(loss)
        self.n_features = int(n_features)
        self.dtype = _float_type(dtype)
        self.reduction = reduction
        self.members = _members(self.layers, self.loss)
        self.widths, self.blocks = _lay_out(self.layers, self.n_features)
        if params is not None:
            self.params = params
            return
        self.params = np.zeros(sum(block.size for block in self.blocks), self.dtype)
        self.initialise(random_state)

    # --- parameters ---

    @property
    def params(self) -> np.ndarray:
        """All parameters, one flat vector. Assigning a vector of the same length replaces them by a copy of it."""
        return self._params

    @params.setter
    def params(self, vector: np.ndarray) -> None:
        self._require_size(vector)
        self.bind(np.array(vector, self.dtype))

    def _require_size(self, vector: np.ndarray) -> None:
        """OptionError unless a vector has an entry for each parameter."""
        size = sum(block.size for block in self.blocks)
        if np.shape(vector) != (size,):
            raise OptionError(f"must be a vector of {size} numbers", argument="params", value=np.shape(vector))

    def bind(self, vector: np.ndarray) -> None:
        """Compute with this very vector from now on: what is written to it is written to the network.

        Raises OptionError unless it has the network's size and float type.
        """
        self._require_size(vector)
        if vector.dtype != self.dtype:
            raise OptionError(f"must be a vector in {self.dtype}", argument="params", value=vector.dtype.name)
        self._params = vector
        self._views = _views(self.blocks, len(self.layers), vector)

    def split(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """A flat vector laid out like `params`, such as a gradient, cut into its blocks by name, as views."""
        return {block.name: vector[block.slice].reshape(block.shape) for block in self.blocks}

    def parameters(self, layer: int) -> dict[str, np.ndarray]:
        """The parameters of one layer by name, as views of the flat vector: writing to them writes to the network."""
        return self._views[layer]

    def initialise(self, random_state: Any = None, X: np.ndarray | None = None) -> None:
        """Draw the first weights anew. X, the input to come, is there for layers that look at data."""
        seed = seed_of(random_state)
        for i, layer in enumerate(self.layers):
            layer.initialise(self._views[i], X, Stream(seed, Purpose.INITIALISE, layer=i))

    @property
    def weights(self) -> list[np.ndarray]:
        """Flat views of the blocks that penalties and decay act on: role "weight", no biases, scales or embeddings."""
        return [self._params[block.slice] for block in self.blocks if block.role == "weight"]

    @property
    def multiplications(self) -> int:
        """Multiplications in the matrix products of one row's forward pass: the number of weights, of all members."""
        k = self.members or 1
        weights = (block for block in self.blocks if block.role == "weight")
        return sum(block.size if len(block.shape) == 3 else k * block.size for block in weights)

    def is_own(self, block: ParameterBlock) -> bool:
        """Whether each member of an ensemble has a part of this block for itself."""
        layer = self.layers[block.layer]
        return isinstance(layer, EnsembleDense) and not (layer.shared and block.name.endswith(".W"))

    @property
    def n_dense(self) -> int:
        """Dense layers, the output layer among them."""
        return sum(isinstance(layer, (Dense, EnsembleDense)) for layer in self.layers)

    @property
    def coefs(self) -> list[np.ndarray]:
        """The matrices W (p, q) of the dense layers, first to last, as views."""
        return [self._views[i]["W"] for i, layer in enumerate(self.layers) if isinstance(layer, Dense)]

    @property
    def intercepts(self) -> list[np.ndarray]:
        """The biases b (q,) of the dense layers, first to last, as views."""
        return [self._views[i]["b"] for i, layer in enumerate(self.layers) if isinstance(layer, Dense)]

    def names_below(self, inputs: Sequence[str]) -> list[str]:
        """Names of what comes to the first dense layer, the rows of `coefs[0]`, from the names of the columns of X."""
        names = list(inputs)
        for layer in self.layers:
            if isinstance(layer, (Dense, EnsembleDense)):
                break
            names = layer.names(names)
        return names

    # --- forward ---

    @property
    def n_outputs(self) -> int:
        """Number of output nodes."""
        return self.widths[-1]

    def forward(self, X: np.ndarray, random: Draws | None = None) -> tuple[np.ndarray, list[Any]]:
        """The forward pass: raw scores Z (n, n_outputs), and what each layer keeps for the backward pass.

        X : (n, n_features). The scores of an ensemble are (members, n, n_outputs), and X may have this axis too.
        `random` is given in training alone; without it nothing is dropped.
        """
        A = X
        cache = []
        for i, layer in enumerate(self.layers):
            draws = Draws(random.stream.at(layer=i), random.dropout) if random and layer.draws else None
            A, kept = layer.forward(self._views[i], A, draws)
            cache.append(kept)
        return A, cache

    def predict(self, X: Any) -> np.ndarray:
        """The outputs Y (n, n_outputs) for many samples: probabilities, or numbers, as the loss has it.

        Raises DataError for another number of columns.
        """
        return self.averaged(self.loss.output(self.forward(self._matrix(X))[0]))

    def averaged(self, Y: np.ndarray) -> np.ndarray:
        """Outputs (…, members, n, K) as the ensemble's, the mean over its members; those of one network as they are."""
        return Y if self.members is None else mean_of_members(Y)

    def predict_one(self, x: Any) -> np.ndarray:
        """The outputs for one sample as the article's column vector: x (n_features, 1), y (n_outputs, 1).

        Each layer computes z = Wᵀ x + b, the transpose of the row that `predict` has.
        """
        if self.members is not None:
            raise OptionError(
                "is for one network", argument="predict_one", value=f"{self.members} members", remedy="Pick a member."
            )
        a = np.asarray(x, self.dtype).reshape(-1, 1)
        if len(a) != self.n_features:
            raise DataError(f"must be a column of {self.n_features} numbers", argument="x", value=np.shape(x))
        for i, layer in enumerate(self.layers):
            if isinstance(layer, Dense):
                P = self._views[i]
                a = layer.activation.forward(dense_one(a, P["W"], P["b"]))
            else:
                a = layer.forward(self._views[i], a.T, None)[0].T
        return self.loss.output(a.T).T

    def hidden(self, X: Any, layer: int = -1) -> np.ndarray:
        """Values of a hidden layer after its activation, (n, units); -1 is the last before the output layer."""
        return self.hidden_values(self._matrix(X), layer)

    def hidden_values(self, A: np.ndarray, layer: int = -1) -> np.ndarray:
        """`hidden` of inputs (..., n, p) in the network's float type, without checks of them: (..., n, units)."""
        outputs = []
        for i, part in enumerate(self.layers):
            A, _ = part.forward(self._views[i], A, None)
            if isinstance(part, (Dense, EnsembleDense)):
                outputs.append(A)
            elif isinstance(part, Activation) and outputs:  # of the dense layer before it
                outputs[-1] = A
        n_hidden = len(outputs) - 1  # the last one is the output layer
        if not -n_hidden <= layer < n_hidden:
            rule = f"must be from {-n_hidden} to {n_hidden - 1}" if n_hidden else "cannot be given: there are none"
            raise OptionError(f"{rule} (hidden layers)", argument="layer", value=layer)
        return outputs[layer] if layer >= 0 else outputs[layer - 1]

    # --- loss and backward ---

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The loss as it stands, without dropout or label smoothing, reduced as `reduction` says.

        X : (n, n_features).   y : labels, numbers or the one-hot T.   sample_weight : (n,), at least 0.
        """
        X, T, weights = self.checked(X, y, sample_weight)
        total, _ = self._reduced(self.judged(self.forward(X)[0], T), weights)
        return float(total)

    def judged(self, Z: np.ndarray, T: np.ndarray) -> np.ndarray:
        """The loss (n,) of each row's prediction, from raw scores; an ensemble's is that of the mean of its outputs."""
        if self.members is None:
            return self.loss.rows(Z, T)
        return self.loss.rows(self.loss.scores(self.averaged(self.loss.output(Z))), T)

    def loss_and_gradient(
        self, X: Any, y: Any, sample_weight: Any = None, *, random: Draws | None = None
    ) -> tuple[float, np.ndarray]:
        """The loss that training minimises, and its gradient as one flat vector laid out like `params`.

        X : (n, n_features), a row or more.   y : labels, numbers or the one-hot T.   sample_weight : (n,), at least 0.
        Label smoothing is part of this loss; dropout too where `random` is given. Rows of weight 0 count as absent;
        when all are, loss and gradient are 0. Raises DataError for shapes and targets that do not fit.
        """
        X, T, weights = self.checked(X, y, sample_weight)
        return self.backpropagate(X, self.loss.smoothed(T), weights, random)

    def backpropagate(
        self, X: np.ndarray, T: np.ndarray, weights: np.ndarray | None = None, random: Draws | None = None
    ) -> tuple[float, np.ndarray]:
        """`loss_and_gradient` on targets T as the loss makes and smooths them, without checks: what training calls.

        Forward through the layers, then dZ of the loss, then backward through the layers in turn.
        """
        Z, cache = self.forward(X, random)
        loss, share = self._reduced(self.loss.rows(Z, T), weights)
        dA = self.loss.gradient(Z, T) * share  # share: what each row counts in the reduced loss
        gradient = np.empty_like(self._params)
        views = _views(self.blocks, len(self.layers), gradient)
        first = self.blocks[0].layer if self.blocks else 0  # nothing below it has parameters
        for i in range(len(self.layers) - 1, first - 1, -1):
            dA, dP = self.layers[i].backward(self._views[i], cache[i], dA, input_gradient=i > first)
            for name, value in dP.items():
                views[i][name][...] = value
        return float(loss), gradient

    def _reduced(self, rows: np.ndarray, weights: np.ndarray | None) -> tuple[Any, Any]:
        """The losses of rows reduced to one, and the factor on each row's gradient that belongs to it."""
        if weights is None:
            return (rows.sum(), 1.0) if self.reduction == "sum" else (rows.mean(), 1.0 / max(rows.size, 1))
        weights = np.broadcast_to(weights, rows.shape)  # the same for all members
        total = weights.sum() if self.reduction == "mean" else 1.0
        share = weights / total if total > 0 else np.zeros_like(weights)
        return np.vdot(share, rows), share[..., None]

    def gradient_check(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        rtol: float = 1e-6,
        atol: float = 1e-9,
        max_entries: int = 2000,
    ) -> GradientCheck:
        """Compare the gradient with numeric slopes in float64, entry by entry.

        An entry agrees when |analytic - numeric| ≤ rtol |numeric| + atol max|numeric|. A network with more than
        `max_entries` parameters is checked at that many, chosen at random but always the same. Close to a kink (ReLU,
        absolute error) a difference is not a slope, and a correct gradient can fail.
        """
        twin = self.astype(np.float64)
        X, T, weights = twin.checked(X, y, sample_weight)
        T = self.loss.smoothed(T)
        size = twin.params.size
        indices = np.arange(size)
        if size > max_entries:
            indices = np.sort(Stream(0, Purpose.CHECK).permutation(size)[:max_entries])

        def loss_at(params: np.ndarray) -> float:
            twin.params = params
            return twin.backpropagate(X, T, weights)[0]

        start = twin.params.copy()
        analytic = twin.backpropagate(X, T, weights)[1][indices]
        numeric = numeric_gradient(loss_at, start, indices)
        return self._compare(analytic, numeric, indices, rtol, atol)

    def _compare(
        self, analytic: np.ndarray, numeric: np.ndarray, indices: np.ndarray, rtol: float, atol: float
    ) -> GradientCheck:
        if not len(indices):  # a network without parameters has no gradient to be wrong
            return GradientCheck(True, 0.0, ("", -1, 0.0, 0.0), 0)
        largest = float(np.abs(numeric).max())
        error = np.abs(analytic - numeric)
        passed = bool(np.all(error <= rtol * np.abs(numeric) + atol * largest))
        worst = int(np.argmax(error))
        entry = int(indices[worst])
        block = next(block for block in self.blocks if entry < block.offset + block.size)
        return GradientCheck(
            passed,
            float(error[worst]) / largest if largest > 0 else float(error[worst]),
            (block.name, entry, float(analytic[worst]), float(numeric[worst])),
            len(indices),
        )

    # --- checks, copies, descriptions ---

    def _matrix(self, X: Any) -> np.ndarray:
        X = _numbers("X", X, self.dtype)
        if X.ndim != 2:
            raise DataError(
                "must be a matrix, one sample a row",
                argument="X",
                value=X.shape,
                remedy="For one sample: predict_one.",
            )
        if X.shape[1] != self.n_features:
            raise DataError(
                f"X has {X.shape[1]} features, but Network is expecting {self.n_features} features as input"
            )
        if not np.isfinite(X).all():
            row, column = np.argwhere(~np.isfinite(X))[0]
            raise DataError(
                f"must be finite in {self.dtype}",
                argument="X",
                row=int(row) + 1,
                column=int(column),
                value=X[row, column],
            )
        self.layers[0].check(X, range(self.n_features))
        return X

    def checked(self, X: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """X, the targets T and the weights in the network's float type. Raises DataError where they do not fit."""
        X = self._matrix(X)
        if len(X) == 0:
            raise DataError("must hold at least one row", argument="X", value=X.shape)
        T = self.loss.targets(y, self.n_outputs, self.dtype)
        if len(T) != len(X):
            raise DataError(f"must have as many rows as X, {len(X)}", argument="y", value=len(T))
        if sample_weight is None:
            return X, T, None
        weights = checked_weights(sample_weight, len(X), self.dtype)
        if weights.all():
            return X, T, weights
        present = weights > 0  # left out, not multiplied by 0: a row that is absent cannot bring in an infinity
        return X[present], T[present], weights[present]

    def member(self, number: int) -> Network:
        """One member of an ensemble, counted from 0, as a network of its own: its scales are part of its weights.

        Raises OptionError where there is no such member.
        """
        members = self.members or 0
        rule = f"must be from 0 to {members - 1}" if members else "is for ensembles, and this is one network"
        require_number("member", number, rule, lambda m: 0 <= m < members, whole=True)
        layers = [_alone(layer) if isinstance(layer, EnsembleDense) else layer for layer in self.layers]
        one = Network(layers, self.loss, self.n_features, self.dtype, reduction=self.reduction, random_state=0)
        for i, layer in enumerate(self.layers):
            own = self._views[i]
            if isinstance(layer, EnsembleDense):
                own = {"W": layer.weights(own)[number], "b": own["b"][number]}
            for name, value in own.items():
                one._views[i][name][...] = value
        return one

    def astype(self, dtype: Any) -> Network:
        """A copy that computes in another float type."""
        twin = copy.copy(self)
        twin.dtype = _float_type(dtype)
        twin.params = self._params
        return twin

    def with_params(self, params: np.ndarray) -> Network:
        """A network of the very same layers with other parameters, a copy of this flat vector."""
        twin = copy.copy(self)
        twin.params = params
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies: the views are left out, for a copy needs views of its own vector."""
        return {name: value for name, value in self.__dict__.items() if name != "_views"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.bind(self._params)

    def describe(self) -> dict[str, Any]:
        """The network as plain data without its weights; `network_from(description, params)` makes it again."""
        pairs = zip(self.layers, self.widths[:-1], strict=True)
        return {
            "n_features": self.n_features,
            "layers": [{**layer.describe(), **sizes_of(layer, p)} for layer, p in pairs],
            "loss": self.loss.describe(),
            "reduction": self.reduction,
            "dtype": self.dtype.name,
        }

    def __repr__(self) -> str:
        """Widths, layers and loss in one line."""
        chain = " -> ".join([f"{self.n_features} features", *(layer.brief() for layer in self.layers)])
        return f"Network({chain}, loss={self.loss.name}, {self._params.size} parameters)"


def network_from(description: dict[str, Any], params: np.ndarray) -> Network:
    """Make a network again from what its `describe` returned and its flat vector of parameters.

    Nothing as large as the parameters is made before it is known that there are as many as the layers have.
    """
    return Network(
        [layer_from(layer) for layer in description["layers"]],
        loss_named(**description["loss"]),
        description["n_features"],
        description["dtype"],
        reduction=description["reduction"],
        params=params,
    )


def _float_type(dtype: Any) -> np.dtype:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in (np.float32, np.float64):  # to NumPy None equals float64
        raise OptionError("must be float32 or float64", argument="dtype", value=dtype)
    return found


def _numbers(argument: str, values: Any, dtype: np.dtype) -> np.ndarray:
    """Values as a C-ordered array of a float type. Raises DataError for what holds no numbers."""
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            return np.ascontiguousarray(values, dtype)
    except (TypeError, ValueError) as error:
        raise DataError(
            "must be numbers in rows of equal length", argument=argument, value=type(values).__name__
        ) from error


def checked_weights(sample_weight: Any, n_rows: int, dtype: np.dtype) -> np.ndarray:
    """Weights (n_rows,) of rows in a float type. Raises DataError unless they are finite numbers of at least 0."""
    weights = _numbers("sample_weight", sample_weight, dtype)
    fits = weights.shape == (n_rows,)
    good = np.isfinite(weights) & (weights >= 0)
    if not fits or not good.all():
        raise DataError(
            f"must be {n_rows} finite numbers of at least 0, one for each row",
            argument="sample_weight",
            row=int(np.argmin(good)) + 1 if fits else None,
            value=weights[~good][0] if fits else weights.shape,
        )
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not np.isfinite(total):
        raise DataError(f"must have a sum that {dtype} can hold", argument="sample_weight", value=total)
    return weights


def _members(layers: list[Layer], loss: Loss) -> int | None:
    """How many members the layers have, None for one network. Raises OptionError where they do not agree."""
    counts = [layer.members for layer in layers if isinstance(layer, EnsembleDense)]
    if len(set(counts)) > 1:
        raise OptionError("must have as many members as each other", argument="layers", value=counts)
    if not counts:
        return None
    loss.scores(np.full((1, 1), 0.5))
    return counts[0]


def _alone(layer: EnsembleDense) -> Dense:
    return Dense(layer.units, layer.activation, layer.initializer)


def _lay_out(layers: list[Layer], n_features: int) -> tuple[list[int], list[ParameterBlock]]:
    """Widths between the layers, first the input's, and the place of each parameter in the flat vector."""
    widths, blocks, offset = [n_features], [], 0
    for i, layer in enumerate(layers):
        for name, (shape, role) in layer.shapes(widths[-1]).items():
            blocks.append(ParameterBlock(f"{i}.{name}", i, offset, shape, role))
            offset += blocks[-1].size
        widths.append(layer.width(widths[-1]))
    return widths, blocks


def _views(blocks: list[ParameterBlock], n_layers: int, vector: np.ndarray) -> list[dict[str, np.ndarray]]:
    """The parameters of each layer by name, as views of a flat vector."""
    views: list[dict[str, np.ndarray]] = [{} for _ in range(n_layers)]
    for block in blocks:
        views[block.layer][block.name.partition(".")[2]] = vector[block.slice].reshape(block.shape)
    return views
