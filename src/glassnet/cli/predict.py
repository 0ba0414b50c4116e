"""`glassnet predict`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from glassnet.cli.options import JsonFlag, ModelArgument, QuietFlag, TableArgument

__all__ = ["PREDICT_EXAMPLES", "predict"]

PREDICT_EXAMPLES = """
Examples
  # CSV on standard output
  glassnet predict cars.glassnet new.csv
  # the whole table with the prediction behind it, as Parquet
  glassnet predict cars.glassnet new.csv --keep --out priced.parquet
  # the prices between which nine in ten cars lie
  glassnet predict cars.glassnet new.csv --interval 0.9
  # in a pipe
  cat new.csv | glassnet predict cars.glassnet - | head
"""

EXACT = (".parquet", ".pq", ".arrow", ".feather", ".ipc")  # formats that keep every digit


def predict(
    model: ModelArgument,
    file: TableArgument,
    out: Annotated[
        str,
        typer.Option(metavar="PATH", help="Where to: .csv .parquet .arrow .jsonl, or - for CSV on standard output."),
    ] = "-",
    probabilities: Annotated[
        bool, typer.Option("--probabilities/--no-probabilities", metavar="", help="Add a column for each class.")
    ] = True,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="Add lower and upper ends that hold this share of the true numbers, such as 0.9."
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", metavar="", help="Put the columns of FILE first.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Predict a column for the rows of a table."""
    from glassnet import workflow
    from glassnet.tables.reading import require_format, write_table

    if out != "-":
        workflow.require_other_file(out, file, "the table to predict from")
        workflow.require_other_file(out, model, "the model")
        require_format(out)
    short = not out.lower().endswith(EXACT)
    frame = workflow.predict(model, file, probabilities=probabilities, interval=interval, keep=keep, short=short)
    if as_json:
        _print_frame(frame, model, out)
    if out != "-":
        write_table(frame, out)
        if not (quiet or as_json):
            _say(f"wrote {out} ({frame.height:,} rows)")
    elif not as_json:
        write_table(frame, "-")


def _print_frame(frame: Any, model: str, out: str) -> None:
    """The rows themselves, unless they go to a file."""
    from glassnet.cli.show import print_json

    place: dict[str, Any] = {"rows": frame.to_dicts()} if out == "-" else {"out": out}
    print_json({"model": model, "n_rows": frame.height, "columns": frame.columns, **place})


def _say(text: str) -> None:
    from glassnet.cli.show import console

    console(error=True).print(text, markup=False)
