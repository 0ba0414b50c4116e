"""`glassnet export`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest


def test_a_model_becomes_a_module_that_predicts_the_same(run, model, penguins, tmp_path):
    ended = run("export", model, "--to", "python", "--out", "penguins.py")
    assert ended == (0, "", "wrote penguins.py\n")
    command = [sys.executable, "-I", str(tmp_path / "penguins.py"), str(penguins)]
    given = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows, own = (list(csv.DictReader(io.StringIO(text))) for text in (given, run("predict", model, penguins).out))
    assert len(rows) == len(own) == 344
    assert [row.keys() for row in rows] == [row.keys() for row in own]
    for name in own[0]:
        if name == "prediction":
            assert [row[name] for row in rows] == [row[name] for row in own]
        else:
            both = [[float(row[name]) for row in table] for table in (rows, own)]
            np.testing.assert_allclose(*both, rtol=1e-5, atol=1e-6)


def test_a_model_becomes_an_onnx_file_beside_it(run, model):
    ended = run("export", model, "--to", "onnx", "--json")
    found = json.loads(ended.out)
    path = model.with_suffix(".onnx")
    assert found == {"model": str(model), "format": "onnx", "out": str(path), "bytes": path.stat().st_size}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["label", "probabilities"]


def test_quiet_says_nothing(run, model):
    assert run("export", model, "--to", "python", "--out", "m.py", "--quiet") == (0, "", "")


def test_the_help_ends_in_examples(run):
    ended = run("export", "--help")
    assert ended.code == 0
    assert "   glassnet export cars.glassnet --to onnx\n" in ended.out


def test_another_format_is_misuse(run, model):
    ended = run("export", model, "--to", "pickle")
    assert ended == (2, "", "glassnet: error: --to must be one of 'onnx', 'python', got 'pickle'\n")


def test_the_model_itself_is_never_replaced(run, model):
    before = model.read_bytes()
    ended = run("export", model, "--to", "onnx", "--out", model)
    assert ended.code == 2
    assert ended.err.startswith("glassnet: error: --out is the model, which would be lost")
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("none/m.py", "--out is in a folder that does not exist, got 'none/m.py'"),
        (".", "--out is a folder, not a file, got '.'"),
        ("cars.csv", "--out ends like a table (.csv), and a model is to be written, got 'cars.csv'. Name a file such"),
        (
            "v2.glassnet",
            "--out ends like a model (.glassnet), and a .py file is to be written, got 'v2.glassnet'. Name",
        ),
    ],
)
def test_what_would_be_lost_or_cannot_be_written_is_named_before_any_work(run, model, tmp_path, out, message):
    for name in ("cars.csv", "v2.glassnet"):
        (tmp_path / name).write_text("before")
    ended = run("export", model, "--to", "python", "--out", out)
    assert ended.code == 2
    assert ended.err.startswith(f"glassnet: error: {message}")
    assert [(tmp_path / name).read_text() for name in ("cars.csv", "v2.glassnet")] == ["before"] * 2


def test_without_the_packages_the_command_says_how_to_install_them(run, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    ended = run("export", model, "--to", "onnx", "--out", "m.onnx")
    assert ended.code == 2
    assert ended.err.endswith("Install them: pip install onnx onnxruntime.\n")
