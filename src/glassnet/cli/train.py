"""`glassnet train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassnet.cli.options import JsonFlag, QuietFlag
from glassnet.errors import OptionError
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.optimisers import OPTIMISERS
from glassnet.maths.schedules import SCHEDULES

if TYPE_CHECKING:
    from glassnet.workflow import Prepared, TrainingResult

__all__ = ["TRAIN_EXAMPLES", "train"]

TRAIN_EXAMPLES = """
Examples
  glassnet train cars.csv --target price
  # leave out two columns, choose where the model goes
  glassnet train cars.csv --target price --drop id --drop seller --out v2.glassnet
  # a postcode is no number
  glassnet train cars.csv --target price --column postcode=category
  # grades from 3 to 9 as numbers instead of classes, with a wider network
  glassnet train wine.parquet --target quality --task regression --hidden 256,128
  # two columns at once
  glassnet train houses.csv --target heating --target cooling
  # quantiles instead of the mean
  glassnet train cars.csv --target price --quantiles 0.1,0.5,0.9
  # tomorrow from the days before; patients that come several times
  glassnet train sales.csv --target sold --time-order
  glassnet train visits.csv --target ill --group patient --class-weight balanced
  # what was trained is kept, and the same command goes on from it
  glassnet train cars.csv --target price --checkpoint cars.ckpt --resume
  # from a pipe, ten minutes at most, the result as JSON
  zcat big.csv.gz | glassnet train - --target clicked --time-limit 600 --json
"""

MANY_NUMBERS = 100  # different whole numbers that nobody means as classes
NETWORK, TRAINING, OUTPUT = "The network", "The training", "Output"


def _option(panel: str, help_text: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, **more)


def train(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The table, or - for standard input.", show_default=False)
    ],
    target: Annotated[
        list[str],
        typer.Option(metavar="COLUMN", help="The column to predict; repeat for several at once.", show_default=False),
    ],
    task: Annotated[
        str, typer.Option(metavar="TASK", help="auto, classification or regression; auto goes by the target.")
    ] = "auto",
    drop: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Leave out this column; repeat for more.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=KIND", help="A column is number, category, date or duration; repeat for more."),
    ] = None,
    test_fraction: Annotated[
        float, typer.Option(metavar="NUMBER", help="Share of the rows held out for the report; 0 for none.")
    ] = 0.25,
    time_order: Annotated[
        bool,
        typer.Option(
            "--time-order", metavar="", help="Rows stand in the order of time: the last are held out, and validate."
        ),
    ] = False,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows alike in this column, no input, are held out together.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="The same seed gives the same model.")] = 0,
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="default, fast, best (slower), or plain: one network.")
    ] = "default",
    hidden: Annotated[
        str, _option(NETWORK, "Widths of the hidden layers, such as 64,32; none for a linear model.", metavar="WIDTHS")
    ] = "auto",
    activation: Annotated[str, _option(NETWORK, f"{', '.join(ACTIVATIONS)}.", metavar="NAME")] = "auto",
    members: Annotated[str, _option(NETWORK, "Networks of an ensemble; 1 for one network.", metavar="NUMBER")] = "auto",
    dropout: Annotated[str, _option(NETWORK, "Chance to drop a hidden unit in a step.", metavar="NUMBER")] = "auto",
    input_scaling: Annotated[
        str,
        _option(NETWORK, "Of numbers: standard, minmax, robust, smooth_clip, quantile or none.", metavar="NAME"),
    ] = "auto",
    loss: Annotated[
        str, _option(TRAINING, "Of numbers: squared_error, absolute_error, huber or poisson (counts).", metavar="NAME")
    ] = "auto",
    quantiles: Annotated[
        str | None, _option(TRAINING, "Predict these, such as 0.1,0.5,0.9, not the mean.", metavar="NUMBERS")
    ] = None,
    class_weight: Annotated[
        str | None, _option(TRAINING, "balanced: rare classes count as much as frequent ones.", metavar="NAME")
    ] = None,
    epochs: Annotated[str, _option(TRAINING, "Most passes over the rows.", metavar="NUMBER")] = "auto",
    learning_rate: Annotated[str, _option(TRAINING, "Of the first steps.", metavar="NUMBER")] = "auto",
    batch_size: Annotated[str, _option(TRAINING, "Rows a step, or full.", metavar="NUMBER")] = "auto",
    weight_decay: Annotated[str, _option(TRAINING, "Pulls weights towards 0.", metavar="NUMBER")] = "auto",
    clip_norm: Annotated[float | None, _option(TRAINING, "Longest gradient.", metavar="NUMBER")] = None,
    l2: Annotated[float, _option(TRAINING, "Penalty on squared weights.", metavar="NUMBER")] = 0.0,
    l1: Annotated[float, _option(TRAINING, "Penalty on absolute weights.", metavar="NUMBER")] = 0.0,
    optimizer: Annotated[str, _option(TRAINING, f"{', '.join(OPTIMISERS)} or lbfgs.", metavar="NAME")] = "auto",
    schedule: Annotated[
        str, _option(TRAINING, f"Of the learning rate: {', '.join(SCHEDULES)}.", metavar="NAME")
    ] = "auto",
    patience: Annotated[str, _option(TRAINING, "Epochs without progress before stopping.", metavar="NUMBER")] = "auto",
    validation_fraction: Annotated[
        str, _option(TRAINING, "Share of the training rows to watch for stopping early.", metavar="NUMBER")
    ] = "auto",
    scoring: Annotated[
        str, _option(TRAINING, "Picks the best epoch: a scorer of scikit-learn such as accuracy.", metavar="NAME")
    ] = "auto",
    refit: Annotated[
        str, _option(TRAINING, "Networks to train anew on all rows, which then predict; 0 for none.", metavar="NUMBER")
    ] = "auto",
    calibration: Annotated[
        str, _option(TRAINING, "temperature: make probabilities fit the validation rows.", metavar="NAME")
    ] = "none",
    time_limit: Annotated[float | None, _option(TRAINING, "Stop after so long.", metavar="SECONDS")] = None,
    retries: Annotated[
        int, _option(TRAINING, "Times to begin again, at a tenth of the rate, if training diverges.", metavar="NUMBER")
    ] = 0,
    checkpoint: Annotated[
        str | None, _option(TRAINING, "Keep what was trained in this file, to go on from.", metavar="PATH")
    ] = None,
    checkpoint_every: Annotated[
        float | None,
        _option(TRAINING, "Time between two writes of it; the last is at the end. \\[default: 60]", metavar="SECONDS"),
    ] = None,
    resume: Annotated[
        bool, _option(TRAINING, "Go on from the checkpoint, if it is there.", "--resume", metavar="")
    ] = False,
    engine: Annotated[
        str, _option(TRAINING, "compiled, reference (NumPy) or auto: compiled where that pays.", metavar="NAME")
    ] = "auto",
    n_jobs: Annotated[
        int | None, _option(TRAINING, "Threads of the compiled engine; -1 for all processors.", metavar="NUMBER")
    ] = None,
    out: Annotated[
        str | None,
        _option(
            OUTPUT, "The model file; one that exists is replaced. \\[default: FILE's name.glassnet]", metavar="PATH"
        ),
    ] = None,
    pictures: Annotated[
        str | None, _option(OUTPUT, "Folder for pictures. \\[default: the model's name-pictures]", metavar="FOLDER")
    ] = None,
    no_pictures: Annotated[bool, _option(OUTPUT, "Draw no pictures.", "--no-pictures", metavar="")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train a network on a table, report on held-out rows, save the model and pictures.

    Columns are taken as they are: numbers, texts, dates, missing cells.
    Missing in CSV are empty cells and NA, N/A, #N/A, NaN, null, ? (in any
    case of letters); among numbers or dates also None, - and . alone.
    Ctrl-C stops early and keeps the best weights; with --checkpoint the same
    command with --resume goes on from there, to the same model.
    """
    from glassnet.workflow import (
        check_options,
        fit,
        pictures_of,
        prepare,
        require_checkpoint,
        require_outputs,
        stem_of,
    )

    _check_flags(out, pictures, no_pictures)
    out = out or f"{stem_of(file)}.glassnet"
    folder = None if no_pictures else pictures or pictures_of(out, file)
    require_outputs(file, out, folder)
    options = _options_of(
        hidden_layer_sizes=_widths(hidden),
        activation=activation,
        preset=None if preset == "default" else preset,
        members=_number("--members", members, whole=True),
        dropout=_number("--dropout", dropout),
        max_epochs=_number("--epochs", epochs, whole=True),
        learning_rate=_number("--learning-rate", learning_rate),
        batch_size=batch_size if batch_size == "full" else _number("--batch-size", batch_size, whole=True),
        weight_decay=_number("--weight-decay", weight_decay),
        clip_norm=clip_norm,
        optimizer=optimizer,
        time_limit=time_limit,
        retries=retries or None,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        loss=loss,
        quantiles=None if quantiles is None else _quantiles(quantiles),
        class_weight=class_weight,
        scoring=scoring,
        refit=_number("--refit", refit, whole=True),
        calibration=calibration,
        columns=_columns(column or []),
        input_scaling=input_scaling,
        l2=l2,
        l1=l1,
        schedule=schedule,
        patience=_number("--patience", patience, whole=True),
        validation_fraction=_number("--validation-fraction", validation_fraction),
        engine=engine,
        n_jobs=n_jobs,
    )
    require_checkpoint(options, out, file, resume=resume)
    check_options({**options, "random_state": seed}, task)
    prepared = prepare(
        file,
        target,
        task=task,
        test_fraction=test_fraction,
        random_state=seed,
        drop=tuple(drop or ()),
        time_order=time_order,
        group=group,
    )
    if not (as_json or quiet):
        _show_table(prepared, options, seed)
    result = fit(
        prepared,
        out=out,
        pictures=folder,
        random_state=seed,
        resume=resume,
        verbose=not quiet,
        **options,
    )
    if as_json:
        _print_result(result)
    elif not quiet:
        _show_result(result)


# --- reading the flags ---


def _check_flags(out: str | None, pictures: str | None, no_pictures: bool) -> None:
    if out == "-":
        raise OptionError("must be a file: a model is not written to standard output", argument="out", value=out)
    if pictures is not None and no_pictures:
        raise OptionError("cannot be combined with --no-pictures", argument="pictures")


def _options_of(**options: Any) -> dict[str, Any]:
    """Those that were given: the defaults are the estimators' own."""
    return {name: value for name, value in options.items() if value is not None and value != "auto"}


def _widths(text: str) -> Any:
    """ "64,32" -> (64, 32); "none" -> ()."""
    if text in ("auto", "none"):
        return () if text == "none" else text
    widths = [part.strip() for part in text.split(",")]
    if not all(width.isdecimal() and int(width) > 0 for width in widths):
        rule = "must be whole numbers of at least 1 with commas between them, auto or none"
        raise OptionError(rule, argument="hidden", value=text, remedy="Such as 64,32.")
    return tuple(map(int, widths))


def _quantiles(text: str) -> tuple[float, ...]:
    """ "0.1,0.9" -> (0.1, 0.9)."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        rule = "must be numbers with commas between them"
        raise OptionError(rule, argument="quantiles", value=text, remedy="Such as 0.1,0.5,0.9.") from None


def _columns(given: list[str]) -> dict[str, str] | None:
    """["zip=category"] -> {"zip": "category"}; a name may hold "=" itself."""
    for text in given:
        if "=" not in text:
            raise OptionError("must be NAME=KIND", argument="column", value=text, remedy="Such as zip=category.")
    pairs = [text.rpartition("=") for text in given]
    return {name: kind for name, _, kind in pairs} or None


def _number(flag: str, text: str, *, whole: bool = False) -> Any:
    """The number a flag holds, or "auto"."""
    if text == "auto":
        return text
    try:
        return int(text) if whole else float(text)
    except ValueError:
        rule = f"must be {'a whole number' if whole else 'a number'} or auto"
        raise OptionError(rule, argument=flag.removeprefix("--"), value=text) from None


# --- showing ---


def _show_table(prepared: Prepared, options: dict[str, Any], seed: int) -> None:
    """What was read, what it is taken for, and how it was split."""
    from glassnet.cli.show import console, escape
    from glassnet.workflow import validation_plan

    n_columns = len(prepared.table.columns)
    kinds = ", ".join(f"{n} {kind if n > 1 else kind[:-1]}" for kind, n in prepared.kinds.items())
    cells = "cell" if prepared.missing_cells == 1 else "cells"
    missing = f", {prepared.missing_cells:,} {cells} missing" if prepared.missing_cells else ""
    out = console()
    out.print(
        f"[bold]{escape(prepared.name)}[/bold]: {len(prepared.y):,} rows, {n_columns} column{'s' * (n_columns > 1)} "
        f"to predict from ({kinds}{missing})"
    )
    out.print(f"[bold]{escape(prepared.task_reason)}[/bold]{_other_task(prepared)}")
    n_validation, folds = validation_plan(prepared, options, seed)
    validated = f"{n_validation:,} to validate, " if n_validation else ""
    if folds > 1:
        validated = f"in {folds} folds that validate each other, "
    n_train = len(prepared.training) - n_validation
    out.print(f"{n_train:,} rows to train on, {validated}{len(prepared.test):,} held out{_how_split(prepared)}")
    out.file.flush()  # before the progress on standard error


def _how_split(prepared: Prepared) -> str:
    if prepared.time_order:
        return ", in the order of time"
    return "" if prepared.groups is None else f", {prepared.groups.max() + 1:,} groups kept together"


def _other_task(prepared: Prepared) -> str:
    """Whole numbers can be meant as either, unless there are two or very many of them."""
    if prepared.y.ndim > 1:
        return ""
    unclear = "whole numbers" in prepared.task_reason and 2 < len(set(prepared.y.tolist())) <= MANY_NUMBERS
    if not unclear or "as asked" in prepared.task_reason:
        return ""
    other = "classification" if prepared.task == "regression" else "regression"
    return f" [dim](or else: --task {other})[/dim]"


def _print_result(result: TrainingResult) -> None:
    from glassnet.cli.show import print_json

    print_json(result.to_dict())


def _show_result(result: TrainingResult) -> None:
    """Scores, files, and what to do next."""
    from glassnet.cli.show import console, escape, print_report, size_of

    out = console()
    out.print()
    if result.report is None:
        out.print("No row was held out, so there is no report.")
    else:
        print_report(result.report, "Held-out report")
    out.print()
    assert result.model_file is not None
    size = size_of(result.model_file.stat().st_size)
    out.print(f"wrote [bold]{escape(str(result.model_file))}[/bold] ({size})")
    if result.pictures:
        names = ", ".join(path.name for path in result.pictures)
        out.print(f"wrote [bold]{escape(str(result.pictures[0].parent))}/[/bold] {escape(names)}")
    out.print(f"next: glassnet predict {escape(str(result.model_file))} new.csv")
