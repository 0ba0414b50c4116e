"""The functions of `maths.elementary` as compiled code: what `exp`, `where`, ... mean inside a kernel.

To import this module is to teach Numba the functions of `maths.elementary` for numbers of type float32 and float64. A
formula of `maths` in a loop over arrays then becomes vector instructions, because nothing here branches or calls: each
function is a few polynomials, and a choice between two values computes both of them. There are no fast-math flags, and
a multiplication joins an addition only where `fused` is written, so a value has the same bits in every lane of a
vector, and in the loop over what the vectors leave.

Accuracy, in units in the last place of the type (ulp), over all numbers, subnormal ones included; the edges are those
of `maths.elementary`:

                exp    expm1   log    log1p   tanh    erf     sqrt; sign, maximum, minimum, where
    float32     1      1.5     1      1.5     1.5     1.5     0.5   exact
    float64     1      1.5     1      1.5     1.5     1.5     0.5   exact

Float32 was tried on every one of its numbers (the first six functions), float64 on some millions (erf on 10^5). Every
operation is IEEE 754's, so the bits do not depend on the processor either (tried: code for AVX-512, AVX2 and SSE2). The
cosine alone is the C library's, one call for each number: no formula needs it in a loop.

All numbers that meet must have one type: float64 beside float32 is refused (TypingError) rather than promoted. Of two
equal numbers `maximum` and `minimum` return the first, which matters for 0 and -0 only.

The functions are written with `Number`, whose arithmetic writes LLVM instructions into the kernel that is compiled, so
Numba has no functions of ours to compile for them. A formula that calls several of them grows too long for LLVM to put
it in place by itself; it must be compiled with `forceinline`, or the loop around it stays a loop of calls.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, type_callable

from glassnet.engine import machine
from glassnet.engine.number import Number, bits_of, fused, polynomial, select
from glassnet.maths import elementary

__all__ = ["WRITTEN", "fma"]

# --- the two types --------------------------------------------------------------------------------------------------

# log 2 in two parts. The first is a multiple of 2^-15 or 2^-40, so that its product with the exponent of any number is
# exact; the second is the rest.
LOG_2 = 0.6931471805599453


@dataclass(frozen=True)
class Form:
    """What the functions must know of a float type: where its bits are, where functions end, and coefficients.

    The coefficients are those of the polynomials of least greatest error, found with Remez's exchange algorithm in 50
    decimal digits and then rounded; `2^-e` beside each is its error relative to the function it serves.
    """

    size: int  # bits of a number
    fraction: int  # bits of its fraction
    log_2_high: float
    log_2_low: float
    exp_zero: float  # e^x is 0 below
    exp_inf: float  # e^x is inf above
    expm1_end: float  # e^x - 1 is -1 below
    tanh_end: float  # tanh x is 1 above
    erf_end: float  # erf x is 1 above
    exp_terms: tuple[float, ...]
    log_terms: tuple[float, ...]
    tanh_terms: tuple[float, ...]
    erf_terms: tuple[float, ...]
    erfc_terms: tuple[float, ...]

    @property
    def bias(self) -> int:
        """The exponent of 1 as it stands in the bits."""
        return (1 << (self.size - self.fraction - 2)) - 1

    @property
    def least_normal(self) -> float:
        """The smallest number with a full fraction."""
        return 2.0 ** (1 - self.bias)

    @property
    def rounder(self) -> float:
        """1.5 · 2^fraction: added to a small number it leaves no bits behind the point, and its own last bits count."""
        return 1.5 * 2.0**self.fraction

    def bits_of(self, value: float) -> int:
        """The bits of a constant."""
        return int(np.array(value, f"f{self.size // 8}").view(f"i{self.size // 8}"))


FLOAT32 = Form(
    size=32,
    fraction=23,
    log_2_high=22713 * 2.0**-15,
    log_2_low=1.4286068203094172e-06,
    exp_zero=-104.0,
    exp_inf=89.0,
    expm1_end=-30.0,
    tanh_end=10.0,
    erf_end=4.0,
    exp_terms=(  # 2^-32
        0.5000000044042061574,
        0.16666666371829594,
        0.041666361128671513963,
        0.008333389050855866318,
        0.0013940621765730835726,
        0.00019846067133399167232,
    ),
    log_terms=(0.66666774807360686935, 0.39977666274323893004, 0.29869546630376703694),  # 2^-30
    tanh_terms=(  # 2^-29
        -0.3333332236940059985,
        0.13332720393296594254,
        -0.053864568742054964809,
        0.021116991723086138543,
        -0.0063329060565294366299,
    ),
    erf_terms=(  # 2^-29
        0.12837916591383819749,
        -0.37612627136580647878,
        0.11283600182923460255,
        -0.026854444857453565965,
        0.0051895358190171800623,
        -0.0008020845283379551773,
        0.00007889132089726557544,
    ),
    erfc_terms=(  # 2^-29
        1.8496055164799422849,
        2.6389668159489513806,
        0.84311833654631458622,
        0.041500687063005565278,
        -0.0098908891897235916931,
        0.0018261607595092584056,
        -0.00018557322299300622014,
    ),
)

FLOAT64 = Form(
    size=64,
    fraction=52,
    log_2_high=762123384785 * 2.0**-40,
    log_2_low=7.3710025651677899e-13,
    exp_zero=-746.0,
    exp_inf=710.0,
    expm1_end=-60.0,
    tanh_end=20.0,
    erf_end=6.0,
    exp_terms=(  # 2^-61
        0.50000000000000000084,
        0.16666666666666676488,
        0.04166666666666650998,
        0.0083333333333216982193,
        0.0013888888888961946914,
        0.00019841269885965533842,
        0.000024801587173236843619,
        2.7557244360890907659e-6,
        2.755740209029075939e-7,
        2.5108987614483404753e-8,
        2.0875499070445317708e-9,
    ),
    log_terms=(  # 2^-59
        0.66666666666667270811,
        0.39999999999451478285,
        0.28571428735798164098,
        0.22222199135571777863,
        0.1818353956137972561,
        0.15314593163187660325,
        0.14791274501770071468,
    ),
    tanh_terms=(  # 2^-60
        -0.33333333333333325712,
        0.1333333333333048789,
        -0.053968253965719364104,
        0.021869488435998870695,
        -0.008863233349417241723,
        0.003592099001226041466,
        -0.0014555846867984693087,
        0.00058860627523471881741,
        -0.00023377102285370989318,
        0.000083847439858269192488,
        -0.000019807930218444642988,
    ),
    erf_terms=(  # 2^-57
        0.12837916709551256679,
        -0.37612638903183546619,
        0.11283791670945252903,
        -0.026866170643276171734,
        0.005223977607423142891,
        -0.00085483259896840639512,
        0.00012055295320198352169,
        -0.000014924744659133547484,
        1.6447517642377853149e-6,
        -1.6209175749589099055e-7,
        1.3722975974712109974e-8,
        -7.8011889874131477444e-10,
    ),
    erfc_terms=(  # 2^-56
        1.8496055099332482795,
        2.63896751423477928,
        0.84310725635922768486,
        0.041561098028790490313,
        -0.010033825216651195891,
        0.0019779014366493232415,
        -0.00023731725748157479814,
        -0.000026294279639424585309,
        0.000027195448128739369383,
        -9.6670859090747124791e-6,
        2.1282030124696112498e-6,
        -2.0248129908990390957e-7,
        -5.9042259375027831608e-8,
        3.3706362777882164996e-8,
        -8.58212133770454357e-9,
        1.3266758942994692843e-9,
        -1.197466559689767557e-10,
        4.8675911913517826243e-12,
    ),
)


def form(x: Number) -> Form:
    """The form of a float's type."""
    return FLOAT32 if bits_of(x.value.type) == 32 else FLOAT64


# --- the functions --------------------------------------------------------------------------------------------------


def halves_and_rest(x: Number) -> tuple[Number, Number]:
    """A whole number k and r with x = k log 2 + r and |r| ≤ (log 2) / 2, for x between exp_zero and exp_inf."""
    f = form(x)
    shifted = fused(x, 1.0 / LOG_2, f.rounder)
    k = shifted - f.rounder
    rest = fused(k, -f.log_2_low, fused(k, -f.log_2_high, x))  # the inner one is exact
    return shifted.bits() - f.bits_of(f.rounder), rest


def power_of_two(k: Number, f: Form) -> Number:
    """2^k, made of its bits; k in the range of exponents."""
    return ((k + f.bias) << f.fraction).as_float()


def expm1_near(r: Number) -> tuple[Number, Number]:
    """e^r - 1 for |r| ≤ (log 2) / 2 as a sum of two numbers, r itself and the rest, some r² / 2."""
    return r, (r * r) * polynomial(r, form(r).exp_terms)


def exp_between(x: Number) -> Number:
    """e^x where it is neither subnormal nor infinite."""
    k, r = halves_and_rest(x)
    r, rest = expm1_near(r)
    return (1.0 + (r + rest)) * power_of_two(k, form(x))


def at_most(x: Number, end: float) -> Number:
    """x, but not above `end`; NaN stays."""
    return select(x > end, end, x)


def at_least(x: Number, end: float) -> Number:
    """x, but not below `end`; NaN stays."""
    return select(x < end, end, x)


def times_power_of_two(x: Number, k: Number) -> Number:
    """x 2^k for any k: it overflows no sooner than the product does, and a subnormal is rounded once.

    AVX-512 has an instruction for it. Elsewhere 2^k is two factors, the first of which is exact: the same bits.
    """
    if machine.has("avx512f"):
        return x.scaled(k)
    half = k >> 1
    return x * power_of_two(half, form(x)) * power_of_two(k - half, form(x))


def exp(x: Number) -> Number:
    """2^k e^r."""
    f = form(x)
    k, r = halves_and_rest(at_least(at_most(x, f.exp_inf), f.exp_zero))
    r, rest = expm1_near(r)
    return times_power_of_two(1.0 + (r + rest), k)


def expm1(x: Number) -> Number:
    """2^k (e^r - 1) + 2^k - 1, and twice the half of it, which cannot overflow before it is due.

    The large terms are added first: what is lost there is small beside the sum. Near 0 e^x - 1 rounds to x, also
    where half of x has lost a bit, and the sign of 0 stays.
    """
    f = form(x)
    k, r = halves_and_rest(at_least(at_most(x, f.exp_inf), f.expm1_end))
    r, rest = expm1_near(r)
    scale = power_of_two(k - 1, f)
    total = fused(scale, rest, fused(scale, r, scale - 0.5))
    return select(abs(x) < 2.0 ** -(f.fraction + 2), x, total + total)


def log_of_parts(k: Number, t: Number) -> Number:
    """k log 2 + log(1 + t), for 1 + t between √½ and √2.

    With s = t / (2 + t) it is log((1 + s) / (1 - s)) = 2s + s R(s²), and 2s = t - t²/2 + s t²/2: the largest term is t
    itself, which is exact. Source: Sun Microsystems' fdlibm, e_log.c (1993), for the form, not the coefficients.
    """
    f = form(t)
    s = t / (t + 2.0)
    z = s * s
    square = (t * 0.5) * t
    small = fused(s, fused(z, polynomial(z, f.log_terms), square), k * f.log_2_low) - square
    return fused(k, f.log_2_high, t + small)


def log_edges(x: Number, value: Number, end: float) -> Number:
    """The logarithm's value, but -inf at x = `end`, NaN below, and inf and NaN where x is."""
    below = select(x == end, -np.inf, x.like(np.nan))
    return select(x > end, select(x < np.inf, value, x), below)


def exponent(x: Number, f: Form) -> Number:
    """The whole number k with x = 2^k m and m between √½ and √2, for positive normal x."""
    return (x.bits() - f.bits_of(0.5**0.5)) >> f.fraction


def whole_to_float(k: Number, f: Form) -> Number:
    """A small whole number as a float, by way of its bits, since not every processor converts vectors of int64."""
    return (k + f.bits_of(f.rounder)).as_float() - f.rounder


def log(x: Number) -> Number:
    """x = 2^k (1 + t). A subnormal x is made normal first."""
    f = form(x)
    subnormal = x < f.least_normal
    normal = select(subnormal, x * 2.0 ** (f.fraction + 1), x)
    k = exponent(normal, f)
    t = (normal.bits() - (k << f.fraction)).as_float() - 1.0
    power = whole_to_float(k, f) - select(subnormal, x.like(f.fraction + 1.0), 0.0)
    return log_edges(x, log_of_parts(power, t), 0.0)


def log1p(x: Number) -> Number:
    """1 + x = 2^k (1 + t), and t = 2^-k x + (2^-k - 1) of x itself, not of a rounded 1 + x, as in N. Juffa's log1pf.

    2^-k is subnormal for the largest k, and so 2^(2-k) is made. Near 0 log(1 + x) rounds to x.
    """
    f = form(x)
    k = exponent(x + 1.0, f)
    quadruple = (f.bits_of(4.0) - (k << f.fraction)).as_float()
    t = fused(x * 0.25, quadruple, fused(quadruple, 0.25, -1.0))
    value = log_edges(x, log_of_parts(whole_to_float(k, f), t), -1.0)
    return select(abs(x) < 2.0 ** -(f.fraction + 2), x, value)


def tanh(x: Number) -> Number:
    """a + a³ P(a²) below 0.55, where tanh is one half, else 1 - 2 / (e^2a + 1), with a = |x|."""
    f = form(x)
    a = abs(x)
    z = a * a
    near = fused(a * z, polynomial(z, f.tanh_terms), a)
    bounded = at_most(a, f.tanh_end)
    far = 1.0 - 2.0 / (exp_between(bounded + bounded) + 1.0)
    return select(a < 0.55, near, far).call("copysign", x)


def erf(x: Number) -> Number:
    """a + a P(a²) below 1, else 1 - e^-Q(a - 1) with Q = -log erfc: its error counts erfc times, the less the larger x.

    The second form is that of N. Juffa's erff.
    """
    f = form(x)
    a = abs(x)
    near = fused(polynomial(a * a, f.erf_terms), a, a)
    far = 1.0 - exp_between(-polynomial(at_most(a, f.erf_end) - 1.0, f.erfc_terms))
    return select(a < 1.0, near, far).call("copysign", x)


def sqrt(x: Number) -> Number:
    """The processor's own."""
    return x.call("sqrt")


def cos(x: Number) -> Number:
    """The C library's."""
    builder, name = x.builder, "cosf" if form(x).size == 32 else "cos"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(x.value.type, [x.value.type]), name)
    function.attributes.add("nobuiltin")  # or a library of vector functions might take its place
    return x.new(builder.call(function, [x.value]))


def sign(x: Number) -> Number:
    """The comparisons are all false for NaN."""
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, select(x == 0.0, 0.0, x)))


def numbers(a: Any, b: Any) -> tuple[Number, Number]:
    """Both as Numbers of one type; at least one of them is a Number."""
    one = a if isinstance(a, Number) else b
    return one.like(a), one.like(b)


def maximum(a: Any, b: Any) -> Number:
    """b where it is larger or NaN; one of the two may be one of Python's numbers."""
    a, b = numbers(a, b)
    return select(b != b, b, select(b > a, b, a))


def minimum(a: Any, b: Any) -> Number:
    """b where it is smaller or NaN; one of the two may be one of Python's numbers."""
    a, b = numbers(a, b)
    return select(b != b, b, select(b < a, b, a))


# --- what Numba is told ---------------------------------------------------------------------------------------------

KINDS = (types.float32, types.float64)


def _register(function: Callable[..., Any], written: Callable[..., Number]) -> None:
    """Let `function`, on numbers of one float type, be what `written` writes."""
    n_arguments = len(inspect.signature(written).parameters)

    @type_callable(function)
    def kind_of_result(context: Any) -> Callable[..., Any]:
        return _one_argument if n_arguments == 1 else _two_arguments

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return written(*(Number(builder, value) for value in arguments)).value

    for kind in KINDS:
        lower_builtin(function, *[kind] * n_arguments)(generate)


def _one_argument(x: Any) -> Any:
    return x if x in KINDS else None


def _two_arguments(a: Any, b: Any) -> Any:
    return a if a in KINDS and a == b else None


# What each function of `maths.elementary` is on Numbers.
WRITTEN: dict[Callable[..., Any], Callable[..., Number]] = {
    getattr(elementary, written.__name__): written
    for written in (exp, expm1, log, log1p, sqrt, tanh, cos, erf, sign, maximum, minimum)
}

for _function, _written in WRITTEN.items():
    _register(_function, _written)

WRITTEN[elementary.where] = select


@type_callable(elementary.where)
def _kind_of_where(context: Any) -> Callable[..., Any]:
    def kind(condition: Any, a: Any, b: Any) -> Any:
        return _two_arguments(a, b) if isinstance(condition, types.Boolean) else None

    return kind


def _generate_where(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    condition, a, b = arguments
    return builder.select(condition, a, b)


for _kind in KINDS:
    lower_builtin(elementary.where, types.Boolean, _kind, _kind)(_generate_where)


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, rounded once, for kernels; three numbers of one float type."""
    if not (a in KINDS and a == b == c):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return fused(*(Number(builder, value) for value in arguments)).value

    return a(a, b, c), generate
