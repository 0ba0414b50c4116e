"""Ingredients of RealMLP and TabM that glassnet does not have: would they give anything in its recipe?

    python benchmarks/spikes/ingredients.py [--only NAME,…] [--tables abalone,…] [--seeds 0,1] [--rows 1000]
        [--epochs 40]

Each is put into the default recipe from outside, and the recipe is trained with and without it on the choosing tables
of `ablation.py`: one ensemble, 1,000 rows to train on, 40 epochs, and no networks on all rows. NumPy trains, since the
engine has no kernels for them. The gain is 100 · ln(score without / score with), of log losses or RMSE, above 0 where
the ingredient helps; the bar for one is 0.3 %.

What is tried, after the sources of pytabkit and the papers (arXiv 2407.04491, 2410.24210):

    periodic               a number as [x | e], e = cos(2π w x + c) V + d with 16 frequencies and 3 outputs ("PBLD"), in
                           place of bins; its parameters at a tenth of the rate
    periodic beside bins   e beside the shares
    front scale            a factor for each input of the first dense layer, at six times the rate; the members' scales
                           r are such factors already, at the rate itself
    NTK                    Z = X W / √p + b, which makes the steps of a layer smaller the wider it is; at the recipe's
                           rate and at that of RealMLP
    biases at 0.1          the biases of all dense layers at a tenth of the rate
    parametric activation  x + α (f(x) - x), an α for each unit, from 1, at a tenth of the rate
    start by data          scores of each layer have variance 1 on the training rows, and biases put 0 among them
    coslog4                the rate in four cycles of growing length, 0.5 - 0.5 cos(2π log2(1 + 15 t)); at the recipe's
                           rate and at twice it
    flat-cosine            the rate constant for one half, then down along half a cosine
    clamping               predictions of numbers no further out than the training rows

A rate of its own is had by another scale: Adam moves what is written as f · u at f times the rate.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ablation import heading, line
from glassnet.estimators import fitting
from glassnet.maths.activations import Activation as Function
from glassnet.maths.columns import Branch, Columns
from glassnet.maths.layers import Block, Layer, total
from glassnet.maths.members import EnsembleDense
from glassnet.maths.numbers import PiecewiseLinear
from glassnet.maths.schedules import Cosine, Schedule
from scoring.measuring import measure
from scoring.ours import make_ours
from scoring.summary import log_ratios
from scoring.tables import DATA, Split, is_choosing, load, names_in, split

Layers = list[Layer]


# --- layers ----------------------------------------------------------------------------------------------------------


class Periodic(Layer):
    """A = [x | cos(2π w x + c) V + d] of one column, or without x; every parameter is `RATE` times what is stored."""

    RATE, FREQUENCIES, WIDTH, SPREAD = 0.1, 16, 3, 0.1

    def __init__(self, with_number: bool = True) -> None:
        self.with_number = with_number

    def shapes(self, p: int) -> dict[str, Block]:
        k, q = self.FREQUENCIES, self.WIDTH
        return {
            name: Block(shape, "embedding") for name, shape in (("w", (k,)), ("c", (k,)), ("V", (k, q)), ("d", (q,)))
        }

    def width(self, p: int) -> int:
        return self.WIDTH + self.with_number

    def initialise(self, P: Any, X: Any, random: Any) -> None:
        k, q = self.FREQUENCIES, self.WIDTH
        uniform = 2.0 * random.uniform(k + 2, max(k, q)) - 1.0
        P["w"][...] = random.at(first_row=100).normal(1, k)[0] * self.SPREAD / self.RATE
        P["c"][...] = uniform[0, :k] * math.pi / self.RATE
        P["d"][...] = uniform[1, :q] / math.sqrt(k) / self.RATE
        P["V"][...] = uniform[2:, :q] / math.sqrt(k) / self.RATE

    def forward(self, P: Any, X: Any, random: Any) -> tuple[Any, Any]:
        w, c, V, d = (self.RATE * P[name] for name in ("w", "c", "V", "d"))
        Z = 2.0 * math.pi * X * w + c
        C = np.cos(Z)
        E = C @ V + d
        return np.concatenate([X, E], axis=-1) if self.with_number else E, (X, Z, C, V)

    def backward(self, P: Any, cache: Any, dA: Any, input_gradient: bool = True) -> tuple[Any, Any]:
        X, Z, C, V = cache
        dE = dA[..., 1:] if self.with_number else dA
        dZ = -np.sin(Z) * (dE @ V.T)
        dP = {
            "w": (2.0 * math.pi * X * dZ).sum(axis=-2),
            "c": dZ.sum(axis=-2),
            "V": C.swapaxes(-1, -2) @ dE,
            "d": dE.sum(axis=-2),
        }
        if input_gradient:
            dX = (dZ * (2.0 * math.pi * self.RATE) * P["w"]).sum(axis=-1, keepdims=True)
            dX = dX + dA[..., :1] if self.with_number else dX
        else:
            dX = None
        return dX, {name: self.RATE * total(dP[name], P[name]) for name in dP}

    def describe(self) -> dict[str, Any]:
        return {"kind": "Periodic", "with_number": self.with_number}


class Scale(Layer):
    """A = X ⊙ (1 + RATE u), u from 0."""

    RATE = 6.0

    def shapes(self, p: int) -> dict[str, Block]:
        return {"u": Block((p,), "scale")}

    def initialise(self, P: Any, X: Any, random: Any) -> None:
        P["u"][...] = 0.0

    def forward(self, P: Any, X: Any, random: Any) -> tuple[Any, Any]:
        return X * (1.0 + self.RATE * P["u"]), X

    def backward(self, P: Any, cache: Any, dA: Any, input_gradient: bool = True) -> tuple[Any, Any]:
        du = self.RATE * total((dA * cache).sum(axis=-2), P["u"])
        return (dA * (1.0 + self.RATE * P["u"]) if input_gradient else None), {"u": du}

    def describe(self) -> dict[str, Any]:
        return {"kind": "Scale"}


class Parametric(Layer):
    """A = x + α (f(x) - x), α = 1 + RATE u, u from 0 for each unit."""

    RATE = 0.1

    def __init__(self, activation: Function) -> None:
        self.activation = activation

    def shapes(self, p: int) -> dict[str, Block]:
        return {"u": Block((p,), "scale")}

    def initialise(self, P: Any, X: Any, random: Any) -> None:
        P["u"][...] = 0.0

    def forward(self, P: Any, X: Any, random: Any) -> tuple[Any, Any]:
        F = self.activation.forward(X)
        return X + (1.0 + self.RATE * P["u"]) * (F - X), (X, F)

    def backward(self, P: Any, cache: Any, dA: Any, input_gradient: bool = True) -> tuple[Any, Any]:
        X, F = cache
        alpha = 1.0 + self.RATE * P["u"]
        du = self.RATE * total((dA * (F - X)).sum(axis=-2), P["u"])
        return dA * (1.0 - alpha) + self.activation.backward(dA * alpha, X, F), {"u": du}

    def describe(self) -> dict[str, Any]:
        return {"kind": "Parametric", "activation": self.activation.name}


class Scaled(EnsembleDense):
    """The dense layer of members, its W or b written as a factor times what is stored. factors : of p -> {name: f}."""

    def __init__(self, layer: EnsembleDense, factors: Callable[[int], dict[str, float]]) -> None:
        self.__dict__.update(layer.__dict__)
        self.factors = factors

    def _of(self, P: Any) -> dict[str, float]:
        return self.factors(P["W"].shape[-2])

    def initialise(self, P: Any, X: Any, random: Any) -> None:
        super().initialise(P, X, random)
        for name, factor in self._of(P).items():
            P[name][...] /= factor

    def forward(self, P: Any, X: Any, random: Any) -> tuple[Any, Any]:
        return super().forward(self._scaled(P), X, random)

    def backward(self, P: Any, cache: Any, dA: Any, input_gradient: bool = True) -> tuple[Any, Any]:
        dX, dP = super().backward(self._scaled(P), cache, dA, input_gradient)
        return dX, {**dP, **{name: factor * dP[name] for name, factor in self._of(P).items()}}

    def _scaled(self, P: Any) -> dict[str, Any]:
        return {**P, **{name: P[name].dtype.type(factor) * P[name] for name, factor in self._of(P).items()}}


# --- schedules -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CosLog(Schedule):
    """0.5 - 0.5 cos(2π log2(1 + 15 t)): four cycles."""

    name: ClassVar[str] = "coslog4"

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.log2(1.0 + 15.0 * np.minimum(steps / total_steps, 1.0)))


@dataclass(frozen=True)
class FlatCosine(Schedule):
    """1 for one half, then down along half a cosine."""

    name: ClassVar[str] = "flat_cosine"

    def factors(self, steps: np.ndarray, steps_per_epoch: int, total_steps: int) -> np.ndarray:
        down = np.maximum(2.0 * steps / total_steps - 1.0, 0.0)
        return Cosine().factors(down * total_steps, steps_per_epoch, total_steps)


# --- changes of the recipe -------------------------------------------------------------------------------------------


def periodic(layers: Layers, in_place: bool) -> Layers:
    """The numbers' bins replaced by waves, or waves beside them."""
    if not layers or not isinstance(layers[0], Columns):
        return layers
    branches: dict[str, Any] = {}
    for name, (columns, inner) in layers[0].branches.items():
        in_bins = bool(inner) and isinstance(inner[0], PiecewiseLinear)
        if not (in_bins and in_place):
            branches[name] = Branch(columns, inner)
        if in_bins:
            branches[name if in_place else f"{name} waves"] = Branch(columns, (Periodic(in_place),))
    return [Columns({name: (list(columns), list(inner)) for name, (columns, inner) in branches.items()}), *layers[1:]]


def front_scale(layers: Layers) -> Layers:
    first = next(i for i, layer in enumerate(layers) if isinstance(layer, EnsembleDense))
    return [*layers[:first], Scale(), *layers[first:]]


def scaled(factors: Callable[[int], dict[str, float]]) -> Callable[[Layers], Layers]:
    return lambda layers: [Scaled(one, factors) if isinstance(one, EnsembleDense) else one for one in layers]


def parametric(layers: Layers) -> Layers:
    found: Layers = []
    for layer in layers:
        found.append(layer)
        if isinstance(layer, EnsembleDense) and layer.activation.name != "identity":
            found[-1] = EnsembleDense(
                layer.units, "identity", layer.initializer, members=layer.members, start=layer.start
            )
            found.append(Parametric(layer.activation))
    return found


def start_by_data(network: Any, X: np.ndarray, seed: int) -> None:
    """Scores of each dense layer have variance 1 on X for each member and unit; b = -Σ w_i z_i over five rows, whose
    weights w are of mean 1/5 (pytabkit's "he+5")."""
    A, random = X, np.random.default_rng(seed)
    for i, layer in enumerate(network.layers):
        P = network.parameters(i)
        if isinstance(layer, EnsembleDense):
            Z = np.broadcast_to(A, (layer.members, *A.shape[-2:])) @ layer.weights(P)
            spread = np.maximum(Z.std(axis=-2), 1e-6)
            if layer.shared:
                P["s"][...] /= spread
            else:
                P["W"][...] /= spread[:, None, :]
            weights = random.exponential(size=(5, *spread.shape))
            rows = random.integers(Z.shape[-2], size=(5, spread.shape[-1]))
            some = np.stack([Z[:, row, np.arange(Z.shape[-1])] for row in rows]) / spread
            P["b"][...] = -(weights / weights.sum(axis=0) * some).sum(axis=0)
        A = layer.forward(P, A, None)[0]


@contextmanager
def changed(change: Callable[[Layers], Layers] | None = None, by_data: bool = False) -> Iterator[None]:
    """While it is open, fits build their networks with the change, and start them by the data."""
    build, new = fitting.network_that_fits, fitting.Fitting.matrix_of
    seen: list[np.ndarray] = []

    def matrix_of(self: Any, samples: Any) -> np.ndarray:
        seen[:] = [new(self, samples)]
        return seen[0]

    def network(layers: Layers, loss: Any, n_features: int, dtype: Any, seed: int, sizes: Any) -> Any:
        found = build(change(list(layers)) if change else layers, loss, n_features, dtype, seed, sizes)
        if by_data:
            start_by_data(found, seen[0].astype(dtype), seed)
        return found

    with (
        mock.patch.object(fitting, "network_that_fits", network),
        mock.patch.object(fitting.Fitting, "matrix_of", matrix_of),
    ):
        yield


class Clamped:
    """Predicts no number beyond those of training."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, X: Any, y: np.ndarray) -> Clamped:
        self.model.fit(X, y)
        self.range = y.min(), y.max()
        return self

    def predict(self, X: Any) -> np.ndarray:
        return np.clip(self.model.predict(X), *self.range)


NTK = scaled(lambda p: {"W": p**-0.5})
SMOOTH = {"input_scaling": "smooth_clip"}
# Name -> arguments of the estimator, what is done to its layers, whether it starts by data.
INGREDIENTS: dict[str, tuple[dict[str, Any], Callable[[Layers], Layers] | None, bool]] = {
    "periodic": (SMOOTH, lambda layers: periodic(layers, True), False),
    "periodic beside bins": (SMOOTH, lambda layers: periodic(layers, False), False),
    "front scale": ({}, front_scale, False),
    "NTK": ({}, NTK, False),
    "NTK at 0.04": ({"learning_rate": 0.04}, NTK, False),
    "biases at 0.1": ({}, scaled(lambda p: {"b": 0.1}), False),
    "parametric activation": ({}, parametric, False),
    "start by data": ({}, None, True),
    "coslog4": ({"schedule": CosLog()}, None, False),
    "coslog4 at 0.01": ({"schedule": CosLog(), "learning_rate": 0.01}, None, False),
    "flat-cosine": ({"schedule": FlatCosine()}, None, False),
    "clamping": ({}, None, False),
}


def scores(name: str | None, data: Split, seed: int, epochs: int) -> dict[str, float]:
    """Those of the recipe with an ingredient, or without any."""
    arguments, change, by_data = INGREDIENTS[name] if name else ({}, None, False)
    common = {"engine": "reference", "refit": 0, "folds": 1, "max_epochs": epochs}
    model = make_ours(data.regression, seed, {**common, **arguments})
    if name == "clamping":
        if not data.regression:
            return {}
        model = Clamped(model)
    with changed(change, by_data):
        return measure(model, data)


def gain(with_it: list[dict[str, float]], without: list[dict[str, float]]) -> dict[str, float]:
    """In log loss or RMSE and in error, percent, and the seconds."""
    found: dict[str, float] = {}
    for key, name in (("logloss", "score"), ("nrmse", "score"), ("error", "error")):
        if key in with_it[0]:
            means = [np.array(np.mean([one[key] for one in ones])) for ones in (without, with_it)]
            found[name] = float(log_ratios(*means))
    for name, ones in (("seconds with", with_it), ("seconds without", without)):
        found[name] = float(np.mean([one["fit_s"] for one in ones]))
    return found


def main() -> None:
    """Print a line an ingredient as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(INGREDIENTS))
    parser.add_argument("--tables", default=",".join(filter(is_choosing, names_in(DATA))))
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    tables, seeds = options.tables.split(","), [int(seed) for seed in options.seeds.split(",")]
    warnings.simplefilter("ignore")
    splits = {(table, seed): split(load(DATA, table), seed, options.rows) for table in tables for seed in seeds}

    def all_of(name: str | None, table: str) -> list[dict[str, float]]:
        found = [scores(name, splits[table, seed], seed, options.epochs) for seed in seeds]
        return found if all(found) else []

    base = {table: all_of(None, table) for table in tables}
    print(heading(tables), flush=True)
    for name in options.only.split(","):
        found = {table: with_it for table in tables if (with_it := all_of(name, table))}
        print(line(name, {table: gain(found[table], base[table]) for table in found}, tables), flush=True)


if __name__ == "__main__":
    main()
