"""An ONNX graph that is written by computing: values stand for arrays, and what is done to them becomes its nodes.

A formula of `maths` is a Python function of arrays. Called with a `Value`, NumPy hands each of its operations over to
the value, by the protocols with which NumPy lets other arrays take part (`__array_ufunc__`, `__array_function__`), and
the value adds a node to its graph. So a layer is exported by its own forward pass, and each formula keeps its one home.

Source: NumPy's enhancement proposals 13 and 18; operators of ONNX, https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from glassnet.export import special

__all__ = ["IR_VERSION", "ML_OPSET", "OPSET", "ROWS", "Graph", "Value", "softmax", "type_of"]

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8  # of ONNX 1.12 (2022): what readers from then on understand
ROWS = 2**31 - 1  # stands in shapes for the number of rows, which is not known
TEXT = np.dtype(object)

OPERATORS = {
    **{"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "negative": "Neg", "absolute": "Abs"},
    **{
        "exp": "Exp",
        "log": "Log",
        "sqrt": "Sqrt",
        "tanh": "Tanh",
        "floor": "Floor",
        "maximum": "Max",
        "minimum": "Min",
    },
    **{"greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less", "less_equal": "LessOrEqual"},
    **{"equal": "Equal", "isnan": "IsNaN", "matmul": "MatMul", "remainder": "Mod"},
    **{"bitwise_and": "And", "bitwise_or": "Or", "logical_and": "And", "logical_or": "Or", "logical_not": "Not"},
}
TRUTHS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "IsNaN", "And", "Or", "Not")


class Graph:
    """Nodes in the order of computing, the constants they use, and inputs.

    taken : names that no value may have, those of the inputs.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self._constants: list[Any] = []
        self._taken = set(taken)
        self._known: dict[Any, Value] = {}

    def input(self, name: str, dtype: Any, doc: str) -> Value:
        """One column of the table, (rows, 1)."""
        from onnx import helper

        self.inputs.append(helper.make_tensor_value_info(name, type_of(dtype), ["rows", 1], doc))
        return Value(self, name, np.dtype(dtype), (ROWS, 1))

    def constant(self, array: Any, name: str | None = None) -> Value:
        """An array that is part of the graph; equal ones are kept once."""
        from onnx import helper, numpy_helper

        array = np.array(array, order="C")  # NumPy's scalars as well, whose type counts
        key = (array.dtype.str, array.shape, tuple(array.ravel()) if array.dtype == TEXT else array.tobytes())
        if key not in self._known:
            found = self._free(name or "constant")
            if array.dtype == TEXT:
                texts = [text.encode() for text in array.ravel()]
                tensor = helper.make_tensor(found, type_of(TEXT), array.shape, texts)
            else:
                tensor = numpy_helper.from_array(array, found)
            self._constants.append(tensor)
            self._known[key] = Value(self, found, array.dtype, array.shape, array)
        return self._known[key]

    def node(self, operator: str, inputs: Sequence[Value], dtype: Any, shape: tuple[int, ...], **options: Any) -> Value:
        """The (first) value of a new node. options : its attributes, and `domain`, `n_outputs`, `name`."""
        from onnx import helper

        name = options.pop("name", None) or self._free(operator.lower())
        outputs = [name, *(self._free(name) for _ in range(options.pop("n_outputs", 1) - 1))]
        self.nodes.append(helper.make_node(operator, [value.name for value in inputs], outputs, **options))
        return Value(self, outputs[0], np.dtype(dtype), shape)

    def constants_used(self) -> list[Any]:
        """The constants that some node takes, and not only a part of them."""
        used = {name for node in self.nodes for name in node.input}
        return [tensor for tensor in self._constants if tensor.name in used]

    def named(self, value: Any, name: str) -> Value:
        """The same value under a name that readers of the file see, with underscores behind it if another has it."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return self.node("Identity", [value], value.dtype, value.shape, name=name)

    def _free(self, name: str) -> str:
        number = len(self._taken)
        while f"{name}_{number}" in self._taken:
            number += 1
        self._taken.add(f"{name}_{number}")
        return f"{name}_{number}"


class Value(NDArrayOperatorsMixin):
    """An array that is not there yet: its name in the graph, its type, and its shape, with `ROWS` rows.

    array : what it holds, of a constant.
    """

    def __init__(
        self, graph: Graph, name: str, dtype: np.dtype, shape: tuple[int, ...], array: np.ndarray | None = None
    ) -> None:
        self.graph, self.name, self.dtype, self.shape, self.array = graph, name, dtype, shape, array

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """What NumPy calls for `np.exp(value)`, `value + 1` and so on."""
        name = ufunc.__name__
        if method != "__call__" or options or not (name in OPERATORS or name in REWRITTEN):
            return NotImplemented
        if name in REWRITTEN and not (name == "erf" and self.dtype == np.float32):
            return REWRITTEN[name](*inputs)
        operator = OPERATORS.get(name, "Erf")
        values = self._of_one_type(inputs)
        shape = _shape_of_product(*values) if operator == "MatMul" else _common_shape(values)
        return self.graph.node(operator, values, bool if operator in TRUTHS else values[0].dtype, shape)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        """What NumPy calls for `np.where(…)`, `np.concatenate(…)` and so on."""
        if function not in FUNCTIONS:
            return NotImplemented
        return FUNCTIONS[function](self, *arguments, **options)

    def _of_one_type(self, inputs: Iterable[Any]) -> list[Value]:
        """Values of the type that NumPy would compute in: Python's numbers take that of the others."""
        found = list(inputs)
        dtype = np.result_type(*(part if isinstance(part, int | float) else part.dtype for part in found))
        return [
            part.astype(dtype) if isinstance(part, Value) else self.graph.constant(np.asarray(part, dtype))
            for part in found
        ]

    def astype(self, dtype: Any, copy: bool = True) -> Value:
        """Cast."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        return self.graph.node("Cast", [self], dtype, self.shape, to=type_of(dtype))

    def mean(self, axis: int, keepdims: bool = False) -> Value:
        """The mean along an axis."""
        shape = _without(self.shape, axis, keepdims)
        return self.graph.node("ReduceMean", [self], self.dtype, shape, axes=[axis], keepdims=int(keepdims))

    def max(self, axis: int, keepdims: bool = False) -> Value:
        """The largest along an axis."""
        shape = _without(self.shape, axis, keepdims)
        return self.graph.node("ReduceMax", [self], self.dtype, shape, axes=[axis], keepdims=int(keepdims))

    def sum(self, axis: int, keepdims: bool = False) -> Value:
        """The sum along an axis."""
        inputs = [self, self.graph.constant(np.array([axis], np.int64))]
        return self.graph.node(
            "ReduceSum", inputs, self.dtype, _without(self.shape, axis, keepdims), keepdims=int(keepdims)
        )

    def argmax(self, axis: int) -> Value:
        """The place of the largest along an axis, the first of equals."""
        return self.graph.node("ArgMax", [self], np.int64, _without(self.shape, axis, False), axis=axis, keepdims=0)

    def any(self) -> bool:
        """Whether one of them is true, which only the rows will tell: the graph has to hold what is to be done then."""
        return True

    def __getitem__(self, key: Any) -> Value:
        """Rows that a value of whole numbers names; or columns, as in X[..., 2:5], X[:, [0, 3]], x[:, 0]."""
        if isinstance(key, Value):
            return self.graph.node("Gather", [self, key], self.dtype, key.shape + self.shape[1:], axis=0)
        if self.array is not None:
            return self.graph.constant(self.array[key])
        parts = key if isinstance(key, tuple) else (key,)
        if Ellipsis in parts:
            place = parts.index(Ellipsis)
            unnamed = self.ndim - sum(part is not None for part in parts) + 1
            parts = (*parts[:place], *[slice(None)] * unnamed, *parts[place + 1 :])
        value, axis = self, 0
        for part in parts:
            value, axis = value._picked(part, axis)
        return value

    def _picked(self, part: Any, axis: int) -> tuple[Value, int]:
        """One part of an index at an axis, and the axis of the next part."""
        before, after = self.shape[:axis], self.shape[axis + 1 :]
        if part is None:
            inputs = [self, self.graph.constant(np.array([axis], np.int64))]
            return self.graph.node("Unsqueeze", inputs, self.dtype, (*before, 1, *self.shape[axis:])), axis + 1
        if isinstance(part, slice):
            if part == slice(None) or part.indices(self.shape[axis]) == (0, self.shape[axis], 1):
                return self, axis + 1
            start, stop, _ = part.indices(self.shape[axis])
            ends = [self.graph.constant(np.array([end], np.int64)) for end in (start, stop, axis)]
            return self.graph.node("Slice", [self, *ends], self.dtype, (*before, stop - start, *after)), axis + 1
        index = np.asarray(part, np.int64)
        inputs = [self, self.graph.constant(index)]
        return self.graph.node(
            "Gather", inputs, self.dtype, (*before, *index.shape, *after), axis=axis
        ), axis + index.ndim


def softmax(Z: Value) -> Value:
    """`maths.losses.softmax`, which ONNX has; ours begins with np.asarray, and so takes arrays alone."""
    return Z.graph.node("Softmax", [Z], Z.dtype, Z.shape, axis=-1)


# --- functions of NumPy ---------------------------------------------------------------------------------------------


def _where(any_value: Value, condition: Value, a: Any, b: Any) -> Value:
    branches = any_value._of_one_type([a, b])
    return any_value.graph.node(
        "Where", [condition, *branches], branches[0].dtype, _common_shape([condition, *branches])
    )


def _concatenate(any_value: Value, parts: Sequence[Any], axis: int = 0) -> Value:
    values = any_value._of_one_type(parts)
    if len(values) == 1:
        return values[0]
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    return any_value.graph.node("Concat", values, values[0].dtype, tuple(shape), axis=axis)


def _broadcast_to(_: Value, value: Value, shape: tuple[int, ...]) -> Value:
    if tuple(shape) == value.shape:
        return value
    sizes = np.array([1 if size == ROWS else size for size in shape], np.int64)
    return value.graph.node("Expand", [value, value.graph.constant(sizes)], value.dtype, tuple(shape))


def _sort(_: Value, value: Value, axis: int = -1) -> Value:
    count = value.graph.constant(np.array([value.shape[axis]], np.int64))
    return value.graph.node("TopK", [value, count], value.dtype, value.shape, axis=axis, largest=0, n_outputs=2)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.concatenate: _concatenate,
    np.hstack: lambda any_value, parts: _concatenate(any_value, parts, axis=1),
    np.broadcast_to: _broadcast_to,
    np.ones_like: lambda any_value, value: any_value.graph.constant(np.ones((), value.dtype)),  # of any shape
    np.sort: _sort,
    np.size: lambda any_value, value: 0,  # so that `elementary.where` takes NumPy's own way rather than that of bits
}

# ufuncs that ONNX does not have, or onnxruntime not in float64, by others.
REWRITTEN: dict[str, Callable[..., Any]] = {
    "expm1": lambda x: np.exp(x) - 1.0,
    "log1p": lambda x: np.log(1.0 + x),
    "erf": special.erf,
    "floor_divide": lambda n, d: (n - n % d) / d,  # of whole numbers, which ONNX divides towards 0
}


# --- types and shapes -----------------------------------------------------------------------------------------------


def type_of(dtype: Any) -> int:
    """ONNX's number for a type; texts are arrays of objects."""
    from onnx import TensorProto, helper

    dtype = np.dtype(dtype)
    return TensorProto.STRING if dtype == TEXT else helper.np_dtype_to_tensor_dtype(dtype)


def _common_shape(values: Iterable[Value]) -> tuple[int, ...]:
    shapes = [value.shape for value in values]
    n_axes = max(map(len, shapes))
    padded = [(1,) * (n_axes - len(shape)) + shape for shape in shapes]
    return tuple(max(sizes) if min(sizes) > 0 else 0 for sizes in zip(*padded, strict=True))


def _shape_of_product(a: Value, b: Value) -> tuple[int, ...]:
    members = a.shape[:-2] or b.shape[:-2]
    assert math.prod(a.shape[:-2] or members) == math.prod(b.shape[:-2] or members)
    return (*members, a.shape[-2], b.shape[-1])


def _without(shape: tuple[int, ...], axis: int, keepdims: bool) -> tuple[int, ...]:
    kept = list(shape)
    kept[axis : axis + 1 or None] = [1] if keepdims else []
    return tuple(kept)
