"""`TableEncoder`: a table → one matrix for a network, fitted once and stored as plain data."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from glassnet.errors import ColumnError, DataError, NearlyUniqueWarning, OptionError, nearest, require_choice, warn
from glassnet.tables.frames import Table, listed, table_of
from glassnet.tables.kinds import Category, Date, Kind, Number, kind_from_plain, missing_mask
from glassnet.tables.together import Numbers

__all__ = ["SCALINGS", "TableEncoder"]

SCALINGS = ("standard", "minmax", "robust", "none")


class TableEncoder:
    """Encode numbers, categories and dates of a table as one float matrix.

    input_scaling : "standard" (mean 0, standard deviation 1), "minmax" (to [-1, 1]), "robust" (median and interquartile
        range) or "none"; numbers and elapsed days only.
    max_levels : most levels of a category that get a column each; the rest share one.
    min_count : rows a level needs for a column of its own, in columns of more than ten levels; "auto" is one row in
        200, at least 2 and at most 10.
    owner : the name that error messages give to the model.

    The kind of a column follows from its family in fit: numbers, dates, texts (`families`). How each is written stands
    with `Number`, `Category` and `Date` in `kinds`. Constant columns make no matrix column. Arithmetic is in float64,
    the cast to the network's type is last, and each row is encoded by itself.
    """

    def __init__(
        self,
        input_scaling: str = "standard",
        *,
        max_levels: int = 64,
        min_count: int | str = "auto",
        owner: str = "TableEncoder",
    ) -> None:
        self.input_scaling = input_scaling
        self.max_levels = max_levels
        self.min_count = min_count
        self.owner = owner
        self._keep([], named=False)

    def fit(self, X: Any) -> TableEncoder:
        """Learn kinds, scales and levels from a table (anything `table_of` takes); returns self.

        Raises OptionError for a bad option, DataError for a column without any value, an infinity, or a table in which
        nothing varies. Warns with NearlyUniqueWarning about texts that differ in nearly every row.
        """
        self._check_options()
        table = table_of(X)
        _require_values(table)
        kinds = [self._fit_column(*pair, table.n_rows) for pair in zip(table.names, table.columns, strict=True)]
        if not any(kind.names for kind in kinds):
            raise DataError(
                f"has no column that varies in its {table.n_rows} sample(s)",
                argument="X",
                remedy="A model needs at least one column with different values.",
            )
        _warn_of_identifiers(kinds)
        self._keep(kinds, table.named)
        return self

    def _keep(self, kinds: list[Kind], named: bool) -> None:
        """Set what was fitted or loaded, and where in the matrix each column begins."""
        self.kinds, self.named = kinds, named
        self._starts = [0]
        for kind in kinds:
            self._starts.append(self._starts[-1] + len(kind.names))
        self._numbers = Numbers.of(kinds, self._starts)

    def _check_options(self) -> None:
        require_choice("input_scaling", self.input_scaling, SCALINGS)
        options: dict[str, Any] = {"max_levels": self.max_levels}
        if self.min_count != "auto":
            options["min_count"] = self.min_count
        for argument, value in options.items():
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise OptionError("must be a whole number of at least 1", argument=argument, value=value)

    def _fit_column(self, name: str, values: np.ndarray, n_rows: int) -> Kind:
        if values.dtype.kind == "f":
            return Number.fit(name, values, self.input_scaling)
        if values.dtype.kind == "M":
            return Date.fit(name, values, self.input_scaling)
        min_count = min(max(math.ceil(n_rows / 200), 2), 10) if self.min_count == "auto" else int(self.min_count)
        return Category.fit(name, values, self.max_levels, min_count)

    def transform(self, X: Any, dtype: Any = np.float32) -> np.ndarray:
        """The matrix (n_rows, len(feature_names_out())) of a table, C-ordered.

        A named table may have its columns in any order, and others besides. Missing values are taken everywhere, also
        where fit saw none. Raises ColumnError for missing columns and for columns of another kind than in fit,
        DataError for infinities and for arrays of another width.
        """
        table = table_of(X)
        columns = self._matching(table)
        matrix = np.empty((table.n_rows, self._starts[-1]), dtype=dtype)
        numbers_done = self._numbers is not None and self._numbers.write(columns, matrix)
        for kind, values, (start, stop) in zip(self.kinds, columns, pairwise(self._starts), strict=True):
            if not (numbers_done and isinstance(kind, Number)):
                kind.write(values, matrix[:, start:stop])
        return matrix

    def fit_transform(self, X: Any, dtype: Any = np.float32) -> np.ndarray:
        """`fit` and `transform` of the same table, which is taken apart once."""
        table = table_of(X)
        return self.fit(table).transform(table, dtype)

    def _matching(self, table: Table) -> list[np.ndarray]:
        """The table's columns in the order of fit: by name where both have names, else by position."""
        if not (self.named and table.named):
            if len(table.columns) != len(self.kinds):
                raise DataError(
                    f"X has {len(table.columns)} features, but {self.owner} is expecting {len(self.kinds)} features "
                    "as input"
                )
            return table.columns
        found = dict(zip(table.names, table.columns, strict=True))
        absent = [kind.name for kind in self.kinds if kind.name not in found]
        if absent:
            extra = [name for name in table.names if name not in {kind.name for kind in self.kinds}]
            guess = nearest(absent[0], extra)
            raise ColumnError(
                f"lacks {len(absent)} of the {len(self.kinds)} columns of training: {listed(absent)}",
                argument="X",
                remedy=f"Did you mean its column {guess!r} to be {absent[0]!r}?"
                if guess
                else "Add them; cells may be empty.",
            )
        return [found[kind.name] for kind in self.kinds]

    def feature_names_out(self) -> list[str]:
        """Names of the matrix columns, such as "age", "age=(missing)", "colour=red", "day sin(month)"."""
        return [name for kind in self.kinds for name in kind.names]

    @property
    def feature_names_in(self) -> list[str]:
        """Names of the table's columns in fit; "x0", "x1", … where it had none (see `named`)."""
        return [kind.name for kind in self.kinds]

    @property
    def columns(self) -> list[dict[str, Any]]:
        """One plain description a table column: name, kind, missing (seen in fit), width, levels of categories."""
        return [kind.describe() for kind in self.kinds]

    def to_data(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The fitted encoder as plain data: JSON-ready values, and arrays (none at present)."""
        options = {"input_scaling": self.input_scaling, "max_levels": int(self.max_levels), "owner": self.owner}
        min_count = self.min_count if isinstance(self.min_count, str) else int(self.min_count)
        columns = [kind.plain() for kind in self.kinds]
        return {**options, "min_count": min_count, "named": self.named, "columns": columns}, {}

    @classmethod
    def from_data(cls, data: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> TableEncoder:
        """The encoder that `to_data` described; KeyError or TypeError where the data is not such a description."""
        encoder = cls(
            data["input_scaling"], max_levels=data["max_levels"], min_count=data["min_count"], owner=data["owner"]
        )
        encoder._keep([kind_from_plain(column) for column in data["columns"]], data["named"])
        return encoder


def _require_values(table: Table) -> None:
    empty = [name for name, values in zip(table.names, table.columns, strict=True) if missing_mask(values).all()]
    if len(empty) == 1:
        raise DataError("holds no value at all", column=empty[0], remedy="Drop it before training.")
    if empty:
        raise DataError(
            f"has columns without any value: {listed(empty)}", argument="X", remedy="Drop them before training."
        )


def _warn_of_identifiers(kinds: list[Kind]) -> None:
    names = [kind.name for kind in kinds if isinstance(kind, Category) and kind.is_identifier]
    if names:
        noun, pronoun = ("columns", "them") if len(names) > 1 else ("column", "it")
        warn(
            NearlyUniqueWarning(
                f"{noun} {listed(names)}: nearly every value is different (names, identifiers), which says nothing "
                f"about new rows; the levels were left out. Drop {pronoun} to silence this warning."
            )
        )
