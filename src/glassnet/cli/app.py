"""The commands put together, and how a run of one ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

import glassnet
from glassnet.cli.demo import demo_app
from glassnet.cli.evaluate import EVALUATE_EXAMPLES, evaluate
from glassnet.cli.export import EXPORT_EXAMPLES, export
from glassnet.cli.info import INFO_EXAMPLES, info
from glassnet.cli.predict import PREDICT_EXAMPLES, predict
from glassnet.cli.problems import exit_code_of
from glassnet.cli.teaching import TeachingCommand, TeachingGroup
from glassnet.cli.train import TRAIN_EXAMPLES, train

__all__ = ["app", "run"]

EXAMPLES = """
Examples
  # the idea in one minute, with pictures
  glassnet demo
  # fit a network, report on held-out rows, save cars.glassnet and pictures
  glassnet train cars.csv --target price
  # predict the prices of other cars; measure it where the prices are known
  glassnet predict cars.glassnet new.csv --out priced.csv
  glassnet evaluate cars.glassnet test.csv

Tables are CSV (any delimiter), Parquet, Arrow or JSON lines; - is standard
input or output. glassnet COMMAND --help says more about a command.
"""

app = typer.Typer(
    help="Neural networks for tables that you can see through.",
    cls=TeachingGroup,
    epilog=EXAMPLES,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"glassnet {glassnet.__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Neural networks for tables that you can see through."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command("train", cls=TeachingCommand, epilog=TRAIN_EXAMPLES)(train)
app.command("predict", cls=TeachingCommand, epilog=PREDICT_EXAMPLES)(predict)
app.command("evaluate", cls=TeachingCommand, epilog=EVALUATE_EXAMPLES)(evaluate)
app.command("info", cls=TeachingCommand, epilog=INFO_EXAMPLES)(info)
app.command("export", cls=TeachingCommand, epilog=EXPORT_EXAMPLES)(export)
app.add_typer(demo_app, name="demo")


def run(arguments: Sequence[str] | None = None) -> int:
    """See `glassnet.cli.main`."""
    return exit_code_of(lambda: app(args=arguments, prog_name="glassnet", standalone_mode=False))
