"""How many threads a run takes, and that all of them have left when it ends."""

import os
import signal
import threading
import time

import pytest

from glassnet.engine import threads
from glassnet.engine.threads import PROBE_EVERY, WORTH_A_THREAD, Crew, available, run_together, threads_of
from glassnet.errors import OptionError

# --- what the process may use ---------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """A machine of 8 processors, all of which this process may use."""
    for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_quota", lambda: None)
    return monkeypatch


def test_all_processors_are_available_unless_something_limits_them(machine):
    assert available() == 8


def test_affinity_limits_the_threads(machine):
    machine.setattr(os, "sched_getaffinity", lambda process: {1, 5, 6})
    assert available() == 3


def test_a_control_group_limits_the_threads(machine):
    machine.setattr(threads, "_quota", lambda: 2)
    assert available() == 2


@pytest.mark.parametrize(
    ("text", "quota"),
    [("max 100000", None), ("150000 100000", 2), ("200000 100000", 2), ("5000 100000", 1), ("", None), ("no", None)],
)
def test_the_quota_of_a_control_group_is_rounded_up(monkeypatch, text, quota):
    monkeypatch.setattr(threads.Path, "read_text", lambda self: text)
    assert threads._quota() == quota


def test_a_system_without_control_groups_has_no_quota(monkeypatch):
    def missing(self):
        raise FileNotFoundError(self)

    monkeypatch.setattr(threads.Path, "read_text", missing)
    assert threads._quota() is None


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"])
@pytest.mark.parametrize(
    ("value", "expected"), [("3", 3), ("1", 1), ("64", 8), ("0", 8), ("-1", 8), ("", 8), ("two", 8), ("2,1", 2)]
)
def test_the_environment_limits_the_threads_where_it_makes_sense(machine, name, value, expected):
    machine.setenv(name, value)
    assert available() == expected


def test_n_jobs_is_at_most_what_is_available(machine):
    assert [threads_of(n) for n in (None, -1, 1, 5, 8, 100)] == [8, 8, 1, 5, 8, 8]


@pytest.mark.parametrize("n_jobs", [0, -2, 1.5, "2", True])
def test_other_numbers_of_jobs_are_refused(n_jobs):
    with pytest.raises(OptionError, match=r"^n_jobs must be None, -1 .*, or a whole number of at least 1, got "):
        threads_of(n_jobs)


# --- the choice -----------------------------------------------------------------------------------------------------

MUCH = 10 * WORTH_A_THREAD


def choices(crew, seconds, n_runs, steps=10):
    """Numbers of threads that the crew takes for run after run, when a step takes seconds[n] with n threads."""
    chosen = []
    for _ in range(n_runs):
        n = crew.choose()
        crew.timed(n, steps * seconds[n], steps)
        chosen.append(n)
    return chosen


def test_small_work_is_done_by_one_thread():
    for fixed in (True, False):
        assert choices(Crew(8, WORTH_A_THREAD - 1, fixed), {1: 1.0}, 3) == [1, 1, 1]


def test_one_processor_is_one_thread():
    assert choices(Crew(1, MUCH), {1: 1.0}, 2 * PROBE_EVERY) == [1] * 2 * PROBE_EVERY


def test_a_fixed_number_is_taken_whatever_the_clock_says():
    assert choices(Crew(3, MUCH, fixed=True), {3: 9.0}, 2 * PROBE_EVERY) == [3] * 2 * PROBE_EVERY


@pytest.mark.parametrize(("most", "tried"), [(2, {1, 2}), (3, {1, 2, 3}), (8, {1, 2, 4, 8}), (12, {1, 2, 4, 8, 12})])
def test_powers_of_two_and_the_most_are_tried(most, tried):
    crew = Crew(most, MUCH)
    assert set(choices(crew, dict.fromkeys(range(1, 13), 1.0), len(tried))) == tried


@pytest.mark.parametrize("fastest", [1, 2, 4])
def test_the_fastest_number_is_kept_and_slower_ones_are_left(fastest):
    seconds = {1: 3.0, 2: 3.0, 4: 3.0, fastest: 1.0}
    chosen = choices(Crew(4, MUCH), seconds, PROBE_EVERY)
    assert set(chosen[:3]) == {1, 2, 4}
    assert set(chosen[3:]) == {fastest}


def test_the_others_are_tried_again_now_and_then():
    crew = Crew(2, MUCH)
    first = choices(crew, {1: 2.0, 2: 1.0}, PROBE_EVERY)
    assert first.count(1) == 1
    second = choices(crew, {1: 1.0, 2: 5.0}, PROBE_EVERY)  # another program has taken one of the processors
    assert second.count(2) <= 2
    assert second[-1] == 1


def test_a_run_too_short_to_be_timed_decides_nothing():
    crew = Crew(2, MUCH)
    assert len(set(choices(crew, {1: 1e-9, 2: 1e-9}, 5))) == 1
    assert not crew.seconds
    crew.timed(1, 1.0, steps=0)  # interrupted before its first step
    assert not crew.seconds


# --- running together -----------------------------------------------------------------------------------------------


def started_threads(before):
    """Threads that a run has left behind, a moment after it."""
    deadline = time.monotonic() + 1
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.001)
    return set(threading.enumerate()) - before


def nothing():
    """Aborts nothing."""


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_all_calls_are_made_at_the_same_time(n, wait):
    before = set(threading.enumerate())
    meeting, names = threading.Barrier(n, timeout=20), []

    def call():
        meeting.wait()  # nobody goes on before all are here
        names.append(threading.current_thread().name)

    run_together([call] * n, wait, nothing)
    assert len(names) == n
    assert (threading.current_thread().name in names) is not wait
    assert not started_threads(before)


@pytest.mark.parametrize("wait", [False, True])
def test_the_run_ends_when_the_last_thread_has_left(wait):
    done = []
    run_together([lambda: None, lambda: (time.sleep(0.2), done.append(True))], wait, nothing)
    assert done == [True]


def test_an_error_in_this_thread_makes_the_others_leave_first():
    stop, left, meeting = threading.Event(), [], threading.Barrier(3, timeout=20)

    def fails():
        meeting.wait()
        raise KeyboardInterrupt

    def works():
        meeting.wait()
        stop.wait(20)
        time.sleep(0.1)  # it takes a while to leave
        left.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_together([fails, works, works], False, stop.set)
    assert left == [True, True]


@pytest.mark.parametrize("n_others", [0, 1, 3])
def test_an_interruption_while_waiting_makes_the_others_leave_first(n_others):
    stop, left, meeting = threading.Event(), [], threading.Barrier(n_others + 1, timeout=20)

    def presses():
        meeting.wait()
        signal.raise_signal(signal.SIGINT)  # heeded by the main thread, which waits for this one
        stop.wait(20)
        time.sleep(0.2)  # it takes a while to leave
        left.append(True)

    def works():
        meeting.wait()
        stop.wait(20)
        left.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_together([presses, *[works] * n_others], True, stop.set)
    assert left == [True] * (n_others + 1)


def test_when_a_thread_cannot_be_started_those_that_were_leave_without_working(monkeypatch):
    before, made, start = set(threading.enumerate()), [], threading.Thread.start

    def start_two(self):
        if len(made) == 2:
            raise RuntimeError("can't start new thread")
        made.append(self)
        start(self)

    worked = []
    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run_together([lambda: worked.append(True)] * 4, False, nothing)
    assert not started_threads(before)
    assert worked == []
