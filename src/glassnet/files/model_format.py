"""The model file, `.glassnet`: named arrays and a header of plain data, in one file that cannot run code.

It is a safetensors file: eight bytes with the length n of a table (little endian), the table as n bytes of
JSON with each array's type, shape and place, and the arrays' bytes. Its metadata hold one entry, "glassnet",
whose text is our header, itself JSON:

    {"format": "glassnet", "format_version": 1, "written_by": "0.1.0", ... whatever the caller adds ...}

A file may come from anyone. Reading it imports and evaluates nothing; the table is checked against the size of the file
before anything is made of it, and what is made takes memory and time in proportion to the file: docs/format.md says
all that is checked here. Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import safetensors.numpy

from glassnet.errors import GlassNetError, ModelFileError, nearest
from glassnet.files.arrays import TYPES, Place, arrays_in, is_name, places_of
from glassnet.files.atomic import write_bytes
from glassnet.files.foreign import looks_like
from glassnet.files.place import require_path
from glassnet.files.plain import from_json, string_of, to_json
from glassnet.files.versions import FORMAT_VERSION, migrated
from glassnet.files.weighing import long_string

__all__ = [
    "CHECKPOINT",
    "FORMAT_VERSION",
    "MODEL",
    "bytes_of_model",
    "damaged",
    "model_in",
    "read_header",
    "read_model",
    "reading_content",
    "write_model",
]

MODEL, CHECKPOINT = "glassnet", "glassnet checkpoint"  # what a header says the file is

_PathLike = str | os.PathLike[str]
_LONGEST_TABLE = 100_000_000  # bytes; the limit of safetensors itself
# Bytes of memory that the values of a JSON text may take: with the text itself four times the file and 64 MiB.
_TIMES, _ROOM = 3, 48 * 2**20
_LIFTED = b'"the header"'  # what stands in the table for a header that is read by itself
_LONGEST_REASON = 300  # characters of what went wrong that an error repeats: a file could fill a screen
_MODELS = "A model is a file written by save() or by `glassnet train`."
_AGAIN = "Copy or save the model again."


def write_model(
    path: _PathLike, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], format_name: str = MODEL
) -> None:
    """Write header and arrays to `path`, which is replaced as a whole or not at all; see `bytes_of_model`.

    Raises what that raises, and OSError when `path` cannot be written.
    """
    write_bytes(path, bytes_of_model(header, arrays, format_name))


def bytes_of_model(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], format_name: str = MODEL) -> bytes:
    """The content of a model file.

    header : plain data as JSON knows it. It must hold "written_by", the version of glassnet that writes; "format"
             and "format_version" are added. Tuples become lists; dicts keep their order.
    arrays : of float16 to float64, whole numbers of 8 to 64 bits, or bool; up to 8 axes, any memory order. A name has 1
             to 128 letters, digits and _ . / - of ASCII.
    format_name : MODEL, or CHECKPOINT for a training to go on with.

    The same header and arrays give the same bytes. Raises ModelFileError that names the entry which the file
    cannot hold.
    """
    text = to_json(_complete(header, format_name), "header")
    packed = {name: _packed(name, array) for name, array in arrays.items()}
    data = safetensors.numpy.save(packed, metadata={"glassnet": text})
    try:
        _read_start("model", io.BytesIO(data), len(data))  # what no reader takes is not written: the old file stays
    except ModelFileError as error:
        raise ModelFileError(f"cannot be written: the file {error.rule}", argument="header") from error
    return data


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
    if not is_name(name) or name == "__metadata__":
        raise ModelFileError("must have a name of 1 to 128 letters, digits and _ . / - of ASCII", argument=place)
    if not isinstance(array, np.ndarray):
        raise ModelFileError("must be a NumPy array", argument=place, value=type(array).__name__)
    if array.dtype.name not in TYPES.values():
        raise ModelFileError(f"must be of type {', '.join(TYPES.values())}", argument=place, value=array.dtype.name)
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def read_model(path: _PathLike, format_name: str = MODEL) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a model file, the arrays in C order, writable, sorted by name.

    A file of an older format comes as the newest one would have it, see `versions`.

    Nothing in the file is imported or evaluated. Raises ModelFileError, with file, rule and remedy, when
    there is no such file, it is no model (or no checkpoint, where `format_name` asks for one), it is damaged or cut
    short, or a newer glassnet wrote it. Raises OptionError when `path` is no path.
    """
    with _opened(path) as (file, size):
        return _model_of(path, file, size, format_name)


def read_header(path: _PathLike) -> dict[str, Any]:
    """The header of a model file or a checkpoint, without reading its arrays; raises as `read_model` does."""
    with _opened(path) as (file, size), reading_content(path):
        return _newest(_read_start(path, file, size).header, {})[0]


def model_in(content: bytes, path: _PathLike = "model") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """`read_model` of the content of a file; `path` is what errors call it."""
    return _model_of(path, io.BytesIO(content), len(content), MODEL)


def _model_of(
    path: _PathLike, file: BinaryIO, size: int, format_name: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    start = _read_start(path, file, size)
    _require_format(path, start.header, format_name)
    content = np.empty(size - start.length, np.uint8)
    file.seek(start.length)
    if file.readinto(content.data) != content.size:  # type: ignore[attr-defined]
        raise damaged(path, "it became shorter while it was read")
    try:
        arrays = arrays_in(content, start.places)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    with reading_content(path):
        return _newest(start.header, arrays)


def _newest(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A model as the newest format has it; a checkpoint as it is, since only the version that wrote it goes on."""
    return (header, arrays) if header["format"] == CHECKPOINT else migrated(header, arrays)


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
    require_path(path, "path")
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


class _Start(NamedTuple):
    """What stands before the arrays: our header, their places, and the number of bytes that take both."""

    header: dict[str, Any]
    places: list[Place]
    length: int


def _read_start(path: _PathLike, file: BinaryIO, size: int) -> _Start:
    """The header and the places of the arrays, which are known to be those of a file of `size` bytes."""
    start = file.read(512)
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{" or length > min(size - 8, _LONGEST_TABLE):
        raise _not_a_model(path, start, size)
    file.seek(8)
    table = _table_of(path, file.read(length), size)
    header = _checked_header(path, table, size)
    try:
        places = places_of(table)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    announced = 8 + length + (places[-1].stop if places else 0)
    if announced > size:
        raise damaged(path, f"it is cut short, at {size:,} of {announced:,} bytes")
    if announced < size:
        raise damaged(path, f"it has {size:,} bytes instead of {announced:,}")
    return _Start(header, places, 8 + length)


def _table_of(path: _PathLike, text: bytes, size: int) -> Any:
    """The table of arrays. The text of a long header is lifted out of it beforehand, see `string_of`."""
    place = long_string(text)
    if place is None:
        return _parsed(path, text, "table of arrays", size)
    start, stop = place
    table = _parsed(path, text[:start] + _LIFTED + text[stop:], "table of arrays", size)
    metadata = table.get("__metadata__") if isinstance(table, dict) else None
    if not isinstance(metadata, dict) or metadata.get("glassnet") != json.loads(_LIFTED) or _LIFTED in text:
        raise damaged(path, "its table of arrays holds a text of enormous length")
    try:
        metadata["glassnet"] = string_of(text[start:stop])
    except ValueError as error:
        raise damaged(path, f"its table of arrays is not JSON ({error})") from error
    return table


def _parsed(path: _PathLike, text: str | bytes, what: str, size: int) -> Any:
    """The value of a JSON text in a file of `size` bytes. It is ASCII, of which a character takes one byte of memory:
    in another text a single one makes all of them take four."""
    if not text.isascii():
        raise damaged(path, f"its {what} holds characters that are not ASCII")
    try:
        return from_json(text, most=_TIMES * size + _ROOM)
    except ValueError as error:
        raise damaged(path, f"its {what} is not JSON ({error})") from error


def _not_a_model(path: _PathLike, start: bytes, size: int) -> ModelFileError:
    if size == 0:
        return ModelFileError("is empty", file=path, remedy=_AGAIN)
    kind = looks_like(start)
    if kind is None and start[8:9] == b"{":
        length = int.from_bytes(start[:8], "little")
        if length > _LONGEST_TABLE:
            return damaged(path, f"its table of arrays claims {length:,} bytes")
        return damaged(path, f"it is cut short, at {size:,} of at least {8 + length:,} bytes")
    remedy = _MODELS
    if kind is not None and "pickle" in kind:
        remedy = "Opening a pickle can run any code, so glassnet opens none: save the model with save()."
    seems = "" if kind is None else f": it looks like {kind}"
    return ModelFileError(f"is not a model of glassnet{seems}", file=path, remedy=remedy)


# What goes wrong when plain data is not as the code that takes it expects; whatever else is raised is a fault of ours.
_MISFITS = (GlassNetError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@contextmanager
def reading_content(path: _PathLike, remedy: str = _AGAIN) -> Iterator[None]:
    """Whatever goes wrong with the content of a header means that the file is damaged: ModelFileError."""
    try:
        yield
    except ModelFileError as error:
        if error.file is not None:
            raise
        raise damaged(path, str(error), remedy) from error
    except _MISFITS as error:
        raise damaged(path, f"{type(error).__name__}: {error}", remedy) from error


def damaged(path: _PathLike, how: str, remedy: str = _AGAIN) -> ModelFileError:
    """The error for a file that is not as it was written; `how` is cut to what a screen can show."""
    if len(how) > _LONGEST_REASON:
        how = how[: _LONGEST_REASON - 1] + "…"
    return ModelFileError(f"is damaged: {how.rstrip('.')}", file=path, remedy=remedy)


def _checked_header(path: _PathLike, table: Any, size: int) -> dict[str, Any]:
    """Our header out of the table's metadata, once it is known to be ours and of a version we can read."""
    metadata = table.get("__metadata__") if isinstance(table, dict) else None
    text = metadata.get("glassnet") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ModelFileError("is a safetensors file, but not of glassnet", file=path, remedy=_MODELS)
    header = _parsed(path, text, "header", size)
    if not isinstance(header, dict) or header.get("format") not in (MODEL, CHECKPOINT):
        raise damaged(path, "its header does not say that the format is 'glassnet'")
    version, writer = header.get("format_version"), header.get("written_by")
    if type(version) is not int or version < 1 or not isinstance(writer, str):
        raise damaged(path, "its header does not say which version wrote it")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"was written by a newer glassnet, {writer[:40]!r}: "
            f"its format is {version}, this one reads up to {FORMAT_VERSION}",
            file=path,
            remedy="Open it with that version, or a newer one.",
        )
    return header
