"""Memory while training, in a new process a program: peak of resident memory, and Numba's count of allocations.

    python benchmarks/speed_peers/memory.py {glassnet,sklearn,torch} WORK

The work's data is loaded and a small network is trained first, so that what libraries load and start counts as
"before". Then the kernel's own record of the peak (VmHWM: Linux with glibc) is set back, and one
run of the work is made.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

WARM_UP, WORK = "10-16-10", "mnist-128"
MEGA = 1e6


def resident(field: str) -> int:
    """Bytes: VmRSS is resident now, VmHWM the most it was."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise OSError(f"no {field} in /proc/self/status")


def settled() -> int:
    """Resident bytes, once what was freed has gone back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident("VmRSS")


def ready(program: str, work: object) -> Callable[[], object]:
    """A function that makes one run of the work and returns what must stay alive. Networks exist already."""
    if program == "sklearn":
        return ready_sklearn(work)
    if program == "torch":
        from speed_peers.with_torch import Torch

        made = Torch(work, 1)
        return lambda: (made.reset(), made.train(), made)[-1]
    from speed_peers.program import Glassnet

    made = Glassnet(work, 1)
    made.backend = None  # it is part of what is measured

    def train() -> object:
        made.backend = made.make(made.rows)
        made.state = made.backend.start()
        made.train()
        return made

    return train


def ready_sklearn(work: object) -> Callable[[], object]:
    """scikit-learn's `fit` for as many epochs, as a user calls it."""
    from sklearn.neural_network import MLPClassifier

    kind = work.kind
    model = MLPClassifier(kind.widths[1:-1], batch_size=kind.batch, max_iter=kind.epochs)

    def train() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it stops at max_iter: meant
            return model.fit(work.X, work.y)

    return train


def allocations() -> list[int]:
    """Numba's allocations and frees so far."""
    from numba.core.runtime import rtsys

    return list(rtsys.get_allocation_stats())


def thousand_steps(work: object) -> bool:
    """Whether 1,000 steps leave Numba's allocation statistics as they were."""
    from numba import njit

    from speed_peers.program import Glassnet

    assert work.kind.steps >= 1000
    made = Glassnet(work, 1)
    made.reset()
    made.train()
    njit(lambda n: np.empty(n).size)(1)  # starts Numba's runtime, and shows that it counts
    before = allocations()
    assert before[0] > 0, "Numba's runtime does not count"
    made.train()
    return allocations() == before


def measure(program: str, name: str) -> dict[str, float | bool]:
    """Bytes before and at the peak, and of what the promise counts."""
    from speed_peers.works import Work

    small = Work(WARM_UP)
    ready(program, small)()
    work = Work(name)
    work.orders  # noqa: B018 - made before the measurement: it is part of the data
    found: dict[str, float | bool] = {
        "data": work.X.nbytes + work.T.nbytes,
        "parameters": sum(W.nbytes + b.nbytes for W, b in work.weights),
    }
    train = ready(program, work)
    before = settled()
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to VmRSS
    model = train()
    found |= {"before": before, "peak": resident("VmHWM")}
    if program == "glassnet":
        found["arena"] = model.backend._program.arena.nbytes
        found["steady"] = thousand_steps(small)
    return found


def report(with_peers: bool) -> str:
    """The figures as Markdown. The promise: data, parameters × (5 + slices), and the arena; slices = 1 here."""
    from speed_peers.pool import environment
    from speed_peers.report import table

    rows, notes = [], []
    for program, label in (("glassnet", "glassnet"), ("sklearn", "scikit-learn"), ("torch", "PyTorch")):
        if program != "glassnet" and not with_peers:
            continue
        done = subprocess.run(
            [sys.executable, __file__, program, WORK], capture_output=True, text=True, env=environment(program, 1)
        )
        if done.returncode:
            rows.append([label, "–", "–", "–"])
            notes.append(f"{label} not measured: {done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        growth = found["peak"] - found["before"]
        rows.append([label, *(f"{number / MEGA:.1f}" for number in (found["before"], found["peak"], growth))])
        if program == "glassnet":
            notes += promise(found, growth)
    header = [f"{WORK}, MB", "before, data loaded", "peak RSS", "growth while training"]
    return "\n".join([table(header, rows), "", *(f"- {note}" for note in notes)])


def promise(found: dict, growth: float) -> list[str]:
    """What training may take beside the data, and whether it does."""
    parts = {
        "parameters × 6": 6 * found["parameters"],
        "arena": found["arena"],
    }
    allowed = sum(parts.values())
    counted = ", ".join(f"{name} {size / MEGA:.1f}" for name, size in parts.items())
    met = "met" if growth <= allowed else "**missed**"
    steady = "equal, met" if found["steady"] else "not equal, **missed**"
    return [
        f"growth {growth / MEGA:.1f} MB, allowed beside the data {allowed / MEGA:.1f} MB ({counted}): {met}",
        f"Numba's allocation statistics before and after 1,000 steps of {WARM_UP}: {steady}",
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    os.environ["NUMBA_NRT_STATS"] = "1"  # before Numba starts: it does not count otherwise
    print(json.dumps(measure(*sys.argv[1:])))
