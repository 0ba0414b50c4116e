"""scikit-learn's face of glassnet."""

from glassnet.estimators.classifier import GlassNetClassifier
from glassnet.estimators.regressor import GlassNetRegressor

__all__ = ["GlassNetClassifier", "GlassNetRegressor"]
