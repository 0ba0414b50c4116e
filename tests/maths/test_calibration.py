"""Temperature scaling: values by hand, slopes, the identity with scaled scores, and the edges."""

import numpy as np
import pytest

from glassnet.maths.activations import sigmoid
from glassnet.maths.calibration import (
    find_temperature,
    slope_of_classes,
    slope_of_labels,
    temper_classes,
    temper_labels,
)
from glassnet.maths.losses import softmax


def scores(n=400, k=3, seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, k))
    return Z, np.eye(k)[[rng.choice(k, p=p) for p in softmax(Z)]]


def test_tempering_probabilities_divides_the_scores():
    Z, _ = scores()
    np.testing.assert_allclose(temper_classes(softmax(Z), 2.5), softmax(Z / 2.5), atol=1e-12)
    np.testing.assert_allclose(temper_labels(sigmoid(Z), 0.4), sigmoid(Z / 0.4), atol=1e-6)


def test_tempering_by_hand():
    Y = np.array([[0.8, 0.2]])  # squares 0.64 and 0.04
    np.testing.assert_allclose(temper_classes(Y, 0.5), [[16 / 17, 1 / 17]])
    np.testing.assert_allclose(temper_labels(Y, 0.5), [[16 / 17, 1 / 17]])
    np.testing.assert_allclose(temper_classes(Y, 1.0), Y)


def test_the_most_probable_class_stays_and_certainty_stays_finite():
    Y = np.array([[1.0, 0.0, 0.0], [0.2, 0.5, 0.3]], np.float32)
    for temperature in (0.05, 1.0, 20.0):
        P = temper_classes(Y, temperature)
        assert P.argmax(axis=1).tolist() == [0, 1]
        assert np.isfinite(P).all()
        assert np.isfinite(temper_labels(Y, temperature)).all()


@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 2, 400)], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_slope_and_curvature_are_those_of_the_log_loss(kind, weights):
    Z, T = scores()
    if kind == "classes":
        Y, slope = softmax(Z), slope_of_classes(softmax(Z), T, weights)
    else:
        Y, slope = sigmoid(Z), slope_of_labels(sigmoid(Z), T, weights)

    def loss(beta):
        if kind == "classes":
            rows = -(T * np.log(temper_classes(Y, 1 / beta))).sum(axis=1)
        else:
            P = temper_labels(Y, 1 / beta)
            rows = -(T * np.log(P) + (1 - T) * np.log(1 - P)).mean(axis=1)
        return np.average(rows, weights=weights)

    h = 1e-4
    for beta in (0.3, 1.0, 2.0):
        value, curvature = slope(beta)
        assert value == pytest.approx((loss(beta + h) - loss(beta - h)) / (2 * h), abs=1e-6)
        assert curvature == pytest.approx((loss(beta + h) - 2 * loss(beta) + loss(beta - h)) / h**2, abs=1e-5)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_scores_that_are_too_large_or_too_small(factor):
    """Labels are drawn from softmax(Z); of scores factor · Z the right temperature is the factor.

    The estimate's standard error is about sqrt(1 / (n · curvature)) relative: 0.02 with 4,000 rows.
    """
    Z, T = scores(4000)
    found = find_temperature(slope_of_classes(softmax(factor * Z), T))
    assert found == pytest.approx(factor, rel=0.08)
    value, _ = slope_of_classes(softmax(factor * Z), T)(1 / found)
    assert abs(value) < 1e-9  # a minimum


def test_where_the_likelihood_has_no_minimum_the_temperature_stays_within_bounds():
    T = np.array([[1.0, 0.0], [0.0, 1.0]])
    right, wrong = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.1, 0.9], [0.9, 0.1]])
    assert find_temperature(slope_of_classes(right, T)) == pytest.approx(0.05, rel=1e-3)  # the surer the better
    assert find_temperature(slope_of_classes(wrong, T)) == pytest.approx(20, rel=1e-3)  # the less sure the better
