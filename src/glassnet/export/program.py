"""What an exported module does as a program: it reads a CSV file as `tables.known` does, predicts, and prints CSV.

Functions whose source is copied into the module, as those of `standalone`; here they need not even NumPy.
"""

from __future__ import annotations

import sys

from glassnet.tables.delimited import DELIMITERS
from glassnet.tables.spelling import MISSING_AMONG_NUMBERS, MISSING_WORDS, NUMBER, ONE_AND_ZERO, TRUTHS

__all__ = ["cells_of", "predict_file", "read_file"]


def predict_file(path, kinds, results_of):
    """Print predictions for the rows of a CSV file, as CSV.

    kinds : {name: "number", "whole" (exact), "text", "truth" or "date"} of the columns.
    results_of : table -> {name: column}.
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

    Raises ValueError for a header without rows, a name that occurs twice, and rows of another width than the header.
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
    counted = [kinds.get(name) not in ("text", "truth", "date") for name in header]
    numbers = [cell for cells in rows for cell, counts in zip(cells, counted, strict=True) if counts]
    comma = separator != "," and not any(re.fullmatch(r" *[+-]?\d+\.\d+ *", cell) for cell in numbers)
    table = {}
    for name, *cells in zip(header, *rows, strict=True):
        if name in table:
            raise ValueError(f"column {name!r} occurs twice in the header")
        if name in kinds:
            table[name] = cells_of([cell.strip(" ") for cell in cells], kinds[name], comma)
    return table


def cells_of(texts, kind, comma):
    """A column's cells: None where missing; numbers as numbers, or as the texts that are none; others as texts.

    comma : numbers are written 1,5.   What a cell is depends on no other cell.
    """
    import re

    absent = {"", *MISSING_WORDS, *(() if kind in ("text", "truth") else MISSING_AMONG_NUMBERS)}

    def cell(text):
        word = text.strip().lower()
        if word in absent:
            return None
        if kind == "text":
            return text
        if kind == "truth":
            return TRUTHS.get(word, text)
        if kind == "date":
            return text.strip()
        number = ONE_AND_ZERO.get(word, word.replace(",", ".", 1) if comma else word)
        if not re.fullmatch(NUMBER, number):
            return text  # refused below, with its row and column
        return int(number) if kind == "whole" and number.lstrip("+-").isdecimal() else float(number)

    return [cell(text) for text in texts]
