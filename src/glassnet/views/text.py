"""Networks and histories as plain text, for output that is no terminal and for logs. Needs no matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassnet.errors import DataError, OptionError

__all__ = ["describe_network", "format_epoch", "format_history"]

_HEADER = ("layer", "nodes", "activation", "parameters")
_SIZES = {"kind", "units", "activation", "initializer", "n_inputs", "n_outputs", "n_parameters"}


def describe_network(description: dict[str, Any]) -> str:
    """The layers of a network as a table in plain text, with the number of parameters and the loss.

    description : what `Network.describe()` returns. Keys that are missing leave a cell empty, or are reckoned from the
    others (a dense layer from p to q nodes has (p + 1) q parameters).
    Raises DataError when it is no such dict.
    """
    if not isinstance(description, dict):
        raise DataError("must be the dict that Network.describe() returns", argument="description", value=description)
    width = description.get("n_features")
    rows: list[tuple[str, ...]] = [("Input", _number(width), "", "")]
    total: int | None = 0
    for layer in description.get("layers", []):
        parameters, nodes = _sizes(layer, width)
        rows.append((_kind(layer), _number(nodes), str(layer.get("activation", "")), _number(parameters)))
        total = None if total is None or parameters is None else total + parameters
        width = nodes
    lines = _table([_HEADER, *rows])
    loss = description.get("loss")
    if loss:
        lines.append(f"Loss: {_options(loss)}")
    if total is not None:
        lines.append(f"{total:,} parameter" + "s" * (total != 1))
    return "\n".join(lines)


def format_epoch(row: dict[str, Any], width: int = 1) -> str:
    """One row of a history as a line: "epoch   100  loss 0.1234  validation 0.1456  rate 0.001  2.3 s".

    Metrics beyond the loss follow it under their names. What the row lacks is left out; `width` is that of the epoch.
    """
    parts = [f"epoch {row.get('epoch', ''):>{width}}"]
    for name, value in row.items():
        if name not in ("epoch", "step", "learning_rate", "seconds") and value is not None:
            parts.append(f"{_metric(name)} {value:.4g}")
    if row.get("learning_rate") is not None:
        parts.append(f"rate {row['learning_rate']:.3g}")
    if row.get("seconds") is not None:
        parts.append(f"{row['seconds']:.1f} s")
    return "  ".join(parts)


def format_history(rows: Sequence[dict[str, Any]], every: int = 1) -> str:
    """The history as lines of text: the first epoch, those divisible by `every`, and the last.

    rows : the rows of `history_`.   every : whole number of at least 1.
    Raises OptionError for another `every`.
    """
    if every != int(every) or every < 1:
        raise OptionError("must be a whole number of at least 1", argument="every", value=every)
    width = max((len(str(row.get("epoch", ""))) for row in rows), default=1)
    last = len(rows) - 1
    chosen = [row for i, row in enumerate(rows) if i in (0, last) or row.get("epoch", i + 1) % every == 0]
    return "\n".join(format_epoch(row, width) for row in chosen)


def _sizes(layer: dict[str, Any], width: int | None) -> tuple[int | None, int | None]:
    """Number of parameters and of nodes of a layer that stands on `width` nodes; None for what cannot be known."""
    nodes = layer.get("units", layer.get("n_outputs", width))
    inputs = layer.get("n_inputs", width)
    reckoned = 0 if layer.get("kind") in ("Dropout", "Activation") else None
    if layer.get("kind") == "Dense" and inputs is not None and nodes is not None:
        reckoned = (inputs + 1) * nodes
    if layer.get("kind") == "LayerNorm" and inputs is not None:
        reckoned = 2 * inputs
    return layer.get("n_parameters", reckoned), nodes


def _kind(layer: dict[str, Any]) -> str:
    """The kind with what is special about it, as "Dropout (rate 0.2)"."""
    special = [f"{name} {value}" for name, value in layer.items() if name not in _SIZES]
    return str(layer.get("kind", "")) + (f" ({', '.join(special)})" if special else "")


def _options(loss: Any) -> str:
    if not isinstance(loss, dict):
        return str(loss)
    options = [f"{name} {value}" for name, value in loss.items() if name != "name" and value not in (None, 0, 0.0)]
    return str(loss.get("name", "")) + (f" ({', '.join(options)})" if options else "")


def _metric(name: str) -> str:
    return "validation" if name == "validation_loss" else name.replace("_", " ")


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their longest cell, numbers to the right, a rule below the header."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    numeric = (1, 3)
    lines = [
        "  ".join(
            f"{cell:>{w}}" if i in numeric else f"{cell:<{w}}"
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return lines
