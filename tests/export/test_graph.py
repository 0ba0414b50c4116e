"""Values of a graph: what is done to them, onnx's reference evaluator does as NumPy does."""

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from glassnet.export.graph import IR_VERSION, ML_OPSET, OPSET, Graph, softmax, type_of
from glassnet.maths.losses import softmax as softmax_of_arrays

X = np.array([[0.5], [-1.5], [2.0], [np.nan]])


def evaluated(compute):
    """What `compute` makes of X, as an array and through a graph."""
    graph = Graph(["x"])
    value = graph.named(compute(graph.input("x", np.float64, "numbers")), "y")
    y = helper.make_tensor_value_info("y", type_of(value.dtype), None)
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "g", graph.inputs, [y], graph.constants_used()),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
    )
    found = ReferenceEvaluator(proto).run(None, {"x": X})[0]
    # A shape is known but for the rows, which stand in it as a number of their own.
    assert value.ndim == found.ndim
    assert value.shape[1:] == found.shape[1:] or found.ndim == 3
    return found


W = np.arange(6.0).reshape(1, 6) / 10
CASES = {
    "a product with a matrix": lambda x: x @ W,
    "a product for each member": lambda x: x @ np.stack([W, W + 1]),
    "Python's numbers take the array's type": lambda x: (2 * x + 1) / 4 - x,
    "a number on the left": lambda x: 1.0 - x,
    "comparisons": lambda x: np.where((x > 0.0) & (x <= 1.0), x, -1.0),
    "or": lambda x: (x < 0) | (x >= 2.0),
    "equality": lambda x: (x == 0.5).astype(np.float64),
    "NaN": lambda x: np.isnan(x),
    "functions": lambda x: np.tanh(x) + np.exp(-abs(x)) + np.floor(x),
    "functions that ONNX lacks": lambda x: np.expm1(np.minimum(x, 1.0)) + np.log1p(abs(x)),
    "side by side": lambda x: np.concatenate([x, x * W, W[:, :0] + x], axis=-1),
    "hstack": lambda x: np.hstack([1.0 - x, x]),
    "columns as a slice": lambda x: (x * W)[..., 2:5],
    "all columns": lambda x: (x * W)[..., 0:6],
    "columns as a list": lambda x: (x * W)[..., [4, 0]],
    "one column, its axis lost": lambda x: (x * W)[:, 2],
    "the last column": lambda x: (x * W)[:, -1],
    "an axis more": lambda x: (x * W)[:, 1][:, None],
    "means": lambda x: (x * W).mean(axis=-1, keepdims=True),
    "the mean of members": lambda x: (x @ np.stack([W, W + 1])).mean(axis=-3),
    "sums": lambda x: (x + W).sum(axis=1, keepdims=True),
    "the largest": lambda x: (x + W).max(axis=1),
    "the place of the largest": lambda x: np.where(np.isnan(x), 0.0, x * W).argmax(axis=1),
    "sorted": lambda x: np.sort(np.where(np.isnan(x), 0.0, x * W), axis=1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_graph_computes_what_numpy_does(case):
    found, expected = evaluated(CASES[case]), CASES[case](X)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_members_are_repeated_where_all_share_a_part():
    found = evaluated(lambda x: np.broadcast_to(x, (3, x.shape[0], 1)))
    np.testing.assert_array_equal(found, np.stack([X, X, X]))


def test_rows_of_a_table_are_looked_up_by_whole_numbers():
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found = evaluated(lambda x: x.graph.constant(table)[np.where(x > 0.0, 2, x.graph.constant(np.int64(1)))[:, 0]])
    np.testing.assert_array_equal(found, table[[2, 1, 2, 1]])


def test_softmax_is_that_of_the_losses():
    np.testing.assert_allclose(evaluated(lambda x: softmax(x * W)), softmax_of_arrays(X * W), rtol=1e-14)


def test_a_function_that_has_no_operator_is_a_type_error():
    with pytest.raises(TypeError, match="arctan"):
        evaluated(np.arctan)
    with pytest.raises(TypeError, match="median"):
        evaluated(np.median)


def test_equal_constants_are_kept_once_and_unused_ones_not_at_all():
    graph = Graph([])
    first, again = graph.constant(np.ones(3)), graph.constant(np.ones(3))
    assert first is again
    assert graph.constants_used() == []
    graph.named(first + 1.0, "y")
    assert len(graph.constants_used()) == 2


def test_no_value_takes_the_name_of_a_column():
    graph = Graph(["x", "add_2", "y"])
    value = graph.input("x", np.float64, "") + 1.0
    assert value.name not in ("x", "add_2", "y")
    assert graph.named(value, "y").name == "y_"
