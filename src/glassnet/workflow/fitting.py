"""Train on a prepared table, measure on the held-out rows, save model and pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import OptionError, nearest, require_choice
from glassnet.estimators import GlassNetClassifier, GlassNetRegressor
from glassnet.estimators.base import loss_from
from glassnet.estimators.holdout import LAST
from glassnet.estimators.regressor import LOSSES_OF_NUMBERS
from glassnet.estimators.report import Report
from glassnet.estimators.settings import build_layers, build_optimiser, build_options, resolve_settings
from glassnet.maths.losses import LOSSES
from glassnet.maths.random import seed_of
from glassnet.training.validation import split_groups, split_last, split_rows
from glassnet.workflow.places import pictures_of, require_checkpoint, require_outputs
from glassnet.workflow.preparing import Prepared, prepare
from glassnet.workflow.source import naming
from glassnet.workflow.task import CLASSES

__all__ = ["TrainingResult", "check_options", "fit", "train", "validation_plan"]

NOMINAL_ROWS = 1000  # to check options with, before the rows are known

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class TrainingResult:
    """What `train` came to; `str` gives a summary, `to_dict` plain data.

    model : the fitted estimator.   report : its scores on the held-out rows, None when none were held out.
    task : "binary", "multiclass", "multilabel" or "regression", `task_reason` why.   target : name of the target, or a
        list of several.
    n_train, n_validation, n_test : rows trained on, validated on (for early stopping) and held out for the report. In
        folds all rows are trained on.
    seconds : of training.
    model_file, pictures : what was written.
    """

    model: Any
    report: Report | None
    task: str
    task_reason: str
    target: str | list[str]
    n_train: int
    n_test: int
    seconds: float
    n_validation: int = 0
    model_file: Path | None = None
    pictures: tuple[Path, ...] = ()

    @property
    def n_folds(self) -> int:
        """Parts of the training rows that validated each other; 1 where some were held out, or none."""
        return self.model.settings_["folds"]

    @property
    def files(self) -> list[Path]:
        """Every file that was written, the model first."""
        return [*([] if self.model_file is None else [self.model_file]), *self.pictures]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "task": self.task,
            "task_reason": self.task_reason,
            "target": self.target,
            "rows": {"training": self.n_train, "validation": self.n_validation, "held_out": self.n_test},
            "folds": self.n_folds,
            "epochs": len(self.model.history_),
            "best_epoch": self.model.best_epoch_,
            "stop_reason": self.model.stop_reason_,
            "seconds": self.seconds,
            "report": None if self.report is None else self.report.to_dict(),
            "model": None if self.model_file is None else str(self.model_file),
            "pictures": [str(path) for path in self.pictures],
        }

    def __str__(self) -> str:
        """Task, training, held-out scores and files, a line or a table each."""
        epochs = len(self.model.history_)
        validated = f" and validated on {self.n_validation:,}" if self.n_validation else ""
        if self.n_folds > 1:
            validated = f", which validate each other in {self.n_folds} folds,"
        lines = [
            self.task_reason,
            f"trained on {self.n_train:,} rows{validated} in {self.seconds:.1f} s: {epochs} epochs "
            f"({self.model.stop_reason_}), weights of epoch {self.model.best_epoch_}",
            "no rows were held out" if self.report is None else f"held out: {self.report}",
        ]
        return "\n".join(lines + [f"wrote {path}" for path in self.files])


def train(
    source: Any,
    target: str | Sequence[str],
    *,
    task: str = "auto",
    test_fraction: float = 0.25,
    random_state: Any = 0,
    drop: Sequence[str] = (),
    time_order: bool = False,
    group: str | None = None,
    out: PathLike | None = None,
    pictures: PathLike | bool | None = None,
    resume: bool = False,
    **options: Any,
) -> TrainingResult:
    """Train a network on a table, measure it on rows it has not seen, and save it where asked.

    source : path of a table (CSV, Parquet, Arrow, JSON lines), "-" for standard input, or a data frame.
    target : name of the column to predict, or a list of several: numbers, or labels of 0 and 1.
    task : "classification", "regression", or "auto": decided from the target, see `infer_task`, `infer_several`.
    test_fraction : of the rows, held out for the report, of each class alike; 0 trains on all rows, without a report.
    random_state : of the split and of training; the same number gives the same model.
    drop : names of columns to leave out.
    time_order : whether rows stand in the order of time. The last ones are then held out for the report, and the last
        ones of the others validate, instead of some at random.
    group : name of a column that says which rows belong together. They are held out together, train together or
        validate together; the column itself is left out.
    out : file to save the model to; one that exists is replaced.
    pictures : folder for pictures of the loss, the network and the held-out predictions; True names it after the
        model file, or else after the source: "cars-pictures".
    resume : whether to go on from the file `checkpoint` names among the options, where it exists: the model is then the
        same, to the last bit, as if training had never stopped. Table and options must be those of then.
    options : arguments of `GlassNetClassifier` and `GlassNetRegressor`, such as max_epochs=50, verbose=True.

    Raises DataError, ColumnError, OptionError, TrainingDiverged or, for a checkpoint, ModelFileError, see
    `glassnet.errors`; nothing but the checkpoint is written then.
    """
    check_options({**options, "random_state": random_state}, task)
    require_outputs(source, out, None if isinstance(pictures, bool) else pictures)
    require_checkpoint(options, out, source, resume=resume)
    prepared = prepare(
        source,
        target,
        task=task,
        test_fraction=test_fraction,
        random_state=random_state,
        drop=drop,
        time_order=time_order,
        group=group,
    )
    return fit(prepared, out=out, pictures=pictures, random_state=random_state, resume=resume, **options)


def check_options(options: dict[str, Any], task: str = "auto") -> None:
    """Raise OptionError for a name that is no argument of the estimators, or a value that it cannot have."""
    names = GlassNetClassifier._get_param_names()
    for option in options:
        if option not in names:
            guess = nearest(option, names)
            remedy = f"Did you mean {guess!r}?" if guess else f"There are {', '.join(names)}."
            raise OptionError("is no option of training", argument=option, remedy=remedy)
    kind = GlassNetRegressor if task == "regression" else GlassNetClassifier
    settings = resolve_settings(kind(**options).get_params(deep=False), NOMINAL_ROWS)
    if isinstance(settings["random_state"], int):
        seed_of(settings["random_state"])
    build_layers(settings, 1)
    build_optimiser(settings)
    build_options(settings, 0, {}, settings["callbacks"])
    if isinstance(settings["loss"], str):
        require_choice("loss", settings["loss"], ["auto", *LOSSES])
    if settings["quantiles"] is not None:
        loss_from(settings, "quantile")


def validation_plan(prepared: Prepared, options: dict[str, Any], random_state: Any = 0) -> tuple[int, int]:
    """How many of the training rows `fit` will hold out to validate on, and in how many folds all of them will, or 1.

    The former is 0 where there are folds, or where training does not stop early.
    """
    n_rows, is_regression = len(prepared.training), prepared.task == "regression"
    kind = GlassNetRegressor if is_regression else GlassNetClassifier
    named = prepared.time_order or prepared.groups is not None
    settings = resolve_settings(
        kind(**options).get_params(deep=False),
        n_rows,
        named,
        n_columns=len(prepared.table.names),
        regression=is_regression,
    )
    if settings["folds"] > 1:
        return 0, settings["folds"]
    return _held_out(prepared, settings, random_state), 1


def _held_out(prepared: Prepared, settings: dict[str, Any], random_state: Any) -> int:
    n_rows = len(prepared.training)
    if not settings["early_stopping"]:
        return 0
    fraction = settings["validation_fraction"]
    if prepared.time_order:
        return len(split_last(n_rows, fraction)[1])
    if prepared.groups is not None:
        groups = np.unique(prepared.groups[prepared.training], return_inverse=True)[1]
        return len(split_groups(groups, fraction, seed_of(random_state))[1])
    return len(split_rows(n_rows, fraction, 0, prepared.classes(prepared.training))[1])


def fit(
    prepared: Prepared,
    *,
    out: PathLike | None = None,
    pictures: PathLike | bool | None = None,
    random_state: Any = 0,
    resume: bool = False,
    **options: Any,
) -> TrainingResult:
    """Train on a prepared table, measure, save; see `train` for the arguments and what is raised."""
    folder = pictures_of(out, prepared.name) if pictures is True else pictures or None
    require_outputs(prepared.name, out, folder)
    goes_on = require_checkpoint(options, out, prepared.name, resume=resume)
    kind = GlassNetRegressor if prepared.task == "regression" else GlassNetClassifier
    _require_suited(prepared, options)
    model = kind(random_state=random_state, **options)
    n_validation, folds = validation_plan(prepared, options, random_state)
    chosen: dict[str, Any] = {"resume": options["checkpoint"]} if goes_on else {}
    if n_validation and prepared.time_order:
        chosen["validation"] = LAST
    elif (n_validation or folds > 1) and prepared.groups is not None:
        chosen["groups"] = prepared.groups[prepared.training]
    started = time.perf_counter()
    with naming(prepared.name):
        model.fit(*prepared.rows(prepared.training), **chosen)
    seconds = time.perf_counter() - started
    model.target_name_ = prepared.target
    report = model.report(*prepared.rows(prepared.test)) if len(prepared.test) else None
    if out is not None:
        model.save(Path(out))
    return TrainingResult(
        model,
        report,
        prepared.task,
        prepared.task_reason,
        prepared.target,
        len(prepared.training) - n_validation,
        len(prepared.test),
        seconds,
        n_validation,
        None if out is None else Path(out),
        () if folder is None else _draw(model, prepared, Path(folder)),
    )


def _require_suited(prepared: Prepared, options: dict[str, Any]) -> None:
    """Raise OptionError for an option of classes where the target is numbers, and the other way round."""
    is_numbers = prepared.task == "regression"
    for argument, wants_numbers in (
        ("quantiles", True),
        ("loss", True),
        ("class_weight", False),
        ("calibration", False),
    ):
        value = options.get(argument)
        if argument == "loss" and value not in LOSSES_OF_NUMBERS:
            continue
        if value not in (None, "none") and wants_numbers != is_numbers:
            wanted, other = ("numbers", "regression") if wants_numbers else ("classes", "classification")
            raise OptionError(
                f"is for {wanted}, and {prepared.task_reason}",
                argument=argument,
                value=value,
                remedy=f"Leave it out, or use task {other}.",
            )


def _draw(model: Any, prepared: Prepared, folder: Path) -> tuple[Path, ...]:
    """Write the pictures that the task has; without held-out rows those of the training alone."""
    from glassnet.views import save_picture

    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"loss": model.plot_loss, "network": model.plot_network}
    X, y = prepared.rows(prepared.test if len(prepared.test) else prepared.training)
    if len(prepared.test):
        if prepared.task == "regression" and isinstance(prepared.target, str):
            pictures["predictions"] = lambda: model.plot_predictions(X, y)
        elif prepared.task == "regression":
            for k in range(len(prepared.target)):
                pictures[f"predictions-{k + 1}"] = partial(model.plot_predictions, X, y, target=k)
        elif prepared.task in CLASSES:
            pictures["confusion"] = lambda: model.plot_confusion(X, y)
    if prepared.task in CLASSES and prepared.kinds == {"numbers": 2}:
        pictures["regions"] = lambda: model.plot_regions(X, y)
    return tuple(Path(save_picture(draw(), folder / f"{name}.png")) for name, draw in pictures.items())
