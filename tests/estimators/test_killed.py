"""SIGKILL in the middle of a fit, a few times; benchmarks/torture_resume.py does it some hundred times."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

PROGRAM = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
from glassnet import GlassNetRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4))
path, keeping = Path("run.ckpt"), {"checkpoint": "run.ckpt", "checkpoint_every": 0} if sys.argv[1] == "keeping" else {}
options = {"preset": "plain", "schedule": "constant", "hidden_layer_sizes": (8,), "folds": 3, "refit": 1}
model = GlassNetRegressor(**options, max_epochs=15, engine="reference", random_state=0, **keeping)
print("begun", flush=True)
model.fit(X, np.sin(2 * X[:, 0]) + X[:, 1], resume="run.ckpt" if path.exists() else None)
model.save("model.glassnet")
print(hashlib.sha256(Path("model.glassnet").read_bytes()).hexdigest(), flush=True)
"""


class Fit:
    """A fresh process that fits in a folder."""

    def __init__(self, folder, how):
        self.path, arguments = folder / "run.ckpt", [sys.executable, "-c", PROGRAM, how]
        self.process = subprocess.Popen(
            arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "begun\n", self.process.communicate()[1]

    def digest(self):
        """Let it come to its end: the digest of the model file."""
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return out.strip()

    def kill_after(self, writes):
        """Kill it when its checkpoint was seen to change so many times: how it ended."""
        seen = set()
        while len(seen) <= writes and self.process.poll() is None:
            with suppress(FileNotFoundError):
                seen.add(self.path.stat().st_mtime_ns)
        self.process.kill()
        self.process.communicate()
        return self.process.returncode


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_and_fresh_ones_come_to_the_same_file(tmp_path):
    for name in ("one", "other", "killed"):
        (tmp_path / name).mkdir()
    expected = Fit(tmp_path / "one", "without").digest()
    assert len(expected) == 64
    assert Fit(tmp_path / "other", "without").digest() == expected
    for writes in (3, 17):
        assert Fit(tmp_path / "killed", "keeping").kill_after(writes) == -signal.SIGKILL
    assert Fit(tmp_path / "killed", "keeping").digest() == expected
