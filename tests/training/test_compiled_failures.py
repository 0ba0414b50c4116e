"""Numbers that are not finite end a run of the engine at the very step, and the best weights are kept."""

import numpy as np
import pytest

from glassnet.errors import TrainingDiverged
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.layers import Dense, Dropout, LayerNorm
from glassnet.maths.losses import LOSSES
from glassnet.maths.optimisers import optimiser_named
from glassnet.network import Network
from glassnet.training.backend import ReferenceBackend, Rows
from glassnet.training.compiled import EngineBackend
from glassnet.training.loop import row_order, train
from glassnet.training.options import TrainingOptions

RATES = [1e-2, 0.0, 1.0, 1.0]


def rows_of(n=100, K=2, seed=0):
    rng = np.random.default_rng(seed)
    return Rows(rng.normal(size=(n, 3)), np.eye(K)[rng.integers(K, size=n)])


def backend_of(
    rows, layers=None, loss="squared_error", kind=EngineBackend, batch_size=10, optimiser="gradient_descent", **options
):
    layers = layers or [Dense(6, "tanh"), Dense(2)]
    network = Network(layers, loss, 3, rows.X.dtype, random_state=0)
    return kind(network, optimiser_named(optimiser), rows, batch_size=batch_size, **options)


def spoiled(rows, row, part="X", value=np.nan):
    copies = {name: array.copy() for name, array in zip("XT", rows, strict=False)}
    copies[part][row, 1] = value
    return Rows(**copies)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("part", ["X", "T"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_step_that_meets_a_number_that_is_not_finite_is_the_last(part, value, n_jobs):
    # An infinite input is 1 or -1 after tanh, so the first layer has none here.
    backend = backend_of(spoiled(rows_of(), 47, part, value), [Dense(6, "silu"), Dense(2)], n_jobs=n_jobs)
    state, order = backend.start(), np.random.default_rng(0).permutation(100)
    position = int(np.flatnonzero(order == 47)[0])
    total, finite = backend.run(state, order, np.tile(RATES, (10, 1)))
    assert not finite
    assert not np.isfinite(total)
    assert state["step"] == position // 10 + 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_activation_hides_a_value_that_is_not_a_number(activation, dtype):
    rows = Rows(*(part.astype(dtype) for part in spoiled(rows_of(), 3)[:2]))
    for layers in ([Dense(5, activation), Dense(2)], [Dense(5), LayerNorm(), Dropout(0.5), Dense(2, activation)]):
        backend = backend_of(rows, layers)
        state = backend.start()
        total, finite = backend.run(state, np.arange(10), np.array([RATES]))
        assert not finite
        assert np.isnan(total)
        assert np.isnan(backend.predict(np.ones_like(state["params"]), rows.X)[3]).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_no_loss_hides_a_value_that_is_not_a_number(loss):
    K = 1 if loss == "quantile" else 2
    for part in ("X", "T"):
        rows = spoiled(rows_of(K=2), 3, part)
        rows = Rows(rows.X, rows.T[:, 2 - K :])
        backend = backend_of(rows, [Dense(4, "tanh"), Dense(K)], loss)
        reference = backend_of(rows, [Dense(4, "tanh"), Dense(K)], loss, ReferenceBackend)
        for either in (backend, reference):
            total, finite = either.run(either.start(), np.arange(10), np.array([RATES]))
            assert np.isnan(total), (part, type(either))
            assert not finite


def test_a_row_of_weight_zero_cannot_hide_either():
    rows = spoiled(rows_of(), 3)
    weights = np.ones(100)
    weights[3] = 0.0
    backend = backend_of(Rows(rows.X, rows.T, weights))
    assert not backend.run(backend.start(), np.arange(10), np.array([RATES]))[1]


@pytest.mark.parametrize("optimiser", ["gradient_descent", "momentum"])
def test_overflow_is_met_in_the_step_where_the_reference_meets_it(optimiser):
    rows = rows_of()
    reference = backend_of(rows, [Dense(4), Dense(2)], kind=ReferenceBackend, optimiser=optimiser)
    engine = backend_of(rows, [Dense(4), Dense(2)], optimiser=optimiser)
    rates, order = np.tile([30.0, 0.0, 1.0, 1.0], (10, 1)), np.arange(100)
    state, finite, first = reference.start(), True, 0
    while finite:
        loss = reference.run(state, order[10 * first :][:10], rates[:1])[0]
        finite, first = np.isfinite(loss), first + 1
    assert 2 < first < 10
    state = engine.start()
    assert not engine.run(state, order, rates)[1]
    assert state["step"] == first


def test_weights_that_overflow_after_a_finite_loss_are_noticed():
    backend = backend_of(rows_of(), batch_size=100)
    state = backend.start()
    total, finite = backend.run(state, np.arange(100), np.array([[np.inf, 0.0, 1.0, 1.0]]))
    assert np.isfinite(total)
    assert not finite


def test_a_run_after_one_that_failed_is_not_concerned():
    backend = backend_of(spoiled(rows_of(), 3))
    assert not backend.run(backend.start(), np.arange(10), np.array([RATES]))[1]
    fresh, state = backend_of(rows_of()), backend.start()
    expected = fresh.start()
    assert backend.run(state, np.arange(10, 100), np.tile(RATES, (9, 1)))[1]
    fresh.run(expected, np.arange(10, 100), np.tile(RATES, (9, 1)))
    assert np.array_equal(state["params"], expected["params"])


# --- in the training loop -------------------------------------------------------------------------------------------


def test_a_bad_row_in_the_first_epoch_is_a_divergence_that_names_the_step():
    step = int(np.flatnonzero(row_order(100, 10, seed=0, epoch=1) == 47)[0]) // 10 + 1
    message = f"training diverged in epoch 1, step {step} at learning rate 0.01: the loss became nan"
    with pytest.raises(TrainingDiverged, match=message):
        train(backend_of(spoiled(rows_of(), 47)), TrainingOptions(max_epochs=5, learning_rate=0.01))


def test_a_rate_that_is_far_too_high_keeps_the_history_and_the_last_good_weights():
    def outcome_of(kind):
        backend = backend_of(rows_of(), [Dense(3), Dense(2)], kind=kind, batch_size=100)
        return train(backend, TrainingOptions(max_epochs=5000, learning_rate=3.0))

    outcome, expected = outcome_of(EngineBackend), outcome_of(ReferenceBackend)
    assert outcome.reason == expected.reason == "diverged"
    assert not np.isfinite(outcome.diverged_loss)
    assert outcome.diverged_step == expected.diverged_step == len(outcome.history) + 1
    assert np.isfinite(outcome.params).all()
    assert len(outcome.history) == len(expected.history) > 1
    assert outcome.best_epoch == expected.best_epoch == len(outcome.history) - 1  # the last weights have no finite loss
    assert [row["step"] for row in outcome.history] == [row["step"] for row in expected.history]


def test_the_best_weights_by_validation_are_kept_when_training_diverges():
    backend, validation, kept = backend_of(rows_of(), [Dense(3), Dense(2)], batch_size=50), rows_of(seed=1), []
    evaluate = backend.evaluate
    backend.evaluate = lambda params, rows: kept.append((params.copy(), evaluate(params, rows))) or kept[-1][1]
    outcome = train(backend, TrainingOptions(max_epochs=5000, learning_rate=3.0), validation)
    best, _ = min(kept, key=lambda each: each[1][0])
    assert outcome.reason == "diverged"
    assert np.array_equal(outcome.params, best)


def test_the_history_names_the_step_of_every_epoch_as_on_the_reference():
    options, rows = TrainingOptions(max_epochs=3, learning_rate=0.1), rows_of(101)
    histories = [train(backend_of(rows, kind=kind), options).history for kind in (ReferenceBackend, EngineBackend)]
    for expected, row in zip(*histories, strict=True):
        assert (row["epoch"], row["step"]) == (expected["epoch"], expected["step"])
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-12)
