"""Make the calls to the operating system by which files are written fail, one after the other.

    sweep(lambda: model.save(path), check)

runs the work again and again. In the first run the first call fails, in the second the second, and so on until a run
meets no failure; after each, `check` looks at what is on the disk. This is done for each kind of failure, and for each
both once (the disk has room again, the user deletes something) and lastingly: then every later call fails as well, the
cleaning up included, which leaves on the disk just what a killed process leaves.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

__all__ = ["CALLS", "FAULTS", "Fault", "Struck", "failing", "sweep"]

CALLS = ("open", "write", "fsync", "close", "replace", "rename", "chmod", "unlink", "truncate", "ftruncate")
SHORT = "short write"


@dataclass(frozen=True)
class Fault:
    """What a call does instead of its work: fail with an error number, or (None) write the first half alone."""

    name: str
    number: int | None
    lasting: bool = False

    def strike(self, call: str, real: Callable, arguments: tuple, options: dict):
        """The call as it fails."""
        if self.number is None:
            if call != "write":
                return real(*arguments, **options)
            descriptor, data = arguments
            return real(descriptor, bytes(data)[: (len(data) + 1) // 2])
        if call == "close":  # the descriptor is gone all the same, as on Linux
            real(*arguments, **options)
        raise OSError(self.number, os.strerror(self.number))


FAULTS = (
    *(
        Fault(errno.errorcode[number], number, lasting)
        for number in (errno.ENOSPC, errno.EIO)
        for lasting in (False, True)
    ),
    Fault("EINTR", errno.EINTR),  # a signal came; were it to come for ever, nobody would get anything done
    Fault(SHORT, None),
    Fault(SHORT, None, lasting=True),
)


@dataclass
class Struck:
    """The calls so far, by name, and the first that failed (None: none did)."""

    calls: list[str]
    first: str | None = None


@contextmanager
def failing(number: int, fault: Fault) -> Iterator[Struck]:
    """Let call `number`, counted from 1, meet the fault, and all later ones too if it is lasting."""
    struck = Struck([])

    def wrapped(name: str, real: Callable) -> Callable:
        def call(*arguments, **options):
            struck.calls.append(name)
            if len(struck.calls) == number or (fault.lasting and len(struck.calls) > number):
                struck.first = struck.first or name
                return fault.strike(name, real, arguments, options)
            return real(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(name, getattr(os, name)))
        yield struck


def sweep(work: Callable[[], object], check: Callable[[bool, Fault], object], faults=FAULTS, most: int = 10_000) -> int:
    """Run `work` with every fault at every call, see above, and return how many runs there were.

    check : called after each run with whether `work` came to its end without an error, and the fault; what it asserts
        is about the disk. A run must end with an OSError or a success, and a short write must not even be noticed.
    """
    runs = 0
    for fault in faults:
        for number in range(1, most):
            runs += 1
            error = None
            with failing(number, fault) as struck:
                try:
                    work()
                except OSError as caught:
                    error = caught
            assert error is None or (struck.first and fault.number is not None), f"{fault} at {struck.first}: {error!r}"
            check(error is None, fault)
            if struck.first is None:
                break
        else:
            raise AssertionError(f"{most} calls and no end")
    return runs
