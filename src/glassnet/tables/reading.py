"""Files and streams → Polars data frames, and predictions back to files."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from glassnet.errors import ColumnError, DataError, nearest
from glassnet.files.atomic import write_bytes
from glassnet.tables.dates import with_dates
from glassnet.tables.delimited import decode, parse_delimited, unpack
from glassnet.tables.known import KnownColumns, none_known

__all__ = ["FORMATS", "read_table", "require_format", "write_table"]

FORMATS = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".txt": "delimited",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
}
PACKED = ("delimited", "json lines")  # formats that may also end in .gz
STANDARD_INPUT = "standard input"
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)  # what damaged bytes make polars raise


def read_table(source: Any, known: KnownColumns = none_known) -> pl.DataFrame:
    """Read a table from a path (str or Path), from "-" (standard input) or from an open binary file.

    known : names of columns → how to read those whose types are known, in formats without types of their own (CSV, JSON
        lines), see `known`. Types of others are inferred from all rows.

    The suffix names the format: .csv .tsv .txt (any delimiter) and .jsonl .ndjson, each also with .gz; .parquet .pq;
    .arrow .feather .ipc. A stream has no suffix and is recognised by its first bytes. Column names must be unique, and
    there must be at least one row. Missing in delimited text are empty cells and NA, N/A, #N/A, NaN, null, ? in any
    case of letters; among numbers or dates also None, "-" and ".", which among texts are texts.

    Raises DataError (no such file, unknown suffix, unreadable, empty, ragged) and ColumnError (duplicate names), each
    naming the file, and the row (counted from 1 below the header) or column where one is to blame.
    """
    if isinstance(source, str | os.PathLike) and source != "-":
        name = os.fspath(source)
        _require_file(Path(name))
        form, data = _format_of(Path(name)), _bytes_of(Path(name))
    else:
        name, data = _stream_bytes(source)
        form = _sniff(data, name)
    if not data:
        raise DataError("is empty", file=name, remedy="Give a file with a header line and at least one row.")
    frame = PARSERS[form](data, name, known)
    if frame.width == 0 or frame.height == 0:
        raise DataError("has no rows", file=name, remedy="Give a table with at least one row and one column.")
    return frame


def _format_of(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    form = FORMATS.get((suffixes[:-1] if packed else suffixes)[-1:][0], "") if len(suffixes) > packed else ""
    if not form or (packed and form not in PACKED):
        raise DataError(
            "must end in one of " + " ".join(FORMATS) + " (text formats also with .gz)",
            file=path,
            value=path.suffix,
            remedy="Rename or convert the file.",
        )
    return form


def require_format(destination: str | os.PathLike[str]) -> None:
    """Raise DataError unless the suffix of a path names a format that `write_table` knows; "-" is CSV."""
    if destination != "-":
        _format_of(Path(destination))


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise DataError("is a folder, not a file", file=path, remedy="Name one file.")
    if not path.exists():
        raise DataError("does not exist", file=path, remedy=_suggestion(path))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", file=path, remedy="Check its permissions.") from error


def _suggestion(path: Path) -> str:
    if not path.parent.is_dir():
        return f"The folder {str(path.parent)!r} does not exist either."
    guess = nearest(path.name, (neighbour.name for neighbour in path.parent.iterdir()))
    return f"Did you mean {str(path.parent / guess)!r}?" if guess else "Check the spelling of the path."


def _stream_bytes(source: Any) -> tuple[str, bytes]:
    if isinstance(source, str):
        return STANDARD_INPUT, sys.stdin.buffer.read()
    if not hasattr(source, "read"):
        raise DataError('must be a path, "-" or an open binary file', argument="source", value=source)
    data = source.read()
    if not isinstance(data, bytes):
        raise DataError("must be opened in binary mode", argument="source", remedy="Use open(path, 'rb').")
    name = getattr(source, "name", None)
    return (name if isinstance(name, str) else "the stream"), data


def _sniff(data: bytes, name: str) -> str:
    if data.startswith(b"PAR1"):
        return "parquet"
    if data.startswith((b"ARROW1", b"\xff\xff\xff\xff")):  # an Arrow file, an Arrow stream
        return "arrow"
    return "json lines" if unpack(data, name).lstrip().startswith(b"{") else "delimited"


def _parse_parquet(data: bytes, name: str, _known: KnownColumns) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(data))
    except UNREADABLE as error:
        raise _unreadable("Parquet", name, error) from error


def _parse_arrow(data: bytes, name: str, _known: KnownColumns) -> pl.DataFrame:
    read = pl.read_ipc if data.startswith(b"ARROW1") else pl.read_ipc_stream
    try:
        return read(io.BytesIO(data))
    except UNREADABLE as error:
        raise _unreadable("Arrow", name, error) from error


def _unreadable(form: str, name: str, error: BaseException) -> DataError:
    detail = str(error).strip().split("\n")[0].rstrip(".")
    return DataError(f"is not a readable {form} file ({detail})", file=name, remedy="Write or download it again.")


def _parse_json_lines(data: bytes, name: str, known: KnownColumns) -> pl.DataFrame:
    """One JSON object a line; texts that are dates become dates, as in CSV."""
    text = decode(unpack(data, name), name)
    if not text.strip():
        raise DataError("is empty", file=name, remedy="Give one JSON object a line.")
    nested = _check_json_lines(text, name)
    columns = known([*nested])
    raw = [column for column in nested if column in columns and columns[column].raw]
    for column in raw:
        if nested[column]:
            rule = "must hold one number, date or text a cell"
            raise DataError(rule, file=name, row=nested[column], column=column, remedy="Spread it over columns.")
    try:
        texts = dict.fromkeys(raw, pl.String)
        frame = pl.read_ndjson(text.encode(), infer_schema_length=None, schema_overrides=texts)
    except pl.exceptions.PolarsError as error:
        raise _unreadable("JSON lines", name, error) from error
    frame = frame.with_columns(with_dates(frame.drop(raw)))
    return frame.with_columns(
        columns[series.name].read(series) for series in frame if series.name in columns and series.dtype == pl.String
    )


def _check_json_lines(text: str, name: str) -> dict[str, int]:
    """The keys of the objects, each with the first row in which it has a list or an object, or 0.

    Raises DataError for lines that are no objects, ColumnError for repeated keys.
    """
    row = 0
    nested: dict[str, int] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        row += 1
        try:
            pairs = json.loads(line, object_pairs_hook=_unique_keys)
        except _RepeatedKey as error:
            raise ColumnError(
                "occurs twice in one object", file=name, row=row, column=str(error), remedy="Give every key once."
            ) from None
        except ValueError:
            pairs = None
        if not isinstance(pairs, dict):
            raise DataError(
                "must be one JSON object", file=name, row=row, value=line, remedy="Write one object a line."
            )
        for key, value in pairs.items():
            nested[key] = nested.get(key) or (row if isinstance(value, list | dict) else 0)
    return nested


class _RepeatedKey(Exception):  # noqa: N818 - a signal between two functions of this file
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKey(next(key for key in keys if keys.count(key) > 1))
    return found


PARSERS: dict[str, Callable[[bytes, str, KnownColumns], pl.DataFrame]] = {
    "delimited": parse_delimited,
    "parquet": _parse_parquet,
    "arrow": _parse_arrow,
    "json lines": _parse_json_lines,
}


def write_table(frame: pl.DataFrame, destination: str | os.PathLike[str]) -> None:
    """Write a data frame to a path, in the format that its suffix names, or to "-": CSV on standard output.

    The suffixes are those of `read_table`; .tsv is written with tabs. A file appears complete or not at all.
    Raises DataError where the suffix is unknown or the file cannot be written.
    """
    if destination == "-":
        sys.stdout.buffer.write(frame.write_csv().encode())
        sys.stdout.buffer.flush()
        return
    path = Path(destination)
    data = _encoded(frame, path)
    try:
        write_bytes(path, data)
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror})", file=path, remedy="Check the folder and its permissions."
        ) from error


def _encoded(frame: pl.DataFrame, path: Path) -> bytes:
    form, buffer = _format_of(path), io.BytesIO()
    if form == "delimited":
        frame.write_csv(buffer, separator="\t" if ".tsv" in path.suffixes[-2:] else ",")
    elif form == "parquet":
        frame.write_parquet(buffer)
    elif form == "arrow":
        frame.write_ipc(buffer)
    else:
        frame.write_ndjson(buffer)
    return gzip.compress(buffer.getvalue(), mtime=0) if path.suffix.lower() == ".gz" else buffer.getvalue()
