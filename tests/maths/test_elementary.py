import mpmath
import numpy as np
import pytest

from glassnet.maths import elementary

OF_ONE = ("cos", "erf", "exp", "expm1", "log", "log1p", "sign", "sqrt", "tanh")
GRID = [1e-300, 1e-12, 1e-3, 0.25, 1.0, 2.5, 7.0, 30.0]


@pytest.mark.parametrize("name", OF_ONE)
def test_a_function_agrees_with_mpmath_at_fifty_digits(name):
    with mpmath.workdps(50):
        expected = [float(getattr(mpmath, name)(mpmath.mpf(x))) for x in GRID]
    np.testing.assert_allclose(getattr(elementary, name)(np.array(GRID)), expected, rtol=1e-15)


@pytest.mark.parametrize("name", OF_ONE)
def test_a_function_keeps_the_float_type(name):
    for dtype in (np.float32, np.float64):
        assert getattr(elementary, name)(np.array([0.5, 2.0], dtype)).dtype == dtype


@pytest.mark.parametrize("name", OF_ONE)
def test_nan_stays_nan(name):
    assert np.isnan(getattr(elementary, name)(np.array([np.nan]))).all()


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_nan_on_either_side_wins(name):
    f = getattr(elementary, name)
    a, b = np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.inf])
    assert np.isnan(f(a, b)).all()


def test_the_ends_of_exp_and_its_family():
    ends = np.array([-np.inf, np.inf])
    np.testing.assert_array_equal(elementary.exp(ends), [0.0, np.inf])
    np.testing.assert_array_equal(elementary.expm1(ends), [-1.0, np.inf])
    np.testing.assert_array_equal(elementary.tanh(ends), [-1.0, 1.0])
    np.testing.assert_array_equal(elementary.erf(ends), [-1.0, 1.0])


def test_the_logarithm_of_zero_is_minus_infinity():
    with np.errstate(divide="ignore"):
        assert elementary.log(np.array([0.0]))[0] == -np.inf


def test_the_small_argument_is_not_rounded_away():
    # e^x - 1 = x + x²/2 and log(1+x) = x - x²/2 to within x³; 1 + 1e-12 alone has lost four digits of x.
    x = np.array([1e-12])
    np.testing.assert_allclose(elementary.expm1(x), 1e-12 + 0.5e-24, rtol=1e-15)
    np.testing.assert_allclose(elementary.log1p(x), 1e-12 - 0.5e-24, rtol=1e-15)


def test_functions_of_two_values_by_hand():
    a, b = np.array([1.0, -2.0, 0.0]), np.array([0.5, -1.0, 0.0])
    np.testing.assert_array_equal(elementary.maximum(a, b), [1.0, -1.0, 0.0])
    np.testing.assert_array_equal(elementary.minimum(a, b), [0.5, -2.0, 0.0])
    np.testing.assert_array_equal(elementary.sign(np.array([-3.0, 0.0, 0.1])), [-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(elementary.where(a > b, a, 7.0), [1.0, 7.0, 7.0])


def test_a_number_beside_an_array_takes_the_type_of_the_array():
    x = np.array([1.0, -1.0], np.float32)
    assert elementary.maximum(x, 0.0).dtype == np.float32
    assert elementary.minimum(x, 0.0).dtype == np.float32
    assert elementary.where(x > 0.0, x, 0.0).dtype == np.float32


def test_every_name_of_the_module_exists():
    assert all(callable(getattr(elementary, name)) for name in elementary.__all__)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 100, 100_000])
def test_where_chooses_the_very_bits_of_either_side(n, dtype):
    # Large arrays are chosen from by their bits: nothing may happen to NaN, infinity, minus zero or subnormals.
    rng = np.random.default_rng(0)
    special = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, 1.5, np.finfo(dtype).smallest_subnormal], dtype)
    a, b = rng.choice(special, (n, 2)), rng.choice(special, (n, 2))
    condition = rng.random((n, 2)) < 0.5
    for left, right in ((a, b), (a, 0.0), (-1.0, b), (a[::-1, ::-1], b), (a[:1], b), (a, b[:, :1])):
        chosen, expected = elementary.where(condition, left, right), np.where(condition, left, right)
        assert chosen.dtype == dtype
        assert chosen.shape == (n, 2)
        assert chosen.tobytes() == expected.tobytes()


def test_where_of_a_large_array_leaves_its_arguments_as_they_were():
    a = np.linspace(-1, 1, 100_000)
    before = a.copy()
    chosen = elementary.where(a > 0.0, a, 0.0)
    chosen[:] = 7.0
    np.testing.assert_array_equal(a, before)
