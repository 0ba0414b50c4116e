"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from glassnet.errors import OptionError, require_choice
from glassnet.estimators.base import GlassNetEstimator, loss_from
from glassnet.estimators.calibrating import require_conformal
from glassnet.estimators.incremental import partial_fit
from glassnet.estimators.samples import samples_of
from glassnet.estimators.targets import NumberTargets
from glassnet.maths.losses import Loss, Quantile
from glassnet.tables.frames import target_of

__all__ = ["GlassNetRegressor"]

LOSSES_OF_NUMBERS = ("squared_error", "absolute_error", "huber", "quantile", "poisson")


class GlassNetRegressor(RegressorMixin, GlassNetEstimator):
    """A neural network that predicts numbers from a table.

    y : numbers (n,), or (n, K) for several targets at once.

    Arguments and attributes are those of `GlassNetClassifier`, but for `class_weight`, `label_smoothing` and
    `calibration`, which are for classes, and:

    loss : "squared_error" (the mean), "absolute_error" (the median), "huber", "quantile", "poisson" (counts), or a
        Loss.
    quantiles : those to learn, increasing, such as (0.1, 0.5, 0.9), with loss "auto" or "quantile"; see
        `predict_quantiles`.
    target_scaling : "standard", "minmax", "robust" or "none" for y while training; losses in `history_` are in these
        units. "auto" is "standard", or "none" for loss="poisson". Huber's δ of 1 is in these units, too.

    >>> from glassnet import GlassNetRegressor
    >>> X = [[x / 100] for x in range(100)]
    >>> model = GlassNetRegressor(random_state=0).fit(X, [3 * x[0] + 1 for x in X])
    >>> round(float(model.predict([[0.5]])[0]), 1)
    2.5
    """

    _targets: NumberTargets

    def _fit_targets(self, y: Any, settings: dict[str, Any]) -> NumberTargets:
        counts = settings["loss"] == "poisson" or getattr(settings["loss"], "name", None) == "poisson"
        if settings["target_scaling"] == "auto":
            settings["target_scaling"] = "none" if counts else "standard"
        if counts and settings["target_scaling"] != "none":
            raise OptionError(
                'must be "none" for loss="poisson", whose targets are counts',
                argument="target_scaling",
                value=settings["target_scaling"],
            )
        return NumberTargets.fit(y, settings["target_scaling"])

    def _loss(self, settings: dict[str, Any], targets: NumberTargets) -> Loss:
        loss = loss_from(settings, targets.default_loss if settings["quantiles"] is None else "quantile")
        if not loss.custom:
            require_choice("loss", loss.name, ["auto", *LOSSES_OF_NUMBERS])
        return loss

    def _metrics(self, loss: Loss) -> dict[str, Any]:
        return {} if isinstance(loss, Quantile) else {"r2": r2}

    def partial_fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> GlassNetRegressor:
        """Train one epoch on these rows, going on from the weights of the last call or fit; returns the estimator.

        The first call also learns how to encode the table and how to scale y; see `GlassNetClassifier.partial_fit`.
        """
        partial_fit(self, samples_of(X, y, sample_weight, type(self).__name__))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted numbers, float64: (n,), or (n, K) as y was; of several quantiles the one nearest to the median.

        Raises ColumnError for a table without the columns of training, or with a column of another kind.
        """
        self._require_fitted()
        if isinstance(self.network_.loss, Quantile):
            middle = int(np.argmin(np.abs(np.array(self.network_.loss.quantiles) - 0.5)))
            Q = self.predict_quantiles(X)
            return Q[:, middle] if self._targets.flat else Q[:, middle : middle + 1]
        return self._targets.decode(self._outputs(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions, as scikit-learn's r2_score has it: 1 is perfect, 0 as good as the mean of y.

        y : as in `fit`; of several targets it is the mean of theirs. Raises DataError for what is no target, ValueError
            as r2_score does.
        """
        return float(super().score(X, target_of(y), sample_weight))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Lower and upper ends between which the target lies: float64, the shape of `predict` and a last axis of 2.

        coverage : the share of new rows whose target lies between, for each of several targets. It holds over all rows,
            drawn like those that validated (or were given to `calibrate`), not in each region.

        Around a prediction the interval is as long as the errors on those rows were, everywhere alike; for counts
        (loss="poisson") it grows with the square root of the prediction. With loss="quantile" it runs between the two
        fitted quantiles nearest to (1 ∓ coverage) / 2, moved by one length, and is short where the target is certain.
        It is infinite where too few rows were held out. Raises OptionError where none were.
        Source: Lei et al. (2018); Romano, Patterson and Candès (2019), see `maths.conformal`.
        """
        self._require_fitted()
        conformal = require_conformal(self, coverage)
        if isinstance(self.network_.loss, Quantile):
            ends = conformal.interval(self._vouched_for().predict_quantiles(X), coverage, self.network_.loss.quantiles)
            return ends if self._targets.flat else ends[:, None]
        P = self._targets.unscaled(self._vouched_for()._outputs(X))
        ends = conformal.interval(P, coverage)
        return ends[:, 0] if self._targets.flat and P.shape[1] == 1 else ends

    def predict_quantiles(self, X: Any) -> np.ndarray:
        """The fitted quantiles of each row, (n, number of quantiles), sorted so that they never cross.

        Raises OptionError unless the regressor was fitted with loss="quantile".
        """
        self._require_fitted()
        if self.network_.loss.name != "quantile":
            raise OptionError('must be "quantile" to predict quantiles', argument="loss", value=self.network_.loss.name)
        return self._targets.unscaled(np.sort(self._outputs(X), axis=1))


def r2(T: np.ndarray, Y: np.ndarray, weights: np.ndarray | None) -> float:
    """Share of the targets' variance that the predictions explain, the mean over targets; 1 is perfect."""
    mean = np.average(T, axis=0, weights=weights)
    left = np.average((T - Y) ** 2, axis=0, weights=weights)
    spread = np.average((T - mean) ** 2, axis=0, weights=weights)
    return float(np.mean(1.0 - left / np.where(spread > 0, spread, 1.0)))
