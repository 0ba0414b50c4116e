"""Whether a file can be written where it is to go, which is better known before hours of work."""

from __future__ import annotations

import os
from pathlib import Path

from glassnet.errors import OptionError

__all__ = ["require_place"]


def require_place(path: str | os.PathLike[str], argument: str) -> None:
    """Raise OptionError, naming the argument, where `path` is no path, a folder, or in a folder that does not exist."""
    if not isinstance(path, str | os.PathLike):
        raise OptionError("must be the path of a file", argument=argument, value=path)
    if Path(path).is_dir():
        raise OptionError("is a folder, not a file", argument=argument, value=str(path))
    if not Path(path).parent.is_dir():
        raise OptionError("is in a folder that does not exist", argument=argument, value=str(path))
