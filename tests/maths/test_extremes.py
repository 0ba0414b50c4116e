"""Optimisers, penalties, schedules and averages at the ends of the floats, against mpmath and by hand."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from glassnet.maths.averaging import averaged, share_of_step
from glassnet.maths.losses import loss_named
from glassnet.maths.optimisers import OPTIMISERS, optimiser_named
from glassnet.maths.penalties import clip_by_norm, decay, penalty, penalty_backward
from glassnet.maths.schedules import SCHEDULES, schedule_named

TYPES = ("float32", "float64")
GRADIENTS = [0.0, 1e-45, 1e-38, 1e-30, 1e-20, 1e-10, 1.0, 1e10, 1e18]
RATE = 2.0**-7


def in_digits(name, G, steps, rate):
    """Where a parameter that begins at 1 is after so many steps of one gradient, by PyTorch's definitions."""
    with mpmath.workdps(60):
        P, M, V = mpf(1), mpf(0), mpf(0)
        for t in range(1, steps + 1):
            if name == "gradient_descent":
                P -= rate * G
            elif name in ("momentum", "nesterov"):
                M = mpf(0.9) * M + G
                P -= rate * (G + mpf(0.9) * M if name == "nesterov" else M)
            elif name == "rmsprop":
                V = mpf(0.99) * V + (1 - mpf(0.99)) * G**2
                P -= rate * G / (mpmath.sqrt(V) + mpf(1e-8))
            else:
                M, V = mpf(0.9) * M + (1 - mpf(0.9)) * G, mpf(0.999) * V + (1 - mpf(0.999)) * G**2
                P -= rate * M / (1 - mpf(0.9) ** t) / (mpmath.sqrt(V / (1 - mpf(0.999) ** t)) + mpf(1e-8))
        return P


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("size", GRADIENTS)
def test_an_optimiser_goes_where_its_definition_goes_for_gradients_of_any_size(size, name, dtype):
    G = np.array([size, -size], dtype)
    params, moments = np.ones(2, dtype), None
    optimiser = optimiser_named(name)
    moments = optimiser.start(params)
    for step in range(1, 6):
        optimiser.update(params, G, moments, step, RATE)
    for p, g in zip(params.tolist(), G.tolist(), strict=True):
        expected = in_digits(name, mpf(g), 5, mpf(RATE))
        assert float(abs(p - expected)) <= (2e-6 if dtype == "float32" else 1e-14) * max(1, float(abs(expected)))


@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw"])
def test_a_gradient_whose_square_vanishes_takes_a_step_of_the_size_that_epsilon_leaves(name):
    # In float32 the square of 1e-30 is 0. The root of the mean square, 1e-30, counts nothing beside epsilon, 1e-8.
    params = np.zeros(1, np.float32)
    optimiser = optimiser_named(name)
    moments = optimiser.start(params)
    optimiser.update(params, np.array([1e-30], np.float32), moments, 1, 1.0)
    assert moments["mean_square"][0] == 0.0
    assert params[0] == pytest.approx(-1e-22, rel=1e-6)


@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw"])
def test_a_gradient_whose_square_overflows_moves_nothing_and_is_seen_at_the_next_step(name):
    params = np.ones(2, np.float32)
    optimiser, G = optimiser_named(name), np.array([1e20, 1.0], np.float32)
    moments = optimiser.start(params)
    with np.errstate(all="ignore"):
        optimiser.update(params, G, moments, 1, RATE)
        assert params[0] == 1.0
        optimiser.update(params, G, moments, 2, RATE)
    assert np.isnan(params[0])
    assert 0 < params[1] < 1  # each parameter by itself


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_largest_gradient_shows(name, dtype):
    params, G = np.ones(1, dtype), np.full(1, np.finfo(dtype).max)
    optimiser = optimiser_named(name)
    moments = optimiser.start(params)
    with np.errstate(all="ignore"):
        for step in range(1, 4):
            optimiser.update(params, G, moments, step, 10.0)
    assert not np.isfinite(params[0])


# --- penalties, clipping, averages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_penalties_of_the_largest_and_the_smallest_weights_by_hand(dtype):
    f = np.finfo(dtype)
    W = np.array([0.0, f.smallest_subnormal, -f.smallest_normal, f.max, -f.max / 2], dtype)
    np.testing.assert_array_equal(penalty_backward(W, 0.0, 0.5), W * 0.5)
    np.testing.assert_array_equal(penalty_backward(W, 0.25, 0.0), [0.0, 0.25, -0.25, 0.25, -0.25])
    np.testing.assert_array_equal(decay(W, 0.5, 1.0), W * 0.5)
    np.testing.assert_array_equal(decay(W, 1.0, 1.0), 0.0 * W)
    assert penalty(W[:3], 0.0, 1.0) == 0.0
    assert penalty(W[:3], 1.0, 0.0) == pytest.approx(float(f.smallest_normal), rel=1e-6)
    with np.errstate(all="ignore"):
        assert not np.isfinite(penalty(W, 0.0, 1.0))  # a loss that shows


@pytest.mark.parametrize("dtype", TYPES)
def test_clipping_keeps_the_direction_of_gradients_whose_squares_overflow_or_vanish(dtype):
    f = np.finfo(dtype)
    large = np.array([3.0, 0.0, -4.0], dtype) * dtype_of(f.max / 8)
    np.testing.assert_allclose(clip_by_norm(large, 10.0 * float(np.sqrt(f.max))) / float(np.sqrt(f.max)), [6, 0, -8])
    small = np.array([3.0, 0.0, -4.0], dtype) * dtype_of(f.smallest_normal)
    np.testing.assert_array_equal(clip_by_norm(small, 1.0), small)
    everywhere = np.full(10_000, f.max)  # a norm that the type cannot hold
    np.testing.assert_allclose(clip_by_norm(everywhere, 100.0), 1.0, rtol=1e-6 if dtype == "float64" else 1e-2)


def dtype_of(value):
    return value.dtype.type(value)


def test_what_is_not_finite_in_a_gradient_is_not_clipped_away():
    with np.errstate(invalid="ignore"):
        assert np.isnan(clip_by_norm(np.array([np.inf, 1.0]), 1.0)[0])
        assert np.isnan(clip_by_norm(np.array([np.nan, 1.0]), 1.0)[0])


@pytest.mark.parametrize("dtype", TYPES)
def test_an_average_never_leaves_what_is_not_finite_out(dtype):
    M = np.zeros(3, dtype)
    with np.errstate(invalid="ignore"):
        M = averaged(M, np.array([1.0, np.inf, np.nan], dtype), dtype_of(np.finfo(dtype).tiny))
        assert np.isfinite(M).tolist() == [True, False, False]
        M = averaged(M, np.ones(3, dtype), np.dtype(dtype).type(0.5))
    assert np.isfinite(M).tolist() == [True, False, False]


def test_shares_of_steps_at_their_ends():
    assert share_of_step(np.float64(1.0), 0.0) == 1.0  # without memory the weights themselves
    assert share_of_step(np.float64(1.0), 0.99) == 0.5
    assert share_of_step(np.float64(1e18), 0.0) == 1.0
    assert share_of_step(np.float64(1e18), 1 - 1e-16) == pytest.approx(1e-16, rel=0.2)


# --- schedules and smoothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "plateau"])
@pytest.mark.parametrize(("n_steps", "steps_per_epoch"), [(1, 1), (2, 1), (1, 10), (10, 10), (10**6, 10**3)])
def test_a_schedule_is_finite_at_its_first_and_last_step_and_beyond(name, n_steps, steps_per_epoch):
    steps = np.array([0, 1, n_steps // 2, n_steps - 1, n_steps, n_steps + 1, 10 * n_steps])
    factors = schedule_named(name).factors(steps, steps_per_epoch, n_steps)
    assert factors.shape == steps.shape
    assert np.isfinite(factors).all()
    assert ((factors >= 0) & (factors <= 1)).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_smoothing_next_to_one_leaves_every_class_its_share_and_rows_of_sum_one(dtype):
    epsilon = 1 - 2.0**-20
    for name, K in (("cross_entropy", 3), ("binary_cross_entropy", 1), ("multilabel", 2)):
        loss = loss_named(name, label_smoothing=epsilon)
        T = np.eye(max(K, 2), dtype=dtype)[:, :K]
        smooth = loss.smoothed(T)
        spread = 1 / loss.smoothing_classes(T)
        np.testing.assert_allclose(smooth, spread, atol=2e-6)
        assert (smooth[T == 1] > smooth[T == 0].max()).all()
        if name == "cross_entropy":
            np.testing.assert_allclose(smooth.sum(axis=1), 1.0, rtol=1e-6)
