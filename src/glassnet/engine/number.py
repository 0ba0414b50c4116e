"""Numbers of the code that is being written: arithmetic on them writes LLVM instructions.

A `Number` stands for one number of a kernel, or for a vector of them. Functions written with it serve both: the loops
that LLVM makes vectors of, and the kernels that name their vectors themselves.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

__all__ = ["FLOATS", "Number", "fused", "polynomial", "select"]

FLOATS = {32: ir.FloatType(), 64: ir.DoubleType()}
INDEX = 32  # bits of an exponent as LLVM's ldexp takes it


def element(kind: Any) -> Any:
    """The type of one number of a type."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


def bits_of(kind: Any) -> int:
    """Bits of one number of a type."""
    one = element(kind)
    return one.width if isinstance(one, ir.IntType) else 32 if one == FLOATS[32] else 64


def alike(kind: Any, one: Any) -> Any:
    """The type of as many numbers of the type `one` as `kind` has."""
    return ir.VectorType(one, kind.count) if isinstance(kind, ir.VectorType) else one


def constant(kind: Any, value: Any) -> Any:
    """One of Python's numbers as a constant of a type, in every lane."""
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


class Number:
    """A number of a kernel or a vector of them, float or whole, known when the kernel runs.

    Numbers that meet have one type; Python's numbers take it. Comparisons are false where a side is NaN, but for `!=`,
    which is true there. Whole numbers wrap around.
    """

    __hash__ = None  # type: ignore[assignment]  # `==` writes an instruction

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    def new(self, value: Any) -> Number:
        """Another number of the same kernel."""
        return Number(self.builder, value)

    def like(self, other: Any) -> Number:
        """`other`, if it is one of Python's numbers, as a constant of this number's type."""
        return other if isinstance(other, Number) else self.new(constant(self.value.type, other))

    def _write(self, instruction: str, *others: Any) -> Number:
        write = getattr(self.builder, instruction)
        return self.new(write(self.value, *(self.like(other).value for other in others)))

    @property
    def whole(self) -> bool:
        """Whether this is a whole number."""
        return isinstance(element(self.value.type), ir.IntType)

    def __add__(self, other: Any) -> Number:
        return self._write("add" if self.whole else "fadd", other)

    def __radd__(self, other: Any) -> Number:
        return self.like(other) + self

    def __sub__(self, other: Any) -> Number:
        return self._write("sub" if self.whole else "fsub", other)

    def __rsub__(self, other: Any) -> Number:
        return self.like(other) - self

    def __mul__(self, other: Any) -> Number:
        return self._write("mul" if self.whole else "fmul", other)

    def __rmul__(self, other: Any) -> Number:
        return self.like(other) * self

    def __truediv__(self, other: Any) -> Number:
        return self._write("fdiv", other)

    def __rtruediv__(self, other: Any) -> Number:
        return self.like(other) / self

    def __neg__(self) -> Number:
        return self._write("fneg")

    def __lshift__(self, places: int) -> Number:
        return self._write("shl", places)

    def __rshift__(self, places: int) -> Number:
        """Halved so many times, rounded down."""
        return self._write("ashr", places)

    def _compare(self, sign: str, other: Any) -> Number:
        write = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        return self.new(write(sign, self.value, self.like(other).value))

    def __lt__(self, other: Any) -> Number:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Number:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Number:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Number:
        return self._compare(">=", other)

    def __eq__(self, other: Any) -> Number:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: Any) -> Number:  # type: ignore[override]
        return self._compare("!=", other)

    def bits(self) -> Number:
        """The bits of a float, as a whole number."""
        kind = self.value.type
        return self.new(self.builder.bitcast(self.value, alike(kind, ir.IntType(bits_of(kind)))))

    def as_float(self) -> Number:
        """The float that has these bits."""
        kind = self.value.type
        return self.new(self.builder.bitcast(self.value, alike(kind, FLOATS[bits_of(kind)])))

    def call(self, name: str, *others: Any) -> Number:
        """One of LLVM's own functions, such as sqrt, which become vector instructions."""
        operands = [self.value, *(self.like(other).value for other in others)]
        kind = ir.FunctionType(self.value.type, [self.value.type] * len(operands))
        name = f"llvm.{name}.{_suffix(self.value.type)}"
        return self.new(self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), operands))

    def __abs__(self) -> Number:
        return self.call("fabs")

    def scaled(self, k: Number) -> Number:
        """x 2^k by LLVM's ldexp; k a whole number of at most 32 bits' worth."""
        kind = self.value.type
        small = alike(kind, ir.IntType(INDEX))
        exponent = self.builder.trunc(k.value, small) if bits_of(k.value.type) > INDEX else k.value
        name = f"llvm.ldexp.{_suffix(kind)}.{_suffix(small)}"
        ldexp = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(kind, [kind, small]), name)
        return self.new(self.builder.call(ldexp, [self.value, exponent]))


def _suffix(kind: Any) -> str:
    """A type as the names of LLVM's functions end with it: f32, v16f32, v16i32."""
    letter = "i" if isinstance(element(kind), ir.IntType) else "f"
    count = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
    return f"{count}{letter}{bits_of(kind)}"


def select(condition: Number, a: Any, b: Any) -> Number:
    """a where the condition holds, else b; no branch. At least one of a and b is a Number."""
    one = a if isinstance(a, Number) else b
    return one.new(one.builder.select(condition.value, one.like(a).value, one.like(b).value))


def fused(a: Number, b: Any, c: Any) -> Number:
    """a · b + c, rounded once; on a processor that cannot, a call of the C library, slow but with the same bits."""
    return a.call("fma", b, c)


def polynomial(x: Number, coefficients: tuple[float, ...]) -> Number:
    """Σ_k c_k x^k, by Horner's rule."""
    total = x.like(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = fused(total, x, coefficient)
    return total
