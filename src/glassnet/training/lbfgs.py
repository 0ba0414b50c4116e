"""L-BFGS through SciPy: for small data, where all rows fit in one step and curvature pays."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from glassnet.training.backend import Backend, GivenUp, Rows
from glassnet.training.blas import blas_threads_for
from glassnet.training.options import TrainingOptions
from glassnet.training.progress import Progress
from glassnet.training.watch import Outcome, Watch

__all__ = ["train_lbfgs"]


def train_lbfgs(
    backend: Backend,
    options: TrainingOptions,
    validation: Rows | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Minimise the backend's loss over all training rows; an iteration counts as an epoch, see `loop.train`.

    Rates and schedules are not used: a line search finds the length of each step. Weights are float64 on the way.
    Source: Liu and Nocedal (1989), as scipy.optimize.minimize(method="L-BFGS-B") has it.
    """
    from scipy.optimize import minimize

    watch = Watch(options, backend, progress or Progress(), validation, tried=True)
    with blas_threads_for(backend.network, backend.batch_size), watch:

        def loss_and_gradient(params: np.ndarray) -> tuple[float, np.ndarray]:
            if watch.reason == "interrupted":  # between two calls, where there was nothing to cut short
                raise GivenUp
            loss, G = backend.loss_and_gradient(params.astype(backend.network.dtype))
            return float(loss), G.astype(np.float64)

        def after_iteration(params: np.ndarray) -> None:
            epoch = len(watch.history) + 1
            watch.begin_epoch(epoch)
            watch.check_time()
            # First this, which may be given up: then there was no such iteration. Without penalties, as the other
            # optimisers show it.
            loss, _ = watch.evaluate(params, backend.rows)
            if epoch % options.validation_every.n == 0 or watch.reason:
                watch.validate(epoch, epoch, params)
            watch.end_epoch(epoch, epoch, loss, None, params)
            if watch.reason:
                raise StopIteration

        start = backend.start()["params"].astype(np.float64)
        with suppress(GivenUp):  # watch.reason then says that it was interrupted
            minimize(
                loss_and_gradient,
                start,
                jac=True,
                method="L-BFGS-B",
                callback=after_iteration,
                options={"maxiter": options.last_epoch, "maxfun": 20 * options.max_epochs, "gtol": 1e-6, "ftol": 1e-9},
            )
        if not watch.history and watch.reason is None:  # the start is a minimum already, or has no finite loss
            with suppress(GivenUp, StopIteration):
                after_iteration(start)
        watch.stop("max_epochs" if len(watch.history) >= options.last_epoch else "converged")
    return watch.outcome()
