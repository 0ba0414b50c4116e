"""The article, run: three clouds, a 2-5-3 network, 10,000 steps of gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.cli.demos.stage import Stage, percent
from glassnet.datasets import Dataset, three_clouds
from glassnet.maths.layers import Dense
from glassnet.maths.random import Purpose
from glassnet.network import Network
from glassnet.training.validation import split_rows

__all__ = ["run"]

EPOCHS = 10_000
LEARNING_RATE = 1e-5  # on the summed loss; on the mean of 1,500 rows this is 0.015
SAME_BORDERS = 0.98  # share of points on which two rules agree whose borders are nearly the same
EVERY = 100  # epochs between two losses of the table


def run(stage: Stage) -> dict[str, Any]:
    """Data, network, training, result, and the same data with the library's defaults."""
    data = show_data(stage)
    network = make_network(stage)
    losses = train_network(stage, network, data)
    accuracy, nearest = show_result(stage, network, data, losses)
    on_training, on_test = use_defaults(stage, data)
    return {
        "epochs": len(losses) - 1,
        "losses": losses[::EVERY],
        "loss": losses[-1],
        "accuracy": accuracy,
        "nearest_mean_accuracy": nearest,
        "defaults_training_accuracy": on_training,
        "defaults_test_accuracy": on_test,
    }


def show_data(stage: Stage) -> Dataset:
    """Draw the three clouds."""
    data = three_clouds(seed=stage.seed)
    stage.head("1. The data")
    stage.say(
        "Three clouds of 500 points each, scattered around (0, -2), (2, 2) and (-2, 2). X has a row for each point "
        "and a column for each coordinate, 1500 × 2; the one-hot matrix T has a 1 in the column of the point's cloud, "
        "1500 × 3."
    )
    stage.picture("data", lambda views: views.plot_points(data.X, data.y))
    return data


def make_network(stage: Stage) -> Network:
    """2-5-3 with weights and biases from the standard normal distribution, as the article draws them."""
    hidden, output = Dense(5, "sigmoid", "standard_normal"), Dense(3, "identity", "standard_normal")
    network = Network([hidden, output], loss="cross_entropy", n_features=2, reduction="sum", random_state=stage.seed)
    stage.head("2. The network")
    stage.say(
        "Two inputs, five hidden nodes, three outputs: A = sigmoid(XW + b), Y = softmax(AW₂ + b₂). That makes "
        f"2·5 + 5 + 5·3 + 3 = {network.params.size} weights and biases, drawn at random to begin with."
    )
    stage.picture("sigmoid", lambda views: views.plot_activation("sigmoid"))
    return network


def train_network(stage: Stage, network: Network, data: Dataset) -> list[float]:
    """Batch gradient descent; the loss before each epoch and after the last."""
    epochs = stage.epochs or EPOCHS
    stage.head("3. Training")
    stage.say(
        "The loss is the negative log likelihood, summed over all points. Each epoch computes its gradient on all of "
        f"them, forward and backward, and takes one step downhill: {epochs:,} epochs at a learning rate of "
        f"1e-5."
    )
    with stage.bar(epochs, "training") as advance:
        losses = descend(network, data.X, np.eye(3)[data.y], epochs, advance)
    stage.show(["", *loss_table(losses)], indent=3)
    history = [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(losses)]
    stage.picture("loss", lambda views: views.plot_loss(history))
    return losses


def descend(network: Network, X: np.ndarray, T: np.ndarray, epochs: int, advance: Any) -> list[float]:
    """The article's loop: forward pass, backward pass, update, over and over. Returns epochs + 1 losses."""
    losses = []
    for epoch in range(epochs):
        loss, gradient = network.loss_and_gradient(X, T)
        network.params -= LEARNING_RATE * gradient  # W, b, W₂ and b₂ in one vector
        losses.append(loss)
        if epoch % EVERY == 0:
            advance(epoch)
    return [*losses, network.evaluate(X, T)]


def loss_table(losses: list[float], columns: int = 4) -> list[str]:
    """The loss every 100 epochs and after the last one, to be read down the columns."""
    last = len(losses) - 1
    epochs = sorted({*range(0, last, EVERY), last})
    height = -(-len(epochs) // columns)
    cells = [f"{epoch:>6,} {losses[epoch]:>8,.1f}" for epoch in epochs]
    header = "   ".join([f"{'epoch':>6} {'loss':>8}"] * -(-len(epochs) // height))
    return [header, *("   ".join(cells[row::height]) for row in range(height))]


def show_result(stage: Stage, network: Network, data: Dataset, losses: list[float]) -> tuple[float, float]:
    """The share of points put into their own cloud, by the network and by the nearest of the three means."""
    X, y = data.X, data.y

    def predict(points: np.ndarray) -> np.ndarray:
        return network.predict(points).argmax(axis=1)

    rule = nearest_mean(X, y)
    accuracy, nearest = float(np.mean(predict(X) == y)), float(np.mean(rule == y))
    stage.head("4. The result")
    stage.say(
        f"The network puts {percent(accuracy)} of the points into the right cloud (the article, after {EPOCHS:,} "
        f"epochs: around 97 %). The loss went from {losses[0]:,.0f} to {losses[-1]:,.0f}, that is "
        f"{losses[-1] / len(y):.3f} for each point.",
        f"A rule made for such round clouds, which takes the nearest of the three means, gets {percent(nearest)}. The "
        "clouds overlap, so no rule can be right about every new point. "
        + compared(float(np.mean(predict(X) == rule)), len(losses) - 1),
    )
    stage.picture(
        "regions", lambda views: views.plot_regions(predict, X, y, classes=data.classes, probabilities=network.predict)
    )
    names = {"input_names": ["x₁", "x₂"], "output_names": [f"class {k}" for k in data.classes]}
    stage.picture(
        "network",
        lambda views: views.plot_network(network.coefs, network.intercepts, activations="sigmoid", **names),
    )
    return accuracy, nearest


def compared(agreement: float, epochs: int) -> str:
    """What the share of points on which network and rule agree says about the borders that the network has found."""
    said = f"The network and this rule agree about {percent(agreement)} of the points: "
    if agreement >= SAME_BORDERS:
        return said + "it has found nearly the same borders without being told what a cloud is."
    if epochs < EPOCHS:
        return said + f"after {epochs:,} epochs it has not found these borders yet."
    return said + "it has found other borders."


def nearest_mean(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The class whose mean is nearest, for each row."""
    means = np.stack([X[y == k].mean(axis=0) for k in np.unique(y)])
    return np.linalg.norm(X[:, None] - means, axis=-1).argmin(axis=1)


def use_defaults(stage: Stage, data: Dataset) -> tuple[float, float]:
    """What the article's closing words ask for: a test set, mini-batches, Adam, early stopping."""
    from glassnet.estimators import GlassNetClassifier

    training, test = (data.take(rows) for rows in split_rows(data.n_rows, 0.25, stage.seed, data.labels, Purpose.TEST))
    model = stage.fit(GlassNetClassifier(preset="plain"), training.X, training.y)
    on_training, on_test = (float(model.score(part.X, part.y)) for part in (training, test))
    settings = model.settings_
    stage.head("5. The same points with the library's defaults")
    stage.say(
        "A network should be measured on points it has not seen. So a quarter of them is kept for testing, and "
        "GlassNetClassifier(preset='plain') is fitted to the rest; it scales the inputs, holds out some rows to know "
        "when to stop, "
        f"and takes mini-batches of {settings['batch_size']} with {settings['optimizer'].capitalize()}."
    )
    widths = ", ".join(map(str, settings["hidden_layer_sizes"]))
    stage.table(
        ["", "training", "test"],
        [
            ["points", f"{training.n_rows:,}", f"{test.n_rows:,}"],
            ["right", percent(on_training), percent(on_test)],
        ],
    )
    stage.say(
        f"It has hidden layers of {widths} nodes, {model.network_.params.size:,} weights and biases, and was done "
        f"after {model.n_iter_} epochs ({model.history_[-1]['seconds']:.1f} s); epoch {model.best_epoch_} was the best."
    )
    return on_training, on_test
