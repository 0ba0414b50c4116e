"""The training loop against plain descent, and every reason to stop."""

import re
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import OptionError, TrainingDiverged
from glassnet.maths.layers import Dense, Dropout
from glassnet.maths.optimisers import Adam, GradientDescent
from glassnet.maths.schedules import Cosine, ReduceOnPlateau
from glassnet.network import Network
from glassnet.training.backend import GivenUp, ReferenceBackend, Rows
from glassnet.training.choice import make_backend
from glassnet.training.loop import Pace, end_of_run, row_order, train, validation_due
from glassnet.training.options import Every, Observer, TrainingOptions, every


def clouds(n, seed=0):
    """Three clouds of n points each, with one-hot targets."""
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(size=(n, 2)) + centre for centre in ([0, -2], [2, 2], [-2, 2])])
    return Rows(X, np.repeat(np.eye(3), n, axis=0))


def backend_for(rows, optimiser=None, batch_size=16, seed=0, layers=None, **options):
    layers = layers or [Dense(4, "tanh"), Dense(3)]
    network = Network(layers, "cross_entropy", 2, random_state=seed)
    return ReferenceBackend(network, optimiser or Adam(), rows, batch_size=batch_size, seed=seed, **options)


def test_batch_descent_is_the_weights_minus_the_rate_times_the_gradient():
    rows = clouds(20)
    backend = backend_for(rows, GradientDescent(), batch_size=60)
    by_hand = Network([Dense(4, "tanh"), Dense(3)], "cross_entropy", 2, random_state=0)
    for _ in range(7):
        _, gradient = by_hand.loss_and_gradient(rows.X, rows.T)
        by_hand.params = by_hand.params - 0.3 * gradient
    outcome = train(backend, TrainingOptions(max_epochs=7, learning_rate=0.3))
    np.testing.assert_allclose(outcome.params, by_hand.params, rtol=0, atol=1e-14)


def test_mini_batches_follow_the_row_order_and_the_last_one_may_be_smaller():
    rows = clouds(7)  # 21 rows: batches of 8, 8 and 5
    by_hand = Network([Dense(4, "tanh"), Dense(3)], "cross_entropy", 2, random_state=0)
    for epoch in (1, 2):
        order = row_order(21, 8, seed=0, epoch=epoch)
        for batch in (order[:8], order[8:16], order[16:]):
            _, gradient = by_hand.loss_and_gradient(rows.X[batch], rows.T[batch])
            by_hand.params = by_hand.params - 0.1 * gradient
    outcome = train(backend_for(rows, GradientDescent(), 8), TrainingOptions(max_epochs=2, learning_rate=0.1))
    np.testing.assert_allclose(outcome.params, by_hand.params, rtol=0, atol=1e-14)
    assert outcome.history[-1]["step"] == 6


def test_row_order_is_a_permutation_that_changes_with_epoch_and_seed():
    orders = [row_order(50, 8, seed, epoch) for seed, epoch in ((0, 1), (0, 2), (1, 1))]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert np.array_equal(orders[0], row_order(50, 8, 0, 1))


def test_one_batch_of_all_rows_keeps_their_order():
    assert row_order(5, 5, seed=3, epoch=9).tolist() == [0, 1, 2, 3, 4]


@settings(max_examples=200)
@given(
    first=st.integers(0, 50),
    n_steps=st.integers(1, 40),
    interval=st.one_of(st.builds(Every, st.integers(1, 60), st.just("steps")), st.builds(Every, st.integers(1, 3))),
    pace_steps=st.integers(1, 17),
)
def test_runs_of_steps_cover_an_epoch_once_and_stop_where_validation_is_due(first, n_steps, interval, pace_steps):
    pace = Pace()
    pace.steps = pace_steps
    first -= first % n_steps  # an epoch begins where the last one ended
    options = TrainingOptions(max_epochs=1000, validation_every=interval)
    ends = [0]
    while ends[-1] < n_steps:
        ends.append(end_of_run(ends[-1], first, n_steps, options, pace))
    assert ends[-1] == n_steps
    assert all(0 < end - begin <= pace_steps for begin, end in pairwise(ends))
    due = [first + end for end in ends[1:] if validation_due(first + end, n_steps, options)]
    n = interval.steps(n_steps)
    assert due == [step for step in range(first + 1, first + n_steps + 1) if step % n == 0]


def test_the_epoch_loss_is_the_weighted_mean_of_the_batch_losses():
    rows = clouds(7)
    weights = np.random.default_rng(1).uniform(0.5, 2, size=21)
    weighted = Rows(rows.X, rows.T, weights)
    backend = backend_for(weighted, GradientDescent(), batch_size=8)
    still = TrainingOptions(max_epochs=1, learning_rate=1e-300)  # the weights do not move in float64
    expected = backend.network.evaluate(rows.X, rows.T, weights)
    assert train(backend, still).history[0]["loss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["reference", "compiled"])
def test_the_epoch_loss_does_not_depend_on_where_runs_are_cut(monkeypatch, kind):
    losses = []
    for most in (1, 3, 50):  # steps of a run

        def fixed(self, *exception, most=most):
            self.steps = most

        monkeypatch.setattr(Pace, "__exit__", fixed)
        network = Network([Dense(4, "tanh"), Dense(3)], "cross_entropy", 2, random_state=0)  # float64
        backend = make_backend(kind, network, Adam(), clouds(70), batch_size=8)
        losses.append([row["loss"] for row in train(backend, TrainingOptions(max_epochs=4)).history])
    assert losses[0] == losses[1] == losses[2]


def test_a_sum_loss_is_reported_as_a_sum():
    rows = clouds(7)
    network = Network([Dense(4, "tanh"), Dense(3)], "cross_entropy", 2, reduction="sum", random_state=0)
    backend = ReferenceBackend(network, GradientDescent(), rows, batch_size=8)
    expected = network.evaluate(rows.X, rows.T)
    history = train(backend, TrainingOptions(max_epochs=1, learning_rate=1e-300)).history
    assert history[0]["loss"] == pytest.approx(expected, rel=1e-12)


def test_early_stopping_waits_patience_epochs_and_restores_the_best_weights():
    rows, validation = clouds(10), clouds(30, seed=5)
    noisy = Rows(rows.X, np.random.default_rng(3).permutation(rows.T))  # nothing to learn: it can only overfit
    backend = backend_for(noisy, Adam(), 8)
    options = TrainingOptions(max_epochs=500, learning_rate=0.05, patience=4)
    outcome = train(backend, options, validation)
    losses = [row["validation_loss"] for row in outcome.history]
    assert outcome.reason == "early stopping"
    assert outcome.best_epoch == 1 + int(np.argmin(losses))
    assert len(outcome.history) == outcome.best_epoch + 4
    assert backend.evaluate(outcome.params, validation)[0] == min(losses)


def test_validation_every_n_steps_restores_the_best_step():
    rows, validation = clouds(40), clouds(30, seed=5)
    seen = []
    backend = backend_for(rows, Adam(), 8)
    evaluate = backend.evaluate
    backend.evaluate = lambda params, held_out: seen.append(evaluate(params, held_out)) or seen[-1]
    options = TrainingOptions(max_epochs=2, learning_rate=0.5, validation_every=every("4 steps"), patience=50)
    outcome = train(backend, options, validation)
    assert len(seen) == 2 * 15 // 4 + 1  # every fourth of 30 steps, and the last one
    assert evaluate(outcome.params, validation)[0] == min(loss for loss, _ in seen)


def test_a_validation_interval_of_epochs_measures_in_those_epochs_only():
    outcome = train(
        backend_for(clouds(10)), TrainingOptions(max_epochs=5, validation_every=Every(2)), clouds(5, seed=1)
    )
    first, second, third = (outcome.history[i].get("validation_loss") for i in (0, 1, 2))
    assert first is None
    assert second is not None
    assert third is None  # a row shows what was measured in its own epoch


def test_a_callback_sees_each_row_and_a_true_answer_stops():
    rows = []
    outcome = train(
        backend_for(clouds(10)),
        TrainingOptions(max_epochs=50, callbacks=[lambda row: rows.append(row), lambda row: row["epoch"] == 3]),
    )
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert outcome.reason == "callback"
    assert outcome.best_epoch == 3


def test_a_time_limit_stops_and_leaves_weights():
    options = TrainingOptions(max_epochs=10**6, time_limit=0.05)
    outcome = train(backend_for(clouds(10)), options, clouds(5, seed=1))
    assert outcome.reason == "time limit"
    assert np.isfinite(outcome.params).all()
    assert len(outcome.history) < 10**6


def test_ctrl_c_stops_cleanly_and_keeps_the_best_weights():
    before = signal.getsignal(signal.SIGINT)
    pressed = [lambda row: signal.raise_signal(signal.SIGINT) if row["epoch"] == 3 else None]
    outcome = train(backend_for(clouds(10)), TrainingOptions(max_epochs=50, callbacks=pressed), clouds(5, seed=1))
    assert outcome.reason == "interrupted"
    assert len(outcome.history) == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_where_ctrl_c_is_ignored_it_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pressed = [lambda row: signal.raise_signal(signal.SIGINT)]
        outcome = train(backend_for(clouds(10)), TrainingOptions(max_epochs=3, callbacks=pressed))
    finally:
        signal.signal(signal.SIGINT, before)
    assert outcome.reason == "max_epochs"


class CutShort:
    """A backend whose runs an interruption cuts short: Ctrl-C comes in the run at hand, after `after` of its steps."""

    def __init__(self, backend, run, after):
        self.backend, self.cut, self.after, self.runs, self.interrupted = backend, run, after, 0, 0

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def interrupt(self):
        self.interrupted += 1

    def run(self, state, rows, rates, total=0.0):
        self.runs += 1
        if self.runs == self.cut:
            signal.raise_signal(signal.SIGINT)
            assert self.interrupted == 1
            rows, rates = rows[: self.after * self.batch_size], rates[: self.after]
        return self.backend.run(state, rows, rates, total) if len(rates) else (total, True)


def test_an_interruption_within_a_run_keeps_the_steps_that_were_done():
    rows = clouds(70)  # 210 rows, 27 batches of 8: runs of at most 1, 4, 16 and 64 steps
    plain = backend_for(rows, GradientDescent(), 8)
    state, order = plain.start(), row_order(210, 8, 0, 1)
    total, _ = plain.run(state, order[: 8 * 8], np.tile([[0.1, 0.0, 1.0, 1.0]], (8, 1)))
    options = TrainingOptions(max_epochs=3, learning_rate=0.1)
    cut = CutShort(backend_for(rows, GradientDescent(), 8), run=3, after=3)  # 1 + 4 + 3 steps, where steps are quick
    pace = Pace.__exit__
    try:
        Pace.__exit__ = lambda self, *exception: setattr(self, "steps", 4 * self.steps)
        outcome = train(cut, options)
    finally:
        Pace.__exit__ = pace
    assert outcome.reason == "interrupted"
    assert np.array_equal(outcome.params, state["params"])
    (row,) = outcome.history
    assert (row["epoch"], row["step"]) == (1, 8)
    assert row["loss"] == pytest.approx(total / 64, rel=1e-12)  # over the rows that were seen


def test_steps_before_an_interruption_are_validated_where_it_takes_but_a_moment():
    validation, cut = clouds(5, seed=1), CutShort(backend_for(clouds(70), GradientDescent(), 210), run=3, after=1)
    outcome = train(cut, TrainingOptions(max_epochs=9, learning_rate=0.1), validation)
    assert outcome.reason == "interrupted"
    assert [sorted(row) for row in outcome.history] == [sorted(outcome.history[0])] * 3
    assert outcome.best_epoch == 3
    loss, _ = cut.evaluate(outcome.params, validation)
    assert outcome.history[-1]["validation_loss"] == loss


class SlowToEvaluate(CutShort):
    """A backend whose evaluations take for ever from the one that Ctrl-C comes in or before, unless interrupted."""

    def __init__(self, backend, run=0, after=0, evaluation=0):
        super().__init__(backend, run, after)
        self.evaluation, self.evaluations, self.pressed = evaluation, 0, threading.Event()

    def interrupt(self):
        super().interrupt()
        self.pressed.set()

    def evaluate(self, params, rows):
        self.evaluations += 1
        if self.evaluations == self.evaluation:
            signal.raise_signal(signal.SIGINT)
        elif not self.interrupted:
            return self.backend.evaluate(params, rows)
        else:
            self.pressed.clear()
        assert self.pressed.wait(5), "nobody interrupts it"
        raise GivenUp


@pytest.mark.parametrize("place", [{"run": 3, "after": 1}, {"evaluation": 3}], ids=["in steps", "in validation"])
def test_a_validation_that_takes_long_is_given_up_after_an_interruption(place):
    backend, validation = SlowToEvaluate(backend_for(clouds(70), GradientDescent(), 210), **place), clouds(5, seed=1)
    outcome = train(backend, TrainingOptions(max_epochs=9, learning_rate=0.1), validation)
    assert outcome.reason == "interrupted"
    assert ["validation_loss" in row for row in outcome.history] == [True, True, False]
    assert [row["step"] for row in outcome.history] == [1, 2, 3]
    assert outcome.best_epoch == 2  # the last one that was measured
    assert backend.backend.evaluate(outcome.params, validation)[0] == outcome.history[1]["validation_loss"]


def test_an_interruption_while_the_order_is_drawn_begins_no_step():
    backend, options = CutShort(backend_for(clouds(10), batch_size=8), run=0, after=0), TrainingOptions(max_epochs=9)
    backend.random_words = lambda stream, n: signal.raise_signal(signal.SIGINT) or stream.bits(1, n)[0]
    with pytest.raises(KeyboardInterrupt):
        train(backend, options)
    assert backend.runs == 0


def test_an_interruption_before_the_first_step_of_an_epoch_leaves_the_epochs_before():
    backend = CutShort(backend_for(clouds(10), batch_size=30), run=3, after=0)  # an epoch a run
    outcome = train(backend, TrainingOptions(max_epochs=9), clouds(5, seed=1))
    assert outcome.reason == "interrupted"
    assert [row["epoch"] for row in outcome.history] == [1, 2]


def test_an_interruption_before_the_first_step_of_all_is_an_interruption():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(CutShort(backend_for(clouds(10)), run=1, after=0), TrainingOptions(max_epochs=9))
    with pytest.raises(KeyboardInterrupt):
        train(CutShort(backend_for(clouds(10)), run=1, after=0), TrainingOptions(max_epochs=9), clouds(5, seed=1))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_interrupts_as_usual():
    def press_twice(row):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(backend_for(clouds(10)), TrainingOptions(max_epochs=50, callbacks=[press_twice]))
    assert signal.getsignal(signal.SIGINT) is before


def test_divergence_in_the_first_epoch_names_epoch_loss_and_remedy():
    network = Network([Dense(3), Dense(1)], "squared_error", 2, random_state=0)
    rows = Rows(clouds(10).X * 1e3, np.ones((30, 1)))
    backend = ReferenceBackend(network, GradientDescent(), rows, batch_size=1)
    with pytest.raises(TrainingDiverged) as caught:
        train(backend, TrainingOptions(max_epochs=5, learning_rate=10.0))
    assert re.fullmatch(
        r"training diverged in epoch 1, step \d at learning rate 10: the loss became inf "
        r"\(scores reach \d\.\de\+1\d\d\)\. "
        r"Try a lower learning_rate, such as 1, clip_norm=1, or scaled inputs\.",
        str(caught.value),
    )


def test_divergence_after_a_finite_epoch_keeps_the_best_weights():
    network = Network([Dense(3), Dense(1)], "squared_error", 2, random_state=0)
    rows = Rows(clouds(10).X, np.ones((30, 1)))
    backend = ReferenceBackend(network, GradientDescent(), rows, batch_size=30)
    outcome = train(backend, TrainingOptions(max_epochs=5000, learning_rate=3.0))
    assert outcome.reason == "diverged"
    assert np.isfinite(outcome.params).all()
    # One step an epoch: the step that diverged was the first with the weights of the last epoch, so they are no good.
    assert outcome.best_epoch == len(outcome.history) - 1 >= 1
    loss, _ = backend.evaluate(outcome.params, rows)
    assert np.isfinite(loss)


def test_the_history_shows_the_rate_of_the_schedule():
    options = TrainingOptions(max_epochs=4, learning_rate=0.2, schedule=Cosine())
    rates = [row["learning_rate"] for row in train(backend_for(clouds(10), batch_size=30), options).history]
    # Step k of 4 has the factor (1 + cos(pi k / 4)) / 2.
    assert rates == pytest.approx([0.2 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)])


def test_a_plateau_schedule_lowers_the_rate_when_the_loss_stands_still():
    options = TrainingOptions(max_epochs=4, learning_rate=1e-300, schedule=ReduceOnPlateau(factor=0.5, patience=0))
    rates = [row["learning_rate"] for row in train(backend_for(clouds(10)), options, clouds(5, seed=1)).history]
    assert rates == [1e-300, 1e-300, 0.5e-300, 0.25e-300]  # epochs 2 and 3 bring nothing; each calls for a reduction


def test_a_plateau_is_judged_by_validations_alone():
    # Validations in the second and fourth epoch: one loss that is not better calls for one reduction, in epoch 5.
    options = TrainingOptions(
        max_epochs=5,
        learning_rate=1e-300,
        schedule=ReduceOnPlateau(factor=0.5, patience=0),
        validation_every=Every(2),
    )
    rates = [row["learning_rate"] for row in train(backend_for(clouds(10)), options, clouds(5, seed=1)).history]
    assert rates == [1e-300, 1e-300, 1e-300, 1e-300, 0.5e-300]


def test_dropout_masks_and_with_them_the_weights_repeat_with_the_seed():
    layers = [Dense(8, "relu"), Dropout(0.5), Dense(3)]
    first, again, other = (
        train(backend_for(clouds(10), seed=seed, layers=layers), TrainingOptions(max_epochs=3, seed=seed)).params
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_dropout_column_of_the_rates_scales_the_layers_rate():
    rows = clouds(10)
    layers = [Dense(8, "relu"), Dropout(0.5), Dense(3)]
    without = backend_for(rows, GradientDescent(), 30, layers=[Dense(8, "relu"), Dropout(0.0), Dense(3)])
    scaled = backend_for(rows, GradientDescent(), 30, layers=layers)
    states = [backend.start() for backend in (without, scaled)]
    without.run(states[0], np.arange(30), np.array([[0.1, 0.0, 1.0, 1.0]]))
    scaled.run(states[1], np.arange(30), np.array([[0.1, 0.0, 0.0, 1.0]]))
    assert np.array_equal(states[0]["params"], states[1]["params"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, Every(1)), ("2 epochs", Every(2)), ("50 steps", Every(50, "steps")), ("1 step", Every(1, "steps"))],
)
def test_intervals_are_read_from_numbers_and_text(value, expected):
    assert every(value) == expected


@pytest.mark.parametrize("value", [0, -1, 1.5, "soon", "0 steps", "5 minutes", True, None])
def test_other_intervals_are_refused(value):
    with pytest.raises(OptionError) as caught:
        every(value)
    assert str(caught.value) == (
        f'validation_every must be a whole number of epochs, or text such as "50 steps", got {value!r}'
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [("max_epochs", 0), ("learning_rate", -1), ("patience", 0), ("time_limit", 0.0), ("learning_rate", np.nan)],
)
def test_options_that_must_be_positive_say_so(option, value):
    with pytest.raises(OptionError, match=rf"^{option} must be positive, got "):
        TrainingOptions(**{option: value})


def test_a_decay_that_would_turn_the_signs_of_weights_is_refused_and_one_that_ends_them_is_not():
    assert TrainingOptions(learning_rate=0.25, weight_decay=4.0).weight_decay == 4.0
    with pytest.raises(OptionError, match=r"^weight_decay must be at most 1 / learning_rate, which is 4, got 4.5\."):
        TrainingOptions(learning_rate=0.25, weight_decay=4.5)


def test_callbacks_must_be_functions():
    with pytest.raises(OptionError, match="^callbacks must hold functions of an epoch's row, got 3"):
        TrainingOptions(callbacks=[3])


# --- scores, followers, going on ---


def test_a_score_chooses_the_best_weights_and_is_written_down():
    rows, validation = clouds(20), clouds(10, seed=1)
    scores = iter([0.1, 0.7, 0.3, 0.7, 0.2])
    seen = []

    def score(params, Y):
        seen.append((params.copy(), Y))
        return next(scores)

    outcome = train(backend_for(rows), TrainingOptions(max_epochs=5, score=score), validation)
    assert outcome.best_epoch == 2  # of equals the first
    assert np.array_equal(outcome.params, seen[1][0])
    assert [row["validation_score"] for row in outcome.history] == [0.1, 0.7, 0.3, 0.7, 0.2]
    np.testing.assert_allclose(seen[1][1], backend_for(rows).predict(seen[1][0], validation.X))


def test_outputs_that_are_not_finite_are_not_scored_and_weights_that_no_validation_vouches_for_not_kept():
    rows, validation = clouds(20), clouds(10, seed=1)
    validation.X[0] = np.nan
    message = "training diverged within 2 epochs at learning rate 0.001: the validation loss became nan"
    with pytest.raises(TrainingDiverged, match=f"^{message}"):
        train(backend_for(rows), TrainingOptions(max_epochs=2, score=lambda params, Y: 1 / 0), validation)


def test_observers_see_epochs_begin_and_end_with_their_weights_and_can_stop():
    class Notes(Observer):
        def __init__(self):
            self.told = []

        def begin_epoch(self, epoch):
            self.told.append(epoch)

        def end_epoch(self, row, params):
            self.told.append((row["epoch"], params.copy()))
            return row["epoch"] == 2

    notes = Notes()
    outcome = train(backend_for(clouds(20)), TrainingOptions(max_epochs=9, observers=(notes,)))
    assert [part if isinstance(part, int) else part[0] for part in notes.told] == [1, 1, 2, 2]
    assert np.array_equal(notes.told[3][1], outcome.params)
    assert outcome.reason == "callback"
    assert TrainingOptions().observers == ()
    assert Observer().begin_epoch(1) is None
    assert Observer().end_epoch({}, outcome.params) is False


def test_training_in_two_calls_takes_the_steps_of_one():
    rows, backend = clouds(20), backend_for(clouds(20))
    whole = train(backend_for(rows), TrainingOptions(max_epochs=5))
    state = backend.start()
    first = train(backend, TrainingOptions(max_epochs=2), state=state)
    second = train(backend, TrainingOptions(max_epochs=3), state=state, epoch=2)
    assert np.array_equal(second.params, whole.params)
    assert [row["epoch"] for row in first.history + second.history] == [1, 2, 3, 4, 5]
    assert second.history[-1]["step"] == whole.history[-1]["step"]


def test_training_can_stop_before_the_end_of_its_schedule():
    rates = [
        [row["learning_rate"] for row in train(backend_for(clouds(20)), options).history]
        for options in (
            TrainingOptions(max_epochs=8, schedule=Cosine(), stop_after=3),
            TrainingOptions(max_epochs=8, schedule=Cosine()),
        )
    ]
    assert rates[0] == rates[1][:3]
    assert TrainingOptions(max_epochs=3, stop_after=8).last_epoch == 3
    with pytest.raises(OptionError, match="^stop_after must be positive, got 0"):
        TrainingOptions(stop_after=0)
