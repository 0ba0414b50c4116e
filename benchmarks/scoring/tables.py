"""The real tables and how their rows are split: the same rows for everybody, from the seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MOST_ROWS = 8000  # to train on, and as many to test on
DROPPED = {"energy_efficiency": "Cooling Load"}  # a second target; the one that stays is the last column then
FEWEST_VALUES = 30  # of a target of whole numbers to be a regression, where no README says what the task is


@dataclass(frozen=True)
class Table:
    """X (n rows) as it is in the file; y (n,) floats, or labels 0 … K - 1 in the order of their texts."""

    X: pd.DataFrame
    y: np.ndarray
    regression: bool


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows to test on."""

    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    regression: bool


def names_in(folder: Path) -> list[str]:
    """The tables of a folder, by name."""
    return sorted(path.stem for path in folder.glob("*.parquet"))


def is_choosing(name: str) -> bool:
    """Whether recipes may be chosen by this table: its name begins with a to e. Results are reported on the others."""
    return name[0].lower() <= "e"


def load(folder: Path, name: str) -> Table:
    """The table of that name: its last column is the target, and rows without one are left out."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    frame = frame.drop(columns=DROPPED.get(name, []))
    frame = frame[frame.iloc[:, -1].notna()].reset_index(drop=True)
    X, target = frame.iloc[:, :-1], frame.iloc[:, -1]
    if is_regression(folder, name, target):
        return Table(X, target.to_numpy(), True)
    return Table(X, pd.factorize(target.astype(str), sort=True)[0], False)


def is_regression(folder: Path, name: str, target: pd.Series) -> bool:
    """What the README beside the tables says; without it, whether the target's numbers look measured or counted."""
    readme = folder / "README.md"
    lines = readme.read_text().splitlines() if readme.exists() else []
    for cells in (line.strip("| ").split("|") for line in lines if line.startswith(f"| {name}.parquet ")):
        return cells[1].strip().startswith("regression")
    if not pd.api.types.is_numeric_dtype(target) or pd.api.types.is_bool_dtype(target):
        return False
    return bool((target % 1 != 0).any()) or target.nunique() > FEWEST_VALUES


def rows_of(n: int, seed: int, most: int = MOST_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on, at most `most`, and to test on: a quarter, at most 8,000, of rows in random order.

    The test rows depend on n and seed alone, so that fewer rows to train on are tested on the same ones.
    """
    order = np.random.default_rng(seed).permutation(n)
    n_test = min(MOST_ROWS, n // 4)
    return order[n_test : n_test + most], order[:n_test]


def split(table: Table, seed: int, most: int = MOST_ROWS) -> Split:
    """The table's rows as `rows_of` divides them."""
    return cut(table, *rows_of(len(table.y), seed, most))


def cut(table: Table, train: np.ndarray, test: np.ndarray) -> Split:
    """The table's rows as they are listed."""

    def part(rows: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
        return table.X.iloc[rows].reset_index(drop=True), table.y[rows]

    return Split(*part(train), *part(test), table.regression)
