"""Split-conformal prediction: from scores of rows that training did not use, a threshold for those of new rows.

A score says how badly a prediction fits a row. Of n calibration rows and one new row, drawn alike, each is as likely as
any other to have the k-th smallest score; so the new row's score is at most the k-th smallest of the n with a chance of
k / (n + 1) or more. Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005); Lei et al.,
"Distribution-Free Predictive Inference for Regression" (2018).
"""

from __future__ import annotations

import numpy as np

__all__ = ["MARGIN", "quantile_scores", "threshold"]

# Over many calibration sets the chance is k / (n + 1); given one of them it varies, with a standard deviation of about
# sqrt(c (1 - c) / n) (Vovk, "Conditional Validity of Inductive Conformal Predictors", 2012). The 80 % quantile of the
# normal distribution is added in these units, so that of single fitted models, too, four in five reach the coverage.
MARGIN = 0.84


def threshold(scores: np.ndarray, coverage: float, weights: np.ndarray | None = None, margin: float = MARGIN) -> float:
    """The score that a share `coverage` of new rows does not exceed.

    scores : (n,), larger is worse.   coverage : strictly between 0 and 1.   weights : (n,) of the rows, or None.
    margin : standard deviations of the coverage, over calibration sets, to add.

    It is the smallest score whose rows up to it weigh (c + margin · sqrt(c (1 - c) / m)) (W + W/n) or more, with W the
    sum of the weights and m = W² / Σ w² rows; without margin and weights the ⌈c (n + 1)⌉-th smallest. Infinite where
    there are too few rows even without the margin: ten rows can vouch for no more than 10/11.
    """
    n = len(scores)
    weights = np.ones(n) if weights is None else weights
    order = np.argsort(scores)
    reached = np.cumsum(weights[order])
    total = reached[-1] * (1.0 + 1.0 / n)
    if reached[-1] < coverage * total * (1.0 - 1e-12):
        return float("inf")
    rows = reached[-1] ** 2 / np.sum(weights**2)
    level = coverage + margin * np.sqrt(coverage * (1.0 - coverage) / rows)
    place = int(np.searchsorted(reached, level * total * (1.0 - 1e-12)))
    return float(scores[order[min(place, n - 1)]])


def quantile_scores(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """How far a target lies outside the interval of two quantiles, negative inside: max(lower - y, y - upper).

    below : y - lower quantile, (n,).   above : y - upper quantile, (n,).
    Source: Romano, Patterson and Candès, "Conformalized Quantile Regression" (2019).
    """
    return np.maximum(-below, above)
