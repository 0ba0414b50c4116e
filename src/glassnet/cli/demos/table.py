"""One data set, with the library's defaults: split, fit, score, pictures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from glassnet.cli.demos.stage import Stage, percent
from glassnet.datasets import REAL, Dataset, load_dataset
from glassnet.maths.random import Purpose
from glassnet.training.validation import split_rows

__all__ = ["run"]


class Story(NamedTuple):
    """What a data set is, what holds of it whatever the result, and what a good result shows.

    learned : said when the network scores at least `good` in training and on the test rows.
    """

    data: str
    lesson: str = ""
    learned: str = ""
    good: float = 0.95


STORIES = {
    "xor": Story(
        "Exclusive or: the points around (0, 0) and (1, 1) are class 0, those around (0, 1) and (1, 0) class 1.",
        "No straight border parts these classes, and a straight one is all there is without hidden layers.",
        "Hidden nodes draw several borders, and the next layer puts them together.",
    ),
    "circles": Story(
        "A circle of points inside another one.",
        "No straight border parts these classes. Far from all points the network may be as sure as anywhere, and knows "
        "nothing.",
        "Here the region of the inner class has closed around its circle.",
    ),
    "moons": Story(
        "Two half moons that reach into each other.",
        "A straight border cuts off the tips, a bent one can go around them.",
    ),
    "spirals": Story(
        "Two spirals wound around each other, one and a half turns each.",
        "A hard test for a network: the border has to wind with the spirals. Beyond the last points it has no reason "
        "to go on winding.",
    ),
    "sine": Story(
        "300 points of y = sin(x) with noise of standard deviation 0.2, a regression on one number.",
        "The noise cannot be predicted: in the long run the best R² there can be is about 0.93.",
        "The network was told nothing of sines, and found the curve between the points.",
        good=0.8,
    ),
    "penguins": Story(
        "344 penguins: island, bill, flipper, body mass, sex. Texts and missing values go in as they are.",
        "Two birds were never measured: of these only the island is known, and the network has to guess.",
    ),
    "digits": Story("1,797 handwritten digits of 8 × 8 pixels: 64 numbers from 0 to 16 in a row."),
    "wine": Story("178 wines of three cultivars from one region of Italy, 13 chemical measurements each."),
    "diabetes": Story(
        "442 patients: the course of their diabetes in a year, from age, sex, body mass, blood pressure and six blood "
        "values.",
    ),
}


def run(stage: Stage) -> dict[str, Any]:
    """Load, split, fit twice, compare, draw."""
    data = load_dataset(stage.name, stage.seed)
    story = STORIES[stage.name]
    stage.head(stage.name)
    training, test = (data.take(rows) for rows in split_rows(data.n_rows, 0.25, stage.seed, data.labels, Purpose.TEST))
    model = stage.fit(estimator_for(data), training.X, training.y)
    # L-BFGS goes to the bottom, where this simple model deserves to be measured.
    linear = stage.fit(estimator_for(data, hidden_layer_sizes=(), optimizer="lbfgs"), training.X, training.y)
    stage.say(story.data + (f" Source: {data.note}." if data.name in REAL else ""), training_of(model))
    scores = show_scores(stage, training, test, {"the network": model, "without hidden layers": linear})
    learned = story.learned if min(scores["the network"]) >= story.good else ""
    lines = [" ".join(filter(None, (story.lesson, learned))), comparison(test, model, linear)]
    stage.say(*filter(None, lines))
    stage.picture("loss", lambda views: model.plot_loss())
    show_pictures(stage, data, test, model)
    if stage.name == "penguins" and stage.pictures:
        show_bills(stage, training, test)
    on_training, on_test = scores["the network"]
    return {
        "score": "accuracy" if data.classes else "r2",
        "training": on_training,
        "test": on_test,
        "test_without_hidden_layers": scores["without hidden layers"][1],
        "n_training": training.n_rows,
        "n_test": test.n_rows,
        "epochs": model.n_iter_,
    }


def estimator_for(data: Dataset, **options: Any) -> Any:
    """A classifier or a regressor, with the defaults but for `options`."""
    from glassnet.estimators import GlassNetClassifier, GlassNetRegressor

    return (GlassNetClassifier if data.classes else GlassNetRegressor)(preset="plain", **options)


def training_of(model: Any) -> str:
    """What the defaults came to, in words."""
    settings = model.settings_
    widths = ", ".join(map(str, settings["hidden_layer_sizes"]))
    ended = "stopped early" if model.stop_reason_ == "early stopping" else "ended"
    return (
        f"{type(model).__name__}() is fitted to three quarters of the rows: hidden layers of {widths} nodes with "
        f"{settings['activation']}, {settings['optimizer'].capitalize()}, mini-batches of {settings['batch_size']}. "
        f"Training {ended} after {model.n_iter_} epochs; the weights of epoch {model.best_epoch_} are used."
    )


def show_scores(
    stage: Stage, training: Dataset, test: Dataset, models: dict[str, Any]
) -> dict[str, tuple[float, float]]:
    """Scores in training and on the test rows: accuracy of a classifier, R² of a regressor."""
    scores = {
        name: (float(model.score(training.X, training.y)), float(model.score(test.X, test.y)))
        for name, model in models.items()
    }
    write = percent if training.classes else "{:.3f}".format
    header = [
        "accuracy" if training.classes else "R²",
        f"{training.n_rows:,} training rows",
        f"{test.n_rows:,} test rows",
    ]
    stage.table(header, [[name, *map(write, pair)] for name, pair in scores.items()])
    return scores


def comparison(test: Dataset, model: Any, linear: Any) -> str:
    """Which of the two did better on the test rows, and whether chance explains it.

    Row by row the gain g is how much more right the network is. If neither were better, Σg would scatter around 0
    with variance Σg²; beyond two standard deviations chance is a poor explanation (for classes: McNemar's test).
    """
    mine, other = rightness(model, test), rightness(linear, test)
    gain, n = mine - other, test.n_rows
    clear = abs(gain.sum()) > 2 * np.sqrt((gain**2).sum())
    if abs(gain.sum()) < 1e-9:
        return "The model without hidden layers does as well on the test rows, and is the simpler one."
    if test.classes:
        numbers = f"{int(mine.sum())} against {int(other.sum())} of {n} test rows right"
    else:
        numbers = f"R² {model.score(test.X, test.y):.3f} against {linear.score(test.X, test.y):.3f} on {n} test rows"
    ahead = gain.sum() > 0
    said = f"The network does {'better' if ahead else 'worse'} than the model without hidden layers: {numbers}. "
    if not clear:
        return said + "On so few rows chance can do that: see whether it stays so with another --seed."
    return said + "That is more than chance explains" + ("." if ahead else ", so take the simpler one.")


def rightness(model: Any, test: Dataset) -> np.ndarray:
    """For each test row 1 for the right class and 0 for a wrong one; of a regression minus the squared error."""
    predicted = np.asarray(model.predict(test.X))
    return (predicted == test.y).astype(float) if test.classes else -((test.y - predicted) ** 2)


def show_bills(stage: Stage, training: Dataset, test: Dataset) -> None:
    """The regions of a second network, which sees two measures of the bill and nothing else."""
    names = ("bill_length_mm", "bill_depth_mm")
    parts = [({name: part.X[name] for name in names}, part.y) for part in (training, test)]
    model = stage.fit(estimator_for(training), *parts[0])
    stage.say(
        "",
        "The picture of the regions is of a second network, which sees the length and depth of the bill and nothing "
        f"else; it is right about {percent(float(model.score(*parts[1])))} of the test rows.",
    )
    stage.picture("regions", lambda views: model.plot_regions(*parts[1]))


def show_pictures(stage: Stage, data: Dataset, test: Dataset, model: Any) -> None:
    """The network, regions, confusion, fit or predicted against true, as the data set allows."""
    if stage.name == "penguins":
        stage.picture("network", lambda views: model.plot_network())
    if data.classes and data.n_features > 2:
        stage.picture("confusion", lambda views: model.plot_confusion(test.X, test.y))
    if data.classes and data.n_features == 2:
        stage.picture(
            "regions",
            lambda views: views.plot_regions(
                model.predict, test.X, test.y, classes=data.classes, probabilities=model.predict_proba
            ),
        )
    if not data.classes and data.n_features == 1:
        stage.picture(
            "fit", lambda views: views.plot_fit(data.X, data.y, model.predict, names=(*data.names, data.target))
        )
    if not data.classes and data.n_features > 1:
        predicted = np.asarray(model.predict(test.X))
        stage.picture("predicted", lambda views: views.plot_predicted_against_true(test.y, predicted, name=data.target))
