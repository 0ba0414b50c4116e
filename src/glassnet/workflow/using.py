"""Use a trained model on another table: predictions and scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import ColumnError, DataError, OptionError, require_number
from glassnet.estimators.calibrating import require_conformal
from glassnet.estimators.loading import load
from glassnet.estimators.report import Report
from glassnet.maths.losses import Quantile
from glassnet.tables.frames import Table, listed, table_of, target_of
from glassnet.tables.kinds import Category
from glassnet.tables.known import TEXTS, KnownColumn, known_column
from glassnet.tables.spelling import MISSING_AMONG_NUMBERS
from glassnet.workflow.source import TO_COMPARE, frame_of, naming, require_columns, require_known, target_names

__all__ = ["evaluate", "predict"]


def _model_of(model: Any) -> Any:
    return load(Path(model)) if isinstance(model, str | os.PathLike) else model


def predict(
    model: Any,
    source: Any,
    *,
    probabilities: bool = True,
    interval: float | None = None,
    keep: bool = False,
    short: bool = False,
) -> Any:
    """Predictions for the rows of a table, as a data frame (polars for a file, else of the source's library).

    model : a fitted estimator or the path of a model file.   source : as in `train`.
    Columns: "prediction" ("prediction_TARGET" for each of several targets, or "prediction_0", … where the model does
    not know their names), then for classes "probability_CLASS" each, unless `probabilities` is False; for fitted
    quantiles "quantile_0.1" and so on. interval : share of rows such as 0.9; then "lower" and "upper" (of several
    targets "lower_TARGET" and so on) are ends between which that share of the targets lies, see `predict_interval`.
    With `keep` the columns of the source come first. With `short` the predictions of a float32 network, which has no
    more, are cut to seven significant digits: for text files.

    Raises ModelFileError, DataError, ColumnError for columns other than in training, or OptionError for an interval of
    classes, or of a model that held out no rows.
    """
    model = _model_of(model)
    if interval is not None:
        _require_intervals(model, interval)
    name, frame = frame_of(source, partial(_known_columns, model))
    with naming(name):
        columns = _predicted(model, _features(model, frame), probabilities, interval)
        if short and model.network_.dtype == np.float32:
            columns = {column: _seven_digits(values) for column, values in columns.items()}
        taken = [column for column in columns if keep and column in frame.columns]
        if taken:
            raise ColumnError("is in the table already", column=taken[0], remedy="Rename it, or do without keep.")
    kept = {column: frame[column] for column in frame.columns} if keep else {}
    return nw.from_dict(kept | columns, backend=frame.implementation).to_native()


def _known_columns(model: Any, names: Sequence[str], targets: Sequence[str] = ()) -> dict[str, KnownColumn]:
    """How to read the columns of a file, found as the encoder will find them; the `targets` as classes, if need be."""
    check_is_fitted(model)
    encoder = model.encoder_
    features = [name for name in names if name not in targets]
    if encoder.named_:
        pairs = [(kind.name, kind) for kind in encoder.kinds_]
    else:
        pairs = list(zip(features, encoder.kinds_, strict=False))
    found = {name: column for name, kind in pairs if (column := known_column(kind)) is not None}
    classes = getattr(model, "classes_", None)
    if isinstance(classes, np.ndarray) and all(isinstance(label, str) for label in classes.tolist()):
        found |= dict.fromkeys(targets, TEXTS)
    return found


def _words_blanked(model: Any, frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Empty the columns that hold nothing but "-", "." or None where numbers or dates were in training.

    With a number among them `read_table` had known these words for missing values; a short file may have none.
    """
    texts = {kind.name for kind in model.encoder_.kinds_ if isinstance(kind, Category) and kind.family == "text"}
    empty = [
        column
        for column in frame.columns
        if column in set(model.encoder_.feature_names_in) - texts
        and frame[column].dtype == nw.String
        and frame[column].drop_nulls().str.strip_chars().str.to_lowercase().is_in(MISSING_AMONG_NUMBERS).all()
    ]
    return frame.with_columns(nw.lit(None, nw.String).alias(column) for column in empty)


def _require_intervals(model: Any, interval: float) -> None:
    """Raise OptionError unless the model can give intervals of this coverage."""
    require_number("interval", interval, "must lie strictly between 0 and 1", lambda share: 0 < share < 1)
    if hasattr(model, "predict_proba"):
        raise OptionError(
            "is for numbers, and the model predicts classes",
            argument="interval",
            value=interval,
            remedy="Their probabilities say how sure it is.",
        )
    try:
        require_conformal(model, interval)
    except OptionError as error:
        remedy = "Train without refit." if model.settings_["refit"] else "Train on more rows, or call calibrate(X, y)."
        raise OptionError(error.rule, argument="interval", value=interval, remedy=remedy) from None


def _predicted(model: Any, table: Table, probabilities: bool, interval: float | None) -> dict[str, Any]:
    names = getattr(model, "target_name_", None)
    n = model._targets.n_columns
    names = names if isinstance(names, list) and len(names) == n else list(range(n))
    if not hasattr(model, "predict_proba"):
        return _numbers(model, table, names, interval)
    P = model.predict_proba(table)
    labels: list[Any] = model.classes_.tolist()
    if _is_multilabel(model):
        columns, labels = _columns("prediction", (P > 0.5).astype(np.int64), names), names
    else:
        columns = _columns("prediction", model.classes_[P.argmax(axis=1)], names)
    if probabilities:
        columns |= _columns("probability", P, labels)
    return columns


def _numbers(model: Any, table: Table, names: list[Any], interval: float | None) -> dict[str, Any]:
    """The columns of a regressor. The table is encoded anew for each part, which costs little beside reading it."""
    columns = _columns("prediction", model.predict(table), names)
    if isinstance(model.network_.loss, Quantile):
        labels = [f"{quantile:g}" for quantile in model.network_.loss.quantiles]
        columns |= _columns("quantile", model.predict_quantiles(table), labels)
    if interval is not None:
        ends = model.predict_interval(table, interval)
        columns |= _columns("lower", ends[..., 0], names) | _columns("upper", ends[..., 1], names)
    return columns


def _is_multilabel(model: Any) -> bool:
    return bool(model._targets.kind == "multilabel")


def _columns(what: str, values: np.ndarray, names: list[Any]) -> dict[str, Any]:
    """One column, or one for each name."""
    if values.ndim == 2:
        return {f"{what}_{name}": values[:, k] for k, name in enumerate(names)}
    return {what: values.tolist() if values.dtype == object else values}


def _seven_digits(values: Any) -> Any:
    if getattr(values, "dtype", None) is None or values.dtype.kind != "f":
        return values
    return np.array([float(f"{value:.7g}") for value in values.tolist()])


def evaluate(model: Any, source: Any, target: str | Sequence[str] | None = None) -> Report:
    """Scores of a model on a table with known targets.

    model, source : as in `predict`.   target : name of the target's column, or a list of several in the order of
        training; by default those of training.
    Raises what `predict` raises, DataError for missing targets or targets of another kind than in training, and
    OptionError when neither call nor model names the target, when there are more or fewer than in training, or when one
    is a feature of the model.
    """
    model = _model_of(model)
    target = target or getattr(model, "target_name_", None)
    if target is None:
        raise OptionError("must be named, since the model does not know it", argument="target")
    targets = target_names(target)
    _require_as_many(model, targets)
    for target in targets:
        _require_no_feature(model, target)
    name, frame = frame_of(source, partial(_known_columns, model, targets=targets))
    with naming(name):
        require_columns(name, frame, targets)
        columns = [target_of(frame[target].to_native()) for target in targets]
        for target, y in zip(targets, columns, strict=True):
            require_known(name, target, y, TO_COMPARE)
            _require_like_training(model, target, y)
        y = columns[0] if len(columns) == 1 else np.stack(columns, axis=-1)
        return model.report(_features(model, frame.drop(*targets)), y)


def _features(model: Any, frame: nw.DataFrame[Any]) -> Table:
    """A frame as the table to predict from; without columns it is one that lacks those of training."""
    if not frame.columns:
        return Table([], [], named=model.encoder_.named_)
    return table_of(_words_blanked(model, frame).to_native())


def _require_as_many(model: Any, targets: list[str]) -> None:
    """A column of true values for each target, or nothing could be compared."""
    wanted = model._targets.n_columns
    if len(targets) != wanted:
        names = getattr(model, "target_name_", None)
        which = f", for {listed(names)}" if isinstance(names, list) else ""
        raise OptionError(
            f"must name {wanted} column{'s' * (wanted > 1)} of true values{which}", argument="target", value=targets
        )


def _require_no_feature(model: Any, target: str) -> None:
    """Taking a feature out of the table for the truth would leave the model without it."""
    if target in getattr(model, "feature_names_in_", ()):
        predicted = getattr(model, "target_name_", None)
        what = "another column" if predicted is None else " and ".join(map(repr, target_names(predicted)))
        raise OptionError(
            f"must hold the true values: the model predicts {what}, from {target!r} among others",
            argument="target",
            value=target,
        )


def _require_like_training(model: Any, target: str, y: np.ndarray) -> None:
    if not hasattr(model, "classes_"):
        if y.dtype.kind not in "iufb":
            raise DataError("holds text where numbers were in training", column=target, value=y[0])
    elif _is_multilabel(model):
        if y.dtype.kind not in "iufb" or not np.isin(y, (0, 1)).all():
            raise DataError("holds other values than 0 and 1, which were in training", column=target, value=y[0])
    elif not np.isin(y, model.classes_).any():
        raise DataError(
            f"holds none of the classes of training, which are {listed(model.classes_.tolist())}",
            column=target,
            value=y[0],
        )
