"""glassnet: neural networks for tables that you can see through.

    from glassnet import GlassNetClassifier
    clf = GlassNetClassifier().fit(X, y)

Names are loaded when they are first used: `import glassnet` by itself loads nothing else, a `Network` NumPy alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> the module it lives in. A name is public when it stands here, and only then.
_HOME = {
    "Activation": "glassnet.maths.layers",
    "Columns": "glassnet.maths.columns",
    "Dense": "glassnet.maths.layers",
    "Dropout": "glassnet.maths.layers",
    "Embedding": "glassnet.maths.embeddings",
    "EnsembleDense": "glassnet.maths.members",
    "GlassNetClassifier": "glassnet.estimators",
    "GlassNetRegressor": "glassnet.estimators",
    "LayerNorm": "glassnet.maths.layers",
    "Network": "glassnet.network",
    "PiecewiseLinear": "glassnet.maths.numbers",
    "TableEncoder": "glassnet.tables.encoder",
    "custom_activation": "glassnet.maths.activations",
    "custom_loss": "glassnet.maths.losses",
    "errors": "glassnet.errors",
    "export_onnx": "glassnet.export",
    "export_python": "glassnet.export",
    "gradient_descent": "glassnet.maths.optimisers",
    "load": "glassnet.estimators.loading",
    "softmax": "glassnet.maths.losses",
    "train": "glassnet.workflow",
    "views": "glassnet.views",
}

__all__ = [
    "Activation",
    "Columns",
    "Dense",
    "Dropout",
    "Embedding",
    "EnsembleDense",
    "GlassNetClassifier",
    "GlassNetRegressor",
    "LayerNorm",
    "Network",
    "PiecewiseLinear",
    "TableEncoder",
    "__version__",
    "custom_activation",
    "custom_loss",
    "errors",
    "export_onnx",
    "export_python",
    "gradient_descent",
    "load",
    "softmax",
    "train",
    "views",
]

if TYPE_CHECKING:
    from glassnet import errors, views
    from glassnet.estimators import GlassNetClassifier, GlassNetRegressor
    from glassnet.estimators.loading import load
    from glassnet.export import export_onnx, export_python
    from glassnet.maths.activations import custom_activation
    from glassnet.maths.columns import Columns
    from glassnet.maths.embeddings import Embedding
    from glassnet.maths.layers import Activation, Dense, Dropout, LayerNorm
    from glassnet.maths.losses import custom_loss, softmax
    from glassnet.maths.members import EnsembleDense
    from glassnet.maths.numbers import PiecewiseLinear
    from glassnet.maths.optimisers import gradient_descent
    from glassnet.network import Network
    from glassnet.tables.encoder import TableEncoder
    from glassnet.workflow import train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'glassnet' has no attribute {name!r}")
    module = importlib.import_module(_HOME[name])
    value = module if _HOME[name] == f"glassnet.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
