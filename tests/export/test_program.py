"""Exported modules as programs: a CSV file is read as `glassnet predict` reads it, or refused."""

import csv
import datetime
import io
import subprocess
import sys
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet import GlassNetClassifier, workflow
from glassnet.errors import DataError
from glassnet.export.program import cells_of
from glassnet.export.to_python import python_source
from glassnet.tables.delimited import DELIMITERS

N = 120
TABLE = pl.DataFrame(
    {
        "age": [None if row % 7 == 0 else 20 + row / 4 for row in range(N)],
        "city": [["Bern", "Ulm", "None", None][row % 4] for row in range(N)],
        "member": [[True, False, False][row % 3] for row in range(N)],
        "code": [["7", "07b", "8", "x"][row % 4] for row in range(N)],
        "floor": [row % 5 for row in range(N)],
        "when": [datetime.date(2023, 12, 25) + datetime.timedelta(row * 9) for row in range(N)],
    }
)
MODEL = GlassNetClassifier((4,), max_epochs=2, engine="reference", random_state=0, preset="plain")
MODEL.set_params(columns={"floor": "category"}).fit(TABLE, ["old" if row % 7 > 3 else "young" for row in range(N)])
MODULE = ModuleType("exported")
exec(python_source(MODEL), MODULE.__dict__)

ABSENT = st.sampled_from(["", "NA", "n/a", "#N/A", "NaN", "NULL", "?", " na "])
AMONG_NUMBERS = st.sampled_from(["None", "-", ".", "none"])
NUMBERS = st.sampled_from(["7", "+8", "-3.5", "07", "1e1", "2.", ".5", "30"])
CELLS = {  # what `glassnet predict` takes in each column, whatever stands beside it
    "age": NUMBERS | ABSENT | AMONG_NUMBERS,
    "city": st.sampled_from(["Bern", "Ulm", "Paris", "a, b;c", 'the "', "None", "none", "-"]) | ABSENT,
    "member": st.sampled_from(["true", "TRUE", "False", "fAlse"]) | ABSENT,
    "code": st.sampled_from(["7", "07b", "x", "7.0", "1e1", "y"]) | ABSENT,
    "floor": st.sampled_from(["1", "2.0", "3", "+4", "9"]) | ABSENT | AMONG_NUMBERS,
    "when": st.sampled_from(["2024-02-29", "1999-01-01", "2031-12-31"]) | ABSENT | AMONG_NUMBERS,
}
ANY = st.one_of(
    *CELLS.values(),
    st.sampled_from(["True", "inf", "1_0", "today", "2024", "31.12.2024", "12:30:00"]),
    st.sampled_from(["1,5", "1.5", "é", "2024-02-29 12:00", "20240229", "True", "7"]),
)


@st.composite
def texts_of_tables(draw, cells):
    """CSV in one of its dialects."""
    rows = draw(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=6))
    space = draw(st.sampled_from(["", " "]))
    file = io.StringIO()
    writer = csv.writer(
        file,
        delimiter=draw(st.sampled_from(DELIMITERS[:-1])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )
    writer.writerow(cells)
    writer.writerows([[row[name] + space for name in cells] for row in rows])
    return file.getvalue()


def by_command(path):
    """Predictions, or None for a file that is refused: a short column of texts that are all numbers, and the like."""
    try:
        return workflow.predict(MODEL, path)
    except DataError:
        return None


def by_program(path):
    return MODULE.results(MODULE.read_file(path, MODULE.KINDS))


def require_the_same(found, expected):
    assert list(found["prediction"]) == expected["prediction"].to_list()
    for name in ("probability_old", "probability_young"):
        np.testing.assert_allclose(found[name], expected[name].to_numpy(), rtol=1e-5)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("program") / "new.csv"


@settings(max_examples=150)
@given(texts_of_tables(CELLS))
def test_the_program_reads_what_the_command_reads(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    expected = by_command(path)
    if expected is not None:
        require_the_same(by_program(path), expected)


@settings(max_examples=200)
@given(st.sampled_from([*CELLS]).flatmap(lambda name: texts_of_tables(CELLS | {name: ANY})))
def test_the_program_is_nowhere_silently_different(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    expected = by_command(path)
    try:
        found = by_program(path)
    except ValueError:
        return
    if expected is not None:
        require_the_same(found, expected)


def csv_of(folder, text):
    (folder / "new.csv").write_text(text, encoding="utf-8", newline="")
    return folder / "new.csv"


def column_of(path, name="x", kind="number"):
    return MODULE.read_file(path, {name: kind})[name]


def test_the_table_of_training_is_predicted_as_the_command_does(tmp_path):
    """Polars writes truth values in small letters; in training they were levels True and False."""
    export = tmp_path / "m.py"
    export.write_text(python_source(MODEL), encoding="utf-8")
    TABLE.write_csv(tmp_path / "new.csv")
    command = [sys.executable, "-I", str(export), str(tmp_path / "new.csv")]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = workflow.predict(MODEL, tmp_path / "new.csv")
    require_the_same(pl.read_csv(io.StringIO(out)).to_dict(), expected)
    assert expected["prediction"].to_list() == MODEL.predict(TABLE).tolist()


@pytest.mark.parametrize("separator", DELIMITERS)
def test_the_separator_is_the_one_that_finds_the_columns(tmp_path, separator):
    others = "".join(DELIMITERS).replace(separator, "").replace(" ", "")
    path = csv_of(tmp_path, separator.join(["u", "x", f"v{others}w"]) + "\n" + separator.join(["1", "2", "3"]) + "\n")
    assert column_of(path) == [2]


def test_decimal_commas_are_numbers_unless_some_number_has_a_point(tmp_path):
    assert column_of(csv_of(tmp_path, "x;y\n1,5;a\n-2;b,c\n")) == [1.5, -2.0]
    assert column_of(csv_of(tmp_path, "x;y\n1,500;2.5\n")) == ["1,500"]
    assert column_of(csv_of(tmp_path, 'x,y\n"1,5",2\n')) == ["1,5"]


def test_spaces_around_cells_and_blank_lines_are_no_part_of_the_table(tmp_path):
    path = csv_of(tmp_path, "\n y , x \r\n\r\n a ,  7 \nb, \n\n")
    assert column_of(path) == [7, None]
    assert column_of(path, "y", "text") == ["a", "b"]


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (["TRUE", "false", "na", "", "maybe"], "truth", ["True", "False", None, None, "maybe"]),
        (["true", "-", "7", "1.50", "none", "?"], "text", ["true", "-", "7", "1.50", "none", None]),
        (["1", "-", ".", "None", "2.5", "true"], "number", [1.0, None, None, None, 2.5, 1.0]),
        (["1", "old", "1_0", "inf"], "number", [1.0, "old", "1_0", "inf"]),
        ([str(2**60 + 1), "-7", "0.5", "False"], "whole", [2**60 + 1, -7, 0.5, 0]),
        ([str(2**60 + 1)], "number", [2.0**60]),
        (["-", "2024-02-29 ", "soon"], "date", [None, "2024-02-29", "soon"]),
    ],
)
def test_what_a_cell_is_depends_on_the_model_and_on_no_other_cell(cells, kind, expected):
    found = cells_of(cells, kind, comma=False)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]
    assert [cells_of([cell], kind, comma=False)[0] for cell in cells] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("x,y\n\n", "has no rows"),
        ("x,y\n1,2\n3\n", "row 2: must have 2 cells, as the header, got 1"),
        ("x,y\n1,2,3\n", "row 1: must have 2 cells, as the header, got 3"),
        ("x,y,x\n1,2,3\n", "column 'x' occurs twice in the header"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError) as caught:
        column_of(csv_of(tmp_path, text), "x", "text")
    assert str(caught.value) == message


def test_numbers_alone_are_texts_where_training_had_texts(tmp_path):
    """Also the level "7" of a column with "07b"; 5 is a city that training did not know."""
    head = "age,city,member,code,floor,when\n"
    for row in ("30,Bern,true,7.0,1,2024-02-29", "30,5,true,7,1,2024-02-29"):
        path = csv_of(tmp_path, head + row + "\n")
        require_the_same(by_program(path), workflow.predict(MODEL, path))


@pytest.mark.parametrize("value", [5, True, np.float64(5), "today", "2024", "20240229"])
def test_what_numpy_would_take_for_a_date_is_refused(value):
    with pytest.raises(ValueError) as caught:
        MODULE.dates({"when": ["2024-02-29", value]}, "when")
    assert str(caught.value) == f"row 2: column 'when' must hold dates such as 2024-12-31, got {value!r}"
