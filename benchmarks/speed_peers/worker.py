"""A process that holds programs ready and runs them when asked; started by `pool.Worker`, one a family and threads.

Requests and answers are lines of JSON on stdin and stdout: {"do": "prepare", "work": NAME, "programs": [NAME, …]},
then {"do": "turn", "program": NAME, "budget": SECONDS} as often as wanted, and {"do": "loss", "program": NAME}.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from speed_peers.works import Work

# Family -> program -> where it lives. A family shares a process, and so the threads of its libraries.
FAMILIES = {
    "glassnet": {"compiled": "program:Glassnet"},
    "reference": {"NumPy": "program:Reference"},
    "article": {"as written": "program:ArticleLoop"},
    "limit": {
        "np.dot": "program:MatrixProducts",
        "C++": "program:HandFused",
        "C++ -ffast-math": "program:HandFusedFastMath",
    },
    "sklearn": {"": "with_sklearn:ScikitLearn"},
    "torch": {"": "with_torch:Torch"},
    "torch.compile": {"loss": "with_torch:TorchCompiledLoss", "whole step": "with_torch:TorchCompiledStep"},
    "jax": {"rows": "with_jax:JaxRows", "columns": "with_jax:JaxColumns"},
    "skorch": {"": "with_torch:Skorch"},
}


class Server:
    """The programs of one family, prepared for one work at a time."""

    def __init__(self, family: str, threads: int) -> None:
        self.family, self.threads = family, threads
        self.programs: dict = {}

    def prepare(self, request: dict) -> dict:
        """Make the programs and run each once, so that everything is compiled, loaded and warm."""
        self.programs = {}
        if dynamo := sys.modules.get("torch._dynamo"):
            dynamo.reset()  # what it compiled for the last work counts towards a limit, and is searched at each call
        self.work = Work(request["work"])
        failed = {}
        for name in request["programs"]:
            module, _, function = FAMILIES[self.family][name].partition(":")
            begin = time.perf_counter()
            try:
                program = getattr(importlib.import_module(f"speed_peers.{module}"), function)(self.work, self.threads)
                program.turn(0.0)
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
                traceback.print_exc()
                continue
            self.programs[name] = program
            print(f"{self.family} {name}: ready after {time.perf_counter() - begin:.1f} s", file=sys.stderr)
        return {"ready": list(self.programs), "failed": failed}

    def turn(self, request: dict) -> dict:
        """Run for a while: seconds a step, and CPU seconds a second of the clock."""
        cpu, clock = time.process_time(), time.perf_counter()
        seconds = self.programs[request["program"]].turn(request["budget"])
        return {"seconds": seconds, "cores": (time.process_time() - cpu) / (time.perf_counter() - clock)}

    def loss(self, request: dict) -> dict:
        """The loss that the last run ended with, measured by the same function for all."""
        weights = self.programs[request["program"]].weights()
        return {"loss": None if weights is None else self.work.loss(weights)}


def main() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    server = Server(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(server, request["do"])(request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
