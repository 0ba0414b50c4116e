"""scikit-learn's face of glassnet."""

from glassnet.estimators.classifier import GlassNetClassifier
from glassnet.estimators.regressor import GlassNetRegressor
from glassnet.estimators.storage import load

__all__ = ["GlassNetClassifier", "GlassNetRegressor", "load"]
