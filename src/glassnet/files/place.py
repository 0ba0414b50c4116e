"""Whether a path is one, and whether a file can be written there, which is better known before hours of work."""

from __future__ import annotations

import os
from pathlib import Path

from glassnet.errors import OptionError

__all__ = ["is_path", "require_path", "require_place"]


def is_path(path: object) -> bool:
    """Whether something is a path.

    A whole number is none, although Python opens it: it is another file of the process, which would be closed. Nor is a
    text with a NUL, where the system takes a name to end.
    """
    return isinstance(path, str | os.PathLike) and "\0" not in str(path)


def require_path(path: str | os.PathLike[str], argument: str) -> None:
    """Raise OptionError, naming the argument, where `path` is no path."""
    if not is_path(path):
        raise OptionError("must be the path of a file", argument=argument, value=path)


def require_place(path: str | os.PathLike[str], argument: str) -> None:
    """Raise OptionError, naming the argument, where `path` is no path, a folder, or in a folder that does not exist."""
    require_path(path, argument)
    if Path(path).is_dir():
        raise OptionError("is a folder, not a file", argument=argument, value=str(path))
    if not Path(path).parent.is_dir():
        raise OptionError("is in a folder that does not exist", argument=argument, value=str(path))
