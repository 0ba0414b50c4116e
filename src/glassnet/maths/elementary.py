"""The elementary functions that every formula of glassnet is written with.

Here they are NumPy's, on arrays of any float type. A compiler may give the same names a faster body, so that each
formula keeps one home; for that to be safe each name has one meaning, edge cases included:

- `maximum` and `minimum` keep a NaN from either side;
- `exp(-inf) = 0`, `exp(inf) = inf`, and NaN stays NaN everywhere;
- `where` evaluates both branches: a formula must be harmless on the side that is not taken.

Numbers in formulas are float literals (`1.0`, not `1`): NumPy gives them the type of the array they meet (NEP 50), so
float32 stays float32, and a compiler can find them among a function's constants and do the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "cos",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "sign",
    "sqrt",
    "tanh",
    "where",
]

# An array of any float type or a scalar: the formulas do not care, and NumPy's own stubs cannot say it.
Array = Any

BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}
SMALL = 1024  # entries below which the overhead of several calls outweighs the branches


def exp(x: Array) -> Array:
    """e to the power x."""
    return np.exp(x)


def expm1(x: Array) -> Array:
    """exp(x) - 1, exact also for small x."""
    return np.expm1(x)


def log(x: Array) -> Array:
    """Natural logarithm; log(0) = -inf."""
    return np.log(x)


def log1p(x: Array) -> Array:
    """log(1 + x), exact also for small x."""
    return np.log1p(x)


def sqrt(x: Array) -> Array:
    """Square root."""
    return np.sqrt(x)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


def cos(x: Array) -> Array:
    """Cosine of x in radians."""
    return np.cos(x)


def erf(x: Array) -> Array:
    """Error function, 2/sqrt(pi) times the integral of exp(-t²) from 0 to x."""
    from scipy.special import (
        erf as scipy_erf,
    )  # NumPy has none; imported here so that NumPy alone starts the package

    return scipy_erf(x)


def sign(x: Array) -> Array:
    """-1, 0 or 1, as x is below, at or above zero."""
    return np.sign(x)


def maximum(a: Array, b: Array) -> Array:
    """The larger of a and b; NaN where either is NaN."""
    return np.maximum(a, b)


def minimum(a: Array, b: Array) -> Array:
    """The smaller of a and b; NaN where either is NaN."""
    return np.minimum(a, b)


def where(condition: Array, a: Array, b: Array) -> Array:
    """The value a where the condition holds, b elsewhere; at least one of a and b is an array.

    np.where branches at each entry, and where the condition looks random to the processor, as signs do, each second
    guess is wrong: 150 µs for 32,768 entries, against 25 µs for a choice of bits, b ^ ((a ^ b) & mask), the same value.
    """
    if np.size(condition) < SMALL or (dtype := np.result_type(a, b)) not in BITS:
        return np.where(condition, a, b)
    bits = BITS[dtype]
    mask = -condition.astype(bits)  # all bits set where the condition holds
    a_bits, b_bits = np.asarray(a, dtype).view(bits), np.asarray(b, dtype).view(bits)
    return (b_bits ^ ((a_bits ^ b_bits) & mask)).view(dtype)
