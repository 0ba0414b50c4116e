import inspect
import re
from types import FunctionType

import mpmath
import numpy as np
import pytest
from llvmlite import binding
from numba import njit
from numba.core.errors import TypingError

from glassnet.engine.elementary import fma
from glassnet.maths import elementary

# Greatest error in units in the last place, as the head of engine/elementary.py promises it; the cosine is the C
# library's. A function that is exact is off by the reference's own rounding, half a unit.
ULP = {
    "exp": 1.0,
    "expm1": 1.5,
    "log": 1.0,
    "log1p": 1.5,
    "tanh": 1.5,
    "erf": 1.5,
    "sqrt": 0.5,
    "cos": 1.0,
    "sign": 0.5,
}
OF_TWO = ("maximum", "minimum")
TYPES = (np.float32, np.float64)


def compiled(function):
    """A loop `loop(*inputs, out)` over flat arrays of one length: out[i] = function(inputs[0][i], ...).

    function : the name of an elementary function, or any Python function that a kernel could call, whose types are
    those of the arrays. It is compiled at the first call.
    """
    call = getattr(elementary, function) if isinstance(function, str) else function
    n_arguments = len(inspect.signature(getattr(call, "py_func", call)).parameters)
    if isinstance(call, FunctionType) and call.__module__ != elementary.__name__:
        call = njit(error_model="numpy", forceinline=True)(call)

    def one(a, out):
        for i in range(out.size):
            out[i] = call(a[i])

    def two(a, b, out):
        for i in range(out.size):
            out[i] = call(a[i], b[i])

    def three(a, b, c, out):
        for i in range(out.size):
            out[i] = call(a[i], b[i], c[i])

    return njit(error_model="numpy", boundscheck=False)((one, two, three)[n_arguments - 1])


LOOPS = {name: compiled(name) for name in elementary.__all__}


def run(name, *inputs):
    """The compiled function on flat arrays."""
    out = np.empty_like(inputs[-1])
    LOOPS[name](*inputs, out)
    return out


def special(dtype):
    """Zeros, infinities, NaN, the ends of the type, and the places where the formulas change."""
    f = np.finfo(dtype)
    ends = [0.0, np.inf, np.nan, f.smallest_subnormal, f.smallest_normal, f.max, f.eps]
    ends += [f.smallest_normal - f.smallest_subnormal, f.smallest_normal + f.smallest_subnormal]
    places = [0.5, 1.0, 2.0, 0.55, 0.5**0.5, 2**0.5, np.log(2), np.log(2) / 2, f.eps / 4, 1 - f.eps]
    places += [4.0, 6.0, 9.0, 10.0, 17.3, 20.0, 30.0, 60.0, 87.33, 88.72, 103.97, 104.0, 708.39, 709.78, 745.13, 746.0]
    places = np.array(places, dtype)
    x = np.concatenate(
        [np.array(ends, dtype), np.nextafter(places, dtype(0)), places, np.nextafter(places, dtype(9999))]
    )
    return np.concatenate([x, -x])


def subnormal(dtype):
    """Numbers below the smallest normal one: few bits and many, every size."""
    f = np.finfo(dtype)
    whole = np.unique(np.geomspace(1, f.smallest_normal / f.smallest_subnormal, 20_000).astype(np.int64))
    x = whole.astype(f"i{f.bits // 8}").view(dtype)  # the bits of a subnormal count its units
    return np.concatenate([x, -x])


def random_bits(dtype, n, seed=0):
    """Numbers of random bits: all sizes, signs, infinities and NaN."""
    return np.random.default_rng(seed).integers(0, 256, n * np.dtype(dtype).itemsize, np.uint8).view(dtype)


def ulps(got, reference):
    """The error in units in the last place of `got`'s type; infinite for another NaN, infinity, or sign of zero."""
    dtype = got.dtype.type
    with np.errstate(all="ignore"):
        rounded = reference.astype(dtype)
        unit = np.spacing(np.abs(rounded)).astype(reference.dtype)
        error = np.abs(got.astype(reference.dtype) - reference) / unit
    # Infinity is right where the reference rounds to it, and for a subnormal 0 is a number like others.
    edge = ~np.isfinite(rounded) | ~np.isfinite(got) | ((rounded == 0) & (reference == 0))
    same = (np.isnan(got) & np.isnan(rounded)) | ((got == rounded) & (np.signbit(got) == np.signbit(rounded)))
    return np.where(edge, np.where(same, 0.0, np.inf), error)


def exact(name, x):
    """The function of maths.elementary in float64."""
    with np.errstate(all="ignore"):
        return getattr(elementary, name)(x.astype(np.float64))


@pytest.mark.parametrize("name", ULP)
def test_float32_has_the_promised_accuracy_on_special_and_subnormal_numbers(name):
    x = np.concatenate([special(np.float32), subnormal(np.float32)])
    error = ulps(run(name, x), exact(name, x))
    assert error.max() <= ULP[name], x[error.argmax()]


@pytest.mark.parametrize("name", ULP)
def test_float32_has_the_promised_accuracy_on_a_million_random_bit_patterns(name):
    x = random_bits(np.float32, 1_000_000)
    error = ulps(run(name, x), exact(name, x))
    assert error.max() <= ULP[name], x[error.argmax()]


@pytest.mark.parametrize("name", ULP)
def test_float32_has_the_promised_accuracy_where_scores_are(name):
    x = np.linspace(-20, 20, 1_000_001, dtype=np.float32)
    error = ulps(run(name, x), exact(name, x))
    assert error.max() <= ULP[name], x[error.argmax()]


@pytest.mark.parametrize(("dtype", "first", "last"), [(np.float32, -104.5, -87.0), (np.float64, -746.5, -708.0)])
def test_the_exponential_of_a_low_number_is_the_nearest_subnormal_or_its_neighbour(dtype, first, last):
    x = np.linspace(first, last, 200_001, dtype=dtype)
    y = run("exp", x)
    reference = np.exp(x.astype(np.float64))
    assert ulps(y, reference).max() <= 1.0
    assert y[0] == 0.0
    assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize("name", ULP)
def test_float64_has_the_promised_accuracy(name):
    rng = np.random.default_rng(1)
    scores = rng.normal(size=400) * np.exp(rng.uniform(-20, 6.5, 400))
    x = np.concatenate([special(np.float64), random_bits(np.float64, 200), scores, rng.uniform(-2, 2, 400)])
    y = run(name, x)
    with mpmath.workdps(40):
        errors = [exact_error(name, a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= ULP[name], x[worst]


def exact_error(name, x, y):
    """The error of y = f(x) in units in its last place; at the edges NumPy says what is right."""
    with np.errstate(all="ignore"):
        rounded = np.float64(getattr(elementary, name)(np.float64(x)))
    if not np.isfinite(rounded) or rounded == 0.0:
        return float(ulps(np.array([y]), np.array([rounded]))[0])
    reference = rounded if name == "sign" else getattr(mpmath, name)(mpmath.mpf(x))
    return float(abs(mpmath.mpf(y) - reference) / mpmath.mpf(float(np.spacing(abs(rounded)))))


@pytest.mark.parametrize("dtype", TYPES)
def test_the_edges_by_hand(dtype):
    inf, nan = np.inf, np.nan
    table = {
        "exp": ([-inf, inf, 0.0, -0.0], [0.0, inf, 1.0, 1.0]),
        "expm1": ([-inf, inf, 0.0, -0.0], [-1.0, inf, 0.0, -0.0]),
        "log": ([0.0, -0.0, -1.0, -inf, inf, 1.0], [-inf, -inf, nan, nan, inf, 0.0]),
        "log1p": ([-1.0, -2.0, -inf, inf, 0.0, -0.0], [-inf, nan, nan, inf, 0.0, -0.0]),
        "tanh": ([-inf, inf, 0.0, -0.0], [-1.0, 1.0, 0.0, -0.0]),
        "erf": ([-inf, inf, 0.0, -0.0], [-1.0, 1.0, 0.0, -0.0]),
        "sqrt": ([4.0, inf, 0.0, -0.0, -1.0], [2.0, inf, 0.0, -0.0, nan]),
        "cos": ([0.0, inf, -inf], [1.0, nan, nan]),
        "sign": ([-3.0, 0.0, -0.0, 0.1, inf], [-1.0, 0.0, 0.0, 1.0, 1.0]),
    }
    for name, (x, expected) in table.items():
        y = run(name, np.array([*x, nan], dtype))
        np.testing.assert_array_equal(y, np.array([*expected, nan], dtype), err_msg=name)
        np.testing.assert_array_equal(np.signbit(y[:-1]) & (y[:-1] == 0), np.signbit(expected) & (y[:-1] == 0), name)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", OF_TWO)
def test_the_larger_and_the_smaller_of_two_are_those_of_numpy(name, dtype):
    x = np.concatenate([special(dtype), random_bits(dtype, 40)])
    a, b = (grid.ravel() for grid in np.meshgrid(x, x))
    y, expected = run(name, a, b), getattr(np, name)(a, b)
    np.testing.assert_array_equal(y, expected)  # NaN equal to NaN, 0 equal to -0
    assert np.isnan(y[np.isnan(a) | np.isnan(b)]).all()


@pytest.mark.parametrize("name", OF_TWO)
def test_of_two_equal_numbers_the_first_is_returned(name):
    a, b = np.array([0.0, -0.0], np.float32), np.array([-0.0, 0.0], np.float32)
    np.testing.assert_array_equal(np.signbit(run(name, a, b)), [False, True])


@pytest.mark.parametrize("dtype", TYPES)
def test_a_choice_has_the_very_bits_of_either_side(dtype):
    a, b = random_bits(dtype, 10_000, seed=2), random_bits(dtype, 10_000, seed=3)
    condition = np.random.default_rng(4).random(10_000) < 0.5
    expected = np.where(condition, a, b)
    assert run("where", condition, a, b).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", elementary.__all__)
def test_a_number_has_the_same_bits_whatever_its_place(name, dtype):
    # Vectors take the first entries of an array and single numbers the rest, so lengths and offsets put each entry into
    # all lanes of a vector, and into none.
    n, rng = 70, np.random.default_rng(5)
    scores = rng.normal(scale=4, size=n).astype(dtype)
    x, other = np.where(rng.random(n) < 0.2, rng.choice(special(dtype), n), scores), rng.normal(size=n).astype(dtype)
    inputs = {"where": (x > 0, x, other)}.get(name, (x, other) if name in OF_TWO else (x,))
    alone = np.concatenate([run(name, *(a[i : i + 1] for a in inputs)) for i in range(n)])
    for length in range(1, n + 1):
        for offset in {0, min(3, n - length), n - length}:
            part = slice(offset, offset + length)
            together = run(name, *(a[part] for a in inputs))
            numbers = ~np.isnan(alone[part])  # the bits of a NaN carry nothing
            assert np.isnan(together[~numbers]).all()
            assert together[numbers].tobytes() == alone[part][numbers].tobytes()


@pytest.mark.skipif(not dict(binding.get_host_cpu_features()).get("fma", True), reason="the processor has no FMA")
@pytest.mark.parametrize("name", [name for name in elementary.__all__ if name != "cos"])
def test_a_loop_becomes_vector_instructions_without_fast_mathematics(name):
    loop = compiled(name)
    for dtype, llvm_name in zip(TYPES, ("float", "double"), strict=True):
        x = np.ones(4, dtype)
        loop(*{"where": (x > 0, x, x)}.get(name, (x, x) if name in OF_TWO else (x,)), np.empty_like(x))
        code = loop.inspect_llvm(loop.signatures[-1])
        assert re.search(rf"<\d+ x {llvm_name}>", code)
        assert not re.search(r" (f\w+|call|select) (fast|nnan|ninf|nsz|arcp|contract|afn|reassoc) ", code)


@pytest.mark.skipif(not dict(binding.get_host_cpu_features()).get("fma", True), reason="the processor has no FMA")
def test_a_long_formula_becomes_vector_instructions_too():
    def formula(x):
        return x * elementary.tanh(elementary.log1p(elementary.exp(-abs(x))))

    loop, x = compiled(formula), np.linspace(-9, 9, 1001, dtype=np.float32)
    out = np.empty_like(x)
    loop(x, out)
    assert re.search(r"<\d+ x float>", loop.inspect_llvm(loop.signatures[0]))
    # Four roundings of 1.5 units at most, and no step enlarges the relative error of the one before.
    np.testing.assert_allclose(out, formula(x.astype(np.float64)), rtol=4 * 1.5 * np.finfo(np.float32).eps)


def test_the_absolute_value_of_minus_zero_is_zero():
    out = np.empty(3, np.float32)
    compiled(lambda x: abs(x))(np.array([-0.0, -np.inf, -1.5], np.float32), out)
    np.testing.assert_array_equal(out, [0.0, np.inf, 1.5])
    assert not np.signbit(out).any()


@pytest.mark.parametrize("name", [*OF_TWO, "where"])
def test_numbers_of_two_types_are_refused(name):
    x = np.ones(3, np.float32)
    inputs = (x, x.astype(np.float64))
    with pytest.raises(TypingError):
        LOOPS[name](*((x > 0, *inputs) if name == "where" else inputs), np.empty(3))


def test_whole_numbers_are_refused():
    with pytest.raises(TypingError):
        LOOPS["exp"](np.ones(3, np.int64), np.empty(3))


def test_a_fused_multiply_add_rounds_once():
    # (1 + 2^-12)² = 1 + 2^-11 + 2^-24, whose last term float32 cannot hold beside the first.
    @njit
    def difference(a, c):
        return fma(a, a, c)

    assert difference(np.float32(1 + 2**-12), np.float32(-1 - 2**-11)) == 2.0**-24
    assert difference(1 + 2.0**-30, -1 - 2.0**-29) == 2.0**-60
