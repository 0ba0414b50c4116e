"""Model files of older formats: docs/format.md has the rules.

The number of the format rises when a reader that knows the old one would take a new file for something else: a key with
another meaning, a key without which predictions come out wrong. The way from the old format to the new one is then a
function in `STEPS`, and an old file goes through all steps from its own number on. What is merely added does not raise
the number: a reader leaves aside what it does not know, and knows what the absence of a newer key means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["FORMAT_VERSION", "STEPS", "migrated"]

FORMAT_VERSION = 1

Header = dict[str, Any]
Arrays = dict[str, np.ndarray]

# STEPS[n] makes header and arrays of format n into those of format n + 1; where only a header is read, there are no
# arrays. It gets copies of both dicts, and raises KeyError, TypeError or ValueError where they are not as format n
# says. There is one format so far, and no step.
STEPS: dict[int, Callable[[Header, Arrays], tuple[Header, Arrays]]] = {}


def migrated(header: Header, arrays: Arrays) -> tuple[Header, Arrays]:
    """Header and arrays of a file of any format up to ours, as our format has them."""
    for version in range(header["format_version"], FORMAT_VERSION):
        header, arrays = STEPS[version](dict(header), dict(arrays))
        header["format_version"] = version + 1
    return header, arrays
