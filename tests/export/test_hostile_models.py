"""Models of people who mean harm: what the loader lets in is exported, or refused with a typed error."""

import random
import warnings

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("resource", reason="benchmarks/torture.py limits memory as POSIX does")

from glassnet import export_onnx, export_python
from glassnet.errors import GlassNetError, ModelFileError
from glassnet.estimators.loading import load_from_bytes
from hostile import mutated, taken_apart
from torture import write_models


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Good models of every kind, taken apart."""
    folder = tmp_path_factory.mktemp("good")
    write_models(folder)
    return [taken_apart(path.read_bytes()) for path in sorted(folder.iterdir())]


def written(export, model, path):
    """Whether the model was exported, and not refused."""
    try:
        export(model, path)
    except GlassNetError:
        return False
    return True


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@given(seed=st.integers(0, 2**64))
def test_what_loads_is_exported_or_refused_with_a_typed_error(files, tmp_path_factory, seed):
    try:
        model = load_from_bytes(mutated(random.Random(seed), files))
    except ModelFileError:
        assume(False)
    folder = tmp_path_factory.mktemp("exported")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers may overflow in a network of absurd weights
        for export, name in ((export_onnx, "m.onnx"), (export_python, "m.py")):
            assert written(export, model, folder / name) == (folder / name).exists()


def test_good_models_are_exported(files, tmp_path):
    for file in files:
        model = load_from_bytes(file.joined())
        assert written(export_onnx, model, tmp_path / "m.onnx")
        assert written(export_python, model, tmp_path / "m.py")
