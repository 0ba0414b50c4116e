"""Small data sets: points and curves made by a formula, and four real tables.

    from glassnet.datasets import load_dataset, moons
    data = load_dataset("penguins")          # data.X, data.y, data.names, data.classes, data.note
    data = moons(n=200, noise=0.1, seed=1)

Loading this module loads NumPy alone; scikit-learn is imported where one of its tables is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from glassnet.datasets.dataset import Dataset
from glassnet.datasets.points import circles, moons, noisy_points, sine, spirals, three_clouds, xor
from glassnet.datasets.tables import diabetes, digits, penguins, wine
from glassnet.errors import require_choice

__all__ = [
    "GENERATED",
    "REAL",
    "Dataset",
    "circles",
    "diabetes",
    "digits",
    "load_dataset",
    "moons",
    "noisy_points",
    "penguins",
    "sine",
    "spirals",
    "three_clouds",
    "wine",
    "xor",
]

GENERATED: dict[str, Callable[..., Dataset]] = {
    "circles": circles,
    "moons": moons,
    "noisy_points": noisy_points,
    "sine": sine,
    "spirals": spirals,
    "three_clouds": three_clouds,
    "xor": xor,
}

REAL: dict[str, Callable[[], Dataset]] = {"diabetes": diabetes, "digits": digits, "penguins": penguins, "wine": wine}


def load_dataset(name: str, seed: int = 0) -> Dataset:
    """A data set by its name; `seed` decides the points of those that are generated.

    Raises OptionError for an unknown name, naming the nearest.
    """
    require_choice("name", name, [*GENERATED, *REAL])
    return GENERATED[name](seed=seed) if name in GENERATED else REAL[name]()
