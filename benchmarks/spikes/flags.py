"""Spike 5: what LLVM's fast-math flags would give, and what they would break.

    python benchmarks/spikes/flags.py

Formulas of `maths` in a loop over 8,192 float32 numbers, compiled with sets of flags: none (the engine's choice),
`contract`, those that keep NaN and infinities, and all. Nanoseconds of one number, and beside it the greatest error
against float64 over numbers between -20 and 20, relative to the value or to 1 where that is larger; then what the
formula gives at -inf, inf and NaN, where that is not what NumPy gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from timing import best, machine

from glassnet.engine import formulas
from glassnet.maths import activations, elementary, losses

FLAGS: dict[str, set[str]] = {
    "none": set(),
    "contract": {"contract"},
    "finite kept": {"contract", "reassoc", "nsz", "arcp", "afn"},
    "all": {"contract", "reassoc", "nsz", "arcp", "afn", "nnan", "ninf"},
}
FORMULAS = {
    "relu": activations.relu,
    "sigmoid": activations.sigmoid,
    "tanh": elementary.tanh,
    "silu": activations.silu,
    "gelu": activations.gelu,
    "exp": elementary.exp,
}
N, N_CLASSES = 8192, 8
EDGES = np.array([-np.inf, np.inf, np.nan], np.float32)


def with_flags(formula: Any, flags: set[str]) -> Any:
    """The formula as the engine has it, with flags on all its instructions."""
    before = formulas.jit
    formulas.jit = lambda function, inline=False: njit(
        error_model="numpy", boundscheck=False, forceinline=inline, fastmath=flags
    )(function)
    formulas._COMPILED.clear()
    try:
        return formulas.compiled_formula(formula, np.float32)
    finally:
        formulas.jit = before
        formulas._COMPILED.clear()


def loop_of(formula: Any, flags: set[str]) -> Callable[..., None]:
    """loop(x, out): out[i] = formula(x[i])."""
    call = with_flags(formula, flags)

    def loop(x, out):
        for i in range(out.size):
            out[i] = call(x[i])

    return njit(error_model="numpy", boundscheck=False, fastmath=flags)(loop)


def softmax_of(flags: set[str]) -> Callable[..., None]:
    """loop(Z, out): softmax over N_CLASSES rows of N / N_CLASSES samples, in four passes, as the engine's."""
    e, larger = with_flags(elementary.exp, flags), with_flags(elementary.maximum, flags)

    def loop(z, result):
        n = z.size // N_CLASSES
        Z, Y = z.reshape(N_CLASSES, n), result.reshape(N_CLASSES, n)
        largest, total = np.empty(n, np.float32), np.zeros(n, np.float32)
        for i in range(n):
            largest[i] = Z[0, i]
        for k in range(1, N_CLASSES):
            for i in range(n):
                largest[i] = larger(largest[i], Z[k, i])
        for k in range(N_CLASSES):
            for i in range(n):
                power = e(Z[k, i] - largest[i])
                Y[k, i] = power
                total[i] += power
        for k in range(N_CLASSES):
            for i in range(n):
                Y[k, i] /= total[i]

    return njit(error_model="numpy", boundscheck=False, fastmath=flags)(loop)


def row(name: str, loop: Callable[..., None], expected: Callable[[np.ndarray], np.ndarray]) -> str:
    """Time, error, and edges that went wrong."""
    x = np.linspace(-20.0, 20.0, N, dtype=np.float32)
    out = np.empty_like(x)
    seconds = best(lambda: loop(x, out), each=1e-3, rounds=100)
    exact = expected(x.astype(np.float64))
    with np.errstate(all="ignore"):
        error = float((np.abs(out - exact) / np.maximum(np.abs(exact), 1.0)).max())
        strange = ""
        if name != "softmax":
            edges = np.resize(EDGES, N)
            loop(edges, out)
            right = expected(EDGES.astype(np.float64))
            wrong = ~((out[:3] == right) | (np.isnan(out[:3]) & np.isnan(right)))
            pairs = zip(EDGES[wrong], out[:3][wrong], strict=True)
            strange = ", ".join(f"f({at:g}) = {value:g}" for at, value in pairs)
    return f"{seconds / N * 1e9:8.3f} {error:10.1e}  {strange}"


def main() -> None:
    """Print the table."""
    print(f"{machine()}\n{'':8} {'flags':12} {'ns a number':>12} {'error':>8}")
    for name, formula in FORMULAS.items():
        for which, flags in FLAGS.items():
            print(f"{name:8} {which:12}", row(name, loop_of(formula, flags), formula), flush=True)
    for which, flags in FLAGS.items():

        def softmax(z: np.ndarray) -> np.ndarray:
            return losses.softmax(z.reshape(N_CLASSES, -1).T).T.reshape(-1)

        print(f"{'softmax':8} {which:12}", row("softmax", softmax_of(flags), softmax), flush=True)


if __name__ == "__main__":
    main()
