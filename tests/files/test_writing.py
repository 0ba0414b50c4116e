"""All that glassnet writes goes through `files.atomic`: the old file or the new one, whatever happens."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from faults import sweep

import glassnet
from glassnet import GlassNetClassifier
from glassnet.errors import DataError
from glassnet.tables.reading import write_table

PACKAGE = Path(glassnet.__file__).parent

# Who may call what. `replacing` is the one layer; the rest write to memory, or into what it opened.
ALLOWED = {
    ("files/atomic.py", "os.open"),
    ("cli/problems.py", "os.open"),  # the null device, as the next one
    ("export/program.py", "os.open"),
    ("files/atomic.py", "os.write"),
    ("files/atomic.py", "os.replace"),
    ("views/palette.py", "savefig"),  # into the file that `replacing` opened
    ("tables/reading.py", "write_csv"),  # to text or a buffer, as the next three
    ("tables/reading.py", "write_parquet"),
    ("tables/reading.py", "write_ipc"),
    ("tables/reading.py", "write_ndjson"),
    ("tables/delimited.py", "write_csv"),
    # A kernel's file holds its own checksum and can be made again, so it is not forced to the disk, and its folder is
    # one that nobody else may write to: the cache of the engine, which knows no other room, does this by itself.
    ("engine/cache.py", "os.open"),
    ("engine/cache.py", "os.replace"),
    ("engine/cache.py", "open to write"),
}

OF_THE_SYSTEM = {"open", "write", "pwrite", "replace", "rename", "renames", "link", "symlink", "truncate", "mkfifo"}
METHODS = {"write_text", "write_bytes", "savefig", "tofile", "touch", "symlink_to", "hardlink_to"}
FORMATS = ("csv", "parquet", "ipc", "ndjson", "excel")
METHODS |= {f"{verb}_{form}" for verb in ("write", "sink", "to") for form in FORMATS}
FUNCTIONS = {f"{room}.{name}" for room in ("np", "numpy") for name in ("save", "savez", "savetxt", "memmap")}
FUNCTIONS |= {f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copyfileobj", "copytree", "move")}
FUNCTIONS |= {"tempfile.NamedTemporaryFile", "tempfile.mkstemp", "tempfile.TemporaryDirectory", "tempfile.mkdtemp"}


def writes_of(tree):
    """(line, what) for each call in a module by which a file could be written."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        room, _, method = name.rpartition(".")
        if method == "open" and room != "os" and may_write(node):
            yield node.lineno, "open to write"
        elif (room == "os" and method in OF_THE_SYSTEM) or (room and method in METHODS):
            yield node.lineno, name if room == "os" else method
        elif name in FUNCTIONS:
            yield node.lineno, name


def may_write(call):
    """Whether a call of `open` has a mode other than for reading, or one that only the run would tell."""
    modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
    return any(not isinstance(mode, ast.Constant) or set(str(mode.value)) & set("wax+") for mode in modes)


def test_no_module_writes_files_but_through_the_one_layer():
    found = {
        (path.relative_to(PACKAGE).as_posix(), what, line)
        for path in PACKAGE.rglob("*.py")
        for line, what in writes_of(ast.parse(path.read_text()))
    }
    outside = {entry for entry in found if entry[:2] not in ALLOWED}
    assert not outside
    assert {entry[:2] for entry in found} == ALLOWED  # nothing stands there that is no longer done


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("open(path, 'w')", "open to write"),
        ("open(path, mode='rb+')", "open to write"),
        ("open(path, mode)", "open to write"),
        ("gzip.open(path, 'wb')", "open to write"),
        ("Path(path).write_text('a')", "write_text"),
        ("os.rename(a, b)", "os.rename"),
        ("np.save(path, array)", "np.save"),
        ("shutil.copyfile(a, b)", "shutil.copyfile"),
        ("frame.sink_parquet(path)", "sink_parquet"),
    ],
)
def test_a_line_that_writes_past_the_layer_would_be_found(line, what):
    assert list(writes_of(ast.parse(line))) == [(1, what)]


WATCHED = """
import os, sys

def watch(event, arguments):
    if event != "open":
        return
    path, mode, flags = arguments
    writing = flags & (os.O_WRONLY | os.O_RDWR) or set(mode or "") & set("wax+")
    if writing and isinstance(path, str) and not path.startswith(("/dev/", "/proc/")):
        print("opened", path)

from glassnet.cli import main
import glassnet.workflow, glassnet.views.palette, polars, sklearn.metrics  # what importing them writes is theirs

sys.addaudithook(watch)
code = main(sys.argv[1:])
sys.exit(code)
"""


def watched(folder, *arguments):
    """The files that a command opened to write to, as Python's own audit saw them, and its exit code."""
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("opened ") for line in done.stdout.splitlines() if line.startswith("opened ")]


def test_a_training_with_pictures_and_its_predictions_open_none_but_temporary_files_to_write(tmp_path):
    table = pl.DataFrame({"a": np.arange(60) % 7, "b": ["x", "y", "z"] * 20, "y": ["no", "yes"] * 30})
    table.write_csv(tmp_path / "table.csv")
    training = ["train", "table.csv", "--target", "y", "--preset", "plain", "--epochs", "2", "--engine", "reference"]
    paths = watched(tmp_path, *training)
    paths += watched(tmp_path, "predict", "table.glassnet", "table.csv", "--out", "out.parquet")
    made = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"table.glassnet", "out.parquet"} < made
    assert len(made) > 3  # pictures
    ours = [path for path in paths if Path(path).name.startswith(".glassnet-") and path.endswith(".tmp")]
    assert len(ours) == len(made) - 1  # all but the table
    caches = ("matplotlib", "fontlist", ".cache")  # of Matplotlib's own
    assert [path for path in paths if path not in ours and not any(name in path for name in caches)] == []


# The same faults as for `replacing` itself, at the two ends that users see


def test_whichever_call_fails_while_a_model_is_saved_the_old_or_the_new_one_loads(tmp_path):
    X = np.linspace(-1.0, 1.0, 20)[:, None]
    old, new = (
        GlassNetClassifier((2,), preset="plain", max_epochs=1, random_state=0, engine="reference").fit(X, y)
        for y in (X[:, 0] > 0, X[:, 0] > 0.5)
    )
    path = tmp_path / "model.glassnet"
    answers = [model.predict_proba(X).tolist() for model in (old, new)]

    def save():
        for other in tmp_path.iterdir():
            other.unlink()
        old.save(path)
        new.save(path)

    def check(ended, fault):
        if path.exists():  # the first save may have failed
            assert glassnet.load(path).predict_proba(X).tolist() in (answers[1:] if ended else answers)
        assert ended <= path.exists()
        assert len(list(tmp_path.iterdir())) <= path.exists() + 2 * fault.lasting

    assert sweep(save, check) > 80


def test_whichever_call_fails_while_predictions_are_written_the_old_or_the_new_table_is_there(tmp_path):
    path = tmp_path / "out.csv"
    frame = pl.DataFrame({"prediction": [1, 2]})

    def write():
        for other in tmp_path.iterdir():
            other.unlink()
        path.write_text("old")
        try:
            write_table(frame, path)
        except DataError as error:
            raise error.__cause__ from None  # of the system, as `sweep` wants it

    def check(ended, fault):
        assert path.read_text() in (["prediction\n1\n2\n"] if ended else ["old", "prediction\n1\n2\n"])
        assert len(list(tmp_path.iterdir())) <= 1 + fault.lasting

    assert sweep(write, check) > 40
