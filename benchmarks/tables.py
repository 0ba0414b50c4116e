"""How long a mixed table takes to become a matrix, beside scikit-learn's ColumnTransformer, in one run.

    python benchmarks/tables.py [--rows N] [--rounds N] [--frames pandas polars ...] [--profile]

The table has 20 columns: eight of floats (three with gaps of 5 %), four of whole numbers, six of texts (2 to 12 levels,
two with gaps), one of booleans and one of dates. `TableEncoder().fit_transform` makes a float32 matrix of all of it.
ColumnTransformer (imputer and scaler for numbers, imputer and one-hot for texts and booleans, as the documentation of
scikit-learn has it) gets the same table as pandas, its date as elapsed days, and makes a dense float32 one-hot. Each
turn is a process of its own; turns take their place in rounds; figures are medians.

"peak" is how much the process grew during the call, at its highest, divided by the data's size: once with and once
without the matrix that is returned. Data's size: of the frame, as its library counts it (pandas: deep).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

LEVELS = {"sex": 2, "region": 4, "colour": 6, "month": 12, "maker": 9, "grade": 5}
FRAMES = ("pandas", "pandas objects", "polars", "arrow")


def polars_table(rows: int) -> Any:
    """The table, always the same for a number of rows."""
    import polars as pl

    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"float {i}": rng.normal(i, i + 1, rows) for i in range(8)}
    for i in range(3):
        columns[f"float {i}"][rng.random(rows) < 0.05] = np.nan
    columns |= {f"whole {i}": rng.integers(0, 10 ** (i + 1), rows) for i in range(4)}
    for name, count in LEVELS.items():
        levels = pl.Series([f"{name} {k:02}" for k in range(count)])
        columns[name] = levels.gather(rng.integers(0, count, rows))
    for name in ("maker", "grade"):
        columns[name] = (
            columns[name]
            .to_frame("x")
            .with_columns(gap=pl.Series(rng.random(rows) < 0.05))
            .select(pl.when(pl.col("gap")).then(None).otherwise(pl.col("x")).alias(name))[name]
        )
    columns["member"] = rng.random(rows) < 0.3
    columns["day"] = np.datetime64("2020-01-01", "us") + rng.integers(0, 1000, rows) * np.timedelta64(1, "D")
    return pl.DataFrame(columns).fill_nan(None)


def frame_of(kind: str, rows: int) -> tuple[Any, int]:
    """The table as a frame of some library, and its bytes."""
    table = polars_table(rows)
    if kind == "polars":
        return table, int(table.estimated_size())
    if kind == "arrow":
        return (found := table.to_arrow()), found.nbytes
    found = table.to_pandas()
    if kind == "pandas objects":
        found = found.astype(dict.fromkeys(LEVELS, object))
        found = found.where(found.notna(), None) if found[list(LEVELS)].isna().all(axis=None) else found
    return found, int(found.memory_usage(deep=True).sum())


def column_transformer(frame: Any) -> Any:
    """What scikit-learn's users write for such a table."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = [*LEVELS, "member"]
    numbers = [name for name in frame.columns if name not in texts]
    one_hot = OneHotEncoder(sparse_output=False, dtype=np.float32, handle_unknown="ignore")
    constant = SimpleImputer(strategy="constant", fill_value="missing")
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (make_pipeline(constant, one_hot), texts),
    )


def resident() -> int:
    """Bytes of memory that this process has now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Measures the seconds and the growth of the process, in bytes, of what happens inside."""
    found: dict[str, float] = {}
    before, done, highest = resident(), threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.002):
            highest[0] = max(highest[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    yield found
    found["seconds"] = time.perf_counter() - begun
    done.set()
    watcher.join()
    found["growth"] = max(highest[0], resident()) - before


def turn(name: str, rows: int) -> dict[str, float]:
    """One turn: "scikit-learn", or a kind of frame."""
    frame, size = frame_of("pandas objects" if name == "scikit-learn" else name, rows)
    if name == "scikit-learn":
        epoch = np.datetime64("1970-01-01")
        frame = frame.assign(day=(frame["day"] - epoch) / np.timedelta64(1, "D"), member=frame["member"].astype(object))
        frame["member"] = frame["member"].astype(str)
        encoder: Any = column_transformer(frame)
        encoder.fit_transform(frame[:2000])  # imports
    else:
        from glassnet import TableEncoder

        encoder = TableEncoder()
        encoder.fit_transform(frame[:2000] if name != "arrow" else frame.slice(0, 2000))
    with watched() as found:
        matrix = encoder.fit_transform(frame)
    with_matrix, without = found["growth"] / size, (found["growth"] - matrix.nbytes) / size
    return {
        "seconds": found["seconds"],
        "peak": with_matrix,
        "beside": without,
        "data": size / 1e6,
        "matrix": matrix.nbytes / 1e6,
        "width": matrix.shape[1],
    }


def in_process(name: str, rows: int) -> dict[str, float]:
    """A turn in a process of its own."""
    command = [sys.executable, __file__, "--turn", name, "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def profile(name: str, rows: int) -> None:
    """Print where the time goes."""
    import cProfile

    from glassnet import TableEncoder

    frame, _ = frame_of(name, rows)
    cProfile.runctx("TableEncoder().fit_transform(frame)", {"TableEncoder": TableEncoder, "frame": frame}, {}, sort=1)


def main() -> None:
    """Print the table of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", nargs="+", choices=FRAMES, default=list(FRAMES))
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.turn:
        print(json.dumps(turn(arguments.turn, arguments.rows)))
        return
    if arguments.profile:
        profile(arguments.frames[0], arguments.rows)
        return
    names = ["scikit-learn", *arguments.frames]
    turns = [{name: in_process(name, arguments.rows) for name in names} for _ in range(arguments.rounds)]
    print(f"{arguments.rows:,} rows x 20 columns, {arguments.rounds} rounds")
    print("| from | seconds | of scikit-learn's | data MB | matrix MB | peak / data | without the matrix |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for name in names:
        of = {key: median(found[name][key] for found in turns) for key in turns[0][name]}
        ratio = median(found[name]["seconds"] / found["scikit-learn"]["seconds"] for found in turns)
        print(
            f"| {name} | {of['seconds']:.2f} | {ratio:.2f} | {of['data']:.0f} | {of['matrix']:.0f} ({of['width']:.0f}) "
            f"| {of['peak']:.2f} | {of['beside']:.2f} |"
        )


if __name__ == "__main__":
    main()
