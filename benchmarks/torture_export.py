"""Models of drawn settings on drawn tables, exported and compared with themselves on new rows.

    python benchmarks/torture_export.py [--seconds 60] [--seed 0]

Each model is fitted for two epochs on a table of drawn columns (numbers of all sizes, with ties and gaps, categories of
texts, numbers and truth values, durations, dates), with drawn scalings, embeddings, layers, activations, losses and
labels. It is written as ONNX and as Python, which compares both with the estimator once; then new rows with missing and
unseen values go through the estimator, onnxruntime, onnx's own reference evaluator, and the module. Outputs must agree
to 1e-5 in float32, relative to their size and the scale of the target, and to 1e-9 in float64. What ONNX cannot
express must be refused as a ColumnError. Printed: models, refusals, rows compared, and the largest difference of each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import ColumnError, DataError, GlassNetWarning, TrainingDiverged
from glassnet.export.to_onnx import feed_of
from glassnet.maths.activations import ACTIVATIONS
from glassnet.tables.number import SCALINGS

N_ROWS = 60
TOLERANCES = {"float32": 1e-5, "float64": 1e-9}

Choose = Callable[[Sequence[Any]], Any]
Table = dict[str, np.ndarray]

# Names that could be taken for others: outputs, values inside the graph, what a string or an identifier would end at.
NAMES = ("x", "label", "matrix_0", "probabilities", "two words", 'a"b', "a\\", "größe", "constant_1", "where_7", "{x}")
TEXTS = ("red", "green", "blue", "", "ä", "True", "7", '"""', "a\\nb", "(missing)")


# --- tables ---------------------------------------------------------------------------------------------------------


def with_gaps(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fifth of the values missing, the first ones never."""
    gap = {"f": np.nan, "O": None, "m": np.timedelta64("NaT"), "M": np.datetime64("NaT")}[values.dtype.kind]
    values = values.copy()
    values[3:][rng.random(len(values) - 3) < 0.2] = gap
    return values


def texts(levels: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Each level at least once while there are rows."""
    places = np.concatenate([np.arange(len(levels)), rng.integers(len(levels), size=N_ROWS)])[:N_ROWS]
    return np.array(levels, object)[places]


COLUMNS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], Any]] = {
    "numbers": (lambda rng: rng.normal(size=N_ROWS), {}),
    "with an offset": (lambda rng: 1e6 + rng.normal(size=N_ROWS), {}),
    "huge": (lambda rng: rng.normal(size=N_ROWS) * 1e300, {}),
    "tiny": (lambda rng: rng.normal(size=N_ROWS) * 1e-310, {}),
    "mostly zero": (lambda rng: np.where(rng.random(N_ROWS) < 0.7, 0.0, rng.normal(size=N_ROWS)), {}),
    "few": (lambda rng: np.r_[0.0, 1.0, rng.integers(4, size=N_ROWS - 2)], {}),
    "nearly constant": (lambda rng: np.r_[np.full(N_ROWS - 1, 3.0), 4.0], {}),
    "constant": (lambda rng: np.full(N_ROWS, 3.0), {"missing": True}),
    "texts": (lambda rng: texts(TEXTS[:3], rng), {}),
    "two texts": (lambda rng: texts(TEXTS[:2], rng), {}),
    "odd texts": (lambda rng: texts(TEXTS[4:], rng), {}),
    "empty text": (lambda rng: texts(TEXTS[:4], rng), {}),
    "many texts": (lambda rng: texts([f"t{i}" for i in range(25)], rng), {"kind": "category"}),
    "truth": (lambda rng: np.r_[True, False, rng.random(N_ROWS - 2) < 0.5].astype(object), {}),
    "numbers as levels": (lambda rng: np.r_[0.1, 0.2, rng.integers(5, size=N_ROWS - 2) / 10], {"kind": "category"}),
    "codes as levels": (lambda rng: np.arange(N_ROWS) % 20 * 1.0, {"kind": "category"}),
    "spelled numbers": (lambda rng: np.array([f"{x:.3f}" for x in rng.normal(size=N_ROWS)], object), "number"),
    "durations": (lambda rng: rng.integers(-(10**9), 10**9, N_ROWS).astype("m8[us]"), {}),
    "dates": (lambda rng: rng.integers(-(10**15), 2 * 10**15, N_ROWS).astype("M8[us]"), {}),
    "days": (lambda rng: np.datetime64("2023-11-30") + rng.integers(500, size=N_ROWS), {}),
    "dates as levels": (lambda rng: np.datetime64("2024-02-29", "us") + np.arange(N_ROWS) % 4 * 10**9, "category"),
}  # fmt: skip


def drawn_column(choose: Choose, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, Any]]:
    """A column, and what `columns=` says of it."""
    make, options = COLUMNS[choose(list(COLUMNS))]
    values = make(rng)
    options = {"kind": options} if isinstance(options, str) else dict(options)
    if choose([False, True]):
        values = with_gaps(values, rng)
    if values.dtype.kind in "fmM" and options.get("kind") != "category":
        # Sums of large numbers have few exact digits in float32, whoever adds them up.
        large = values.dtype.kind != "f" or np.nanmax(np.abs(values)) > 100
        if large or choose([False, True]):
            options["scaling"] = choose([scaling for scaling in SCALINGS if not (large and scaling == "none")])
    return values, options


def drawn_table(choose: Choose, rng: np.random.Generator) -> tuple[Table, dict[str, Any]]:
    """A table of one to five columns, one of them numbers, and `columns=`."""
    table, columns = {"z": rng.normal(size=N_ROWS)}, {}
    names = list(NAMES)
    for _ in range(choose(range(5))):
        name = names.pop(choose(range(len(names))))
        table[name], options = drawn_column(choose, rng)
        if options:
            columns[name] = {"kind": "number", **options} if options.keys() == {"scaling"} else options
            if table[name].dtype.kind in "mM" and options.keys() == {"scaling"}:
                columns[name]["kind"] = {"m": "duration", "M": "date"}[table[name].dtype.kind]
    return table, columns


def new_rows(table: Table, n_rows: int, rng: np.random.Generator) -> Table:
    """Rows of other combinations, with missing and unseen values, and numbers up to half as far again."""
    found = {}
    for name, values in table.items():
        new = values[rng.integers(len(values), size=n_rows)]
        strange = rng.random(n_rows) < 0.2
        if values.dtype.kind == "O" and all(isinstance(value, str | None) for value in values):
            spelled = name in table and _all_numbers(values)
            new[strange] = "2.5" if spelled else "new"
        elif values.dtype.kind == "f":
            new = np.where(strange, new * 1.5, new)
        found[name] = with_gaps(new, rng) if n_rows > 3 else new
    return found


def _all_numbers(values: np.ndarray) -> bool:
    return all(value is None or value.replace(".", "").lstrip("-").isdecimal() for value in values)


# --- models ---------------------------------------------------------------------------------------------------------

LABELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "two texts": lambda t: np.where(t > 0, "yes", "no"),
    "three texts": lambda t: np.array(["low", "ö", "high"], object)[np.digitize(t, [-0.5, 0.5])],
    "truth": lambda t: t > 0,
    "whole numbers": lambda t: np.digitize(t, [-0.5, 0.5]) * 10 - 5,
    "floats": lambda t: (t > 0) * 2.0,
    "several": lambda t: np.column_stack([t > 0, t > 0.5, t < 1]).astype(int),
}
NUMBERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any]]] = {
    "number": (lambda t: 1e5 * t + 3e5, {}),
    "column": (lambda t: t[:, None], {"loss": "absolute_error"}),
    "two numbers": (lambda t: np.column_stack([t, 1e-3 * t**2]), {"target_scaling": "robust"}),
    "huber": (lambda t: t, {"loss": "huber", "target_scaling": "minmax"}),
    "counts": (lambda t: np.floor(np.abs(3 * t)), {"loss": "poisson"}),
    "quantiles": (lambda t: t, {"quantiles": (0.1, 0.4, 0.9)}),
    "quantiles of a column": (lambda t: t[:, None], {"quantiles": (0.25, 0.75)}),
}


def drawn_settings(choose: Choose) -> dict[str, Any]:
    """Arguments of an estimator."""
    sizes = choose([(), (5,), (7, 4)])
    activations = [choose(list(ACTIVATIONS)) for _ in sizes] or "relu"
    numbers = choose(["none", "piecewise_linear"])
    return {
        "hidden_layer_sizes": sizes,
        "activation": activations,
        "normalisation": choose(["none", "layer"]),
        "dropout": choose([0.0, 0.3]),
        "members": choose([1, 1, 3]),
        "folds": choose([1, 1, 2]),
        "embedding": choose(["none", {"above": 6, "width": 3, "numbers": numbers, "bins": 5}]),
        "input_scaling": choose(SCALINGS),
        "dtype": choose(["float32", "float32", "float64"]),
    }


def drawn_model(choose: Choose) -> tuple[Any, Table]:
    """A fitted model and the table it was fitted to. Raises TrainingDiverged where unscaled numbers were too large."""
    rng = np.random.default_rng(choose(range(2**16)))
    table, columns = drawn_table(choose, rng)
    fixed = {
        "max_epochs": 2,
        "early_stopping": True,
        "engine": "reference",
        "random_state": 0,
        "columns": columns or None,
    }
    settings = drawn_settings(choose) | fixed
    target = table["z"] + 0.3 * rng.normal(size=N_ROWS)
    kind: Any = choose([GlassNetClassifier, GlassNetRegressor])
    if kind is GlassNetClassifier:
        name = choose(list(LABELS))
        y = LABELS[name](target)
        settings["loss"] = choose(["auto", "auto" if name == "several" else "cross_entropy"])
        settings["calibration"] = choose(["none", "temperature"])
    else:
        make, more = NUMBERS[choose(list(NUMBERS))]
        y, settings = make(target), settings | more
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlassNetWarning)  # of texts that are nearly unique
        return kind(**settings).fit(table, y), table


# --- comparing ------------------------------------------------------------------------------------------------------


def own_results(model: Any, table: Table) -> dict[str, np.ndarray]:
    """What the estimator says."""
    if hasattr(model, "predict_proba"):
        return {"label": model.predict(table), "probabilities": model.predict_proba(table)}
    found = {"prediction": model.predict(table)}
    return found | ({"quantiles": model.predict_quantiles(table)} if model.network_.loss.name == "quantile" else {})


def largest_difference(model: Any, given: dict[str, np.ndarray], own: dict[str, np.ndarray]) -> float:
    """The largest of all differences relative to size and scale; infinite for another shape or label."""
    worst = 0.0
    scale = getattr(model._targets, "scale", 1.0)
    for name, expected in own.items():
        if given[name].shape != expected.shape:
            return np.inf
        if name == "label":
            decided = _margin(own["probabilities"]) > 1e-4
            same = np.asarray(given[name] == expected).reshape(len(expected), -1).all(axis=1)
            worst = worst if same[decided].all() else np.inf
        else:
            with np.errstate(invalid="ignore"):  # the mean of a count may be infinite in both
                error = np.abs(given[name] - expected) / (scale + np.abs(expected))
            error[given[name] == expected] = 0.0
            worst = max(worst, float(np.max(np.nan_to_num(error, nan=np.inf), initial=0.0)))
    return worst


def _margin(P: np.ndarray) -> np.ndarray:
    """How far each row is from another label."""
    top = np.sort(P, axis=1)
    return np.minimum(top[:, -1] - top[:, -2], np.abs(P - 0.5).min(axis=1) if P.shape[1] > 2 else np.inf)


def as_inputs(model: Any, table: Table) -> Table:
    """Columns as an ONNX model has its inputs; texts that spell numbers are numbers, for an input has one type."""
    kinds = {kind.name: kind.kind for kind in model.encoder_.kinds_}
    spelled = [name for name in table if kinds[name] == "number" and table[name].dtype.kind == "O"]
    return feed_of(model, table | {name: table[name].astype(np.float64) for name in spelled})


def by_onnxruntime(proto: Any, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What onnxruntime says, by the names in the file without the underscores that keep them apart from columns."""
    import onnxruntime

    data = proto.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name.rstrip("_") for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def by_reference(proto: Any, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What onnx's own evaluator says."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(proto)
    with np.errstate(all="ignore"):
        results = evaluator.run(None, feed)
    return dict(zip([name.rstrip("_") for name in evaluator.output_names], results, strict=True))


def module_of(path: Path) -> Any:
    """An exported module, run."""
    module = ModuleType("exported")
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    return module


def by_module(module: Any, table: Table) -> dict[str, np.ndarray]:
    """What an exported module says."""
    if hasattr(module, "predict_proba"):
        return {"label": module.predict(table), "probabilities": module.predict_proba(table)}
    found = {"prediction": module.predict(table)}
    return found | ({"quantiles": module.predict_quantiles(table)} if hasattr(module, "predict_quantiles") else {})


def exported(model: Any, folder: Path) -> tuple[Any, Any]:
    """The ModelProto, None where it is refused, and the module."""
    import onnx

    glassnet.export_python(model, folder / "model.py")
    try:
        glassnet.export_onnx(model, folder / "model.onnx")
    except ColumnError:
        return None, module_of(folder / "model.py")
    return onnx.load(folder / "model.onnx"), module_of(folder / "model.py")


def may_be_refused(model: Any) -> bool:
    """Whether a column is one that ONNX cannot express: dates or the empty text as levels."""
    plain = [kind.plain() for kind in model.encoder_.kinds_ if kind.names]
    levels = [kind for kind in plain if kind["kind"] == "category"]
    return any(kind["family"] == "date" or "" in kind["levels"] for kind in levels)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    counts: Counter[str] = Counter()
    worst: dict[str, float] = {}
    end = time.monotonic() + arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            try:
                model, table = drawn_model(lambda options: options[int(rng.integers(len(options)))])
            except TrainingDiverged:  # unscaled numbers
                counts["diverged"] += 1
                continue
            counts["models"] += 1
            proto, module = exported(model, Path(folder))
            counts["refused"] += proto is None
            assert proto is not None or may_be_refused(model)
            rows = new_rows(table, 101, rng)
            try:
                own = own_results(model, rows)
            except DataError:  # of a count, e to the power of a score, far outside of training
                counts["overflowed"] += 1
                continue
            found = {"module": by_module(module, rows)}
            if proto is not None:
                feed = as_inputs(model, rows)
                found |= {"onnxruntime": by_onnxruntime(proto, feed), "reference evaluator": by_reference(proto, feed)}
            for name, results in found.items():
                difference = largest_difference(model, results, own) / TOLERANCES[model.network_.dtype.name]
                counts[f"rows by {name}"] += len(rows["z"])
                worst[name] = max(worst.get(name, 0.0), difference)
                if difference > 1:
                    print(f"model {counts['models']} by {name}: {difference:.3g}", model, file=sys.stderr)
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    for name, difference in worst.items():
        print(f"largest difference by {name}: {difference:.3g} of what is allowed")
    return int(any(difference > 1 for difference in worst.values()))


if __name__ == "__main__":
    sys.exit(main())
