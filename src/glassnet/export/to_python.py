"""A fitted estimator as a Python module that needs NumPy alone: source that one can read, with the numbers inside.

What a model file says goes into the source as literals alone, written by `repr`: the source is run, and a file may come
from anywhere.
"""

from __future__ import annotations

import base64
import os
import textwrap
from pprint import pformat
from types import ModuleType
from typing import Any

import numpy as np

import glassnet
from glassnet.export import program, standalone
from glassnet.export.checking import require_the_same
from glassnet.export.columns import require_clocks
from glassnet.export.layers import network_lines
from glassnet.export.model import fitted_model, kinds_used, middle_quantile, tempering
from glassnet.export.probes import MOST
from glassnet.export.sources import Sources
from glassnet.files.atomic import write_bytes
from glassnet.files.place import require_place
from glassnet.maths.losses import Quantile
from glassnet.tables.category import rows_of_codes
from glassnet.tables.kinds import Category, Date, Duration, Number
from glassnet.tables.moment import elapsed_days, years_of
from glassnet.tables.number import scaled, smooth_clip
from glassnet.training.blas import blas_threads_for

__all__ = ["export_python", "python_source"]

WIDTH = 110  # of lines with numbers
FAMILIES = {"text": "texts", "number": "numbers", "date": "dates", "duration": "durations"}


def export_python(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator, or that of a model file, as one Python module that imports NumPy and nothing else.

    model : a fitted `GlassNetClassifier` or `GlassNetRegressor`, or the path of a `.glassnet` file.
    path : of the new file, which is replaced as a whole or not at all.

    The module has `predict(table)`, for classes `predict_proba(table)`, for fitted quantiles `predict_quantiles(table)`
    (a table is a dict of columns, lists or arrays; None and NaN are missing), `encode(table)`, the matrix that the
    network sees, and `network(X, P)`, its forward pass, with the formulas of `glassnet.maths` as they are. Run as a
    program it predicts for a CSV file: `python model.py new.csv`.

    Before it is written, it is run on some hundred rows. Raises ExportError where it does not say what the estimator
    does, to 1e-5 in float32 (1e-9 in float64); ColumnError for moments of a time zone; OptionError for
    functions of the user's own.
    """
    require_place(path, "path")
    model = fitted_model(model)
    source = python_source(model)
    module = ModuleType("exported")
    exec(compile(source, os.fspath(path), "exec"), module.__dict__)  # it was written a line ago
    with blas_threads_for(model.network_, MOST):
        require_the_same(model, module.encode, lambda columns: _run(module, columns))
    write_bytes(path, source.encode())


def _run(module: Any, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if hasattr(module, "predict_proba"):
        return {"label": module.predict(columns), "probabilities": module.predict_proba(columns)}
    found = {"prediction": module.predict(columns)}
    return found | ({"quantiles": module.predict_quantiles(columns)} if hasattr(module, "predict_quantiles") else {})


def python_source(model: Any) -> str:
    """The text of the module."""
    columns = Sources()
    columns.add(program.predict_file)
    columns.add(standalone.finite)
    encoding = [line for kind in kinds_used(model) for line in _column_lines(kind, columns, model.network_.dtype)]
    formulas = Sources(after=columns)
    network, edges = network_lines(model.network_, formulas)
    results = _results(model, formulas)
    kinds = {kind.name: _cell_kind(kind) for kind in kinds_used(model)}
    sections = [
        _head(model),
        "from __future__ import annotations\n\nimport base64\nimport sys\n\nimport numpy as np",
        _numpy_import(formulas, columns),
        _titled("constants of the formulas", _constants(formulas, columns)),
        _titled("columns of a table", "\n\n\n".join(columns.functions.values())),
        ENCODE.format(kinds=_literal(kinds), body=_indented(encoding), dtype=model.network_.dtype.name),
        _titled("formulas", "\n\n\n".join(formulas.functions.values())),
        NETWORK.format(body=_indented(network)),
        results,
        _titled("numbers that training found", _numbers(model, edges)),
        PROGRAM,
    ]
    return "\n\n\n".join(section.strip("\n") for section in sections if section) + "\n"


# --- the parts of the text ------------------------------------------------------------------------------------------

ENCODE = '''KINDS = {kinds}


def encode(table):
    """The matrix that the network sees (n, p), column by column; the cast comes last."""
    parts = []
{body}
    with np.errstate(over="ignore"):
        return np.column_stack(parts).astype(np.{dtype})
'''

NETWORK = '''# --- the network ---


def network(X, P):
    """The outputs (n, K) of one network: X (n, p) goes through its layers. P : its parameters by name."""
{body}


def outputs(table):
    """The mean outputs (n, K) of the networks. Raises ValueError for a row that overflows in them."""
    X = encode(table)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        Y = [network(X, P) for P in NETWORKS]
        return finite(Y[0] if len(Y) == 1 else np.mean(Y, axis=0))
'''

PROBABILITIES = '''CLASSES = np.array({classes!r}, dtype={dtype!r})


def probabilities(Y):
    """Probabilities (n, K) from the network's outputs, float64."""
    Y = Y.astype(np.float64)
    return {formula}


def predict_proba(table):
    """Probabilities (n, K) in the order of CLASSES{note}."""
    return probabilities({tempered})


def predict(table):
    """{what}."""
    return {label}


def results(table):
    """Columns for `predict_file`."""
    P = predict_proba(table).T
    return {columns}
'''

NUMBERS = '''def predict(table):
    """Predicted numbers, float64."""
    return {prediction}


def results(table):
    """Columns for `predict_file`."""
    Y = predict(table)
    return {{"prediction": Y}} if Y.ndim == 1 else {{f"prediction_{{k}}": Y[:, k] for k in range(Y.shape[1])}}
'''

QUANTILES = '''def predict_quantiles(table):
    """The quantiles {quantiles} of each row (n, {count}), sorted."""
    return in_units(np.sort(outputs(table), axis=1), {scale}, {centre})


'''

PARAMETERS = '''LAYOUT = {layout}


def parameters(text):
    """The parameters of a network by name, from the bytes of one vector of {dtype}; LAYOUT has offset and shape."""
    vector = np.frombuffer(base64.b64decode(text), {dtype!r})
    return {{name: vector[at : at + int(np.prod(shape))].reshape(shape) for name, (at, shape) in LAYOUT.items()}}


NETWORKS = [{networks}]
'''


PROGRAM = """if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} new.csv")
    predict_file(sys.argv[1], KINDS, results)
"""


def _head(model: Any) -> str:
    names = "\n".join(f"    {kind.name!r}: {_doc_of(kind)}" for kind in kinds_used(model))
    return (
        f'"""A {type(model).__name__} of glassnet {glassnet.__version__}, exported: it needs NumPy alone.\n\n'
        "    predict({column: list or array, ...})        python THIS_FILE new.csv\n\n"
        f'Columns, None or NaN where missing:\n{_in_docstring(names)}\n"""'
    )


def _in_docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _doc_of(kind: Any) -> str:
    if isinstance(kind, Category):
        return f"one of {len(kind.levels)} levels, {FAMILIES[kind.family]}"
    if isinstance(kind, Date):
        return "times of day" if kind.of_day else "dates without a zone"
    return "numbers" if isinstance(kind, Number) and kind.family != "duration" else "durations, or seconds"


def _cell_kind(kind: Any) -> str:
    """How `predict_file` reads the cells: a duration is a number of seconds."""
    if isinstance(kind, Category) and kind.holds_booleans:
        return "truth"
    if isinstance(kind, Category) and kind.family == "number":
        return "whole" if kind.holds_wholes else "number"
    if isinstance(kind, Category):
        return {"duration": "number", "date": "date"}.get(kind.family, "text")
    return "date" if isinstance(kind, Date) else "number"


def _numpy_import(*sources: Sources) -> str:
    names = sorted(set.union(*(source.numpy_names for source in sources)))
    return f"from numpy import {', '.join(names)}" if names else ""


def _constants(*sources: Sources) -> str:
    found: dict[str, Any] = {}
    for source in sources:
        found |= source.constants
    return "\n".join(f"{name} = {_literal(value)}" for name, value in found.items())


def _titled(title: str, text: str) -> str:
    return f"# --- {title} ---\n\n\n{text}" if text else ""


def _literal(value: Any) -> str:
    return pformat(value, width=WIDTH, sort_dicts=False, compact=True)


def _wrapped(text: str) -> str:
    """A long text without spaces, line by line."""
    return "\n".join(text[first : first + WIDTH] for first in range(0, len(text), WIDTH))


def _indented(lines: list[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")


# --- columns --------------------------------------------------------------------------------------------------------


def _column_lines(kind: Any, sources: Sources, dtype: np.dtype) -> list[str]:
    """Statements of `encode` for one column. Raises ColumnError for moments of a time zone."""
    if isinstance(kind, Category):
        return ["", *_category_lines(kind, sources)]
    if isinstance(kind, Date):
        return ["", *_date_lines(kind, sources)]
    if isinstance(kind, Duration) or kind.family == "duration":
        number = kind.seconds if isinstance(kind, Duration) else kind
        return ["", f"x = {sources.add(standalone.durations)}(table, {kind.name!r})", *_number_lines(number, sources)]
    limited = kind.scaling == "none" and dtype == np.float32
    limit = f", limit={float(np.finfo(dtype).max)!r}" if limited else ""
    limit += ", spelled=True" if kind.family == "text" else ""
    return ["", f"x = {sources.add(standalone.numbers)}(table, {kind.name!r}{limit})", *_number_lines(kind, sources)]


def _number_lines(kind: Number, sources: Sources, x: str = "x") -> list[str]:
    lines = [f"parts.append({_scaled(kind, sources, x)})"] if kind.varies else []
    return [*lines, f"parts.append(np.isnan({x}))"] if kind.missing else lines


def _scaled(kind: Number, sources: Sources, x: str) -> str:
    if kind.scaling == "none":
        return f"np.where(np.isnan({x}), {kind.fill!r}, {x})"
    if kind.scaling == "quantile":
        knots = textwrap.indent(_literal(list(kind.knots)), " " * 8).strip()
        return f"{sources.add(standalone.quantile_scaled)}({x}, {kind.exponent!r}, {knots}, {kind.fill!r})"
    numbers = f"centre={kind.centre!r}, scale={kind.scale!r}, fill={kind.fill!r}"
    found = f"{sources.add(scaled)}({x}, {kind.exponent!r}, {numbers}, absent=np.isnan({x}))"
    return f"{sources.add(smooth_clip)}({found})" if kind.scaling == "smooth_clip" else found


def _category_lines(kind: Category, sources: Sources) -> list[str]:
    known = {number: code for number, code in kind.codes_by_number.items() if abs(number) < np.inf}
    if kind.family == "number":
        name = sources.add(standalone.codes_of_numbers)
        codes = f"{name}({sources.add(standalone.column)}(table, {kind.name!r}), {kind.name!r}, "
        codes += f"{_argument(known)}, {len(kind.levels)})"
    else:
        values = f"{sources.add(standalone.column)}(table, {kind.name!r})"
        if kind.family != "text":
            read = sources.add(standalone.dates if kind.family == "date" else standalone.durations)
            values = f"{sources.add(standalone.texts_of)}({read}(table, {kind.name!r}))"
        spelled = kind.family == "text" and kind.spells_numbers
        name = sources.add(standalone.codes_of_spellings if spelled else standalone.codes_of_texts)
        codes = f"{name}({values}, {kind.name!r}, {_argument(list(kind.levels))}"
        codes += f", {_argument(known)})" if spelled else ")"
    rows = f"{sources.add(rows_of_codes)}({len(kind.levels)}, pooled={kind.pooled!r}, "
    return [f"codes = {codes}", f"parts.append({rows}missing={kind.missing!r}, coded={kind.coded!r})[codes])"]


def _argument(value: Any) -> str:
    return textwrap.indent(_literal(value), " " * 8).strip()


def _date_lines(kind: Date, sources: Sources) -> list[str]:
    require_clocks(kind)
    read = standalone.times_of_day if kind.of_day else standalone.dates
    lines = [f"t = {sources.add(read)}(table, {kind.name!r})"]
    if kind.elapsed.names:
        lines += [f"x = {sources.add(elapsed_days)}(t)", *_number_lines(kind.elapsed, sources)]
    if kind.year.varies:
        lines += [f"x = {sources.add(years_of)}(t)", *_number_lines(kind.year, sources)]
    return lines + [f"parts.append({sources.add(standalone.waves)}(t, {part!r}))" for part in kind.parts]


# --- outputs --------------------------------------------------------------------------------------------------------


def _results(model: Any, sources: Sources) -> str:
    targets, loss = model._targets, model.network_.loss
    if targets.kind == "numbers":
        sources.add(standalone.in_units)
        return _number_results(targets, loss)
    temper = tempering(model)
    tempered = "outputs(table)"
    if temper is not None:
        tempered = f"{sources.add(temper)}(outputs(table), {model._temperature!r})"
    several = targets.kind == "multilabel"
    one_node = model.network_.n_outputs == 1 and not several
    normal = "np.hstack([1.0 - Y, Y])" if one_node else "Y / Y.sum(axis=1, keepdims=True)"
    return PROBABILITIES.format(
        classes=targets.classes.tolist(),
        dtype=targets.classes.dtype.str,
        formula="Y" if several else normal,
        note=", of each label on its own" if several else "",
        tempered=tempered,
        what="1 where a label is more probable than not (n, L)" if several else "The most probable label of each row",
        label="(outputs(table) > 0.5).astype(np.int64)"
        if several
        else "CLASSES[probabilities(outputs(table)).argmax(axis=1)]",
        columns='{f"prediction_{k}": (P[k] > 0.5).astype(int) for k in CLASSES} | '
        '{f"probability_{k}": P[k] for k in CLASSES}'
        if several
        else '{"prediction": predict(table)} | {f"probability_{label}": P[k] for k, label in enumerate(CLASSES)}',
    )


def _number_results(targets: Any, loss: Any) -> str:
    scale, centre = (f"np.array({values.tolist()!r})" for values in (targets.scale, targets.centre))
    if isinstance(loss, Quantile):
        middle = middle_quantile(loss)
        head = QUANTILES.format(quantiles=list(loss.quantiles), count=len(loss.quantiles), scale=scale, centre=centre)
        chosen = middle if targets.flat else f"{middle} : {middle + 1}"
        return head + NUMBERS.format(prediction=f"predict_quantiles(table)[:, {chosen}]")
    first = "[:, 0]" if targets.flat and len(targets.centre) == 1 else ""
    return NUMBERS.format(prediction=f"in_units(outputs(table), {scale}, {centre}){first}")


def _numbers(model: Any, edges: dict[str, list[float]]) -> str:
    """The parameters of all networks, and the edges of bins."""
    network = model.network_
    dtype = network.dtype.newbyteorder("<").str
    layout = {block.name: (block.offset, block.shape) for block in network.blocks}
    texts = [base64.b64encode(network.params.astype(dtype).tobytes()).decode() for network in model.networks_]
    blocks = ['\n    parameters("""\n' + _wrapped(text) + '\n"""),' for text in texts]
    found = PARAMETERS.format(layout=_literal(layout), dtype=dtype, networks="".join(blocks) + "\n")
    bins = f"BINS = {{name: bin_table(np.array(edges), np.{network.dtype.name}) for name, edges in EDGES.items()}}"
    return (f"EDGES = {_literal(edges)}\n{bins}\n\n\n" if edges else "") + found
