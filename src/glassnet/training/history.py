"""The history of a training: one row an epoch, as plain data."""

from __future__ import annotations

from typing import Any

__all__ = ["epoch_row", "format_row", "history_frame"]


def epoch_row(
    epoch: int,
    step: int,
    loss: float,
    validation: dict[str, float],
    learning_rate: float | None,
    seconds: float,
) -> dict[str, Any]:
    """One row: epoch and steps done (both from 1), mean training loss of the epoch, what validation measured (names
    begin with validation_), learning rate of the epoch's last step
    (left out where a line search sets the step), and seconds since training began."""
    return {
        "epoch": epoch,
        "step": step,
        "loss": loss,
        **validation,
        **({} if learning_rate is None else {"learning_rate": learning_rate}),
        "seconds": seconds,
    }


def format_row(row: dict[str, Any], max_epochs: int) -> str:
    """A row as one line of text, for output that is no terminal."""
    parts = [f"epoch {row['epoch']:>{len(str(max_epochs))}}/{max_epochs}", f"loss {row['loss']:.4g}"]
    parts += [f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.items() if name.startswith("validation_")]
    parts.append(f"{row['seconds']:.1f} s")
    return "  ".join(parts)


def history_frame(rows: list[dict[str, Any]]) -> Any:
    """The history as a data frame, one row an epoch: pandas where it is installed, else polars."""
    try:
        import pandas as frames
    except ImportError:
        import polars as frames
    return frames.DataFrame(rows)
