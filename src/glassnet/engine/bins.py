"""Numbers as their shares in bins, `maths.numbers.piecewise_linear`, as a kernel.

The formula of a share is that of `maths`. Vectors are named, since twenty columns of sixteen bins would else be 320
loops of Numba's over the samples, each with a prologue that takes longer than itself. No slope is needed here: nothing
below a number learns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import cgutils

from glassnet.engine.formulas import on_numbers
from glassnet.engine.memory import local_at, operation_at, shared_at
from glassnet.engine.operations import Kernel
from glassnet.engine.vectors import WORD, Vectors, writing
from glassnet.maths.numbers import bin_share, within

__all__ = ["bins_forward"]

TABLE_ROWS = 3  # of `maths.numbers.bin_table`


def _write_bins(v: Vectors, x, a, table, stride, n_bins, n) -> None:
    """Rows x, share_1, …, share_B of A, bin after bin, a vector of samples at a time."""
    builder, share, clip = v.builder, on_numbers(bin_share), on_numbers(within)
    X, A, table = v.pointer(x), v.pointer(a), v.pointer(table)
    n_vectors = builder.sdiv(n, WORD(v.lanes))
    first, last = table, v.at(table, builder.sub(builder.mul(n_bins, WORD(2)), WORD(1)))
    ends = [v.spread_from(place) for place in (first, last)]
    with cgutils.for_range(builder, n_vectors) as samples:
        place = builder.mul(samples.index, WORD(v.lanes))
        v.store(clip(v.loaded(v.at(X, place)), *ends).value, v.at(A, place))
    with cgutils.for_range(builder, n_bins) as bins:
        places = (builder.add(bins.index, builder.mul(n_bins, WORD(k))) for k in range(TABLE_ROWS))
        of_bin = [v.spread_from(v.at(table, place)) for place in places]
        row = v.at(A, builder.mul(builder.add(bins.index, WORD(1)), stride))
        with cgutils.for_range(builder, n_vectors) as samples:
            place = builder.mul(samples.index, WORD(v.lanes))
            v.store(share(v.loaded(v.at(X, place)), *of_bin).value, v.at(row, place))


def bins_forward(dtype: Any) -> Kernel:
    """A = [x; shares of x in n_out - 1 bins], the table of which lies at operation.options, in the float type."""
    size, write = np.dtype(dtype).itemsize, writing(dtype, 6, _write_bins)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        begin = shared.arena + size * local.begin
        x, a, n = begin + size * operation.x, begin + size * operation.a, local.end - local.begin
        write((x, a, operation.options, shared.stride, operation.n_out - 1, n))

    return kernel
