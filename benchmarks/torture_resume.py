"""Kill a training at random moments, again and again, and see that it ends with the bits of one that was never killed.

    python benchmarks/torture_resume.py --kills 200

Each attempt is a process of its own (a fork of this one, which has imported the library and done nothing with it) that
trains with a checkpoint, written after each run of steps, and is killed by SIGKILL after a random time: anywhere from
its start to a little beyond the end of an uninterrupted fit, in the middle of a write too. The next attempt goes on
from the file. Once one comes to its end, the digest of its model file is compared with that of the uninterrupted fit,
and the fit begins anew, until there were enough kills. Three fits are tortured so: by NumPy and compiled, folds and
refits, mini-batches with dropout, an ensemble. At last fresh interpreters repeat each without any interruption. Prints
counts ("in a write" are kills that left a half-written file behind); exits with 1 where a digest differs or an attempt
failed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from glassnet import GlassNetRegressor

PLAIN = {"preset": "plain", "schedule": "constant", "hidden_layer_sizes": [16, 16], "random_state": 0}
FITS = {
    "NumPy, folds and refit": PLAIN
    | {"rows": 400, "engine": "reference", "folds": 3, "refit": 1, "max_epochs": 25, "batch_size": 16},
    "compiled, dropout, steps": PLAIN
    | {"rows": 3000, "engine": "compiled", "dropout": 0.2, "validation_every": "7 steps", "max_epochs": 60},
    "compiled, ensemble": {
        **{"rows": 1500, "engine": "compiled", "max_epochs": 12, "hidden_layer_sizes": [32], "random_state": 0}
    },
}
LONGEST = 1.1  # when to kill at the latest, as a share of the seconds of an uninterrupted fit
FRESH = """
import json, sys
sys.path.insert(0, sys.argv[1])
from torture_resume import fit
print(fit(*json.loads(sys.argv[2])))
"""


def fit(options: dict, folder: str, keeping: bool) -> str:
    """Fit, going on from a checkpoint where there is one: the digest of the model file."""
    options, path = dict(options), Path(folder) / "run.ckpt"
    rng = np.random.default_rng(0)
    X = rng.normal(size=(options.pop("rows"), 6))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
    if keeping:
        options |= {"checkpoint": path, "checkpoint_every": 0}
    model = GlassNetRegressor(**options).fit(X, y, resume=path if path.exists() else None)
    model.save(Path(folder) / "model.glassnet")
    return hashlib.sha256((Path(folder) / "model.glassnet").read_bytes()).hexdigest()


def attempt(options: dict, folder: Path, after: float, *, keeping: bool = True) -> tuple[str, str]:
    """One attempt, killed after so many seconds if it is not over: "killed", "ended" or "failed", and what it said."""
    said = folder / "said"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            said.write_text(fit(options, str(folder), keeping))
            code = 0
        except BaseException:
            said.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    end = time.monotonic() + after
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.002)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "killed", ""
    text = said.read_text()
    return ("ended" if len(text) == 64 else "failed"), text


def torture(name: str, options: dict, n_kills: int, rng: random.Random) -> dict[str, int]:
    """Fit until so many attempts were killed; counts."""
    counts = dict.fromkeys(("killed", "in a write", "ended", "failed", "other bits"), 0)
    with tempfile.TemporaryDirectory() as place:  # the first may have to compile kernels
        expected = attempt(options, Path(place), 600.0, keeping=False)[1]
        begun = time.monotonic()
        attempt(options, Path(place), 600.0, keeping=False)
        seconds = time.monotonic() - begun
    while counts["killed"] < n_kills:
        with tempfile.TemporaryDirectory() as place:
            folder, end, half = Path(place), "killed", set[Path]()
            while end == "killed":
                enough = counts["killed"] >= n_kills  # then it may come to its end
                end, said = attempt(options, folder, 600.0 if enough else rng.uniform(0.0, LONGEST) * seconds)
                counts[end] += 1
                counts["in a write"] += bool(set(folder.glob(".glassnet-*.tmp")) - half)
                half = set(folder.glob(".glassnet-*.tmp"))
            if end == "failed":
                print(f"{name}: {said.splitlines()[-1]}", flush=True)
            counts["other bits"] += end == "ended" and said != expected
    return counts


def fresh(options: dict, n: int) -> int:
    """How many different digests n fresh interpreters come to."""
    digests = set()
    for _ in range(n):
        with tempfile.TemporaryDirectory() as place:
            arguments = [sys.executable, "-c", FRESH, str(Path(__file__).parent), json.dumps([options, place, False])]
            digests.add(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)
    return len(digests)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--fresh", type=int, default=10, help="fresh interpreters that repeat each fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, choices=range(len(FITS)), help="one of the fits")
    given = parser.parse_args()
    rng, wrong = random.Random(given.seed), 0
    fits = list(FITS.items())[slice(given.only, None if given.only is None else given.only + 1)]
    for number, (name, options) in enumerate(fits):
        counts = torture(name, options, (given.kills + number) // len(fits), rng)
        print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
        wrong += counts["failed"] + counts["other bits"]
        if given.fresh:
            n_digests = fresh(options, given.fresh)
            print(f"{name}: {given.fresh} fresh interpreters, digests: {n_digests}", flush=True)
            wrong += n_digests - 1
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
