"""The package as a whole: what is public, what an import loads, which way imports run."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import glassnet

SOURCE = Path(glassnet.__file__).parent

HEAVY = [
    *("scipy", "sklearn", "polars", "pandas", "narwhals", "matplotlib", "rich", "typer", "safetensors", "numba"),
    *("torch", "jax", "tensorflow", "onnx", "onnxruntime"),
]


# What a small fit must not load: a second and more that a new process does not have to wait for.
NOT_TO_FIT = [
    *("scipy.stats", "scipy.spatial", "sklearn.metrics", "sklearn.preprocessing", "sklearn.model_selection"),
    *("matplotlib", "rich", "typer", "polars", "safetensors", "numba", "llvmlite", "glassnet.training.compiled"),
]


def modules_after(code, names=HEAVY):
    """Those of `names` that are loaded once `code` has run in a fresh interpreter."""
    program = f"{code}\nimport sys, json; print(json.dumps(sorted(set({names!r}) & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_loads_nothing_heavy():
    assert modules_after("import glassnet") == []


def test_a_network_needs_numpy_alone():
    code = "from glassnet import Network, Dense; Network([Dense(2, 'tanh'), Dense(1)], 'squared_error', 3)"
    assert modules_after(code) == []


@pytest.mark.parametrize("name", ["GlassNetClassifier", "GlassNetRegressor"])
def test_importing_an_estimator_loads_scikit_learns_base_and_little_else(name):
    assert modules_after(f"from glassnet import {name}", [*NOT_TO_FIT, "sklearn.base"]) == ["sklearn.base"]


def test_a_small_fit_with_its_predictions_and_score_loads_nothing_more():
    code = """
from glassnet import GlassNetClassifier
X, y = [[x / 40, "ab"[x % 2]] for x in range(40)], [x > 20 for x in range(40)]
model = GlassNetClassifier(max_epochs=3, random_state=0).fit(X, y)
model.predict_proba(X), model.score(X, y)
"""
    assert modules_after(code, NOT_TO_FIT) == []


def test_each_public_name_can_be_imported_and_no_other_is_listed():
    assert sorted([*glassnet._HOME, "__version__"]) == sorted(glassnet.__all__)
    for name in glassnet.__all__:
        assert getattr(glassnet, name) is not None
    assert dir(glassnet) == sorted(glassnet.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'glassnet' has no attribute 'GlassNet'"):
        glassnet.GlassNet  # noqa: B018


def test_every_public_class_and_function_says_what_it_does():
    for name in glassnet.__all__:
        if name != "__version__":
            assert getattr(glassnet, name).__doc__, name


FLOORS = [
    {"errors"},
    {"maths"},
    {"network"},
    {"engine", "files", "datasets"},
    {"training", "tables", "views"},
    {"estimators"},
    {"workflow", "export"},
    {"cli"},
]


def rooms_imported(path):
    """Rooms of glassnet that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "glassnet":
            names = [f"glassnet.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from (name.split(".")[1] for name in names if name.startswith("glassnet."))


def test_imports_run_down_the_floors():
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    files = [path for path in SOURCE.rglob("*.py") if path.name not in ("__main__.py",) and path.parent != SOURCE]
    files += [SOURCE / "network.py", SOURCE / "errors.py"]
    assert len(files) > 40
    for path in files:
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for other in rooms_imported(path):
            if other in floor and other != room:
                assert floor[other] < floor[room], f"{path.relative_to(SOURCE)} imports {other}"
