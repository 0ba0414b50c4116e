"""What an exported module does as a program: it reads a CSV file as `tables.delimited` does, predicts, and prints CSV.

Functions whose source is copied into the module, as those of `standalone`; here they need not even NumPy.
"""

from __future__ import annotations

import sys

from glassnet.export.standalone import refused
from glassnet.tables.delimited import DELIMITERS, MISSING_AMONG_NUMBERS, MISSING_WORDS, NUMBER

__all__ = ["cells_of", "predict_file", "read_file"]

# What `tables.dates` takes for dates, moments and times of day; a few that are none, as 2024-13-31, besides.
DATE = r"\d{4}[-/]\d\d[-/]\d\d([ T]\d\d:\d\d.*)?|\d\d?\.\d\d?\.\d{4}( \d\d:\d\d(:\d\d)?)?|\d\d:\d\d:\d\d"


def predict_file(path, kinds, results_of):
    """Print predictions for the rows of a CSV file, as CSV.

    kinds : {name: "number", "text" or "date"} of the columns.   results_of : table -> {name: column}.
    """
    import csv
    import os

    try:
        results = results_of(read_file(path, kinds))
    except (OSError, ValueError, csv.Error) as error:
        sys.exit(f"{path}: {getattr(error, 'strerror', None) or error}")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    try:
        writer.writerow(results)
        writer.writerows(zip(*(list(values) for values in results.values()), strict=True))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has had enough; nor may Python flush the rest at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def read_file(path, kinds):
    """The columns of a CSV file, {name: cells}; the separator is the one that finds them in the header.

    Raises ValueError for a header without rows, a name that occurs twice, rows of another width than the header, and
    what `cells_of` refuses.
    """
    import csv
    import re

    with open(path, newline="\n", encoding="utf-8-sig") as file:
        lines = file.readlines()

    def header_with(separator):
        first = next(filter(None, csv.reader(lines, delimiter=separator)), [])
        return [name.strip(" ") for name in first]

    separator = max(DELIMITERS, key=lambda separator: len(kinds.keys() & set(header_with(separator))))
    header = header_with(separator)
    rows = list(filter(None, csv.reader(lines, delimiter=separator, strict=True)))[1:]
    if not rows:
        raise ValueError("has no rows")
    for row, cells in enumerate(rows):
        if len(cells) != len(header):
            raise ValueError(f"row {row + 1}: must have {len(header)} cells, as the header, got {len(cells)}")
    comma = separator != "," and not any(re.fullmatch(r" *[+-]?\d+\.\d+ *", cell) for cells in rows for cell in cells)
    table = {}
    for name, *cells in zip(header, *rows, strict=True):
        if name in table:
            raise ValueError(f"column {name!r} occurs twice in the header")
        if name in kinds:
            table[name] = cells_of([cell.strip(" ") for cell in cells], name, kinds[name], comma)
    return table


def cells_of(texts, name, kind, comma):
    """A column's cells: None where missing, truth values or numbers where all are such, else texts; a date is a text.

    comma : numbers are written 1,5. Raises ValueError for dates alone where there were texts.
    """
    import re

    def without(words):
        return [None if text.strip().lower() in words else text for text in texts]

    def number_in(text):
        text = text.strip().replace(",", ".", 1 if comma else 0)
        return text if re.fullmatch(NUMBER, text, re.ASCII) else None

    cells = without(("", *MISSING_WORDS))
    truths = {cell.lower() for cell in cells if cell is not None}
    if truths and truths <= {"true", "false"}:
        return [None if cell is None else cell.lower() == "true" for cell in cells]
    values = without((*MISSING_WORDS, *MISSING_AMONG_NUMBERS))
    numbers = {value: number_in(value) for value in values if value is not None}
    all_numbers = None not in numbers.values()
    if kind == "text" and not (numbers and all_numbers):
        if numbers and all(re.fullmatch(DATE, value.strip()) for value in numbers):
            row = next(row for row, value in enumerate(values) if value is not None)
            raise refused(name, row, values[row], "must hold texts, not dates alone")
        return cells
    if kind == "date":
        return [None if value is None else value.strip() for value in values]
    whole = all_numbers and all(number.lstrip("+-").isdecimal() and len(number) < 38 for number in numbers.values())
    found = {value: value if number is None else (int if whole else float)(number) for value, number in numbers.items()}
    return [None if value is None else found[value] for value in values]
