import numpy as np

from glassnet.maths.slopes import numeric_gradient


def test_slopes_of_a_polynomial_of_degree_four_are_exact():
    # f = x⁴ - 2 x³ + y² x: f_x = 4x³ - 6x² + y², f_y = 2xy. At (2, 3): 32 - 24 + 9 = 17 and 12.
    slopes = numeric_gradient(lambda v: v[0] ** 4 - 2 * v[0] ** 3 + v[1] ** 2 * v[0], np.array([2.0, 3.0]))
    np.testing.assert_allclose(slopes, [17.0, 12.0], rtol=1e-11)


def test_the_error_falls_with_the_fourth_power_of_the_step():
    # The leading error of the five points is -h⁴ f⁽⁵⁾ / 30; for e^x at 0 that is h⁴ / 30, downwards.
    def error(h):
        return numeric_gradient(lambda v: float(np.exp(v[0])), np.array([0.0]), h=h)[0] - 1.0

    for h in (0.1, 0.05):
        np.testing.assert_allclose(error(h), -(h**4) / 30, rtol=0.01)
    np.testing.assert_allclose(error(0.1) / error(0.05), 16.0, rtol=0.01)


def test_the_default_step_is_good_to_eleven_digits():
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(numeric_gradient(lambda v: float(np.sin(v).sum()), x), np.cos(x), atol=2e-11)


def test_only_the_entries_asked_for_are_looked_at():
    def f(v):
        seen.append(v.copy())
        return float(v @ v)

    seen = []
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(numeric_gradient(f, x, [2, 0]), [6.0, 2.0], rtol=1e-11)
    assert all(v[1] == 2.0 for v in seen)


def test_the_point_is_left_as_it_was():
    x = np.array([1.0, 2.0])
    numeric_gradient(lambda v: float(v @ v), x)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_a_float32_point_is_differentiated_in_float64():
    x = np.array([1.0, 2.0], np.float32)
    np.testing.assert_allclose(numeric_gradient(lambda v: float(v @ v), x), [2.0, 4.0], rtol=1e-11)


def test_a_vector_of_length_zero_has_no_slopes():
    assert numeric_gradient(lambda v: 0.0, np.zeros(0)).shape == (0,)
