"""Model files as somebody would write them who means harm: mutations of good ones that know how a file is built.

Random bytes hardly get past the first check. So a file is taken apart, into the table of its arrays, its header and
their bytes; something in it is replaced, left out, doubled or moved; and it is put together again, so that lengths and
places are right unless they are what was changed. `mutated(random, files)` is a pure function of the random numbers.
"""

from __future__ import annotations

import copy
import json
import struct
from random import Random
from typing import Any, NamedTuple

__all__ = ["HOSTILE", "RAW", "File", "mutated", "places_in", "replaced", "taken_apart"]


class File(NamedTuple):
    """A model file taken apart: the table without its metadata, our header, and the bytes of the arrays."""

    table: dict[str, Any]
    header: Any
    content: bytes

    def __repr__(self) -> str:
        """Short, because a test that fails on a mutation prints the models it began with."""
        return f"File({len(self.table)} arrays, {len(self.content)} bytes of numbers)"

    def joined(self) -> bytes:
        """The file."""
        return joined(self.table, json.dumps(self.header), self.content)


def joined(table: dict[str, Any], header: str, content: bytes) -> bytes:
    """A file from its parts, the header as text that need not be JSON."""
    text = json.dumps({"__metadata__": {"glassnet": header}, **table}).encode()
    return struct.pack("<Q", len(text)) + text + content


def taken_apart(content: bytes) -> File:
    """The parts of a good file."""
    length = struct.unpack("<Q", content[:8])[0]
    table = json.loads(content[8 : 8 + length])
    header = json.loads(table.pop("__metadata__")["glassnet"])
    return File(table, header, content[8 + length :])


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


# Values for any place, whatever stands there.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, 2**53, 2**63, 2**64, 10**30, 10**300, -(10**30)),
    *(0.0, -0.0, 0.5, -0.5, 1.5, 1e308, -1e308, 5e-324, 1e-300, 3.5e38, float("nan"), float("inf"), float("-inf")),
    *("", "a", "auto", "none", "relu", "adam", "F32", "float16", "<U99999999", "O", "<M8[us]", "V8", "é漢😀", "\ud800"),
    *("\x00", "\x1b[2J\x07", "../../etc/passwd", "__class__", "os.system('id')", "x" * 5000, "9" * 5000, "1e999999999"),
    *([], {}, [[]], [None], [0], [1, 2], ["a", "b"], [0.5] * 300, [[1, 2], [3, 4]], deep(70), deep(120)),
    *(
        {"": {}},
        {"name": "adam"},
        {"kind": "Dense"},
        {"kind": "Dense", "units": 2**40},
        {"bytes": "\xff"},
        {"classes": []},
    ),
)

# Texts of JSON that `json.dumps` does not write, in place of a value.
RAW = (
    *("1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 400, "1" + "0" * 5000, "[" * 3000 + "]" * 3000, '"\\ud800"'),
    *('{"a":1,"a":2}', "{", "]", "'a'", "0x10", "01", "1.", "tru", '"\\x"', "/* */1", ""),
)

_MARK = "@the raw text goes here@"


def places_in(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all parts of plain data, as keys and numbers from the outside inwards; () is the whole."""
    found = [here]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        found += places_in(part, (*here, key))
    return found


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """Plain data with something else in one place; the rest is shared."""
    if not place:
        return new
    value, parent = opened(value, place)
    parent[place[-1]] = new
    return value


def opened(value: Any, place: tuple[Any, ...]) -> tuple[Any, Any]:
    """Plain data whose part around a place may be changed, and that part; the rest is shared."""
    outermost = parent = copy.copy(value)
    for key in place[:-1]:
        parent[key] = copy.copy(parent[key])
        parent = parent[key]
    return outermost, parent


def at(value: Any, place: tuple[Any, ...]) -> Any:
    """What stands in a place."""
    for key in place:
        value = value[key]
    return value


# --- mutations of plain data: of the header, or of the table ---------------------------------------------------------


def _replace(random: Random, value: Any) -> Any:
    return replaced(value, random.choice(places_in(value)), random.choice(HOSTILE))


def _nudge(random: Random, value: Any) -> Any:
    """Another number close by, or the opposite of a truth value: what is still plausible gets furthest."""
    numbers = [place for place in places_in(value) if isinstance(at(value, place), int | float)]
    if not numbers:
        return value
    place = random.choice(numbers)
    old = at(value, place)
    if isinstance(old, bool):
        return replaced(value, place, not old)
    return replaced(value, place, random.choice((old + 1, old - 1, 2 * old, -old, old / 2, float(old), str(old))))


def _leave_out(random: Random, value: Any) -> Any:
    place = random.choice(places_in(value)[1:] or [()])
    if not place:
        return value
    value, parent = opened(value, place)
    del parent[place[-1]]
    return value


def _double(random: Random, value: Any) -> Any:
    """An element of a list twice or many times, or an entry under another key."""
    place = random.choice(places_in(value)[1:] or [()])
    if not place:
        return value
    value, parent = opened(value, place)
    key = place[-1]
    if isinstance(parent, list):
        parent[key:key] = [parent[key]] * random.choice((1, 1, 2, 1000))
    else:
        parent[random.choice((key + "_", "unknown", key.upper(), "kind", "name", ""))] = parent[key]
    return value


def _move(random: Random, value: Any) -> Any:
    """One part in the place of another, of the same file."""
    places = places_in(value)
    return replaced(value, random.choice(places), at(value, random.choice(places)))


IN_DATA = (_replace, _replace, _nudge, _nudge, _leave_out, _double, _move)


# --- mutations of a file ---------------------------------------------------------------------------------------------


def _in_header(random: Random, file: File, others: list[File]) -> File:
    return file._replace(header=random.choice(IN_DATA)(random, file.header))


def _in_table(random: Random, file: File, others: list[File]) -> File:
    table = random.choice(IN_DATA)(random, file.table)
    return file._replace(table=table if isinstance(table, dict) else {"a": table})


def _in_numbers(random: Random, file: File, others: list[File]) -> File:
    """Some numbers of the arrays: not finite, enormous, or other bits."""
    content = bytearray(file.content)
    for _ in range(random.choice((1, 1, 3, 20))):
        if content:
            start = random.randrange(len(content)) & ~3
            odd = random.choice(
                (struct.pack("<f", 3e38), b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", random.randbytes(4))
            )
            content[start : start + 4] = odd[: len(content) - start]
    return file._replace(content=bytes(content))


def _of_another(random: Random, file: File, others: list[File]) -> File:
    """A part of one model in another: each is well made."""
    other = random.choice(others)
    if not isinstance(file.header, dict) or not isinstance(other.header, dict):
        return file
    if random.random() < 0.2:
        return File(other.table, file.header, other.content)
    key = random.choice(sorted(file.header) or ["layers"])  # an earlier mutation may have left no key
    return file._replace(header={**file.header, key: other.header.get(key)})


IN_FILE = (_in_header, _in_header, _in_header, _in_header, _in_table, _in_numbers, _of_another)


# --- mutations of bytes ----------------------------------------------------------------------------------------------


def _raw(random: Random, file: File) -> bytes:
    """JSON that nobody writes, in the header or in the table."""
    text = random.choice(RAW)
    if random.random() < 0.7:
        header = json.dumps(replaced(file.header, random.choice(places_in(file.header)), _MARK))
        return joined(file.table, header.replace(f'"{_MARK}"', text), file.content)
    table = replaced(file.table, random.choice(places_in(file.table)[1:] or [()]), _MARK)
    content = joined(table if isinstance(table, dict) else {}, json.dumps(file.header), file.content)
    return content.replace(f'"{_MARK}"'.encode(), text.encode())


def _bytes(random: Random, file: File) -> bytes:
    content = bytearray(file.joined())
    for _ in range(random.choice((1, 1, 2, 8))):
        content[random.randrange(len(content))] = random.randrange(256)
    return bytes(content)


def _length(random: Random, file: File) -> bytes:
    content = file.joined()
    length = struct.unpack("<Q", content[:8])[0]
    odd = random.choice((0, 1, length - 1, length + 1, 2**31, 2**32, 2**63, 2**64 - 1, len(content)))
    return struct.pack("<Q", odd) + content[8:]


def _cut(random: Random, file: File) -> bytes:
    content = file.joined()
    cut = random.randrange(len(content))
    return random.choice((content[:cut], content[cut:], content + content[:cut], content[:cut] + content[cut // 2 :]))


IN_BYTES = (_raw, _raw, _bytes, _length, _cut)


def mutated(random: Random, files: list[File]) -> bytes:
    """A hostile file made from one of the good ones, by one to three mutations."""
    file = random.choice(files)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        file = random.choice(IN_FILE)(random, file, files)
    if random.random() < 0.15:
        return random.choice(IN_BYTES)(random, file)
    return file.joined()
