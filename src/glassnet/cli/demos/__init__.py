"""The demos by name. Each is imported when it is run, so that `glassnet --help` stays light."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from glassnet.cli.demos.stage import Stage
from glassnet.errors import OptionError, require_choice

__all__ = ["DEMOS", "play"]


class Demo(NamedTuple):
    """One line on what it shows, and the module that does; its `run(stage)` returns what --json prints.

    trains : whether it trains networks, whose epochs can be limited.
    """

    summary: str
    module: str
    trains: bool = True


DEMOS = {
    "article": Demo("three clouds of points, a 2-5-3 network, gradient descent (what runs without a name)", "article"),
    "descent": Demo(
        "gradient descent on x² + y²; a rate that is too high; a function with two minima", "descent", trains=False
    ),
    "overfitting": Demo("a network that learns 60 points by heart, and three remedies", "overfitting"),
    "xor": Demo("exclusive or, which no network without a hidden layer can learn", "table"),
    "circles": Demo("a circle inside another", "table"),
    "moons": Demo("two half moons that reach into each other", "table"),
    "spirals": Demo("two spirals wound around each other", "table"),
    "sine": Demo("a regression on one number: a noisy sine", "table"),
    "penguins": Demo("species of penguins, from a table with text and missing values", "table"),
    "digits": Demo("handwritten digits of 8 × 8 pixels", "table"),
    "wine": Demo("three kinds of wine from 13 measurements", "table"),
    "diabetes": Demo("a regression on patients: the course of their diabetes in a year", "table"),
}  # fmt: skip


def play(name: str, *, out: Path, pictures: bool, seed: int, epochs: int | None, as_json: bool) -> None:
    """Run a demo: it talks on standard output, or prints one JSON object instead.

    Raises OptionError for an unknown name, naming the nearest, and for epochs of a demo that trains nothing.
    """
    require_choice("name", name, DEMOS)
    if epochs is not None and not DEMOS[name].trains:
        raise OptionError(f"does not apply to the demo {name!r}, which trains no network", argument="epochs")
    stage = Stage(name, out, pictures=pictures, seed=seed, epochs=epochs, silent=as_json)
    summary = import_module(f"glassnet.cli.demos.{DEMOS[name].module}").run(stage)
    stage.close(summary, as_json=as_json)
