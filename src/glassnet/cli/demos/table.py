"""One data set, with the library's defaults: split, fit, score, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.cli.demos.stage import Stage, percent
from glassnet.datasets import REAL, Dataset, load_dataset
from glassnet.training.validation import split_rows

__all__ = ["run"]

# What each data set is, and what to see in its result.
STORIES = {
    "xor": (
        "Exclusive or: the points around (0, 0) and (1, 1) are class 0, those around (0, 1) and (1, 0) class 1.",
        "One straight border cannot do it, so a model without hidden layers is no better than guessing. Hidden nodes "
        "draw several borders, and the next layer puts them together.",
    ),
    "circles": (
        "A circle of points inside another one.",
        "The region of class 1 closes around the inner circle. Far from all points the network is as sure as anywhere, "
        "and knows nothing.",
    ),
    "moons": (
        "Two half moons that reach into each other.",
        "The border bends around the tips. A straight one, without hidden layers, already gets most points right: look "
        "at the simplest model before a large one.",
    ),
    "spirals": (
        "Two spirals wound around each other, one and a half turns each.",
        "A hard test for a network: the border has to wind with the spirals. Beyond the last points it has no reason "
        "to go on winding.",
    ),
    "sine": (
        "300 points of y = sin(x) with noise of standard deviation 0.2, a regression on one number.",
        "The network was told nothing of sines: it found the curve between the points. The noise cannot be predicted, "
        "so the best R² there can be is about 0.93; a straight line, without hidden layers, stays far below.",
    ),
    "penguins": (
        "344 penguins: island, bill, flipper, body mass, sex. Texts and missing values go in as they are.",
        "Bills and bodies tell the species apart, and straight borders are nearly enough. Two birds were never "
        "measured: of these only the island is known, and the network has to guess.",
    ),
    "digits": (
        "1,797 handwritten digits of 8 × 8 pixels: 64 numbers from 0 to 16 in a row.",
        "Rows are true digits, columns predicted ones; what is off the diagonal was mistaken for another digit. On "
        "such small pictures a model without hidden layers is nearly as good.",
    ),
    "wine": (
        "178 wines of three cultivars from one region of Italy, 13 chemical measurements each.",
        "A small and easy table. With 45 test wines a single mistake is 2.2 points, so do not read much into small "
        "differences: try another --seed.",
    ),
    "diabetes": (
        "442 patients: the course of their diabetes in a year, from age, sex, body mass, blood pressure and six blood "
        "values.",
        "About half of the spread cannot be seen in these ten numbers, whatever the model. The network stops early, "
        "and a model without hidden layers does as well: depth does not find what is not there.",
    ),
}


def run(stage: Stage) -> dict[str, Any]:
    """Load, split, fit twice, compare, draw."""
    data = load_dataset(stage.name, stage.seed)
    story, lesson = STORIES[stage.name]
    stage.head(stage.name)
    training, test = (data.take(rows) for rows in split_rows(data.n_rows, 0.25, stage.seed, data.labels))
    model = stage.fit(estimator_for(data), training.X, training.y)
    # L-BFGS goes to the bottom, where this simple model deserves to be measured.
    linear = stage.fit(estimator_for(data, hidden_layer_sizes=(), optimizer="lbfgs"), training.X, training.y)
    stage.say(story + (f" Source: {data.note}." if data.name in REAL else ""), training_of(model))
    scores = show_scores(stage, training, test, {"the network": model, "without hidden layers": linear})
    stage.say(lesson)
    stage.picture("loss", lambda views: model.plot_loss())
    show_pictures(stage, data, test, model)
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

    return (GlassNetClassifier if data.classes else GlassNetRegressor)(**options)


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


def show_pictures(stage: Stage, data: Dataset, test: Dataset, model: Any) -> None:
    """Regions, confusion, fit or predicted against true, as the data set allows."""
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
