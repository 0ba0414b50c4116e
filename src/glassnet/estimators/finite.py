"""No network is kept and no prediction given that is not made of finite numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

import numpy as np

from glassnet.errors import DataError, TrainingDiverged
from glassnet.network import Network
from glassnet.tables.encoder import TableEncoder
from glassnet.tables.number import FURTHEST
from glassnet.training.origin import REMARKABLE

__all__ = ["require_finite_outputs", "require_finite_weights"]

# A scaled input beyond is named where outputs are e to the power of scores: those of 89 are too large for float32.
REMARKABLE_OF_COUNTS = 10.0


def require_finite_weights(networks: Iterable[Network]) -> None:
    """Raise TrainingDiverged, naming the layer, unless all weights are finite in the type they are kept in.

    Training has looked at them already; what is left are weights that L-BFGS found in float64 and float32 cannot hold.
    """
    for network in networks:
        if np.isfinite(network.params).all():
            continue
        block = next(block for block in network.blocks if not np.isfinite(network.params[block.slice]).all())
        raise TrainingDiverged(
            f"training ended in weights that {network.dtype} cannot hold, in layer {block.layer + 1} of "
            f"{len(network.layers)}",
            remedy='Try scaled inputs, a larger l2, or dtype="float64".',
        )


def require_finite_outputs(Y: np.ndarray, matrix: np.ndarray, encoder: TableEncoder, loss: str = "") -> np.ndarray:
    """Y (n, …), or DataError naming the first row whose values overflowed, and the largest column it is encoded in.

    matrix : (n, p) the rows that the network saw, as `encoder` makes them.   loss : by which Y came from scores.
    Tables are scaled and clipped as a rule, so this happens where `input_scaling="none"` leaves numbers as they are, of
    a count, e to the power of the score, far outside of training, or where weights were changed afterwards.
    """
    if not np.isfinite(Y).all():
        far = REMARKABLE_OF_COUNTS if loss == "poisson" else REMARKABLE
        _refuse(Y, matrix, encoder.feature_names_out(), far)
    return Y


def _refuse(Y: np.ndarray, matrix: np.ndarray, names: Sequence[str], far: float) -> NoReturn:
    row = int(np.argmin(np.isfinite(Y).reshape(len(Y), -1).all(axis=1)))
    column = int(abs(matrix[row]).argmax())
    x = float(f"{matrix[row, column]:g}")  # without the digits that rounding to float32 made up
    if abs(x) <= far:
        raise DataError(
            f"has no prediction that {Y.dtype} can hold, though nothing in it is far out",
            argument="X",
            row=row + 1,
            remedy="Weights of the model have been changed or damaged: load or train it again.",
        )
    raise DataError(
        f"is encoded as a number that overflows {Y.dtype} in the network",
        row=row + 1,
        column=names[column],
        value=x,
        remedy="Repair it: training saw nothing so far out."
        if abs(x) <= FURTHEST
        else "Repair it, or train with a scaling of the inputs, which clips what is so far out.",
    )
