"""scikit-learn's face of glassnet."""

from glassnet.estimators.classifier import GlassNetClassifier
from glassnet.estimators.exceptions import CHECKS_NOT_PASSED
from glassnet.estimators.loading import load
from glassnet.estimators.regressor import GlassNetRegressor

__all__ = ["CHECKS_NOT_PASSED", "GlassNetClassifier", "GlassNetRegressor", "load"]
