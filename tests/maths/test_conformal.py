"""Conformal thresholds: by hand, against their definition, and the coverage they promise."""

import numpy as np
import pytest

from glassnet.maths.conformal import MARGIN, quantile_scores, threshold


def test_without_margin_and_weights_it_is_the_kth_smallest_score():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))  # 1 … 19, in any order
    assert threshold(scores, 0.9, margin=0) == 18  # ⌈0.9 · 20⌉
    assert threshold(scores, 0.5, margin=0) == 10
    assert threshold(scores, 0.51, margin=0) == 11
    assert threshold(scores, 0.95, margin=0) == 19


def test_too_few_rows_vouch_for_nothing():
    assert threshold(np.arange(9.0), 0.9, margin=0) == 8  # ⌈0.9 · 10⌉ = 9, the largest
    assert threshold(np.arange(8.0), 0.9) == np.inf
    assert threshold(np.arange(9.0), 0.9) == 8  # the margin alone does not make it infinite


def test_the_margin_is_in_standard_deviations_of_the_coverage():
    scores = np.arange(1.0, 1000.0)  # 999
    # 0.9 + 0.84 · sqrt(0.09 / 999) = 0.90797; times 1000 is 907.97
    assert threshold(scores, 0.9) == 908
    assert threshold(scores, 0.9, margin=0) == 900


def test_a_whole_weight_is_that_many_rows_but_for_the_new_row():
    scores, weights = np.array([1.0, 2.0, 3.0, 4.0]), np.array([50.0, 30.0, 15.0, 5.0])
    # W = 100, the new row weighs 25: of 125, 0.5 are 62.5, reached by 80; 0.7 are 87.5, by 95; 0.9 are more than W.
    assert threshold(scores, 0.5, weights, margin=0) == 2
    assert threshold(scores, 0.7, weights, margin=0) == 3
    assert threshold(scores, 0.9, weights, margin=0) == np.inf
    assert threshold(scores, 0.5, 7 * weights, margin=0) == 2  # their scale does not matter


@pytest.mark.parametrize("n", [19, 100, 500])
def test_the_coverage_of_new_rows_lies_between_nominal_and_a_row_more(n):
    """Of scores drawn alike, k / (n + 1) of new ones lie below the k-th smallest: exactly, on average.

    With uniform scores the coverage given the calibration rows is the threshold itself. Its mean over 4,000 sets has a
    standard error of sqrt(0.09 / n / 4000); 4 of them are allowed.
    """
    rng = np.random.default_rng(1)
    thresholds = [threshold(rng.uniform(size=n), 0.9, margin=0) for _ in range(4000)]
    error = 4 * np.sqrt(0.09 / n / 4000)
    assert np.ceil(0.9 * (n + 1)) / (n + 1) == pytest.approx(np.mean(thresholds), abs=error)
    reached = np.mean([threshold(rng.uniform(size=n), 0.9, margin=MARGIN) >= 0.9 for _ in range(4000)])
    assert reached >= 0.8 - 0.025  # four in five, within 4 standard errors


def test_quantile_scores_are_distances_outside_and_negative_inside():
    y, lower, upper = np.array([0.0, 5.0, 12.0]), 2.0, 10.0
    assert quantile_scores(y - lower, y - upper).tolist() == [2, -3, 2]
