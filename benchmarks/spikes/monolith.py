"""Spike 2: operations called through addresses against one function that holds them all.

    python benchmarks/spikes/monolith.py            # both, on 10-16-10 with batches of 32
    python benchmarks/spikes/monolith.py --each     # CPU seconds to compile each kernel that the engine has

The monolith is made from the engine's own kernels: where the engine calls an address, it takes the number of a kernel
and goes through a chain of ifs, and LLVM sees, optimises and inlines everything together. It holds what a classifier
needs, with three or with all eleven activations (of which identity has no kernel), and with the three matrix kernels
inside or still behind their addresses. Compiling and loading are done as the engine does them; loading is
measured in a new process, without Numba. Microseconds of a step are the least of many runs of both, taking turns.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from timing import machine

from glassnet import Dense, Network
from glassnet.engine import (
    catalogue,
    compiler,
    driver,
    formulas,
    losses,
    microkernel,
    operations,
    program,
    rows,
    updates,
)
from glassnet.engine.memory import jit
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.optimisers import Adam
from glassnet.training.backend import Rows
from glassnet.training.compiled import EngineBackend

DTYPE = "float32"
THREE = ["relu", "sigmoid", "tanh"]
ELEVEN = [name for name in ACTIVATIONS if name != "identity"]
MONOLITHS = [
    ("one function, 3 activations", THREE, True),
    ("one function, 11 activations", ELEVEN, True),
    ("the same, matrix kernels apart", ELEVEN, False),
]
LOAD = """
import sys, time
from pathlib import Path
started = time.perf_counter()
from glassnet.engine.compiler import load
load({path.stem: path.read_bytes() for path in map(Path, sys.argv[1:])})
print(time.perf_counter() - started, "numba" in sys.modules)
"""


def needed(activations: list[str]) -> list[str]:
    """Kernels that training a classifier takes, "train_together" and the matrix kernels apart."""
    plain = ["gather", "dense_forward", "dense_backward", "dense_gradient"]
    names = [catalogue.kernel_name(kind, DTYPE) for kind in plain]
    for name in activations:
        names += [catalogue.kernel_name(f"activation_{way}", DTYPE, name) for way in ("forward", "backward")]
    ends = [("loss", "cross_entropy"), ("update", "adam")]
    return names + [catalogue.kernel_name(kind, DTYPE, formula) for kind, formula in ends]


@contextmanager
def instead(*modules: Any, **functions: Any) -> Iterator[None]:
    """Names that stand for something else for a while, in each of the modules that has them."""
    before = [(module, name, value) for module in modules for name, value in vars(module).items() if name in functions]
    try:
        for module, name, _ in before:
            setattr(module, name, functions[name])
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def monolith(names: list[str], exported: str, with_matrix: bool) -> bytes:
    """The training kernel with all of these in it, compiled; they have the numbers 1, 2, ... instead of addresses."""

    def direct(make: Callable[..., Any]) -> Any:
        function = jit(make(DTYPE))
        return jit(lambda address, arguments: function(*arguments))

    inside = catalogue.SHARED_KERNELS if with_matrix else ()
    matrix = {f"call_{name}": direct(getattr(microkernel, name)) for name in inside}
    with instead(losses, operations, rows, **matrix):
        scope = {f"kernel_{i}": jit(catalogue.factory(name)()) for i, name in enumerate(names, 1)}
        lines = ["def choose(number, arguments):", "    shared, local, operation = arguments"]
        for i in range(1, len(names) + 1):
            lines += [f"    {'el' if i > 1 else ''}if number == {i}:", f"        kernel_{i}(shared, local, operation)"]
        exec("\n".join(lines), scope)
        with instead(driver, updates, call=jit(scope["choose"])):
            return compiler.object_code(driver.train_together(DTYPE), exported)


def compiled(names: list[str]) -> tuple[dict[str, bytes], dict[str, float]]:
    """Each of these kernels by itself: objects by name, and the CPU seconds each took."""
    objects, seconds = {}, {}
    for name in names:
        begun = time.process_time()
        objects[name] = compiler.object_code(catalogue.factory(name)(), name)
        seconds[name] = time.process_time() - begun
    return objects, seconds


def start_numba() -> None:
    """Compile something of no interest, so that the registries are loaded and the formulas are known."""
    compiler.object_code(catalogue.factory(catalogue.kernel_name("dropout_backward", DTYPE))(), "spike_warm_up")


def seconds_to_load(objects: dict[str, bytes], rounds: int = 7) -> float:
    """From nothing imported but Python to addresses, in a new process; the least of some."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{name}.o") for name in objects]
        for path, code in zip(paths, objects.values(), strict=True):
            path.write_bytes(code)
        taken = []
        for _ in range(rounds):
            command = [sys.executable, "-c", LOAD, *map(str, paths)]
            seconds, with_numba = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            assert with_numba == "False"
            taken.append(float(seconds))
    return min(taken)


def backend(activation: str) -> EngineBackend:
    """10-16-10 on 4,096 random rows, batches of 32, Adam."""
    random = np.random.default_rng(0)
    X = random.standard_normal((4096, 10)).astype(DTYPE)
    T = np.eye(10, dtype=DTYPE)[random.integers(10, size=4096)]
    network = Network([Dense(16, activation), Dense(10)], "cross_entropy", 10, DTYPE, random_state=1)
    return EngineBackend(network, Adam(), Rows(X, T), batch_size=32, n_jobs=1)


def epoch_of(engine: EngineBackend) -> tuple[Callable[[], Any], dict[str, Any]]:
    """A function that trains ten epochs, 1,280 steps, and its state."""
    state = engine.start()
    order = np.concatenate([np.random.default_rng(i).permutation(4096) for i in range(10)])
    rates = np.tile([1e-3, 0.0, 0.0, 0.0], (1280, 1))
    return lambda: engine.run(state, order, rates), state


def compare() -> None:
    """Both ways, with three and with eleven activations."""
    start_numba()
    print(f"{'':44} {'compile, CPU s':>15} {'load, ms':>9} {'bytes':>9}")
    matrix = [catalogue.kernel_name(name, DTYPE) for name in catalogue.SHARED_KERNELS]
    train = catalogue.kernel_name("train_together", DTYPE)
    found: dict[str, tuple[list[str], dict[str, bytes]]] = {}

    def show(what: str, objects: dict[str, bytes], seconds: float) -> None:
        size = sum(map(len, objects.values()))
        print(f"{what:44} {seconds:15.2f} {seconds_to_load(objects) * 1e3:9.1f} {size:9,}", flush=True)

    for i, (what, activations, with_matrix) in enumerate(MONOLITHS):
        formulas._COMPILED.clear()  # what one compilation knows of them would help the next
        begun = time.process_time()
        code = monolith(needed(activations), f"spike_{i}", with_matrix)
        found[what] = needed(activations), {f"spike_{i}": code}
        show(what, found[what][1], time.process_time() - begun)
    formulas._COMPILED.clear()
    objects, seconds = compiled([*needed(ELEVEN), *matrix, train])
    for what, activations in (("3 activations", THREE), ("11 activations", ELEVEN), ("10-16-10 with ReLU", ["relu"])):
        names = [*needed(activations), *matrix, train]
        total = sum(seconds[name] for name in names)
        show(f"{len(names)} kernels, {what}", {name: objects[name] for name in names}, total)

    print(f"\n{'10-16-10, batch 32, Adam':44} {'µs a step':>15} {'same bits':>9}")
    for activation in ("relu", "tanh"):
        runs = {"through addresses": epoch_of(backend(activation))}
        shared = program.addresses({name: catalogue.factory(name) for name in matrix})
        for what, (names, objects_of) in found.items():
            (address,) = compiler.load(objects_of).values()
            numbers = shared | {name: i for i, name in enumerate(names, 1)} | {train: address}

            def numbered(wanted: Any, announce: Any = None, numbers: dict[str, int] = numbers) -> dict[str, int]:
                return {name: numbers.get(name, 0) for name in wanted}

            with instead(program, addresses=numbered):
                runs[what] = epoch_of(backend(activation))
        least = dict.fromkeys(runs, float("inf"))
        for _ in range(200):
            for way, (run, _) in runs.items():
                begun = time.thread_time()
                run()
                least[way] = min(least[way], time.thread_time() - begun)
        expected = runs["through addresses"][1]["params"]
        for way, seconds_of_run in least.items():
            same = (runs[way][1]["params"] == expected).all()
            print(f"{way + ', ' + activation:44} {seconds_of_run / 1280 * 1e6:15.3f} {'yes' if same else 'no':>9}")


def each() -> None:
    """Every kernel of float32 by itself."""
    start_numba()
    _, seconds = compiled(catalogue.names(DTYPE))
    for name, value in sorted(seconds.items(), key=lambda pair: -pair[1]):
        print(f"{name:44} {value:6.2f}")
    print(json.dumps({"kernels": len(seconds), "CPU seconds": round(sum(seconds.values()), 1)}))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--each", action="store_true", help="compile every kernel by itself")
    print(machine())
    (each if arguments.parse_args().each else compare)()
