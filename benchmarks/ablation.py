"""What each ingredient of the recipe gives in accuracy and costs in seconds, one at a time, on the choosing tables.

    python benchmarks/ablation.py [--only NAME,…] [--tables abalone,…] [--seeds 0,1] [--rows 2000] [--base JSON]
        [--data FOLDER] [--cache FILE]

Each ingredient is a set of ordinary arguments. One of WITHOUT takes an ingredient of the default recipe away, one of
WITH adds something to it. Either way the gain is how much better the recipe with the ingredient is than the one
without, 100 · ln(score without / score with): above 0 the ingredient helps, close to percent. Scores are log loss or
RMSE (means of the seeds; below 0.005 they count as that), and separately the error of classifications. "cost" is the
seconds of fit with the ingredient over those without, all tables together. The bar for an ingredient is a mean gain of
0.3 %. Scores are kept in a file and belong to the sources they were measured with.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from scoring.ours import version
from scoring.report import blanks_text
from scoring.scorer import Scorer, Scores, mean_scores
from scoring.store import FOLDER, Store
from scoring.summary import bootstrap, log_ratios
from scoring.tables import DATA, is_choosing, names_in

Arguments = dict[str, Any]
BAR = 0.3  # percent
FOR_CLASSES = {"label_smoothing"}  # arguments that a regression does not take
FIRST = 28

BINS = {"numbers": "piecewise_linear"}
# Ingredients of the default recipe -> arguments of the recipe without it.
WITHOUT: dict[str, Arguments] = {
    "numbers in bins": {"embedding": {"numbers": "none"}, "input_scaling": "smooth_clip"},
    "128 bins, not 48": {"embedding": {**BINS, "bins": 48}},
    "members, not one network": {"members": 1},
    "networks on all rows": {"refit": 0},
    "average of the weights": {"averaging": 0.0},
    "decay 0.3": {"weight_decay": 0.0},
    "ReLU, not SiLU": {"activation": "silu"},
    "He's start, not fan-in": {"initializer": "fan_in"},
    "two hidden layers": {"hidden_layer_sizes": (128,)},
    "dropout by task": {"dropout": 0.0},
    "embedding above 32 levels": {"embedding": {**BINS, "bins": 128, "above": 64}},
}
# What might join the default recipe -> arguments of the recipe with it.
WITH: dict[str, Arguments] = {
    "smooth clip": {"input_scaling": "smooth_clip"},
    "quantile to normal": {"input_scaling": "quantile"},
    "embedding above 8 levels": {"embedding": {**BINS, "bins": 128, "above": 8}},
    "8 members": {"members": 8},
    "three hidden layers": {"hidden_layer_sizes": (128, 128, 128)},
    "layers of 256": {"hidden_layer_sizes": (256, 256)},
    "cosine schedule": {"schedule": "cosine"},
    "layer normalisation": {"normalisation": "layer"},
    "clipping at 1": {"clip_norm": 1.0},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "five folds": {"folds": 5},
    "four networks on all rows": {"refit": 4},
}


def gains(base: Scores, changed: Scores, takes_away: bool) -> dict[str, float]:
    """Gain of the ingredient in log loss or RMSE, and in error where there is one, in percent; and the seconds."""
    without, with_it = (changed, base) if takes_away else (base, changed)
    found = {
        "score" if key != "error" else key: float(log_ratios(np.array(without[key]), np.array(with_it[key])))
        for key in ("logloss", "nrmse", "error")
        if key in base
    }
    return {**found, "seconds with": with_it["fit_s"], "seconds without": without["fit_s"]}


def line(name: str, found: dict[str, dict[str, float]], tables: list[str]) -> str:
    """The means over the tables and a column a table; a dash where there is no figure."""
    score = bootstrap(np.array([one["score"] for one in found.values()]))
    error = bootstrap(np.array([one["error"] for one in found.values() if "error" in one]))
    seconds = [sum(one[key] for one in found.values()) for key in ("seconds with", "seconds without")]
    cells = [
        signed(score.mean),
        "–" if np.isnan(score.low) else f"{score.low:+.1f}…{score.high:+.1f}",
        signed(error.mean),
        f"{seconds[0] / seconds[1]:.2f}" if found else "–",
        *(signed(found[table]["score"]) if table in found else "–" for table in tables),
    ]
    widths = [8, 13, 8, 7, *(max(len(short(table)) + 1, 9) for table in tables)]
    return f"{name:<{FIRST}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def heading(tables: list[str]) -> str:
    cells = ["gain, %", "interval", "error, %", "cost", *map(short, tables)]
    widths = [8, 13, 9, 6, *(max(len(short(table)) + 1, 9) for table in tables)]
    return " " * FIRST + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def signed(value: float) -> str:
    """A figure in percent."""
    return "–" if np.isnan(value) else f"{value:+.2f}"


def short(table: str) -> str:
    """As much of a table's name as a column takes."""
    return table.partition("_")[0][:9]


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    names = {**WITHOUT, **WITH}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME,…", help=f"of the ingredients: {', '.join(names)}")
    parser.add_argument("--tables", metavar="NAME,…", help="by default those whose names begin with a to e")
    parser.add_argument("--seeds", default="0,1", metavar="N,…")
    parser.add_argument("--rows", type=int, default=2000, metavar="N", help="to train on, at most (default 2000)")
    parser.add_argument("--base", type=json.loads, default={}, metavar="JSON", help="arguments of the recipe itself")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument("--cache", type=Path, default=FOLDER / "scores.jsonl", metavar="FILE")
    options = parser.parse_args()
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    known = names_in(options.data)
    options.tables = options.tables.split(",") if options.tables else [name for name in known if is_choosing(name)]
    options.only = options.only.split(",") if options.only else list(names)
    for what, given, choices in (("--tables", options.tables, known), ("--only", options.only, list(names))):
        if unknown := sorted(set(given) - set(choices)):
            parser.error(f"{what} must be of {', '.join(choices)}, got {', '.join(unknown)}")
    return options


def main() -> int:
    """Print a line an ingredient as soon as it is measured."""
    options = arguments()
    scorer = Scorer(options.data, Store(options.cache), None)

    def is_regression(table: str) -> bool:
        return scorer.table(table).regression

    def scores(table: str, changes: Arguments) -> Scores | None:
        settings = {**options.base, **changes}
        found = [scorer.ours(table, settings, seed, options.rows) for seed in options.seeds]
        for one in found:
            if "failed" in one:
                scorer.blanks[json.dumps(settings), f"failed on {table}: {one['failed']}"] += 1
        return None if any("failed" in one for one in found) else mean_scores(found)

    print(
        f"{version()}; at most {options.rows:,} rows, mean of seeds {options.seeds}, recipe {options.base or 'default'}"
    )
    base = {table: scores(table, {}) for table in options.tables}
    for title, ingredients in (("in the recipe", WITHOUT), ("beside it", WITH)):
        print(f"\n### Ingredients {title}\n\n{heading(options.tables)}", flush=True)
        for name in (name for name in ingredients if name in options.only):
            changes = ingredients[name]
            taking = [table for table in options.tables if not (set(changes) & FOR_CLASSES and is_regression(table))]
            changed = {table: scores(table, changes) for table in taking}
            found = {
                table: gains(base[table], changed[table], ingredients is WITHOUT)
                for table in taking
                if base[table] and changed[table]
            }
            print(line(name, found, options.tables), flush=True)
    print(f"\nbar: a gain of {BAR} %")
    if scorer.blanks:
        print(f"\n{blanks_text(scorer.blanks)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
