"""`columns=`: what a caller says about columns, checked against the table.

columns={
    "zip": "category",                               # a kind: number, category, date, duration
    "comment": "drop",                               # left out
    "price": {"scaling": "quantile"},                # the kind as it is found, with an option
    "city": {"kind": "category", "max_levels": 500, "min_count": 1},
}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.errors import ColumnError, OptionError, nearest, require_choice
from glassnet.tables.number import SCALINGS

__all__ = ["Choice", "choices_of", "require_level_count", "require_names"]

DROP = "drop"
# Kind -> its options. "auto" is the kind that the column's values say, "drop" leaves the column out.
OPTIONS: dict[str, tuple[str, ...]] = {
    "auto": ("scaling", "missing", "max_levels", "min_count"),
    "number": ("scaling", "missing"),
    "category": ("missing", "max_levels", "min_count"),
    "date": ("scaling", "missing"),
    "duration": ("scaling", "missing"),
    DROP: (),
}


@dataclass(frozen=True)
class Choice:
    """What was said of one column; None where nothing was.

    scaling : of its numbers.   missing : True writes an indicator also where fit saw nothing missing.
    max_levels, min_count : of a category, as for the whole table.
    """

    kind: str = "auto"
    scaling: str | None = None
    missing: bool = False
    max_levels: int | None = None
    min_count: int | None = None


def choices_of(columns: Any) -> dict[str, Choice]:
    """The choices in `columns=`, None or a mapping from names; OptionError for an unknown kind, option or value."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise OptionError(
            "must be a dict from names of columns",
            argument="columns",
            value=columns,
            remedy="For example {'zip': 'category', 'comment': 'drop'}.",
        )
    return {name: _choice(name, given) for name, given in columns.items()}


def _choice(name: Any, given: Any) -> Choice:
    argument = f"columns[{name!r}]"
    if not isinstance(name, str):
        raise OptionError("must have names that are strings", argument="columns", value=name)
    options = dict(given) if isinstance(given, Mapping) else {"kind": given}
    kind = options.pop("kind", "auto")
    require_choice(argument, kind, OPTIONS)
    for option in options:
        if option not in OPTIONS[kind]:
            known = ", ".join(OPTIONS[kind]) or "none"
            raise OptionError(
                f"has no option {option!r}", argument=argument, value=given, remedy=f"Options of {kind!r}: {known}."
            )
    if "scaling" in options:
        require_choice(f"{argument}['scaling']", options["scaling"], SCALINGS)
    if not isinstance(options.get("missing", False), bool):
        raise OptionError("must be True or False", argument=f"{argument}['missing']", value=options["missing"])
    for option in ("max_levels", "min_count"):
        if option in options:
            require_level_count(f"{argument}[{option!r}]", options[option])
    return Choice(kind, **options)


def require_level_count(argument: str, value: Any) -> None:
    """OptionError unless `value` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise OptionError("must be a whole number of at least 1", argument=argument, value=value)


def require_names(choices: Mapping[str, Choice], names: Sequence[str]) -> None:
    """ColumnError, with the nearest name, for a choice about a column that is not in the table."""
    for name in choices:
        if name not in names:
            guess = nearest(name, names)
            raise ColumnError(
                "named by columns= is not in the table",
                column=name,
                remedy=f"Did you mean {guess!r}?" if guess else None,
            )
