"""The errors of glassnet: typed, and built from fields a program can read.

Every message says where (file, row, column or argument), the rule that was broken, the value received and what
to do about it; the same fields stand on the exception, so a caller need not parse the text.
"""

from __future__ import annotations

import difflib
import inspect
import math
import numbers
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "CheckpointWarning",
    "ColumnError",
    "DataError",
    "DivergenceWarning",
    "EqualNumbersWarning",
    "ExportError",
    "GlassNetError",
    "GlassNetWarning",
    "InterruptedWarning",
    "ModelFileError",
    "NearlyUniqueWarning",
    "OneHotWarning",
    "OptionError",
    "ReferenceEngineWarning",
    "TrainingDiverged",
    "nearest",
    "require_choice",
    "require_number",
    "require_options",
    "warn",
]

_NOTHING: Any = object()  # None can itself be the value that was wrong


class GlassNetError(Exception):
    """Base of all errors of glassnet; the message is made from the fields.

    rule     : what must hold, a phrase such as "must be positive".
    argument : name of the argument, `file` its path, `row` counted from 1 (the header not counted), `column` its name.
    value    : what was received, shown with repr.
    remedy   : what to do, a whole sentence.
    """

    def __init__(
        self,
        rule: str,
        *,
        argument: str | None = None,
        file: Any = None,
        row: int | None = None,
        column: Any = None,
        value: Any = _NOTHING,
        remedy: str | None = None,
    ) -> None:
        self.rule = rule
        self.argument = argument
        self.file = None if file is None else str(file)
        self.row = row
        self.column = column
        self.value = None if value is _NOTHING else value
        self.remedy = remedy
        if getattr(value, "ndim", None) == 0:  # a NumPy scalar: the reader wants 0.5, not np.float64(0.5)
            self.value = value = value.item()
        place = [] if self.file is None else [f"{self.file}:"]
        place += [] if row is None else [f"row {row}:"]
        place += [] if column is None else [f"column {column!r}"]
        place += [] if argument is None else [argument]
        got = "" if value is _NOTHING else f", got {_shorten(repr(value))}"
        message = " ".join([*place, rule]) + got
        super().__init__(f"{message}. {remedy}" if remedy else message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments alone; joblib's workers need the fields as well.
        return (_rebuild, (type(self), str(self), self.__dict__.copy()))


def _rebuild(kind: type[GlassNetError], message: str, fields: dict[str, Any]) -> GlassNetError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(fields)
    return error


class OptionError(GlassNetError, ValueError):
    """An option (constructor argument, command-line flag) has a value that it cannot have."""


class DataError(GlassNetError, ValueError):
    """The data cannot be used: empty, infinite, of the wrong shape, one class only."""


class ColumnError(DataError):
    """A column is missing, unknown, or of another kind than in training."""


class ModelFileError(GlassNetError, ValueError):
    """A file is not a model of glassnet, or is damaged."""


class ExportError(GlassNetError, ArithmeticError):
    """An exported model does not predict what the estimator does; nothing was written."""


class TrainingDiverged(GlassNetError, ArithmeticError):  # noqa: N818 - the public name, an event rather than a mistake
    """The loss became infinite or not a number before one epoch was complete; nothing was fitted.

    loss : what it became.   epoch, step : in which, counted from 1.   origin : where it began, or "".
    """

    loss: float | None = None
    epoch: int = 0
    step: int = 0
    origin: str = ""


class GlassNetWarning(UserWarning):
    """Base of the warnings of glassnet."""


class CheckpointWarning(GlassNetWarning):
    """A checkpoint could not be written; training went on without."""


class DivergenceWarning(GlassNetWarning):
    """The loss became infinite or not a number; the best weights until then were kept."""


class EqualNumbersWarning(GlassNetWarning):
    """A column of different whole numbers is one number in float64, so it was left out as constant."""


class InterruptedWarning(GlassNetWarning):
    """Training was interrupted with Ctrl-C; the best weights until then were kept."""


class NearlyUniqueWarning(GlassNetWarning):
    """A text column has a different value in nearly every row, so it says nothing about new rows."""


class OneHotWarning(GlassNetWarning):
    """A matrix of 0 and 1 whose rows all have one 1 was given as y: it trains a multilabel model."""


class ReferenceEngineWarning(GlassNetWarning):
    """NumPy does the work that the compiled engine was to do: more slowly, and with other last digits."""


def warn(warning: GlassNetWarning | UserWarning) -> None:
    """Warn at the line of the caller's own code: the first one, outwards, that is not glassnet's."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "glassnet":
        level, frame = level + 1, frame.f_back
    warnings.warn(warning, stacklevel=level)


def _shorten(text: str, limit: int = 80) -> str:
    """At most `limit` characters, of a longer text both ends: a path is known by its last name."""
    half = limit // 2
    return text if len(text) <= limit else text[: half - 1] + "…" + text[-half:]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is spelled most like `name`, or None when nothing is close."""
    if len(str(name)) > 200:  # no slip of a finger, and comparing it would take long
        return None
    by_lower = {str(n).lower(): str(n) for n in names}
    found = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def require_choice(argument: str, value: Any, choices: Iterable[str]) -> None:
    """Raise OptionError, naming the choices and the nearest one, unless `value` is among them."""
    choices = sorted(choices)
    if value in choices:
        return
    guess = nearest(value, choices) if isinstance(value, str) else None
    raise OptionError(
        f"must be one of {', '.join(map(repr, choices))}",
        argument=argument,
        value=value,
        remedy=f"Did you mean {guess!r}?" if guess else None,
    )


def require_number(argument: str, value: Any, rule: str, holds: Callable[[Any], bool], *, whole: bool = False) -> None:
    """Raise OptionError with `rule` unless `value` is a finite number, whole if asked, for which `holds` is true."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not real or not holds(value) or (whole and value != int(value)):
        raise OptionError(rule, argument=argument, value=value)


def require_options(argument: str, name: str, maker: Callable[..., Any], options: Iterable[str]) -> None:
    """Raise OptionError unless `maker`, which stands for the choice `name`, takes every one of `options`."""
    taken = list(inspect.signature(maker).parameters)
    unknown = [option for option in options if option not in taken]
    if unknown:
        raise OptionError(
            f"takes no such option as {', '.join(unknown)}",
            argument=argument,
            value=name,
            remedy=f"It takes {', '.join(taken)}." if taken else "It takes none.",
        )
