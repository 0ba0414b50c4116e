"""Scores by hand."""

import numpy as np
import pytest

from glassnet.errors import DataError
from glassnet.estimators.report import report


class Fixed:
    """An estimator of known probabilities."""

    def __init__(self, P):
        self.P = np.array(P)
        self.classes_ = np.arange(self.P.shape[1])

    def predict_proba(self, X):
        return self.P


def test_a_multilabel_report_by_hand():
    T = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
    found = report(Fixed([[0.9, 0.2], [0.8, 0.4], [0.1, 0.1], [0.7, 0.9]]), None, T)
    # Predicted 10, 10, 00, 11: rows 1 and 3 are right as a whole, six of eight labels are; 3 true positives, 1 false
    # one, 1 missed: F1 = 2·3 / (2·3 + 1 + 1).
    assert found.task == "multilabel"
    assert found.scores == pytest.approx({"all_labels_right": 0.5, "labels_right": 0.75, "micro_f1": 0.75})
    assert found.baseline == {"most_frequent_answer_accuracy": 0.5}
    # First label: 1, 1, 0, 0, predicted 1, 1, 0, 1. Second label: 0, 1, 0, 1, predicted 0, 0, 0, 1.
    first = {"accuracy": 0.75, "precision": 2 / 3, "recall": 1.0, "f1": 0.8, "rows": 2}
    second = {"accuracy": 0.75, "precision": 1.0, "recall": 0.5, "f1": 2 / 3, "rows": 2}
    for k, (row, expected) in enumerate(zip(found.per_label, (first, second), strict=True)):
        assert row == pytest.approx({"label": k, "most_frequent_answer_accuracy": 0.5, **expected})
    assert found.to_dict()["per_label"] == found.per_label
    assert str(found).splitlines()[-3:] == [
        "label  accuracy  most frequent answer  precision  recall     F1  rows with it",
        "0         0.750                 0.500      0.667   1.000  0.800             2",
        "1         0.750                 0.500      1.000   0.500  0.667             2",
    ]
    assert found.lines(1)[-1] == "and 1 label more"


def test_a_multilabel_report_has_the_names_of_the_labels_and_bears_one_that_no_row_has():
    estimator = Fixed([[0.9, 0.2], [0.8, 0.4]])
    estimator.target_name_ = ["wings", "gills"]
    wings, gills = report(estimator, None, np.array([[1, 0], [0, 0]])).per_label
    assert (wings["label"], wings["accuracy"], wings["precision"]) == ("wings", 0.5, 0.5)
    assert (gills["label"], gills["accuracy"], gills["f1"], gills["rows"]) == ("gills", 1.0, 0.0, 0)
    assert gills["most_frequent_answer_accuracy"] == 1.0


def test_a_report_of_classes_by_hand():
    found = report(Fixed([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]]), None, np.array([0, 1, 1]))
    assert found.scores["accuracy"] == pytest.approx(2 / 3)  # of equals the first is taken, so the third is wrong
    assert found.scores["balanced_accuracy"] == pytest.approx(3 / 4)
    assert found.scores["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.5]).mean())
    assert found.scores["roc_auc"] == 1.0
    assert found.baseline == {"most_frequent_class_accuracy": pytest.approx(2 / 3)}


class Constant:
    """An estimator that always predicts 0."""

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("estimator", [Fixed([[0.9, 0.1]] * 3), Constant()], ids=["classes", "numbers"])
def test_a_report_needs_a_target_for_each_row(estimator):
    with pytest.raises(DataError, match=r"^y must have as many rows as X, 3, got 2$"):
        report(estimator, [[0.0]] * 3, [0, 1])
