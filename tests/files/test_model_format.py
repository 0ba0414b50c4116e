import contextlib
import enum
import gc
import gzip
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glassnet.errors import ModelFileError, OptionError
from glassnet.files.model_format import read_header, read_model, write_model
from glassnet.files.plain import from_json
from glassnet.files.weighing import weight_of

HEADER = {"written_by": "0.1.0", "layers": [{"kind": "dense", "width": 5}], "classes": ["a", "b"], "rate": 0.1}
ARRAYS = {"params": np.arange(5, dtype=np.float32), "codes": np.array([[1, 2], [3, 4]], dtype=np.int64)}

TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
names = st.text("az_AZ09./-", min_size=1, max_size=8)
arrays = st.dictionaries(
    names,
    st.sampled_from(TYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=4,
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
OURS = ("format", "format_version", "written_by")
headers = st.dictionaries(st.text(max_size=5).filter(lambda key: key not in OURS), plain, max_size=4)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.glassnet"
    write_model(path, HEADER, ARRAYS)
    return path


def complaint(path, read=read_model):
    """The message of the ModelFileError that reading raises, without the path it begins with."""
    with pytest.raises(ModelFileError) as raised:
        read(path)
    assert raised.value.file == str(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def a_file(path, header=HEADER, **table):
    """A safetensors file written by hand, so that anything in it can be wrong."""
    text = header if isinstance(header, str) else json.dumps({"format": "glassnet", "format_version": 1} | header)
    content = json.dumps({"__metadata__": {"glassnet": text}} | table).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content)
    return path


# What is written comes back


@settings(max_examples=150)
@given(header=headers, arrays=arrays)
def test_header_and_arrays_come_back_as_they_were(tmp_path_factory, header, arrays):
    path = tmp_path_factory.getbasetemp() / "round.glassnet"
    write_model(path, header | {"written_by": "1.2.3"}, arrays)
    got_header, got_arrays = read_model(path)
    assert got_header == {"format": "glassnet", "format_version": 1, "written_by": "1.2.3"} | header
    assert read_header(path) == got_header
    assert list(got_arrays) == sorted(arrays)
    for name, array in arrays.items():
        got = got_arrays[name]
        assert got.dtype == array.dtype
        assert got.shape == array.shape
        assert got.tobytes() == array.tobytes()  # bits: NaN included
        assert got.flags.c_contiguous
        assert got.flags.writeable


def test_the_header_keeps_the_order_of_dicts_and_turns_tuples_into_lists(tmp_path):
    columns = {"zebra": 1, "apple": 2, "mango": (3, 4)}
    write_model(tmp_path / "m", HEADER | {"columns": columns}, {})
    read = read_header(tmp_path / "m")
    assert list(read)[:3] == ["format", "format_version", "written_by"]
    assert list(read["columns"].items()) == [("zebra", 1), ("apple", 2), ("mango", [3, 4])]


def test_arrays_of_any_memory_order_and_endianness_come_back_with_their_values(tmp_path):
    base = np.arange(12.0).reshape(3, 4)
    given = {"fortran": np.asfortranarray(base), "strided": base[::2, ::-1], "big": base.astype(">f8")}
    write_model(tmp_path / "m", HEADER, given)
    _, got = read_model(tmp_path / "m")
    for name, array in given.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == np.float64
        assert got[name].flags.c_contiguous


def test_a_changed_array_does_not_change_the_file_it_was_read_from(model):
    _, first = read_model(model)
    first["params"][:] = -1
    np.testing.assert_array_equal(read_model(model)[1]["params"], [0, 1, 2, 3, 4])


def test_a_header_that_was_read_can_be_written_again(model, tmp_path):
    header, arrays = read_model(model)
    write_model(tmp_path / "again", header, arrays)
    assert (tmp_path / "again").read_bytes() == model.read_bytes()


@settings(max_examples=50)
@given(header=headers, arrays=arrays)
def test_the_same_content_gives_the_same_bytes(tmp_path_factory, header, arrays):
    first, second = (tmp_path_factory.getbasetemp() / name for name in ("first", "second"))
    write_model(first, header | {"written_by": "1"}, arrays)
    write_model(second, header | {"written_by": "1"}, dict(reversed(arrays.items())))
    assert first.read_bytes() == second.read_bytes()


def test_the_file_is_a_safetensors_file_that_others_can_read(model):
    with safetensors.safe_open(model, framework="numpy") as file:
        assert list(file.metadata()) == ["glassnet"]
        assert json.loads(file.metadata()["glassnet"])["classes"] == ["a", "b"]
        np.testing.assert_array_equal(file.get_tensor("codes"), [[1, 2], [3, 4]])


def test_reading_the_header_alone_does_not_read_the_arrays(tmp_path, monkeypatch):
    write_model(tmp_path / "m", HEADER, {"large": np.zeros(10**6)})

    def refuse(*arguments):
        raise AssertionError("the arrays were read")

    monkeypatch.setattr(safetensors.numpy, "load", refuse)
    assert read_header(tmp_path / "m")["classes"] == ["a", "b"]


# What cannot be written


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [0, float("nan")]}, "header['x']['a'][1] must be a finite number, got nan. Write None instead."),
        (float("-inf"), "header['x'] must be a finite number, got -inf. Write None instead."),
        ({1: "a"}, "header['x'] must have keys that are text, got 1"),
        (
            [np.int64(3)],
            "header['x'][0] must be a dict, list, text, number, True, False or None, got 3. int64 has no "
            "place in JSON: convert it with .tolist(), or store it among the arrays.",
        ),
        (
            {"c": Colour.RED},
            "header['x']['c'] must be a dict, list, text, number, True, False or None, got <Colour.RED: 1>. Colour "
            "has no place in JSON: convert it first.",
        ),
    ],
    ids=["nan", "infinity", "key", "numpy", "enum"],
)
def test_a_value_that_json_cannot_hold_is_named_with_its_place(tmp_path, value, message):
    with pytest.raises(ModelFileError) as raised:
        write_model(tmp_path / "m", HEADER | {"x": value}, {})
    assert str(raised.value) == message
    assert not list(tmp_path.iterdir())


def test_a_header_that_holds_itself_is_refused(tmp_path):
    endless: list = []
    endless.append(endless)
    with pytest.raises(ModelFileError, match=r"^header\['x'\](\[0\])+ is nested more than 64 levels deep$"):
        write_model(tmp_path / "m", HEADER | {"x": endless}, {})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({}, "header['written_by'] must be the version that writes the file, as text, got None"),
        ({"written_by": 1}, "header['written_by'] must be the version that writes the file, as text, got 1"),
        ({"written_by": "1", "format": "onnx"}, "header['format'] must be 'glassnet', got 'onnx'"),
        ({"written_by": "1", "format_version": 2}, "header['format_version'] must be 1, got 2"),
    ],
)
def test_the_header_must_say_who_writes_and_nothing_else_about_the_format(tmp_path, header, message):
    with pytest.raises(ModelFileError) as raised:
        write_model(tmp_path / "m", header, {})
    assert str(raised.value) == message


NAME = "must have a name of 1 to 128 letters, digits and _ . / - of ASCII"
ALL_TYPES = "float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool"


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a", np.array(["text"]), f"arrays['a'] must be of type {ALL_TYPES}, got 'str128'"),
        ("a", np.array([None]), f"arrays['a'] must be of type {ALL_TYPES}, got 'object'"),
        ("a", np.array([1j]), f"arrays['a'] must be of type {ALL_TYPES}, got 'complex128'"),
        ("a", [1.0], "arrays['a'] must be a NumPy array, got 'list'"),
        ("__metadata__", np.ones(1), f"arrays['__metadata__'] {NAME}"),
        (3, np.ones(1), f"arrays[3] {NAME}"),
        ("é", np.ones(1), f"arrays['é'] {NAME}"),
        ("", np.ones(1), f"arrays[''] {NAME}"),
    ],
)
def test_an_array_that_the_file_cannot_hold_is_named(tmp_path, name, array, message):
    with pytest.raises(ModelFileError) as raised:
        write_model(tmp_path / "m", HEADER, {name: array})
    assert str(raised.value) == message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_model_readable(model, monkeypatch, call):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left on device"):
        write_model(model, HEADER, {"other": np.zeros(3)})
    assert [path.name for path in model.parent.iterdir()] == ["model.glassnet"]
    assert list(read_model(model)[1]) == ["codes", "params"]


# What cannot be read

NO_MODEL = "A model is a file written by save() or by `glassnet train`."
AGAIN = "Copy or save the model again."


@pytest.mark.parametrize("read", [read_model, read_header])
def test_a_missing_file_is_an_error_that_names_the_nearest_model(model, read):
    mistyped = model.with_name("modle.glassnet")
    assert complaint(mistyped, read) == f"no such file. Did you mean {str(model)!r}?"
    assert complaint(model.parent / "nothing" / "at.all", read) == "no such file"


@pytest.mark.parametrize("read", [read_model, read_header])
def test_what_is_no_path_is_an_error_that_names_it(model, read):
    with open(model, "rb") as file:  # its number is one that Python opens, and closes
        for bad in (None, file.fileno(), b"model", [], "a\0b"):
            with pytest.raises(OptionError) as raised:
                read(bad)
            assert str(raised.value) == f"path must be the path of a file, got {bad!r}"
        assert file.read(1)


@pytest.mark.parametrize("read", [read_model, read_header])
def test_a_folder_is_not_a_model(tmp_path, read):
    assert complaint(tmp_path, read) == f"is a folder, not a model file. {NO_MODEL}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("read", [read_model, read_header])
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    assert complaint(tmp_path / "pipe", read) == f"is not a regular file. {NO_MODEL}"


def test_a_file_that_may_not_be_read_says_so(model, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert complaint(model) == "cannot be read: Permission denied"


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a", "b")
    return content.getvalue()


def numpy_file():
    content = io.BytesIO()
    np.save(content, np.ones(3))
    return content.getvalue()


FOREIGN = {
    "csv": (b"species,mass\nAdelie,3750\n" * 40, "a text file, such as CSV"),
    "latin-1": ("Stadt;Größe\nKöln;1\n".encode("latin-1"), "a text file, such as CSV"),
    "utf-8 with BOM": ("\ufeffname;größe\n".encode(), "a text file, such as CSV"),
    "utf-16": ("name;size\n".encode("utf-16"), "a text file in UTF-16"),
    "json": (b'\n {"format": "glassnet"}', "JSON text"),
    "brace at the ninth byte": (b"a,b,c,d,{e}\n", "a text file, such as CSV"),
    "html": (b"<!DOCTYPE html><html>", "HTML or XML text"),
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a PNG picture"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "a JPEG picture"),
    "zip": (zipped(), "a zip archive (.zip, .npz, .xlsx, PyTorch's .pt)"),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), "a gzip archive"),
    "npy": (numpy_file(), "a NumPy array (.npy)"),
    "parquet": (b"PAR1\x15\x04\x15\x00", "a Parquet table"),
    "arrow": (b"ARROW1\x00\x00\xff\xff", "an Arrow table"),
    "hdf5": (b"\x89HDF\r\n\x1a\n\x00\x00", "an HDF5 file (Keras's .h5)"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a pointer of Git LFS, which stands for a file that was not fetched",
    ),
}


@pytest.mark.parametrize("read", [read_model, read_header])
@pytest.mark.parametrize(("content", "kind"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_named_for_what_it_is(tmp_path, content, kind, read):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    assert complaint(path, read) == f"is not a model of glassnet: it looks like {kind}. {NO_MODEL}"


class Trap:
    """Unpickling it would leave a mark."""

    sprung = False

    def __reduce__(self):
        return (spring, ())


def spring():
    Trap.sprung = True


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_opened(tmp_path, protocol):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Trap(), protocol))
    assert complaint(path) == (
        "is not a model of glassnet: it looks like a pickle (joblib, .pkl). Opening a pickle can run any code, so "
        "glassnet opens none: save the model with save()."
    )
    assert not Trap.sprung


def test_bytes_of_no_known_kind_are_not_a_model(tmp_path):
    (tmp_path / "m").write_bytes(bytes(100))
    assert complaint(tmp_path / "m") == f"is not a model of glassnet. {NO_MODEL}"


@pytest.mark.parametrize("read", [read_model, read_header])
def test_an_empty_file_is_said_to_be_empty(tmp_path, read):
    (tmp_path / "m").write_bytes(b"")
    assert complaint(tmp_path / "m", read) == f"is empty. {AGAIN}"


@pytest.mark.parametrize("arrays", [ARRAYS, {}], ids=["with arrays", "without"])
def test_a_model_cut_at_any_byte_is_refused_by_both_readers(tmp_path, arrays):
    path = tmp_path / "m"
    write_model(path, HEADER, arrays)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        for read in (read_model, read_header):
            message = complaint(path, read)
            if size > 8:
                assert "is damaged: it is cut short, at " in message
                assert message.endswith(AGAIN)


def test_a_cut_model_says_how_much_is_missing(model):
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    expected = f"is damaged: it is cut short, at {len(content) - 1:,} of {len(content):,} bytes. {AGAIN}"
    assert complaint(model) == expected


def test_a_model_with_bytes_added_is_damaged(model):
    size = model.stat().st_size
    model.write_bytes(model.read_bytes() + b"!")
    for read in (read_model, read_header):
        assert complaint(model, read) == f"is damaged: it has {size + 1:,} bytes instead of {size:,}. {AGAIN}"


@settings(max_examples=200)
@given(data=st.data())
def test_a_model_with_any_byte_changed_is_read_or_refused_but_never_crashes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated.glassnet"
    write_model(path, HEADER, ARRAYS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for read in (read_model, read_header):
        with contextlib.suppress(ModelFileError):  # anything else that is raised fails the test
            read(path)


@settings(max_examples=100)
@given(content=st.binary(max_size=64))
def test_random_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random.glassnet"
    path.write_bytes(content)
    for read in (read_model, read_header):
        complaint(path, read)


def test_a_table_of_absurd_length_is_refused_unread(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{" + bytes(100))
    assert complaint(path) == f"is damaged: its table of arrays claims 9,223,372,036,854,775,808 bytes. {AGAIN}"


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"{broken}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a":' + b"[" * 200_000, "nested too deeply"),
    ],
    ids=["broken", "nan", "nested"],
)
def test_a_table_that_is_not_json_is_damaged(tmp_path, table, reason):
    (tmp_path / "m").write_bytes(struct.pack("<Q", len(table)) + table)
    expected = f"is damaged: its table of arrays is not JSON ({reason}). {AGAIN}"
    assert complaint(tmp_path / "m") == expected


def test_a_safetensors_file_of_another_program_is_no_model(tmp_path):
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file({"weight": np.ones(3)}, tmp_path / "m", metadata=metadata)
        assert complaint(tmp_path / "m") == f"is a safetensors file, but not of glassnet. {NO_MODEL}"


NOT_OURS = "its header does not say that the format is 'glassnet'"
NO_VERSION = "its header does not say which version wrote it"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{", "its header is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("[1]", NOT_OURS),
        ({"format": "glass"}, NOT_OURS),
        ({}, NO_VERSION),
        ({"written_by": "1", "format_version": "1"}, NO_VERSION),
        ({"written_by": "1", "format_version": True}, NO_VERSION),
        ({"written_by": "1", "format_version": 0}, NO_VERSION),
    ],
)
def test_a_header_that_is_not_as_we_write_it_is_damaged(tmp_path, header, reason):
    path = a_file(tmp_path / "m", header)
    for read in (read_model, read_header):
        assert complaint(path, read) == f"is damaged: {reason}. {AGAIN}"


@pytest.mark.parametrize("read", [read_model, read_header])
def test_a_model_of_a_newer_version_asks_for_an_upgrade(tmp_path, read):
    path = a_file(tmp_path / "m", {"written_by": "9.1.0", "format_version": 7})
    assert complaint(path, read) == (
        "was written by a newer glassnet, '9.1.0': its format is 7, this one reads up to 1. "
        "Open it with that version, or a newer one."
    )


@pytest.mark.parametrize("entry", [3, {}, {"data_offsets": [0]}, {"data_offsets": [0, "8"]}, {"data_offsets": 8}])
def test_an_array_without_a_place_is_damaged(tmp_path, entry):
    path = a_file(tmp_path / "m", weights=entry)
    for read in (read_model, read_header):
        assert complaint(path, read) == f"is damaged: its table does not say where array 'weights' is. {AGAIN}"


NO_SHAPE = "array 'weights' has a shape that is none"
NO_PLACE = "its table does not say where array 'weights' is"
NO_TYPE = "array 'weights' is of a type that is not known"
THREE = "array 'weights' must have data_offsets, dtype, shape, and nothing else"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"shape": [3]}, "array 'weights' needs 24 bytes, and its place has 16"),
        ({"shape": [1]}, "array 'weights' needs 8 bytes, and its place has 16"),
        ({"shape": []}, "array 'weights' needs 8 bytes, and its place has 16"),
        ({"shape": [2**33, 2**33]}, f"array 'weights' needs {2**69:,} bytes, and its place has 16"),
        ({"shape": [2**33, 2**31, 2]}, f"array 'weights' needs {2**68:,} bytes, and its place has 16"),
        ({"shape": [2**41, 0]}, NO_SHAPE),
        ({"shape": [1] * 9}, NO_SHAPE),
        ({"shape": [-2]}, NO_SHAPE),
        ({"shape": [2.0]}, NO_SHAPE),
        ({"shape": [True, 2]}, NO_SHAPE),
        ({"shape": "2"}, NO_SHAPE),
        ({"shape": {"0": 2}}, NO_SHAPE),
        ({"dtype": "F8_E4M3"}, NO_TYPE),
        ({"dtype": "object"}, NO_TYPE),
        ({"dtype": ["F64"]}, NO_TYPE),
        ({"dtype": None}, NO_TYPE),
        ({"data_offsets": [-8, 8]}, NO_PLACE),
        ({"data_offsets": [0, 16, 16]}, NO_PLACE),
        ({"data_offsets": [0.0, 16.0]}, NO_PLACE),
        ({"data_offsets": [False, 16]}, NO_PLACE),
        ({"data_offsets": [16, 0]}, "array 'weights' needs 16 bytes, and its place has -16"),
        ({"data_offsets": [8, 24]}, "array 'weights' leaves bytes before it that belong to none"),
        ({"data_offsets": [2**63, 2**63 + 16]}, "array 'weights' leaves bytes before it that belong to none"),
        ({"url": "http://example.org/weights"}, THREE),
    ],
)
def test_an_array_that_does_not_fit_its_place_is_damaged(tmp_path, change, reason):
    entry = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]} | change
    path = a_file(tmp_path / "m", {"written_by": "1"}, weights=entry)
    path.write_bytes(path.read_bytes() + bytes(16))
    for read in (read_model, read_header):
        assert complaint(path, read) == f"is damaged: {reason}. {AGAIN}"


@pytest.mark.parametrize("name", ["", "é", "a b", "a" * 129, "../../etc/passwd\n", "\x00"])
def test_an_array_of_a_strange_name_is_damaged(tmp_path, name):
    path = a_file(tmp_path / "m", {"written_by": "1"}, **{name: {"dtype": "F64", "shape": [0], "data_offsets": [0, 0]}})
    assert complaint(path) == f"is damaged: its table has an array of the name {name[:40]!r}, which is none. {AGAIN}"


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ({"a": [0, 8], "b": [0, 8]}, "array 'b' overlaps the array before it"),
        ({"a": [0, 8], "b": [4, 12]}, "array 'b' overlaps the array before it"),
        ({"a": [0, 8], "b": [16, 24]}, "array 'b' leaves bytes before it that belong to none"),
        ({"a": [8, 16]}, "array 'a' leaves bytes before it that belong to none"),
    ],
    ids=["the same", "partly", "a hole", "a hole at the start"],
)
def test_arrays_follow_each_other_without_gap_or_overlap(tmp_path, places, reason):
    table = {name: {"dtype": "I64", "shape": [1], "data_offsets": place} for name, place in places.items()}
    path = a_file(tmp_path / "m", {"written_by": "1"}, **table)
    path.write_bytes(path.read_bytes() + bytes(max(stop for _, stop in places.values())))
    assert complaint(path) == f"is damaged: {reason}. {AGAIN}"


def test_arrays_may_stand_in_any_order_and_at_places_that_their_type_would_not_choose(tmp_path):
    table = {
        "late": {"dtype": "F64", "shape": [1], "data_offsets": [3, 11]},
        "early": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]},
        "none": {"dtype": "F32", "shape": [0, 5], "data_offsets": [3, 3]},
    }
    path = a_file(tmp_path / "m", {"written_by": "1"}, **table)
    path.write_bytes(path.read_bytes() + bytes([1, 0, 1]) + struct.pack("<d", 0.5))
    _, arrays = read_model(path)
    assert list(arrays) == ["early", "late", "none"]
    assert arrays["early"].tolist() == [True, False, True]
    assert arrays["late"].tolist() == [0.5]
    assert arrays["late"].flags.aligned
    assert arrays["none"].shape == (0, 5)


def test_truth_values_are_0_or_1(tmp_path):
    path = a_file(tmp_path / "m", {"written_by": "1"}, a={"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]})
    path.write_bytes(path.read_bytes() + b"\x01\x02")
    assert complaint(path) == f"is damaged: array 'a' has truth values that are neither 0 nor 1. {AGAIN}"


def test_a_table_has_no_more_arrays_than_any_model_needs(tmp_path):
    nothing = {"dtype": "F64", "shape": [0], "data_offsets": [0, 0]}
    path = a_file(tmp_path / "m", {"written_by": "1"}, **{f"a{k}": nothing for k in range(10_001)})
    assert complaint(path) == f"is damaged: its table has 10,001 arrays, and no more than 10,000 are read. {AGAIN}"


# What JSON allows, and no file of ours has


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice in one object"),
        ('{"x": [{"a": {}, "b": 1, "b": 1}]}', "the key 'b' stands twice in one object"),
        ('{"a": 1e999}', "a number is too large"),
        ('{"a": -1e999}', "a number is too large"),
        ('{"a": 1' + "0" * 400 + "}", "a number is too large"),
        ('{"a": Infinity}', "Infinity is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": "\\ud800"}', "a text holds half a character (a lone surrogate)"),
        ('{"\\udfff": 1}', "a text holds half a character (a lone surrogate)"),
        ('{"a": ' + "[" * 64 + "1" + "]" * 64 + "}", "nested more than 64 levels deep"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", None),  # by the parser or by us
        ('{"a": 1' + "0" * 5000 + "}", None),  # by Python's own limit of digits
    ],
)
def test_json_that_readers_take_in_different_ways_or_that_costs_too_much_is_damaged(tmp_path, text, reason):
    inner = '{"format": "glassnet", "format_version": 1, "written_by": "1", ' + text[1:]
    outer = a_file(tmp_path / "outer", {"written_by": "1"}).read_bytes()[8:].decode()
    outer = outer[:-1] + ", " + text[1:]
    (tmp_path / "outer").write_bytes(struct.pack("<Q", len(outer)) + outer.encode())
    for path, what in ((a_file(tmp_path / "inner", inner), "header"), (tmp_path / "outer", "table of arrays")):
        for read in (read_model, read_header):
            message = complaint(path, read)
            assert message.startswith(f"is damaged: its {what} is not JSON ({reason or ''}")
            assert message.endswith(f"). {AGAIN}")


@pytest.mark.parametrize("where", ["another entry of the metadata", "a key", "an array"])
def test_a_text_of_enormous_length_is_taken_for_the_header_only_where_that_stands(tmp_path, where):
    long = json.dumps({"format": "glassnet", "format_version": 1, "written_by": "1", "x": "x" * 600_000})
    table = {"__metadata__": {"glassnet": "the header"}}
    if where == "another entry of the metadata":
        table["__metadata__"]["other"] = long
    elif where == "a key":
        table["__metadata__"][long] = "a"
    else:
        table["a"] = long
    text = json.dumps(table).encode()
    (tmp_path / "m").write_bytes(struct.pack("<Q", len(text)) + text)
    assert complaint(tmp_path / "m") == f"is damaged: its table of arrays holds a text of enormous length. {AGAIN}"


def test_a_header_of_megabytes_comes_back_with_all_its_escapes(tmp_path):
    texts = ['"', "\\", '\\\\"', "\n\t\x00", "é漢😀", "/", "\\u0041"] * 50_000
    write_model(tmp_path / "m", HEADER | {"texts": texts}, ARRAYS)
    assert (tmp_path / "m").stat().st_size > 2_000_000
    assert read_header(tmp_path / "m")["texts"] == texts


def test_a_text_is_weighed_before_anything_is_made_of_it(tmp_path):
    path = a_file(tmp_path / "m", '{"format": "glassnet", "x": [' + ",".join(["[]"] * 500_000) + "]}")
    message = complaint(path)
    most = 3 * path.stat().st_size + 48 * 2**20
    assert message.startswith("is damaged: its header is not JSON (it would take ")
    assert message.endswith(f" bytes of memory, and for its size no more than {most:,}). {AGAIN}")


@pytest.mark.parametrize(
    "text", [b'"', b'"' + b'\\"' * 300_000, b'{"a' + b'\\"' * 300_000, b'"a"' + b" " * 10**6, b"\\" * 10**6]
)
def test_a_text_is_weighed_in_one_pass_over_it_also_where_a_string_never_ends(text):
    assert weight_of(text) >= len(text)  # a pattern that went back at each of the marks would need minutes


def test_the_history_of_twenty_thousand_epochs_is_written_and_read(tmp_path):
    names = ("epoch", "step", "loss", "validation_loss", "validation_accuracy", "learning_rate")
    history = [dict(zip(names, (k, 2 * k, k / 7, k / 11, k / 13, 1e-3), strict=True)) for k in range(20_000)]
    write_model(tmp_path / "m", HEADER | {"history": history}, ARRAYS)
    assert memory_of(lambda: read_header(tmp_path / "m")) <= 4 * (tmp_path / "m").stat().st_size + 64 * 2**20
    assert read_header(tmp_path / "m")["history"] == history


def test_characters_beyond_ascii_are_spelled_out_in_both_texts(tmp_path):
    header = '{"format": "glassnet", "format_version": 1, "written_by": "é"}'
    table = json.dumps({"__metadata__": {"glassnet": header}})
    for path, text, what in (
        (tmp_path / "inner", table, "header"),
        (tmp_path / "outer", table.replace("\\u00e9", "é"), "table of arrays"),
    ):
        path.write_bytes(struct.pack("<Q", len(text.encode())) + text.encode())
        assert complaint(path) == f"is damaged: its {what} holds characters that are not ASCII. {AGAIN}"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-le"])
def test_a_table_in_an_encoding_of_ascii_bytes_that_is_not_ascii_is_damaged(tmp_path, encoding):
    path = a_file(tmp_path / "m")
    table = path.read_bytes()[8:].decode().encode(encoding)
    assert table.isascii()
    path.write_bytes(struct.pack("<Q", len(table)) + table)
    assert complaint(path).startswith("is damaged: its table of arrays is not JSON (Expecting property name")


def test_what_no_reader_would_take_is_not_written_and_the_old_file_stays(model):
    with pytest.raises(ModelFileError) as raised:
        write_model(model, HEADER, {f"a{k}": np.zeros(0) for k in range(10_001)})
    assert str(raised.value) == (
        "header cannot be written: the file is damaged: its table has 10,001 arrays, and no more than 10,000 are read"
    )
    assert list(read_model(model)[1]) == ["codes", "params"]


@pytest.mark.parametrize("value", ["\ud800", {"\udc00": 1}, 10**400])
def test_text_and_numbers_that_no_other_language_could_read_are_not_written(tmp_path, value):
    with pytest.raises(ModelFileError, match=r"^header\['x'\]"):
        write_model(tmp_path / "m", HEADER | {"x": value}, {})


def memory_of(work):
    """The most bytes that were allocated at a time, by Python and NumPy, while `work` ran."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Texts that take the most memory for their length, repeated until a table is a few megabytes long.
BOMBS = {
    "empty lists": ("[%s]", "[]"),
    "empty objects": ("[%s]", "{}"),
    "small objects": ("[%s]", '{"":1}'),
    "lists of one": ("[%s]", "[1]"),
    "objects in objects": ("[%s]", '{"a":{}}'),
    "objects of eleven keys": ("[%s]", "{" + ",".join(f'"{key}":1' for key in "abcdefghijk") + "}"),
    "different keys": ("{%s}", '"%x":1'),
    "objects of different keys": ("[%s]", '{"%x":1}'),
    "keys after many objects": ('{"":[' + "{}," * 20_000 + "{}],%s}", '"%x":1'),
    "keys of an object that never ends": ("{%s", '"%x":1'),
    "short texts": ("[%s]", '"ab"'),
    "colons in texts": ("[%s]", '"::"'),
    "numbers": ("[%s]", "0.5"),
}


def repeated(one, n_bytes):
    """A text as often as fits, its number in it where there is a place for it."""
    count = n_bytes // (len(one) + 4 if "%" in one else len(one) + 1)
    return ",".join(one % k for k in range(count)) if "%" in one else ",".join([one] * count)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_takes_at_most_four_times_its_size_and_64_mib(tmp_path, bomb):
    frame, one = BOMBS[bomb]
    inside = frame % repeated(one, 1_000_000)
    path = a_file(tmp_path / "m", '{"format":"glassnet","format_version":1,"written_by":"1","x":' + inside + "}")

    def work():
        with contextlib.suppress(ModelFileError):
            read_header(path)

    assert memory_of(work) <= 4 * path.stat().st_size + 64 * 2**20


def test_marks_that_only_another_encoding_shows_hide_nothing_from_the_weighing(tmp_path):
    """In UTF-16 the character U+2200 is a zero and a quotation mark: bytes that look like the end of a string."""
    hidden = ('"\u2200",' + "{}," * 80_000 + '"\u2200",') * 40
    table = ('{"x":[' + hidden + "0]}").encode("utf-16-le")
    path = tmp_path / "m"
    path.write_bytes(struct.pack("<Q", len(table)) + table)

    def work():
        with pytest.raises(ModelFileError):
            read_header(path)

    assert memory_of(work) <= 4 * path.stat().st_size + 64 * 2**20


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_text_is_never_weighed_too_light_nor_much_too_heavy(bomb):
    frame, one = BOMBS[bomb]
    text = frame % repeated(one, 100_000)

    def work():
        with contextlib.suppress(ValueError):
            from_json(text)

    real = memory_of(work)
    assert real <= weight_of(text.encode()) <= 6 * real


def test_arrays_are_read_into_memory_once(tmp_path):
    write_model(tmp_path / "m", HEADER, {f"a{k}": np.ones(10**6) for k in range(4)})
    assert memory_of(lambda: read_model(tmp_path / "m")) < 1.1 * 32e6
