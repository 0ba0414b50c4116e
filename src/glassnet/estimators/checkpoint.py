"""The checkpoint of a fit: its trainings that are over, and the one under way, in one file.

A fit trains one network, or several one after the other: of folds, and on all rows. Each is a record in the file, with
the digest of its rows, its outcome when it is over, and a point to go on from while it is not. A point is kept as well
of a training that ended with its last planned epoch: with a higher `max_epochs` it goes on from there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import glassnet
from glassnet.errors import CheckpointWarning, DataError, ModelFileError, OptionError, warn
from glassnet.estimators.saving import plain_setting
from glassnet.files.checkpoint_format import read_checkpoint, reading_checkpoint, write_checkpoint
from glassnet.files.fields import Fields
from glassnet.files.model_format import CHECKPOINT, read_header
from glassnet.files.place import is_path, require_place
from glassnet.maths.schedules import Schedule
from glassnet.network import Network
from glassnet.training.backend import Backend, Rows
from glassnet.training.checkpoint import (
    Keeper,
    Point,
    outcome_data,
    outcome_from,
    point_data,
    point_from,
    require_fit,
)
from glassnet.training.fingerprint import digest_of, machine_of
from glassnet.training.options import TrainingOptions
from glassnet.training.watch import UNDER_WAY, Outcome

__all__ = ["FitCheckpoint", "Found", "open_checkpoint", "require_no_loss"]

PathLike = str | os.PathLike[str]

# What may change between the fit that wrote a checkpoint and the one that goes on from it.
FREE = (
    *("max_epochs", "n_jobs", "verbose", "callbacks", "time_limit", "checkpoint", "checkpoint_every"),
    *("engine", "warm_start"),  # the one that was chosen is compared; a warm start has no checkpoints
)


@dataclass(frozen=True)
class Record:
    """One training: digest of its rows, epochs planned (the last, and the schedule's), outcome, point to go on from."""

    rows: str
    planned: tuple[int, int]
    outcome: Outcome | None = None
    point: Point | None = None

    def parts(self) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, np.ndarray]]]]:
        """What there is of outcome and point, as plain data by name."""
        if self.outcome is not None:
            yield "outcome", outcome_data(self.outcome)
        if self.point is not None:
            yield "point", point_data(self.point)


@dataclass(frozen=True)
class Found:
    """What a checkpoint holds: the file, its header, and a record for each training."""

    path: PathLike
    header: dict[str, Any]
    records: list[Record]

    @property
    def seed(self) -> int:
        """The seed of the fit, whatever random_state it came from."""
        return self.header["settings"]["random_state"]


def open_checkpoint(path: PathLike, estimator: str) -> Found:
    """Read a checkpoint that an estimator of a kind is to go on from.

    Raises ModelFileError where there is no such file, it is no checkpoint, damaged, of another version of glassnet, or
    of another kind of estimator; OptionError where `path` is no path.
    """
    if not is_path(path):
        raise OptionError("must be the path of a checkpoint, or None", argument="resume", value=path)
    header, arrays = read_checkpoint(path)
    if header["written_by"] != glassnet.__version__:
        raise ModelFileError(
            f"was written by glassnet {header['written_by'][:40]}, and this is {glassnet.__version__}, which may train "
            "to other bits",
            file=path,
            remedy="Go on with the version that wrote it, or train from the start.",
        )
    with reading_checkpoint(path):
        kind = _checked_kind(Fields(header, "header"))
        records = [_record(entry, i, arrays) for i, entry in enumerate(header["trainings"])]
    if kind != estimator:
        raise ModelFileError(f"belongs to a {kind[:40]}, not to a {estimator}", file=path, remedy="Use that estimator.")
    return Found(path, header, records)


def _checked_kind(header: Fields) -> str:
    """The estimator's name, once all that is to be compared is known to be there and of its type."""
    settings = header.fields("settings")
    settings.whole("random_state", 0, 2**64 - 1)
    settings.whole("max_epochs", 1)
    header.choice("engine", ("compiled", "reference"))
    header.sequence("trainings")
    for facts in (header.fields("data"), header.fields("machine")):
        for name in facts.data:
            facts.text(name)
    return header.text("estimator")


def _record(entry: dict[str, Any], number: int, arrays: dict[str, np.ndarray]) -> Record:
    """A training's record again from its entry in the header and the arrays of all."""

    def own(name: str) -> dict[str, np.ndarray]:
        start = f"{number}.{name}."
        return {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}

    last, most = entry["planned"]
    try:
        outcome = outcome_from(entry["outcome"], own("outcome")) if "outcome" in entry else None
        point = point_from(entry["point"], own("point")) if "point" in entry else None
        return Record(str(entry["rows"]), (int(last), int(most)), outcome, point)
    except OverflowError as error:  # a whole number that no float holds, or the reverse
        raise ValueError(str(error)) from error


def require_no_loss(path: PathLike, going_on: PathLike | None = None) -> None:
    """Raise OptionError unless a checkpoint can be written to `path` without loss of what is there.

    going_on : the checkpoint that the fit goes on from. Any other one of a fit that is not over would be lost.
    """
    require_place(path, "checkpoint")
    place = Path(path)
    if not place.exists():
        return
    try:
        header = read_header(path)
    except ModelFileError:
        header = {}
    if header.get("format") != CHECKPOINT:
        raise OptionError(
            "is a file that is no checkpoint, or a damaged one, and would be lost",
            argument="checkpoint",
            value=str(path),
            remedy="Name another file, or remove it.",
        )
    if header.get("finished") is not True and (going_on is None or not place.samefile(going_on)):
        raise OptionError(
            "holds a training that is not over, which would be lost",
            argument="checkpoint",
            value=str(path),
            remedy=f"fit(X, y, resume={str(path)!r}) goes on from it; or name another file, or remove this one.",
        )


class FitCheckpoint(Keeper):
    """Keeps the points and outcomes of one fit in a file, and hands out those of the file that the fit goes on from.

    path : of the file to write, or None.   every : seconds between two writes.
    header : what the file says of the fit: estimator, settings, data.   found : what to go on from, or None.
    """

    def __init__(self, path: PathLike | None, every: float, header: dict[str, Any], found: Found | None) -> None:
        self.path, self.every, self.header, self.found = path, every, header, found
        self.written = False
        self._over: list[Record] = []
        self._now: Record | None = None
        self._due = time.monotonic() + every

    @classmethod
    def of(cls, fitting: Any, found: Found | None) -> FitCheckpoint:
        """The checkpoint of a fit that is about to train; see `Fitting`. Raises OptionError or DataError."""
        estimator, settings = fitting.estimator, fitting.settings
        path = settings["checkpoint"]
        if path is not None:
            require_no_loss(path, None if found is None else found.path)
        rows, (encoder, tables) = fitting.rows, fitting.encoder.to_data()
        encoded = [part for name in sorted(tables) for part in (name, tables[name])]
        header = {
            "written_by": glassnet.__version__,
            "estimator": type(estimator).__name__,
            "settings": {name: _plain(name, value) for name, value in settings.items() if name not in _UNSAID},
            "data": {
                "X": digest_of(rows.X, json.dumps(encoder), *encoded),
                "y": digest_of(
                    rows.T, json.dumps({**fitting.targets.data(), "dtype": None})
                ),  # a list would do as well
                "sample_weight": digest_of(rows.weights),
            },
        }
        if found is not None:
            _require_same_fit(found, header, estimator.get_params(deep=False), fitting.options.schedule)
        return cls(path, float(settings["checkpoint_every"]), header, found)

    # --- what a training tells ---

    def begin(
        self, rows: Rows, held: Rows | None, backend: Backend, options: TrainingOptions, engine: str
    ) -> Outcome | None:
        """A training begins: its outcome, where the file has it; else `point` says where to go on.

        Raises OptionError, DataError or ModelFileError where the file's training is another one.
        """
        number = len(self._over)
        if number == 0:
            self._require_same_machine(engine, backend)
        self._now = Record(digest_of(rows, held), (options.last_epoch, options.max_epochs))
        self.point = None
        if self.found is None or number >= len(self.found.records):
            return None
        record = self.found.records[number]
        _require_same_training(self.found, record, self._now)
        n_epochs = _epochs_of(record)
        if n_epochs > options.last_epoch:
            rule = f"must be at least {n_epochs}, the epochs behind the checkpoint {str(self.found.path)!r}"
            raise OptionError(rule, argument="max_epochs", value=options.max_epochs)
        with reading_checkpoint(self.found.path):
            if record.point is not None:
                require_fit(record.point, backend)
            if record.outcome is not None:
                _require_weights(record.outcome.params, backend.network)
        if record.outcome is not None and (record.point is None or record.planned == self._now.planned):
            self._over.append(record)
            self._now = None
            return record.outcome
        self.point = record.point
        return None

    def passed(self, point: Point) -> None:
        """Keep the point, and write it down if it is time."""
        self.point = point
        if time.monotonic() >= self._due:
            self.write()

    def end(self, outcome: Outcome) -> None:
        """A training is over, or cut short."""
        assert self._now is not None
        if outcome.reason in UNDER_WAY:
            return
        last, _ = self._now.planned
        ran_out = outcome.reason == "max_epochs" or len(outcome.history) >= last
        self._over.append(replace(self._now, outcome=outcome, point=self.point if ran_out else None))
        self._now = self.point = None
        if time.monotonic() >= self._due:
            self.write()

    def complete(self, reason: str) -> None:
        """The fit is over, or was cut short, for this reason."""
        finished = reason not in UNDER_WAY
        if finished:  # a later training that diverged before it had weights is not under way any more
            self._now = None
        self.write(finished=finished)

    # --- the file ---

    def write(self, *, finished: bool = False) -> None:
        """Replace the file; where that cannot be done, say so and go on: the one of before stays, and there is more."""
        if self.path is None:
            return
        try:
            write_checkpoint(self.path, *self._data(finished))
            self.written = True
        except ModelFileError as error:
            warn(CheckpointWarning(f"{error}. The fit goes on without; the last one that could be written stays."))
        self._due = time.monotonic() + self.every

    def _data(self, finished: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        entries: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for number, record in enumerate(self._records()):
            entry: dict[str, Any] = {"rows": record.rows, "planned": list(record.planned)}
            for name, (data, own) in record.parts():
                entry[name] = data
                arrays |= {f"{number}.{name}.{key}": array for key, array in own.items()}
            entries.append(entry)
        return {**self.header, "finished": finished, "trainings": entries}, arrays

    def _records(self) -> list[Record]:
        """Those that are over, the one under way, and what the file has of later ones, which are still to come."""
        records = list(self._over)
        if self._now is not None and self.point is not None:
            records.append(replace(self._now, point=self.point))
        later = [] if self.found is None else self.found.records[len(records) :]
        return [*records, *later]

    def _require_same_machine(self, engine: str, backend: Backend) -> None:
        """Write down the engine and what its bits depend on. Raises where the file has others."""
        machine = machine_of(engine, backend.network, backend.batch_size)
        self.header |= {"engine": engine, "machine": machine}
        if self.found is None:
            return
        header, path = self.found.header, self.found.path
        if header["engine"] != engine:
            raise OptionError(
                f"must be {header['engine']!r}, as in the checkpoint {str(path)!r}",
                argument="engine",
                value=engine,
                remedy=f'Set engine="{header["engine"]}": "auto" goes by max_epochs, too.',
            )
        for name in sorted(set(machine) | set(header["machine"])):
            was, now = header["machine"].get(name), machine.get(name)
            if was != now:
                raise ModelFileError(
                    f"was written with another {name}, {was}, and here it is {now}: the bits would be others",
                    file=path,
                    remedy="Go on where it was written, or train from the start.",
                )


# --- whether it is the same fit ---

_UNSAID = ("callbacks", "verbose", "checkpoint", "checkpoint_every", "engine", "warm_start")  # in the header


def _plain(name: str, value: Any) -> Any:
    """A setting as JSON gives it back; what it does not know goes by its type."""
    return json.loads(json.dumps(plain_setting(name, value), default=lambda other: type(other).__name__))


def _require_same_fit(found: Found, header: dict[str, Any], given: dict[str, Any], schedule: Schedule) -> None:
    """Raise OptionError or DataError, naming it, for a setting or data that differ from those of the checkpoint.

    given : the arguments of the estimator. What was left to "auto" follows from them and from the data, so that these
        are named first where they differ.
    """
    automatic = [name for name, value in given.items() if isinstance(value, str) and value == "auto"]
    _require_same_settings(found, header, [name for name in header["settings"] if name not in automatic], schedule)
    for name, digest in header["data"].items():
        if found.header["data"].get(name) != digest:
            raise DataError(
                f"is not what the checkpoint {str(found.path)!r} was trained on",
                argument=name,
                remedy="Pass the same data in the same order, or train from the start.",
            )
    _require_same_settings(found, header, automatic, schedule)


def _require_same_settings(found: Found, header: dict[str, Any], names: Sequence[str], schedule: Schedule) -> None:
    """Raise OptionError for the first of these settings that differs."""
    path, was, now = str(found.path), found.header["settings"], header["settings"]
    for name in names:
        if name not in FREE and name in now and was.get(name) != now[name]:
            rule = f"must be {was.get(name)!r}, as in the checkpoint {path!r}"
            raise OptionError(rule, argument=name, value=now[name])
    if "max_epochs" in names and was["max_epochs"] != now["max_epochs"] and schedule.planned:
        raise OptionError(
            f"must stay {was['max_epochs']}, as in the checkpoint {path!r}: schedule {schedule.name!r} is laid out "
            "over all epochs, so that the steps until now would have had other rates",
            argument="max_epochs",
            value=now["max_epochs"],
            remedy='Only a schedule such as "constant" can be prolonged.',
        )


def _require_same_training(found: Found, record: Record, now: Record) -> None:
    """Raise DataError where other rows train or validate."""
    if record.rows != now.rows:
        raise DataError(
            f"gives other rows to train or to validate on than the checkpoint {str(found.path)!r} has",
            argument="validation",
            remedy="Pass the same validation and groups, or train from the start.",
        )


def _require_weights(params: np.ndarray, network: Network) -> None:
    """Raise ValueError for weights of another network, or that no training leaves behind."""
    if params.shape != network.params.shape:
        raise ValueError("its weights do not fit the network")
    if params.dtype != network.params.dtype or not np.isfinite(params).all():
        raise ValueError(f"its weights are no finite numbers in {network.params.dtype}")


def _epochs_of(record: Record) -> int:
    """The epoch that a training has come to."""
    if record.point is not None:
        return record.point.epoch
    return 0 if record.outcome is None else len(record.outcome.history)
