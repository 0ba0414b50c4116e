"""What the commands print: JSON for programs, tables and short lines for people."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape as without_markup
from rich.table import Table

from glassnet.cli.problems import spelled_out
from glassnet.tables.wording import number

if TYPE_CHECKING:
    from glassnet.estimators.report import Report

MOST_CLASSES = 30  # that the table shows

__all__ = ["console", "escape", "numbers_of", "plain_table", "print_json", "print_report", "print_table", "size_of"]


def escape(text: str) -> str:
    """A text of the user's, or of a stranger's file, for a console of rich: its brackets are brackets, and its control
    characters are spelled out."""
    return without_markup(spelled_out(text))


def console(*, error: bool = False) -> Console:
    """A console on standard output, or standard error; lines of text are never broken, so paths can be copied."""
    file = sys.stderr if error else sys.stdout
    width = None if file.isatty() else 1000  # a file or pipe has no edge at which tables should wrap
    return Console(highlight=False, soft_wrap=True, file=file, width=width)


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on standard output; numbers that are not finite, which JSON has not, become null."""
    print(json.dumps(_finite(data), indent=2, ensure_ascii=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain_table(*columns: str, numeric: int = 0) -> Table:
    """A table without lines; the last `numeric` columns are numbers, to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", show_header=any(columns))
    for place, name in enumerate(columns):
        right = place >= len(columns) - numeric
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table


def print_table(table: Table) -> None:
    """Print a table on standard output, without the spaces that would fill its last column."""
    out = console()
    with out.capture() as captured:
        out.print(table, soft_wrap=False)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_report(report: Report, title: str) -> None:
    """The scores with their baseline, and a line for each target, label or class; in the words of `str(report)`."""
    out = console()
    out.print(f"[bold]{escape(title)}[/bold]: {report.n_rows:,} rows")
    for line in report.lines(MOST_CLASSES):
        out.print(line, markup=False, style="bold yellow" if line == report.verdict else None)
    for noun, rows in (("classes", report.per_class), ("labels", report.per_label)):
        if len(rows) > MOST_CLASSES:
            out.print(f"(all {noun}: see --json)")


def numbers_of(row: dict[str, Any], *names: str) -> str:
    """Some values of an epoch's row, those that are there: "loss 0.021, validation loss 0.034"."""
    return ", ".join(f"{name.replace('_', ' ')} {number(row[name])}" for name in names if name in row)


def size_of(n_bytes: int) -> str:
    """Bytes as people write them."""
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    return f"{n_bytes / 1000:,.0f} kB" if n_bytes < 1e6 else f"{n_bytes / 1e6:,.1f} MB"
