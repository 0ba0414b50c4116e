"""Targets: what the user hands over as y, what the network trains on, and the way back.

Each class is fitted on y, holds plain data, and says which loss and how many output nodes the task needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NoReturn

import numpy as np

from glassnet.errors import DataError, ModelFileError, OneHotWarning, warn
from glassnet.files.fields import Fields
from glassnet.maths.losses import Loss, Quantile, one_hot
from glassnet.tables.families import is_missing
from glassnet.tables.frames import listed, target_of

__all__ = [
    "ClassTargets",
    "MultilabelTargets",
    "NumberTargets",
    "class_targets",
    "given_classes",
    "label_from",
    "numbers",
    "plain_label",
    "require_as_many",
]


LABEL_TYPE = re.compile(r"[<>|=]?([biuf](1|2|4|8|16)|O[48]?|[US][0-9]{1,8})")  # as NumPy spells the types of labels
MOST_LABEL_BYTES = 2**25  # that the labels of a file may take: one of text has room for the longest in each
TINY = -100  # exponents of 2 below which numbers are enlarged, or their squares would vanish


def class_targets(y: Any) -> ClassTargets | MultilabelTargets:
    """Fit the targets of a classifier: labels (n,), or a matrix of 0 and 1 for several labels a row.

    Raises DataError for missing targets, one class only, or numbers that are no classes.
    """
    y = _checked(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return MultilabelTargets.fit(y)
    if y.ndim == 2:
        from sklearn.exceptions import DataConversionWarning

        warn(
            DataConversionWarning("A column-vector y was passed when a 1d array was expected; it is taken as y[:, 0].")
        )
    return ClassTargets.fit(y.reshape(-1))


def given_classes(classes: Any) -> ClassTargets:
    """The targets of classes that are known beforehand, whether or not rows have them; see `ClassTargets`."""
    try:
        return ClassTargets.fit(_checked(classes, "classes").reshape(-1))
    except DataError as error:
        raise DataError(error.rule, argument="classes", value=error.value, remedy=error.remedy) from None


@dataclass(frozen=True)
class ClassTargets:
    """Classes that exclude each other. classes : (K,) sorted labels; the network sees their positions."""

    classes: np.ndarray
    kind = "classes"

    @classmethod
    def fit(cls, y: np.ndarray) -> ClassTargets:
        """Find the classes. Raises DataError for what is no label, or none that a model file can hold."""
        _require_labels(y)
        if y.dtype.kind == "f" and not np.all(y == np.floor(y)):
            raise DataError(
                "must hold classes, not continuous numbers",
                argument="y",
                value=float(y[y != np.floor(y)][0]),
                remedy="For a number to predict: GlassNetRegressor.",
            )
        try:
            classes = np.unique(y)
        except TypeError:
            kinds = sorted({type(value).__name__ for value in y.tolist()})
            raise DataError(
                "must hold labels of one kind", argument="y", value=kinds, remedy="Make them all text: y.astype(str)."
            ) from None
        if len(classes) < 2:
            raise DataError(
                "must hold at least 2 classes; there is one class only",
                argument="y",
                value=classes[:1].tolist(),
                remedy="A classifier needs rows of each class it is to tell apart.",
            )
        return cls(classes)

    @property
    def default_loss(self) -> str:
        """Two classes need one output node, more need a node each."""
        return "binary_cross_entropy" if len(self.classes) == 2 else "cross_entropy"

    @property
    def n_columns(self) -> int:
        """Columns of y."""
        return 1

    def n_outputs(self, loss: Loss) -> int:
        """Output nodes under that loss: one for two classes and binary cross-entropy, else a node for each class."""
        return 1 if loss.name == "binary_cross_entropy" else len(self.classes)

    def encode(self, y: Any, loss: Loss | None = None) -> np.ndarray:
        """Positions (n,) of the labels among the classes; one-hot T (n, K) for a loss of the user's own.

        Raises DataError for a label that is none of the classes.
        """
        y = _checked(y).reshape(-1)
        unknown = ~np.isin(y, self.classes)
        if unknown.any():
            raise DataError(
                f"must hold the classes of training, {listed(self.classes.tolist())}",
                argument="y",
                row=int(np.argmax(unknown)) + 1,
                value=y[np.argmax(unknown)].item() if y.dtype.kind != "O" else y[np.argmax(unknown)],
            )
        labels = np.searchsorted(self.classes, y)
        return one_hot(labels, len(self.classes)) if loss is not None and loss.custom else labels

    def probabilities(self, Y: np.ndarray) -> np.ndarray:
        """(n, K) float64 from the network's outputs; rows have sum 1."""
        Y = Y.astype(np.float64)
        return np.hstack([1.0 - Y, Y]) if Y.shape[1] == 1 else Y / Y.sum(axis=1, keepdims=True)

    def decode(self, Y: np.ndarray) -> np.ndarray:
        """The most probable label of each row; the first of equals."""
        return self.classes[self.probabilities(Y).argmax(axis=1)]

    def right(self, y: Any, predicted: np.ndarray) -> np.ndarray:
        """Which rows have the label predicted for them, (n,); a label that training did not know never has."""
        y = _checked(y)
        if y.size != len(y):
            raise DataError("must be labels (n,)", argument="y", value=y.shape)
        require_as_many(y, predicted)
        return np.asarray(y.reshape(-1) == predicted)

    def data(self) -> dict[str, Any]:
        """Plain data."""
        classes = [plain_label(label) for label in self.classes.tolist()]
        return {"kind": self.kind, "classes": classes, "dtype": self.classes.dtype.str}


@dataclass(frozen=True)
class MultilabelTargets:
    """Several labels, of which any number can be true for a row. n_labels : columns of the matrix of 0 and 1."""

    n_labels: int
    kind = "multilabel"

    @classmethod
    def fit(cls, y: np.ndarray) -> MultilabelTargets:
        """Check the matrix, and warn when it looks like a one-hot encoding of classes."""
        targets = cls(y.shape[1])
        T = targets.encode(y)
        if np.all(T.sum(axis=1) == 1):
            text = (
                "y is a matrix of 0 and 1 whose rows all sum to one: a multilabel model is trained, with a yes or no "
                "for each column. If the columns are classes that exclude each other, pass T.argmax(axis=1) as y."
            )
            warn(OneHotWarning(text))
        return targets

    @property
    def classes(self) -> np.ndarray:
        """The labels' positions."""
        return np.arange(self.n_labels)

    @property
    def default_loss(self) -> str:
        """A yes or no for each label."""
        return "multilabel"

    @property
    def n_columns(self) -> int:
        """Columns of y."""
        return self.n_labels

    def n_outputs(self, loss: Loss) -> int:
        """A node for each label."""
        return self.n_labels

    def encode(self, y: Any, loss: Loss | None = None) -> np.ndarray:
        """The matrix (n, L) of 0 and 1. Raises DataError for other values or another number of columns."""
        y = _checked(y)
        if y.ndim != 2 or y.shape[1] != self.n_labels:
            raise DataError(f"must have {self.n_labels} columns, one for each label", argument="y", value=y.shape)
        if y.dtype.kind not in "iufb" or not np.isin(y, (0, 1)).all():
            raise DataError(
                "must be labels (n,), or a matrix of 0 and 1 with a column for each label", argument="y", value=y.shape
            )
        return y.astype(np.int64)

    def probabilities(self, Y: np.ndarray) -> np.ndarray:
        """(n, L) float64, of each label on its own."""
        return Y.astype(np.float64)

    def decode(self, Y: np.ndarray) -> np.ndarray:
        """1 where a label is more probable than not."""
        return (Y > 0.5).astype(np.int64)

    def right(self, y: Any, predicted: np.ndarray) -> np.ndarray:
        """Which rows have all labels predicted as they are, (n,)."""
        T = self.encode(y)
        require_as_many(T, predicted)
        return np.asarray((predicted == T).all(axis=1))

    def data(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "n_labels": self.n_labels}


@dataclass(frozen=True)
class NumberTargets:
    """Numbers, scaled for training: T = (y - centre) / scale for each column.

    flat : whether y had one dimension, so that predictions have one too.
    """

    centre: np.ndarray
    scale: np.ndarray
    flat: bool
    kind = "numbers"
    default_loss: str = field(default="squared_error", init=False)

    @classmethod
    def fit(cls, y: Any, scaling: str) -> NumberTargets:
        """Find centre and scale: "standard" mean and standard deviation, "minmax" to [-1, 1], "robust" median and
        quartiles, "none". A column that does not vary gets scale 1."""
        flat = _checked(y).ndim == 1
        Y = numbers(y)
        exponent = np.frexp(abs(Y).max(axis=0))[1]
        exponent = np.where(exponent < TINY, exponent, 0)
        Y = np.ldexp(Y, -exponent)  # exact
        with np.errstate(over="ignore", invalid="ignore"):
            centre, scale = {
                "none": lambda: (np.zeros(Y.shape[1]), np.ones(Y.shape[1])),
                "standard": lambda: (Y.mean(axis=0), Y.std(axis=0)),
                "minmax": lambda: ((Y.max(axis=0) + Y.min(axis=0)) / 2, (Y.max(axis=0) - Y.min(axis=0)) / 2),
                "robust": lambda: (np.median(Y, axis=0), np.subtract(*np.quantile(Y, [0.75, 0.25], axis=0))),
            }[scaling]()
        if not np.isfinite(centre).all() or not np.isfinite(scale).all():
            raise DataError("is too large to be scaled in float64", argument="y", value=float(np.abs(Y).max()))
        if scaling != "none":
            centre, scale = np.ldexp(centre, exponent), np.ldexp(scale, exponent)
        return cls(centre, np.where(scale > 0, scale, 1.0), flat)

    @property
    def n_columns(self) -> int:
        """Columns of y."""
        return len(self.centre)

    def n_outputs(self, loss: Loss) -> int:
        """A node for each column of y, or for each quantile of its one column."""
        if not isinstance(loss, Quantile):
            return len(self.centre)
        if len(self.centre) > 1:
            raise DataError('must have one column for loss="quantile"', argument="y", value=(len(self.centre),))
        return len(loss.quantiles)

    def encode(self, y: Any, loss: Loss | None = None) -> np.ndarray:
        """Scaled targets (n, K). Raises DataError for another number of columns."""
        return (self.unscaled_targets(y) - self.centre) / self.scale

    def unscaled_targets(self, y: Any) -> np.ndarray:
        """Targets (n, K) in their own units. Raises DataError for another number of columns than in training."""
        Y = numbers(y)
        if Y.shape[1] != len(self.centre):
            raise DataError(f"must have {len(self.centre)} columns, as in training", argument="y", value=Y.shape)
        return Y

    def rescaled(self, Y: np.ndarray) -> np.ndarray:
        """Outputs in the units of y, float64 (n, K), whatever float64 makes of them: the formula alone."""
        with np.errstate(over="ignore"):
            return Y.astype(np.float64) * self.scale + self.centre

    def unscaled(self, Y: np.ndarray) -> np.ndarray:
        """Outputs in the units of y, float64 (n, K). Raises DataError, naming the row, for what float64 cannot hold."""
        predicted = self.rescaled(Y)
        if not np.isfinite(predicted).all():
            row, column = np.argwhere(~np.isfinite(predicted))[0]
            raise DataError(
                f"has a prediction that float64 cannot hold: {Y[row, column]:g} in units of {self.scale[column]:g}",
                argument="X",
                row=int(row) + 1,
                remedy="Predict y in larger units, or its logarithm.",
            )
        return predicted

    def decode(self, Y: np.ndarray) -> np.ndarray:
        """Predictions in the units of y, float64: (n,) or (n, K) as y was."""
        return self.shaped(self.unscaled(Y))

    def shaped(self, Y: np.ndarray) -> np.ndarray:
        """Y (n, K) with as many dimensions as y had."""
        return Y[:, 0] if self.flat and Y.shape[1] == 1 else Y

    def data(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "centre": self.centre.tolist(), "scale": self.scale.tolist(), "flat": self.flat}


def _require_labels(y: np.ndarray) -> None:
    """Raise DataError, naming the row, for the first label of a type that a model file cannot hold."""
    if y.dtype.kind != "O":
        return
    plain = str | bytes | int | float | np.bool_ | np.integer | np.floating
    row, label = next(((i, v) for i, v in enumerate(y.tolist(), 1) if not isinstance(v, plain)), (0, None))
    if row:
        raise DataError(
            "must hold labels that are texts, bytes, whole numbers or truth values",
            argument="y",
            row=row,
            value=label,
            remedy=f"Make texts of them: [{'label.name' if isinstance(label, Enum) else 'str(label)'} for label in y].",
        )


def plain_label(label: Any) -> Any:
    """A label as JSON has it: bytes as a dict of their text, a character a byte."""
    return {"bytes": label.decode("latin-1")} if isinstance(label, bytes) else label


def label_from(data: Any) -> Any:
    """The label that `plain_label` wrote; ModelFileError for what is none."""
    if isinstance(data, dict):
        return Fields(data, "label").text("bytes").encode("latin-1")
    if not isinstance(data, str | int | float):
        raise ModelFileError("must be text, a number or a truth value", argument="label", value=data)
    return data


def numbers(y: Any) -> np.ndarray:
    """y as a matrix of float64. Raises DataError when it does not hold numbers."""
    y = _checked(y)
    if y.dtype.kind not in "iufb":
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(
                "must hold numbers",
                argument="y",
                value=_first_text(y),
                remedy="For classes to predict: GlassNetClassifier.",
            ) from None
    y = y.astype(np.float64)
    return y[:, None] if y.ndim == 1 else y


def targets_from(data: dict[str, Any]) -> ClassTargets | MultilabelTargets | NumberTargets:
    """Make targets again from their plain data; ModelFileError, naming the field, where it is none."""
    fields = Fields(data, "targets")
    kind = fields.choice("kind", ("classes", "multilabel", "numbers"))
    if kind == "classes":
        return ClassTargets(_classes_from(fields))
    if kind == "multilabel":
        return MultilabelTargets(fields.whole("n_labels", 2))
    centre, scale = fields.numbers("centre"), fields.numbers("scale", positive=True)
    if not centre or len(centre) != len(scale):
        rule = f"must hold a number for each of {len(centre)} targets"
        raise ModelFileError(rule, argument=fields.place_of("scale"), value=scale)
    return NumberTargets(np.array(centre), np.array(scale), fields.flag("flat"))


def _classes_from(fields: Fields) -> np.ndarray:
    """The labels as an array of their type, of which two or more are there, each once and in order."""
    labels = [label_from(label) for label in fields.sequence("classes")]
    dtype = fields.text("dtype")
    if not LABEL_TYPE.fullmatch(dtype) or np.dtype(dtype).itemsize * len(labels) > MOST_LABEL_BYTES:
        raise ModelFileError("must be a NumPy type of labels", argument=fields.place_of("dtype"), value=dtype)
    classes = np.array(labels, dtype=np.dtype(dtype))
    if classes.ndim != 1 or len(classes) < 2 or not np.all(classes[1:] > classes[:-1]):
        rule = "must be two labels or more, each once and in order"
        raise ModelFileError(rule, argument=fields.place_of("classes"), value=labels)
    return classes


def _checked(y: Any, argument: str = "y") -> np.ndarray:
    """y as an array of numbers, truth values or text, without missing or infinite values."""
    y = target_of(y, argument)
    if y.size == 0:
        raise DataError("must not be empty", argument="y", value=y.shape)
    if y.dtype.kind == "c":
        remedy = "Predict real and imaginary part, a column each."
        raise DataError("must be real: Complex data not supported", argument="y", value=y.dtype.name, remedy=remedy)
    if y.dtype.kind not in "biufUSO":
        raise DataError(
            "must hold numbers or labels",
            argument="y",
            value=y.dtype.name,
            remedy="Turn dates and durations into numbers, such as days, or into text.",
        )
    if y.dtype.kind == "f":
        bad = ~np.isfinite(y)
    elif y.dtype.kind == "O":
        bad = np.array([is_missing(value) for value in y.reshape(-1)], dtype=bool).reshape(y.shape)
    else:
        return y
    if bad.any():
        _refuse_gap(y, bad)
    return y


def require_as_many(y: np.ndarray, predicted: np.ndarray) -> None:
    """Raise DataError unless there is a target for each prediction."""
    if len(y) != len(predicted):
        raise DataError(f"must have as many rows as X, {len(predicted)}", argument="y", value=len(y))


def _refuse_gap(y: np.ndarray, bad: np.ndarray) -> NoReturn:
    """Raise DataError for the first missing or infinite value."""
    row = int(np.argwhere(bad)[0][0])
    first = y[row] if y.ndim == 1 else y[row][bad[row]][0]
    infinite = isinstance(first, float) and np.isinf(first)
    count = int(bad.reshape(len(y), -1).any(axis=1).sum())
    raise DataError(
        f"must not have {'infinite' if infinite else 'missing'} values, and has {count}, the first",
        argument="y",
        row=row + 1,
        value=first,
        remedy="Repair or drop those rows." if infinite else "Drop those rows: without a target they teach nothing.",
    )


def _first_text(y: np.ndarray) -> Any:
    """The first value that is no number."""
    for value in y.reshape(-1).tolist():
        try:
            float(value)
        except (TypeError, ValueError):
            return value
    return y.reshape(-1).tolist()[0]
