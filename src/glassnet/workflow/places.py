"""Where outputs go: what could not be written, or would replace an input, is better found before any work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from glassnet.errors import OptionError
from glassnet.files.place import require_place
from glassnet.tables.reading import FORMATS

__all__ = ["pictures_of", "require_checkpoint", "require_other_file", "require_output", "require_outputs", "stem_of"]

MODEL = ".glassnet"

PathLike = str | os.PathLike[str]


def stem_of(name: str) -> str:
    """The name that files made from a table begin with: "cars" for "data/cars.csv.gz", "model" without a file."""
    path = Path(name)
    path = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return path.stem if path.suffix else "model"


def pictures_of(out: PathLike | None, source: Any) -> str:
    """The folder for pictures, named after the model file where there is one, else after the table."""
    if out is None:
        return f"{stem_of(str(source))}-pictures"
    return str(Path(out).parent / f"{stem_of(str(out))}-pictures")


def require_outputs(source: Any, out: PathLike | None, folder: PathLike | None) -> None:
    """Raise OptionError unless a model can be written to `out`, and pictures into `folder`, without harm.

    source : what is trained on; where it is a path, `out` must be another file.
    """
    if out is not None:
        require_output(out, source, "the table to train on", "model.glassnet")
    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise OptionError("is a file, not a folder", argument="pictures", value=str(folder))


def require_output(out: PathLike, source: Any, what: str, name: str) -> None:
    """Raise OptionError unless a file such as `name` can be written to `out` without harm to `source`, or to a table or
    a model in its place."""
    require_place(out, "out")
    require_other_file(out, source, what)
    suffix, wanted = _suffix_of(Path(out)), Path(name).suffix
    if suffix.removesuffix(".gz") in FORMATS or (suffix == MODEL != wanted):
        taken, given = ("table", "model") if suffix != MODEL else ("model", f"{wanted} file")
        raise OptionError(
            f"ends like a {taken} ({suffix}), and a {given} is to be written",
            argument="out",
            value=str(out),
            remedy=f"Name a file such as {name}.",
        )


def require_checkpoint(options: dict[str, Any], out: PathLike | None, source: Any, *, resume: bool) -> bool:
    """Whether to go on from the file that `checkpoint` names among the options: where `resume` asks for it, and there
    is one.

    Raises OptionError where none is named that is to go on or to be written at times, where it is the file of the model
    or of the table, or where it cannot be written; and, unless `resume`, where it holds a training that is not over.
    """
    checkpoint = options.get("checkpoint")
    if checkpoint is None:
        remedy = 'Name the file that keeps what was done: checkpoint="run.ckpt".'
        if resume:
            raise OptionError("needs a checkpoint to go on from", argument="resume", remedy=remedy)
        if "checkpoint_every" in options:
            raise OptionError("needs a checkpoint to write", argument="checkpoint_every", remedy=remedy)
        return False
    from glassnet.estimators.checkpoint import require_no_loss

    for other, what in ((source, "the table to train on"), (out, "the file of the model")):
        if other is not None:
            require_other_file(checkpoint, other, what, argument="checkpoint")
    require_no_loss(checkpoint, checkpoint if resume else None)
    return resume and Path(checkpoint).exists()


def require_other_file(out: PathLike, source: Any, what: str, argument: str = "out") -> None:
    """Raise OptionError where `out`, an argument of that name, is the file `source`, however its path is written."""
    if not isinstance(source, str | os.PathLike) or source == "-":
        return
    if Path(out).resolve() == Path(source).resolve():
        raise OptionError(
            f"is {what}, which would be lost", argument=argument, value=str(out), remedy="Name another file."
        )


def _suffix_of(path: Path) -> str:
    """Its end in small letters: ".csv", ".csv.gz"."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])
