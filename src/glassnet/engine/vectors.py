"""Vectors of numbers, as the kernels that name their registers themselves write them with an LLVM builder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from glassnet.engine import machine
from glassnet.engine.number import FLOATS, Number

__all__ = ["WORD", "Vectors", "writing"]

WORD = ir.IntType(64)
INDEX = ir.IntType(32)
ALIGNMENT = 64  # bytes of the widest vector register


class Vectors:
    """Vector instructions of one float type, written with an LLVM builder."""

    def __init__(self, builder: Any, dtype: Any, registers: int = 1) -> None:
        self.builder = builder
        self.lanes = registers * machine.lanes(dtype)
        self.number = FLOATS[8 * np.dtype(dtype).itemsize]
        self.kind = ir.VectorType(self.number, self.lanes)
        self.size = np.dtype(dtype).itemsize
        name = f"llvm.fma.v{self.lanes}f{8 * self.size}"
        self._fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(self.kind, [self.kind] * 3), name)
        self.zero = ir.Constant(self.kind, [0.0] * self.lanes)

    def pointer(self, address: Any) -> Any:
        """An address as a pointer to numbers."""
        return self.builder.inttoptr(address, self.number.as_pointer())

    def at(self, pointer: Any, offset: Any) -> Any:
        """The pointer moved on by a number of numbers."""
        return self.builder.gep(pointer, [offset if isinstance(offset, ir.Value) else WORD(offset)])

    def zeroed(self) -> Any:
        """A variable that holds a vector of zeros; LLVM keeps it in a register."""
        variable = cgutils.alloca_once(self.builder, self.kind)
        self.builder.store(self.zero, variable)
        return variable

    def load(self, pointer: Any) -> Any:
        """A vector from any address."""
        vector = self.builder.load(self.builder.bitcast(pointer, self.kind.as_pointer()))
        vector.align = self.size
        return vector

    def store(self, vector: Any, pointer: Any) -> None:
        """A vector to any address."""
        self.builder.store(vector, self.builder.bitcast(pointer, self.kind.as_pointer())).align = self.size

    def spread(self, number: Any) -> Any:
        """The number in every lane."""
        one = self.builder.insert_element(ir.Constant(self.kind, ir.Undefined), number, INDEX(0))
        return self.shuffle(one, one, [0] * self.lanes)

    def shuffle(self, a: Any, b: Any, places: list[int]) -> Any:
        """The lanes of a and b, counted one after the other, at these places."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INDEX, len(places)), places))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a · b + c, rounded once."""
        return self.builder.call(self._fma, [a, b, c])

    def total(self, vector: Any) -> Any:
        """The sum of the lanes, halves added to each other until one number is left."""
        width = self.lanes
        while width > 1:
            width //= 2
            low = self.shuffle(vector, vector, list(range(width)))
            high = self.shuffle(vector, vector, list(range(width, 2 * width)))
            vector = self.builder.fadd(low, high)
        return self.builder.extract_element(vector, INDEX(0))

    def loaded(self, pointer: Any) -> Number:
        """A vector from any address, for arithmetic."""
        return Number(self.builder, self.load(pointer))

    def spread_from(self, pointer: Any) -> Number:
        """The number at an address in every lane, for arithmetic."""
        return Number(self.builder, self.spread(self.builder.load(pointer)))

    def zeros(self) -> Number:
        """A vector of zeros, for arithmetic."""
        return Number(self.builder, self.zero)

    def variable(self, first: Number) -> Variable:
        """A vector that loops of the kernel change."""
        return Variable(self.builder, first)


class Variable:
    """A number of a kernel that changes while it runs; LLVM keeps it in a register."""

    def __init__(self, builder: Any, first: Number) -> None:
        self.builder = builder
        self.place = cgutils.alloca_once(builder, first.value.type)
        self.set(first)

    def set(self, number: Number) -> None:
        """Change it."""
        self.builder.store(number.value, self.place)

    def now(self) -> Number:
        """What it is."""
        return Number(self.builder, self.builder.load(self.place))


def writing(dtype: Any, n_arguments: int, write: Callable[..., None], registers: int = 1) -> Any:
    """An intrinsic of a tuple of whole numbers, the code of which write(vectors, *numbers) writes.

    registers : of the processor, that one vector fills.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # Vectors that registers cannot hold go onto the stack, which LLVM would not align to them by itself: three in
        # four would lie in two cache lines, and a step of a narrow network take 1.2 times as long.
        builder.function.attributes.alignstack = ALIGNMENT
        builder.function.attributes.add("nounwind")  # llvmlite forgets the alignment of a function without any other
        values = (builder.extract_value(arguments[0], i) for i in range(n_arguments))
        write(Vectors(builder, dtype, registers), *values)
        return context.get_dummy_value()

    @intrinsic
    def written(typing_context: Any, arguments: Any) -> Any:
        return types.void(types.UniTuple(types.int64, n_arguments)), generate

    return written
