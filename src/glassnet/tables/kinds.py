"""The kinds of column: number, category, date, duration; and those that were asked to be dropped.

A kind is a small frozen record of plain values (so a fitted table is plain data) with the same members: `fit`; `names`,
one a matrix column it makes; `scaled`, the places of numbers among these; `prepare`, which takes a whole column and
either refuses it, naming the row, or makes it ready; `write`, which encodes some rows of what `prepare` made into its
slice of the matrix; and `plain`, `from_plain` and `describe`. Matrices are float64 there or cast on assignment, after
the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from glassnet.files.fields import Fields
from glassnet.tables.category import Category
from glassnet.tables.missing import missing_mask
from glassnet.tables.moment import Date, Duration
from glassnet.tables.number import Number

__all__ = ["Category", "Date", "Dropped", "Duration", "Kind", "Number", "kind_from_plain", "missing_mask"]


@dataclass(frozen=True)
class Dropped:
    """A column that `columns=` said to leave out: it may hold anything, and need not be there in prediction."""

    kind: ClassVar[str] = "drop"
    name: str

    @property
    def names(self) -> list[str]:
        """No matrix columns."""
        return []

    @property
    def scaled(self) -> list[int]:
        """Places of scaled numbers: none."""
        return []

    def prepare(self, values: Any, dtype: Any) -> Any:
        """Anything."""
        return values

    def write(self, values: Any, out: Any) -> None:
        """Nothing."""

    def plain(self) -> dict[str, Any]:
        """The record as JSON-ready scalars."""
        return {"kind": self.kind, "name": self.name}

    @classmethod
    def from_plain(cls, fields: Fields) -> Dropped:
        """The record that `plain` described; ModelFileError where it did not."""
        return cls(fields.text("name"))

    def describe(self) -> dict[str, Any]:
        """What `info` shows of the column."""
        return {"name": self.name, "kind": self.kind, "missing": False, "width": 0, "left_out": "asked for"}


Kind = Number | Category | Date | Duration | Dropped
KINDS: dict[str, Any] = {kind.kind: kind for kind in (Number, Category, Date, Duration, Dropped)}


def kind_from_plain(fields: Fields) -> Kind:
    """The record that `plain` described; ModelFileError, naming the field, where it did not."""
    return KINDS[fields.choice("kind", KINDS)].from_plain(fields)
