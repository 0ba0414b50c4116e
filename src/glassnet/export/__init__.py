"""Fitted estimators for programs without glassnet: an ONNX file."""

from __future__ import annotations

from glassnet.export.to_onnx import export_onnx

__all__ = ["export_onnx"]
