import datetime
import gzip
import io
import sys
from types import SimpleNamespace

import polars as pl
import pytest

from glassnet.errors import ColumnError, DataError
from glassnet.tables.delimited import CharacterSetWarning
from glassnet.tables.reading import read_table, write_table

FRAME = pl.DataFrame({"n": [1, 2], "x": [1.5, None], "s": ["a,b", "é"]})


def parsed(text: str | bytes) -> list[tuple]:
    return read_table(io.BytesIO(text if isinstance(text, bytes) else text.encode())).rows()


def complaint(text: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        parsed(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "suffix", ["csv", "tsv", "txt", "csv.gz", "parquet", "pq", "arrow", "feather", "ipc", "jsonl", "ndjson", "jsonl.gz"]
)
def test_what_is_written_in_a_format_is_read_back(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    write_table(FRAME, path)
    assert read_table(path).equals(FRAME)
    assert read_table(str(path)).equals(FRAME)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "arrow", "jsonl", "jsonl.gz"])
def test_a_stream_is_recognised_by_its_first_bytes(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    write_table(FRAME, path)
    assert read_table(io.BytesIO(path.read_bytes())).equals(FRAME)


def test_an_arrow_stream_is_recognised():
    buffer = io.BytesIO()
    FRAME.write_ipc_stream(buffer)
    assert read_table(io.BytesIO(buffer.getvalue())).equals(FRAME)


def test_a_dash_reads_standard_input_and_writes_csv_to_standard_output(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a,b\n1,x\n")))
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    write_table(read_table("-"), "-")
    assert out.getvalue() == b"a,b\n1,x\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_the_delimiter_is_found_with_respect_to_quotes(delimiter):
    text = f'a{delimiter}"b {delimiter} c"\n1{delimiter}"x,y;z|{delimiter}"\n2{delimiter}"he said ""hi"""\n'
    assert parsed(text) == [(1, f"x,y;z|{delimiter}"), (2, 'he said "hi"')]


def test_commas_inside_text_do_not_win_over_tabs():
    assert parsed("id\ttext, long\n1\ta, b\n2\tc, d, e\n") == [(1, "a, b"), (2, "c, d, e")]


def test_one_column_of_words_is_not_cut_at_its_spaces():
    assert parsed("full name\nAnn Lee\nBob Ray\n") == [("Ann Lee",), ("Bob Ray",)]


def test_decimal_commas_are_understood_beside_semicolons():
    assert parsed("a;b\n1,5;x\n-0,25;y\n") == [(1.5, "x"), (-0.25, "y")]


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_byte_order_marks_are_not_part_of_the_first_name(charset):
    mark = "\ufeff" if charset == "utf-16-be" else ""
    frame = read_table(io.BytesIO(f"{mark}é,b\r\n1,ü\r\n".encode(charset)))
    assert frame.columns == ["é", "b"]
    assert frame.rows() == [(1, "ü")]


@pytest.mark.parametrize("text", ["é,b\n1,x\n", "a,b\n1,é\n"])
def test_text_that_is_not_utf8_is_read_as_windows_1252_with_a_warning(text):
    with pytest.warns(CharacterSetWarning, match="the stream is not UTF-8; read as Windows-1252"):
        frame = read_table(io.BytesIO(text.encode("cp1252")))
    assert frame.write_csv() == text


def test_missing_words_are_missing_in_any_case_and_none_is_a_word():
    text = "x,s\n1,None\n,NA\nNaN,null\nN/A,\n?,NULL\n#n/a,Nan\nna,Null\n2,nan\n"
    assert parsed(text) == [(1, "None"), *[(None, None)] * 6, (2, None)]


@pytest.mark.parametrize("word", ["-", ".", "None", "none", " - ", "?", "Null", " NA"])
def test_words_for_missing_values_among_numbers_and_dates_are_missing(word):
    text = f"n,x,d\n1,0.5,2024-12-31\n{word},{word},{word}\n-3,1e3,2025-01-01\n"
    first, last = datetime.date(2024, 12, 31), datetime.date(2025, 1, 1)
    assert parsed(text) == [(1, 0.5, first), (None, None, None), (-3, 1000.0, last)]


def test_padding_that_begins_late_in_the_file_leaves_numbers_and_missing_values():
    assert parsed("a,b\n" + "1,2\n" * 60 + "1, NA\n1, 7\n")[-2:] == [(1, None), (1, 7)]


def test_among_texts_a_dash_a_point_and_none_are_texts():
    text = "s\nx\n-\n.\nNone\n?\n na \n"
    assert [row[0] for row in parsed(text)] == ["x", "-", ".", "None", None, None]


def test_decimal_commas_beside_missing_values_are_numbers():
    assert parsed("a;b\n1,5;x\n-;y\n2;z\n") == [(1.5, "x"), (None, "y"), (2.0, "z")]


def test_types_are_inferred_from_the_whole_file_and_dates_parsed():
    text = "n,d\n" + "1,2020-01-31\n" * 3000 + "1.5,2020-02-01\n"
    assert parsed(text)[-1] == (1.5, datetime.date(2020, 2, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-12-31", datetime.date(2024, 12, 31)),
        ("2024/12/31", datetime.date(2024, 12, 31)),
        ("31.12.2024", datetime.date(2024, 12, 31)),
        ("2024-12-31 23:59", datetime.datetime(2024, 12, 31, 23, 59)),
        ("2024-12-31T23:59:58.5", datetime.datetime(2024, 12, 31, 23, 59, 58, 500_000)),
        ("2024-12-31T23:59:58Z", datetime.datetime(2024, 12, 31, 23, 59, 58, tzinfo=datetime.UTC)),
        ("2024-12-31T23:59:58+02:00", datetime.datetime(2024, 12, 31, 21, 59, 58, tzinfo=datetime.UTC)),
        ("31.12.2024 23:59", datetime.datetime(2024, 12, 31, 23, 59)),
        ("31.12.2024 23:59:58", datetime.datetime(2024, 12, 31, 23, 59, 58)),
        ("23:59:58", datetime.time(23, 59, 58)),
        ("01/02/2024", "01/02/2024"),  # the first of February, or the second of January
        ("2024-13-31", "2024-13-31"),
    ],
)
def test_unambiguous_dates_are_parsed(text, expected):
    assert parsed(f"n,d\n1,{text}\n2,\n3,{text}\n") == [(1, expected), (2, None), (3, expected)]


def test_one_value_that_is_no_date_leaves_the_column_text():
    assert parsed("n,d\n1,2024-12-31\n2,soon\n") == [(1, "2024-12-31"), (2, "soon")]


def test_spaces_around_cells_are_dropped():
    assert parsed("a, b, c\n39, State-gov, ?\n1.5, x, 2\n") == [(39.0, "State-gov", None), (1.5, "x", 2)]


def test_spaces_around_cells_are_dropped_wherever_in_the_file_they_begin():
    assert parsed("a,b\n" + "Bern,1\n" * 60 + "Bern ,2\n , 3\n")[-3:] == [("Bern", 1), ("Bern", 2), (None, 3)]


def test_spaces_around_cells_do_not_change_a_comma_among_texts():
    for space in ("", " "):
        assert parsed(f"a;b\n{space}1,5;x\n2;1,5\n") == [(1.5, "x"), (2.0, "1,5")]


def test_an_empty_cell_is_missing_with_quotes_and_spaces_too():
    for empty in ("", '""', " ", '" "'):
        assert parsed(f"a,b,c,d\nx,1,2024-12-31,true\n{','.join([empty] * 4)}\n") == [
            ("x", 1, datetime.date(2024, 12, 31), True),
            (None, None, None, None),
        ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_lines_are_no_rows_but_rows_of_empty_cells_are(end):
    assert parsed(end.join(["a,b", "1,2", "", ",", "3,", "", ""])) == [(1, 2), (None, None), (3, None)]


def test_dates_in_json_lines_become_dates_and_missing_keys_are_missing():
    text = '{"d": "2020-01-02", "s": "2020-01-02x"}\n\n{"d": null, "s": "b"}\n{"s": "c"}\n'
    assert parsed(text) == [(datetime.date(2020, 1, 2), "2020-01-02x"), (None, "b"), (None, "c")]


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "cars.csv").write_text("a\n1\n")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "car.csv")
    assert str(caught.value) == f"{tmp_path / 'car.csv'}: does not exist. Did you mean {str(tmp_path / 'cars.csv')!r}?"
    with pytest.raises(DataError, match=r"The folder '.*nowhere' does not exist either"):
        read_table(tmp_path / "nowhere" / "car.csv")
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_table(tmp_path)


@pytest.mark.parametrize("name", ["cars.xlsx", "cars", "cars.parquet.gz", ".gz"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path, name):
    (tmp_path / name).write_text("a\n1\n")
    with pytest.raises(
        DataError, match=r"must end in one of \.csv \.tsv .*\.ndjson \(text formats also with \.gz\), got"
    ):
        read_table(tmp_path / name)
    with pytest.raises(DataError, match="must end in one of"):
        write_table(FRAME, tmp_path / name)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff", gzip.compress(b"")])
def test_an_empty_file_is_named(text):
    assert complaint(text).startswith("the stream: is empty. Give a file with a header line")


@pytest.mark.parametrize("text", ["a,b", "a,b\n\n", "a, b\n"])
def test_a_header_alone_is_no_table(text):
    assert complaint(text) == "the stream: has a header but no rows. Add at least one line of values below the header."


def test_repeated_column_names_are_refused():
    message = "the stream: column 'a' occurs 2 times in the header. Give every column a name of its own."
    assert complaint("a,b,a\n1,2,3\n") == message
    assert complaint("a, b, a \n1, 2, 3\n") == message
    with pytest.raises(ColumnError, match="row 2: column 'a' occurs twice in one object"):
        parsed('{"a": 1}\n{"a": 1, "a": 2}\n')


@pytest.mark.parametrize("line", ["1,2", "1,2,3,4", "1"])
def test_a_ragged_row_is_named(line):
    text = f"a,b,c\n1,2,3\n\n1,,\n{line}\n1,2,3\n"
    cells = line.count(",") + 1
    assert complaint(text).startswith(f"the stream: row 3: must have 3 cells, as the header, got {cells}. Quote cells")


def test_a_ragged_row_of_a_padded_table_is_named():
    assert "row 2: must have 2 cells, as the header, got 1." in complaint("a, b\n1, 2\n3\n")


def test_a_table_without_header_is_refused():
    assert "starts with a row of numbers where column names were expected, got '5.1'" in complaint("5.1,3.5\n1,2\n")
    assert parsed("0,1\n5.1,3.5\n") == [(5.1, 3.5)]  # pandas writes such headers


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1 no footer PAR1", "is not a readable Parquet file ("),
        (b"ARROW1 no footer", "is not a readable Arrow file ("),
        (gzip.compress(b"a,b\n1,2\n")[:-9], "is not a complete gzip file ("),
        (b"a,b\n\x00\x01,2\n", "is not a text file (it holds zero bytes)"),
        (b'{"a": 1}\n{"a":\n', "row 2: must be one JSON object, got '{\"a\":'"),
    ],
)
def test_a_broken_file_says_so(data, message):
    assert complaint(data).startswith(f"the stream: {message}")


def test_other_sources_are_refused():
    with pytest.raises(DataError, match='source must be a path, "-" or an open binary file, got 3'):
        read_table(3)
    with pytest.raises(DataError, match="source must be opened in binary mode"):
        read_table(io.StringIO("a\n1\n"))


def test_a_folder_that_does_not_exist_cannot_be_written_to(tmp_path):
    with pytest.raises(DataError, match=r"cannot be written \(No such file or directory\)"):
        write_table(FRAME, tmp_path / "nowhere" / "out.csv")
