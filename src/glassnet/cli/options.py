"""Flags that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["JsonFlag", "ModelArgument", "QuietFlag", "TableArgument"]

JsonFlag = Annotated[
    bool, typer.Option("--json", metavar="", help="One JSON object on standard output, and nothing else.")
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="Only errors and warnings.")]
ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A .glassnet file, written by train.", show_default=False)
]
TableArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="The table, or - for standard input.", show_default=False)
]
