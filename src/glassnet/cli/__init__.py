"""The command `glassnet`."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default the process's) and return its exit code.

    0 : done.   1 : the data, the model or the training is at fault.   2 : the command was misused.
    130 : interrupted.   Errors are one line on standard error; GLASSNET_DEBUG=1 adds the traceback.
    """
    from glassnet.cli.app import run

    return run(arguments)
