"""The benchmarks' package `scoring` is no part of glassnet: it is found beside the programs that use it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
