"""A network of the asked-for sizes, or an error that says how large it would be."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import OptionError
from glassnet.maths.layers import Layer
from glassnet.maths.losses import Loss
from glassnet.network import Network

__all__ = ["network_that_fits"]


def network_that_fits(
    layers: Sequence[Layer], loss: Loss, n_features: int, dtype: np.dtype, seed: int, sizes: Any
) -> Network:
    """The network of these layers before training.

    sizes : `hidden_layer_sizes`, to be shown. Raises OptionError, with the number of parameters, where the memory of
    the machine does not hold them.
    """
    count = n_parameters(layers, n_features)
    try:
        if count * dtype.itemsize > memory():
            raise MemoryError
        return Network(layers, loss, n_features, dtype, random_state=seed)
    except MemoryError:
        raise OptionError(
            f"make a network of {count:,} parameters, which memory does not hold",
            argument="hidden_layer_sizes",
            value=sizes,
            remedy="Take narrower layers.",
        ) from None


def n_parameters(layers: Sequence[Layer], n_features: int) -> int:
    """How many parameters a chain of layers has, as a Python integer, which does not overflow."""
    count, width = 0, n_features
    for layer in layers:
        count += sum(math.prod(shape) for shape, _ in layer.shapes(width).values())
        width = layer.width(width)
    return count


def memory() -> int:
    """Bytes of memory that the machine has; where that is not known, the most that an array can have."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        found = -1
    return found if found > 0 else int(np.iinfo(np.intp).max)
