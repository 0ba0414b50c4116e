"""A fit of several trainings that is cut short keeps what was finished, whatever became of the one under way."""

import signal
from dataclasses import replace

import numpy as np
import pytest

from glassnet import GlassNetRegressor
from glassnet.errors import DivergenceWarning, InterruptedWarning, TrainingDiverged
from glassnet.estimators import trainings
from glassnet.training import loop

QUICK = {
    **{"hidden_layer_sizes": (6,), "preset": "plain", "max_epochs": 3, "batch_size": 32, "optimizer": "momentum"},
    **{"schedule": "constant", "engine": "reference", "random_state": 0},
}
REFIT, FOLDS = {"refit": 2}, {"folds": 3}


def numbers(n=120):
    X = np.random.default_rng(0).normal(size=(n, 3))
    return X, np.sin(3 * X[:, 0]) + X[:, 1]


def ctrl_c_before_the_first_step(backend, options, held, progress):
    def pressed(stream, n):
        signal.raise_signal(signal.SIGINT)
        return stream.bits(1, n)[0]

    backend.random_words = pressed  # which draw the order of the first epoch
    return loop.train(backend, options, held, progress)


def ctrl_c_before_the_loop(backend, options, held, progress):
    signal.raise_signal(signal.SIGINT)  # such as while kernels are compiled
    return loop.train(backend, options, held, progress)


def ctrl_c_twice(backend, options, held, progress):
    def pressed(*arguments):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    backend.run = pressed
    return loop.train(backend, options, held, progress)


def diverging(backend, options, held, progress):
    return loop.train(backend, replace(options, learning_rate=1e30), held, progress)


def cut_short_in(monkeypatch, number, how):
    """Cut the training of a number, counted from 1, short."""
    begun = []

    def train(*arguments):
        begun.append(arguments)
        return (how if len(begun) == number else loop.train)(*arguments)

    monkeypatch.setattr(trainings, "train", train)


INTERRUPTED = r"^training \({}\) was interrupted in epoch 1; the networks trained before it are kept\.$"
DIVERGED = (
    r"^training \({}\) diverged in epoch 1, step \d+ \(the loss became (inf|nan)[^)]*\); the networks trained "
    r"before it are kept\. Try a learning_rate lower than 0.02, or clip_norm=1\.$"
)


@pytest.mark.parametrize(
    ("how", "reason", "warning", "text"),
    [
        (ctrl_c_before_the_first_step, "interrupted", InterruptedWarning, INTERRUPTED),
        (ctrl_c_before_the_loop, "interrupted", InterruptedWarning, INTERRUPTED),
        (diverging, "diverged", DivergenceWarning, DIVERGED),
    ],
)
@pytest.mark.parametrize(
    ("options", "number", "what", "n_networks"),
    [
        (REFIT, 2, "on all rows, 1 of 2", 1),
        (REFIT, 3, "on all rows, 2 of 2", 1),
        (FOLDS, 2, "fold 2 of 3", 1),
        (FOLDS, 3, "fold 3 of 3", 2),
        (FOLDS | {"refit": 1}, 4, "on all rows, 1 of 1", 3),
    ],
)
def test_what_was_finished_is_kept(monkeypatch, options, number, what, n_networks, how, reason, warning, text):
    X, y = numbers()
    whole = GlassNetRegressor(**QUICK, **options).fit(X, y)
    cut_short_in(monkeypatch, number, how)
    with pytest.warns(warning, match=text.format(what)):
        model = GlassNetRegressor(**QUICK, **options).fit(X, y)
    monkeypatch.undo()
    assert model.stop_reason_ == reason
    # Where no network on all rows is ready, the one that validated predicts.
    expected = GlassNetRegressor(**QUICK).fit(X, y).networks_ if (options, number) == (REFIT, 2) else whole.networks_
    assert [network.params.tobytes() for network in model.networks_] == [
        network.params.tobytes() for network in expected[:n_networks]
    ]
    assert [row["loss"] for row in model.history_] == [row["loss"] for row in whole.history_]
    assert np.isfinite(model.predict_interval(X)).all()


@pytest.mark.parametrize("how", [ctrl_c_before_the_first_step, ctrl_c_before_the_loop])
def test_ctrl_c_before_the_first_step_of_the_first_training_leaves_nothing_to_keep(monkeypatch, how):
    cut_short_in(monkeypatch, 1, how)
    with pytest.raises(KeyboardInterrupt):
        GlassNetRegressor(**QUICK, **FOLDS).fit(*numbers())


def test_a_first_training_that_diverges_at_once_is_an_error_with_loss_and_step(monkeypatch):
    cut_short_in(monkeypatch, 1, diverging)
    with pytest.raises(TrainingDiverged) as raised:
        GlassNetRegressor(**QUICK, **FOLDS).fit(*numbers())
    assert raised.value.step >= 1
    assert not np.isfinite(raised.value.loss)


def test_a_second_ctrl_c_interrupts_a_later_training_as_usual(monkeypatch):
    cut_short_in(monkeypatch, 2, ctrl_c_twice)
    model = GlassNetRegressor(**QUICK, **FOLDS)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*numbers())
    assert not hasattr(model, "networks_")


def test_a_fold_that_has_weights_when_it_is_cut_short_keeps_them(monkeypatch):
    def ctrl_c_in_a_step(backend, options, held, progress):
        run = backend.run

        def pressed(*arguments):
            signal.raise_signal(signal.SIGINT)
            return run(*arguments)

        backend.run = pressed
        return loop.train(backend, options, held, progress)

    cut_short_in(monkeypatch, 2, ctrl_c_in_a_step)
    text = (
        r"^training \(fold 2 of 3\) was interrupted in epoch 1; the networks trained before it and its best weights are"
    )
    with pytest.warns(InterruptedWarning, match=text):
        model = GlassNetRegressor(**QUICK, **FOLDS).fit(*numbers())
    assert len(model.networks_) == 2
