"""One small trained model for the tests of the command, and the command as a function."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

import glassnet
from glassnet.cli import main

PENGUINS = Path(glassnet.__file__).parent / "datasets" / "penguins.csv"


class Ended(NamedTuple):
    """How a run of the command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """The command in an empty folder: run("train", "x.csv", …) -> exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLASSNET_DEBUG", raising=False)

    def run_command(*arguments: object) -> Ended:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ended(code, *capsys.readouterr())

    return run_command


@pytest.fixture(scope="session")
def penguins() -> Path:
    return PENGUINS


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A classifier of penguins, trained for 20 epochs."""
    path = tmp_path_factory.mktemp("model") / "penguins.glassnet"
    glassnet.train(PENGUINS, target="species", out=path, max_epochs=20)
    return path


@pytest.fixture
def changed(tmp_path):
    """Write a copy of the penguins with some cells replaced: changed({(row, column): text}) -> path."""

    def write(cells: dict[tuple[int, str], str], name: str = "changed.csv") -> Path:
        lines = [line.split(",") for line in PENGUINS.read_text().splitlines()]
        for (row, column), text in cells.items():
            lines[row][lines[0].index(column)] = text
        path = tmp_path / name
        path.write_text("\n".join(",".join(line) for line in lines) + "\n")
        return path

    return write
