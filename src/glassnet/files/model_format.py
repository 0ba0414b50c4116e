"""The model file, `.glassnet`: named arrays and a header of plain data, in one file that cannot run code.

It is a safetensors file: eight bytes with the length n of a table (little endian), the table as n bytes of
JSON with each array's type, shape and place, and the arrays' bytes. Its metadata hold one entry, "glassnet",
whose text is our header, itself JSON:

    {"format": "glassnet", "format_version": 1, "written_by": "0.1.0", ... whatever the caller adds ...}

Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from glassnet.errors import GlassNetError, ModelFileError, nearest
from glassnet.files.atomic import write_bytes
from glassnet.files.foreign import looks_like
from glassnet.files.plain import from_json, to_json

__all__ = ["CHECKPOINT", "FORMAT_VERSION", "MODEL", "read_header", "read_model", "reading_content", "write_model"]

FORMAT_VERSION = 1
MODEL, CHECKPOINT = "glassnet", "glassnet checkpoint"  # what a header says the file is

_PathLike = str | os.PathLike[str]
_TYPES = (
    *("float16", "float32", "float64"),
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
    "bool",
)
_LONGEST_TABLE = 100_000_000  # bytes; the limit of safetensors itself
_MODELS = "A model is a file written by save() or by `glassnet train`."
_AGAIN = "Copy or save the model again."


def write_model(
    path: _PathLike, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], format_name: str = MODEL
) -> None:
    """Write header and arrays to `path`, which is replaced as a whole or not at all.

    header : plain data as JSON knows it. It must hold "written_by", the version of glassnet that writes; "format"
             and "format_version" are added. Tuples become lists; dicts keep their order.
    arrays : of float16 to float64, whole numbers of 8 to 64 bits, or bool; any shape and memory order.
    format_name : MODEL, or CHECKPOINT for a training to go on with.

    The same header and arrays give the same bytes. Raises ModelFileError that names the entry which the file
    cannot hold, and OSError when `path` cannot be written.
    """
    text = to_json(_complete(header, format_name), "header")
    packed = {name: _packed(name, array) for name, array in arrays.items()}
    data = safetensors.numpy.save(packed, metadata={"glassnet": text})
    if int.from_bytes(data[:8], "little") > _LONGEST_TABLE:
        raise ModelFileError(f"must be shorter than {_LONGEST_TABLE:,} bytes", argument="header")
    write_bytes(path, data)


def _complete(header: Mapping[str, Any], format_name: str) -> dict[str, Any]:
    ours = {"format": format_name, "format_version": FORMAT_VERSION}
    for key, value in ours.items():
        if header.get(key, value) != value:
            raise ModelFileError(f"must be {value!r}", argument=f"header[{key!r}]", value=header[key])
    if not isinstance(header.get("written_by"), str):
        raise ModelFileError(
            "must be the version that writes the file, as text",
            argument="header['written_by']",
            value=header.get("written_by"),
        )
    return ours | dict(header)


def _packed(name: str, array: np.ndarray) -> np.ndarray:
    """The array in C order and little endian, as it goes into the file."""
    place = f"arrays[{name!r}]"
    if not isinstance(name, str) or name == "__metadata__" or not _is_unicode(name):
        raise ModelFileError("must have a name that is text and not '__metadata__'", argument=place)
    if not isinstance(array, np.ndarray):
        raise ModelFileError("must be a NumPy array", argument=place, value=type(array).__name__)
    if array.dtype.name not in _TYPES:
        raise ModelFileError(f"must be of type {', '.join(_TYPES)}", argument=place, value=array.dtype.name)
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)  # half a character has no UTF-8


def read_model(path: _PathLike, format_name: str = MODEL) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a model file, the arrays in C order, writable, sorted by name.

    Nothing in the file is imported or evaluated. Raises ModelFileError, with file, rule and remedy, when
    there is no such file, it is no model (or no checkpoint, where `format_name` asks for one), it is damaged or cut
    short, or a newer glassnet wrote it.
    """
    with _opened(path) as (file, size):
        header = _read_start(path, file, size)
        _require_format(path, header, format_name)
        file.seek(0)
        data = file.read()
    try:
        arrays = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"is damaged: its arrays cannot be read ({error})", file=path, remedy=_AGAIN) from error
    return header, {name: np.require(arrays[name], requirements=["C", "W"]) for name in sorted(arrays)}


def read_header(path: _PathLike) -> dict[str, Any]:
    """The header of a model file or a checkpoint, without reading its arrays; raises as `read_model` does."""
    with _opened(path) as (file, size):
        return _read_start(path, file, size)


def _require_format(path: _PathLike, header: dict[str, Any], wanted: str) -> None:
    """Raise ModelFileError for a checkpoint in place of a model, and the other way round."""
    if header["format"] == wanted:
        return
    if wanted == MODEL:
        remedy = "Go on from it with fit(X, y, resume=...), or with the command that wrote it and --resume; then save."
        raise ModelFileError("is a checkpoint of a training, not a model", file=path, remedy=remedy)
    remedy = "glassnet.load opens it; a checkpoint is the file that `checkpoint` names while a model is trained."
    raise ModelFileError("is a model, not a checkpoint of a training", file=path, remedy=remedy)


@contextmanager
def _opened(path: _PathLike) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size in bytes; errors of the system become ModelFileError."""
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise ModelFileError("is a folder, not a model file", file=path, remedy=_MODELS)
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise ModelFileError("is not a regular file", file=path, remedy=_MODELS)
        with open(path, "rb") as file:
            yield file, found.st_size
    except FileNotFoundError as error:
        raise ModelFileError("no such file", file=path, remedy=_nearest_file(path)) from error
    except OSError as error:
        raise ModelFileError(f"cannot be read: {error.strerror or error}", file=path) from error


def _nearest_file(path: _PathLike) -> str | None:
    try:
        guess = nearest(Path(path).name, (found.name for found in Path(path).parent.glob("*.glassnet")))
    except OSError:
        return None
    return f"Did you mean {str(Path(path).with_name(guess))!r}?" if guess else None


def _read_start(path: _PathLike, file: BinaryIO, size: int) -> dict[str, Any]:
    """Our header, once the table of arrays is known to fit the size of the file in bytes."""
    start = file.read(512)
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{" or length > min(size - 8, _LONGEST_TABLE):
        raise _not_a_model(path, start, size)
    file.seek(8)
    try:
        table = from_json(file.read(length))
    except ValueError as error:
        raise _damaged(path, f"its table of arrays is not JSON ({error})") from error
    header = _checked_header(path, table)
    announced = 8 + length + _end_of_arrays(path, table)
    if announced > size:
        raise _damaged(path, f"it is cut short, at {size:,} of {announced:,} bytes")
    if announced < size:
        raise _damaged(path, f"it has {size:,} bytes instead of {announced:,}")
    return header


def _not_a_model(path: _PathLike, start: bytes, size: int) -> ModelFileError:
    if size == 0:
        return ModelFileError("is empty", file=path, remedy=_AGAIN)
    kind = looks_like(start)
    if kind is None and start[8:9] == b"{":
        length = int.from_bytes(start[:8], "little")
        if length > _LONGEST_TABLE:
            return _damaged(path, f"its table of arrays claims {length:,} bytes")
        return _damaged(path, f"it is cut short, at {size:,} of at least {8 + length:,} bytes")
    remedy = _MODELS
    if kind is not None and "pickle" in kind:
        remedy = "Opening a pickle can run any code, so glassnet opens none: save the model with save()."
    seems = "" if kind is None else f": it looks like {kind}"
    return ModelFileError(f"is not a model of glassnet{seems}", file=path, remedy=remedy)


@contextmanager
def reading_content(path: _PathLike) -> Iterator[None]:
    """Whatever goes wrong with the content of a header means that the file is damaged: ModelFileError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, GlassNetError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _damaged(path: _PathLike, how: str) -> ModelFileError:
    return ModelFileError(f"is damaged: {how}", file=path, remedy=_AGAIN)


def _checked_header(path: _PathLike, table: Any) -> dict[str, Any]:
    """Our header out of the table's metadata, once it is known to be ours and of a version we can read."""
    metadata = table.get("__metadata__") if isinstance(table, dict) else None
    text = metadata.get("glassnet") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ModelFileError("is a safetensors file, but not of glassnet", file=path, remedy=_MODELS)
    try:
        header = from_json(text)
    except ValueError as error:
        raise _damaged(path, f"its header is not JSON ({error})") from error
    if not isinstance(header, dict) or header.get("format") not in (MODEL, CHECKPOINT):
        raise _damaged(path, "its header does not say that the format is 'glassnet'")
    version, writer = header.get("format_version"), header.get("written_by")
    if type(version) is not int or version < 1 or not isinstance(writer, str):
        raise _damaged(path, "its header does not say which version wrote it")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"was written by a newer glassnet, {writer[:40]!r}: "
            f"its format is {version}, this one reads up to {FORMAT_VERSION}",
            file=path,
            remedy="Upgrade with `pip install --upgrade glassnet`.",
        )
    return header


def _end_of_arrays(path: _PathLike, table: dict[str, Any]) -> int:
    """Where the last array ends, in bytes after the table."""
    ends = [0]
    for name, entry in table.items():
        if name == "__metadata__":
            continue
        place = entry.get("data_offsets") if isinstance(entry, dict) else None
        if not isinstance(place, list) or len(place) != 2 or type(place[1]) is not int:
            raise _damaged(path, f"its table does not say where array {name!r} is")
        ends.append(place[1])
    return max(ends)
