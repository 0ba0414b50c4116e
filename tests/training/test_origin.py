"""What goes out of range is noticed on either engine, named where it began, and never kept."""

import re

import numpy as np
import pytest

from glassnet.errors import TrainingDiverged
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Dense
from glassnet.maths.members import EnsembleDense
from glassnet.maths.optimisers import optimiser_named
from glassnet.network import Network
from glassnet.training import origin
from glassnet.training.backend import ReferenceBackend, Rows
from glassnet.training.compiled import EngineBackend
from glassnet.training.lbfgs import train_lbfgs
from glassnet.training.loop import train
from glassnet.training.options import TrainingOptions, every

both = pytest.mark.parametrize("kind", [ReferenceBackend, EngineBackend])
PLAIN = (1e-3, 0.0, 1.0, 1.0)


def rows_of(X, y=None):
    X = np.array(X, np.float32)
    return Rows(X, np.zeros((len(X), 1), np.float32) if y is None else np.array(y, np.float32).reshape(-1, 1))


def backend_of(kind, rows, layers, *, weights=None, optimiser="gradient_descent", batch_size=1, **options):
    network = Network(layers, "squared_error", rows.X.shape[1], np.float32, random_state=0)
    for name, value in (weights or {}).items():
        network.split(network.params)[name][...] = value
    return kind(network, optimiser_named(optimiser), rows, batch_size=batch_size, **options)


def one_step(backend, rates=PLAIN):
    state = backend.start()
    total, finite = backend.run(state, np.arange(1), np.array([rates]))
    return total, finite, state


@both
def test_the_output_of_a_layer_is_named_with_the_column_that_is_far_out(kind):
    # 1e10 · 1e30 is beyond 3.4e38; the next layer sees infinity.
    rows = rows_of([[1.0, 2.0, 1e30]])
    backend = backend_of(kind, rows, [Dense(2), Dense(1)], weights={"0.W": 1e10})
    total, finite, _ = one_step(backend)
    assert not finite
    assert not np.isfinite(total)
    expected = "the output of layer 1 of 2, Dense, was the first to overflow, where column {} of the encoded table is "
    assert backend.origin.text() == expected.format(2) + "1e+30"
    assert backend.origin.text(["age", "height", "income"]) == expected.format("'income'") + "1e+30"
    assert not backend.origin.learned


@both
def test_a_layer_further_up_is_named_without_a_column(kind):
    backend = backend_of(kind, rows_of([[1.0]]), [Dense(2), Dense(1)], weights={"0.W": 1e30, "1.W": 1e30})
    assert not one_step(backend)[1]
    assert backend.origin.text() == "the output of layer 2 of 2, Dense, was the first to overflow"


@both
def test_a_loss_that_overflows_though_no_score_does_shows_the_scores(kind):
    backend = backend_of(kind, rows_of([[1.0]]), [Dense(1)], weights={"0.W": 1e20})
    assert not one_step(backend)[1]
    assert backend.origin.text() == "scores reach 1.0e+20"


@both
def test_a_gradient_that_overflows_though_the_loss_does_not_is_a_divergence(kind):
    # Z = 0.1 · 1e20 and the loss 1e38 are finite; dW = X · 2 Z = 2e39 is not. The step's loss alone would not tell.
    backend = backend_of(kind, rows_of([[1e20]]), [Dense(1)], weights={"0.W": 0.1})
    total, finite, state = one_step(backend)
    assert total == pytest.approx(1e38, rel=1e-6)
    assert not finite
    assert not np.isfinite(state["params"]).all()
    assert backend.origin.text() == "the gradient of layer 1 of 1, Dense, was the first to overflow"
    assert backend.origin.learned


@both
@pytest.mark.parametrize("together", [True, False])
def test_weights_that_overflow_are_noticed_at_the_step_however_steps_are_cut_into_calls(kind, together):
    rows = rows_of(np.random.default_rng(0).normal(size=(10, 3)), np.ones(10))
    backend, rates = backend_of(kind, rows, [Dense(2, "tanh"), Dense(1)]), np.tile(PLAIN, (10, 1))
    rates[6, 0] = np.inf
    state, finite = backend.start(), True
    for first in range(0, 10, 10 if together else 1):
        part = slice(first, 10 if together else first + 1)
        if finite:
            _, finite = backend.run(state, np.arange(10)[part], rates[part])
    assert not finite
    assert backend.origin.step == 7
    assert backend.origin.text().startswith("the step itself overflowed, with gradients up to ")


@both
@pytest.mark.parametrize("shared", [True, False])
def test_one_member_that_overflows_ends_the_training_of_all_and_is_named(kind, shared):
    rows = rows_of(np.ones((4, 2)))
    layers = [EnsembleDense(3, members=4, shared=shared), EnsembleDense(1, members=4, shared=False)]
    backend = backend_of(kind, rows, layers, batch_size=4)
    params = backend.network.split(backend.network.params)
    params["0.b"][2], params["1.W"][2] = 3e38, 10.0
    state = backend.start()
    total, finite = backend.run(state, np.tile(np.arange(4), 4), np.array([PLAIN]))
    assert not finite
    assert not np.isfinite(total)
    assert backend.origin.text() == "the output of layer 2 of 2, EnsembleDense, was the first to overflow in member 2"


@both
def test_the_row_of_a_level_that_no_batch_holds_is_looked_at_too(kind):
    layers = [Columns({"town": ([0], [Embedding(3, 2)])}), Dense(1)]
    backend = backend_of(kind, rows_of([[1.0], [2.0], [1.0]]), layers, batch_size=3)
    state = backend.start()
    for level, finite in ((2, True), (3, False)):
        block = next(block for block in backend.network.blocks if block.role == "embedding")
        state["params"][block.slice].reshape(block.shape)[level] = np.inf if level == 3 else 0.5
        total, found = backend.run(state, np.arange(3), np.array([PLAIN]))
        assert np.isfinite(total)
        assert found is finite


@both
def test_an_average_that_overflows_between_finite_weights_is_noticed(kind):
    # P - M is 6e38 where the weight goes from one end of float32 to the other. The input is 0, so the loss is.
    backend = backend_of(kind, rows_of([[0.0]]), [Dense(1)], weights={"0.W": 3e38}, averaging=0.5)
    state = backend.start()
    state["average"][0] = -3e38
    _, finite = backend.run(state, np.arange(1), np.array([PLAIN]))
    assert np.isfinite(state["params"]).all()
    assert not finite


@both
@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
def test_squares_of_gradients_that_overflow_are_a_divergence_one_step_later_at_the_latest(kind, optimiser):
    # The gradient, 2e20, is finite and its square is not: the first step divides by infinity and moves nothing.
    rows = rows_of([[1e10], [1e10]], [0.0, 0.0])
    backend = backend_of(kind, rows, [Dense(1)], weights={"0.W": 1.0}, optimiser=optimiser)
    total, finite, state = one_step(backend)
    assert finite
    assert np.isfinite(total)
    assert not np.isfinite(state["mean_square"]).all()
    assert not backend.run(state, np.arange(1, 2), np.array([PLAIN]))[1]


@both
def test_a_large_state_is_not_copied_and_its_divergence_has_no_origin(kind, monkeypatch):
    monkeypatch.setattr(origin, "REMEMBERED", 1)
    backend = backend_of(kind, rows_of([[1.0]]), [Dense(1)], weights={"0.W": 1e20})
    assert not one_step(backend)[1]
    assert backend.origin is None


@both
def test_a_run_that_is_finite_again_has_no_origin(kind):
    backend = backend_of(kind, rows_of([[1.0]]), [Dense(1)], weights={"0.W": 1e20})
    assert not one_step(backend)[1]
    backend.network.params = np.zeros(2, np.float32)
    assert one_step(backend)[1]
    assert backend.origin is None


# --- in the training loop -------------------------------------------------------------------------------------------


def runaway(kind, max_epochs, optimiser="gradient_descent", **options):
    """A line at a rate that makes each step's error larger: finite losses first, and then none."""
    X = np.linspace(-1, 1, 20)[:, None]
    backend = backend_of(kind, rows_of(X, 3 * X[:, 0] + 1), [Dense(1)], batch_size=20, optimiser=optimiser, **options)
    return backend, TrainingOptions(max_epochs=max_epochs, learning_rate=1e4)


@both
def test_weights_whose_overflow_no_later_step_would_show_are_tried_in_the_end(kind):
    diverged_step = train(*runaway(kind, 1000)).diverged_step
    assert diverged_step > 3
    # The step before it left the weights whose loss overflows. With that step as the last, nothing else looks at them.
    backend, options = runaway(kind, diverged_step - 1)
    outcome = train(backend, options)
    assert outcome.reason == "diverged"
    assert len(outcome.history) == diverged_step - 1 == outcome.diverged_step == outcome.diverged_epoch
    assert outcome.best_epoch == diverged_step - 2
    assert outcome.origin == "with the weights that the step left"
    assert np.isfinite(backend.evaluate(outcome.params, backend.rows)[0])
    assert train(*runaway(kind, diverged_step - 2)).reason == "max_epochs"


@both
@pytest.mark.parametrize(("max_epochs", "at"), [(1, (1, 1)), (5, (2, 2))])
def test_one_epoch_whose_weights_have_no_finite_loss_leaves_nothing(kind, max_epochs, at):
    backend, _ = runaway(kind, max_epochs)
    with pytest.raises(TrainingDiverged) as caught:
        train(backend, TrainingOptions(max_epochs=max_epochs, learning_rate=1e30))
    assert (caught.value.epoch, caught.value.step) == at
    assert not np.isfinite(caught.value.loss)
    seen = "with the weights that the step left" if max_epochs == 1 else r"scores reach \d\.\de\+30"
    assert re.fullmatch(
        rf"training diverged in epoch {at[0]}, step {at[1]} at learning rate 1e\+30: the loss became (inf|nan) "
        rf"\({seen}\)\. Try a lower learning_rate, such as 1e\+29, clip_norm=1, or scaled inputs\.",
        str(caught.value),
    )


@both
def test_weights_that_wait_for_their_first_validation_are_no_good_if_the_next_step_shows_it(kind):
    backend, _ = runaway(kind, 5)
    options = TrainingOptions(max_epochs=5, learning_rate=1e30, validation_every=every(5))
    with pytest.raises(TrainingDiverged, match="in epoch 2, step 2"):
        train(backend, options, backend.rows)


@pytest.mark.parametrize("last", [2, 4])
def test_curvature_keeps_the_weights_of_its_last_finite_loss(last):
    # There the loss of an iteration is that of the very weights it ends with, so those before it are good.
    X = np.random.default_rng(0).normal(size=(30, 3))
    network = Network([Dense(4, "tanh"), Dense(1)], "squared_error", 3, random_state=0)
    rows = Rows(X, np.sin(3 * X[:, :1]))
    backend = ReferenceBackend(network, optimiser_named("gradient_descent"), rows, batch_size=30)
    evaluate, seen = backend.evaluate, []

    def evaluated(params, rows):
        seen.append(params.copy())
        loss, Y = evaluate(params, rows)
        return (np.nan if len(seen) == last else loss), Y

    backend.evaluate = evaluated
    outcome = train_lbfgs(backend, TrainingOptions(max_epochs=20, learning_rate=None))
    assert outcome.reason == "diverged"
    assert outcome.best_epoch == last - 1
    assert np.array_equal(outcome.params, seen[last - 2])
    assert (outcome.diverged_epoch, outcome.diverged_step) == (last, last)


def test_validations_of_which_none_is_finite_leave_nothing():
    backend, validation = backend_of(ReferenceBackend, rows_of([[1.0], [2.0]]), [Dense(1)]), rows_of([[1e30]])
    message = "^training diverged within 3 epochs at learning rate 0.001: the validation loss became inf"
    with pytest.raises(TrainingDiverged, match=message):
        train(backend, TrainingOptions(max_epochs=3), validation)


@both
def test_targets_that_are_too_large_for_the_loss_are_told_apart_from_scores(kind):
    backend = backend_of(kind, rows_of([[1.0]], [1e20]), [Dense(1)])
    assert not one_step(backend)[1]
    assert backend.origin.text() == "targets reach 1.0e+20"
