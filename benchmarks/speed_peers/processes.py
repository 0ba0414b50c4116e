"""From a new process to fitted penguins, in an environment that holds glassnet and its core dependencies alone.

Both programs read the same file with polars and fit at their defaults: glassnet takes the table as it is,
scikit-learn's MLP stands behind a ColumnTransformer. The time is the whole process's, from its start to its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
PENGUINS = ROOT / "src" / "glassnet" / "datasets" / "penguins.csv"

READ = """
import sys, warnings
warnings.simplefilter("ignore")
import polars as pl
frame = pl.read_csv(sys.argv[1], null_values=["NA", ""])
X, y = frame.drop("species"), frame["species"].to_numpy()
"""

GLASSNET = (
    READ
    + """
from glassnet import GlassNetClassifier
model = GlassNetClassifier(random_state=0).fit(X, y)
print(model.score(X, y), model.n_iter_, "numba" in sys.modules)
"""
)

SCIKIT_LEARN = (
    READ
    + """
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
texts = [name for name in X.columns if X[name].dtype == pl.String]
numbers = [name for name in X.columns if name not in texts]
prepare = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
])
model = make_pipeline(prepare, MLPClassifier(random_state=0)).fit(X, y)
print(model.score(X, y), model[-1].n_iter_)
"""
)


def environment(folder: Path) -> Path:
    """Make a new environment with glassnet from this checkout in it; returns its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(ROOT)], check=True)
    return python


def timed(python: Path, program: str, cache: Path) -> tuple[float, str]:
    """Seconds of a process, and what it printed."""
    variables = {**os.environ, "GLASSNET_CACHE_DIR": str(cache)}
    variables.pop("PYTHONPATH", None)
    begin = time.perf_counter()
    done = subprocess.run(
        [python, "-c", program, PENGUINS], capture_output=True, text=True, env=variables, cwd=cache, check=False
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    return seconds, done.stdout.strip()


def report(rounds: int, python: Path | None = None) -> str:
    """The table; `python` is an interpreter to use instead of a new environment's."""
    from speed_peers.report import table, verdict

    programs = {"glassnet": GLASSNET, "scikit-learn": SCIKIT_LEARN}
    with tempfile.TemporaryDirectory() as folder:
        if python is None:
            print("making an environment with the core dependencies", file=sys.stderr, flush=True)
            python = environment(Path(folder) / "environment")
        cache = Path(folder) / "cache"
        cache.mkdir(mode=0o700)
        first = {name: timed(python, program, cache) for name, program in programs.items()}
        seconds: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds):
            for name, program in programs.items():
                seconds[name].append(timed(python, program, cache)[0])
    rows = []
    for name in programs:
        cells = [f"{median(seconds[name]):.2f}", f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}"]
        rows.append([name, f"{first[name][0]:.2f}", *cells, first[name][1]])
    figure, goal, met = verdict(median(seconds["glassnet"]) / median(seconds["scikit-learn"]), 1.0, at_most=True)
    header = ["whole process, s", "first", f"median of {rounds}", "all", "accuracy, epochs"]
    note = f"glassnet ÷ scikit-learn {figure}, goal {goal}: {met}"
    return f"{table(header, rows)}\n\n{note}"
