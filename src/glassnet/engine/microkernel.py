"""The matrix kernel: one tile of a product, held in the processor's registers.

    C[i, j]  =  or  +=   Σ_k A[i, k] · B[k, j]          m rows of A, one or two vectors of columns of B

The accumulators of the tile, m × 2 vectors, stay in registers over the whole sum. At each k the kernel reads one row
of B, spreads one number of A after the other over a vector, and adds the product by a fused multiply-add. Every entry
of C is summed in the order of k, whatever its place in the tile and whatever the size of the tile: one row predicted
alone and the same row among a million have the same bits.

All three products of a dense layer are of this form, since A may have any strides:

    forward    Z = Wᵀ X          A[i, k] = W[k, i]           X and Z with a sample a column
    backward   dX = W dZ         A[i, k] = W[i, k]
    gradient   dW = X dZᵀ        A[i, k] = X[i, k]           B = dZᵀ with a sample a row

The idea of a tile in registers is that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication"
(2008). Neither operand is packed: measured, it is not worth it up to some 800 columns (see docs/engine.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from glassnet.engine import machine
from glassnet.engine.memory import int64s, reals_of
from glassnet.engine.vectors import WORD, Vectors

__all__ = ["dots", "product", "transpose"]


def _sized(make: Callable[[Any, Any, int, list[Any]], None], n_arguments: int, largest: int, dtype: Any) -> Any:
    """An intrinsic (m, ...) that runs the code made for size m: one branch for each size from 1 to the largest.

    make : writes the instructions for one size, given the builder, the vectors, the size and the arguments.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [builder.extract_value(arguments[1], i) for i in range(n_arguments)]
        after = builder.append_basic_block("after")
        switch = builder.switch(arguments[0], after)
        for m in range(1, largest + 1):
            branch = builder.append_basic_block(f"size_{m}")
            switch.add_case(WORD(m), branch)
            with builder.goto_block(branch):
                make(builder, Vectors(builder, dtype), m, values)
                builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    @intrinsic
    def sized(typing_context: Any, m: Any, arguments: Any) -> Any:
        return types.void(types.int64, types.UniTuple(types.int64, n_arguments)), generate

    return sized


def _tile(columns: int) -> Callable[[Any, Any, int, list[Any]], None]:
    """The tile of m rows and so many vectors of columns; see the head of this module."""

    def make(builder: Any, v: Vectors, m: int, arguments: list[Any]) -> None:
        a, a_row, a_k, b, b_k, c, c_row, n_k, add = arguments
        A, B, C = v.pointer(a), v.pointer(b), v.pointer(c)
        sums = [[v.zeroed() for _ in range(columns)] for _ in range(m)]
        with cgutils.for_range(builder, n_k) as loop:
            b_row = v.at(B, builder.mul(loop.index, b_k))
            vectors = [v.load(v.at(b_row, j * v.lanes)) for j in range(columns)]
            column = v.at(A, builder.mul(loop.index, a_k))
            for i in range(m):
                number = v.spread(builder.load(v.at(column, builder.mul(a_row, WORD(i)))))
                for j in range(columns):
                    builder.store(v.fma(number, vectors[j], builder.load(sums[i][j])), sums[i][j])
        places = [v.at(v.at(C, builder.mul(c_row, WORD(i))), j * v.lanes) for i in range(m) for j in range(columns)]
        totals = [builder.load(total) for row in sums for total in row]
        with builder.if_else(builder.icmp_signed("!=", add, WORD(0))) as (then, otherwise):
            with then:
                for place, total in zip(places, totals, strict=True):
                    v.store(builder.fadd(v.load(place), total), place)
            with otherwise:
                for place, total in zip(places, totals, strict=True):
                    v.store(total, place)

    return make


def product(dtype: Any) -> Callable[..., None]:
    """The kernel product(A, a_row, a_k, B, b_k, C, c_row, n_rows, n_columns, n_k, add) on addresses and strides.

    C (n_rows, n_columns) = A B, or += where `add` is not 0; n_columns in whole vectors. Rows are shared out among
    tiles of nearly equal size.
    """
    largest, size = machine.tile_rows(), np.dtype(dtype).itemsize
    vector = machine.lanes(dtype)
    wide, pair = _sized(_tile(machine.TILE_COLUMNS), 9, largest, dtype), machine.TILE_COLUMNS * vector
    narrow = _sized(_tile(1), 9, largest, dtype)

    def multiply(A, a_row, a_k, B, b_k, C, c_row, n_rows, n_columns, n_k, add):
        n_tiles = (n_rows + largest - 1) // largest
        row = 0
        for tile in range(n_tiles):
            m = (n_rows - row + n_tiles - tile - 1) // (n_tiles - tile)
            a, c = A + size * row * a_row, C + size * row * c_row
            column = 0
            while column + pair <= n_columns:
                wide(m, (a, a_row, a_k, B + size * column, b_k, c + size * column, c_row, n_k, add))
                column += pair
            if column < n_columns:
                narrow(m, (a, a_row, a_k, B + size * column, b_k, c + size * column, c_row, n_k, add))
            row += m

    return multiply


def _dots(builder: Any, v: Vectors, m: int, arguments: list[Any]) -> None:
    """Σ_i X[k, i] · d[i] for m rows k at once, d read once for all of them, added to or put into out[k]."""
    x, x_row, d, n, out, out_row, add = arguments
    X, D, G = v.pointer(x), v.pointer(d), v.pointer(out)
    sums = [v.zeroed() for _ in range(m)]
    with cgutils.for_range(builder, builder.sdiv(n, WORD(v.lanes))) as loop:
        place = builder.mul(loop.index, WORD(v.lanes))
        vector = v.load(v.at(D, place))
        for k in range(m):
            row = v.at(X, builder.add(builder.mul(x_row, WORD(k)), place))
            builder.store(v.fma(v.load(row), vector, builder.load(sums[k])), sums[k])
    adding = builder.icmp_signed("!=", add, WORD(0))
    for k in range(m):
        place = v.at(G, builder.mul(out_row, WORD(k)))
        old = builder.select(adding, builder.load(place), ir.Constant(v.number, 0.0))
        builder.store(builder.fadd(old, v.total(builder.load(sums[k]))), place)


def dots(dtype: Any) -> Callable[..., None]:
    """The kernel dots(X, x_row, D, d_row, G, g_row, n_in, n_out, n, add): G[k, j] (+)= Σ_i X[k, i] D[j, i].

    The gradient of narrow layers, where vectors along units would be mostly empty: sums along samples, n of them in
    whole vectors, with zeros in D where there is no sample.
    """
    largest, size = 8, np.dtype(dtype).itemsize
    several = _sized(_dots, 7, largest, dtype)

    def kernel(X, x_row, D, d_row, G, g_row, n_in, n_out, n, add):
        for j in range(n_out):
            k = 0
            while k < n_in:
                m = min(largest, n_in - k)
                x, out = X + size * k * x_row, G + size * (k * g_row + j)
                several(m, (x, x_row, D + size * j * d_row, n, out, g_row, add))
                k += m

    return kernel


def _transpose_block(dtype: Any) -> Any:
    """An intrinsic (source, source_rows, destination, stride): a block of lanes × lanes numbers turned around.

    Row i of the block begins at source + size · source_rows[i], where source_rows is the address of int64 offsets;
    column i of it becomes row i at the destination, rows `stride` numbers apart. Log₂(lanes) rounds of exchanges
    between pairs of vectors do it, as in the fast Fourier transform.
    """
    size = np.dtype(dtype).itemsize

    @intrinsic
    def transpose(typing_context: Any, source: Any, source_rows: Any, destination: Any, stride: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, source_rows, destination, stride = arguments
            v = Vectors(builder, dtype)
            offsets = builder.inttoptr(source_rows, WORD.as_pointer())
            rows = []
            for i in range(v.lanes):
                offset = builder.mul(builder.load(builder.gep(offsets, [WORD(i)])), WORD(size))
                rows.append(v.load(v.pointer(builder.add(source, offset))))
            half = v.lanes // 2
            while half:  # exchange the off-diagonal quarters of every 2·half × 2·half block
                low, high = _exchange_places(v.lanes, half)
                for i in range(v.lanes):
                    if not i & half:
                        a, b = rows[i], rows[i + half]
                        rows[i], rows[i + half] = v.shuffle(a, b, low), v.shuffle(a, b, high)
                half //= 2
            D = v.pointer(destination)
            for i, row in enumerate(rows):
                v.store(row, v.at(D, builder.mul(stride, WORD(i))))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), generate

    return transpose


def _exchange_places(lanes: int, half: int) -> tuple[list[int], list[int]]:
    """Lanes of the two vectors after the exchange: places below `lanes` are of the first, the others of the second."""
    low = [i if not i & half else lanes + i - half for i in range(lanes)]
    high = [i + half if not i & half else lanes + i for i in range(lanes)]
    return low, high


def transpose(dtype: Any) -> Callable[..., None]:
    """The kernel transpose(source, rows, n_rows, n_columns, destination, stride): rows become columns.

    `rows` is the address of n_rows int64 offsets from `source`, so that rows can lie anywhere. Whole blocks first; the
    last block of columns overlaps the one before it where columns are not a multiple of the lanes.
    """
    block, lanes, size = _transpose_block(dtype), machine.lanes(dtype), np.dtype(dtype).itemsize
    reals = reals_of(dtype)

    def kernel(source, rows, n_rows, n_columns, destination, stride):
        whole = n_rows - n_rows % lanes if n_columns >= lanes else 0
        offsets, out = int64s(rows, n_rows), reals(destination, n_columns * stride)
        for i in range(0, whole, lanes):
            k = 0
            while k < n_columns:
                k = min(k, n_columns - lanes)
                block(source + size * k, rows + 8 * i, destination + size * (k * stride + i), stride)
                k += lanes
        for i in range(whole, n_rows):
            row = reals(source + size * offsets[i], n_columns)
            for k in range(n_columns):
                out[k * stride + i] = row[k]

    return kernel
