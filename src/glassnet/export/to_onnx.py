"""A fitted estimator as one ONNX file: table columns in, predictions out, without glassnet or Python."""

from __future__ import annotations

import functools
import operator
import os
from typing import Any

import numpy as np

import glassnet
from glassnet.errors import DataError, OptionError
from glassnet.export.checking import require_the_same
from glassnet.export.columns import input_of, require_expressible, write_column
from glassnet.export.graph import IR_VERSION, ML_OPSET, OPSET, TEXT, Graph, softmax, type_of
from glassnet.export.model import PROBABILITIES, fitted_model, kinds_used, middle_quantile, result_names, tempering
from glassnet.files.atomic import write_bytes
from glassnet.files.place import require_place
from glassnet.maths.calibration import log_probabilities, temper_labels
from glassnet.maths.elementary import Array
from glassnet.maths.losses import Quantile
from glassnet.network import Network
from glassnet.tables.kinds import Category, Date, Duration

__all__ = ["export_onnx", "feed_of", "onnx_model"]

LARGEST = 2**31 - 1  # bytes that a protocol buffer can have


def export_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator, or that of a model file, as an ONNX model: encoding, networks and outputs in one file.

    model : a fitted `GlassNetClassifier` or `GlassNetRegressor`, or the path of a `.glassnet` file.
    path : of the new file, which is replaced as a whole or not at all.

    It has an input for each column of the table that the prediction depends on, of shape (rows, 1): float64 for
    numbers, durations (in seconds) and categories of numbers, NaN being missing; text for other categories, "" being
    missing; int64 for dates, in microseconds since 1970, and missing is NaT, as NumPy keeps them. Outputs are "label"
    and "probabilities", or "prediction" and, of fitted quantiles, "quantiles", in float64; they are NaN where `predict`
    would refuse a number as infinite. Operators are those of opset 17 and ai.onnx.ml 3.

    Before it is written, onnxruntime runs it on some hundred rows. Raises ExportError where it does not say what the
    estimator does, to 1e-5 in float32 (1e-9 in float64); ColumnError for moments of a time zone and for what else no
    input can hold; DataError for labels that are bytes; OptionError for functions of the user's own, and where onnx and
    onnxruntime are not installed.
    """
    _require_packages()
    require_place(path, "path")
    model = fitted_model(model)
    proto, matrix = onnx_model(model)
    run = functools.partial(_run, model, _with_output(proto, matrix))
    require_the_same(model, lambda columns: run(columns)["matrix"], run)
    write_bytes(path, proto.SerializeToString(deterministic=True))


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise OptionError(
            f"needs the packages onnx and onnxruntime ({error})",
            argument="onnx",
            remedy="Install them: pip install onnx onnxruntime.",
        ) from error


def onnx_model(model: Any) -> tuple[Any, str]:
    """The ModelProto of a fitted estimator, and the name in it of the matrix that its networks see.

    onnx itself has checked it; it is not yet compared with the estimator.
    """
    from onnx import checker, helper

    kinds = kinds_used(model)
    for kind in kinds:
        require_expressible(kind)
    graph = Graph(kind.name for kind in kinds)
    matrix, refused = _encoded(graph, kinds, model.network_.dtype)
    Y = _mean([_outputs(graph, network, matrix) for network in model.networks_])
    outputs = []
    for name, value in _results(model, Y, refused).items():
        value = graph.named(value, name)
        shape: list[Any] = ["rows", *value.shape[1:]]
        outputs.append(helper.make_tensor_value_info(value.name, type_of(value.dtype), shape))
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "glassnet", graph.inputs, outputs, graph.constants_used()),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="glassnet",
        producer_version=glassnet.__version__,
        doc_string=f"{type(model).__name__} of glassnet",
    )
    if proto.ByteSize() > LARGEST:
        raise OptionError("is larger than 2 GB, the most an ONNX file can be", argument="model", value=proto.ByteSize())
    checker.check_model(proto, full_check=True)
    return proto, matrix.name


def _encoded(graph: Graph, kinds: list[Any], dtype: np.dtype) -> tuple[Any, Array | None]:
    """The matrix of the network (rows, p), and which rows hold a number that the estimator refuses (rows, 1)."""
    parts: Any = []
    refused: list[Array] = []
    for kind in kinds:
        written, bad = write_column(input_of(graph, kind), kind, float(np.finfo(dtype).max))
        parts += written
        refused += bad
    matrix = graph.named(np.concatenate(parts, axis=1).astype(dtype), "matrix")
    return matrix, functools.reduce(operator.or_, refused) if refused else None


def _outputs(graph: Graph, network: Network, X: Array) -> Array:
    """The outputs (rows, K) of one network: the forward passes of its layers write them into the graph."""
    A: Any = X
    for i, layer in enumerate(network.layers):
        P: Any = {name: graph.constant(value, f"{i}.{name}") for name, value in network.parameters(i).items()}
        A, _ = layer.forward(P, A, None)
    loss = network.loss
    Y: Any = softmax(A) if loss.name == "cross_entropy" else loss.output(A)
    return network.averaged(Y)


def _mean(outputs: list[Array]) -> Array:
    total = functools.reduce(operator.add, outputs)
    return total if len(outputs) == 1 else total / len(outputs)


def _results(model: Any, Y: Array, refused: Array | None) -> dict[str, Array]:
    """The outputs of the file by name, NaN in the rows that are refused."""
    targets = model._targets
    found: dict[str, Array] = {}
    if targets.kind in PROBABILITIES:
        found["label"] = _labels(targets, Y)
        found["probabilities"] = targets.probabilities(_tempered(model, Y))
    elif isinstance(model.network_.loss, Quantile):
        Q = targets.rescaled(np.sort(Y, axis=1))
        middle = middle_quantile(model.network_.loss)
        found["prediction"] = Q[:, middle] if targets.flat else Q[:, middle : middle + 1]
        found["quantiles"] = Q
    else:
        found["prediction"] = targets.shaped(targets.rescaled(Y))
    return {name: value if name == "label" else _or_nan(value, refused) for name, value in found.items()}


def _or_nan(value: Array, refused: Array | None) -> Array:
    """The numbers (rows,) or (rows, K), NaN where `predict` raises: for an input, or for what overflowed on the way."""
    known = abs(value) <= float(np.finfo(np.float64).max)
    if refused is not None:
        known = known & (np.logical_not(refused) if value.ndim == 2 else np.logical_not(refused)[:, 0])
    return np.where(known, value, float("nan"))


def _tempered(model: Any, Y: Array) -> Array:
    temper = tempering(model)
    if temper is None:
        return Y
    if temper is temper_labels:
        return temper(Y, model._temperature)
    return softmax(log_probabilities(Y) / model._temperature)  # as `temper_classes`


def _labels(targets: Any, Y: Array) -> Array:
    """The most probable labels (rows,); of a multilabel model 0 and 1 (rows, L)."""
    if targets.kind == "multilabel":
        return (Y > 0.5).astype(np.int64)
    return Y.graph.constant(_labels_of_one_type(targets.classes))[targets.probabilities(Y).argmax(axis=1)]


def _labels_of_one_type(classes: np.ndarray) -> np.ndarray:
    """The classes as texts, whole numbers, numbers or truth values. Raises DataError for others, such as bytes."""
    labels = classes.tolist()
    if all(type(label) is str for label in labels):
        try:
            b"".join(label.encode() for label in labels)
            return np.array(labels, TEXT)
        except UnicodeEncodeError:
            pass
    elif all(type(label) is bool for label in labels):
        return np.array(labels, bool)
    elif all(type(label) is int for label in labels) and max(map(abs, labels)) < 2**63:
        return np.array(labels, np.int64)
    elif all(type(label) in (int, float) for label in labels) and max(map(abs, labels)) < 2**53:
        return np.array(labels, np.float64)
    raise DataError(
        "has labels that ONNX does not know",
        argument="y",
        value=labels,
        remedy="Train on labels of one kind: texts, whole numbers or truth values.",
    )


# --- running it -----------------------------------------------------------------------------------------------------


def _with_output(proto: Any, name: str) -> bytes:
    """The model with one more output."""
    from onnx import ModelProto, ValueInfoProto

    twin = ModelProto()
    twin.CopyFrom(proto)
    twin.graph.output.append(ValueInfoProto(name=name))
    return twin.SerializeToString()


def _run(model: Any, data: bytes, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    results = session.run(None, feed_of(model, columns))
    return dict(zip([*result_names(model), "matrix"], results, strict=True))


def feed_of(model: Any, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns as the inputs of the exported model want them: (rows, 1), see `export_onnx`."""
    return {kind.name: _input_values(kind, columns[kind.name])[:, None] for kind in kinds_used(model)}


def _input_values(kind: Any, values: np.ndarray) -> np.ndarray:
    if isinstance(kind, Date):
        return values.astype("M8[us]").astype(np.int64)
    if isinstance(kind, Duration):
        return values / np.timedelta64(1, "s")
    if isinstance(kind, Category) and kind.family != "number":
        return np.array(["" if value is None else str(value) for value in values], TEXT)
    return values.astype(np.float64)
