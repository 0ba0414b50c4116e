"""Same seed, same bits: for any number of threads, any cut into runs, any kernel cache; and a row is predicted by
itself, whatever rows are beside it."""

import os
import subprocess
import sys
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.engine import plan, threads
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Activation, Dense, Dropout, LayerNorm
from glassnet.maths.members import EnsembleDense
from glassnet.maths.numbers import PiecewiseLinear
from glassnet.maths.optimisers import optimiser_named
from glassnet.network import Network
from glassnet.training import compiled
from glassnet.training.backend import Rows, reference_outputs
from glassnet.training.compiled import EngineBackend, engine_outputs

# --- training -------------------------------------------------------------------------------------------------------


@pytest.fixture
def seven_processors(monkeypatch):
    """Let the engine take seven threads for any work wherever these tests run; on fewer processors they take turns."""
    monkeypatch.setattr(threads, "available", lambda: 7)
    for module in (threads, plan):
        monkeypatch.setattr(module, "WORTH_A_THREAD", 0)


@pytest.fixture(params=[8, 1], ids=["in slices", "together"])
def slices(request, monkeypatch):
    """Both ways to share out a step: each slice of a batch with a gradient of its own, or one gradient for all."""
    monkeypatch.setattr(plan, "MOST_SLICES", request.param)
    return request.param


def most_threads(backend, n_jobs):
    slices = backend._program.plan.n_slices
    return n_jobs if slices == 1 and not backend.network.members else min(n_jobs, slices)


def digest(state, *others):
    return sha256(b"".join(np.asarray(part).tobytes() for part in (*state.values(), *others))).hexdigest()


WIDE = [Dense(100, "silu"), LayerNorm(), Dropout(0.3), Dense(33, "tanh"), Dense(3)]
CITIES, LANDS = 40, 3
APART = Columns(
    {"numbers": (range(2, 20), []), "city": ([0], [Embedding(CITIES, 8)]), "land": ([1], [Embedding(LANDS, 2)])}
)
MIXED = [APART, *WIDE]
IN_BINS = {
    "numbers": (range(2), []),
    **{f"number {k}": ([k], [PiecewiseLinear(np.linspace(-2, 2, 17)), Dense(8)]) for k in range(2, 18)},
    "wide": ([18], [PiecewiseLinear([-1.0, 0.0, 1.0]), Dense(20, "silu")]),
    "bare": ([19], [PiecewiseLinear([-1.0, 0.0, 1.0])]),
}
BINNED = [Columns(IN_BINS), *WIDE]
TEAM = [
    Columns({**IN_BINS, "numbers": ([0], [Embedding(CITIES, 8)]), "land": ([1], [Embedding(LANDS, 2)])}),
    EnsembleDense(33, "relu", members=9, start="normal"),
    Dropout(0.2),
    Dense(17, "tanh"),
    EnsembleDense(3, members=9, shared=False),
]
NARROW = [LayerNorm(), Dense(5, "tanh"), Dropout(0.5), Dense(3)]


def backend_of(layers, dtype="float64", n=2000, batch_size=900, n_jobs=1, optimiser="adam", weighted=True, **options):
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(n, 20)), np.eye(3)[rng.integers(3, size=n)]
    if layers in (MIXED, TEAM):
        X[:, :2] = with_codes(X)[:, :2]
    weights = rng.uniform(0, 2, size=n) if weighted else None
    rows = Rows(*(None if part is None else part.astype(dtype) for part in (X, T, weights)))
    network = Network(layers, "cross_entropy", 20, dtype, random_state=1)
    return EngineBackend(
        network, optimiser_named(optimiser), rows, batch_size=batch_size, seed=5, n_jobs=n_jobs, **options
    )


def with_codes(X):
    """X with codes of cities and lands for its first two columns, unknown ones included."""
    rng = np.random.default_rng(7)
    X = X.copy()
    X[:, 0], X[:, 1] = rng.integers(CITIES + 3, size=len(X)), rng.integers(LANDS + 1, size=len(X))
    return X


def trained(backend, n_epochs=1, cut=10**9):
    """Digest of the state and the losses after some epochs, `cut` steps a call."""
    state, rng, losses = backend.start(), np.random.default_rng(3), []
    for _ in range(n_epochs):
        order, done, size = rng.permutation(len(backend.rows.X)), 0, backend.batch_size * backend.members
        order = np.concatenate([np.tile(part, backend.members) for part in batches(order, backend.batch_size)])
        while done < backend.steps_per_epoch:
            end = min(done + cut, backend.steps_per_epoch)
            rates = np.tile([1e-2, 0.1, 1.0, 1.0], (end - done, 1))
            losses.append(backend.run(state, order[done * size : end * size], rates)[0])
            done = end
    return digest(state), losses


def batches(order, size):
    return [order[first : first + size] for first in range(0, len(order), size)]


OPTIONS = [
    {"optimiser": "adam"},
    {"optimiser": "nesterov", "clip_norm": 0.1, "l2": 0.1},
    {"optimiser": "gradient_descent", "l1": 0.01, "weighted": False, "batch_size": 2000},
    {"optimiser": "rmsprop", "clip_norm": 1.0, "batch_size": 64},
    {"optimiser": "momentum", "batch_size": 256},  # one chunk of several slices
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layers", [WIDE, MIXED, BINNED, TEAM], ids=["numbers", "categories", "bins", "ensemble"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options["optimiser"])
def test_training_has_the_same_bits_for_any_number_of_threads(options, layers, dtype, seven_processors, slices):
    alone = trained(backend_of(layers, dtype, n_jobs=1, **options))
    for n_jobs in (2, 3, 7):
        backend = backend_of(layers, dtype, n_jobs=n_jobs, **options)
        assert backend._program.plan.n_slices <= slices
        assert backend._crew.choices == [most_threads(backend, n_jobs)]
        assert trained(backend) == alone
    assert trained(backend_of(layers, dtype, n_jobs=None, **options), n_epochs=1) == alone


def test_a_large_table_is_worth_a_second_thread_and_its_bits_do_not_depend_on_it(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 2)
    X, T = np.random.default_rng(0).integers(0, 30_000, size=(64, 1)), np.ones((64, 1))
    states = {}
    for n_levels, n_jobs, choices in ((30_000, 2, [2]), (30_000, 1, [1]), (300, 2, [1])):
        layers = [Columns({"city": ([0], [Embedding(n_levels, 8)])}), Dense(1)]
        network = Network(layers, "squared_error", 1, random_state=0)
        backend = EngineBackend(network, optimiser_named("adam"), Rows(X, T), batch_size=16, n_jobs=n_jobs)
        assert backend._crew.choices == choices
        states[n_levels, n_jobs] = backend.start()
        backend.run(states[n_levels, n_jobs], np.arange(64), np.tile([1e-2, 0.0, 1.0, 1.0], (4, 1)))
    assert digest(states[30_000, 1]) == digest(states[30_000, 2])


def test_more_threads_than_units_or_columns_change_nothing(seven_processors):
    for n, batch_size in ((40, 8), (3, 1), (33, 33)):
        alone = trained(backend_of(NARROW, n=n, batch_size=batch_size))
        for n_jobs in (2, 3, 7):
            backend = backend_of(NARROW, n=n, batch_size=batch_size, n_jobs=n_jobs)
            assert backend._crew.choices == [n_jobs]
            assert trained(backend) == alone


def test_losses_and_gradients_have_the_same_bits_for_any_number_of_threads(seven_processors, slices):
    params = backend_of(WIDE).network.params
    loss, G = backend_of(WIDE, l1=0.1).loss_and_gradient(params)
    for n_jobs in (2, 3, 7, None):
        backend = backend_of(WIDE, l1=0.1, n_jobs=n_jobs)
        again, again_G = backend.loss_and_gradient(params)
        assert (again, again_G.tobytes()) == (loss, G.tobytes())


def test_where_steps_are_cut_into_calls_changes_nothing():
    whole = trained(backend_of(WIDE, n=500, batch_size=32), n_epochs=2)
    for cut in (1, 3, 7):
        state, losses = trained(backend_of(WIDE, n=500, batch_size=32), n_epochs=2, cut=cut)
        assert state == whole[0]
        assert sum(losses) == pytest.approx(sum(whole[1]), rel=1e-12)


def test_a_full_batch_that_stays_in_memory_trains_as_one_that_is_gathered(monkeypatch):
    results = []
    for _ in range(2):
        backend = backend_of(WIDE, batch_size=2000)
        state = backend.start()
        losses = [backend.run(state, np.arange(2000), np.array([[1e-2, 0.1, 1.0, 1.0]])) for _ in range(3)]
        results.append((digest(state), losses))
        monkeypatch.setattr(compiled, "RESIDENT_BYTES", 0)
    assert not backend._program.plan.resident
    assert results[0] == results[1]


CHEAP = """
import hashlib, sys
import numpy as np
from glassnet.maths.layers import Dense
from glassnet.maths.optimisers import optimiser_named
from glassnet.network import Network
from glassnet.training.backend import Rows
from glassnet.training.compiled import EngineBackend

rng = np.random.default_rng(0)
rows = Rows(rng.normal(size=(300, 7)), rng.normal(size=(300, 2)))
network = Network([Dense(33, "tanh"), Dense(2)], "squared_error", 7, random_state=1)
backend = EngineBackend(network, optimiser_named("adam"), rows, batch_size=32)
state = backend.start()
result = backend.run(state, np.arange(300), np.tile([1e-2, 0.0, 1.0, 1.0], (10, 1)))
Y = backend.predict(state["params"], rows.X)
bits = b"".join(array.tobytes() for array in (*state.values(), Y)) + repr(result).encode()
print(hashlib.sha256(bits).hexdigest(), "numba" in sys.modules)
"""


def printed(program, folder):
    environment = os.environ | {"GLASSNET_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, env=environment, check=True
    )
    return done.stdout.split()


def test_fresh_and_cached_kernels_train_to_the_same_bits_and_cached_ones_need_no_compiler(tmp_path):
    fresh = printed(CHEAP, tmp_path)
    kept = printed(CHEAP, tmp_path)
    elsewhere = printed(CHEAP, os.environ["GLASSNET_CACHE_DIR"])  # where these tests keep theirs
    assert fresh[1] == "True"
    assert kept == [fresh[0], "False"]
    assert elsewhere[0] == fresh[0]


# --- prediction -----------------------------------------------------------------------------------------------------

OUTPUTS = [
    ("cross_entropy", 3),
    ("cross_entropy", 20),
    ("binary_cross_entropy", 1),
    ("multilabel", 9),
    ("squared_error", 5),
    ("poisson", 2),
]
N = 1300


def predictor(loss, n_outputs, dtype, hidden=(64, 33), activation="silu", p=9):
    layers = [layer for units in hidden for layer in (Dense(units), LayerNorm(), Activation(activation))]
    network = Network([*layers, Dropout(0.3), Dense(n_outputs)], loss, p, dtype, random_state=3)
    rng = np.random.default_rng(2)
    X = rng.normal(size=(N, p)) * rng.choice([1e-3, 1.0, 30.0, 1e4], size=(N, 1))
    return network, X.astype(dtype)


WHOLE = {
    (loss, n_outputs, dtype): predictor(loss, n_outputs, dtype)
    for loss, n_outputs in OUTPUTS
    for dtype in ("float32", "float64")
}
_outputs = {}


def outputs(key):
    if key not in _outputs:
        _outputs[key] = engine_outputs(*WHOLE[key])
    return (*WHOLE[key], _outputs[key])


@settings(max_examples=150)
@given(
    key=st.sampled_from(list(WHOLE)),
    seed=st.integers(0, 2**32),
    size=st.one_of(st.integers(0, 70), st.integers(0, N), st.sampled_from([1, 15, 16, 17, 31, 32, 33, 512, 513])),
    n_jobs=st.sampled_from([None, 1, 2]),
)
def test_any_subset_of_rows_in_any_order_is_predicted_with_the_same_bits(key, seed, size, n_jobs):
    network, X, whole = outputs(key)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(N)[:size]
    memory = np.empty(X[chosen].size + 8, X.dtype)
    part = memory[rng.integers(0, 8) :][: X[chosen].size].reshape(size, 9)  # anywhere in memory
    part[...] = X[chosen]
    assert engine_outputs(network, part, n_jobs).tobytes() == whole[chosen].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_prediction_does_not_depend_on_the_other_rows_for_any_activation(activation, dtype):
    for hidden, p in (((5,), 1), ((33, 1, 17), 4), ((64, 32), 20)):
        network, X = predictor("squared_error", 3, dtype, hidden, activation, p)
        whole = engine_outputs(network, X)
        for first, last in ((0, 1), (7, 8), (5, 40), (100, 613), (17, N)):
            assert engine_outputs(network, X[first:last]).tobytes() == whole[first:last].tobytes()
        for i in (0, 415, N - 1):
            repeated = np.repeat(X[i : i + 1], 70, axis=0)
            assert engine_outputs(network, repeated).tobytes() == 70 * whole[i].tobytes()


@settings(max_examples=90)
@given(
    layers=st.sampled_from([MIXED, BINNED, TEAM]),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 2**32),
    size=st.one_of(st.integers(0, 70), st.just(N)),
    n_jobs=st.sampled_from([None, 1, 2]),
)
def test_categories_and_bins_in_any_order_of_rows_are_predicted_with_the_same_bits(layers, dtype, seed, size, n_jobs):
    network = Network(layers, "cross_entropy", 20, dtype, random_state=3)
    X = with_codes(np.random.default_rng(2).normal(size=(N, 20))).astype(dtype)
    chosen = np.random.default_rng(seed).permutation(N)[:size]
    assert engine_outputs(network, X[chosen], n_jobs).tobytes() == engine_outputs(network, X)[chosen].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wide_networks_predict_each_row_by_itself(dtype):
    for p, hidden in ((784, (256, 128)), (3, (3000, 2))):
        network, X = predictor("cross_entropy", 10, dtype, hidden, p=p)
        whole = engine_outputs(network, X)
        assert engine_outputs(network, X[-300:]).tobytes() == whole[-300:].tobytes()
        for i in (0, 31, 700):
            assert engine_outputs(network, X[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()


@pytest.mark.parametrize("key", WHOLE, ids=str)
def test_outputs_are_those_of_the_reference(key):
    network, X, whole = outputs(key)
    eps = np.finfo(network.dtype).eps
    with np.errstate(over="ignore"):
        expected = reference_outputs(network, X)
    assert whole.dtype == network.dtype
    np.testing.assert_allclose(whole, expected, rtol=2000 * eps, atol=200 * eps)


def test_many_rows_and_threads_predict_the_same_bits_again_and_again():
    # The last rows fill no whole chunk: threads that have come to it must not touch what others work on.
    network, X = predictor("cross_entropy", 3, "float64")
    for n in (16387, 4000, 1025):
        X = np.resize(X, (n, 9))
        alone = engine_outputs(network, X, 1)
        for _ in range(40):
            assert engine_outputs(network, X, 2).tobytes() == alone.tobytes()


def test_an_evaluation_has_the_same_bits_for_any_number_of_threads():
    backends = [backend_of(WIDE, n=16387, n_jobs=n_jobs) for n_jobs in (1, 2)]
    params = backends[0].network.params
    loss, Y = backends[0].evaluate(params, backends[0].rows)
    for _ in range(20):
        again, again_Y = backends[1].evaluate(params, backends[1].rows)
        assert (again, again_Y.tobytes()) == (loss, Y.tobytes())


def test_predictions_use_the_weights_as_they_are_now():
    network, X, before = outputs(("squared_error", 5, "float64"))
    params = network.params.copy()
    try:
        network.params[:] *= 0.5
        assert not np.array_equal(engine_outputs(network, X), before)
        np.testing.assert_allclose(engine_outputs(network, X), reference_outputs(network, X), rtol=1e-9, atol=1e-12)
        network.params = params
        assert np.array_equal(engine_outputs(network, X), before)
    finally:
        network.params = params


def test_inputs_of_any_layout_and_type_are_predicted_alike():
    network, X, whole = outputs(("cross_entropy", 3, "float32"))
    for same in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.astype(np.float64), X[::-1].copy()[::-1]):
        assert engine_outputs(network, same).tobytes() == whole.tobytes()
    whole_numbers = np.arange(90).reshape(10, 9)
    assert np.array_equal(engine_outputs(network, whole_numbers), engine_outputs(network, whole_numbers.astype("f")))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_rows_have_no_outputs(dtype):
    network, X, _ = outputs(("multilabel", 9, dtype))
    Y = engine_outputs(network, X[:0])
    assert (Y.shape, Y.dtype) == ((0, 9), np.dtype(dtype))


def test_the_memory_of_a_prediction_does_not_grow_with_the_rows():
    network, X = predictor("cross_entropy", 3, "float32")
    engine_outputs(network, X)
    peaks = []
    for n in (2000, 200_000):
        many = np.resize(X, (n, 9))
        tracemalloc.start()
        try:
            Y = engine_outputs(network, many)
            peaks.append(tracemalloc.get_traced_memory()[1] - Y.nbytes)
        finally:
            tracemalloc.stop()
    assert peaks[1] <= peaks[0] + 200_000  # bytes, for a second thread; the arrays of one layer would take 50 million
