"""`glassnet info`."""

from __future__ import annotations

from typing import Any

from glassnet.cli.options import JsonFlag, ModelArgument

__all__ = ["INFO_EXAMPLES", "info"]

INFO_EXAMPLES = """
Examples
  glassnet info cars.glassnet
  glassnet info cars.glassnet --json
"""

MOST_LEVELS = 6  # of a category are shown
MEASURES = ("loss", "validation_loss", "validation_accuracy", "validation_r2", "validation_score")  # of an epoch


def info(model: ModelArgument, as_json: JsonFlag = False) -> None:
    """Show what a model file holds: layers, columns, settings, how it was trained; or how far a checkpoint has come."""
    from glassnet.cli.show import print_json
    from glassnet.workflow import describe_model

    found = describe_model(model)
    if as_json:
        print_json(found)
    elif "checkpoint" in found:
        _show_checkpoint(found)
    else:
        _show(found)


def _show_checkpoint(found: dict[str, Any]) -> None:
    """How far each training has come."""
    from glassnet.cli.show import console, escape, plain_table, print_table, size_of

    out, trainings = console(), found["trainings"]
    out.print(f"[bold]{escape(found['file'])}[/bold]: a checkpoint of a {found['estimator']}, not a model")
    table = plain_table("", "")
    for number, training in enumerate(trainings, 1):
        state = f"over ({escape(training['over'])})" if training["over"] else "under way"
        far = f"{state}, epoch {training['epoch']} of {training['of']} at most"
        table.add_row(f"training {number} of up to {found['planned']}" if found["planned"] > 1 else "training", far)
    table.add_row("finished", "yes" if found["finished"] else "no: the same command with --resume goes on from here")
    table.add_row("engine", escape(found["engine"]))
    table.add_row("written by", escape(", ".join([found["written_by"], *_versions(found["machine"])])))
    table.add_row("size", f"{size_of(found['bytes'])} ({found['bytes']:,} bytes)")
    table.add_row("SHA-256", found["sha256"])
    print_table(table)
    out.print("\n[bold]Settings[/bold]")
    print_table(_settings(found["settings"]))


def _versions(machine: dict[str, str]) -> list[str]:
    return [f"{name} {version}" for name, version in machine.items() if version[:1].isdigit()]


def _show(found: dict[str, Any]) -> None:
    from glassnet.cli.show import console, escape, print_table

    out = console()
    several = f"{found['networks']} networks, each of " if found["networks"] > 1 else ""
    parameters = f"{several}{found['parameters']:,} parameters"
    out.print(f"[bold]{escape(found['file'])}[/bold]: {found['estimator']}, {parameters}")
    print_table(_facts(found))
    for title, table in (
        ("Columns", _columns(found["columns"])),
        ("Layers", _layers(found["layers"])),
        ("Settings", _settings(found["settings"])),
    ):
        out.print(f"\n[bold]{title}[/bold]")
        print_table(table)


def _facts(found: dict[str, Any]) -> Any:
    from glassnet.cli.show import escape, numbers_of, plain_table, size_of

    training = found["training"]
    losses = numbers_of(training["best"], *MEASURES)
    facts = {
        "predicts": _some(found["target"]) if isinstance(found["target"], list) else found["target"],
        "classes": None if found["classes"] is None else _some(found["classes"]),
        "trained": f"{training['epochs']} epochs ({training['stop_reason']})",
        "weights": f"of epoch {training['best_epoch']}: {losses}",
        "written by": found["written_by"],
        "size": f"{size_of(found['bytes'])} ({found['bytes']:,} bytes)",
        "SHA-256": found["sha256"],
    }
    table = plain_table("", "")
    for name, value in facts.items():
        if value is not None:
            table.add_row(name, escape(str(value)))
    return table


def _some(values: list[Any]) -> str:
    rest = f" and {len(values) - MOST_LEVELS} more" if len(values) > MOST_LEVELS else ""
    return ", ".join(map(str, values[:MOST_LEVELS])) + rest


def _columns(columns: list[dict[str, Any]]) -> Any:
    from glassnet.cli.show import escape, plain_table

    table = plain_table("name", "kind", "missing", "inputs", "levels")
    for column in columns:
        levels = _some(column.get("levels") or column.get("parts") or [])
        if column.get("zone"):
            levels += f" in {column['zone']}"
        if column["left_out"]:
            levels = f"left out: {column['left_out']}"
        missing = "yes" if column["missing"] else ""
        table.add_row(escape(str(column["name"])), column["kind"], missing, str(column["width"]), escape(levels))
    return table


def _layers(layers: list[dict[str, Any]]) -> Any:
    from glassnet.cli.show import escape, plain_table
    from glassnet.views.text import listed_layers

    table = plain_table("layer", "activation", "inputs", "outputs", "parameters", numeric=3)
    for name, layer in listed_layers(layers):
        sizes = [f"{layer[size]:,}" if size in layer else "" for size in ("n_inputs", "n_outputs", "n_parameters")]
        table.add_row(escape(name), layer.get("activation", ""), *sizes)
    return table


def _settings(settings: dict[str, Any]) -> Any:
    from glassnet.cli.show import escape, plain_table

    table = plain_table("", "")
    for name, value in settings.items():
        shown = ", ".join(map(_value, value)) if isinstance(value, list) else _value(value)
        table.add_row(escape(name), escape(shown))
    return table


def _value(value: Any) -> str:
    """A setting; numbers with decimals to four significant digits, as everywhere."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
