"""The engine among threads and processes, and under Ctrl-C.

Each test runs a program of its own with a time limit, so that a hang is a failure and not the end of the suite.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

LIMIT = 90.0  # seconds; each takes one or two where nothing hangs
POSIX = os.name == "posix"
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

# What every program begins with. The work is large enough for two threads, and over in a moment.
COMMON = """
import hashlib, os, sys, threading, time, warnings
import numpy as np
from glassnet.maths.layers import Dense, Dropout
from glassnet.maths.optimisers import optimiser_named
from glassnet.network import Network
from glassnet.training.backend import Rows
from glassnet.training.compiled import EngineBackend, engine_outputs

warnings.simplefilter("ignore", DeprecationWarning)  # of newer Pythons, about forks where there are threads

def backend_of(seed=0, n=2000, n_jobs=2, batch_size=500, layers=(64, 32), p=20):
    rng = np.random.default_rng(seed)
    X, T = rng.normal(size=(n, p)), np.eye(3)[rng.integers(3, size=n)]
    hidden = [layer for units in layers for layer in (Dense(units, "tanh"), Dropout(0.2))]
    network = Network([*hidden, Dense(3)], "cross_entropy", p, random_state=seed)
    return EngineBackend(network, optimiser_named("adam"), Rows(X, T), batch_size=batch_size, seed=seed, n_jobs=n_jobs)

def bits(*arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()

def work(seed=0, epochs=5, n_jobs=2):
    backend = backend_of(seed, n_jobs=n_jobs)
    state, rates = backend.start(), np.tile([1e-2, 0.0, 1.0, 1.0], (4, 1))
    for epoch in range(epochs):
        loss, finite = backend.run(state, np.random.default_rng(epoch).permutation(2000), rates)
        assert finite
    return bits(state["params"], engine_outputs(backend.network, backend.rows.X, n_jobs))

def n_threads():
    \"\"\"Threads that are still there a moment later.\"\"\"
    deadline = time.monotonic() + 1
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    return threading.active_count()

def in_child(function):
    \"\"\"What a forked child makes of function(), as text; an error when it does not answer.\"\"\"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + 30
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return "hangs"
        time.sleep(0.01)
    with open(reader) as pipe:
        return pipe.read()
"""


def program(folder, text):
    """Write COMMON and the text to a file, and return the command that runs it."""
    path = folder / "program.py"
    path.write_text(COMMON + textwrap.dedent(text))
    return [sys.executable, str(path)]


def run(folder, text, **environment):
    """What the program prints, line by line; it must end well, and in time."""
    done = subprocess.run(
        program(folder, text), capture_output=True, text=True, timeout=LIMIT, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


# --- threads --------------------------------------------------------------------------------------------------------


def test_trainings_in_four_threads_at_once_have_the_bits_of_each_alone(tmp_path):
    lines = run(
        tmp_path,
        """
        results = {}
        threads = [threading.Thread(target=lambda s=s: results.__setitem__(s, work(s, 20))) for s in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for seed in range(4):
            print(results[seed] == work(seed, 20))
        print(n_threads())
        """,
    )
    assert lines == ["True"] * 4 + ["1"]


def test_the_first_use_of_the_engine_may_be_in_many_threads_at_once(tmp_path):
    lines = run(
        tmp_path,
        """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(8) as pool:
            print(len(set(pool.map(lambda i: work(1), range(8)))))
        """,
    )
    assert lines == ["1"]


def test_one_network_predicts_in_many_threads_at_once(tmp_path):
    lines = run(
        tmp_path,
        """
        backend = backend_of(n=5000)
        network, X = backend.network, backend.rows.X
        whole, wrong = engine_outputs(network, X), []

        def predict(seed):
            rng = np.random.default_rng(seed)
            for _ in range(60):
                first, last = sorted(rng.integers(0, 5001, size=2))
                if not np.array_equal(engine_outputs(network, X[first:last], 1 + seed % 2), whole[first:last]):
                    wrong.append((first, last))

        threads = [threading.Thread(target=predict, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(wrong)
        """,
    )
    assert lines == ["[]"]


def test_a_network_is_predicted_with_while_it_trains_in_another_thread(tmp_path):
    lines = run(
        tmp_path,
        """
        backend = backend_of()
        X, state = backend.rows.X, backend.start()
        kept = state["params"].copy()
        expected, results = backend.predict(kept, X), []
        thread = threading.Thread(target=lambda: results.append(work()))
        thread.start()
        same = []
        while thread.is_alive():
            same.append(np.array_equal(backend.predict(kept, X), expected))
        print(all(same), results[0] == work())
        """,
    )
    assert lines == ["True True"]


# --- processes ------------------------------------------------------------------------------------------------------


@needs_fork
def test_a_child_forked_after_training_trains_and_predicts_the_same_bits(tmp_path):
    lines = run(
        tmp_path,
        """
        mine = work()
        print([in_child(work) == mine for _ in range(3)], in_child(lambda: in_child(work)) == mine)
        """,
    )
    assert lines == ["[True, True, True] True"]


@needs_fork
def test_a_child_forked_while_another_thread_trains_trains_the_same_bits(tmp_path):
    lines = run(
        tmp_path,
        """
        expected, stop, others = work(), threading.Event(), []

        def keep_training():
            while not stop.is_set():
                others.append(work(1))

        thread = threading.Thread(target=keep_training)
        thread.start()
        children = [in_child(work) == expected for _ in range(10)]
        stop.set()
        thread.join()
        print(children.count(True), len(set(others)), others[0] == work(1))
        """,
    )
    assert lines == ["10 1 True"]


@needs_fork
def test_a_child_forked_before_the_first_use_trains_too(tmp_path):
    lines = run(tmp_path, "print(in_child(work) == work())")
    assert lines == ["True"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes_train_the_same_bits(tmp_path, method):
    if method != "spawn" and not POSIX:
        pytest.skip("this system only spawns")
    lines = run(
        tmp_path,
        f"""
        import multiprocessing

        if __name__ == "__main__":
            expected = [work(seed) for seed in range(4)]
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                print(pool.map(work, range(4)) == expected)
        """,
    )
    assert lines == ["True"]


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib_trains_the_same_bits(tmp_path, backend):
    pytest.importorskip("joblib")
    lines = run(
        tmp_path,
        f"""
        from joblib import Parallel, delayed

        if __name__ == "__main__":
            expected = [work(seed) for seed in range(4)]
            with Parallel(n_jobs=2, backend={backend!r}) as parallel:
                print(parallel(delayed(work)(seed) for seed in range(4)) == expected)
        """,
    )
    assert lines == ["True"]


def test_dask_trains_the_same_bits(tmp_path):
    pytest.importorskip("dask")
    lines = run(
        tmp_path,
        """
        import dask

        if __name__ == "__main__":
            expected = tuple(work(seed) for seed in range(4))
            tasks = [dask.delayed(work)(seed) for seed in range(4)]
            for scheduler in ("threads", "processes"):
                print(dask.compute(*tasks, scheduler=scheduler) == expected)
        """,
    )
    assert lines == ["True", "True"]


def test_workers_of_joblib_take_no_more_threads_than_their_share(tmp_path):
    pytest.importorskip("joblib")
    lines = run(
        tmp_path,
        """
        from joblib import Parallel, delayed
        from glassnet.engine.threads import available

        if __name__ == "__main__":
            alone = available()
            shares = Parallel(n_jobs=2, backend="loky")(delayed(available)() for _ in range(4))
            print(max(shares) <= max(1, alone // 2))
        """,
    )
    assert lines == ["True"]


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------

SOON = 1.0  # seconds, from the key to the end of the process
TRIES = 5  # of which one must be that quick: a machine that does other things too is late now and then

TRAINING = """
import signal
from glassnet.training.loop import train
from glassnet.training.options import TrainingOptions
from glassnet.training.progress import Progress

def say(*words):
    print(*words, flush=True)

def report(backend, outcome):
    finite = bool(np.isfinite(outcome.params).all())
    say(outcome.reason, len(outcome.history) >= 1, outcome.best_epoch >= 1, finite, n_threads())
"""


def pressed(folder, text, times=1, wait=0.3, soon=SOON):
    """Run a program until it says "now" and press Ctrl-C; return what it said then, and how long it took at best."""
    tries = []
    while len(tries) < TRIES and (not tries or tries[-1][1] >= soon):
        tries.append(press_once(folder, text, times, wait))
        assert tries[-1][0][-1] == tries[0][0][-1]
    return min(tries, key=lambda lines_and_seconds: lines_and_seconds[1])


def press_once(folder, text, times, wait):
    """One try of `pressed`."""
    process = subprocess.Popen(
        program(folder, TRAINING + textwrap.dedent(text)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        said = process.stdout.readline()
        assert said == "now\n", said + process.communicate(timeout=LIMIT)[1]
        for _ in range(times):
            time.sleep(wait)
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=LIMIT)
        seconds = time.monotonic() - begun
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    return output.split("\n")[:-1], seconds


needs_signals = pytest.mark.skipif(not POSIX, reason="this system sends Ctrl-C to whole consoles")


@needs_signals
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_ends_a_training_of_many_steps_at_once_with_the_best_weights(tmp_path, n_jobs):
    lines, seconds = pressed(
        tmp_path,
        f"""
        backend = backend_of(n=60_000, batch_size=256, layers=(128, 64), n_jobs={n_jobs})
        first = [lambda row: say("now") if row["epoch"] == 1 else None]
        outcome = train(backend, TrainingOptions(max_epochs=10**6, callbacks=first), backend_of(1).rows)
        report(backend, outcome)
        """,
    )
    assert lines == ["interrupted True True True 1"]
    assert seconds < SOON


# A step of a second or several, as the machine has it.
LONG = "backend = backend_of(n=200_000, batch_size=200_000, layers=(256, 256), p=2, n_jobs={n_jobs})\n"

# Training is over in a moment, validation takes several seconds, with the engine and with the reference.
VALIDATION = """
from glassnet.training.backend import ReferenceBackend
backend = backend_of(n=2000, layers=(512, 256), p=2, n_jobs={n_jobs})
if {reference}:
    backend = ReferenceBackend(backend.network, backend.optimiser, backend.rows, batch_size=500)
rows = backend_of(seed=1, n=1_500_000, layers=(), p=2).rows
rows = rows if {n_jobs} == 2 else Rows(rows.X[:700_000], rows.T[:700_000])
"""
engines = pytest.mark.parametrize(
    "engine", [{"reference": False, "n_jobs": 1}, {"reference": False, "n_jobs": 2}, {"reference": True, "n_jobs": 2}]
)


@needs_signals
@engines
def test_ctrl_c_cuts_short_a_validation_and_the_row_of_the_history_has_none(tmp_path, engine):
    lines, seconds = pressed(
        tmp_path,
        VALIDATION.format(**engine)
        + textwrap.dedent(
            """
            evaluate = backend.evaluate
            backend.evaluate = lambda *arguments: say("now") or evaluate(*arguments)
            outcome = train(backend, TrainingOptions(max_epochs=10), rows)
            say(outcome.reason, [row["step"] for row in outcome.history], outcome.best_epoch, n_threads())
            say("validation_loss" in outcome.history[0], np.isfinite(outcome.params).all())
            """
        ),
    )
    assert lines[-2:] == ["interrupted [4] 1 1", "False True"]  # the last weights: there were no better ones
    assert seconds < SOON


@needs_signals
@engines
def test_after_ctrl_c_there_is_no_validation_that_takes_long(tmp_path, engine):
    lines, seconds = pressed(
        tmp_path,
        VALIDATION.format(**engine)
        + textwrap.dedent(
            """
            step = backend.run
            def slowly(*arguments):
                say("now") if int(arguments[0]["step"]) == 1 else None
                time.sleep(0.5 if int(arguments[0]["step"]) == 1 else 0.0)
                return step(*arguments)
            backend.run = slowly
            outcome = train(backend, TrainingOptions(max_epochs=10), rows)
            say(outcome.reason, len(outcome.history), outcome.best_epoch, "validation_loss" in outcome.history[0])
            """
        ),
        wait=0.1,
        soon=SOON + 0.5,  # the sleep
    )
    assert lines[-1:] == ["interrupted 1 1 False"]
    assert seconds < SOON + 0.5


@needs_signals
@pytest.mark.parametrize("wait", [0.05, 0.6])
def test_ctrl_c_ends_a_training_by_curvature(tmp_path, wait):
    lines, seconds = pressed(
        tmp_path,
        LONG.format(n_jobs=2)
        + textwrap.dedent(
            """
            from glassnet.training.lbfgs import train_lbfgs

            kept, last = [], [None]
            def first(row):
                say("now") if row["epoch"] == 1 else None
            evaluate = backend.evaluate
            backend.evaluate = lambda params, rows: kept.append(params.copy()) or evaluate(params, rows)
            outcome = train_lbfgs(backend, TrainingOptions(max_epochs=10**6, callbacks=[first]))
            n = len(outcome.history)
            say(outcome.reason, outcome.best_epoch == n, n_threads())
            say(np.array_equal(outcome.params, kept[n - 1]), all(np.isfinite(row["loss"]) for row in outcome.history))
            """
        ),
        wait=wait,
    )
    assert lines[-2:] == ["interrupted True 1", "True True"]
    assert seconds < SOON


@needs_signals
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_cuts_short_a_single_step_of_several_seconds(tmp_path, n_jobs):
    lines, seconds = pressed(
        tmp_path,
        LONG.format(n_jobs=n_jobs)
        + textwrap.dedent(
            """
            kept = []
            evaluate = backend.evaluate
            backend.evaluate = lambda params, rows: kept.append(params.copy()) or evaluate(params, rows)
            first = [lambda row: say("now")]
            options = TrainingOptions(max_epochs=10**6, learning_rate=1e-3, callbacks=first)
            outcome = train(backend, options, backend_of(1, p=2).rows)
            say(outcome.reason, len(outcome.history), outcome.best_epoch)
            say(any(np.array_equal(outcome.params, params) for params in kept), n_threads())
            """
        ),
    )
    assert lines[-2:] == ["interrupted 1 1", "True 1"]
    assert seconds < SOON


@needs_signals
def test_ctrl_c_in_the_very_first_step_is_an_interruption(tmp_path):
    lines, seconds = pressed(
        tmp_path,
        LONG.format(n_jobs=2)
        + textwrap.dedent(
            """
            before = backend.network.params.copy()
            say("now")
            try:
                train(backend, TrainingOptions(max_epochs=10**6))
            except KeyboardInterrupt:
                say("KeyboardInterrupt", np.array_equal(before, backend.network.params), n_threads())
            """
        ),
    )
    assert lines == ["KeyboardInterrupt True 1"]
    assert seconds < SOON


@needs_signals
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_second_ctrl_c_interrupts_at_once_and_leaves_no_thread_behind(tmp_path, n_jobs):
    lines, seconds = pressed(
        tmp_path,
        LONG.format(n_jobs=n_jobs).replace("200_000", "800_000")  # so that the step outlasts both, on any processor
        + textwrap.dedent(
            """
            backend.interrupt = lambda: say("first")  # deaf to the first one
            say("now")
            try:
                train(backend, TrainingOptions(max_epochs=10**6))
            except KeyboardInterrupt:
                say("second")
            state = backend.start()  # nobody must be at work any more in the memory that the next run takes
            backend.run(state, np.arange(800), np.array([[1e-3, 0.0, 1.0, 1.0]]))
            fresh = backend_of(n=800_000, batch_size=800_000, layers=(256, 256), p=2)
            expected = fresh.start()
            fresh.run(expected, np.arange(800), np.array([[1e-3, 0.0, 1.0, 1.0]]))
            say(bits(state["params"]) == bits(expected["params"]), n_threads())
            """
        ),
        times=2,
        wait=0.15,
        soon=SOON + 5,
    )
    assert lines == ["first", "second", "True 1"]
    assert seconds < SOON + 5  # a second network is made and trained meanwhile


@needs_signals
def test_ctrl_c_interrupts_a_long_prediction(tmp_path):
    lines, seconds = pressed(
        tmp_path,
        """
        backend = backend_of(n=1_500_000, layers=(512, 256), p=2)
        say("now")
        try:
            engine_outputs(backend.network, backend.rows.X)
        except KeyboardInterrupt:
            say("interrupted", n_threads())
        network, X = backend.network, backend.rows.X[:3000]
        say(np.array_equal(engine_outputs(network, X)[1000:], engine_outputs(network, X[1000:])))
        """,
    )
    assert lines == ["interrupted 1", "True"]
    assert seconds < SOON


# --- memory ---------------------------------------------------------------------------------------------------------


def test_training_and_predicting_allocate_nothing_through_the_compiler_s_run_time(tmp_path):
    lines = run(
        tmp_path,
        """
        import numba
        from numba.core.runtime import _nrt_python, rtsys

        @numba.njit
        def allocate():
            return np.zeros(3)

        allocate()
        _nrt_python.memsys_enable_stats()
        before = rtsys.get_allocation_stats()
        kept = allocate()
        print(rtsys.get_allocation_stats().alloc - before.alloc)  # so such an allocation would be seen
        backend = backend_of()
        state = backend.start()
        before = rtsys.get_allocation_stats()
        backend.run(state, np.resize(np.arange(2000), 500 * 1000), np.tile([1e-3, 0.0, 1.0, 1.0], (1000, 1)))
        backend.evaluate(state["params"], backend.rows)
        backend.loss_and_gradient(state["params"])
        print(int(state["step"]), rtsys.get_allocation_stats() == before)
        """,
    )
    assert lines == ["1", "1000 True"]


def test_a_process_with_kept_kernels_never_loads_the_compiler(tmp_path):
    run(tmp_path, "work()")  # now they are kept
    lines = run(
        tmp_path,
        """
        work()
        backend = backend_of()
        backend.evaluate(backend.network.params, backend.rows)
        backend.loss_and_gradient(backend.network.params)
        print(sorted({"numba", "scipy", "sklearn"} & set(sys.modules)))
        """,
    )
    assert lines == ["[]"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_memory_of_a_training_does_not_grow_with_its_steps(tmp_path):
    lines = run(
        tmp_path,
        """
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        backend = backend_of()
        state, rates = backend.start(), np.tile([1e-3, 0.0, 1.0, 1.0], (4, 1))

        def epochs(n):
            for _ in range(n):
                backend.run(state, np.arange(2000), rates)

        epochs(50)
        before = resident()
        epochs(500)
        print(resident() - before < 2_000_000)
        """,
    )
    assert lines == ["True"]
