"""Models and tables are drawn as in benchmarks/torture_export.py, which is found beside the programs there."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
