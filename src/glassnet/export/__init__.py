"""Fitted estimators for programs without glassnet: an ONNX file, or a Python module that needs NumPy alone."""

from __future__ import annotations

from glassnet.export.to_onnx import export_onnx
from glassnet.export.to_python import export_python

__all__ = ["export_onnx", "export_python"]
