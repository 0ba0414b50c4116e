"""What counts as missing: None, NaN, NaT and pandas' NA, in single values and in columns."""

from __future__ import annotations

import numbers
from decimal import Decimal
from typing import Any

import numpy as np

__all__ = ["MISSING_TYPES", "is_missing", "missing_mask"]

MISSING_TYPES = ("NoneType", "NAType", "NaTType")  # the last two are pandas', which need not be installed


def is_missing(value: Any) -> bool:
    """Whether a scalar is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in MISSING_TYPES:
        return True
    if isinstance(value, Decimal):
        return value.is_nan()  # a signalling NaN refuses to be compared
    return isinstance(value, numbers.Number | np.generic) and bool(value != value)


def missing_mask(values: Any) -> np.ndarray:
    """True where a value of a column of any family is missing; also for plain object arrays with None."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    if values.dtype.kind in "iu":
        return np.zeros(len(values), bool)
    return values.missing if hasattr(values, "missing") else values == np.array(None)
