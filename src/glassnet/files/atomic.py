"""Files replaced as a whole: after a crash, a full disk or a power cut there is the old file or the new one.

The new content goes into a temporary file in the same folder, is forced to the disk, and then takes the target's
name in one step of the file system; at last the folder, which holds the name, is forced to the disk as well.

A process that is killed while it writes leaves its temporary file behind, under a name that no reader takes for a
model. The next one that writes to the folder removes it: whoever writes holds a lock on the file, which the system
takes back when the process ends, however it ends. Age alone would not tell a dead writer from a slow one.
"""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which does not let go of a file that another process has open
    fcntl = None  # type: ignore[assignment]

__all__ = ["replacing", "write_bytes"]

_PREFIX, _SUFFIX = ".glassnet-", ".tmp"
_OURS = re.compile(r"\.glassnet-[0-9a-f]{16}\.tmp")
_YOUNG = 10.0  # seconds after which a writer has locked its file, if it is ever to
_OLD = 86_400.0  # seconds after which a file is abandoned where there are no locks to tell
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would else translate line ends


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Make `data` the content of the file `path`, or leave what was there; see `replacing`."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new binary file to write to, which takes the place of `path` when the block ends without an error.

    On any error, an interrupt included, `path` stays as it was and the new file is removed. A replaced file hands
    on its permissions, and a symbolic link stays a link: the file it points to is replaced. Only where the folder
    cannot be forced to the disk, the very last step, the error comes with the new file in place.

    Raises OSError, naming `path`, when the folder does not exist or cannot be written to, when `path` is a
    folder, a device or a read-only file, or when the disk is full.
    """
    target = Path(os.path.realpath(path))
    mode = _permissions(target)
    # Not named after the target, whose name may already be as long as the file system allows.
    temporary = target.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
    with _naming(target, temporary):
        yield from _replaced(target, temporary, mode)


@contextmanager
def _naming(target: Path, temporary: Path) -> Iterator[None]:
    """An error of the system names the target: of a full disk it names no file, of others the temporary one."""
    try:
        yield
    except OSError as error:
        if error.strerror and str(error.filename) in ("None", str(temporary)):
            error.filename = str(target)
            del error.filename2
        raise


def _replaced(target: Path, temporary: Path, mode: int | None) -> Iterator[BinaryIO]:
    """The steps of `replacing`, with the permissions that the file is to have, where there was one."""
    try:
        with _created(temporary) as file:
            if mode is not None:
                os.chmod(temporary, mode)  # before the first byte: it may be no one else's to read
            _remove_abandoned(temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
            # Young once more, so that nobody removes it between the end of the lock and the next line.
            os.utime(temporary)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _permissions(target: Path) -> int | None:
    """The permission bits of the file to be replaced, None when there is none; OSError when it must not be."""
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(target))
    if not os.access(target, os.W_OK):  # replacing needs rights in the folder only, but read-only is meant
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return stat.S_IMODE(found.st_mode)


class _Descriptor(io.FileIO):
    """A file whose writing is a call of `os.write`: every call to the system that can fail stands in this module.

    given_up : from then on nothing is written, whatever is left in the buffer above: the system may give the
        descriptor's number to another file.
    """

    given_up = False

    def write(self, data: Any) -> int:
        """Write some of the bytes, and say how many; the buffer above goes on with the rest."""
        return len(data) if self.given_up else os.write(self.fileno(), data)


@contextmanager
def _created(temporary: Path) -> Iterator[BinaryIO]:
    """The temporary file, new and locked; closed at the end, where a failure counts as one of the writing."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        _lock(descriptor)
        raw = _Descriptor(descriptor, "wb", closefd=False)
        file = io.BufferedWriter(raw)
        try:
            yield file
        finally:  # all is written, or the rest does not matter any more
            raw.given_up = True
            file.close()
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Take the lock of an open file: whether it was free, None where the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _remove_abandoned(temporary: Path) -> None:
    """Remove the temporary files beside `temporary` that processes which were killed have left; never raises."""
    with suppress(OSError):
        now = os.stat(temporary).st_mtime  # by the clock of the file system, which may be another machine's
        for name in os.listdir(temporary.parent):
            if _OURS.fullmatch(name) and name != temporary.name:
                with suppress(OSError):
                    _remove_if_abandoned(temporary.with_name(name), now)


def _remove_if_abandoned(path: Path, now: float) -> None:
    found = os.lstat(path)
    if now - found.st_mtime < _YOUNG or not stat.S_ISREG(found.st_mode):
        return  # its writer may not have come to lock it yet
    if fcntl is None:
        os.unlink(path)  # an error where it is open
        return
    descriptor = os.open(path, os.O_WRONLY)
    try:
        free = _lock(descriptor)
        if free or (free is None and now - os.fstat(descriptor).st_mtime > _OLD):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Force the folder's entries to the disk where the system can: not on Windows, nor on every file system."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders, and a folder may be writable but not readable
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
