from functools import cache

import mpmath
import numpy as np
import pytest
from mpmath import mp

from glassnet.errors import OptionError
from glassnet.maths.activations import ACTIVATIONS, Activation, activation_named, custom_activation
from glassnet.maths.slopes import numeric_gradient

NAMES = sorted(ACTIVATIONS)
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
KINKED = {"relu", "leaky_relu", "elu", "selu"}
GRID = np.concatenate(
    [
        np.linspace(-30, 30, 181),
        [-700.0, -100.0, -50.0, -1e-3, -1e-10, -1e-300, 1e-300, 1e-10, 1e-3, 50.0, 100.0, 700.0],
    ]
)


def below(z, f):
    """The functions that are z itself above zero and f(z) at and below it."""
    return z if z > 0 else f(z)


# Each formula as its paper has it: 400 digits make it stable.
EXACT = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "tanh": lambda z: (mp.exp(z) - mp.exp(-z)) / (mp.exp(z) + mp.exp(-z)),
    "relu": lambda z: below(z, lambda z: mp.mpf(0)),
    "leaky_relu": lambda z: below(z, lambda z: mp.mpf(0.01) * z),
    "elu": lambda z: below(z, lambda z: mp.expm1(z)),
    "selu": lambda z: mp.mpf(SELU_SCALE) * below(z, lambda z: mp.mpf(SELU_ALPHA) * mp.expm1(z)),
    "gelu": lambda z: z * mp.ncdf(z),
    "silu": lambda z: z / (1 + mp.exp(-z)),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
}

# f and f' at -infinity and +infinity.
LIMITS = {
    "identity": (-np.inf, np.inf, 1.0, 1.0),
    "sigmoid": (0.0, 1.0, 0.0, 0.0),
    "tanh": (-1.0, 1.0, 0.0, 0.0),
    "relu": (0.0, np.inf, 0.0, 1.0),
    "leaky_relu": (-np.inf, np.inf, 0.01, 1.0),
    "elu": (-1.0, np.inf, 0.0, 1.0),
    "selu": (-SELU_SCALE * SELU_ALPHA, np.inf, 0.0, SELU_SCALE),
    "gelu": (0.0, np.inf, 0.0, 1.0),
    "silu": (0.0, np.inf, 0.0, 1.0),
    "mish": (0.0, np.inf, 0.0, 1.0),
    "softplus": (0.0, np.inf, 0.0, 1.0),
}


def value(name, Z):
    return ACTIVATIONS[name].forward(np.asarray(Z))


def slope(name, Z):
    """f'(Z): the backward pass of a gradient of ones."""
    Z = np.asarray(Z)
    return ACTIVATIONS[name].backward(np.ones_like(Z), Z, value(name, Z))


@cache
def exact(name):
    with mpmath.workdps(400):  # e^700 beside 1 takes more than 300 digits
        return np.array([float(EXACT[name](mp.mpf(z))) for z in GRID])


@cache
def exact_slope(name):
    """Slopes by a central difference whose step, 1e-350, is below any rounding of float64."""
    with mpmath.workdps(400):
        h = mp.mpf(10) ** -350
        return np.array([float((EXACT[name](mp.mpf(z) + h) - EXACT[name](mp.mpf(z) - h)) / (2 * h)) for z in GRID])


# --- values ---


def test_all_eleven_are_there():
    expected = "elu gelu identity leaky_relu mish relu selu sigmoid silu softplus tanh"
    assert expected.split() == NAMES
    assert all(ACTIVATIONS[name].name == name for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_value_agrees_with_mpmath(name):
    # GELU takes the difference 1 + erf, whose last bit is 1e-16 of 1, times |Z|; all others are exact to their size.
    atol = 1e-15 if name == "gelu" else 0.0
    np.testing.assert_allclose(value(name, GRID), exact(name), rtol=1e-14, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_agrees_with_mpmath(name):
    away = np.abs(GRID) > 0  # the kink itself has a test of its own
    np.testing.assert_allclose(slope(name, GRID)[away], exact_slope(name)[away], rtol=1e-13, atol=2e-14)


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("identity", -2.5, -2.5),
        ("sigmoid", 0.0, 0.5),
        ("sigmoid", np.log(3.0), 0.75),  # 1 / (1 + 1/3)
        ("tanh", np.log(2.0), 0.6),  # (2 - 1/2) / (2 + 1/2)
        ("relu", -3.0, 0.0),
        ("relu", 3.0, 3.0),
        ("leaky_relu", -3.0, -0.03),
        ("elu", np.log(0.25), -0.75),
        ("elu", 2.0, 2.0),
        ("selu", np.log(0.5), -0.5 * SELU_SCALE * SELU_ALPHA),
        ("selu", 2.0, 2.0 * SELU_SCALE),
        ("gelu", 1.0, 0.8413447460685429),  # Φ(1), from tables of the normal distribution
        ("gelu", -1.0, -0.15865525393145707),
        ("silu", np.log(3.0), 0.75 * np.log(3.0)),
        ("mish", 0.0, 0.0),
        ("mish", np.log(2.0), 0.8 * np.log(2.0)),  # tanh(log 3) = (9 - 1) / (9 + 1)
        ("softplus", 0.0, np.log(2.0)),
        ("softplus", np.log(3.0), np.log(4.0)),
    ],
)
def test_a_value_known_by_hand(name, z, expected):
    np.testing.assert_allclose(value(name, [z])[0], expected, rtol=1e-15, atol=1e-16)


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("sigmoid", np.log(3.0), 3 / 16),  # 3/4 · 1/4
        ("tanh", np.log(2.0), 0.64),  # 1 - 0.6²
        ("elu", np.log(0.25), 0.25),
        ("selu", np.log(0.5), 0.5 * SELU_SCALE * SELU_ALPHA),
        ("gelu", 0.0, 0.5),
        ("silu", 0.0, 0.5),
        ("mish", 0.0, 0.6),  # tanh(log 2) = (4 - 1) / (4 + 1)
        ("softplus", np.log(3.0), 0.75),
    ],
)
def test_a_slope_known_by_hand(name, z, expected):
    np.testing.assert_allclose(slope(name, [z])[0], expected, rtol=1e-14)


@pytest.mark.parametrize(("name", "from_the_left"), [("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0)])
def test_the_slope_at_the_kink_is_the_one_from_the_left(name, from_the_left):
    assert slope(name, [0.0])[0] == from_the_left


def test_the_slope_of_selu_at_its_kink_is_the_one_from_the_left():
    assert slope("selu", [0.0])[0] == SELU_SCALE * SELU_ALPHA


# --- numeric slopes ---


@pytest.mark.parametrize("name", NAMES)
def test_the_backward_pass_is_the_numeric_slope_times_what_comes_in(name):
    rng = np.random.default_rng(0)
    Z, dA = rng.uniform(-4, 4, 40), rng.normal(size=40)
    Z = Z[np.abs(Z) > 0.05] if name in KINKED else Z
    dA = dA[: len(Z)]
    activation = ACTIVATIONS[name]
    numeric = numeric_gradient(lambda Z: float(dA @ activation.forward(Z)), Z)
    np.testing.assert_allclose(activation.backward(dA, Z, activation.forward(Z)), numeric, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_any_shape_passes_through_entry_by_entry(name):
    Z = np.random.default_rng(1).normal(size=(2, 3, 4))
    A = value(name, Z)
    dZ = ACTIVATIONS[name].backward(2.0 * np.ones_like(Z), Z, A)
    np.testing.assert_allclose(A.ravel(), value(name, Z.ravel()), rtol=1e-15)
    np.testing.assert_allclose(dZ.ravel(), 2.0 * slope(name, Z.ravel()), rtol=1e-14)


# --- identities ---


def test_sigmoid_and_its_mirror_make_one():
    np.testing.assert_allclose(value("sigmoid", GRID) + value("sigmoid", -GRID), 1.0, rtol=1e-15)


def test_tanh_is_a_stretched_sigmoid():
    np.testing.assert_allclose(value("tanh", GRID), 2.0 * value("sigmoid", 2.0 * GRID) - 1.0, atol=2e-16)


def test_softplus_is_the_integral_of_sigmoid():
    np.testing.assert_array_equal(slope("softplus", GRID), value("sigmoid", GRID))


@pytest.mark.parametrize("name", ["softplus", "relu", "gelu", "silu"])
def test_f_of_z_less_f_of_minus_z_is_z(name):
    np.testing.assert_allclose(value(name, GRID) - value(name, -GRID), GRID, rtol=1e-13, atol=1e-15)


def test_leaky_relu_is_relu_with_a_hundredth_of_its_mirror():
    np.testing.assert_allclose(value("leaky_relu", GRID), value("relu", GRID) - 0.01 * value("relu", -GRID), rtol=1e-15)


def test_selu_is_elu_scaled_below_and_above():
    Z = GRID[np.abs(GRID) > 1e-12]
    expected = np.where(Z > 0, SELU_SCALE, SELU_SCALE * SELU_ALPHA) * value("elu", Z)
    np.testing.assert_allclose(value("selu", Z), expected, rtol=1e-15)


def test_mish_without_tanh_or_logarithm():
    # tanh(log u) = (u² - 1) / (u² + 1) with u = 1 + e^z.
    Z = np.linspace(-5, 20, 101)
    u = 1.0 + np.exp(Z)
    np.testing.assert_allclose(value("mish", Z), Z * (u * u - 1.0) / (u * u + 1.0), rtol=1e-12)


def test_the_constants_of_selu_keep_mean_zero_and_variance_one():
    # For Z ~ N(0, 1):  E e^Z [Z<0] = √e Φ(-1)  and  E e^2Z [Z<0] = e² Φ(-2), so that
    #   E selu / s   = φ(0) + a (√e Φ(-1) - 1/2)                       must be 0
    #   E selu² / s² = 1/2 + a² (e² Φ(-2) - 2 √e Φ(-1) + 1/2)          must be 1 / s²
    with mpmath.workdps(50):
        one, two = mp.sqrt(mp.e) * mp.ncdf(-1), mp.e**2 * mp.ncdf(-2)
        alpha = mp.npdf(0) / (mp.mpf(1) / 2 - one)
        scale = 1 / mp.sqrt(mp.mpf(1) / 2 + alpha**2 * (two - 2 * one + mp.mpf(1) / 2))
        alpha, scale = float(alpha), float(scale)
    np.testing.assert_allclose(value("selu", [-np.inf])[0], -scale * alpha, rtol=1e-15)
    np.testing.assert_allclose(value("selu", [1.0])[0], scale, rtol=1e-15)


# --- the edge of the domain ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_infinite_values_give_the_limits_without_a_warning(name, dtype):
    ends = np.array([-np.inf, np.inf], dtype)
    rtol = 3e-7 if dtype == np.float32 else 1e-15
    np.testing.assert_allclose(value(name, ends), LIMITS[name][:2], rtol=rtol)
    np.testing.assert_allclose(slope(name, ends), LIMITS[name][2:], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e30])
@pytest.mark.parametrize("name", NAMES)
def test_large_values_are_at_their_limits_already(name, size, dtype):
    Z = np.array([-size, size], dtype)
    at_minus, at_plus, slope_minus, slope_plus = LIMITS[name]
    # A side that runs to infinity does so along slope · Z; the others stand at a number.
    low = Z[0] * slope_minus if np.isinf(at_minus) else at_minus
    high = Z[1] * slope_plus if np.isinf(at_plus) else at_plus
    rtol = 3e-7 if dtype == np.float32 else 1e-15
    np.testing.assert_allclose(value(name, Z), [low, high], rtol=rtol)
    np.testing.assert_allclose(slope(name, Z), [slope_minus, slope_plus], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_and_touches_no_neighbour(name):
    A = value(name, [np.nan, 1.0])
    assert np.isnan(A[0])
    assert A[1] == value(name, [1.0])[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_that_comes_back_stays_nan(name):
    Z = np.array([0.5])
    assert np.isnan(ACTIVATIONS[name].backward(np.array([np.nan]), Z, value(name, Z))).all()


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32_and_is_close_to_float64(name):
    Z = np.linspace(-20, 20, 401)
    A, dZ = value(name, Z.astype(np.float32)), slope(name, Z.astype(np.float32))
    assert A.dtype == np.float32
    assert dZ.dtype == np.float32
    off_kink = np.abs(Z) > 1e-6
    np.testing.assert_allclose(A, value(name, Z), rtol=3e-6, atol=2e-6)
    np.testing.assert_allclose(dZ[off_kink], slope(name, Z)[off_kink], rtol=3e-6, atol=5e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_left_as_it_was(name):
    Z = np.linspace(-2, 2, 9)
    slope(name, Z)
    np.testing.assert_array_equal(Z, np.linspace(-2, 2, 9))


# --- names and functions of one's own ---


def test_an_activation_is_found_by_its_name_and_taken_as_it_is():
    relu = activation_named("relu")
    assert relu is ACTIVATIONS["relu"]
    assert activation_named(relu) is relu


def test_a_pair_of_functions_becomes_an_activation():
    # f(z) = z², f'(z) = 2z: at z = 3 the value is 9, and a gradient of 5 comes back as 30.
    square = activation_named((lambda Z: Z * Z, lambda Z: 2.0 * Z))
    assert isinstance(square, Activation)
    assert square.custom
    Z = np.array([3.0])
    assert square.forward(Z)[0] == 9.0
    assert square.backward(np.array([5.0]), Z, square.forward(Z))[0] == 30.0


def test_an_unknown_name_is_told_the_names_there_are_and_the_nearest_one():
    with pytest.raises(OptionError) as caught:
        activation_named("rleu")
    text = str(caught.value)
    assert text.startswith("activation must be one of 'elu', 'gelu', 'identity', 'leaky_relu', 'mish', 'relu', ")
    assert text.endswith("got 'rleu'. Did you mean 'relu'?")


@pytest.mark.parametrize(("argument", "pair"), [("value", (1, np.cos)), ("slope", (np.sin, None))])
def test_a_custom_activation_of_something_that_is_no_function_is_refused(argument, pair):
    with pytest.raises(OptionError, match=f"{argument} must be a function of an array"):
        custom_activation(*pair)


@pytest.mark.parametrize("wrong", [3, None, (np.sin,), ["relu"]])
def test_something_that_is_no_activation_is_refused(wrong):
    with pytest.raises(OptionError, match="activation must be one of"):
        activation_named(wrong)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_where_the_slope_follows_from_the_output_the_scores_are_not_needed(name):
    activation = ACTIVATIONS[name]
    Z = np.array([0.0, -0.0, 1e-310, -1e-310, np.inf, -np.inf, np.nan, *np.linspace(-50.0, 50.0, 1001)])
    with np.errstate(all="ignore"):
        A = activation.forward(Z)
        from_scores, from_output = (
            activation.backward(np.ones_like(Z), Z, A),
            activation.backward(np.ones_like(Z), A, A),
        )
    assert activation.slope_of_output == np.array_equal(from_scores, from_output, equal_nan=True)
