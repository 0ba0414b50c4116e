"""Where a demo plays: what it says, the tables it shows, the pictures it writes, the bar while it works."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

__all__ = ["Stage", "percent"]

WIDTH = 78  # of the text: eighty columns, with a margin


class Stage:
    """The outside of one demo.

    name : of the demo, the beginning of its pictures' file names.   out : their folder.   pictures : whether to draw.
    seed : of points and weights.   epochs : the most epochs the user wants, or None.   silent : say nothing.
    """

    def __init__(
        self,
        name: str,
        out: Path,
        *,
        pictures: bool = True,
        seed: int = 0,
        epochs: int | None = None,
        silent: bool = False,
    ) -> None:
        self.name = name
        self.out = out
        self.pictures = pictures
        self.seed = seed
        self.epochs = epochs
        self.silent = silent
        self.written: list[Path] = []
        self._gap = False  # whether the last line was empty

    # --- words and tables ---

    def head(self, text: str) -> None:
        """A heading."""
        if not self.silent:
            self.show([""])
            typer.secho(text, bold=True)
            self._gap = False

    def say(self, *paragraphs: str) -> None:
        """Paragraphs, broken into lines, with an empty line between them."""
        for i, text in enumerate(paragraphs):
            self.show([""] * (i > 0) + textwrap.wrap(text, WIDTH, break_on_hyphens=False))

    def show(self, lines: Sequence[str], indent: int = 0) -> None:
        """Lines as they are, but never two empty ones in a row."""
        for line in [] if self.silent else lines:
            if line or not self._gap:
                typer.echo(" " * indent + line if line else "")
            self._gap = not line

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Text in columns: the first to the left, the others, numbers, to the right."""
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        lines = []
        for row in [header, *rows]:
            first, *rest = [
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("   ".join([first, *rest]).rstrip())
        self.show(["", *lines, ""], indent=3)

    # --- pictures ---

    def picture(self, name: str, draw: Callable[[Any], Any]) -> None:
        """Write the picture that `draw(views)` returns to FOLDER/DEMO-name.png, unless no pictures are wanted."""
        if not self.pictures:
            return
        from glassnet import views

        self.written.append(views.save_picture(draw(views), self.out / f"{self.name}-{name}.png"))

    # --- work ---

    @contextmanager
    def bar(self, total: int, text: str) -> Iterator[Callable[[int], None]]:
        """A progress bar on a terminal, gone when the work is done; call what this yields with the number done."""
        if self.silent or not sys.stderr.isatty():
            yield lambda done: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn(text), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=total)
            yield lambda done: progress.update(task, completed=done)

    def fit(self, estimator: Any, X: Any, y: Any) -> Any:
        """Fit an estimator of glassnet behind a bar, with the seed and epochs of this demo, and return it."""
        from glassnet.errors import InterruptedWarning

        estimator.set_params(random_state=self.seed, **({} if self.epochs is None else {"max_epochs": self.epochs}))
        planned = 200 if self.epochs is None else self.epochs
        with self.bar(planned, "training") as advance, warnings.catch_warnings():
            warnings.simplefilter("ignore", InterruptedWarning)
            estimator.set_params(callbacks=[lambda row: advance(row["epoch"])]).fit(X, y)
        if estimator.stop_reason_ == "interrupted":
            raise KeyboardInterrupt  # the training has caught Ctrl-C; whoever runs a demo wants it to end
        return estimator

    # --- the end ---

    def close(self, summary: dict[str, Any], *, as_json: bool = False) -> None:
        """Say where the pictures are, or print the summary as JSON."""
        if as_json:
            shown = {"demo": self.name, "seed": self.seed, **summary, "pictures": [str(path) for path in self.written]}
            typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        elif self.written:
            self.head("Pictures")
            names = textwrap.wrap(
                ", ".join(path.name for path in self.written),
                min(WIDTH, shutil.get_terminal_size().columns),
                break_on_hyphens=False,
            )
            self.show([f"in {self.out}/", *names])


def percent(share: float) -> str:
    """0.9713 as "97.1 %"."""
    return f"{100 * share:.1f} %"
