"""Numbers as matrix columns: scaled, clipped, with an indicator where they are missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from typing import Any, ClassVar

import numpy as np

from glassnet.errors import DataError, ModelFileError
from glassnet.files.fields import Fields
from glassnet.tables.changes import as_numbers, require_family
from glassnet.tables.families import Column, name_of_family

__all__ = ["FURTHEST", "SCALINGS", "Number", "middle_ranks", "require_no_infinity", "scaled", "smooth_clip"]

SCALINGS = ("standard", "minmax", "robust", "smooth_clip", "quantile", "none")
LINEAR = ("standard", "minmax", "robust")
FURTHEST = 1e6  # scaled values are clipped here: a mistyped 1e300 must not overflow float32 inside the network
SOFT = 3.0  # smooth_clip's asymptote
FEWEST_KNOTS, MOST_KNOTS, ROWS_A_KNOT = 10, 1000, 30
LARGEST_EXPONENT = 1100  # of 2, either way: beyond that of any float64
RAREST = 1e-7  # probability to which the quantile transform is clipped: ±5.2 standard deviations


@dataclass(frozen=True)
class Number:
    """A number x as z = (x / 2^exponent - centre) / scale, and an indicator where missing values were seen in fit.

    scaling      centre         scale
    standard     mean           standard deviation (of the rows of fit, divided by n)
    minmax       middle of the range, (min + max) / 2      (max - min) / 2, so that z lies in [-1, 1]
    robust       median         interquartile range; where that is zero, (max - min) / 2
    smooth_clip  as robust, then z / √(1 + (z/3)²), which lies in (-3, 3) and hardly changes small z
    quantile     the standard normal quantile of x's rank among `knots`, quantiles of the rows of fit; in [-5.2, 5.2]
    none         0              1

    exponent is 0 unless the largest value lies beyond 2^±100: only then a division by a power of two, which is exact,
    keeps squares from overflowing. A missing value becomes `fill`: 0, or the mean without scaling. Scaled values are
    clipped to ±1e6. `varies` is False for a constant column, which makes no matrix column of its own.
    `family` is what the column held in fit: numbers, texts that spell them, or durations (in seconds).
    Source of smooth_clip and of the number of knots: Holzmüller, Grinsztajn, Steinwart, Better by Default (2024);
    Gorishniy, Kotelnikov, Babenko, TabM (2024).
    """

    kind: ClassVar[str] = "number"
    name: str
    family: str
    scaling: str
    exponent: int
    centre: float
    scale: float
    fill: float
    varies: bool
    missing: bool
    knots: tuple[float, ...] = ()

    @classmethod
    def fit(cls, name: str, values: Column, scaling: str, indicator: bool = False) -> Number:
        """Fit to a column with at least one value; `indicator` asks for one also where nothing is missing.

        Raises DataError, naming the row, for an infinity, and ColumnError for what is no number.
        """
        x = as_numbers(name, values)
        present = x[~np.isnan(x)]
        require_no_infinity(name, x)
        lowest, highest = present.min(), present.max()
        exponent = int(np.frexp(max(abs(lowest), abs(highest)))[1])
        exponent = exponent if abs(exponent) > 100 else 0
        shifted = np.ldexp(present, -exponent) if exponent else present
        centre, scale, fill = 0.0, 1.0, 0.0
        knots: tuple[float, ...] = ()
        if scaling == "none":
            fill = float(np.ldexp(shifted.mean(), exponent))
            exponent = 0
        elif scaling == "quantile":
            knots = _knots(shifted)
        else:
            centre, scale = _centre_and_scale(shifted, scaling)
        missing = indicator or len(present) < len(x)
        varies = bool(lowest < highest)
        return cls(name, name_of_family(values), scaling, exponent, centre, scale, fill, varies, missing, knots)

    @property
    def is_linear(self) -> bool:
        """Whether z is a linear function of x, but for the clipping."""
        return self.scaling in LINEAR

    @property
    def names(self) -> list[str]:
        """Names of the matrix columns."""
        return [self.name] * self.varies + [f"{self.name}=(missing)"] * self.missing

    @property
    def scaled(self) -> list[int]:
        """Places of scaled numbers among the matrix columns."""
        return [0] * self.varies

    def prepare(self, values: Column, dtype: Any) -> np.ndarray:
        """The column as float64, NaN = missing, or as the integers that it holds; ColumnError for another family,
        DataError for infinities."""
        if self.family != "text":
            require_family(self.name, values, ("number", "duration") if self.family == "duration" else ("number",))
        if values.dtype.kind in "iu" and self.scaling != "none":
            return values  # type: ignore[return-value]  # an array, which `write` makes float64 part by part
        x = as_numbers(self.name, values)
        require_no_infinity(self.name, x)
        if self.scaling == "none":
            limit = np.finfo(dtype).max
            rule = f"must not exceed {limit:.1e} without scaling"
            _refuse_row(np.abs(x) > limit, self.name, x, rule, "Use a scaling.")
        return x

    def write(self, x: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (n, len(names)) from rows of what `prepare` gave."""
        x = x.astype(np.float64, copy=False)
        absent = np.isnan(x)
        if self.varies:
            out[:, 0] = self._scaled(x, absent)
        if self.missing:
            out[:, -1] = absent

    def _scaled(self, x: np.ndarray, absent: np.ndarray) -> np.ndarray:
        if self.scaling == "none":
            return np.where(absent, self.fill, x)
        if self.scaling == "quantile":
            with np.errstate(over="ignore"):  # far beyond the last knot
                z = _normal(middle_ranks(np.ldexp(x, -self.exponent), np.array(self.knots)))
            z[absent] = self.fill
            return z
        z = scaled(x, self.exponent, self.centre, self.scale, self.fill, absent)
        return smooth_clip(z) if self.scaling == "smooth_clip" else z

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready values."""
        return {"kind": self.kind, **asdict(self), "knots": list(self.knots)}

    @classmethod
    def from_plain(cls, fields: Fields) -> Number:
        """The record that `plain` described; ModelFileError where it did not."""
        scaling, knots = fields.choice("scaling", SCALINGS), fields.numbers("knots")
        rising = all(low <= high for low, high in pairwise(knots))
        few = scaling == "quantile" and len(knots) < 2
        if few or not rising or (knots and not isfinite(knots[-1] - knots[0])):
            rule = "must be two numbers or more, none below the one before it, that span a finite range"
            raise ModelFileError(rule, argument=fields.place_of("knots"))
        return cls(
            fields.text("name"),
            fields.choice("family", ("number", "text", "duration")),
            scaling,
            fields.whole("exponent", -LARGEST_EXPONENT, LARGEST_EXPONENT),
            fields.number("centre"),
            fields.number("scale", positive=True),
            fields.number("fill"),
            fields.flag("varies"),
            fields.flag("missing"),
            tuple(knots),
        )

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column."""
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "width": len(self.names),
            "left_out": None if self.varies else "constant",
            "scaling": self.scaling,
        }


def scaled(x: np.ndarray, exponent: Any, centre: Any, scale: Any, fill: Any, absent: np.ndarray | None) -> np.ndarray:
    """z = (x / 2^exponent - centre) / scale, clipped to ±1e6, and `fill` where x is absent; see `Number`.

    x : finite or absent.   The constants : numbers, or arrays that fit x, one for each of several columns.
    absent : True where x is missing; None when it nowhere is.
    """
    with np.errstate(over="ignore"):  # far outside the range seen in fit: clipped below
        z = ((np.ldexp(x, -exponent) if isinstance(exponent, np.ndarray) or exponent else x) - centre) / scale
    if absent is not None:
        np.copyto(z, fill, where=absent)
    return np.clip(z, -FURTHEST, FURTHEST, out=z)


def _centre_and_scale(x: np.ndarray, scaling: str) -> tuple[float, float]:
    lowest, highest = x.min(), x.max()
    half_range = highest / 2 - lowest / 2
    if scaling == "standard":
        centre, scale = x.mean(), x.std()
    elif scaling == "minmax":
        centre, scale = lowest / 2 + highest / 2, half_range
    else:
        first, centre, third = np.quantile(x, [0.25, 0.5, 0.75])
        scale = third - first
    return float(centre), float(scale or half_range or 1.0)


def _knots(x: np.ndarray) -> tuple[float, ...]:
    count = min(max(len(x) // ROWS_A_KNOT, FEWEST_KNOTS), MOST_KNOTS)
    return tuple(np.quantile(x, np.linspace(0, 1, count)).tolist())


def smooth_clip(z: Any) -> Any:
    """z / √(1 + (z/3)²), which lies in (-3, 3) and hardly changes small z."""
    share = z / SOFT
    return z / np.sqrt(1.0 + share * share)


def middle_ranks(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """The rank of each x in [1e-7, 1 - 1e-7], linear between knots; a knot of several ranks takes the middle one.

    A share of the way between two knots is at most 1 however close they lie; the slope, with which np.interp reckons,
    is no number between knots less than 1e-308 apart.
    """
    values, first, counts = np.unique(knots, return_index=True, return_counts=True)
    lowest, highest = (place / (len(knots) - 1) for place in (first, first + counts - 1))
    inside = np.clip(x, values[0], values[-1])
    at = np.searchsorted(values, inside, side="right") - 1
    after = np.minimum(at + 1, len(values) - 1)
    width = np.where(after > at, values[after] - values[at], 1.0)
    between = highest[at] + (lowest[after] - highest[at]) * ((inside - values[at]) / width)
    ranks = np.where(inside == values[at], (lowest + highest)[at] / 2, between)
    ranks = np.where(x < values[0], 0.0, np.where(x > values[-1], 1.0, ranks))
    return np.clip(ranks, RAREST, 1 - RAREST)


def _normal(ranks: np.ndarray) -> np.ndarray:
    """The standard normal quantile of each rank."""
    from scipy.special import ndtri

    return ndtri(ranks)


def require_no_infinity(name: str, x: np.ndarray) -> None:
    """Raise DataError, naming the row, for the first infinity."""
    _refuse_row(np.isinf(x), name, x, "must be finite", "Replace it by a number, or leave the cell empty (missing).")


def _refuse_row(bad: np.ndarray, name: str, x: np.ndarray, rule: str, remedy: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(rule, row=row + 1, column=name, value=float(x[row]), remedy=remedy)
