"""Try to break the promises about files, for as long as one likes; the test suite does the same for seconds.

    python benchmarks/torture.py loader --files 1000000 [--first 0] [--processes 1] [--compiled]
    python benchmarks/torture.py kill-save --times 200

- loader: hostile model files (see `hostile`), each read, described as `glassnet info` does, and where it is read as a
  model, asked for predictions of a small table. A file is right when it is refused with ModelFileError, or loads and
  predicts, with another typed error at most. Each worker may have no more memory than a file's bound, 64 MiB above what
  the process had before (RLIMIT_AS), and a second for each file. What is wrong is printed with the number of the file,
  from which `--first N --files 1` makes it again. --compiled: predict by the compiled engine, without the limit of
  memory, for kernels have to be compiled.
- kill-save: a process saves two models in turn, over the same file, and is killed with SIGKILL at a random moment. One
  of the two must load and predict as it did.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hostile import File, mutated, taken_apart

SEED = 20_260_000_000
BATCH = 20_000  # files of one process
SLOWEST = 1.0  # CPU seconds for a file: the machine may have other work
ROOM = 64 * 2**20  # bytes of memory that a small file may take
EXAMPLES = 20  # of wrong files that are printed


# --- the loader ------------------------------------------------------------------------------------------------------


def table(n_rows: int = 40) -> dict[str, np.ndarray]:
    """Every kind of column."""
    rng = np.random.default_rng(0)
    number = rng.normal(size=n_rows)
    number[::7] = np.nan
    return {
        "number": number,
        "colour": rng.choice(["red", "green", "blue"], n_rows).astype(object),
        "shop": np.array([f"s{k % 20}" for k in range(n_rows)], object),
        "day": np.datetime64("2024-01-01", "us") + rng.integers(0, 700, n_rows) * np.timedelta64(1, "D"),
        "wait": rng.integers(1, 1000, n_rows) * np.timedelta64(1, "s"),
    }


def small_models() -> list[Any]:
    """One of each kind, trained for a moment."""
    from glassnet import GlassNetClassifier, GlassNetRegressor

    X, options = table(), {"preset": "plain", "max_epochs": 2, "random_state": 0, "engine": "reference"}
    t = np.nan_to_num(X["number"]) + (X["colour"] == "red")
    embedded = {"above": 10, "width": 2, "numbers": "piecewise_linear", "bins": 3}
    kept = {"early_stopping": True, "validation_fraction": 0.3}
    return [
        GlassNetClassifier((3,), members=2, folds=2, embedding=embedded, calibration="temperature", **options).fit(
            X, np.select([t < 0, t < 1], ["a", "b"], "c").astype(object)
        ),
        GlassNetClassifier((3, 2), normalisation="layer", dropout=0.1, input_scaling="quantile", **options).fit(
            X, t > 0
        ),
        GlassNetClassifier((2,), class_weight={1: 2.0}, **options, **kept).fit(X, (t > 0).astype(int)),
        GlassNetClassifier((2,), **options).fit(X, np.column_stack([t > 0, t > 1]).astype(int)),
        GlassNetRegressor((2,), loss="quantile", quantiles=(0.1, 0.9), columns={"shop": "drop"}, **options, **kept).fit(
            X, t
        ),
        GlassNetRegressor((), dtype="float64", optimizer="lbfgs", **options).fit(X, np.column_stack([t, t**2])),
        GlassNetRegressor((2,), loss="poisson", schedule="cosine", input_scaling="none", **options, **kept).fit(
            X, np.floor(t**2)
        ),
    ]


def write_models(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, model in enumerate(small_models()):
            model.save(folder / f"{number}.glassnet")


def outcome_of(content: bytes, X: dict[str, np.ndarray], compiled: bool) -> str:
    """ "refused" or "loaded" and how the model predicted; whatever is raised besides is wrong."""
    from glassnet.errors import GlassNetError, ModelFileError
    from glassnet.estimators.loading import load_from_bytes
    from glassnet.files.model_format import model_in, reading_content
    from glassnet.workflow.describing import described

    try:
        header, _ = model_in(content)
    except ModelFileError:
        return "refused: table, JSON or format"
    try:
        with reading_content("model"):
            described(header)
    except ModelFileError:
        info = False
    else:
        info = True
    try:
        model = load_from_bytes(content)
    except ModelFileError:
        return "refused: content of the header"
    if not info:
        raise AssertionError("it loads, and cannot be described")
    model.settings_["engine"] = "compiled" if compiled else "reference"
    try:
        model.predict(X)
        if hasattr(model, "predict_proba"):
            model.predict_proba(X)
        if model._conformal is not None:
            (model.predict_set if hasattr(model, "predict_proba") else model.predict_interval)(X)
    except GlassNetError as error:
        return f"loaded, {type(error).__name__} in prediction"
    return "loaded, predicted"


def too_slow(number: int, frame: Any) -> None:
    raise TimeoutError


def work(folder: Path, first: int, count: int, compiled: bool) -> dict[str, Any]:
    """Try files first, …, first + count - 1, and say what came of them."""
    from glassnet.tables.zones import is_zone

    warnings.simplefilter("ignore")
    files: list[File] = [taken_apart(path.read_bytes()) for path in sorted(folder.glob("*.glassnet"))]
    X = {name: values[:4] for name, values in table().items()}
    is_zone("Europe/Berlin")  # which imports polars
    for file in files:  # what is imported and kept at the first time is no file's memory
        outcome_of(file.joined(), X, compiled)
    if not compiled:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    signal.signal(signal.SIGALRM, too_slow)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    slowest = (0.0, -1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    progress = folder / f"progress-{first}"
    for number in range(first, first + count):
        if number % 100 == 0:
            progress.write_text(str(number))
        content = mutated(random.Random(SEED + number), files)
        signal.setitimer(signal.ITIMER_REAL, 60.0 if compiled else 5.0)
        start = time.process_time()
        try:
            counts[outcome_of(content, X, compiled)] += 1
        except BaseException as error:
            counts[f"WRONG: {type(error).__name__}"] += 1
            if len(wrong) < EXAMPLES:
                wrong.append(f"file {number}: " + "".join(traceback.format_exception(error)[-3:]))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        slowest = max(slowest, (time.process_time() - start, number))
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"counts": counts, "wrong": wrong, "slowest": slowest, "peak": peak}


def in_process(folder: Path, first: int, count: int, compiled: bool) -> dict[str, Any]:
    """`work` in a process of its own; one that dies is wrong as well."""
    command = [sys.executable, __file__, "work", str(folder), str(first), str(count), "1" if compiled else "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    near = (folder / f"progress-{first}").read_text() if (folder / f"progress-{first}").exists() else first
    text = f"a process ended with {done.returncode} at one of the 100 files from {near}: {done.stderr[-2000:]}"
    return {"counts": {"WRONG: the process died": 1}, "wrong": [text], "slowest": (0.0, -1), "peak": 0}


def loader(n_files: int, first: int, n_processes: int, compiled: bool) -> int:
    """Try files in batches, print what came of them, and return how many were wrong."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(n_processes) as pool:
        write_models(Path(folder))
        starts = range(first, first + n_files, BATCH)
        jobs = [
            pool.submit(in_process, Path(folder), begin, min(BATCH, first + n_files - begin), compiled)
            for begin in starts
        ]
        results = []
        for job in jobs:
            results.append(job.result())
            done = sum(sum(result["counts"].values()) for result in results)
            found = sum(len(result["wrong"]) for result in results)
            print(f"{done:,} files, {found} wrong, {time.perf_counter() - start:,.0f} s", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - start
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result["counts"])
    for text in [text for result in results for text in result["wrong"]][:EXAMPLES]:
        print(text, file=sys.stderr)
    slowest = max(result["slowest"] for result in results)
    n_wrong = sum(count for name, count in counts.items() if name.startswith("WRONG"))
    print(f"{sum(counts.values()):,} files from number {first:,} in {seconds:,.0f} s, {n_processes} process(es)")
    for name, count in sorted(counts.items()):
        print(f"  {count:>9,}  {name}")
    print(f"slowest: {slowest[0]:.3f} CPU seconds (file {slowest[1]:,}); goal {SLOWEST:g} s")
    print(
        f"memory above the start: {max(result['peak'] for result in results) / 2**20:.0f} MiB; goal {ROOM // 2**20} MiB"
    )
    print(f"wrong: {n_wrong}")
    return n_wrong + (not compiled and slowest[0] > SLOWEST)


# --- saving ----------------------------------------------------------------------------------------------------------


def killed_while_saving(models: list[Any], target: Path, seconds: float) -> None:
    """A process that saves the models in turn, and is killed after some time."""
    child = os.fork()
    if child == 0:
        try:
            while True:
                for model in models:
                    model.save(target)
        finally:
            os._exit(1)  # never back to the parent's work
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
        raise RuntimeError("the process that saves ended by itself")


def kill_save(times: int) -> int:
    """Kill a process that saves, again and again; print what was found, and return how often it was wrong."""
    from glassnet import GlassNetRegressor, load

    counts: Counter[str] = Counter()
    rng, moments = np.random.default_rng(1), random.Random(1)
    X = rng.normal(size=(200, 20))
    options = {"preset": "plain", "max_epochs": 1, "engine": "reference"}
    models = [GlassNetRegressor((200, 100), random_state=seed, **options).fit(X, X[:, 0]) for seed in (0, 1)]
    answers = [model.predict(X) for model in models]
    with tempfile.TemporaryDirectory() as name:
        target, left = Path(name) / "model.glassnet", 0
        for _ in range(times):
            killed_while_saving(models, target, moments.uniform(0.0, 0.05))
            left = max(left, len(list(target.parent.glob(".glassnet-*"))))
            if not target.exists():
                counts["nothing was saved yet"] += 1
                continue
            try:
                found = load(target).predict(X)
            except Exception as error:
                counts[f"WRONG: {error}"] += 1
                continue
            which = [number for number, answer in enumerate(answers) if np.array_equal(found, answer)]
            counts[f"model {which[0]}" if which else "WRONG: neither"] += 1
        for path in target.parent.glob(".glassnet-*"):
            os.utime(path, (time.time() - 60, time.time() - 60))  # old enough to be sure that nobody comes to lock it
        models[0].save(target)
        stayed = len(list(target.parent.iterdir())) - 1
    print(f"killed {times:,} times:")
    for outcome, count in sorted(counts.items()):
        print(f"  {count:>5,}  {outcome}")
    print(f"temporary files: {left} at most, {stayed} after the next save")
    return sum(count for outcome, count in counts.items() if outcome.startswith("WRONG")) + stayed


def main() -> int:
    if sys.argv[1:2] == ["work"]:
        folder, first, count, compiled = sys.argv[2:6]
        print(json.dumps(work(Path(folder), int(first), int(count), compiled == "1")))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    reading = commands.add_parser("loader")
    reading.add_argument("--files", type=int, default=1_000_000)
    reading.add_argument("--first", type=int, default=0)
    reading.add_argument("--processes", type=int, default=1)
    reading.add_argument("--compiled", action="store_true")
    killing = commands.add_parser("kill-save")
    killing.add_argument("--times", type=int, default=200)
    given = parser.parse_args()
    if given.command == "kill-save":
        return int(kill_save(given.times) > 0)
    return int(loader(given.files, given.first, given.processes, given.compiled) > 0)


if __name__ == "__main__":
    sys.exit(main())
