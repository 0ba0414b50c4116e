"""Penalties, decay, clipping and weights in a step; L-BFGS against closed forms."""

import signal

import numpy as np
import pytest

from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.layers import Activation, Dense, Dropout, LayerNorm
from glassnet.maths.optimisers import GradientDescent
from glassnet.network import Network
from glassnet.training.backend import CHUNK, STACK, GivenUp, ReferenceBackend, Rows, reference_outputs
from glassnet.training.lbfgs import train_lbfgs
from glassnet.training.options import TrainingOptions

RATES = np.array([[0.1, 0.0, 1.0, 1.0]])


def regression_rows(n=40, weights=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    T = X @ np.array([[1.0], [-2.0], [0.5]]) + 3.0 + 0.1 * rng.normal(size=(n, 1))
    return Rows(X, T, weights)


def linear_backend(rows, **options):
    network = Network([Dense(1)], "squared_error", 3, random_state=1)
    return ReferenceBackend(network, GradientDescent(), rows, batch_size=len(rows.X), **options)


def one_step(backend, rates=RATES):
    state = backend.start()
    before = state["params"].copy()
    backend.run(state, np.arange(len(backend.rows.X)), rates)
    return before, state["params"]


def test_l1_and_l2_pull_on_weights_and_leave_the_bias_alone():
    rows = regression_rows()
    plain, penalised = linear_backend(rows), linear_backend(rows, l1=0.3, l2=0.7)
    before, without = one_step(plain)
    _, with_both = one_step(penalised)
    W = before[:3]
    np.testing.assert_allclose(with_both[:3], without[:3] - 0.1 * (0.7 * W + 0.3 * np.sign(W)), atol=1e-15)
    assert with_both[3] == without[3]


def test_penalties_do_not_depend_on_the_batch_size():
    rows = regression_rows(40)
    far = Rows(rows.X * 0, rows.T * 0)  # a loss without slope at zero bias: only the penalty moves the weights
    for batch_size in (40, 8):
        network = Network([Dense(1)], "squared_error", 3, random_state=1)
        backend = ReferenceBackend(network, GradientDescent(), far, batch_size=batch_size, l2=0.5)
        state = backend.start()
        W = state["params"][:3].copy()
        steps = backend.steps_per_epoch
        backend.run(state, np.arange(40), np.repeat(RATES, steps, axis=0))
        np.testing.assert_allclose(state["params"][:3], W * (1 - 0.1 * 0.5) ** steps, rtol=1e-13)


def test_decay_multiplies_weights_before_the_step_and_leaves_the_bias_alone():
    rows = regression_rows()
    before, without = one_step(linear_backend(rows))
    _, decayed = one_step(linear_backend(rows), np.array([[0.1, 0.2, 1.0, 1.0]]))
    np.testing.assert_allclose(decayed[:3], without[:3] - 0.1 * 0.2 * before[:3], atol=1e-15)
    assert decayed[3] == without[3]


def test_clipping_shortens_the_gradient_and_keeps_its_direction():
    rows = regression_rows()
    before, without = one_step(linear_backend(rows))
    _, clipped = one_step(linear_backend(rows, clip_norm=0.5))
    step, short = before - without, before - clipped
    assert np.linalg.norm(step) > 0.05
    assert np.linalg.norm(short) == pytest.approx(0.1 * 0.5, rel=1e-5)
    np.testing.assert_allclose(short / np.linalg.norm(short), step / np.linalg.norm(step), atol=1e-12)


def test_a_weight_of_two_is_the_row_twice_in_batch_descent():
    rows = regression_rows(10)
    weights = np.array([2.0] * 3 + [1.0] * 7)
    twice = Rows(np.vstack([rows.X[:3], rows.X]), np.vstack([rows.T[:3], rows.T]))
    _, weighted = one_step(linear_backend(Rows(rows.X, rows.T, weights)))
    _, repeated = one_step(linear_backend(twice))
    np.testing.assert_allclose(weighted, repeated, atol=1e-14)


def test_a_run_reports_a_loss_that_is_not_finite():
    rows = regression_rows()
    backend = linear_backend(Rows(rows.X * 1e200, rows.T))
    state = backend.start()
    total, finite = backend.run(state, np.arange(40), RATES)
    assert not finite
    assert not np.isfinite(total)


def test_evaluation_and_prediction_work_in_chunks_of_rows():
    n = 2 * CHUNK + 3
    rows = regression_rows(n)
    backend = linear_backend(rows)
    params = backend.network.params
    loss, Y = backend.evaluate(params, rows)
    expected = rows.X @ params[:3, None] + params[3]
    np.testing.assert_allclose(Y, expected, atol=1e-12)
    np.testing.assert_allclose(backend.predict(params, rows.X), expected, atol=1e-12)
    assert loss == pytest.approx(np.mean((expected - rows.T) ** 2), rel=1e-12)
    assert backend.predict(params, rows.X[:0]).shape == (0, 1)


OUTPUTS = [
    ("cross_entropy", 3),
    ("cross_entropy", 11),
    ("binary_cross_entropy", 1),
    ("multilabel", 9),
    ("squared_error", 1),
    ("squared_error", 5),
    ("quantile", 1),
    ("poisson", 2),
]


def assert_rows_are_predicted_by_themselves(network, n, seed=0):
    """Any subset of rows, in any order, from any place in memory, has the bits that its rows have in the whole."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, network.n_features)) * rng.choice([1e-3, 1.0, 30.0, 1e4], size=(n, 1))
    X = X.astype(network.dtype)
    with np.errstate(over="ignore"):
        whole = reference_outputs(network, X)
        for _ in range(4):
            chosen = rng.permutation(n)[: rng.integers(1, n + 1)]
            memory = np.empty(X[chosen].size + 8, network.dtype)
            part = memory[rng.integers(0, 8) :][: X[chosen].size].reshape(len(chosen), -1)
            part[...] = X[chosen]
            assert reference_outputs(network, part).tobytes() == whole[chosen].tobytes()
        for i in rng.integers(0, n, size=5):
            assert reference_outputs(network, X[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()
            assert reference_outputs(network, np.repeat(X[i : i + 1], 70, axis=0)).tobytes() == 70 * whole[i].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_prediction_does_not_depend_on_the_other_rows(activation, dtype):
    for seed, (loss, n_outputs) in enumerate(OUTPUTS):
        for widths in ((5,), (64, 32), (33, 1, 17)):
            hidden = [Dense(width, activation) for width in widths]
            network = Network([*hidden, Dense(n_outputs)], loss, 1 + 3 * seed, dtype, random_state=seed)
            assert_rows_are_predicted_by_themselves(network, 40, seed)
            layers = [layer for width in widths for layer in (Dense(width), LayerNorm(), Activation(activation))]
            layers = [*layers, Dropout(0.2), Dense(n_outputs)]
            network = Network(layers, loss, 1 + 3 * seed, dtype, random_state=seed)
            assert_rows_are_predicted_by_themselves(network, 40, seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_prediction_does_not_depend_on_the_other_rows_in_wide_layers_and_large_tables(dtype):
    for p, widths, n in ((784, (256, 128), 130), (3, (9000, 2), 9), (20, (128, 64), 2 * STACK + 77)):
        network = Network([*(Dense(width, "silu") for width in widths), Dense(7)], "cross_entropy", p, dtype)
        assert_rows_are_predicted_by_themselves(network, n)


def test_predictions_row_by_row_are_those_of_the_formulas():
    layers = [Dense(8, "tanh"), LayerNorm(), Dense(3)]
    network = Network(layers, "cross_entropy", 4, random_state=0)
    X = np.random.default_rng(0).normal(size=(STACK + 5, 4))
    np.testing.assert_allclose(reference_outputs(network, X), network.predict(X), rtol=1e-12)
    assert reference_outputs(network, X[:0]).shape == (0, 3)


def test_lbfgs_finds_the_least_squares_solution():
    rows = regression_rows()
    outcome = train_lbfgs(linear_backend(rows), TrainingOptions(max_epochs=100))
    design = np.hstack([rows.X, np.ones((40, 1))])
    expected = np.linalg.lstsq(design, rows.T, rcond=None)[0][:, 0]
    np.testing.assert_allclose(outcome.params, expected, atol=1e-5)
    assert outcome.reason == "converged"
    assert len(outcome.history) == outcome.best_epoch


def test_lbfgs_with_l2_finds_the_ridge_solution():
    # Minimum of (1/n) ‖Xw + b - t‖² + ½ l2 ‖w‖²: (2/n) Xᵀ(Xw + b - t) + l2 w = 0 with centred columns.
    rows, l2 = regression_rows(), 0.8
    X, t = rows.X - rows.X.mean(axis=0), rows.T - rows.T.mean(axis=0)
    w = np.linalg.solve(2 / 40 * X.T @ X + l2 * np.eye(3), 2 / 40 * X.T @ t)[:, 0]
    b = rows.T.mean() - rows.X.mean(axis=0) @ w
    outcome = train_lbfgs(linear_backend(rows, l2=l2), TrainingOptions(max_epochs=200))
    np.testing.assert_allclose(outcome.params, [*w, b], atol=1e-5)


def test_lbfgs_stops_at_max_epochs_and_by_a_callback():
    rows = regression_rows()
    few = train_lbfgs(linear_backend(rows), TrainingOptions(max_epochs=2))
    assert (few.reason, len(few.history)) == ("max_epochs", 2)
    stopped = train_lbfgs(linear_backend(rows), TrainingOptions(max_epochs=50, callbacks=[lambda row: True]))
    assert (stopped.reason, len(stopped.history)) == ("callback", 1)


def test_lbfgs_keeps_the_best_weights_on_validation_rows():
    rows, validation = regression_rows(6), regression_rows(50, seed=4)
    backend = linear_backend(rows)
    outcome = train_lbfgs(backend, TrainingOptions(max_epochs=50, patience=50), validation)
    losses = [row["validation_loss"] for row in outcome.history]
    assert backend.evaluate(outcome.params, validation)[0] == min(losses)


class Pressed(np.ndarray):
    """Rows that press Ctrl-C when they are first cut."""

    def __getitem__(self, place):
        if getattr(self, "press", None) is not None:
            press, self.press = self.press, None
            press()
        return np.asarray(super().__getitem__(place))


def pressed(X, press):
    X = X.view(Pressed)
    X.press = press
    return X


def test_an_interruption_ends_a_run_of_the_reference_after_the_step_at_hand():
    backend = linear_backend(regression_rows())
    backend.batch_size = 10
    backend.rows = backend.rows._replace(X=pressed(backend.rows.X, backend.interrupt))
    state, rates = backend.start(), np.tile([[0.1, 0.0, 1.0, 1.0]], (4, 1))
    backend.run(state, np.arange(40), rates)
    assert int(state["step"]) == 1
    backend.run(state, np.arange(40), rates)  # the next run is not concerned
    assert int(state["step"]) == 5


def test_an_evaluation_or_a_gradient_of_the_reference_that_is_interrupted_is_given_up():
    rows = regression_rows()
    backend = linear_backend(rows)
    expected = backend.evaluate(backend.network.params, rows)[0]
    many = Rows(pressed(np.tile(rows.X, (500, 1)), backend.interrupt), np.tile(rows.T, (500, 1)))
    with pytest.raises(GivenUp):
        backend.evaluate(backend.network.params, many)
    assert backend.evaluate(backend.network.params, rows)[0] == expected
    penalised = backend._add_penalties
    backend._add_penalties = lambda G: backend.interrupt() or penalised(G)
    with pytest.raises(GivenUp):
        backend.loss_and_gradient(backend.network.params)
    backend._add_penalties = penalised
    assert np.isfinite(backend.loss_and_gradient(backend.network.params)[0])


def test_lbfgs_interrupted_between_two_calls_makes_no_other():
    backend, calls = linear_backend(regression_rows(), l2=0.1), []
    loss_and_gradient = backend.loss_and_gradient

    def counted(params):
        calls.append(params.copy())
        found = loss_and_gradient(params)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return found

    backend.loss_and_gradient = counted
    outcome = train_lbfgs(backend, TrainingOptions(max_epochs=100))
    assert (outcome.reason, len(calls)) == ("interrupted", 4)
    assert any(np.array_equal(outcome.params, params) for params in calls)
    assert outcome.best_epoch == len(outcome.history) > 0


def test_the_average_of_weights_follows_the_steps_and_is_what_predicts():
    network = Network([Dense(1)], "squared_error", 1, random_state=0)
    rows = Rows(np.arange(4.0)[:, None], np.arange(4.0)[:, None])
    backend = ReferenceBackend(network, GradientDescent(), rows, batch_size=4, averaging=0.5)
    state = backend.start()
    path = [state["params"].copy()]
    for _ in range(3):
        backend.run(state, np.arange(4), np.array([[0.05, 0.0, 1.0, 1.0]]))
        path.append(state["params"].copy())
    # Shares 1/2, then always 1/2: ((p0 + p1)/2 + p2)/2, and so on.
    first = (path[0] + path[1]) / 2
    second = (first + path[2]) / 2
    np.testing.assert_allclose(state["average"], (second + path[3]) / 2, rtol=1e-12)
    assert backend.weights_of(state) is state["average"]
    plain = ReferenceBackend(network, GradientDescent(), rows, batch_size=4)
    assert plain.weights_of(plain.start()).shape == (2,)
    assert "average" not in plain.start()
