"""`glassnet export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glassnet.cli.options import JsonFlag, ModelArgument, QuietFlag

__all__ = ["EXPORT_EXAMPLES", "export"]

EXPORT_EXAMPLES = """
Examples
  # cars.onnx, for onnxruntime in any language
  glassnet export cars.glassnet --to onnx
  # a module that needs NumPy alone, and can be read
  glassnet export cars.glassnet --to python --out price_of.py
  python price_of.py new.csv
"""

SUFFIXES = {"onnx": ".onnx", "python": ".py"}


def export(
    model: ModelArgument,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="onnx or python.", show_default=False)],
    out: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The new file. \\[default: MODEL with .onnx or .py]", show_default=False),
    ] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a model for programs without glassnet."""
    from glassnet import workflow
    from glassnet.cli.show import console, print_json
    from glassnet.errors import require_choice

    require_choice("to", to, SUFFIXES)
    beside = str(Path(model).with_suffix(SUFFIXES[to]))
    path = out or beside
    workflow.require_output(path, model, "the model", Path(beside).name)
    from glassnet.export import export_onnx, export_python

    {"onnx": export_onnx, "python": export_python}[to](model, path)
    if as_json:
        print_json({"model": model, "format": to, "out": path, "bytes": Path(path).stat().st_size})
    elif not quiet:
        console(error=True).print(f"wrote {path}", markup=False)
