"""From addresses to arrays, and calls through addresses: what the compiled functions see the world with.

This module needs Numba; nothing else of the package does but the modules that hold kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, float64, from_dtype, int64, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from glassnet.engine.records import LOCAL, OPERATION, SHARED

__all__ = [
    "call",
    "call_dots",
    "call_product",
    "call_transpose",
    "fetch_add",
    "fetch_now",
    "float64s",
    "int64s",
    "jit",
    "local_at",
    "operation_at",
    "reals_of",
    "shared_at",
    "store_now",
    "yield_processor",
]

WORD = ir.IntType(64)


def jit(function: Any, inline: bool = False) -> Any:
    """A helper that kernels call: compiled into each of them, arithmetic exactly as written, no exceptions.

    inline : whether it must become part of the loop that calls it, however long it is: else the loop is not vectorised.
    """
    return njit(error_model="numpy", boundscheck=False, nogil=True, forceinline=inline)(function)


def _intrinsic(function: Any) -> Any:
    """Numba's decorator, whose callers give one argument fewer than the function has."""
    return intrinsic(function)


def _pointer_to(kind: Any) -> Any:
    """An intrinsic from an address to a pointer to numbers or records of one kind."""

    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    return pointer


def _array_at(kind: Any) -> Any:
    """A function (address, n) -> array of n numbers of one kind."""
    pointer = _pointer_to(kind)

    @jit
    def array(address, n):
        return carray(pointer(address), (n,))

    return array


def _record_at(dtype: Any) -> Any:
    """A function address -> the record there; its fields can be read and written."""
    pointer = _pointer_to(from_dtype(dtype))

    @jit
    def record(address):
        return carray(pointer(address), (1,))[0]

    return record


int64s = _array_at(int64)
float64s = _array_at(float64)
shared_at = _record_at(SHARED)
local_at = _record_at(LOCAL)
operation_at = _record_at(OPERATION)
_REALS: dict[Any, Any] = {}


def reals_of(dtype: Any) -> Any:
    """The function (address, n) -> array of a network's float type."""
    kind = from_dtype(np.dtype(dtype))
    return _REALS.setdefault(kind, _array_at(kind))


def _calling(n: int) -> Any:
    """An intrinsic that calls the kernel at an address with n whole numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [WORD] * n)
        values = [builder.extract_value(arguments[1], i) for i in range(n)]
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), values)
        return context.get_dummy_value()

    @intrinsic
    def calling(typing_context: Any, address: Any, arguments: Any) -> Any:
        return types.void(types.int64, types.UniTuple(types.int64, n)), generate

    return calling


call = _calling(3)  # an operation: (address, (shared, local, operation))
call_transpose = _calling(6)  # the kernels of `microkernel`, which operations share
call_dots = _calling(10)
call_product = _calling(11)


def _atomic(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, WORD.as_pointer())


@_intrinsic
def fetch_add(typing_context: Any, address: Any, amount: Any) -> Any:
    """Add to a whole number that threads share; returns what it was before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _atomic(builder, arguments[0]), arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@_intrinsic
def fetch_now(typing_context: Any, address: Any) -> Any:
    """Read a whole number that another thread may change."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_atomic(builder, arguments[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


@_intrinsic
def store_now(typing_context: Any, address: Any, value: Any) -> Any:
    """Write a whole number for other threads to read."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _atomic(builder, arguments[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@_intrinsic
def yield_processor(typing_context: Any) -> Any:
    """Let another thread have the processor: sched_yield, or SwitchToThread on Windows."""
    import sys

    name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), generate
