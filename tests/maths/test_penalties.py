import numpy as np
import pytest

from glassnet.maths.penalties import clip_by_norm, decay, penalty, penalty_backward
from glassnet.maths.slopes import numeric_gradient

W = np.array([3.0, -4.0, 0.0])


def test_penalties_by_hand():
    # Σ W² = 25, Σ |W| = 7.
    assert penalty(W, l1=0.0, l2=0.1) == pytest.approx(1.25, rel=1e-15)
    assert penalty(W, l1=0.5, l2=0.0) == 3.5
    assert penalty(W, l1=0.5, l2=0.1) == pytest.approx(4.75, rel=1e-15)
    assert penalty(W, l1=0.0, l2=0.0) == 0.0


def test_the_slope_of_the_penalties_by_hand():
    np.testing.assert_array_equal(penalty_backward(W, l1=0.5, l2=0.25), [0.75 + 0.5, -1.0 - 0.5, 0.0])


def test_the_slope_of_the_penalties_is_numeric():
    V = np.random.default_rng(0).normal(size=9)
    assert np.abs(V).min() > 2e-3  # the kink of |W| is out of reach
    numeric = numeric_gradient(lambda V: penalty(V, l1=0.3, l2=0.7), V)
    np.testing.assert_allclose(penalty_backward(V, l1=0.3, l2=0.7), numeric, rtol=1e-9)


def test_decay_by_hand():
    np.testing.assert_allclose(decay(W, 0.5, 0.2), 0.9 * W, rtol=1e-15)
    np.testing.assert_array_equal(decay(W, 0.5, 0.0), W)


def test_decay_is_a_descent_step_on_the_l2_penalty():
    np.testing.assert_allclose(decay(W, 0.1, 0.3), W - 0.1 * penalty_backward(W, l1=0.0, l2=0.3), rtol=1e-15)


def test_a_long_gradient_is_shortened_and_keeps_its_direction():
    G = np.array([3.0, -4.0])
    clipped = clip_by_norm(G, 1.0)
    np.testing.assert_allclose(clipped, G / (5.0 + 1e-6), rtol=1e-15)
    assert np.linalg.norm(clipped) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("clip_norm", [5.1, 100.0, np.inf])
def test_a_short_gradient_stays_as_it_is(clip_norm):
    np.testing.assert_array_equal(clip_by_norm(np.array([3.0, -4.0]), clip_norm), [3.0, -4.0])


def test_a_zero_gradient_stays_zero_and_nan_stays_nan():
    np.testing.assert_array_equal(clip_by_norm(np.zeros(3), 1.0), np.zeros(3))
    assert np.isnan(clip_by_norm(np.array([np.nan, 1.0]), 1.0)[0])


def test_float32_stays_float32():
    V = W.astype(np.float32)
    for array in (penalty_backward(V, 0.1, 0.1), decay(V, 0.1, 0.1), clip_by_norm(V, 1.0)):
        assert array.dtype == np.float32
    assert isinstance(penalty(V, 0.1, 0.1), float)
