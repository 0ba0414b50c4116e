"""Plain data as JSON text: what every language can read, and no more than that."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from glassnet.errors import ModelFileError

__all__ = ["from_json", "to_json"]

_DEEPEST = 64  # levels of nesting: far above any model, far below what exhausts a parser's stack


def to_json(value: Any, name: str) -> str:
    """The JSON text of dicts, lists, text, numbers, True, False and None; a tuple is written as a list.

    Dicts keep their order, so the same value gives the same text. Raises ModelFileError that names the place,
    such as name['layers'][2]['rate'], for anything else: another type, a key that is no text, a number that is
    not finite, nesting of more than 64 levels.
    """
    _check(value, name, 0)
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _check(value: Any, place: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ModelFileError(f"is nested more than {_DEEPEST} levels deep", argument=place)
    if value is None or isinstance(value, (str, bool, int)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ModelFileError("must be a finite number", argument=place, value=value, remedy="Write None instead.")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ModelFileError("must have keys that are text", argument=place, value=key)
            _check(item, f"{place}[{key!r}]", depth + 1)
    else:
        raise ModelFileError(
            "must be a dict, list, text, number, True, False or None",
            argument=place,
            value=value,
            remedy=f"{type(value).__name__} has no place in JSON{_instead(value)}.",
        )


def _instead(value: Any) -> str:
    if hasattr(value, "ndim") and hasattr(value, "tolist"):  # a NumPy number or array
        return ": convert it with .tolist(), or store it among the arrays"
    return ": convert it first"


def from_json(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError when it is none (NaN and Infinity are not JSON either)."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
