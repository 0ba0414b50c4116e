"""The formulas of `maths`, made ready for the compiler: the same code, with numbers of one float type.

A formula's float literals have the type float64, which NumPy lets give way to the arrays they meet and a compiler does
not: float32 arrays would be computed in float64, at half the speed and with other bits. So a formula is copied with
its literals, and the constants of its module that it names, in the network's own float type. The functions it calls
are treated alike, and those of `maths.elementary` have their compiled twins in `engine.elementary`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from glassnet.engine.elementary import WRITTEN  # to import it registers what exp, where, ... mean when compiled
from glassnet.engine.memory import jit
from glassnet.maths import elementary

__all__ = ["compiled_formula", "on_numbers"]

_COMPILED: dict[tuple[Any, np.dtype], Any] = {}


def compiled_formula(formula: Callable[..., Any], dtype: Any) -> Any:
    """The formula as a function that kernels can call on numbers of a float type."""
    dtype = np.dtype(dtype)
    if getattr(formula, "__module__", "") == elementary.__name__:
        return formula  # Numba knows its compiled twin by the function itself
    key = (formula, dtype)
    if key not in _COMPILED:
        _COMPILED[key] = jit(_retyped(formula, dtype), inline=True)
    return _COMPILED[key]


def _retyped(formula: Any, dtype: np.dtype) -> FunctionType:
    code = formula.__code__.replace(co_consts=tuple(_number(value, dtype) for value in formula.__code__.co_consts))
    names = {name: formula.__globals__[name] for name in code.co_names if name in formula.__globals__}
    scope = {name: _made_ready(value, dtype) for name, value in names.items()}
    return FunctionType(code, scope, formula.__name__)


def _made_ready(value: Any, dtype: np.dtype) -> Any:
    if isinstance(value, FunctionType) and value.__module__ != elementary.__name__:
        return compiled_formula(value, dtype)
    return _number(value, dtype)


def _number(value: Any, dtype: np.dtype) -> Any:
    return dtype.type(value) if type(value) is float else value


def on_numbers(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula as a function of `number.Number`s, which writes its instructions where it is called."""
    return _written(formula) if isinstance(formula, FunctionType) else formula


@functools.cache
def _written(formula: FunctionType) -> Callable[..., Any]:
    if formula in WRITTEN:
        return WRITTEN[formula]
    named = {name: formula.__globals__[name] for name in formula.__code__.co_names if name in formula.__globals__}
    scope = {name: on_numbers(value) for name, value in named.items()}
    return FunctionType(formula.__code__, scope, formula.__name__)
