"""Named arrays as a safetensors file has them: the table of their types, shapes and places, and the bytes behind it.

A table is checked as a whole before an array is made of it. Its places must follow each other without a gap or an
overlap and use up the file, so that no byte of it belongs to nobody: such a file could be something else as well, a
zip archive or a program, to a reader that looks at other bytes. Products of sizes are Python's whole numbers, which do
not overflow. Sources: the format, https://github.com/huggingface/safetensors#format, and the audit of its reader by
Trail of Bits (2023).
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np

__all__ = ["TYPES", "Place", "arrays_in", "is_name", "places_of"]

# NumPy's name of each type by that of the format; all little endian.
TYPES = {
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "BOOL": "bool",
}

MOST_ARRAYS = 10_000  # a model has one for each of its networks and a few besides
MOST_AXES = 8
LONGEST_AXIS = 2**40  # also beside an axis of length 0, where no bytes would be there to limit it
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_FIELDS = {"dtype", "shape", "data_offsets"}


class Place(NamedTuple):
    """One array: its name, type and shape, and its bytes from `start` to `stop` behind the table."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


def is_name(name: Any) -> bool:
    """Whether an array can have this name: 1 to 128 letters, digits and _ . / - of ASCII."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def places_of(table: dict[str, Any]) -> list[Place]:
    """The arrays of a table, in the order of their bytes; ValueError, naming the array, where the table does not fit.

    The first begins at 0 and each of the others where the one before it ends; whether the file ends with the last is
    for the caller to compare.
    """
    entries = {name: entry for name, entry in table.items() if name != "__metadata__"}
    if len(entries) > MOST_ARRAYS:
        raise ValueError(f"its table has {len(entries):,} arrays, and no more than {MOST_ARRAYS:,} are read")
    places = sorted((_place_of(name, entry) for name, entry in entries.items()), key=lambda place: place[3:])
    end = 0
    for place in places:
        if place.start != end:
            how = "overlaps the array before it" if place.start < end else "leaves bytes before it that belong to none"
            raise ValueError(f"array {place.name!r} {how}")
        end = place.stop
    return places


def _place_of(name: str, entry: Any) -> Place:
    if not is_name(name):
        raise ValueError(f"its table has an array of the name {name[:40]!r}, which is none")
    if not isinstance(entry, dict) or not _are_whole(entry.get("data_offsets"), 2):
        raise ValueError(f"its table does not say where array {name!r} is")
    if set(entry) != _FIELDS:
        raise ValueError(f"array {name!r} must have {', '.join(sorted(_FIELDS))}, and nothing else")
    dtype = TYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise ValueError(f"array {name!r} is of a type that is not known")
    shape = entry["shape"]
    if not _are_whole(shape) or len(shape) > MOST_AXES or max(shape, default=0) > LONGEST_AXIS:
        raise ValueError(f"array {name!r} has a shape that is none")
    found = np.dtype(dtype).newbyteorder("<")
    start, stop = entry["data_offsets"]
    needed = math.prod(shape) * found.itemsize
    if stop - start != needed:
        raise ValueError(f"array {name!r} needs {needed:,} bytes, and its place has {stop - start:,}")
    return Place(name, found, tuple(shape), start, stop)


def _are_whole(values: Any, count: int | None = None) -> bool:
    """Whether this is a list of whole numbers of at least 0, of so many if a count is given."""
    if not isinstance(values, list) or (count is not None and len(values) != count):
        return False
    return all(type(value) is int and value >= 0 for value in values)


def arrays_in(content: np.ndarray, places: list[Place]) -> dict[str, np.ndarray]:
    """The arrays by name, sorted: views of `content`, the bytes (n,) behind the table, writable where that is.

    ValueError for truth values that are neither 0 nor 1.
    """
    found = {}
    for name, dtype, shape, start, stop in sorted(places):
        part = content[start:stop]
        if dtype.kind == "b" and part.size and part.max() > 1:
            raise ValueError(f"array {name!r} has truth values that are neither 0 nor 1")
        if start % dtype.itemsize:  # then no view of the type may begin there
            part = part.copy()
        found[name] = part.view(dtype).reshape(shape)
    return found
