"""Numbers in words for people."""

from __future__ import annotations

import math

__all__ = ["number"]


def number(value: float) -> str:
    """Four significant digits, as people write them: 0.9884, 36.21, 3,994, 1.25e+09."""
    if not math.isfinite(value):
        return "not defined"
    if 1000 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1 or abs(value) < 1e-4 else f"{value:.4f}"
