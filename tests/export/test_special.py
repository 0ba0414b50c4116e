"""The error function and the normal quantile, which exports write out."""

import mpmath
import numpy as np
import pytest

from glassnet.export.special import erf, normal_quantile


@pytest.mark.parametrize("x", [-9.0, -3.7, -0.46875, 0.0, 1e-300, 0.2, 0.46874999, 0.46875001, 1.0, 4.01, 5.9, 40.0])
def test_the_error_function_has_the_digits_of_float64(x):
    assert erf(np.array([x]))[0] == pytest.approx(float(mpmath.erf(x)), rel=2e-15, abs=1e-300)


def test_the_error_function_is_odd_and_keeps_nan():
    x = np.linspace(0, 7, 1001)
    assert np.array_equal(erf(-x), -erf(x))
    assert np.isnan(erf(np.array([np.nan])))[0]


@pytest.mark.parametrize("p", [1e-11, 1e-7, 0.01, 0.0749999, 0.0750001, 0.3, 0.5, 0.9, 0.925, 1 - 1e-7])
def test_the_normal_quantile_inverts_the_distribution_function(p):
    z = mpmath.mpf(float(normal_quantile(np.array([p]))[0]))
    # Where the density is low, one step of float64 in z moves the probability by less than its own last digit.
    assert float(mpmath.ncdf(z)) == pytest.approx(p, rel=2e-14)


def test_the_normal_quantile_is_odd_around_one_half():
    p = np.array([0.5, 0.25, 0.125, 2.0**-10, 2.0**-30])  # 1 - p is exact
    assert np.array_equal(normal_quantile(1 - p), -normal_quantile(p))
