"""The optimisers as kernels: penalties, clipping, decay and the update, in one pass over a range of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.engine.formulas import compiled_formula
from glassnet.engine.memory import float64s, jit, local_at, reals_of, shared_at
from glassnet.engine.operations import Kernel
from glassnet.maths.optimisers import OPTIMISERS
from glassnet.maths.penalties import decay, penalty_backward

__all__ = ["N_FACTORS", "update"]

N_FACTORS = 5  # the most numbers that an optimiser's formula takes beside its arrays


def _uniform(formula: Any, n_moments: int, n_factors: int) -> Any:
    """The formula as a function of (P, G, two moments, five factors) -> (P, two moments), whatever it uses of them."""
    if n_moments == 0:

        @jit
        def step(P, G, M, V, a, b, c, d, e):  # type: ignore[no-untyped-def]
            return formula(P, G, a), M, V

    elif n_moments == 1 and n_factors == 2:

        @jit
        def step(P, G, M, V, a, b, c, d, e):  # type: ignore[no-untyped-def]
            P, M = formula(P, G, M, a, b)
            return P, M, V

    elif n_moments == 1:

        @jit
        def step(P, G, M, V, a, b, c, d, e):  # type: ignore[no-untyped-def]
            P, M = formula(P, G, M, a, b, c)
            return P, M, V

    else:

        @jit
        def step(P, G, M, V, a, b, c, d, e):  # type: ignore[no-untyped-def]
            return formula(P, G, M, V, a, b, c, d, e)

    return step


def update(dtype: Any, name: str) -> Kernel:
    """P, M, V ← the optimiser's formula, on local.from_param to local.to_param, at the step local.number of the run.

    First the gradient gets the penalties' and is scaled; weights decay before the update.
    """
    optimiser = OPTIMISERS[name]
    n_moments = len(optimiser.moments)
    formula = compiled_formula(optimiser.formula, dtype)
    step_of = _uniform(formula, n_moments, optimiser.n_factors)
    penalise, shrink = compiled_formula(penalty_backward, dtype), compiled_formula(decay, dtype)
    reals, real, size = reals_of(dtype), np.dtype(dtype).type, np.dtype(dtype).itemsize

    def kernel(shared_address, local_address, operation_address):  # type: ignore[no-untyped-def]
        shared, local = shared_at(shared_address), local_at(local_address)
        first, n = local.from_param, local.to_param - local.from_param
        P, G = reals(shared.params + size * first, n), reals(shared.gradient + size * first, n)
        M = reals(shared.moment_1 + size * first if n_moments > 0 else shared.gradient, n)
        V = reals(shared.moment_2 + size * first if n_moments > 1 else shared.gradient, n)
        factors = float64s(shared.factors + 8 * N_FACTORS * local.run_step, N_FACTORS)
        a, b, c, d, e = real(factors[0]), real(factors[1]), real(factors[2]), real(factors[3]), real(factors[4])
        penalised = local.is_weight and (local.l1 > 0.0 or local.l2 > 0.0)
        decaying = local.is_weight and local.weight_decay > 0.0
        if penalised or local.scale != 1.0:
            l1, l2, scale = real(local.l1), real(local.l2), real(local.scale)
            for i in range(n):
                G[i] = (G[i] + penalise(P[i], l1, l2)) * scale if penalised else G[i] * scale
        if decaying:
            rate, weight_decay = real(local.learning_rate), real(local.weight_decay)
            for i in range(n):
                P[i] = shrink(P[i], rate, weight_decay)
        for i in range(n):
            p, m, v = step_of(P[i], G[i], M[i], V[i], a, b, c, d, e)
            P[i] = p
            if n_moments > 0:
                M[i] = m
            if n_moments > 1:
                V[i] = v

    return kernel
