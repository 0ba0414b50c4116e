"""Points and outcomes as plain data: what is written is what is read, and what fits no training is refused."""

import math
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.files.checkpoint_format import read_checkpoint, write_checkpoint
from glassnet.maths.layers import Dense
from glassnet.maths.optimisers import Adam
from glassnet.maths.schedules import schedule_named
from glassnet.network import Network
from glassnet.training.backend import ReferenceBackend, Rows
from glassnet.training.checkpoint import (
    Keeper,
    Point,
    outcome_data,
    outcome_from,
    point_data,
    point_from,
    require_fit,
)
from glassnet.training.fingerprint import digest_of, machine_of
from glassnet.training.history import epoch_row
from glassnet.training.loop import Pace, train
from glassnet.training.options import TrainingOptions
from glassnet.training.progress import Bar, Lines
from glassnet.training.watch import Best, Outcome, Seen

floats = st.floats(width=64)
weights = st.none() | st.builds(lambda value: np.full(3, value, np.float32), st.floats(width=32))
bests = st.builds(Best, floats, st.integers(0, 9), st.integers(0, 99), weights)


@st.composite
def rows_of_history(draw):
    """Rows as the loop writes them: with and without a validation, whose score may be missing."""
    rate, rows = draw(st.booleans()), []
    for epoch in range(1, draw(st.integers(0, 5)) + 1):
        validation = {}
        if draw(st.booleans()):
            validation = {"validation_loss": draw(floats), "validation_r2": draw(floats)}
            if draw(st.booleans()):
                validation["validation_score"] = draw(floats)
        rows.append(epoch_row(epoch, 7 * epoch, draw(floats), validation, draw(floats) if rate else None, draw(floats)))
    return rows


def read_back(header, arrays, folder):
    write_checkpoint(folder / "file", {"written_by": "test", "data": header}, arrays)
    found, arrays = read_checkpoint(folder / "file")
    return found["data"], arrays


def same(one, other):
    """Whether both are the same to the last bit: numbers that are none, signs of zero, types and order included."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return repr(one) == repr(other)


@settings(max_examples=80)
@given(history=rows_of_history(), best=bests, before=bests, total=st.floats(allow_nan=False), more=st.integers(0, 2))
def test_a_point_is_read_as_it_was_written(tmp_path_factory, history, best, before, total, more):
    state = {"params": np.arange(3, dtype=np.float32), "step": np.array(17), "mean": np.full(3, 0.1, np.float32)}
    measured = {"validation_loss": math.inf, "validation_r2": math.nan}
    rows_to_come = [{"epoch": 99}] * more  # of epochs that end after the point
    seen = Seen(history + rows_to_come, len(history), best, before, measured, 12.5)
    point = Point(3, 2, total, state, seen)
    found = point_from(*read_back(*point_data(point), tmp_path_factory.mktemp("point")))
    assert (found.epoch, found.done, found.seen.n_rows) == (3, 2, len(history))
    assert same(found.total, total)
    assert same(found.seen.history, history)
    assert same(found.seen.measured, measured)
    assert found.seen.seconds == 12.5
    assert sorted(found.state) == sorted(state)
    assert all(same(found.state[name], array) for name, array in state.items())
    for one, other in ((found.seen.best, best), (found.seen.before, before)):
        assert same(one.loss, other.loss)
        assert (one.epoch, one.step) == (other.epoch, other.step)
        assert (one.params is None) == (other.params is None)
        assert one.params is None or same(one.params, other.params)


@settings(max_examples=40)
@given(history=rows_of_history(), loss=st.none() | floats, reason=st.sampled_from(["max_epochs", "diverged"]))
def test_an_outcome_is_read_as_it_was_written(tmp_path_factory, history, loss, reason):
    best = len(history) + 1  # the epoch after the last one, which ended early
    outcome = Outcome(np.arange(3, dtype=np.float64), history, best, reason, loss, 5)
    found = outcome_from(*read_back(*outcome_data(outcome), tmp_path_factory.mktemp("outcome")))
    assert same(found.params, outcome.params)
    assert same(found.history, history)
    assert same(found.diverged_loss, loss)
    assert (found.best_epoch, found.reason, found.diverged_step) == (best, reason, 5)
    header, arrays = outcome_data(outcome)
    with pytest.raises(ValueError, match=f"^epoch {best + 1} cannot be the best of {len(history)}$"):
        outcome_from({**header, "best_epoch": best + 1}, arrays)


def backend_for(n=20, **options):
    rng = np.random.default_rng(0)
    rows = Rows(rng.normal(size=(n, 2)), rng.normal(size=(n, 1)))
    network = Network([Dense(3, "tanh"), Dense(1)], "squared_error", 2, random_state=0)
    return ReferenceBackend(network, Adam(), rows, batch_size=8, **options)


class Last(Keeper):
    """Keeps the plain data of one point, counted from 1."""

    def __init__(self, number=0, point=None):
        self.number, self.point, self.data = number, point, None

    def passed(self, point):
        self.number -= 1
        if self.number == 0:
            header, arrays = point_data(point)
            self.data = header, {name: array.copy() for name, array in arrays.items()}


class Keeping(Keeper):
    """Keeps the point itself."""

    def passed(self, point):
        self.point = point


def plain(outcome):
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in outcome.history]
    return outcome.params.tobytes(), history, outcome.best_epoch, outcome.reason, outcome.diverged_step


class GivesUp:
    """A backend that Ctrl-C reaches in its n-th run, before a step of it is done."""

    def __init__(self, backend, number):
        self.backend, self.number = backend, number

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def run(self, state, rows, rates, total):
        self.number -= 1
        if self.number == 0:
            signal.raise_signal(signal.SIGINT)
            return total, True
        return self.backend.run(state, rows, rates, total)


def test_weights_before_a_divergence_are_remembered_across_an_interruption(monkeypatch):
    # The last of the three steps of epoch 3 goes too far, which the first one of epoch 4 shows: without a validation
    # the weights of epoch 2 are then used, the last but one. Ctrl-C comes in each run of steps, that one too.
    rates = schedule_named(lambda step: 1e200 if step == 8 else 1.0)
    options = TrainingOptions(max_epochs=9, learning_rate=0.1, schedule=rates)
    monkeypatch.setattr(Pace, "__exit__", lambda pace, *exception: setattr(pace, "steps", 2))
    whole = train(backend_for(), options)
    assert (whole.reason, whole.best_epoch, whole.diverged_step) == ("diverged", 2, 10)
    for number in range(2, 8):  # runs of one step and of two, then of two and of one
        keeper = Keeping()
        assert train(GivesUp(backend_for(), number), options, keeper=keeper).reason == "interrupted"
        assert keeper.point.done == (0 if number % 2 else 2 - (number == 2))
        point = point_from(*point_data(keeper.point))
        assert plain(train(backend_for(), options, keeper=Last(point=point))) == plain(whole)


def test_the_clock_of_the_history_goes_on_and_the_limit_counts_this_process_alone():
    keeper = Last(2)
    train(backend_for(), TrainingOptions(max_epochs=2), keeper=keeper)
    header, arrays = keeper.data
    point = point_from({**header, "seconds": 1000.0}, arrays)
    outcome = train(backend_for(), TrainingOptions(max_epochs=4, time_limit=500.0), keeper=Last(point=point))
    assert outcome.reason == "max_epochs"
    assert outcome.history[-1]["seconds"] > 1000.0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"epoch": 2}, r"^step 3 is not step 3 of epoch 2, of 3 steps each$"),
        ({"done": 4}, r"^step 3 is not step 4 of epoch 1, of 3 steps each$"),
        ({"epoch": 0}, r"^step 3 is not step 3 of epoch 0"),
        ({"epoch": -1}, r"^epoch must be a number of at least 0, got -1$"),
        ({"best": {"loss": 1.0, "epoch": 2, "step": 3}}, r"^epoch 1 does not follow 0, or comes before the best$"),
        ({"done": True}, r"^done must be a number of at least 0, got True$"),
        ({"seconds": math.nan}, r"^seconds must be a number of at least 0, got nan$"),
    ],
)
def test_counts_that_cannot_be_are_refused(change, text):
    backend, keeper = backend_for(averaging=0.9), Last(2)  # runs of one step and of two: an epoch
    train(backend, TrainingOptions(max_epochs=1), keeper=keeper)
    header, arrays = keeper.data
    require_fit(point_from(header, arrays), backend)
    with pytest.raises(ValueError, match=text):
        require_fit(point_from({**header, **change}, arrays), backend)


def test_a_state_of_another_optimiser_or_network_is_refused():
    keeper = Last(1)
    train(backend_for(), TrainingOptions(max_epochs=1), keeper=keeper)
    header, arrays = keeper.data
    with pytest.raises(
        ValueError, match=r"^its state holds .* instead of \['average', 'mean', 'mean_square', 'params'"
    ):
        require_fit(point_from(header, arrays), backend_for(averaging=0.9))
    for name, what in (("state.mean", "state mean"), ("best", "best weights"), ("before", "before weights")):
        with pytest.raises(ValueError, match=f"^its {what} do not fit the network$"):
            require_fit(point_from(header, {**arrays, name: np.zeros(4)}), backend_for())


def test_a_digest_knows_type_shape_order_and_weights():
    X = np.arange(6.0).reshape(3, 2)
    others = [X, X.astype(np.float32), X.reshape(2, 3), X[::-1], X[:, 0], None, "text", Rows(X, X), Rows(X, X, X[:, 0])]
    assert len({digest_of(other) for other in others}) == len(others)
    assert digest_of(np.asfortranarray(X)) == digest_of(X)
    assert digest_of(X, None) != digest_of(None, X)


def test_threads_of_blas_count_where_products_are_large_and_numpy_has_them():
    small = Network([Dense(3), Dense(1)], "squared_error", 2, random_state=0)
    large = Network([Dense(8192), Dense(1)], "squared_error", 32, random_state=0)
    assert sorted(machine_of("reference", small, 256)) == ["numpy", "processor"]
    assert sorted(machine_of("reference", large, 256)) == ["numpy", "processor", "threads of BLAS"]  # 2²⁶ products


@pytest.mark.parametrize(
    ("schedule", "planned"),
    [
        *(("constant", False), ("step", False), ("plateau", False), ("cosine", True), ("one_cycle", True)),
        *(({"name": "warm_up", "then": "cosine"}, True), ({"name": "warm_up", "then": "step"}, False)),
        (lambda step: 1.0, False),
    ],
)
def test_a_schedule_says_whether_it_is_laid_out_over_all_steps(schedule, planned):
    schedule = schedule_named(schedule)
    assert schedule.planned is planned
    steps = np.arange(10)
    assert (not np.array_equal(schedule.factors(steps, 2, 10), schedule.factors(steps, 2, 20))) is planned


def test_progress_says_from_which_epoch_training_goes_on(capsys):
    lines = Lines()
    lines.start(9)
    lines.go_on(4)
    assert capsys.readouterr().err == "going on from epoch 4\n"
    bar = Bar()
    bar.start(9)
    bar.go_on(4)
    (task,) = bar._bar.tasks
    assert (task.completed, task.fields["text"]) == (3, "going on from epoch 4")
    bar.finish("done")
