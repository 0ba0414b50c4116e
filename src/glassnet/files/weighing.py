"""What the value of a JSON text will weigh in memory, found out before it is made.

Two bytes of "[]" become seventy-two in memory, and a text of a stranger may hold nothing else. So the text is looked at
without its strings: what is left says how many lists, objects, keys and numbers there will be, and each has its weight.
Weights are those of CPython on 64 bits, rounded up; keys that are the same are one object, as in the rows of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

__all__ = ["LIGHT", "long_string", "weight_of"]

LIGHT = 2**19  # bytes of a text that need not be weighed: it takes no more than 32 MiB whatever it says

LIST, NUMBER, STRING = 96, 32, 64
ELEMENT = 18  # a place in its list, and in the list of those to be checked
KEY = 200  # one that is new: the string, and its entries in the tables of the parser
FEW, SMALL, MEDIUM, EACH = 5, 240, 360, 110  # objects of up to 5 keys, of up to 10, and each key of a larger one
PAIR = 72  # a key with its value while its object is not complete
ESCAPED = 24  # a byte of a string with escapes, which the parser cuts at each of them before it joins the pieces
MOST_SEEN = 50_000  # different keys; more than columns have names

# A string, with the colon that makes it a key. It matches at every quotation mark, also where a string never ends, and
# does not go back into it: else it would be tried again at each mark inside, in time that grows with the square.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STRING_OR_KEY = re.compile(_STRING.pattern + rb"(\s*+:)?", re.DOTALL)
_SLICE = 2**20  # bytes of the text that are looked at together
_NO_OBJECT = bytes(set(range(256)) - set(b"{}:"))


def weight_of(text: bytes) -> int:
    """Bytes that the value of a JSON text takes in memory, at most and about; the text's own are left out.

    Of what is no JSON it is the weight of what a parser makes before it finds out.
    """
    counts, tokens = dict.fromkeys(b'[{,:"', 0), []
    for bare in _without_strings(text):
        for token in counts:
            counts[token] += bare.count(token)
        tokens.append(bare.translate(None, delete=_NO_OBJECT))
    n_lists, n_objects, n_commas, n_keys, n_marks = counts.values()
    n_values = n_commas + n_lists + n_objects + 1
    lists = n_lists * LIST + max(n_values - n_keys, 0) * ELEMENT + n_values * NUMBER
    strings = max(n_marks // 2 + 1 - n_keys, 0) * STRING + len(text)
    keys, longest = _keys_and_longest(text)
    return lists + strings + _objects(b"".join(tokens)) + keys * KEY + longest * ESCAPED


def _without_strings(text: bytes) -> Iterator[bytes]:
    """The text in slices, of its strings the marks alone."""
    inside = start = 0
    while start < len(text):
        part = text[start : start + _SLICE]
        if (len(part) - len(part.rstrip(b"\\"))) % 2:  # the last one belongs to the next byte
            part = text[start : start + len(part) + 1]
        start += len(part)
        array = np.frombuffer(part.replace(b"\\\\", b"__").replace(b'\\"', b"__"), np.uint8)
        marks = array == ord('"')
        within = (np.cumsum(marks, dtype=np.uint8) + np.uint8(inside)) & 1  # counted modulo 256
        yield array[marks | (within == 0)].tobytes()
        inside = int(within[-1])


def _objects(tokens: bytes) -> int:
    """The weight of all objects, and of the pairs of those that are open at one time, from braces and colons."""
    array = np.frombuffer(tokens, np.uint8)
    keys, closing = array == ord(":"), array == ord("}")
    depth = np.cumsum((array == ord("{")).astype(np.int8) - closing.astype(np.int8), dtype=np.int32)
    weight = 0
    for level in range(1, min(int(depth.max(initial=0)), 100) + 1):  # deeper ones are refused
        places = np.flatnonzero(keys & (depth == level))
        ends = np.searchsorted(places, np.flatnonzero(closing & (depth == level - 1)))
        counts = np.diff(ends, prepend=0, append=len(places))  # of keys in each object, the last maybe unfinished
        weight += SMALL * int((counts <= FEW).sum()) + MEDIUM * int(((counts > FEW) & (counts <= 2 * FEW)).sum())
        weight += EACH * int(counts[counts > 2 * FEW].sum()) + PAIR * int(counts.max(initial=0))
    return weight


def _keys_and_longest(text: bytes) -> tuple[int, int]:
    """How many different keys there are, at most, and the length of the longest string with an escape in it."""
    seen: set[bytes] = set()
    longest = more = 0
    for found in _STRING_OR_KEY.finditer(text):
        if len(found[0]) > longest and b"\\" in found[0]:
            longest = len(found[0])
        if found[1] and len(seen) < MOST_SEEN:
            seen.add(found[0])
        elif found[1]:
            more += 1
    return len(seen) + more, longest


def long_string(text: bytes) -> tuple[int, int] | None:
    """Where the first string of more than `LIGHT` bytes begins and ends, with its quotation marks; None without one."""
    for found in _STRING.finditer(text):
        if found.end() - found.start() > LIGHT:
            return found.span()
    return None
