"""Points in the plane, and one curve: data sets made by a formula and a seed.

Each function takes the number of points, the spread of the noise, and a seed; the same seed gives the same points.
N stands for standard normal numbers and U for uniform ones in [0, 1), each drawn for every use anew; "noise · N" is
added to both coordinates. Labels are whole numbers from 0, and where rows come class by class, class 0 comes first.
"""

from __future__ import annotations

import numpy as np

from glassnet.datasets.dataset import Dataset
from glassnet.errors import OptionError
from glassnet.maths.random import Purpose, Stream, seed_of

__all__ = ["circles", "moons", "noisy_points", "sine", "spirals", "three_clouds", "xor"]

CENTRES = ((0.0, -2.0), (2.0, 2.0), (-2.0, 2.0))  # of the article's clouds


def three_clouds(n_per_class: int = 500, seed: int = 0) -> Dataset:
    """The article's three Gaussian clouds: X = centre + N, with centres (0, -2), (2, 2) and (-2, 2).

    X (3 · n_per_class, 2), y 0, 1, 2, class by class. The best rule that there can be, the nearest centre, is right
    for 97.0 % of such points.
    """
    y = np.repeat([0, 1, 2], _count("n_per_class", n_per_class))
    return _points("three_clouds", np.array(CENTRES)[y] + _stream(seed).normal(len(y), 2), y)


def xor(n: int = 400, noise: float = 0.15, seed: int = 0) -> Dataset:
    """Exclusive or: corner (a, b) of the unit square belongs to class a xor b. X = (a, b) + noise · N.

    X (n, 2); the corners take turns: (0, 0), (0, 1), (1, 0), (1, 1), (0, 0), … No straight line separates the classes,
    the reason why a network without a hidden layer fails here (Minsky, Papert, Perceptrons, 1969).
    """
    a, b = np.divmod(np.arange(_count("n", n)) % 4, 2)
    return _points("xor", np.column_stack([a, b]) + noise * _stream(seed).normal(n, 2), a ^ b)


def circles(n: int = 400, noise: float = 0.08, seed: int = 0) -> Dataset:
    """Two circles around the origin, class 0 of radius 1, class 1 of radius ½: X = r (cos t, sin t) + noise · N.

    X (n, 2), t = 2πU. Class by class, n // 2 rows of class 0.
    """
    y = _two_classes(n)
    t = 2 * np.pi * _stream(seed, 1).uniform(n, 1)[:, 0]
    radius = np.where(y == 0, 1.0, 0.5)
    X = radius[:, None] * np.column_stack([np.cos(t), np.sin(t)])
    return _points("circles", X + noise * _stream(seed).normal(n, 2), y)


def spirals(n: int = 1000, noise: float = 0.02, seed: int = 0, turns: float = 1.5) -> Dataset:
    """Two arms that wind around each other: X = r (cos t, sin t) + noise · N with t = 2π · turns · r + π · class.

    X (n, 2), r = √(0.01 + 0.99 U), from 0.1 to 1 and evenly dense along an arm. Class by class, n // 2 rows of class 0.
    A classic test of networks (Lang, Witbrock, Learning to tell two spirals apart, 1988).
    """
    y = _two_classes(n)
    r = np.sqrt(0.01 + 0.99 * _stream(seed, 1).uniform(n, 1)[:, 0])
    t = 2 * np.pi * turns * r + np.pi * y
    X = r[:, None] * np.column_stack([np.cos(t), np.sin(t)])
    return _points("spirals", X + noise * _stream(seed).normal(n, 2), y)


def moons(n: int = 400, noise: float = 0.12, seed: int = 0) -> Dataset:
    """Two half circles that reach into each other, with t = πU.

        class 0: X = (cos t, sin t) + noise · N            class 1: X = (1 - cos t, ½ - sin t) + noise · N

    X (n, 2). Class by class, n // 2 rows of class 0.
    """
    y = _two_classes(n)
    t = np.pi * _stream(seed, 1).uniform(n, 1)[:, 0]
    upper, lower = np.column_stack([np.cos(t), np.sin(t)]), np.column_stack([1 - np.cos(t), 0.5 - np.sin(t)])
    X = np.where(y[:, None] == 0, upper, lower)
    return _points("moons", X + noise * _stream(seed).normal(n, 2), y)


def noisy_points(n: int = 60, seed: int = 0) -> Dataset:
    """Two clouds that overlap: X = centre + N, with centres (-1, -½) for class 0 and (1, ½) for class 1.

    X (n, 2). Class by class, n // 2 rows of class 0. The best rule, the nearest centre, is right for Φ(√1.25) = 86.8 %
    of such points: whatever is right for more of them in training has learned their noise by heart.
    """
    y = _two_classes(n)
    centres = np.array([[-1.0, -0.5], [1.0, 0.5]])
    return _points("noisy_points", centres[y] + _stream(seed).normal(n, 2), y)


def sine(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """A regression on one number: y = sin(x) + noise · N with x = 2π (U - ½), one period around 0.

    X (n, 1), y (n,).
    """
    x = 2 * np.pi * (_stream(seed, 1).uniform(_count("n", n), 1) - 0.5)
    y = np.sin(x[:, 0]) + noise * _stream(seed).normal(n, 1)[:, 0]
    return Dataset("sine", x, y, ("x",), "y")


def _points(name: str, X: np.ndarray, y: np.ndarray) -> Dataset:
    return Dataset(name, X, y, ("x1", "x2"), "class", tuple(np.unique(y).tolist()))


def _stream(seed: int, use: int = 0) -> Stream:
    """Random numbers of a seed; `use` tells apart the noise (0) from the places (1) and the rest."""
    return Stream(seed_of(seed), Purpose.DATA, layer=use)


def _two_classes(n: int) -> np.ndarray:
    return (np.arange(_count("n", n)) >= n // 2).astype(np.int64)


def _count(argument: str, n: int) -> int:
    if isinstance(n, bool) or n != int(n) or n < 1:
        raise OptionError("must be a whole number of at least 1", argument=argument, value=n)
    return int(n)
