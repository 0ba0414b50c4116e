"""Progress on long work: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from glassnet.training.history import format_row

__all__ = ["Progress", "progress_for"]

LINE_EVERY = 2.0  # seconds between plain lines: enough to see life in a log, too few to flood it


class Progress:
    """Interface, and silence: `start`, then `update` with each epoch's row, then `finish`, for each training."""

    def about(self, what: str) -> None:
        """What the next training is, where there are several."""

    def compiling(self, n_kernels: int) -> None:
        """The engine has kernels to compile before training begins: seconds, once on a machine."""

    def start(self, max_epochs: int) -> None:
        """Training begins."""

    def go_on(self, epoch: int) -> None:
        """Training goes on from a checkpoint, in this epoch."""

    def found(self) -> None:
        """The next training is over already, in a checkpoint."""

    def update(self, row: dict[str, Any]) -> None:
        """An epoch is done."""

    def finish(self, message: str) -> None:
        """Training is over; `message` says why it ended."""


class Spoken(Progress):
    """What both kinds of progress say alike."""

    _what = ""

    def about(self, what: str) -> None:
        """Keep it for the start."""
        self._what = what

    def found(self) -> None:
        """Say it: nothing else is to be seen of this training."""
        print(f"{self._what or 'training'}: over already, in the checkpoint", file=sys.stderr, flush=True)

    def compiling(self, n_kernels: int) -> None:
        """Say it: nothing else moves meanwhile."""
        print(f"compiling {n_kernels} kernels for this processor, once", file=sys.stderr, flush=True)


class Lines(Spoken):
    """The first epoch, then a line every two seconds, and the last epoch, on standard error."""

    def start(self, max_epochs: int) -> None:
        """Remember how many epochs are planned."""
        self._max_epochs = max_epochs
        self._row: dict[str, Any] | None = None
        self._printed: dict[str, Any] | None = None
        self._due = 0.0
        if self._what:
            print(self._what, file=sys.stderr, flush=True)

    def go_on(self, epoch: int) -> None:
        """Say it."""
        print(f"going on from epoch {epoch}", file=sys.stderr, flush=True)

    def update(self, row: dict[str, Any]) -> None:
        """Print the row if the last line is old enough."""
        self._row = row
        if time.monotonic() >= self._due:
            self._print(row)

    def finish(self, message: str) -> None:
        """Print the last row, unless it was printed, and why training ended."""
        if self._row is not None and self._row is not self._printed:
            self._print(self._row)
        print(message, file=sys.stderr, flush=True)

    def _print(self, row: dict[str, Any]) -> None:
        print(format_row(row, self._max_epochs), file=sys.stderr, flush=True)
        self._printed = row
        self._due = time.monotonic() + LINE_EVERY


class Bar(Spoken):
    """A bar by rich on standard error, with loss and validation loss beside it."""

    def start(self, max_epochs: int) -> None:
        """Show an empty bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn(self._what or "training"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[text]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("", total=max_epochs, text="")
        self._bar.start()

    def go_on(self, epoch: int) -> None:
        """Move the bar to where it was."""
        self._bar.update(self._task, completed=epoch - 1, text=f"going on from epoch {epoch}")

    def update(self, row: dict[str, Any]) -> None:
        """Move the bar."""
        text = f"loss {row['loss']:.4g}"
        if "validation_loss" in row:
            text += f"  validation loss {row['validation_loss']:.4g}"
        self._bar.update(self._task, completed=row["epoch"], text=text)

    def finish(self, message: str) -> None:
        """Leave the bar where it stopped and say why."""
        self._bar.stop()
        self._console.print(message, highlight=False, markup=False)


def progress_for(verbose: bool | int) -> Progress:
    """Silence unless `verbose`; then a bar where standard error is a terminal, plain lines where it is not."""
    if not verbose:
        return Progress()
    return Bar() if sys.stderr.isatty() else Lines()
