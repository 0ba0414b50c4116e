"""The symbols of a kernel's code, read from an object file that is put together by hand."""

import struct

import pytest

from glassnet.engine.symbols import strange, undefined_symbols


def elf(symbols, beginning=b"\x7fELF\x02\x01"):
    """An object file with a table of symbols [(name, number of the section that defines it, 0 for none)]."""
    names, table = b"\0", bytes(24)  # the first symbol is void
    for name, section in symbols:
        table += struct.pack("<IBBHQQ", len(names) if name else 0, 0x10, 0, section, 0, 0)
        names += name.encode() + b"\0" if name else b""
    names_at, table_at = 64, 64 + len(names)
    sections = [(0, 0, 0, 0), (3, names_at, len(names), 0), (2, table_at, len(table), 1)]  # kind, place, size, link
    header = bytearray(beginning.ljust(64, b"\0"))
    struct.pack_into("<Q", header, 0x28, table_at + len(table))
    struct.pack_into("<HH", header, 0x3A, 64, len(sections))
    rows = [struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, at, n, link, 0, 0, 24) for kind, at, n, link in sections]
    return bytes(header) + names + table + b"".join(rows)


def test_symbols_that_no_section_defines_are_found_in_their_order():
    code = elf([("glassnet_train", 1), ("memset", 0), ("", 0), ("fmodf", 0), ("local", 2)])
    assert undefined_symbols(code) == ["memset", "fmodf"]
    assert undefined_symbols(elf([])) == []


@pytest.mark.parametrize("beginning", [b"\xcf\xfa\xed\xfe\x07\x00", b"\x7fELF\x01\x01", b""])
def test_other_formats_are_not_read(beginning):
    assert undefined_symbols(elf([("memset", 0)], beginning)) == []


def test_mathematics_of_both_types_and_little_else_may_be_called():
    assert strange(["exp", "expf", "memcpy", "sched_yield"]) == []
    assert strange(["system", "exp", "malloc", "malloc", "NRT_Allocate"]) == ["NRT_Allocate", "malloc", "system"]
