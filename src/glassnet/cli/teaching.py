"""Help that ends with examples, printed as they are written."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["TeachingCommand", "TeachingGroup"]


def _print_examples(text: str | None) -> None:
    """Comments dim, commands plain. typer itself would reflow an epilog, each of its versions in another way."""
    from glassnet.cli.show import console, escape

    out = console()
    for line in (text or "").strip().splitlines():
        style = "bold" if line == "Examples" else "dim" if line.lstrip().startswith("#") else None
        out.print(" " + escape(line) if line else "", style=style)


def _hide_types(command: Any, context: Any) -> None:
    """No "<str>" behind an argument, which says what it is itself, and no "<bool>" behind --help."""
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument" or parameter.name == "help":
            parameter.display_type_rich = lambda ctx: None


class _Teaching:
    """Help that ends in examples, which the epilog holds."""

    epilog: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help as typer prints it, then the examples."""
        _hide_types(self, ctx)
        examples, self.epilog = self.epilog, None
        super().format_help(ctx, formatter)  # type: ignore[misc]
        self.epilog = examples
        _print_examples(examples)


class TeachingCommand(_Teaching, TyperCommand):
    """A command whose epilog is examples."""


class TeachingGroup(_Teaching, TyperGroup):
    """A group of commands whose epilog is examples."""
