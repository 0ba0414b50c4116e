"""The optimisers as kernels: penalties, clipping, decay and the update, in one pass over a range of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.engine.formulas import compiled_formula
from glassnet.engine.memory import call, float64s, int64s, jit, local_at, operation_at, reals_of, shared_at
from glassnet.engine.operations import Kernel
from glassnet.engine.records import N_FACTORS, N_ROLE, OPERATION_SIZE
from glassnet.maths.averaging import averaged, share_of_step
from glassnet.maths.optimisers import OPTIMISERS
from glassnet.maths.penalties import UNIT, decay, penalty_backward

__all__ = ["add_slices", "clip", "n_folded", "own_blocks", "own_ranges", "update"]


def _uniform(formula: Any, n_moments: int, n_factors: int) -> Any:
    """The formula as a function of (P, G, two moments, five factors) -> (P, two moments), whatever it uses of them."""
    if n_moments == 0:

        def step(P, G, M, V, a, b, c, d, e):
            return formula(P, G, a), M, V

    elif n_moments == 1 and n_factors == 2:

        def step(P, G, M, V, a, b, c, d, e):
            P, M = formula(P, G, M, a, b)
            return P, M, V

    elif n_moments == 1:

        def step(P, G, M, V, a, b, c, d, e):
            P, M = formula(P, G, M, a, b, c)
            return P, M, V

    else:

        def step(P, G, M, V, a, b, c, d, e):
            return formula(P, G, M, V, a, b, c, d, e)

    return jit(step, inline=True)


def _prepare(dtype: Any) -> Any:
    """A function that adds the penalties to a gradient, scales it, and lets the weights decay."""
    penalise, shrink = compiled_formula(penalty_backward, dtype), compiled_formula(decay, dtype)
    real = np.dtype(dtype).type

    @jit
    def prepare(P, G, shared, local, n):
        l1, l2, scale = real(shared.l1), real(shared.l2), real(local.scale)
        if local.is_weight and (shared.l1 > 0.0 or shared.l2 > 0.0):
            for i in range(n):
                G[i] += penalise(P[i], l1, l2)
        if local.scale != 1.0:
            for i in range(n):
                G[i] *= scale
        if local.is_weight and local.weight_decay > 0.0:
            rate, weight_decay = real(local.learning_rate), real(local.weight_decay)
            for i in range(n):
                P[i] = shrink(P[i], rate, weight_decay)

    return prepare


def update(dtype: Any, name: str) -> Kernel:
    """P, M, V ← the optimiser's formula, on the parameters from local.from_param to local.to_param."""
    optimiser = OPTIMISERS[name]
    n_moments, prepare = len(optimiser.moments), _prepare(dtype)
    average, share_of = compiled_formula(averaged, dtype), compiled_formula(share_of_step, np.float64)
    step_of = _uniform(compiled_formula(optimiser.formula, dtype), n_moments, optimiser.n_factors)
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local = shared_at(at_shared), local_at(at_local)
        first, n = local.from_param, local.to_param - local.from_param
        P, G = reals(shared.params + size * first, n), reals(shared.gradient + size * first, n)
        M = reals(shared.moment_1 + size * first if n_moments > 0 else shared.gradient, n)
        V = reals(shared.moment_2 + size * first if n_moments > 1 else shared.gradient, n)
        prepare(P, G, shared, local, n)
        factors = float64s(shared.factors + 8 * N_FACTORS * local.run_step, N_FACTORS)
        a, b, c, d, e = real(factors[0]), real(factors[1]), real(factors[2]), real(factors[3]), real(factors[4])
        for i in range(n):
            p, m, v = step_of(P[i], G[i], M[i], V[i], a, b, c, d, e)
            P[i] = p
            if n_moments > 0:
                M[i] = m
            if n_moments > 1:
                V[i] = v
        if shared.average:
            M, share = reals(shared.average + size * first, n), real(share_of(float(local.step + 1), shared.memory))
            for i in range(n):
                M[i] = average(M[i], P[i], share)

    return kernel


@jit
def n_folded(shared):
    """Slices that the first thread adds up as it goes, its own, which come first: the same sums in the same order.

    Not where a batch has several chunks: each slice's gradient is summed over the chunks first. Nor where there are
    embeddings: a table's gradient adds one sample at a time to what is there, so a slice's own sum would never be made.
    """
    n_samples = shared.batch // shared.n_members if shared.n_members else shared.batch
    one_sum = n_samples <= shared.chunk and shared.n_embeddings == 0 and shared.n_members in (0, shared.n_slices)
    return shared.n_slices // shared.n_threads if one_sum else 0


def add_slices(dtype: Any) -> Kernel:
    """G ← G_1 + G_2 + …, the gradients of the slices in their order, from local.from_param to local.to_param.

    What the first thread has added up already, all of it where there is no other, lies in the first one's place.
    """
    reals, size = reals_of(dtype), np.dtype(dtype).itemsize

    def kernel(at_shared, at_local, at_operation):
        shared, local = shared_at(at_shared), local_at(at_local)
        first, n = local.from_param, local.to_param - local.from_param
        G = reals(shared.gradient + size * first, n)
        for s in range(max(n_folded(shared), 1), shared.n_slices):
            more = reals(shared.gradient + size * (s * shared.gradient_step + first), n)
            for i in range(n):
                G[i] += more[i]

    return kernel


@jit
def call_on(kernel, local, at_shared, at_local, begin, end, is_weight):
    """Call a kernel on a run of parameters of one role, unless it is empty."""
    if end > begin:
        local.from_param, local.to_param, local.is_weight = begin, end, is_weight
        call(kernel, (at_shared, at_local, 0))


def own_blocks() -> Any:
    """A function that calls a kernel on this thread's part of each block of an ensemble's parameters.

    All threads have waited for the gradients. Slices have no sums of what one member alone has.
    """

    @jit
    def on_own_blocks(kernel, shared, local, at_shared, at_local):
        if kernel == 0:
            return
        roles, thread, n_threads = int64s(shared.roles, N_ROLE * shared.n_roles), local.thread, shared.n_threads
        for r in range(shared.n_roles):
            begin, end, is_weight = roles[N_ROLE * r], roles[N_ROLE * r + 1], roles[N_ROLE * r + 2]
            if kernel == shared.add_slices and roles[N_ROLE * r + 3]:
                continue
            first, last = (end - begin) * thread // n_threads, (end - begin) * (thread + 1) // n_threads
            call_on(kernel, local, at_shared, at_local, begin + first, begin + last, is_weight)

    return on_own_blocks


def own_ranges() -> Any:
    """A function that calls a kernel on this thread's share of the parameters: its rows of each layer's.

    Each call is for a run of parameters of one role, local.from_param to local.to_param.
    """

    @jit
    def on_own_ranges(kernel, shared, local, at_shared, at_local):
        if kernel == 0:
            return
        for i in range(shared.n_operations):
            operation = operation_at(shared.operations + i * OPERATION_SIZE)
            if operation.gradient == 0:
                continue
            start, n_in, n_out = operation.params, operation.n_in, operation.n_out
            n_units = n_in + 1 if operation.is_dense else n_out
            first = n_units * local.thread // shared.n_threads
            last = n_units * (local.thread + 1) // shared.n_threads
            if operation.is_dense:  # rows of W, and the biases below them
                weights, bias = start + min(last, n_in) * n_out, start + n_in * n_out
                call_on(kernel, local, at_shared, at_local, start + first * n_out, weights, 1)
                call_on(kernel, local, at_shared, at_local, bias, bias + n_out * (last > n_in), 0)
            elif operation.is_embedding:  # rows of E
                first = (n_in + 1) * local.thread // shared.n_threads
                last = (n_in + 1) * (local.thread + 1) // shared.n_threads
                call_on(kernel, local, at_shared, at_local, start + first * n_out, start + last * n_out, 0)
            else:  # scales, then shifts
                call_on(kernel, local, at_shared, at_local, start + first, start + last, 0)
                call_on(kernel, local, at_shared, at_local, start + n_out + first, start + n_out + last, 0)

    return on_own_ranges


def clip(dtype: Any) -> Kernel:
    """local.scale ← min(1, clip_norm / (‖G‖ + 1e-6)), G being the whole gradient with its penalties, in float64.

    Every thread computes it for itself, so all have the same bits: `maths.penalties.clip_by_norm`.
    """
    reals, real, penalise = reals_of(dtype), np.dtype(dtype).type, compiled_formula(penalty_backward, dtype)

    @jit
    def squares(shared, unit):
        """Σ G², each entry times a unit first."""
        G, P = reals(shared.gradient, shared.n_params), reals(shared.params, shared.n_params)
        roles, total = int64s(shared.roles, N_ROLE * shared.n_roles), 0.0
        l1, l2 = real(shared.l1), real(shared.l2)
        for r in range(shared.n_roles):
            penalised = roles[N_ROLE * r + 2] != 0 and (shared.l1 > 0.0 or shared.l2 > 0.0)
            for i in range(roles[N_ROLE * r], roles[N_ROLE * r + 1]):
                g = unit * float(G[i] + penalise(P[i], l1, l2) if penalised else G[i])
                total += g * g
        return total

    def kernel(at_shared, at_local, at_operation):
        shared, local = shared_at(at_shared), local_at(at_local)
        unit, total = 1.0, squares(shared, 1.0)
        if total == np.inf:
            unit, total = UNIT, squares(shared, UNIT)
        local.scale = min(1.0, shared.clip_norm * unit / (np.sqrt(total) + 1e-6 * unit))

    return kernel
