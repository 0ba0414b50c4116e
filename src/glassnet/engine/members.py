"""The dense layers of an ensemble as kernels: one member at a time, its weights written out before they are used.

Members that share W differ by scales, which are rows and columns of W made larger or smaller: written out, a member is
a plain dense layer, and the plain products serve it. To write V_m = r_m ⊙ W ⊙ s_m out takes p·q multiplications for all
samples of a member, the products take p·q for each of them. The gradient comes out as dV_m, and is taken back to W and
the scales: the formulas of `maths.members`, which tests hold together with these loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.engine import machine
from glassnet.engine.memory import call_dots, jit, local_at, operation_at, reals_of, shared_at
from glassnet.engine.operations import Kernel, dense_passes

__all__ = ["ensemble_backward", "ensemble_forward", "ensemble_gradient"]


@jit
def places(shared, operation, member):
    """Where a member's r, s, W and b begin in the flat vector; r and s have no meaning where it has weights of its own.

    W, r, s, b stand there one after the other, or W and b, each for all members.
    """
    p, q, k, start = operation.n_in, operation.n_out, shared.n_members, operation.params
    if operation.shares:
        r, s = start + p * q, start + p * q + k * p
        return start, r + member * p, s + member * q, s + k * q + member * q
    return start + member * p * q, start, start, start + k * p * q + member * q


def ensemble_forward(dtype: Any) -> Kernel:
    """Z = [V; b]ᵀ [X; 1], V written out with the first samples of a member."""
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize
    forward, _, _ = dense_passes(dtype)

    @jit
    def write_out(shared, operation, member, out):
        p, q = operation.n_in, operation.n_out
        at_W, at_r, at_s, at_b = places(shared, operation, member)
        W, b = reals(shared.params + size * at_W, p * q), reals(shared.params + size * at_b, q)
        r, s = reals(shared.params + size * at_r, p), reals(shared.params + size * at_s, q)
        V = reals(out, (p + 1) * q)
        for i in range(p):
            if operation.shares:
                factor = r[i]
                for j in range(q):
                    V[i * q + j] = factor * W[i * q + j] * s[j]
            else:
                for j in range(q):
                    V[i * q + j] = W[i * q + j]
        for j in range(q):
            V[p * q + j] = b[j]

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        V = local.written_out + size * operation.written_out
        if local.going_on == 0:
            write_out(shared, operation, local.member, V)
        forward(shared, local, operation, V)

    return kernel


def ensemble_backward(dtype: Any) -> Kernel:
    """dX = V dZ, and dZ again with a sample a row, see `dense_backward`."""
    size = np.dtype(dtype).itemsize
    _, backward, _ = dense_passes(dtype)

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        backward(shared, local, operation, local.written_out + size * operation.written_out)

    return kernel


def ensemble_gradient(dtype: Any) -> Kernel:
    """[dV; db] = [X; 1] dZᵀ, then dW, dr and ds.

    What belongs to one member goes to the gradient of the first slice, where no other writes; dW to the slice's own.
    It works in as many numbers as `layout.unfolding_size` says.
    """
    reals, real, size, block = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize, machine.block(dtype)
    _, _, gradient = dense_passes(dtype)

    @jit
    def put(source, n, out, adding):
        new, kept = reals(source, n), reals(out, n)
        for j in range(n):
            kept[j] = kept[j] + new[j] if adding else new[j]

    @jit
    def share_out(shared, local, operation, dV, work):
        """dW from dV; dV ⊙ W into `work`, from which dr and ds are summed."""
        p, q = operation.n_in, operation.n_out
        wide = (q + block - 1) // block * block
        at_W, at_r, at_s, _ = places(shared, operation, local.member)
        W, dW = reals(shared.params + size * at_W, p * q), reals(local.gradient + size * at_W, p * q)
        r, s = reals(shared.params + size * at_r, p), reals(shared.params + size * at_s, q)
        ds = reals(shared.gradient + size * at_s, q)
        D, U = reals(dV, p * q), reals(work, (p + 1) * wide)
        S = p * wide  # the row of s, as long as the others
        for j in range(q, wide):
            U[S + j] = real(0)
        for j in range(q):
            U[S + j] = s[j]
            ds[j] = ds[j] if local.going_on else real(0)
        for i in range(p):
            factor = r[i]
            for j in range(q):
                d = D[i * q + j]
                scaled = factor * d * s[j]
                dW[i * q + j] = dW[i * q + j] + scaled if local.adding else scaled
            for j in range(q):
                u = D[i * q + j] * W[i * q + j]
                U[i * wide + j] = u
                ds[j] += factor * u
            for j in range(q, wide):
                U[i * wide + j] = real(0)
        call_dots(
            shared.dots,
            (work, wide, work + size * S, 0, shared.gradient + size * at_r, 1, p, 1, wide, local.going_on),
        )

    def kernel(at_shared, at_local, at_operation):
        shared, local, operation = shared_at(at_shared), local_at(at_local), operation_at(at_operation)
        p, q = operation.n_in, operation.n_out
        dV = local.unfolding
        gradient(shared, local, operation, dV, 0)
        at_W, _, _, at_b = places(shared, operation, local.member)
        if operation.shares:
            share_out(shared, local, operation, dV, dV + size * (((p + 1) * q + block - 1) // block * block))
        else:
            put(dV, p * q, shared.gradient + size * at_W, local.going_on)
        put(dV + size * p * q, q, shared.gradient + size * at_b, local.going_on)

    return kernel
