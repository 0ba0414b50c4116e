"""Worker processes: one for each family of programs and number of threads, so that none shares a pool of threads."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
ONE_THREAD_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


class WorkerFailed(RuntimeError):  # noqa: N818 - says what happened
    """A worker died, or did not answer in time."""


def environment(family: str, threads: int) -> dict[str, str]:
    """The process's environment, with every library told how many threads it may use."""
    names = ("OPENBLAS", "OMP", "MKL", "NUMEXPR", "BLIS", "VECLIB_MAXIMUM")
    limits = {f"{name}_NUM_THREADS": str(threads) for name in names}
    if family == "jax":
        limits |= {"NPROC": str(threads), "JAX_PLATFORMS": "cpu"}  # NPROC: the size of XLA's pool
        if threads == 1:
            limits["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD_XLA}".strip()
    return {**os.environ, **limits}


class Worker:
    """A running worker process. Its log, what the libraries print, is in `log`."""

    def __init__(self, family: str, threads: int) -> None:
        self.name = f"{family}, {threads} thread{'s' * (threads > 1)}"
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the worker
        self.process = subprocess.Popen(
            [sys.executable, WORKER, family, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment(family, threads),
            text=True,
            bufsize=1,
        )

    def ask(self, timeout: float, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer. Raises WorkerFailed when there is none after `timeout` seconds."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
        except BrokenPipeError:
            raise WorkerFailed(f"{self.name}: ended\n{self.last_words()}") from None
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            reason = "ended" if ready else f"no answer to {request['do']} after {timeout:.0f} s"
            self.close()
            raise WorkerFailed(f"{self.name}: {reason}\n{self.last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(f"{self.name}: {answer['error']}")
        return answer

    def last_words(self) -> str:
        """The end of the log."""
        self.log.seek(0)
        return self.log.read()[-1500:]

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
