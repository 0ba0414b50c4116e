"""How a run ends: exceptions become one line on standard error and an exit code, warnings one line each."""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import typer

from glassnet.errors import GlassNetError, GlassNetWarning, OptionError, TrainingDiverged

__all__ = ["FAULT", "INTERRUPTED", "MISUSE", "exit_code_of", "in_flags", "spelled_out"]

FAULT, MISUSE, INTERRUPTED = 1, 2, 130

# typer carries its own click since 0.2x, and depended on click before: this is the base of its errors in either.
UsageError: Any = typer.BadParameter.__base__

# Arguments of the library whose flag has another name than the argument with dashes.
FLAGS = {"hidden_layer_sizes": "--hidden", "max_epochs": "--epochs", "random_state": "--seed"}
ARGUMENTS = {"source": "FILE", "name": "NAME"}  # of the library and of the demo, which have no flag
IN_ADVICE = (
    "learning_rate",
    "clip_norm",
    "weight_decay",
    "test_fraction",
    "time_limit",
    "batch_size",
    "validation_fraction",
    "preset",
    "members",
    "time_order",
    *FLAGS,
)


def exit_code_of(work: Callable[[], Any]) -> int:
    """Do the work; print what goes wrong as one line, and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without "²" or "…" shows "?" instead of failing
    with warnings.catch_warnings():
        _show_our_warnings()
        try:
            code = work()
            sys.stdout.flush()
            if code == INTERRUPTED:  # typer's own answer to Ctrl-C
                raise KeyboardInterrupt
            return code if isinstance(code, int) else 0
        except BaseException as error:
            code = _code_of(error)
            if code is None:
                raise
            if os.environ.get("GLASSNET_DEBUG"):
                traceback.print_exc()
            _print_error(error)
            return code


def _code_of(error: BaseException) -> int | None:
    """The exit code of an exception that a user can do something about, None of a fault in glassnet itself."""
    if isinstance(error, UsageError | OptionError):
        return MISUSE
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return INTERRUPTED
    return FAULT if isinstance(error, GlassNetError | OSError | MemoryError) else None


def _print_error(error: BaseException) -> None:
    if isinstance(error, BrokenPipeError):
        # The reader of our output, such as `head`, has had enough. Python must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    print(f"glassnet: error: {_line_of(error)}", file=sys.stderr)


def _line_of(error: BaseException) -> str:
    if isinstance(error, UsageError):
        context: Any = getattr(error, "ctx", None)
        text = _one_line(error.format_message()).rstrip(".")
        return f"{text}. Try '{context.command_path} --help'." if context else f"{text}."
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted"
    if isinstance(error, MemoryError):
        return "not enough memory for this table"
    if isinstance(error, OSError) and not isinstance(error, GlassNetError):
        place = f"{error.filename}: " if error.filename else ""
        return place + (error.strerror or str(error) or type(error).__name__)
    text = _one_line(str(error))
    if isinstance(error, OptionError) and error.argument and text.startswith(error.argument):
        text = flag_of(error.argument) + text.removeprefix(error.argument)
    return in_flags(text) if isinstance(error, OptionError | TrainingDiverged) else text


def flag_of(argument: str) -> str:
    """What the command calls an argument of the library."""
    if argument == "columns":  # no entry of FLAGS, which advice is searched for: there it is a word as well
        return "--column"
    if argument.startswith("columns["):
        return argument.replace("columns[", "--column ").rstrip("]")
    return (FLAGS | ARGUMENTS).get(argument, "--" + argument.replace("_", "-"))


def in_flags(text: str) -> str:
    """Advice that names arguments of the library, in the words of the command: "clip_norm=1" is "--clip-norm 1"."""
    text = re.sub(r"(?<![\w-])columns=\{(['\"])(.*?)\1: '(\w+)'\}", r"--column \1\2=\3\1", text)
    text = re.sub(r'(?<![\w-])engine="(\w+)"', r"--engine \1", text)
    text = re.sub(r'(?<![\w-])checkpoint="([^"]+)"', r"--checkpoint \1", text)
    text = re.sub(r"fit\(X, y, resume=(['\"]).*?\1\)", "The same command with --resume", text)
    return re.sub(rf"(?<![\w-])({'|'.join(IN_ADVICE)})\b(=?)", lambda m: flag_of(m[1]) + " " * len(m[2]), text)


def _one_line(text: str) -> str:
    return spelled_out(" ".join(text.split()))


def spelled_out(text: str) -> str:
    """A text without what would command the terminal, to clear the screen or change its title: "\\x1b[2J"."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _show_our_warnings() -> None:
    """Ours as one line each; those of other libraries are for developers."""
    if not os.environ.get("GLASSNET_DEBUG"):
        warnings.simplefilter("ignore")
    warnings.simplefilter("always", GlassNetWarning)
    python_shows = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, GlassNetWarning):
            print(f"glassnet: warning: {in_flags(_one_line(str(message)))}", file=sys.stderr)
        else:
            python_shows(message, category, *rest, **more)

    warnings.showwarning = show
