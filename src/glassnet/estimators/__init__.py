"""scikit-learn's face of glassnet."""

from glassnet.estimators.light import import_scikit_learn

import_scikit_learn()  # before the modules below do, at twice the time

from glassnet.estimators.classifier import GlassNetClassifier  # noqa: E402
from glassnet.estimators.exceptions import CHECKS_NOT_PASSED  # noqa: E402
from glassnet.estimators.regressor import GlassNetRegressor  # noqa: E402

__all__ = ["CHECKS_NOT_PASSED", "GlassNetClassifier", "GlassNetRegressor"]
