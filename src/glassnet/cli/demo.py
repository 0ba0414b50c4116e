"""`glassnet demo`: the article, run, and the ideas around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from glassnet.cli.demos import DEMOS, play
from glassnet.cli.options import JsonFlag
from glassnet.cli.teaching import TeachingGroup

__all__ = ["demo_app"]

EXAMPLES = """
Examples
  # the article's network, from its data to its decision regions
  glassnet demo
  # gradient descent on its own: x² + y², a rate that is too high, two minima
  glassnet demo descent
  # learning by heart, and three remedies
  glassnet demo overfitting
  # a real table, with the library's defaults
  glassnet demo penguins --out pictures
  # the names of all demos
  glassnet demo --list
"""

# One command with an optional name. typer mounts groups, so it is a group without commands of its own; options may
# stand before or after the name.
demo_app = typer.Typer(
    cls=TeachingGroup,
    invoke_without_command=True,
    subcommand_metavar="",
    rich_markup_mode="rich",
    epilog=EXAMPLES,
    context_settings={"allow_interspersed_args": True, "help_option_names": ["-h", "--help"]},
)


@demo_app.callback()
def demo(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Which one, see --list.", show_default="the article")
    ] = "article",
    show_list: Annotated[bool, typer.Option("--list", metavar="", help="Say which demos there are.")] = False,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the pictures.")] = Path("glassnet-demo"),
    no_pictures: Annotated[bool, typer.Option("--no-pictures", metavar="", help="Draw no pictures.")] = False,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Other points, other first weights.", min=0)] = 0,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Most epochs of a training.", min=1, show_default="the demo's own"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the article: three clouds, a 2-5-3 network, gradient descent, pictures. Or another idea, by its NAME."""
    if show_list and as_json:
        typer.echo(json.dumps({name: entry.summary for name, entry in DEMOS.items()}, indent=2, ensure_ascii=False))
        return
    if show_list:
        width = max(map(len, DEMOS))
        typer.echo("\n".join(f"{name:<{width}}  {entry.summary}" for name, entry in DEMOS.items()))
        return
    play(name, out=out, pictures=not no_pictures, seed=seed, epochs=epochs, as_json=as_json)
