"""Real tables: the penguins, which come with this package, and three that scikit-learn brings along.

Nothing is downloaded.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from glassnet.datasets.dataset import Dataset

__all__ = ["diabetes", "digits", "penguins", "wine"]

TEXT_COLUMNS = ("island", "sex")  # of the penguins


def penguins() -> Dataset:
    """344 penguins of the Palmer Archipelago, Antarctica: species from island, bill, flipper, body mass and sex.

    X : dict of six columns, two of text and four of numbers (mm and g); 19 values are missing. y : species.
    Source: Gorman, Williams, Fraser, Ecological sexual dimorphism and environmental variability within a community of
    Antarctic penguins, PLoS ONE 9 (2014); as a table by Horst, Hill, Gorman, palmerpenguins (2020), CC0.
    """
    text = files("glassnet.datasets").joinpath("penguins.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    species = np.array([row.pop("species") for row in rows])
    X = {name: _column(name, [row[name] for row in rows]) for name in rows[0]}
    note = "Gorman, Williams, Fraser (2014), palmerpenguins by Horst, Hill, Gorman (2020), CC0"
    return Dataset("penguins", X, species, tuple(X), "species", tuple(np.unique(species).tolist()), note)


def digits() -> Dataset:
    """1,797 handwritten digits of 8 × 8 pixels: X (1797, 64), inks from 0 to 16, y the digit.

    Source: Alpaydin, Kaynak, Optical recognition of handwritten digits (1998), UCI, CC BY 4.0; scikit-learn's copy of
    its test set.
    """
    return _from_sklearn("digits", "digit", "Alpaydin, Kaynak (1998), UCI, CC BY 4.0, from scikit-learn")


def wine() -> Dataset:
    """178 Italian wines: the cultivar (three) from 13 chemical measurements. X (178, 13), y "class_0" to "class_2".

    Source: Aeberhard, Forina, Wine (1991), UCI, CC BY 4.0; scikit-learn's copy.
    """
    return _from_sklearn("wine", "cultivar", "Aeberhard, Forina (1991), UCI, CC BY 4.0, from scikit-learn")


def diabetes() -> Dataset:
    """442 patients: how far their diabetes has gone a year later, from age, sex, body and blood. X (442, 10), y (442,).

    Values are as they were measured, not scaled. Source: Efron, Hastie, Johnstone, Tibshirani, Least angle regression,
    Annals of Statistics 32 (2004), published with it, no licence stated; scikit-learn's copy.
    """
    note = "Efron, Hastie, Johnstone, Tibshirani (2004), published with the paper, no licence stated, from scikit-learn"
    return _from_sklearn("diabetes", "progression", note, scaled=False)


def _from_sklearn(name: str, target: str, note: str, **options: Any) -> Dataset:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**options)
    X, y = np.array(bunch.data, np.float64), np.array(bunch.target)
    classes: tuple[Any, ...] = ()
    if name != "diabetes":
        classes = tuple(np.asarray(bunch.target_names).tolist())
        y = np.array(classes)[y]
    return Dataset(name, X, y, tuple(bunch.feature_names), target, classes, note)


def _column(name: str, texts: Sequence[str]) -> np.ndarray:
    """A column of the CSV file: text with None, or numbers with NaN, where the file has nothing."""
    if name in TEXT_COLUMNS:
        return np.array([text or None for text in texts], dtype=object)
    return np.array([float(text) if text else np.nan for text in texts])
