"""The symbols of a kernel's code: what it may call, and what an object file expects from elsewhere.

A kernel is kept on disk and loaded into other processes, so all it calls must be there under the same name: C's
mathematics, and little else. LLVM would end the process over a name that it cannot find.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

__all__ = ["strange", "undefined_symbols"]

# LLVM turns loops into the mem… functions; the rest is C's mathematics, the yielding of a waiting thread's turn, and
# the check of the stack that Windows asks of a large frame.
MATHEMATICS = (
    "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor fma fmax"
    " fmin fmod hypot ldexp log log10 log1p log2 nearbyint pow rint round roundeven sin sincos sinh sqrt tan tanh"
    " tgamma trunc"
)
ALLOWED = frozenset(
    {name + ending for name in MATHEMATICS.split() for ending in ("", "f")}
    | {"memcpy", "memmove", "memset", "bzero", "memset_pattern16", "sched_yield", "SwitchToThread", "__chkstk"}
)

SYMBOL_TABLE = 2  # the kind of a section, SHT_SYMTAB
ENTRY = struct.Struct("<IBBHQQ")  # of that table, Elf64_Sym: name, info, other, section, value, size


def strange(symbols: Iterable[str]) -> list[str]:
    """Those of the symbols that no kernel may use, sorted."""
    return sorted(set(symbols) - ALLOWED)


def undefined_symbols(code: bytes) -> list[str]:
    """The symbols that an object of the format ELF expects from elsewhere; none for other formats (macOS).

    LLVM makes ELF objects for its own loader on Windows too. Source: System V ABI, chapter 4, symbol table.
    """
    if code[:6] != b"\x7fELF\x02\x01":  # 64 bits, little endian
        return []
    (sections_at,) = struct.unpack_from("<Q", code, 0x28)
    entry_size, n_sections = struct.unpack_from("<HH", code, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, sections_at + i * entry_size) for i in range(n_sections)]
    found = []
    for _, kind, _, _, at, size, link, *_ in sections:
        if kind != SYMBOL_TABLE:
            continue
        names_at = sections[link][4]
        for entry in range(at + ENTRY.size, at + size, ENTRY.size):  # the first one is void
            name, _, _, section, _, _ = ENTRY.unpack_from(code, entry)
            if section == 0 and name:
                start = names_at + name
                found.append(code[start : code.index(b"\0", start)].decode())
    return found
