"""The checkpoint file: what a training needs to go on, written as a model file is, under another format name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.files.model_format import CHECKPOINT, read_model, write_model

__all__ = ["read_checkpoint", "write_checkpoint"]

_PathLike = str | os.PathLike[str]
_CHECKPOINTS = "A checkpoint is the file that `checkpoint` names while a model is trained."
_ANEW = "Go on from a copy of it, or train from the start."


def write_checkpoint(path: _PathLike, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint to `path`, which is replaced as a whole or not at all; see `write_model`.

    Raises ModelFileError that names the file and what the system says where it cannot be written, on a full disk for
    one; the file of before is there then.
    """
    try:
        write_model(path, header, arrays, CHECKPOINT)
    except (OSError, MemoryError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else "not enough memory"
        raise ModelFileError(f"the checkpoint cannot be written: {why}", file=path) from error


def read_checkpoint(path: _PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a checkpoint; raises ModelFileError as `read_model` does, and for a model."""
    try:
        return read_model(path, CHECKPOINT)
    except ModelFileError as error:
        if error.remedy is None or "is a model" in error.rule:
            raise
        rule = error.rule.replace("is not a model of glassnet", "is not a checkpoint of glassnet")
        damaged = rule.startswith(("is damaged", "is empty"))
        newer = "newer glassnet" in rule
        remedy = error.remedy if newer else _ANEW if damaged else _CHECKPOINTS
        raise ModelFileError(rule, file=path, remedy=remedy) from error
