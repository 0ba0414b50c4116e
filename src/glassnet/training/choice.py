"""Which engine trains and predicts: the NumPy reference, or the same network compiled.

Starting the compiler takes about two seconds on a machine that has not compiled these operations before, so a small
fit is over sooner with NumPy. What decides are numbers of operations, never a clock: the same fit must run on the same
engine wherever and whenever it is repeated, since the two differ in the last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.errors import OptionError, ReferenceEngineWarning, warn
from glassnet.maths.optimisers import Optimiser
from glassnet.network import Network
from glassnet.training.backend import Backend, ReferenceBackend, Rows, reference_outputs

__all__ = ["ENGINES", "choose_engine", "make_backend", "operations_of", "outputs_of", "start_backend"]

ENGINES = ("auto", "compiled", "reference")

# What the reference spends its time on, in multiplications of a matrix product, of which it does 30 in a nanosecond on
# one core of 2023 (AMD EPYC 9004, float32, 20 networks from 2-5-3 to 784-256-128-10): a step costs 130 µs whatever it
# holds, and 1.6 ns more for each parameter that Adam moves; an output of a layer, with its activation, its slope and
# its share of the loss, costs 10 ns a row. Whole fits took 0.7 to 1.7 times the sum, with full batches up to 3 times.
A_STEP, A_PARAMETER, AN_OUTPUT = 4_000_000, 50, 300
# A layer inside of another one, such as a number's bins, costs 35 µs a step forward and backward, whatever it holds.
AN_INNER_LAYER = 1_000_000

# Operations of a fit from which on it is compiled: one second of the reference's work, on the machine above.
WORTH_COMPILING = 30_000_000_000

REMEDY = "Install numba, which is a part of glassnet, and unset NUMBA_DISABLE_JIT"

_said: set[str] = set()  # reasons for which this process has warned


def operations_of(network: Network, n_rows: int, batch_size: int, n_epochs: int) -> int:
    """Operations of a fit, in multiplications.

        n_epochs · (n · (3 Σ pq + 300 k Σ q) + steps · (4·10⁶ + 50 P + 10⁶ L))

    p, q are inputs and outputs of each layer (forward, and backward to weights and inputs: a product each), k the
    number of members, P that of parameters, L that of layers inside of others, n that of training rows, n_epochs the
    most epochs of all trainings of the fit, and an epoch has ⌈n / batch_size⌉ steps.
    """
    a_row = 3 * network.multiplications + AN_OUTPUT * sum(network.widths[1:]) * (network.members or 1)
    steps, inner = -(-n_rows // batch_size), sum(len(layer.inside) for layer in network.layers)
    a_step = A_STEP + A_PARAMETER * network.params.size + AN_INNER_LAYER * inner
    return n_epochs * (n_rows * a_row + steps * a_step)


def choose_engine(
    engine: str, network: Network, optimiser: Optimiser, n_rows: int, batch_size: int, n_epochs: int
) -> str:
    """ "compiled" or "reference", for `engine` "auto" or one of the two.

    "auto" compiles a fit of `WORTH_COMPILING` operations or more; plan and number of rows alone decide. What the engine
    cannot run, an activation, loss, layer or optimiser of the user's own, runs on the reference, and a warning says so
    (ReferenceEngineWarning, once in a process and reason) where the engine was asked for or would have been chosen.
    """
    small = operations_of(network, n_rows, batch_size, n_epochs) < WORTH_COMPILING
    if engine == "reference" or (engine == "auto" and small):
        return "reference"
    from glassnet.training.compiled import unsupported

    reason = unsupported(network, optimiser)
    if reason is None:
        return "compiled"
    _say(f"training runs on NumPy, which is slower than the compiled engine: {reason}")
    return "reference"


def make_backend(
    kind: str,
    network: Network,
    optimiser: Optimiser,
    rows: Rows,
    *,
    batch_size: int,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    averaging: float = 0.0,
    seed: int = 0,
    n_jobs: int | None = None,
    announce: Callable[[int], Any] | None = None,
) -> Backend:
    """The backend of a kind, "compiled" or "reference"; see `ReferenceBackend` for the arguments.

    n_jobs : threads of the engine; None takes as many as pay, -1 all that this process may use. NumPy has its own.
    announce : called with the number of kernels that the engine has to compile first.
    Raises CompilerUnavailable where the engine cannot start.
    """
    options: dict[str, Any] = {"batch_size": batch_size, "l1": l1, "l2": l2, "clip_norm": clip_norm, "seed": seed}
    options["averaging"] = averaging
    if kind == "reference":
        return ReferenceBackend(network, optimiser, rows, **options)
    from glassnet.training.compiled import EngineBackend

    return EngineBackend(network, optimiser, rows, **options, n_jobs=n_jobs, announce=announce)


def start_backend(
    engine: str,
    network: Network,
    optimiser: Optimiser,
    rows: Rows,
    *,
    n_epochs: int,
    batch_size: int,
    required: bool = False,
    **options: Any,
) -> tuple[str, Backend]:
    """Choose an engine and start it: its kind, and the backend; see `choose_engine` and `make_backend`.

    Where the engine cannot start, without a working compiler, the reference takes its place with a warning. If it is
    required, raises OptionError.
    """
    kind = choose_engine(engine, network, optimiser, len(rows.X), batch_size, n_epochs)
    if kind == "compiled":
        from glassnet.engine.compiler import CompilerUnavailable

        try:
            return kind, make_backend(kind, network, optimiser, rows, batch_size=batch_size, **options)
        except CompilerUnavailable as error:
            _do_without(error, required)
    return "reference", make_backend("reference", network, optimiser, rows, batch_size=batch_size, **options)


def outputs_of(
    kind: str, network: Network, X: np.ndarray, *, n_jobs: int | None = None, required: bool = False
) -> np.ndarray:
    """The outputs Y (n, K) of a trained network, by the engine that trained it.

    Where the engine cannot start, the reference takes its place with a warning: the same numbers but for their last
    digits. If it is required, raises OptionError.
    """
    if kind == "compiled":
        from glassnet.engine.compiler import CompilerUnavailable
        from glassnet.training.compiled import engine_outputs

        try:
            return engine_outputs(network, X, n_jobs)
        except CompilerUnavailable as error:
            _do_without(error, required)
    return reference_outputs(network, X)


def _do_without(error: Exception, required: bool) -> None:
    if required:
        raise OptionError(
            f"cannot be had: {error}",
            argument="engine",
            value="compiled",
            remedy=f'{REMEDY}; or set engine="auto", which then does with NumPy.',
        ) from error
    _say(f"NumPy does the work of the compiled engine, which cannot start: {error}. {REMEDY}.")


def _say(text: str) -> None:
    """Warn, unless this process has said so before."""
    if text not in _said:
        _said.add(text)
        warn(ReferenceEngineWarning(text))
