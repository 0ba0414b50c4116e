"""A row of a file is predicted as in the whole file: its types are those of training, not of the rows beside it."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glassnet
from glassnet.errors import ColumnError, DataError
from glassnet.workflow import evaluate, predict

FAST = {"preset": "plain", "max_epochs": 1, "engine": "reference", "test_fraction": 0, "hidden_layer_sizes": (3,)}
PLAIN_WORDS = ["A", "unknown", "x y", "Ω", "-", "None", "."]
MISSING = ["", "NA", "n/a", "NaN", "null", "?"]
NUMBERS = [
    "1",
    "1.0",
    "1e0",
    "01",
    "+1",
    "7",
    "007",
    "1000",
    "1e3",
    "1.50",
    "1.5",
    ".5",
    "-0",
    str(2**53 + 1),
    str(2**53),
]
BOOLEANS = ["true", "false", "True", "FALSE"]
DATES = ["2024-01-01", "2024-02-29", "2023/05/06"]
CELLS = {"booleans": BOOLEANS, "numbers": NUMBERS, "dates": DATES, "words": PLAIN_WORDS}


def csv_of(cells) -> bytes:
    return "\n".join(["m,n", *(f"{cell},{i % 3}" for i, cell in enumerate(cells))]).encode()


def rows_of(data: bytes) -> list[bytes]:
    head, *rows = data.split(b"\n")
    return [head + b"\n" + row for row in rows]


def trained(folder, cells, suffix=".csv", **options):
    """A model of a file with the column m of these cells, n of numbers, and a target."""
    path = folder / f"training{suffix}"
    lines = csv_of(cells).decode().split("\n")
    path.write_text("\n".join([lines[0] + ",y", *(f"{line},{i * 7 % 5}.5" for i, line in enumerate(lines[1:]))]))
    return glassnet.train(path, "y", **FAST, **options).model


def predicted(folder, model, data: bytes, name="new.csv") -> list[float]:
    path = folder / name
    path.write_bytes(data)
    return predict(model, path)["prediction"].to_list()


@st.composite
def columns(draw):
    """Cells of a column: of one kind, of several, and perhaps missing ones."""
    pools = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=3, unique=True))
    cells = st.sampled_from([cell for pool in pools for cell in CELLS[pool]])
    if draw(st.booleans()):
        cells = cells | st.sampled_from(MISSING)
    return draw(st.lists(cells, min_size=2, max_size=9))


@settings(max_examples=150)
@given(columns(), st.sampled_from([None, "category"]))
def test_each_row_of_a_file_is_predicted_as_in_the_whole_file(tmp_path_factory, cells, kind):
    folder = tmp_path_factory.mktemp("rows")
    options = {} if kind is None else {"columns": {"m": kind}}
    try:
        model = trained(folder, cells * 4, **options)
    except DataError:  # a column without values, or one that is neither of numbers nor of anything else
        return
    data = csv_of(cells)
    expected = predict(model, glassnet.workflow.source.frame_of(folder / "training.csv")[1].to_native().drop("y"))
    whole = predicted(folder, model, data)
    rows = rows_of(data)
    assert [value for row in rows for value in predicted(folder, model, row)] == whole
    for row, beside, value in zip(rows, rows[1:] + rows[:1], whole, strict=True):
        assert predicted(folder, model, row + b"\n" + beside.split(b"\n")[1])[0] == value
    training = (folder / "training.csv").read_bytes()
    assert predicted(folder, model, training) == expected["prediction"].to_list()


JSON_CELLS = [
    1,
    1.0,
    7,
    0.5,
    1e3,
    2**53 + 1,
    True,
    False,
    "1",
    "1.0",
    "true",
    "True",
    "A",
    "NA",
    "-",
    "2024-01-01",
    None,
]


@settings(max_examples=100)
@given(st.lists(st.sampled_from(JSON_CELLS), min_size=2, max_size=8))
def test_each_line_of_json_is_predicted_as_in_the_whole_file(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("lines")
    rows = [{"m": cell, "n": i % 3} for i, cell in enumerate(cells)]
    training = [json.dumps({**row, "y": i * 7 % 5 + 0.5}) for i, row in enumerate(rows * 4)]
    (folder / "training.jsonl").write_text("\n".join(training))
    try:
        model = glassnet.train(folder / "training.jsonl", "y", **FAST).model
    except DataError:  # no value at all, or truth values among numbers
        return
    lines = [json.dumps(row).encode() for row in rows]
    whole = predicted(folder, model, b"\n".join(lines), "new.jsonl")
    assert [value for line in lines for value in predicted(folder, model, line, "new.jsonl")] == whole


@pytest.mark.parametrize(
    "cells",
    [
        ["true", "false", "unknown"],
        ["1", "1.0", "A", "1000", "1e3"],
        ["007", "7", "A"],
        ["2024-01-01", "x", "y"],
        ["1.50", "1.5", "z"],
    ],
)
def test_texts_of_a_file_that_look_like_something_else_stay_the_levels_they_are(tmp_path, cells):
    model = trained(tmp_path, cells * 6)
    assert [*model.encoder_.kinds_[0].levels] == sorted(cells)
    whole = predicted(tmp_path, model, csv_of(cells))
    assert len(set(whole)) == len(cells)
    assert [predicted(tmp_path, model, row)[0] for row in rows_of(csv_of(cells))] == whole
    with (tmp_path / "new.csv").open("wb") as file:
        file.write(rows_of(csv_of(cells))[0])
    with (tmp_path / "new.csv").open("rb") as file:
        assert predict(model, file)["prediction"].to_list() == whole[:1]


def test_booleans_of_a_file_are_true_and_false_however_they_are_cased_and_whatever_stands_beside(tmp_path):
    model = trained(tmp_path, ["true", "false"] * 10)
    table = pl.DataFrame({"m": [True, False, True], "n": [0, 1, 2]})
    expected = predict(model, table)["prediction"].to_list()
    assert predicted(tmp_path, model, csv_of(["TRUE", "False", "true"])) == expected
    assert predicted(tmp_path, model, csv_of(["TRUE", "False", "true", "perhaps"]))[:3] == expected
    (tmp_path / "new.csv").write_bytes(csv_of(["TRUE", "", "false"]))
    assert predict(model, tmp_path / "new.csv", keep=True)["m"].to_list() == [True, None, False]


def test_missing_words_among_numbers_and_dates_are_missing_whatever_stands_beside(tmp_path):
    for known in ("1.5", "2024-01-01"):
        model = trained(tmp_path, [known, "-", known.replace("1", "2")] * 6)
        empty = predicted(tmp_path, model, csv_of([""]))
        for word in ("-", "None", ".", "NA", " - "):
            assert predicted(tmp_path, model, csv_of([word])) == empty
            assert predicted(tmp_path, model, csv_of([word, known]))[:1] == empty
    model = trained(tmp_path, ["1", "-", "2"] * 6)
    assert predicted(tmp_path, model, csv_of(["-", "true"])) == [
        *predicted(tmp_path, model, csv_of(["-"])),
        predicted(tmp_path, model, csv_of(["-", "1"]))[1],
    ]


@pytest.mark.parametrize(
    ("training", "new", "message"),
    [
        (["1", "2"], ["1", "-", "x"], "row 3: column 'm' holds text where numbers were in training, got 'x'"),
        (["1", "2"], ["true", "2", "x"], "row 3: column 'm' holds text where numbers were in training, got 'x'"),
        (
            ["2024-01-01", "2024-02-01"],
            ["2024-03-01", "-", "soon"],
            "row 3: column 'm' holds text where dates were in training, got 'soon'",
        ),
    ],
)
def test_one_odd_cell_is_blamed_by_row_and_column(tmp_path, training, new, message):
    model = trained(tmp_path, training * 10)
    with pytest.raises(ColumnError, match=message):
        predicted(tmp_path, model, csv_of(new))


def test_an_infinity_among_levels_of_numbers_is_refused_beside_texts_too(tmp_path):
    model = trained(tmp_path, ["1", "2", "3.5"] * 6, columns={"m": "category"})
    for cells in (["1", "inf"], ["A", "inf"], ["A", "1e400"]):
        with pytest.raises(DataError, match="row 2: column 'm' must be finite, got inf"):
            predicted(tmp_path, model, csv_of(cells))


def test_spaces_around_cells_are_no_part_of_them_far_down_the_file_either(tmp_path):
    model = trained(tmp_path, ["A", "B"] * 40)
    whole = predicted(tmp_path, model, csv_of(["A", "B"] * 40 + [" B ", "  "]))
    assert whole[-2:] == predicted(tmp_path, model, csv_of(["A", "B"] * 40 + ["B", '""']))[-2:]
    assert whole[-2] == predicted(tmp_path, model, b"m,n\n B ,2")[0]


def test_texts_with_commas_are_the_same_with_padding_and_without(tmp_path):
    cells = ["1,5", "2,5", "A"]
    path = tmp_path / "training.csv"
    path.write_text("m;n;y\n" + "\n".join(f"{cell};{i},5;{i * 7 % 5},5" for i, cell in enumerate(cells * 6)))
    model = glassnet.train(path, "y", **FAST).model
    plain = predicted(tmp_path, model, b"m;n\n1,5;1,5\nA;2,5")
    assert predicted(tmp_path, model, b"m; n\n1,5; 1,5\nA; 2,5") == plain
    assert predicted(tmp_path, model, b"m; n\n1,5; 1,5") == plain[:1]


@pytest.mark.parametrize("kind", ["number", "category"])
def test_decimal_commas_are_found_beside_texts_that_look_like_numbers(tmp_path, kind):
    path = tmp_path / "training.csv"
    rows = [f"{('1,5', '2', ',5')[i % 3]};{('x', '1,5')[i % 2]};{i % 7},5" for i in range(30)]
    path.write_text("\n".join(["m;t;y", *rows]))
    model = glassnet.train(path, "y", columns={"m": kind}, **FAST).model
    whole = predicted(tmp_path, model, b"m;t\n1,5;x\n2;x\n,5;x")
    assert len(set(whole)) == 3
    assert [predicted(tmp_path, model, b"m;t\n%s;x" % cell)[0] for cell in (b"1,5", b"2", b",5")] == whole
    assert predicted(tmp_path, model, b"m;t\n1,5;2.5")[0] == predicted(tmp_path, model, b"m;t\n1,5;new")[0]
    assert predicted(tmp_path, model, b"m;t\n1,5;x\ntrue;x")[0] == whole[0]


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_a_model_without_names_knows_its_columns_by_their_places(tmp_path):
    X = pl.DataFrame({"m": ["1", "1.0", "A"] * 8, "n": [*range(24)]})
    model = glassnet.GlassNetRegressor(preset="plain", max_epochs=1, engine="reference", random_state=0)
    model.fit(X.to_numpy(), [*range(24)])
    whole = predicted(tmp_path, model, b"p,q\n1,0\n1.0,0\nA,0")
    assert [predicted(tmp_path, model, b"p,q\n%s,0" % cell)[0] for cell in (b"1", b"1.0", b"A")] == whole
    assert len(set(whole)) == 3


def test_true_values_of_one_row_are_the_classes_of_training(tmp_path):
    path = tmp_path / "training.csv"
    path.write_text("y,n\n" + "\n".join(f"{label},{i}" for i, label in enumerate(["1", "1.0", "A"] * 10)))
    model = glassnet.train(path, "y", **FAST).model
    new = tmp_path / "new.csv"
    for label in ("1", "1.0", "A"):
        new.write_text(f"y,n\n{label},3\n")
        expected = float(predict(model, new)["prediction"][0] == label)
        assert evaluate(model, new).scores["accuracy"] == expected


def test_lists_in_a_column_of_texts_are_refused_by_row(tmp_path):
    model = trained(tmp_path, ["A", "B"] * 10)
    with pytest.raises(DataError, match="row 2: column 'm' must hold one number, date or text a cell"):
        predicted(tmp_path, model, b'{"m": "A", "n": 1}\n{"m": [1], "n": 1}', "new.jsonl")
