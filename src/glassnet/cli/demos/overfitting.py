"""Overfitting: a network that learns 60 points by heart, and three remedies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassnet.cli.demos.stage import Stage, percent
from glassnet.datasets import Dataset, noisy_points
from glassnet.maths.layers import Dense, Dropout, Layer
from glassnet.maths.optimisers import AdamW
from glassnet.network import Network
from glassnet.training.backend import ReferenceBackend, Rows
from glassnet.training.loop import train
from glassnet.training.options import TrainingOptions

__all__ = ["run"]

WIDTH = 32  # nodes in each of two hidden layers: far more than 60 points call for
EPOCHS = 600
LEARNING_RATE = 0.01
SEEDS = 5  # trainings for the last column of the table
CLEARLY = 0.01  # a point: what 10,000 test points hardly differ by through chance
HIGHEST_LOSS = 1.0  # of the picture: guessing costs log 2 = 0.69
BEST = 0.8682  # Φ(√1.25), see `noisy_points`


@dataclass(frozen=True)
class Remedy:
    """What is done against overfitting: one of the three, or nothing."""

    name: str
    weight_decay: float = 0.0  # of each weight is lost at each step, times the learning rate
    dropout: float = 0.0
    patience: int | None = None


REMEDIES = (
    Remedy("no remedy"),
    Remedy("weight decay", weight_decay=5.0),
    Remedy("dropout", dropout=0.6),
    Remedy("early stopping", patience=100),
)


@dataclass(frozen=True)
class Points:
    """60 points to train on, 60 others to validate on, and 2,000 more to measure the truth with."""

    seed: int
    training: Dataset = field(init=False)
    validation: Dataset = field(init=False)
    test: Dataset = field(init=False)

    def __post_init__(self) -> None:
        """Seeds 3s + 3, 3s + 4 and 3s + 5: no two sets share a point."""
        for i, (name, n) in enumerate((("training", 60), ("validation", 60), ("test", 2000))):
            object.__setattr__(self, name, noisy_points(n, seed=3 * self.seed + 3 + i))


@dataclass(frozen=True)
class Trained:
    """A network after its training."""

    network: Network
    history: list[dict[str, Any]]
    best_epoch: int

    def accuracy(self, data: Dataset) -> float:
        """Share of points put into their own class."""
        return float(np.mean(self.predict(data.X) == data.y))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The more probable class of each point."""
        return self.network.predict(X).argmax(axis=1)


def run(stage: Stage) -> dict[str, Any]:
    """Train four times on the same points, compare, and repeat with other points."""
    points, epochs = Points(stage.seed), stage.epochs or EPOCHS
    explain(stage, epochs)
    first: dict[str, Trained] = {}
    tests: dict[str, list[float]] = {remedy.name: [] for remedy in REMEDIES}
    with stage.bar(SEEDS * len(REMEDIES), "trainings") as advance:
        for seed in range(stage.seed, stage.seed + SEEDS):
            drawn = Points(seed)
            for remedy in REMEDIES:
                trained = train_with(remedy, drawn, epochs, measured=seed == stage.seed)
                first.setdefault(remedy.name, trained)
                tests[remedy.name].append(trained.accuracy(drawn.test))
                advance(sum(map(len, tests.values())))
    means = {name: float(np.mean(accuracies)) for name, accuracies in tests.items()}
    show_table(stage, points, first, means)
    show_pictures(stage, points, first)
    compared = {
        name: {
            "training_accuracy": trained.accuracy(points.training),
            "test_accuracy": trained.accuracy(points.test),
            "mean_test_accuracy": means[name],
            "epochs": len(trained.history),
            "best_epoch": trained.best_epoch,
        }
        for name, trained in first.items()
    }
    return {"best_possible": BEST, "trainings": compared}


def explain(stage: Stage, epochs: int) -> None:
    """What is about to happen."""
    stage.head("Overfitting: learning by heart")
    stage.say(
        "60 points from two clouds that overlap, and a 2-32-32-2 network: 1,218 weights and biases. Trained for "
        f"{epochs:,} epochs it can bend its border around every single point. Whether it has understood anything "
        "shows on 2,000 other points from the same clouds. No rule can be right for more "
        f"than {percent(BEST)} of those in the long run."
    )
    stage.show(
        [
            "",
            "weight decay     each step of the training also takes 5 % off every weight",
            "dropout          each step leaves out 60 % of the hidden nodes, chosen at random",
            "early stopping   the loss on 60 further points, the validation points, is",
            "                 watched; 100 epochs in which it gets no better end the",
            "                 training, and the weights of the best epoch are kept",
        ],
        indent=3,
    )


def train_with(remedy: Remedy, points: Points, epochs: int, *, measured: bool = True) -> Trained:
    """The same network from the same first weights, with one remedy or none.

    measured : whether the history has the training loss without dropout's noise, and the validation loss of every
    training, also of one that does not heed it.
    """
    layers: list[Layer] = []
    for _ in range(2):
        layers += [Dense(WIDTH, "tanh"), *([Dropout(remedy.dropout)] if remedy.dropout else [])]
    network = Network([*layers, Dense(2)], loss="cross_entropy", n_features=2, random_state=points.seed)
    training, validation = (
        Rows(*network.checked(part.X, part.y, None)) for part in (points.training, points.validation)
    )
    backend = ReferenceBackend(network, AdamW(), training, batch_size=len(training.X), seed=points.seed)

    rows: list[dict[str, Any]] = []

    def measure(row: dict[str, Any]) -> None:
        losses = (backend.evaluate(network.params, part)[0] for part in (training, validation))
        rows.append({**row, **dict(zip(("loss", "validation_loss"), losses, strict=True))})

    options = TrainingOptions(
        max_epochs=epochs,
        learning_rate=LEARNING_RATE,
        weight_decay=remedy.weight_decay,
        patience=remedy.patience,
        callbacks=[measure] if measured else (),
    )
    outcome = train(backend, options, validation if remedy.patience else None)
    if outcome.reason == "interrupted":
        raise KeyboardInterrupt
    network.params = outcome.params
    return Trained(network, rows or outcome.history, outcome.best_epoch)


def show_table(stage: Stage, points: Points, first: dict[str, Trained], means: dict[str, float]) -> None:
    """Accuracies in training and on the test points."""
    rows = [
        [
            name,
            f"{len(trained.history):,}",
            f"{trained.best_epoch:,}",
            percent(trained.accuracy(points.training)),
            percent(trained.accuracy(points.test)),
            percent(means[name]),
        ]
        for name, trained in first.items()
    ]
    stage.table(["", "epochs run", "epoch kept", "training", "test", f"test, mean of {SEEDS}"], rows)
    training = {name: trained.accuracy(points.training) for name, trained in first.items()}
    stage.say(
        f"Training and test are the shares of points put into the right cloud; the last column repeats it all with "
        f"{SEEDS} different draws of points and first weights. " + what_it_shows(training, means)
    )
    if stage.pictures:
        stage.say("", "The picture of the losses shows training and validation points; a ring marks the epoch kept.")


def what_it_shows(training: dict[str, float], means: dict[str, float]) -> str:
    """What the accuracies, in training and the mean on test points, say about the remedies."""
    none, *remedies = means
    better = [name for name in remedies if means[name] >= means[none] + CLEARLY]
    said = f"Without a remedy the network gets {percent(training[none])} of its training points right"
    if not better:
        return said + "; in the mean of the draws no remedy makes a point of difference on the test points."
    if len(better) < len(remedies):
        names = " and ".join(better) + (" does" if len(better) == 1 else " do")
        return f"{said}; in the mean of the draws {names} better by a point or more on the test points."
    said += " and, in the mean of the draws, fewer test points than with any remedy."
    if training[none] > max(training[name] for name in remedies):
        said += " Each remedy gives up training points and gains test points: a training accuracy alone says nothing."
    return said


def show_pictures(stage: Stage, points: Points, first: dict[str, Trained]) -> None:
    """Curves and regions, side by side."""
    training = points.training
    parts = [(name, trained.predict, trained.network.predict) for name, trained in first.items()]
    histories = {name: trained.history for name, trained in first.items()}
    kept = {name: trained.best_epoch for name, trained in first.items()}
    stage.picture(
        "losses", lambda views: views.plot_curves_grid(histories, columns=2, kept=kept, limits=(0.0, HIGHEST_LOSS))
    )
    stage.picture("regions", lambda views: views.plot_region_grid(parts, training.X, training.y, columns=2))
