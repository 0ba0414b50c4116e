"""What glassnet costs before it trains: imports, compiling, and the first fits on an empty and on a full cache.

    python benchmarks/cold_start.py [--rounds 7] [--budget-only | --imports-only]

Every figure is of new processes; medians over rounds, in which the commands take turns; of compiling, which takes
longer, half as many rounds (each kernel once). The cache is an empty folder of its own (GLASSNET_CACHE_DIR), so nothing
that this machine compiled before counts.

- Imports: seconds of the whole process, less those of a Python that does nothing.
- Compile budget: CPU seconds, all threads, of a process that fits one of the two default estimators compiled, on an
  empty cache, less those of the same process on the full cache. Goal: 10 for the two together. Then each further kernel
  by itself: CPU seconds of making and compiling it in a process where Numba has started. Goal: 2 each.
- Starts: seconds from the start of a process to the end of its first compiled step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from speed_peers.report import machine, table, verdict

BUDGET, EACH = 10.0, 2.0  # CPU seconds: of the two default estimators together, of any further kernel

IMPORTS = {
    "import glassnet": ["-c", "import glassnet"],
    "glassnet --help": ["-m", "glassnet", "--help"],
    "from glassnet import GlassNetClassifier": ["-c", "from glassnet import GlassNetClassifier"],
    "import numpy": ["-c", "import numpy"],
    "import llvmlite.binding": ["-c", "import llvmlite.binding"],
    "import numba": ["-c", "import numba"],
    "import sklearn.neural_network": ["-c", "import sklearn.neural_network"],
}

# One process each. They print CPU seconds (of all threads) from Python's start to the end of the fit.
FIT = """
import sys, time, numpy as np
from glassnet import {estimator}
random = np.random.default_rng(0)
X = random.standard_normal((400, 6))
y = {target}
{estimator}(engine="compiled", max_epochs=2, n_jobs=1, random_state=0).fit(X, y)
print(time.process_time(), "numba" in sys.modules)
"""
ESTIMATORS = {
    "GlassNetClassifier": FIT.format(estimator="GlassNetClassifier", target="random.integers(3, size=400)"),
    "GlassNetRegressor": FIT.format(estimator="GlassNetRegressor", target="X @ np.arange(6.0)"),
}

FIRST_STEP = """
import sys, numpy as np
from glassnet import Dense, Network
from glassnet.maths.optimisers import Adam
from glassnet.training.backend import Rows
from glassnet.training.compiled import EngineBackend
network = Network([Dense(16, "relu"), Dense(10)], "cross_entropy", 10, np.float32, random_state=0)
X, T = np.ones((32, 10), np.float32), np.eye(10, dtype=np.float32)[np.arange(32) % 10]
backend = EngineBackend(network, Adam(), Rows(X, T), batch_size=32, n_jobs=1)
backend.run(backend.start(), np.arange(32), np.array([[1e-3, 0.0, 1.0, 1.0]]))
print("numba" in sys.modules)
"""

# What the engine offers: its kernels by name, and the making of one. The two lines to change when the engine does.
KERNELS = """
import json, sys, time
from glassnet.engine import catalogue, compiler
names = [name for dtype in ("float32", "float64") for name in catalogue.names(dtype)]
compile_one = lambda name: compiler.object_code(catalogue.factory(name)(), name)

compile_one(names[0])  # starts Numba
for name in names:
    begin = time.process_time()
    size = len(compile_one(name))
    print(json.dumps([name, time.process_time() - begin, size]), flush=True)
"""


def process(arguments: list[str], cache: Path) -> tuple[float, str]:
    """Seconds of a process, from start to end, and what it printed. Raises RuntimeError when it fails."""
    variables = {**os.environ, "GLASSNET_CACHE_DIR": str(cache), "OPENBLAS_NUM_THREADS": "1"}
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=variables)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr.strip()[-1500:]}")
    return seconds, done.stdout.strip()


def new_cache(folder: Path) -> Path:
    """An empty folder that nobody else may write, as the cache demands."""
    return Path(tempfile.mkdtemp(dir=folder))


def imports(rounds: int, folder: Path) -> str:
    """Seconds that each import adds to a process."""
    seconds: dict[str, list[float]] = {name: [] for name in ("python", *IMPORTS)}
    commands = {"python": ["-c", "pass"], **IMPORTS}
    for arguments in commands.values():  # files into memory, byte code onto the disk
        process(arguments, folder)
    for _ in range(rounds):
        for name, arguments in commands.items():
            seconds[name].append(process(arguments, folder)[0])
    nothing = median(seconds.pop("python"))
    rows = [
        [f"`{name}`", *(f"{1000 * (figure - nothing):.0f}" for figure in (median(all_), min(all_), max(all_)))]
        for name, all_ in seconds.items()
    ]
    note = f"Python itself, taken off: {1000 * nothing:.0f} ms."
    return f"{table(['ms', 'median', 'fastest', 'slowest'], rows)}\n\n{note}"


def estimators(rounds: int, folder: Path) -> str:
    """CPU seconds of compiling what each default estimator needs, and what the second finds done by the first."""
    alone: dict[str, list[float]] = {name: [] for name in ESTIMATORS}
    together = []
    for _ in range(rounds):
        first = new_cache(folder)
        cold = {name: _cpu(program, first) for name, program in ESTIMATORS.items()}
        warm = {name: _cpu(program, first) for name, program in ESTIMATORS.items()}
        together.append(sum(cold.values()) - sum(warm.values()))
        for name, program in ESTIMATORS.items():
            alone[name].append(_cpu(program, new_cache(folder)) - warm[name])
    rows = [[name, f"{median(all_):.1f}", "", ""] for name, all_ in alone.items()]
    rows.append(["one after the other, one cache", *verdict(median(together), BUDGET, at_most=True)])
    return table(["CPU s to compile, Numba's start included", f"median of {rounds}", "goal", ""], rows)


def _cpu(program: str, cache: Path) -> float:
    return float(process(["-c", program], cache)[1].split()[0])


def kernels(folder: Path) -> str:
    """CPU seconds of each kernel, the slowest first, and their sum."""
    lines = process(["-c", KERNELS], new_cache(folder))[1].splitlines()
    found = sorted((json.loads(line) for line in lines), key=lambda entry: -entry[1])
    rows = [[f"`{name}`", f"{seconds:.2f}", f"{size / 1000:.1f}"] for name, seconds, size in found[:15]]
    rows.append([f"all {len(found)}", f"{sum(s for _, s, _ in found):.1f}", f"{sum(n for *_, n in found) / 1000:.0f}"])
    rows.append(["median", f"{median(s for _, s, _ in found):.2f}", f"{median(n for *_, n in found) / 1000:.1f}"])
    figure, goal, met = verdict(found[0][1], EACH, at_most=True)
    note = f"Slowest kernel {figure} s, goal {goal}: {met}"
    return f"{table(['kernel (the 15 slowest)', 'CPU s', 'kB'], rows)}\n\n{note}"


def starts(rounds: int, folder: Path) -> str:
    """Seconds from a process's start to its end after one compiled step, on an empty and on a full cache."""
    first, later = [], []
    for _ in range(rounds):
        cache = new_cache(folder)
        seconds, numba = process(["-c", FIRST_STEP], cache)
        first.append(seconds)
        again, numba_again = process(["-c", FIRST_STEP], cache)
        later.append(again)
    rows = [
        [name, f"{median(all_):.2f}", f"{min(all_):.2f} to {max(all_):.2f}", imported]
        for name, all_, imported in (("empty cache", first, numba), ("full cache", later, numba_again))
    ]
    return table(["process with one compiled step, s", f"median of {rounds}", "all", "imports Numba"], rows)


def main() -> int:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--budget-only", action="store_true", help="compiling and starts, no imports")
    parser.add_argument("--imports-only", action="store_true", help="imports, no compiling")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not options.budget_only:
            print(f"\n### Imports\n\n{imports(options.rounds, folder)}", flush=True)
        if not options.imports_only:
            few = (options.rounds + 1) // 2  # they take a quarter of a minute each, on a machine that is not busy
            print(f"\n### Compile budget\n\n{estimators(few, folder)}", flush=True)
            print(f"\n{kernels(folder)}", flush=True)
            print(f"\n### First step\n\n{starts(few, folder)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
