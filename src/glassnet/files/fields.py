"""Plain data out of a file, taken field by field: its type and range are known before anyone works with it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from glassnet.errors import ModelFileError

__all__ = ["Fields"]

_NEEDED: Any = object()
_LARGEST = sys.float_info.max
_MOST = 2**53  # up to which every language holds whole numbers


class Fields:
    """A dict out of a file, and the place where it stands there, such as "header['encoder']", for errors.

    Each method gives one of its entries, or raises ModelFileError with the place, the rule and the value: where the
    entry is not there, unless there is a default, or is not what was asked for. What nobody asks for is not looked at.
    """

    def __init__(self, data: Any, place: str) -> None:
        if not isinstance(data, dict):
            raise ModelFileError("must be an object with named fields", argument=place, value=data)
        self.data, self.place = data, place

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def place_of(self, name: str) -> str:
        """Where an entry stands."""
        return f"{self.place}[{name!r}]"

    def value(self, name: str, default: Any = _NEEDED) -> Any:
        """An entry, whatever it is."""
        if name in self.data:
            return self.data[name]
        if default is _NEEDED:
            raise ModelFileError("is missing", argument=self.place_of(name))
        return default

    def text(self, name: str, default: Any = _NEEDED) -> str:
        """A text."""
        return self._checked(name, default, "must be text", isinstance(self.value(name, default), str))

    def choice(self, name: str, choices: Iterable[str], default: Any = _NEEDED) -> str:
        """One of several texts."""
        choices, value = list(choices), self.value(name, default)
        rule = f"must be one of {', '.join(map(repr, choices))}"
        return self._checked(name, default, rule, isinstance(value, str) and value in choices)

    def flag(self, name: str, default: Any = _NEEDED) -> bool:
        """True or False."""
        return self._checked(name, default, "must be true or false", isinstance(self.value(name, default), bool))

    def whole(self, name: str, least: int = 0, most: int = _MOST, default: Any = _NEEDED) -> int:
        """A whole number from `least` to `most`."""
        value = self.value(name, default)
        rule = f"must be a whole number from {least} to {most}"
        return self._checked(name, default, rule, type(value) is int and least <= value <= most)

    def number(self, name: str, *, positive: bool = False, default: Any = _NEEDED) -> float:
        """A finite number as a float, if asked above 0."""
        value = self.value(name, default)
        rule = "must be a positive number" if positive else "must be a finite number"
        found = self._checked(name, default, rule, _is_number(value) and (value > 0 or not positive))
        return found if found is default else float(found)

    def numbers(self, name: str, *, positive: bool = False) -> list[float]:
        """A list of finite numbers as floats, if asked all above 0."""
        rule = f"must be a list of {'positive' if positive else 'finite'} numbers"
        holds = all(_is_number(value) and (value > 0 or not positive) for value in self.sequence(name))
        return [float(value) for value in self._checked(name, _NEEDED, rule, holds)]

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        return self._checked(
            name, _NEEDED, "must be a list of texts", all(isinstance(v, str) for v in self.sequence(name))
        )

    def sequence(self, name: str) -> list[Any]:
        """A list of anything."""
        return self._checked(name, _NEEDED, "must be a list", isinstance(self.value(name), list))

    def fields(self, name: str) -> Fields:
        """An object with fields of its own."""
        return Fields(self.value(name), self.place_of(name))

    def records(self, name: str) -> list[Fields]:
        """A list of objects with fields of their own."""
        return [Fields(item, f"{self.place_of(name)}[{k}]") for k, item in enumerate(self.sequence(name))]

    def _checked(self, name: str, default: Any, rule: str, holds: bool) -> Any:
        value = self.value(name, default)
        if not holds and value is not default:
            raise ModelFileError(rule, argument=self.place_of(name), value=value)
        return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_LARGEST <= value <= _LARGEST  # False for NaN
