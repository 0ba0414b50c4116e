"""Networks as plain text. Needs no matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from glassnet.errors import DataError

__all__ = ["describe_network", "listed_layers"]

_HEADER = ("layer", "nodes", "activation", "parameters")
_SIZES = {"kind", "units", "activation", "initializer", "n_inputs", "n_outputs", "n_parameters"}
_SIZES |= {"branches", "width", "spread", "edges"}  # of columns and embeddings


def describe_network(description: dict[str, Any]) -> str:
    """The layers of a network as a table in plain text, with the number of parameters and the loss.

    description : what `Network.describe()` returns. Raises DataError when it is something else.
    """
    if not isinstance(description, dict) or not {"n_features", "layers", "loss"} <= set(description):
        raise DataError("must be the dict that Network.describe() returns", argument="description", value=description)
    rows: list[tuple[str, ...]] = [("Input", f"{description['n_features']:,}", "", "")]
    for name, layer in listed_layers(description["layers"]):
        parameters = f"{layer['n_parameters']:,}" if "n_parameters" in layer else ""
        rows.append((name, f"{layer['n_outputs']:,}", layer.get("activation", ""), parameters))
    total = sum(layer["n_parameters"] for layer in description["layers"])
    lines = _table([_HEADER, *rows])
    lines.append(f"Loss: {_options(description['loss'])}")
    lines.append(f"{total:,} parameter" + "s" * (total != 1))
    return "\n".join(lines)


def listed_layers(layers: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each layer of a description with what to call it; after Columns their branches, set in."""
    for layer in layers:
        yield _kind(layer), layer
        for name, branch in layer.get("branches", {}).items():
            n = len(branch["columns"])
            if not branch["layers"]:
                yield f"  {name}: as they are", {"n_inputs": n, "n_outputs": n}
            for inner in branch["layers"]:
                yield f"  {name}: {_kind(inner)}", inner


def _kind(layer: dict[str, Any]) -> str:
    """The kind with what is special about it, as "Dropout (rate 0.2)"."""
    special = [f"{name} {value}" for name, value in layer.items() if name not in _SIZES]
    if "edges" in layer:  # how many, since a column of them would be as long as the table
        special.append(f"bins {len(layer['edges']) - 1}")
    return str(layer["kind"]) + (f" ({', '.join(special)})" if special else "")


def _options(loss: dict[str, Any]) -> str:
    options = [f"{name} {value}" for name, value in loss.items() if name != "name" and value not in (None, 0, 0.0)]
    return str(loss["name"]) + (f" ({', '.join(options)})" if options else "")


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
