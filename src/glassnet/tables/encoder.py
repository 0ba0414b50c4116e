"""`TableEncoder`: a table → one matrix for a network, fitted once and stored as plain data."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import (
    ColumnError,
    DataError,
    EqualNumbersWarning,
    NearlyUniqueWarning,
    OptionError,
    nearest,
    require_choice,
    warn,
)
from glassnet.files.fields import Fields
from glassnet.tables.category import Levels, is_nearly_unique
from glassnet.tables.changes import as_numbers, differ_exactly
from glassnet.tables.choices import Choice, choices_of, require_level_count, require_names
from glassnet.tables.families import Column, name_of_family
from glassnet.tables.frames import Table, listed, table_of
from glassnet.tables.kinds import Category, Date, Dropped, Duration, Kind, Number, kind_from_plain, missing_mask
from glassnet.tables.number import SCALINGS
from glassnet.tables.together import Numbers

__all__ = ["SCALINGS", "TableEncoder"]

BLOCK_BYTES = 2**20  # of the matrix written at a time: what all columns write to then stays in the cache
FEWEST_ROWS = 1024  # of a block
# Rows that make a level frequent in any table. The weights of a column of 0 and 1 learn from these rows alone; where
# levels matter, most of what an embedding learns would be lost with ten (benchmarks/many_levels.py).
MOST_FOR_A_COLUMN, MOST_FOR_A_CODE = 10, 3


class TableEncoder(TransformerMixin, BaseEstimator):
    """Encode numbers, categories, dates and durations of a table as one float matrix: a scikit-learn transformer.

    input_scaling : of numbers, durations and elapsed days.
        "standard"     mean 0, standard deviation 1
        "minmax"       to [-1, 1]
        "robust"       median 0, interquartile range 1
        "smooth_clip"  robust, and outliers drawn smoothly into (-3, 3)
        "quantile"     to normally distributed numbers, by rank
        "none"
    columns : what is known better than the values say: {name: kind}, a kind being "number", "category", "date",
        "duration", or "drop" to leave the column out; or {name: {"kind": …, option: …}}, options being "scaling",
        "missing" (True: an indicator also where fit saw nothing missing), "max_levels" and "min_count".
    max_levels : most levels of a category that get a column each; the rest share one.
    min_count : rows a level needs for a column of its own, in columns of more than ten levels; "auto" is one row in
        200, at least 2 and at most 10, or at most 3 for a code.
    codes_above : categories of more levels than this are written as one column of whole numbers, for a learned
        embedding (see `code_columns_`), unless `columns` says how many columns they get; None writes none so.
    dtype : "float32" or "float64", of the matrix; arithmetic is in float64 and the cast is last.

    The kind of a column follows from its family in fit: numbers, dates, durations, texts (`families`). How each is
    written stands with `Number`, `Category`, `Date` and `Duration` (`kinds`). Constant columns make no matrix column,
    nor do texts of which nearly every value is different, unless `columns` says that they are categories.
    Each row is encoded by itself. A row number in an error counts from 1.

    Attributes
    ----------
    columns_ : one plain dict a table column: name, kind, missing (whether it was seen in fit), width (matrix columns),
        left_out (None, or why it has no column of its own), and what belongs to the kind.
    code_columns_ : one plain dict a column of codes: name, column (of the matrix), n_codes and their labels; codes lie
        in [0, n_codes), 0 is missing or unseen.
    n_features_in_, feature_names_in_ : as in scikit-learn; the latter only where the table had names.

    >>> import polars as pl
    >>> encoder = TableEncoder().fit(pl.DataFrame({"age": [20, 30, 40], "city": ["Bern", "Ulm", None]}))
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'city=Bern', 'city=Ulm', 'city=(missing)']
    """

    owner = "TableEncoder"  # the name that error messages give to the model

    def __init__(
        self,
        input_scaling: str = "standard",
        *,
        columns: Any = None,
        max_levels: int = 64,
        min_count: int | str = "auto",
        codes_above: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        self.input_scaling = input_scaling
        self.columns = columns
        self.max_levels = max_levels
        self.min_count = min_count
        self.codes_above = codes_above
        self.dtype = dtype

    def owned_by(self, name: str) -> TableEncoder:
        """The encoder itself, whose error messages from now on name this model."""
        self.owner = name
        return self

    # --- fitting ---

    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Learn kinds, scales and levels from a table (anything `table_of` takes); returns self. y is not looked at.

        Raises OptionError for a bad option, ColumnError for a column that `columns` names but the table lacks, or that
        cannot be of the kind it names, DataError for a column without any value, an infinity, or a table in which
        nothing varies. Warns with NearlyUniqueWarning about texts that differ in nearly every row or are all rare, and
        with EqualNumbersWarning about whole numbers that do not differ in float64.
        """
        choices = self._checked_choices()
        table = table_of(X)
        require_names(choices, table.names)
        chosen = [choices.get(name, Choice()) for name in table.names]
        _require_values(table, chosen)
        columns = zip(table.names, table.columns, chosen, strict=True)
        kinds = [self._fit_column(name, values, choice, table.n_rows) for name, values, choice in columns]
        _warn_of_equal_numbers(table, kinds)
        if not any(kind.names for kind in kinds):
            raise DataError(
                f"has no column that varies in its {table.n_rows} sample(s)",
                argument="X",
                remedy="A model needs at least one column with different values.",
            )
        _warn_of_identifiers(table, kinds)
        self._keep(kinds, table.named)
        return self

    def _checked_choices(self) -> dict[str, Choice]:
        require_choice("input_scaling", self.input_scaling, SCALINGS)
        if self.dtype not in ("float32", "float64", np.float32, np.float64):
            raise OptionError('must be "float32" or "float64"', argument="dtype", value=self.dtype)
        require_level_count("max_levels", self.max_levels)
        if self.min_count != "auto":
            require_level_count("min_count", self.min_count)
        if self.codes_above is not None:
            require_level_count("codes_above", self.codes_above)
        return choices_of(self.columns)

    def _fit_column(self, name: str, values: Column, choice: Choice, n_rows: int) -> Kind:
        kind = choice.kind if choice.kind != "auto" else name_of_family(values)
        scaling = choice.scaling or self.input_scaling
        if kind == "drop":
            return Dropped(name)
        if kind == "number":
            return Number.fit(name, values, scaling, choice.missing)
        if kind == "date":
            return Date.fit(name, values, scaling, choice.missing)
        if kind == "duration":
            return Duration.fit(name, values, scaling, choice.missing)
        least, least_coded = self._least_counts(choice, n_rows)
        rules = Levels(
            int(choice.max_levels or self.max_levels),
            least,
            None if choice.max_levels else self.codes_above,
            least_coded,
            asked_for=choice.kind == "category",
            indicator=choice.missing,
        )
        return Category.fit(name, values, rules)

    def _least_counts(self, choice: Choice, n_rows: int) -> tuple[int, int]:
        """Rows that a level needs for a column of its own, and for a code of its own."""
        asked = choice.min_count or (None if self.min_count == "auto" else self.min_count)
        if asked:
            return int(asked), int(asked)
        least = min(max(math.ceil(n_rows / 200), 2), MOST_FOR_A_COLUMN)
        return least, min(least, MOST_FOR_A_CODE)

    def _keep(self, kinds: list[Kind], named: bool) -> None:
        """Set what was fitted or loaded, and where in the matrix each column begins."""
        self.kinds_, self.named_ = kinds, named
        self.n_features_in_ = len(kinds)
        self._starts = [0]
        for kind in kinds:
            self._starts.append(self._starts[-1] + len(kind.names))
        self._numbers = Numbers.of(kinds, self._starts)

    # --- encoding ---

    def transform(self, X: Any) -> np.ndarray:
        """The matrix (n_rows, len(get_feature_names_out())) of a table, C-ordered, or as `set_output` says.

        A named table may have its columns in any order, and others besides. Missing values are taken everywhere, also
        where fit saw none. Raises ColumnError for missing columns and for columns of another kind than in fit,
        DataError for infinities and for arrays of another width. Warns where only one of fit and transform had names.
        """
        check_is_fitted(self)
        table = table_of(X)
        self.warn_of_names(table)
        return self.encode(table, self.dtype)

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """`fit` and `transform` of the same table, which is taken apart once."""
        table = table_of(X)
        return self.fit(table).encode(table, self.dtype)  # scikit-learn makes a frame of it, with the index of X

    def encode(self, X: Any, dtype: Any, cast_to: Any = None) -> np.ndarray:
        """What `transform` returns, as an array of this float type whatever `set_output` says.

        cast_to : a narrower type that the caller casts it to, whose largest number is then the limit.
        """
        table = table_of(X)
        columns = self.matching(table)
        matrix = np.empty((table.n_rows, self.width), dtype=dtype)
        numbers_done = self._numbers is not None and self._numbers.write(columns, matrix)
        work = [
            (kind, kind.prepare(values, cast_to or matrix.dtype), start, stop)
            for kind, values, (start, stop) in zip(self.kinds_, columns, pairwise(self._starts), strict=True)
            if stop > start and not (numbers_done and isinstance(kind, Number))
        ]
        step = max(BLOCK_BYTES // (matrix.itemsize * matrix.shape[1]), FEWEST_ROWS)
        for first in range(0, table.n_rows, step):
            rows = slice(first, first + step)
            for kind, prepared, start, stop in work:
                kind.write(prepared[rows], matrix[rows, start:stop])
        return matrix

    def warn_of_names(self, table: Table) -> None:
        """Warn, in scikit-learn's words, where only one of `table` and the table of fit has names."""
        if self.named_ and not table.named:
            warn(UserWarning(f"X does not have valid feature names, but {self.owner} was fitted with feature names"))
        elif table.named and not self.named_:
            warn(UserWarning(f"X has feature names, but {self.owner} was fitted without feature names"))

    def matching(self, table: Table) -> list[Column]:
        """The table's columns in the order of fit: by name where both have names, else by position.

        A column that is not used may be empty. Raises ColumnError for missing columns, DataError for another number.
        """
        if not (self.named_ and table.named):
            if len(table.columns) != len(self.kinds_):
                raise DataError(
                    f"X has {len(table.columns)} features, but {self.owner} is expecting {len(self.kinds_)} features "
                    "as input"
                )
            return table.columns
        found = dict(zip(table.names, table.columns, strict=True))
        needed = [kind.name for kind in self.kinds_ if not isinstance(kind, Dropped)]
        absent = [name for name in needed if name not in found]
        if absent:
            extra = [name for name in table.names if name not in needed]
            guess = nearest(absent[0], extra)
            raise ColumnError(
                f"lacks {len(absent)} of the {len(needed)} columns of training: {listed(absent)}",
                argument="X",
                remedy=f"Did you mean its column {guess!r} to be {absent[0]!r}?"
                if guess
                else "Add them; cells may be empty.",
            )
        nothing = np.empty(0)
        return [found.get(kind.name, nothing) for kind in self.kinds_]

    # --- what was fitted ---

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the matrix columns, such as "age", "age=(missing)", "colour=red", "day sin(month)".

        input_features : None, or the names of fit, as scikit-learn has it; ValueError for others.
        """
        check_is_fitted(self)
        if input_features is not None:
            given = list(input_features)
            if len(given) != self.n_features_in_:
                raise ValueError(
                    f"input_features should have length equal to number of features ({self.n_features_in_})"
                )
            if self.named_ and given != self.feature_names_in:
                raise ValueError("input_features is not equal to feature_names_in_")
        return np.array(self.feature_names_out(), dtype=object)

    def feature_names_out(self) -> list[str]:
        """`get_feature_names_out` as a list. A name that occurs again has its place in the matrix after it."""
        seen: set[str] = set()
        names: list[str] = []
        for name in (name for kind in self.kinds_ for name in kind.names):
            names.append(f"{name} [{len(names)}]" if name in seen else name)
            seen.add(names[-1])
        return names

    @property
    def width(self) -> int:
        """Number of columns of the matrix."""
        return self._starts[-1]

    @property
    def feature_names_in(self) -> list[str]:
        """Names of the table's columns in fit; "x0", "x1", … where it had none (see `named_`)."""
        return [kind.name for kind in self.kinds_]

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the table's columns in fit, where it had names."""
        if not self.__dict__.get("named_"):
            raise AttributeError("feature_names_in_ is there once the encoder is fitted to a table with names")
        return np.array(self.feature_names_in, dtype=object)

    @property
    def columns_(self) -> list[dict[str, Any]]:
        """One plain description a table column, see the class."""
        check_is_fitted(self)
        return [kind.describe() for kind in self.kinds_]

    @property
    def code_columns_(self) -> list[dict[str, Any]]:
        """The columns of the matrix that hold codes: name of the table's column, place, number and names of codes."""
        check_is_fitted(self)
        return [
            {"name": kind.name, "column": start, "n_codes": kind.n_codes, "labels": kind.code_labels}
            for kind, start in zip(self.kinds_, self._starts, strict=False)
            if isinstance(kind, Category) and kind.coded
        ]

    @property
    def number_columns_(self) -> list[int]:
        """The columns of the matrix that hold scaled numbers: numbers, durations, elapsed days and years."""
        check_is_fitted(self)
        starts = zip(self.kinds_, self._starts, strict=False)
        return [start + place for kind, start in starts for place in kind.scaled]

    def to_data(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The fitted encoder as plain data: JSON-ready values, and arrays (none at present)."""
        options = {
            "input_scaling": self.input_scaling,
            "columns": self.columns,
            "max_levels": int(self.max_levels),
            "min_count": self.min_count if isinstance(self.min_count, str) else int(self.min_count),
            "codes_above": None if self.codes_above is None else int(self.codes_above),
            "dtype": np.dtype(self.dtype).name,
        }
        kinds = [kind.plain() for kind in self.kinds_]
        return {"options": options, "owner": self.owner, "named": self.named_, "columns": kinds}, {}

    @classmethod
    def from_data(cls, data: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> TableEncoder:
        """The encoder that `to_data` described; ModelFileError or OptionError where the data is no description.

        Options that this version does not know are left aside.
        """
        fields = Fields(data, "encoder")
        options = fields.fields("options")
        encoder = cls(**{name: options.value(name) for name in cls._get_param_names() if name in options})
        encoder._checked_choices()
        kinds = [kind_from_plain(column) for column in fields.records("columns")]
        encoder.owned_by(fields.text("owner"))._keep(kinds, fields.flag("named"))
        return encoder

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` has been called."""
        return "kinds_" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: tables may have missing values, categories and text, and be sparse."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _require_values(table: Table, choices: list[Choice]) -> None:
    columns = zip(table.names, table.columns, choices, strict=True)
    empty = [name for name, values, choice in columns if choice.kind != "drop" and missing_mask(values).all()]
    if len(empty) == 1:
        raise DataError("holds no value at all", column=empty[0], remedy="Drop it before training.")
    if empty:
        raise DataError(
            f"has columns without any value: {listed(empty)}", argument="X", remedy="Drop them before training."
        )


def _warn_of_equal_numbers(table: Table, kinds: list[Kind]) -> None:
    for values, kind in zip(table.columns, kinds, strict=True):
        if isinstance(kind, Number) and not kind.varies and differ_exactly(values):
            x = float(as_numbers(kind.name, values)[~missing_mask(values)][0])
            warn(
                EqualNumbersWarning(
                    f"column {kind.name!r}: its whole numbers differ, but are all {x!r} in float64; it was left out as "
                    f"constant. Subtract the smallest of them, or take them for names with "
                    f"columns={{{kind.name!r}: 'category'}}."
                )
            )


def _warn_of_identifiers(table: Table, kinds: list[Kind]) -> None:
    """Name the columns whose levels were left out: those of names, and those in which every level is rare."""
    columns = zip(kinds, table.columns, strict=True)
    found = [(kind, values) for kind, values in columns if isinstance(kind, Category) and kind.is_identifier]
    names = [kind.name for kind, values in found if is_nearly_unique(kind.n_levels, values)]
    rare = [kind.name for kind, _ in found if kind.name not in names]
    for listing, reason in (
        (names, "nearly every value is different (names, identifiers), which says nothing about new rows"),
        (rare, "every level is in fewer rows than min_count asks for, too few to learn much from"),
    ):
        if listing:
            noun, pronoun = ("columns", "them") if len(listing) > 1 else ("column", "it")
            warn(
                NearlyUniqueWarning(
                    f"{noun} {listed(listing)}: {reason}; the levels were left out. Keep {pronoun} with "
                    f"columns={{{listing[0]!r}: 'category'}}, or silence this warning with 'drop' in its place."
                )
            )
