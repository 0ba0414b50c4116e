"""Compiled kernels kept on disk, so that each is compiled once per machine.

One file per kernel, in a folder whose name is a digest of everything its bytes depend on: the sources of the engine
and of the formulas, the versions of the compiler, Python and the processor. A changed formula thus looks into another
folder and never finds code of the old one. A file that is damaged, or that another user could have written, is not
used. Where nothing can be read or written the cache is always empty, and kernels live as long as their process.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

__all__ = ["KernelCache", "cache_folder", "default_cache", "key_of"]

_log = logging.getLogger(__name__)

MAGIC = b"glassnet kernel 1\n"  # the digest of the object code follows, then the code
UNUSED_DAYS = 90.0  # folders of other keys go when they were not used for so long

PACKAGE = Path(__file__).resolve().parents[1]


class KernelCache:
    """Object code by name, in the files of one folder (None: nowhere, nothing is ever found).

    Its methods never raise because of the folder: what cannot be read is missing, what cannot be written is dropped.
    """

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self.directory = None if directory is None else Path(directory)

    def get(self, name: str) -> bytes | None:
        """The object code kept under `name`; None when there is none that can be trusted."""
        if self.directory is None:
            return None
        path = self.directory / f"{name}.kernel"
        try:
            if not _ours_alone(os.stat(self.directory)):
                _log.debug("%s may be written by other users and is not used", self.directory)
                return None
            with open(path, "rb") as file:
                if not _ours_alone(os.fstat(file.fileno())):
                    _log.debug("%s may be written by other users and is not used", path)
                    return None
                content = file.read()
        except OSError as error:
            _log.debug("no kernel from %s: %s", path, error)
            return None
        start = len(MAGIC) + hashlib.sha256().digest_size
        code = content[start:]
        if content[:start] != MAGIC + hashlib.sha256(code).digest():
            _log.debug("%s is damaged and is thrown away", path)
            with suppress(OSError):
                path.unlink()
            return None
        return code

    def put(self, name: str, code: bytes) -> None:
        """Keep `code` under `name`, as a whole or not at all; several processes may do so at once."""
        if self.directory is None:
            return
        try:
            self._make_folder()
            temporary = self.directory / f".{name}-{secrets.token_hex(8)}.tmp"
            try:
                with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600), "wb") as file:
                    file.write(MAGIC + hashlib.sha256(code).digest() + code)
                os.replace(temporary, self.directory / f"{name}.kernel")
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
        except OSError as error:
            _log.debug("the kernel %s is not kept in %s: %s", name, self.directory, error)

    def used(self) -> None:
        """Say that the folder was used now: those unused for long are removed when another version makes its own."""
        if self.directory is not None:
            with suppress(OSError):
                os.utime(self.directory)

    def _make_folder(self) -> None:
        assert self.directory is not None
        if self.directory.is_dir():
            return
        for folder in (*reversed(self.directory.parents), self.directory):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
        _remove_unused(self.directory)


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would else translate line ends


def _ours_alone(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to this user and nobody else may write to it; always so where we cannot tell."""
    if os.name != "posix":
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _remove_unused(directory: Path) -> None:
    """Remove the folders beside `directory` that hold kernels and were not used for 90 days."""
    before = time.time() - UNUSED_DAYS * 86400.0
    with suppress(OSError):
        for folder in directory.parent.iterdir():
            with suppress(OSError):
                if folder != directory and _is_key(folder.name) and folder.stat().st_mtime < before:
                    shutil.rmtree(folder, ignore_errors=True)


def _is_key(name: str) -> bool:
    return len(name) == _KEY_DIGITS and set(name) <= set("0123456789abcdef")


_KEY_DIGITS = 32


def cache_folder() -> Path | None:
    """The folder for everything glassnet keeps: GLASSNET_CACHE_DIR, or the system's place for caches.

    That is $XDG_CACHE_HOME/glassnet or ~/.cache/glassnet on Linux, ~/Library/Caches/glassnet on macOS,
    %LOCALAPPDATA%\\glassnet\\Cache on Windows. None when there is no home.
    """
    chosen = os.environ.get("GLASSNET_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home() / "AppData" / "Local") / "glassnet" / "Cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "glassnet"
        xdg = os.environ.get("XDG_CACHE_HOME", "")
        return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache") / "glassnet"  # relative ones do not count
    except RuntimeError:  # no home
        return None


def default_cache() -> KernelCache:
    """The cache of this version of glassnet on this machine; see `cache_folder` and `key_of`."""
    folder = cache_folder()
    if folder is None:
        return KernelCache(None)
    try:
        return KernelCache(folder / "kernels" / _key_of_package())
    except OSError as error:  # the sources cannot be read: from a zip file, say
        _log.debug("kernels are not kept: %s", error)
        return KernelCache(None)


@functools.cache
def _key_of_package() -> str:
    return key_of(sorted(path for room in ("engine", "maths") for path in (PACKAGE / room).rglob("*.py")))


def key_of(sources: Iterable[Path]) -> str:
    """A digest of all that the kernels' bytes depend on: these files, the compiler's versions, the processor.

    Raises OSError when a source cannot be read, or when there is none.
    """
    import llvmlite.binding as llvm

    from glassnet import __version__
    from glassnet.engine.compiler import host_features

    facts = [
        __version__,
        *(f"{package} {_version(package)}" for package in ("numba", "llvmlite")),
        f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}",
        platform.system(),
        platform.machine(),
        llvm.get_host_cpu_name(),
        host_features(),
    ]
    digest = hashlib.sha256("\n".join(facts).encode())
    n = 0
    for path in sources:
        content = path.read_bytes()
        digest.update(f"\n{path.parent.name}/{path.name} {len(content)}\n".encode())
        digest.update(content)
        n += 1
    if not n:
        raise FileNotFoundError("the sources of the kernels are missing")
    return digest.hexdigest()[:_KEY_DIGITS]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
