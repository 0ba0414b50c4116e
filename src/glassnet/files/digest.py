"""One number for much data, by which it is known again: SHA-256."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["digest_of"]


def digest_of(*parts: np.ndarray | str | None) -> str:
    """SHA-256 of arrays (type, shape, bytes), texts and None, one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            array = np.asarray(part, dtype=part.dtype.newbyteorder("<"), order="C")  # as files have it
            digest.update(f"array {array.dtype.name} {part.shape}\n".encode())
            digest.update(array.reshape(-1).view(np.uint8).data)
        else:
            digest.update(f"{part!r}\n".encode())
    return digest.hexdigest()
