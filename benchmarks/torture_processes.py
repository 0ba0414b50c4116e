"""The same bits in every process: how often a fit and its predictions come out the same, in fresh processes.

    python benchmarks/torture_processes.py [--processes 10] [--work NAME]

Each work is done by so many new Python processes, which take turns at everything that may differ from one to the next:
the order in which Python walks through sets (PYTHONHASHSEED), the number of threads (n_jobs), the threads of BLAS, and
whether kernels are compiled or loaded from the cache (every third process finds an empty one). A process prints a
digest of all weights, of the history's losses and of its predictions, after it has compared those of the whole table
with those of rows alone. Exits with 1 where two digests of a work differ.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

WORK = """
import hashlib, sys
import numpy as np
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.datasets import diabetes, three_clouds

def digest_of(model, use, X):
    digest = hashlib.sha256()
    for network in model.networks_:
        digest.update(network.params.tobytes())
    digest.update(repr([[row[name] for name in row if name != "seconds"] for row in model.history_]).encode())
    whole = np.asarray(use(X))
    alone = np.concatenate([use(X[i : i + 1]) for i in range(0, len(X), 7)])
    assert alone.tobytes() == whole[::7].tobytes(), "a row alone has other bits"
    digest.update(whole.tobytes())
    print(digest.hexdigest())

n_jobs = int(sys.argv[1])
options = dict(random_state=0, max_epochs=6, n_jobs=n_jobs)
"""
WORKS = {
    "clouds, NumPy": """
data = three_clouds(seed=0)
model = GlassNetClassifier(preset="plain", engine="reference", **options).fit(data.X, data.y)
digest_of(model, model.predict_proba, data.X)
""",
    "clouds, compiled ensemble": """
data = three_clouds(seed=0)
model = GlassNetClassifier(engine="compiled", calibration="temperature", **options).fit(data.X, data.y)
digest_of(model, model.predict_proba, data.X)
""",
    "diabetes, folds of compiled ensembles": """
data = diabetes()
model = GlassNetRegressor(engine="compiled", members=9, folds=3, refit=1, **options).fit(data.X, data.y)
digest_of(model, model.predict, data.X)
""",
    "diabetes, quantiles, NumPy": """
data = diabetes()
model = GlassNetRegressor(engine="reference", preset="plain", quantiles=(0.1, 0.5, 0.9), **options)
model.fit(data.X, data.y)
digest_of(model, model.predict_quantiles, data.X)
""",
    "diabetes, L-BFGS": """
data = diabetes()
model = GlassNetRegressor((8,), optimizer="lbfgs", random_state=0, n_jobs=n_jobs).fit(data.X, data.y)
digest_of(model, model.predict, data.X)
""",
    "wide layers, dropout, layer normalisation": """
data = three_clouds(seed=0)
model = GlassNetClassifier((128, 64), preset="plain", dropout=0.2, normalisation="layer", engine="compiled", **options)
digest_of(model.fit(data.X, data.y), model.predict_proba, data.X)
""",
}


def process(program: str, number: int, cache: Path) -> str:
    """What a new process prints, in an environment of its own. Raises RuntimeError when it fails."""
    n_jobs, blas = (1, 2, -1)[number % 3], ("1", "2")[number // 3 % 2]
    variables = os.environ | {"PYTHONHASHSEED": str(number), "OPENBLAS_NUM_THREADS": blas}
    with tempfile.TemporaryDirectory() as empty:
        variables["GLASSNET_CACHE_DIR"] = empty if number % 3 == 2 else str(cache)
        command = [sys.executable, "-W", "ignore", "-c", WORK + program, str(n_jobs)]
        done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-1500:])
    return done.stdout.strip()


def main() -> int:
    """Run all works in turn, then print how many processes agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--work", action="append", choices=list(WORKS), help="one of them; may be repeated")
    options = parser.parse_args()
    works = {name: program for name, program in WORKS.items() if name in (options.work or WORKS)}
    begin, differ = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as cache:
        for name, program in works.items():
            found = Counter(process(program, number, Path(cache)) for number in range(options.processes))
            (digest, most), *others = found.most_common()
            print(f"{most} of {options.processes} processes alike  {digest[:12]}  {name}", flush=True)
            differ += len(others)
    print(f"{len(works)} works, {differ} digests beside, {time.perf_counter() - begin:.0f} s")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
