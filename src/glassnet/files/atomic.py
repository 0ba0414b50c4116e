"""Files replaced as a whole: after a crash, a full disk or a power cut there is the old file or the new one.

The new content goes into a temporary file in the same folder, is forced to the disk, and then takes the target's
name in one step of the file system; at last the folder, which holds the name, is forced to the disk as well.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["replacing", "write_bytes"]


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Make `data` the content of the file `path`, or leave what was there; see `replacing`."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new binary file to write to, which takes the place of `path` when the block ends without an error.

    On any error, an interrupt included, `path` stays as it was and the new file is removed. A replaced file hands
    on its permissions, and a symbolic link stays a link: the file it points to is replaced.

    Raises OSError, naming `path`, when the folder does not exist or cannot be written to, when `path` is a
    folder, a device or a read-only file, or when the disk is full.
    """
    target = Path(os.path.realpath(path))
    mode = _permissions(target)
    # Not named after the target, whose name may already be as long as the file system allows.
    temporary = target.with_name(f".glassnet-{secrets.token_hex(8)}.tmp")
    try:
        with _create(temporary, target) as file:
            if mode is not None:
                os.chmod(temporary, mode)  # before the first byte: it may be no one else's to read
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
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


def _create(temporary: Path, target: Path) -> BinaryIO:
    try:
        return open(temporary, "xb")
    except OSError as error:  # the reader knows the target's name, not the temporary one
        raise OSError(error.errno, error.strerror, str(target)) from error


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
