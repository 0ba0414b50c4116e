"""An exported model beside the estimator it was made of: it is written only where both say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.errors import ExportError
from glassnet.export.model import PROBABILITIES, results_of
from glassnet.export.probes import columns_to_try, table_to_try

__all__ = ["TOLERANCES", "require_the_same"]

# Of outputs and of the matrix, relative to the number and to the scale of its column, by the float type of the network.
TOLERANCES = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-9}

_CANCELLED = (
    "Nothing was written. A network whose sums nearly cancel has few exact digits in float32: train with "
    'dtype="float64".'
)
_REMEDIES = {"matrix": "Nothing was written. This is a fault of glassnet: please report it with the model."}

Columns = dict[str, np.ndarray]


def require_the_same(
    model: Any, encode: Callable[[Columns], np.ndarray], run: Callable[[Columns], dict[str, np.ndarray]]
) -> float:
    """Raise ExportError unless both give what the estimator does, to 1e-5 in float32 and 1e-9 in float64.

    encode : columns by name -> the matrix of the network.   run : the same -> results by name, as `results_of` has
        them, or ValueError for a row that is refused.

    The matrix is compared on rows far outside of the range of training as well. Labels may differ where the two most
    probable ones are as probable as each other. Returns the largest difference, in those relative terms.
    """
    tolerance = TOLERANCES[model.network_.dtype]
    columns = columns_to_try(model, far=True)
    matrix = model.encoder_.encode(table_to_try(model, columns), model.network_.dtype)
    found = [_differing("matrix", encode(columns), matrix, 1.0, tolerance)]
    columns = columns_to_try(model)
    expected = results_of(model, table_to_try(model, columns))
    try:
        given = run(columns)
    except ValueError as error:
        raise ExportError(f"refuses what the estimator predicts: {error}", remedy="Nothing was written.") from error
    for name in sorted(expected, reverse=True):  # probabilities tell more than a label
        if name == "label":
            _require_labels(given[name], expected[name], expected["probabilities"], tolerance)
        else:
            found.append(_differing(name, given[name], expected[name], _scale_of(model), tolerance))
    return max(found)


def _scale_of(model: Any) -> Any:
    """What a difference is measured by besides the number itself: 1 of probabilities, of numbers their own spread."""
    return 1.0 if model._targets.kind in PROBABILITIES else np.abs(model._targets.scale)


def _differing(name: str, given: np.ndarray, expected: np.ndarray, scale: Any, tolerance: float) -> float:
    _require_shape(name, given, expected)
    n_rows = len(expected)
    size = (np.abs(expected.astype(np.float64)) + scale * np.ones_like(expected)).reshape(n_rows, -1)
    with np.errstate(invalid="ignore"):  # the mean of a count may be infinite in both
        error = np.abs(given.astype(np.float64) - expected).reshape(n_rows, -1) / size
    error[(given == expected).reshape(n_rows, -1)] = 0.0
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    if not error[worst] <= tolerance:
        value, own = given.reshape(n_rows, -1)[worst].item(), expected.reshape(n_rows, -1)[worst].item()
        raise ExportError(
            f"differs from the estimator's {own!r} by more than {tolerance:g}, relative to its size and scale",
            argument=name,
            row=int(worst[0]) + 1,
            value=value,
            remedy=_REMEDIES.get(name, _CANCELLED),
        )
    return float(error[worst])


def _require_labels(given: np.ndarray, expected: np.ndarray, P: np.ndarray, tolerance: float) -> None:
    _require_shape("label", given, expected)
    if P.shape == expected.shape:  # several labels a row: each is yes or no
        undecided = np.abs(P - 0.5) <= tolerance
    else:
        top = np.sort(P, axis=1)
        undecided = top[:, -1] - top[:, -2] <= tolerance
    wrong = np.asarray(given != expected) & ~undecided
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise ExportError(
            f"is not the estimator's {np.asarray(expected[row]).tolist()!r}",
            argument="label",
            row=row + 1,
            value=np.asarray(given[row]).tolist(),
            remedy="Nothing was written.",
        )


def _require_shape(name: str, given: np.ndarray, expected: np.ndarray) -> None:
    if given.shape != expected.shape:
        raise ExportError(f"has another shape than the estimator's {expected.shape}", argument=name, value=given.shape)
