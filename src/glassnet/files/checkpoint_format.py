"""The checkpoint file: what a training needs to go on, written as a model file is, under another format name.

It holds a digest of all that it says. Nobody would notice a wrong bit in a weight: training would go on from there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.files.digest import digest_of
from glassnet.files.model_format import CHECKPOINT, damaged, read_model, reading_content, write_model
from glassnet.files.plain import to_json

__all__ = ["read_checkpoint", "reading_checkpoint", "write_checkpoint"]

_PathLike = str | os.PathLike[str]
_CHECKPOINTS = "A checkpoint is the file that `checkpoint` names while a model is trained."
_ANEW = "Go on from a copy of it, or train from the start."
_OF_THE_FILE = ("format", "format_version", "digest")  # what the header says besides


def write_checkpoint(path: _PathLike, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint to `path`, which is replaced as a whole or not at all; see `write_model`.

    Raises ModelFileError that names the file and what the system says where it cannot be written, on a full disk for
    one; the file of before is there then.
    """
    try:
        write_model(path, {**header, "digest": _digest(header, arrays)}, arrays, CHECKPOINT)
    except (OSError, MemoryError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else "not enough memory"
        raise ModelFileError(f"the checkpoint cannot be written: {why}", file=path) from error


def read_checkpoint(path: _PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a checkpoint; raises ModelFileError as `read_model` does, and for a model."""
    try:
        header, arrays = read_model(path, CHECKPOINT)
        if header.get("digest") != _digest(header, arrays):
            raise damaged(path, "it does not hold what was written")
        return header, arrays
    except ModelFileError as error:
        if error.remedy is None or "is a model" in error.rule:
            raise
        rule = error.rule.replace("is not a model of glassnet", "is not a checkpoint of glassnet")
        broken = rule.startswith(("is damaged", "is empty"))
        newer = "newer glassnet" in rule
        remedy = error.remedy if newer else _ANEW if broken else _CHECKPOINTS
        raise ModelFileError(rule, file=path, remedy=remedy) from error


def reading_checkpoint(path: _PathLike) -> AbstractContextManager[None]:
    """`reading_content`, with the remedy for a checkpoint."""
    return reading_content(path, _ANEW)


def _digest(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """The digest of all that a checkpoint says."""
    said = {name: value for name, value in header.items() if name not in _OF_THE_FILE}
    return digest_of(to_json(said, "header"), *(part for name in sorted(arrays) for part in (name, arrays[name])))
