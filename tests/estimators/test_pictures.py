"""The one-line pictures of a fitted estimator, and what they refuse."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import ColumnError, DataError


def points(n=90, seed=0):
    rng = np.random.default_rng(seed)
    X = {"a": rng.normal(size=n), "b": rng.normal(size=n)}
    return X, np.where(X["a"] > 0, "right", np.where(X["b"] > 0, "up", "down"))


@pytest.fixture(scope="module")
def classifier():
    X, y = points()
    return GlassNetClassifier((6, 5), normalisation="layer", max_epochs=5, early_stopping=True, random_state=0).fit(
        X, y
    )


@pytest.fixture(scope="module")
def regressor():
    X, _ = points()
    return GlassNetRegressor((6,), max_epochs=5, random_state=0).fit(X, np.column_stack([X["a"], X["b"]]))


def texts(ax):
    return {text.get_text() for text in ax.texts}


def test_the_loss_is_that_of_the_history(classifier):
    lines = [list(line.get_ydata()) for line in classifier.plot_loss().get_lines()]
    assert [row["loss"] for row in classifier.history_] in lines
    assert [row["validation_loss"] for row in classifier.history_] in lines


def test_a_metric_is_that_of_the_history(classifier):
    lines = [list(line.get_ydata()) for line in classifier.plot_metric("accuracy").get_lines()]
    assert [row["validation_accuracy"] for row in classifier.history_] in lines


def test_the_network_shows_columns_classes_and_the_activation_after_each_norm(classifier):
    shown = texts(classifier.plot_network())
    assert {"a", "b", "down", "right", "up", "6 × relu", "5 × relu"} <= shown


def test_the_network_of_a_regressor_names_its_outputs(regressor):
    assert {"output 0", "output 1"} <= texts(regressor.plot_network())


def test_the_confusion_counts_are_those_of_the_predictions(classifier):
    X, y = points(seed=1)
    counts = confusion_matrix(y, classifier.predict(X), labels=classifier.classes_)
    shown = " ".join(texts(classifier.plot_confusion(X, y)))
    for count in counts.diagonal():
        assert str(count) in shown


def test_predictions_are_drawn_against_the_first_target(regressor):
    X, _ = points(seed=1)
    ax = regressor.plot_predictions(X, np.column_stack([X["a"], X["b"]]))
    expected = np.column_stack([X["a"], regressor.predict(X)[:, 0]])
    drawn = [np.asarray(c.get_offsets()) for c in ax.collections]
    assert any(d.shape == expected.shape and np.allclose(d, expected) for d in drawn)


def test_regions_name_both_columns(classifier):
    X, y = points()
    ax = classifier.plot_regions(X, y)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")


def test_pictures_of_another_task_are_refused_and_say_which_would_do(classifier, regressor):
    X, y = points()
    with pytest.raises(DataError, match=r"^plot_predictions needs a regressor; for classes there is plot_confusion$"):
        classifier.plot_predictions(X, y)
    with pytest.raises(DataError, match="^plot_confusion needs classes that exclude each other$"):
        regressor.plot_confusion(X, y)
    with pytest.raises(DataError, match="^plot_regions needs a classifier; for numbers there is plot_predictions$"):
        regressor.plot_regions(X, y)


def test_regions_need_two_columns():
    X, y = points()
    clf = GlassNetClassifier((4,), max_epochs=1, random_state=0).fit({"a": X["a"]}, y)
    with pytest.raises(DataError, match="^X needs a table of two columns, got 1$"):
        clf.plot_regions({"a": X["a"]}, y)


OTHERS = {
    "texts": np.array(["u", "v", "w"] * 30),
    "truth values": np.array([True, False, True] * 30),
    "dates": np.datetime64("2024-01-01", "D") + np.arange(90),
    "durations": np.arange(90).astype("m8[s]"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_regions_need_numbers_on_both_axes(what):
    X, y = points()
    X = {"a": X["a"], "b": OTHERS[what]}
    clf = GlassNetClassifier((4,), max_epochs=1, engine="reference", random_state=0).fit(X, y)
    with pytest.raises(ColumnError) as caught:
        clf.plot_regions(X, y)
    family = "texts" if what == "truth values" else what
    expected = f"column 'b' must hold numbers, not {family}. The picture is for two columns of numbers."
    assert str(caught.value) == expected


def test_regions_say_nothing_of_names_where_neither_table_has_any():
    X, y = points()
    X = np.column_stack([X["a"], X["b"]])
    clf = GlassNetClassifier((4,), max_epochs=1, engine="reference", random_state=0).fit(X, y)
    ax = clf.plot_regions(X, y)  # warnings are errors
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x0", "x1")
    with pytest.warns(UserWarning, match="^X has feature names, but GlassNetClassifier was fitted without") as caught:
        clf.plot_regions({"x0": X[:, 0], "x1": X[:, 1]}, y)
    assert len(caught) == 1


def test_regions_take_the_columns_by_their_names(classifier):
    X, y = points()
    drawn, turned = (classifier.plot_regions(table, y).collections for table in (X, {"b": X["b"], "a": X["a"]}))
    for one, other in zip(drawn, turned, strict=True):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())


def test_regions_need_a_dropped_column_too():
    X, y = points()
    clf = GlassNetClassifier((4,), max_epochs=1, engine="reference", random_state=0, columns={"b": "drop"}).fit(X, y)
    with pytest.raises(ColumnError, match="^column 'b' is not in the table$"):
        clf.plot_regions({"a": X["a"]}, y)
