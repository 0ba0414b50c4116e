"""Which engine works: chosen by counting, said when it is not the one asked for."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from glassnet.engine.compiler import CompilerUnavailable
from glassnet.errors import OptionError, ReferenceEngineWarning
from glassnet.maths.activations import custom_activation
from glassnet.maths.columns import Columns
from glassnet.maths.layers import Dense, LayerNorm
from glassnet.maths.losses import custom_loss
from glassnet.maths.optimisers import Adam
from glassnet.network import Network
from glassnet.training import choice
from glassnet.training.backend import ReferenceBackend, Rows, reference_outputs
from glassnet.training.choice import choose_engine, make_backend, operations_of, outputs_of, start_backend

SQUARE = custom_activation(lambda Z: Z * Z, lambda Z: 2.0 * Z, name="square")


class Doubling(Dense):
    """A layer of a user's own."""


class Halving(Adam):
    """An optimiser of a user's own."""


def network_of(activation="tanh", loss="cross_entropy"):
    return Network([Dense(5, activation), Dense(3)], loss, 2, random_state=0)


def rows_of(n=12):
    rng = np.random.default_rng(0)
    return Rows(rng.normal(size=(n, 2)), np.eye(3)[rng.integers(0, 3, n)])


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """Each test is a process of its own, as far as warnings go."""
    monkeypatch.setattr(choice, "_said", set())


@pytest.fixture
def engine(monkeypatch):
    """An engine that can run anything but what it is told; it notes what it was asked."""
    fake = SimpleNamespace(reason=None, error=None, calls=[])

    def start(kind, *arguments, **options):
        fake.calls.append((kind, arguments, options))
        if fake.error is not None:
            raise fake.error
        return np.full((1, 3), 0.5) if kind == "predict" else SimpleNamespace(kind=kind)

    fake.EngineBackend = lambda *arguments, **options: start("train", *arguments, **options)
    fake.engine_outputs = lambda *arguments, **options: start("predict", *arguments, **options)
    fake.unsupported = lambda network, optimiser: fake.reason
    monkeypatch.setitem(sys.modules, "glassnet.training.compiled", fake)
    return fake


# --- the choice -----------------------------------------------------------------------------------------------------


def test_operations_are_counted_from_plan_and_rows():
    # 2-5-3: 25 weights, 33 parameters, 8 outputs a row. 12 rows in batches of 5 are 3 steps, for 7 epochs.
    expected = 7 * (12 * (3 * 25 + 300 * 8) + 3 * (4_000_000 + 50 * 33))
    assert operations_of(network_of(), 12, 5, 7) == expected


def test_operations_of_every_layer_are_counted():
    network = Network([Dense(5), LayerNorm(), Dense(3)], "cross_entropy", 2)
    # LayerNorm: 5 outputs a row and 10 parameters more, none of them in a product.
    assert operations_of(network, 1, 1, 1) == 3 * 25 + 300 * 13 + 4_000_000 + 50 * 43


def test_auto_takes_the_reference_below_the_limit_and_the_engine_from_there_on(engine, monkeypatch):
    n = operations_of(network_of(), 12, 5, 7)
    monkeypatch.setattr(choice, "WORTH_COMPILING", n + 1)
    assert choose_engine("auto", network_of(), Adam(), 12, 5, 7) == "reference"
    monkeypatch.setattr(choice, "WORTH_COMPILING", n)
    assert choose_engine("auto", network_of(), Adam(), 12, 5, 7) == "compiled"


def test_the_default_network_is_compiled_for_a_large_table_and_not_for_the_penguins(engine):
    small = Network([Dense(64, "silu"), Dense(32, "silu"), Dense(3)], "cross_entropy", 9)
    assert choose_engine("auto", small, Adam(), 310, 16, 200) == "reference"
    large = Network([Dense(128, "silu"), Dense(64, "silu"), Dense(3)], "cross_entropy", 20)
    assert choose_engine("auto", large, Adam(), 9000, 128, 200) == "compiled"


def test_what_is_named_is_taken_whatever_the_size(engine):
    assert choose_engine("compiled", network_of(), Adam(), 12, 5, 1) == "compiled"
    assert choose_engine("reference", network_of(), Adam(), 10**9, 5, 10**6) == "reference"


def test_a_small_fit_imports_neither_engine_nor_compiler():
    code = (
        "import sys, numpy as np; from glassnet import GlassNetClassifier; "
        "X = np.arange(40.0).reshape(-1, 1); clf = GlassNetClassifier((4,), max_epochs=2).fit(X, X[:, 0] > 20); "
        "clf.predict(X); print([name for name in sys.modules "
        "if name.startswith(('numba', 'llvmlite', 'glassnet.engine', 'glassnet.training.compiled'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- what is the user's own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "optimiser", "named"),
    [
        (network_of(SQUARE), Adam(), "square"),
        (network_of(loss=custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * (Z - T))), Adam(), "loss 'custom'"),
        (Network([Doubling(3)], "cross_entropy", 2), Adam(), "layer Doubling"),
        (network_of(), Halving(), "optimiser Halving"),
        (Network([Columns({"a": ([0], [Dense(2)])})], "cross_entropy", 2), Adam(), "branch 'a' of Columns"),
    ],
    ids=["activation", "loss", "layer", "optimiser", "branch"],
)
def test_what_is_the_users_own_runs_on_the_reference_and_a_warning_says_so(network, optimiser, named):
    with pytest.warns(ReferenceEngineWarning, match=f"^training runs on NumPy, .*{named}"):
        assert choose_engine("compiled", network, optimiser, 12, 5, 1) == "reference"


def test_a_reason_is_said_once_in_a_process(engine):
    engine.reason = "this activation is not one of glassnet's"
    with pytest.warns(ReferenceEngineWarning, match="this activation") as caught:
        choose_engine("compiled", network_of(), Adam(), 12, 5, 1)
    choose_engine("compiled", network_of(), Adam(), 12, 5, 1)  # a warning would be an error here
    assert len(caught) == 1
    engine.reason = "this loss is not one of glassnet's"
    with pytest.warns(ReferenceEngineWarning, match="this loss"):
        choose_engine("compiled", network_of(), Adam(), 12, 5, 1)


def test_auto_says_nothing_of_what_it_would_not_have_compiled(engine):
    engine.reason = "this activation is not one of glassnet's"
    assert choose_engine("auto", network_of(), Adam(), 12, 5, 1) == "reference"
    with pytest.warns(ReferenceEngineWarning):
        assert choose_engine("auto", network_of(), Adam(), 10**6, 5, 1000) == "reference"


# --- backends -------------------------------------------------------------------------------------------------------


def test_a_backend_gets_the_arguments_it_knows(engine):
    options = {"batch_size": 5, "l1": 0.1, "l2": 0.2, "clip_norm": 3.0, "averaging": 0.9, "seed": 4}
    network, optimiser, rows = network_of(), Adam(), rows_of()
    reference = make_backend("reference", network, optimiser, rows, **options, n_jobs=2)
    assert isinstance(reference, ReferenceBackend)
    assert {name: getattr(reference, name) for name in options} == options
    make_backend("compiled", network, optimiser, rows, **options, n_jobs=2)
    assert engine.calls == [("train", (network, optimiser, rows), {**options, "n_jobs": 2, "announce": None})]


def test_starting_says_which_engine_it_is(engine):
    kind, backend = start_backend("compiled", network_of(), Adam(), rows_of(), n_epochs=1, batch_size=5)
    assert (kind, backend.kind) == ("compiled", "train")
    kind, backend = start_backend("auto", network_of(), Adam(), rows_of(), n_epochs=1, batch_size=5)
    assert kind == "reference"
    assert isinstance(backend, ReferenceBackend)


def test_without_a_compiler_the_reference_takes_its_place_and_a_warning_says_why(engine):
    engine.error = CompilerUnavailable("Numba is switched off (NUMBA_DISABLE_JIT)")
    text = (
        "NumPy does the work of the compiled engine, which cannot start: Numba is switched off (NUMBA_DISABLE_JIT). "
        "Install numba, which is a part of glassnet, and unset NUMBA_DISABLE_JIT."
    )
    with pytest.warns(ReferenceEngineWarning) as caught:
        kind, backend = start_backend("compiled", network_of(), Adam(), rows_of(), n_epochs=1, batch_size=5)
    assert [str(warning.message) for warning in caught] == [text]
    assert kind == "reference"
    assert isinstance(backend, ReferenceBackend)
    X = rows_of().X
    assert np.array_equal(outputs_of("compiled", network_of(), X), reference_outputs(network_of(), X))  # said already


def test_without_a_compiler_an_engine_that_was_asked_for_is_an_error_with_the_remedy(engine):
    engine.error = CompilerUnavailable("Numba cannot be imported: No module named 'numba'")
    rule = (
        "engine cannot be had: Numba cannot be imported: No module named 'numba', got 'compiled'. Install numba, which "
        'is a part of glassnet, and unset NUMBA_DISABLE_JIT; or set engine="auto", which then does with NumPy.'
    )
    with pytest.raises(OptionError) as caught:
        start_backend("compiled", network_of(), Adam(), rows_of(), n_epochs=1, batch_size=5, required=True)
    assert str(caught.value) == rule
    with pytest.raises(OptionError) as caught:
        outputs_of("compiled", network_of(), rows_of().X, required=True)
    assert str(caught.value) == rule


def test_the_engine_that_trained_predicts(engine):
    network, X = network_of(), rows_of().X
    assert np.array_equal(outputs_of("reference", network, X), reference_outputs(network, X))
    assert engine.calls == []
    assert outputs_of("compiled", network, X, n_jobs=2).tolist() == [[0.5, 0.5, 0.5]]
    ((_, (called_with, rows, n_jobs), _),) = engine.calls
    assert (called_with, rows is X, n_jobs) == (network, True, 2)


def test_without_a_compiler_a_large_fit_runs_on_numpy_and_says_so():
    program = """
import sys, warnings
sys.modules["numba"] = sys.modules["llvmlite"] = None
import numpy as np
from glassnet import GlassNetRegressor
from glassnet.training import choice
choice.WORTH_COMPILING = 1
X = np.random.default_rng(0).normal(size=(60, 3))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = GlassNetRegressor(max_epochs=2, random_state=0).fit(X, X[:, 0])
print(model.settings_["engine"], [str(w.message) for w in caught])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("reference [")
    assert "NumPy does the work of the compiled engine, which cannot start: llvmlite cannot be imported" in ran.stdout
