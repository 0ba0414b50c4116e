"""The addresses of kernels: from this process, else from the cache, else compiled now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from glassnet.engine import compiler
from glassnet.engine.cache import KernelCache, default_cache

__all__ = ["addresses"]

SECONDS_EACH = 0.4  # what a kernel takes to compile, on average
WORTH_SAYING = 1.0  # seconds

_loaded: dict[str, int] = {}


def addresses(
    wanted: Mapping[str, Callable[[], Callable[..., None]]],
    announce: Callable[[int], Any] | None = None,
    cache: KernelCache | None = None,
) -> dict[str, int]:
    """The addresses of the wanted kernels by name; what is neither loaded nor in the cache is compiled.

    wanted   : for each name, which stands for one kernel in this version of glassnet, a function that makes the Python
               function to be compiled. It is called only then, and so is where Numba is imported.
    announce : called once with the number of kernels to be compiled when that takes more than about a second.
    cache    : where object code is kept, `default_cache()` if None.

    Raises what `compiler.object_code` raises, CompilerUnavailable for one.
    """
    found = {name: _loaded[name] for name in wanted if name in _loaded}
    if len(found) == len(wanted):
        return found
    kept = default_cache() if cache is None else cache
    # One thread at a time: what two want at once is compiled once.
    with compiler.exclusive():
        on_disk = {name: code for name in wanted if name not in _loaded and (code := kept.get(name)) is not None}
        if on_disk:
            kept.used()
            with suppress(RuntimeError):  # whole, but not to be loaded in this process: compiled again
                _loaded.update(compiler.load(on_disk))
        missing = [name for name in wanted if name not in _loaded]
    if missing and announce is not None and len(missing) * SECONDS_EACH > WORTH_SAYING:
        announce(len(missing))
    for name in missing:
        with compiler.exclusive():  # closed for one kernel at a time, since a fork waits for it
            if name not in _loaded:
                code = compiler.object_code(wanted[name](), name)
                kept.put(name, code)
                _loaded.update(compiler.load({name: code}))
    return {name: _loaded[name] for name in wanted}
