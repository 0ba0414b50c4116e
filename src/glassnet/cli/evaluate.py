"""`glassnet evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from glassnet.cli.options import JsonFlag, ModelArgument, TableArgument

__all__ = ["EVALUATE_EXAMPLES", "evaluate"]

EVALUATE_EXAMPLES = """
Examples
  glassnet evaluate cars.glassnet test.csv
  # where the column has another name than in training
  glassnet evaluate cars.glassnet sales.csv --target paid
"""


def evaluate(
    model: ModelArgument,
    file: TableArgument,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="The column of true values; repeat for several targets. \\[default: those of training]",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model on a table whose true values are known."""
    from glassnet import workflow
    from glassnet.cli.show import print_json, print_report

    report = workflow.evaluate(model, file, target)
    if as_json:
        print_json({"model": model, "file": file, **report.to_dict()})
    else:
        print_report(report, f"{model} on {'standard input' if file == '-' else file}")
