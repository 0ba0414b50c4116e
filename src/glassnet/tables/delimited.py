"""Delimited text (CSV and its relatives): bytes → data frame.

Polars does the parsing; this module decides what Polars must be told (character set, delimiter, decimal comma,
padding) and finds the row to blame when a file is ragged.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import compress, product
from typing import Any

import polars as pl

from glassnet.errors import ColumnError, DataError, GlassNetWarning
from glassnet.tables.dates import with_dates
from glassnet.tables.known import KnownColumn, KnownColumns, none_known
from glassnet.tables.spelling import (
    MISSING_AMONG_NUMBERS,
    MISSING_WORDS,
    NUMBER,
    blanked,
    is_number,
    spelled_numbers,
)

__all__ = ["CharacterSetWarning", "decode", "delimiter_of", "parse_delimited", "unpack"]

NUMBER_WITH_COMMA = r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$"
DELIMITERS = (",", ";", "\t", "|", " ")  # in order of preference
SAMPLE_BYTES = 65_536
SAMPLE_RECORDS = 50
MARKS = (  # byte order marks; UTF-32 is not written by anything that writes tables
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


class CharacterSetWarning(GlassNetWarning):
    """A text file is not UTF-8; an older character set was assumed."""


def parse_delimited(data: bytes, name: str, known: KnownColumns = none_known) -> pl.DataFrame:
    """Parse the bytes of a delimited text file whose first line is the header.

    data : the bytes, plain or gzip.   name : what error messages call the source.   known : see `known`.
    The delimiter is one of , ; tab | or space, found from the first lines. A missing value is an empty cell or one of
    NA, N/A, #N/A, NaN, null, ? in any case of letters; among numbers or dates also None, - and a point alone, each of
    which may be a level among texts. Types are inferred from the whole file; texts that are dates become dates
    (`with_dates`). Columns that are known are read as what they are, cell by cell. Spaces around cells are not part of
    them; blank lines are no rows.

    Raises DataError (empty, no rows, not text, ragged rows) and ColumnError (duplicate names).
    """
    text = decode(unpack(data, name), name).strip("\r\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")  # classic Mac line ends
    if not text.strip():
        raise DataError("is empty", file=name, remedy="Give a file with a header line and at least one row.")
    sample = _complete_lines(text)
    delimiter = delimiter_of(sample)
    records = _first_records(sample, delimiter)
    header = [cell.strip(" ") for cell in records[0]]
    _check_header(header, name)
    if len(records) < 2:
        raise DataError(
            "has a header but no rows", file=name, remedy="Add at least one line of values below the header."
        )
    columns = known(header)
    texts = {column for column in header if column in columns and not columns[column].numeric}
    raw = {column: pl.String for column in header if column in columns and columns[column].raw}
    comma = _decimal_comma(records, delimiter, texts)
    options: dict[str, Any] = {"separator": delimiter, "decimal_comma": comma, "schema_overrides": raw}
    if delimiter != " " and records[0] != header:
        text = _without_padding(text, delimiter, name)
    frame = _parse(text, options, name)
    if delimiter != " " and any(map(_is_padded, frame)):
        text = _without_padding(text, delimiter, name)
        frame = _parse(text, options, name)
    if frame.height == 0:
        raise DataError(
            "has a header but no rows", file=name, remedy="Add at least one line of values below the header."
        )
    frame = _without_blank_or_short_rows(frame, text, delimiter, name)
    return frame.with_columns(
        _typed(series, columns.get(series.name), comma) for series in frame if series.dtype == pl.String
    )


def _typed(texts: pl.Series, column: KnownColumn | None, decimal_comma: bool) -> pl.Series:
    """A text column without the words for missing values: as it is known, or else by what all of its cells are.

    Polars tells "" in quotes, an empty cell as well, from one without.
    """
    texts = blanked(texts, ("", *MISSING_WORDS))
    if column is None:
        return _inferred(texts, decimal_comma)
    if not column.raw:
        found = _inferred(texts, decimal_comma)
        if found.dtype != pl.String:
            return found
    return column.read(texts.str.replace(NUMBER_WITH_COMMA, "$1.$2") if decimal_comma and column.numeric else texts)


def _inferred(texts: pl.Series, decimal_comma: bool) -> pl.Series:
    """Truth values, numbers or dates where all are such, words for missing values among them; else the texts."""
    values = blanked(texts, MISSING_AMONG_NUMBERS).str.strip_chars()
    if decimal_comma:
        values = values.str.replace(",", ".", literal=True)
    if values.null_count() == len(values):
        return texts
    if texts.str.to_lowercase().is_in(["true", "false"]).all():
        return texts.str.to_lowercase() == "true"
    if values.str.contains(NUMBER).all():
        return spelled_numbers(values)
    dates = with_dates(values.to_frame()).to_series()
    return texts if dates.dtype == pl.String else dates


def unpack(data: bytes, name: str) -> bytes:
    """Decompress gzip bytes; others are returned as they are."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"is not a complete gzip file ({_line(error)})", file=name, remedy="Compress or download it again."
        ) from error


def decode(data: bytes, name: str) -> str:
    """Bytes → text: by byte order mark, else UTF-8, else Windows-1252 (a superset of Latin-1) with a warning."""
    charset = next((charset for mark, charset in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(charset)
    except UnicodeDecodeError:
        text = _decoded_by_lines(data, name)
    place = text.find("\x00")
    if 0 <= place < SAMPLE_BYTES:
        raise DataError(
            "is not a text file (it holds zero bytes)", file=name, remedy="Check the file's format and suffix."
        )
    if place >= 0:
        raise DataError(
            "holds a zero byte", file=name, row=text.count("\n", 0, place), remedy="Mend the line: no text has one."
        )
    return text


def _decoded_by_lines(data: bytes, name: str) -> str:
    """Text that is not UTF-8, or not all of it, as of files put together: each line by itself, with a warning."""
    other = "cp1252" if _is_cp1252(data) else "latin-1"
    lines: list[str] = []
    odd, marked = [], False
    for row, line in enumerate(data.split(b"\n")):
        try:
            lines.append(line.decode("utf-8"))
            marked = marked or not line.isascii()
        except UnicodeDecodeError:
            lines.append(line.decode(other))
            odd.append(row)
    text = "\n".join(lines)
    if "\x00" not in text:
        where = f"{name} is UTF-8 but for {len(odd)} line(s), row {odd[0]} first" if marked else f"{name} is not UTF-8"
        warning = CharacterSetWarning(f"{where}; read as Windows-1252. Save it as UTF-8 to silence this.")
        warnings.warn(warning, stacklevel=3)
    return text


def _is_cp1252(data: bytes) -> bool:
    return not data.translate(None, bytes(set(range(256)) - {0x81, 0x8D, 0x8F, 0x90, 0x9D}))


def delimiter_of(sample: str) -> str:
    """The delimiter of the lines in `sample`: the one that cuts the most of them into as many cells as the header.

    Quotes are respected. A delimiter that does not occur in the header is out; ties go to the one that makes more
    cells, then to the order , ; tab | space. A space counts only where every line agrees and holds a number, since
    text is full of spaces.
    """
    best, best_score = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        records = _first_records(sample, delimiter)
        widths = [len(record) for record in records]
        if widths[0] < 2:
            continue
        agree = sum(width == widths[0] for width in widths) / len(widths)
        numbers = (any(is_number(cell, comma=True) for cell in record) for record in records[1:])
        if delimiter == " " and (agree < 1 or not all(numbers)):
            continue
        if (agree, widths[0]) > best_score:
            best, best_score = delimiter, (agree, widths[0])
    return best


def _complete_lines(text: str) -> str:
    """The start of `text`, cut at a line end so that no cell of the sample is cut in two."""
    if len(text) <= SAMPLE_BYTES:
        return text
    end = text.rfind("\n", 0, SAMPLE_BYTES)
    return text[: end if end > 0 else SAMPLE_BYTES]


def _first_records(sample: str, delimiter: str) -> list[list[str]]:
    """Up to SAMPLE_RECORDS records, blank lines left out; never empty (the caller has seen some text)."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    records: list[list[str]] = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) == SAMPLE_RECORDS:
                break
    except csv.Error:  # a cell beyond the module's limit; what came before it is enough to decide
        pass
    return records or [[sample.split("\n", 1)[0]]]


def _check_header(names: list[str], name: str) -> None:
    for column, count in Counter(names).items():
        if count > 1:
            raise ColumnError(
                f"occurs {count} times in the header",
                file=name,
                column=column,
                remedy="Give every column a name of its own.",
            )
    if all(is_number(cell, comma=True) for cell in names) and any(not cell.isdigit() for cell in names):
        raise DataError(
            "starts with a row of numbers where column names were expected",
            file=name,
            value=names[0],
            remedy="Put a header line with the column names first.",
        )


def _decimal_comma(records: list[list[str]], delimiter: str, texts: Collection[str]) -> bool:
    """Whether numbers are written 1,5: some cells look so, none has a decimal point, the delimiter is no comma.

    records : the header first.   texts : names of columns that are known to hold no numbers, whatever they look like.
    """
    if delimiter == ",":
        return False
    counted = [name.strip(" ") not in texts for name in records[0]]
    cells = [cell.strip() for record in records[1:] for cell in compress(record, counted)]
    with_comma = any(re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", cell) for cell in cells)
    return with_comma and not any(re.fullmatch(r"[+-]?\d+\.\d+", cell) for cell in cells)


def _is_padded(texts: pl.Series) -> bool:
    return texts.dtype == pl.String and (texts != texts.str.strip_chars(" ")).any()


def _without_padding(text: str, delimiter: str, name: str) -> str:
    """The same table with the spaces around its cells removed."""
    frame = _parse(text, {"separator": delimiter, "infer_schema": False, "null_values": None}, name)
    frame = _without_blank_or_short_rows(frame, text, delimiter, name)
    frame = frame.rename(lambda column: column.strip(" ")).with_columns(pl.all().str.strip_chars(" "))
    return frame.write_csv(separator=delimiter)


def _parse(text: str, options: dict[str, Any], name: str) -> pl.DataFrame:
    settings: dict[str, Any] = {
        "infer_schema_length": None,
        "null_values": _in_all_cases(MISSING_WORDS),
        "schema_overrides": {},
        **options,
    }
    try:
        return _read_csv(text, settings)
    except pl.exceptions.PolarsError as error:
        _check_widths(text, settings.get("separator", ","), name)
        raise DataError(
            f"cannot be read as a table ({_line(error)})", file=name, remedy="Check its quotes and delimiters."
        ) from error


def _read_csv(text: str, settings: dict[str, Any]) -> pl.DataFrame:
    """Polars takes digits for 128-bit integers and gives up on longer ones: then those columns are read as floats."""
    try:
        return pl.read_csv(text.encode(), **settings)
    except pl.exceptions.PolarsError as error:
        if "i128" not in str(error):
            raise
    cells = pl.read_csv(text.encode(), **{**settings, "infer_schema": False, "schema_overrides": {}})
    longest = [cell.name for cell in cells if cell.str.contains(r"^\s*[+-]?\d{38,}\s*$").any()]
    wide = {**dict.fromkeys(longest, pl.Float64), **settings["schema_overrides"]}
    return pl.read_csv(text.encode(), **{**settings, "schema_overrides": wide})


def _in_all_cases(words: Sequence[str]) -> list[str]:
    """The words with their letters in every mixture of cases, since Polars compares them as they are."""
    pairs = (product(*({letter.lower(), letter.upper()} for letter in word)) for word in words)
    return sorted("".join(letters) for mixtures in pairs for letters in mixtures)


def _widths(text: str, delimiter: str) -> list[int] | None:
    """Cells of each record, 0 for a blank line, header included; None where quotes leave it undecided."""
    try:
        return [len(record) for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]
    except csv.Error:
        return None


def _check_widths(text: str, delimiter: str, name: str) -> list[int] | None:
    """Raise DataError for the first row with more or fewer cells than the header; return the widths."""
    widths = _widths(text, delimiter)
    row = 0
    for width in (widths or [])[1:]:
        row += width > 0
        if width not in (0, widths[0]):  # type: ignore[index]  # no widths, no loop
            raise DataError(
                f"must have {widths[0]} cells, as the header",  # type: ignore[index]
                file=name,
                row=row,
                value=width,
                remedy="Quote cells that contain the delimiter, or repair the line.",
            )
    return widths


def _without_blank_or_short_rows(frame: pl.DataFrame, text: str, delimiter: str, name: str) -> pl.DataFrame:
    """Polars fills short rows with nulls, and makes rows of blank lines: look for both where a last cell is null."""
    if not frame[:, -1].null_count():
        return frame
    widths = _check_widths(text, delimiter, name)
    if widths is None or len(widths) != frame.height + 1 or 0 not in widths:
        return frame
    return frame.filter(pl.Series(widths[1:]) > 0)


def _line(error: Exception) -> str:
    """The first line of another library's message."""
    return (str(error) or type(error).__name__).strip().split("\n")[0].rstrip(".")
