"""Plain data as JSON text: what every language can read, and no more than that."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any, NoReturn

from glassnet.errors import ModelFileError
from glassnet.files.weighing import LIGHT, weight_of

__all__ = ["from_json", "string_of", "to_json"]

_DEEPEST = 64  # levels of nesting: far above any model, far below what exhausts a parser's stack
_LARGEST = int(sys.float_info.max)  # whatever is written in digits alone must still be a float64
_HALF = re.compile("[\ud800-\udfff]")


def to_json(value: Any, name: str) -> str:
    """The JSON text of dicts, lists, text, numbers, True, False and None; a tuple is written as a list.

    Dicts keep their order, so the same value gives the same text. Raises ModelFileError that names the place,
    such as name['layers'][2]['rate'], for anything else: another type, a key that is no text, a number that is
    not finite in float64, half a character (a lone surrogate), nesting of more than 64 levels.
    """
    _check(value, name, 0)
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _check(value: Any, place: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ModelFileError(f"is nested more than {_DEEPEST} levels deep", argument=place)
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ModelFileError("must have keys that are text", argument=place, value=key)
            _check_text(key, place)
            _check(item, f"{place}[{key!r}]", depth + 1)
    elif isinstance(value, str):
        _check_text(value, place)
    else:
        _check_number(value, place)


def _check_number(value: Any, place: str) -> None:
    """A number, True, False or None."""
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ModelFileError("must be a number that float64 can hold", argument=place, value=value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ModelFileError("must be a finite number", argument=place, value=value, remedy="Write None instead.")
    else:
        raise ModelFileError(
            "must be a dict, list, text, number, True, False or None",
            argument=place,
            value=value,
            remedy=f"{type(value).__name__} has no place in JSON{_instead(value)}.",
        )


def _check_text(text: str, place: str) -> None:
    if not text.isascii() and _HALF.search(text):
        remedy = "Half a character (a lone surrogate) has no place in a file."
        raise ModelFileError("must be text that UTF-8 can hold", argument=place, value=text, remedy=remedy)


def _instead(value: Any) -> str:
    if hasattr(value, "ndim") and hasattr(value, "tolist"):  # a NumPy number or array
        return ": convert it with .tolist(), or store it among the arrays"
    return ": convert it first"


def from_json(text: str | bytes, most: int | None = None) -> Any:
    """The value of a JSON text; ValueError when it is none, or more than `to_json` writes.

    That is a key twice in one object, a number beyond float64 (NaN and Infinity are no JSON at all), half a character,
    or nesting of more than 64 levels. Bytes are ASCII: of others the parser would guess an encoding, and in UTF-16 the
    marks that it sees are not those that were weighed.

    most : bytes of memory that the value may take, which are found out before it is made, see `weighing`; None where
        the text is trusted to be small.
    """
    if most is not None and len(text) > LIGHT:
        weight = weight_of(text.encode() if isinstance(text, str) else text)
        if weight > most:
            raise ValueError(f"it would take {weight:,} bytes of memory, and for its size no more than {most:,}")
    try:
        text = text if isinstance(text, str) else text.decode("ascii")
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_dict_of)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_read(value)
    return value


def string_of(literal: bytes) -> str:
    """The text that a string of JSON in ASCII, with its quotation marks, stands for; ValueError where it is none.

    The parser cuts a string at each escape, and the pieces of a text that is JSON itself take twenty times its length.
    Here they are replaced in passes over the whole, where no other escapes are used than such a text needs.
    """
    inside = literal[1:-1]
    if b"\0" in inside or len(literal) < 2 or not literal.endswith(b'"'):
        raise ValueError("a string is not complete")
    bare = inside.replace(b"\\\\", b"\0").replace(b'\\"', b'"')
    if b"\\" in bare or any(byte in bare for byte in (b"\n", b"\r", b"\t")):  # others: rare, and for the parser
        return json.loads(literal)
    return bare.replace(b"\0", b"\\").decode("ascii")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _dict_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # readers differ in which of two they take, so a file could say two things at once
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:40]!r} stands twice in one object")
    return found


def _check_read(value: Any) -> None:
    """ValueError for what `to_json` would refuse. Level by level: there is no stack that deep nesting could exhaust."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    _check_scalar(key)
                below += item.values()
            elif isinstance(item, list):
                below += item
            else:
                _check_scalar(item)
        if not below:
            return
        level = below
    raise ValueError(f"nested more than {_DEEPEST} levels deep")


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        if not value.isascii() and _HALF.search(value):
            raise ValueError("a text holds half a character (a lone surrogate)")
    elif (isinstance(value, float) and not math.isfinite(value)) or (type(value) is int and abs(value) > _LARGEST):
        raise ValueError("a number is too large")
