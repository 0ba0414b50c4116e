"""The average of weights: a plain mean at first, then an exponential one."""

import numpy as np
import pytest

from glassnet.maths.averaging import averaged, share_of_step


def average_of(path, memory):
    """The average after steps that led from path[0] to path[-1]."""
    M = path[0]
    for step, P in enumerate(path[1:], 1):
        M = averaged(M, P, share_of_step(np.float64(step), memory))
    return M


def test_by_hand():
    assert averaged(np.array([1.0, 2.0]), np.array([3.0, 2.0]), 0.25).tolist() == [1.5, 2.0]
    # After 1 - 0.75 = 1/4 is reached the share stays: 1/2, 1/3, 1/4, 1/4.
    assert [float(share_of_step(np.float64(step), 0.75)) for step in (1, 2, 3, 4)] == pytest.approx(
        [1 / 2, 1 / 3, 1 / 4, 1 / 4]
    )


def test_the_first_steps_are_a_plain_mean():
    path = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(average_of(path, 0.99), path.mean(axis=0), rtol=1e-12)


def test_later_ones_forget_exponentially():
    path, memory = np.zeros(60), 0.8
    path[10] = 1.0  # what a step was worth fades by `memory` with each one that follows
    assert average_of(path, memory) == pytest.approx((1 - memory) * memory ** (59 - 10), rel=1e-12)


def test_without_memory_it_is_the_last_point_and_a_path_that_stays_is_its_own_average():
    assert average_of([0.0, 1.0], 0.0) == 1.0  # share 1
    assert average_of(np.full(9, 2.5), 0.9) == 2.5
