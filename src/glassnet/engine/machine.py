"""What the kernels must know of the processor: how long its vectors are and how many it can hold at once."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

__all__ = ["TILE_COLUMNS", "block", "has", "lanes", "tile_rows"]

TILE_COLUMNS = 2  # vectors side by side in a tile of the matrix kernel


@functools.cache
def _features() -> dict[str, bool]:
    from glassnet.engine.compiler import CompilerUnavailable

    try:
        import llvmlite.binding as llvm
    except Exception as error:  # missing, or a broken installation, which raises anything
        raise CompilerUnavailable(f"llvmlite cannot be imported: {error}") from error
    try:
        return dict(llvm.get_host_cpu_features())
    except RuntimeError:  # some ARM systems
        return {}


def has(feature: str) -> bool:
    """Whether the processor has a feature, by LLVM's name for it."""
    return bool(_features().get(feature))


@functools.cache
def _vector_bits() -> int:
    """Bits of a vector register: 512 with AVX-512, 256 with AVX, else 128, as on ARM."""
    return 512 if has("avx512f") else 256 if has("avx") else 128


def lanes(dtype: Any) -> int:
    """Numbers of a float type in one vector."""
    return _vector_bits() // (8 * np.dtype(dtype).itemsize)


def tile_rows() -> int:
    """Most rows of a tile that the registers hold beside one row of each operand: 14 with 32 registers, 6 with 16."""
    return 6 if has("sse2") and not has("avx512f") else 14


def block(dtype: Any) -> int:
    """Columns that the kernels work on together; every buffer is a multiple of it wide."""
    return TILE_COLUMNS * lanes(dtype)
