"""How accurate the presets are, beside other libraries at their defaults, on the same rows of real tables.

    python benchmarks/accuracy.py [tables] [adult] [california] [images] [seconds] [--presets default,fast,best]
        [--models catboost,…] [--tables letter,…] [--seeds 0,1,2] [--data FOLDER] [--reference JSON] [--cache FILE]

tables      (without a word) a quarter of each table's rows, at most 8,000, to test on, and at most 8,000 of the others
            to train on, in random order by the seed. Recipes are chosen by the tables whose names begin with a to e;
            the others are the result, and the goals are held against them.
adult       the first 32,561 rows train, the rest test.
california  13,209 rows train, 3,303 validate, 4,128 test. glassnet gets the validation rows as `validation=` (with
            --validation own it trains on them too); peers, at their defaults, train on both.
images      MNIST and Fashion-MNIST, dense networks.
seconds     letter, bike_sharing and wine_quality, all models in turns in this process.

glassnet gets a table as it is. Peers get it prepared as their documentation asks (`scoring/peers.py`). Peers' scores
that the reference has are taken from it; its seconds are those of the run that made it. Others are measured where their
library is installed, else left blank. Scores are kept in a file and not measured again; ours belong to the sources
they were measured with. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from scoring import protocols
from scoring.goals import Verdict, on_tables, verdicts_text
from scoring.ours import PRESETS, version
from scoring.peers import PEERS
from scoring.report import blanks_text, whole_report
from scoring.scorer import REFERENCE, Scorer
from scoring.store import FOLDER, Store
from scoring.tables import DATA, names_in

PARTS = ("tables", "adult", "california", "images", "seconds")
# Peers of a part where --models does not name them.
USUAL = {"tables": tuple(PEERS), "california": ("catboost",), "seconds": ("catboost", "sklearn_mlp", "realmlp")}


def names(text: str) -> list[str]:
    """The parts of a list with commas."""
    return [part for part in text.split(",") if part]


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}, or all (default tables)")
    parser.add_argument("--presets", type=names, default=list(PRESETS), metavar="NAME,…")
    parser.add_argument("--models", type=names, metavar="NAME,…", help=f"peers: {', '.join(PEERS)}, or none")
    parser.add_argument("--tables", type=names, metavar="NAME,…", help="by default all of the folder")
    parser.add_argument("--seeds", type=names, default=["0"], metavar="N,…", help="default 0")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument("--reference", type=Path, default=REFERENCE, metavar="JSON")
    parser.add_argument("--stored-only", action="store_true", help="peers from the reference alone")
    parser.add_argument("--validation", choices=("given", "own"), default="given", help="of california")
    parser.add_argument("--cache", type=Path, default=FOLDER / "scores.jsonl", metavar="FILE")
    options = parser.parse_args()
    options.parts = list(PARTS) if "all" in options.parts else options.parts or ["tables"]
    options.seeds = [int(seed) for seed in options.seeds]
    known = names_in(options.data)
    if not known:
        parser.error(f"no tables in {options.data}; name their folder with --data")
    options.tables = options.tables or known
    for what, given, choices in (
        ("PART", options.parts, PARTS),
        ("--presets", options.presets, PRESETS),
        ("--models", options.models or [], [*PEERS, "none"]),
        ("--tables", options.tables, known),
    ):
        if unknown := sorted(set(given) - set(choices)):
            parser.error(f"{what} must be of {', '.join(choices)}, got {', '.join(unknown)}")
    return options


def peers_of(options: argparse.Namespace, part: str) -> list[str]:
    """Those asked for, or the usual ones of the part."""
    asked = USUAL.get(part, ()) if options.models is None else options.models
    return [peer for peer in PEERS if peer in asked]


def tables(options: argparse.Namespace, store: Store) -> list[Verdict]:
    """Print all figures and comparisons; the goals on the reporting tables."""
    peers = peers_of(options, "tables")
    scorer = Scorer(options.data, store, options.reference, not options.stored_only)
    results = scorer.results(options.tables, [*options.presets, *peers], options.seeds)
    measured = {model for _, model in results.scores}
    presets, peers = ([model for model in models if model in measured] for models in (options.presets, peers))
    print(f"\n{len(options.tables)} tables, mean of seeds {options.seeds}\n")
    print(whole_report(results, presets, peers))
    if scorer.blanks:
        print(f"\n{blanks_text(scorer.blanks)}")
    return on_tables(results, presets, peers)


def main() -> int:
    """Measure, print, and fail when a goal is missed."""
    options = arguments()
    store, verdicts = Store(options.cache), []
    print(f"{version()}, numpy {np.__version__}, Python {sys.version.split()[0]}")
    for part in options.parts:
        common = (options.presets, peers_of(options, part), options.seeds)
        if part == "tables":
            verdicts += tables(options, store)
        elif part == "adult":
            verdicts += protocols.adult(options.data, store, *common)
        elif part == "california":
            verdicts += protocols.california(options.data, store, *common, given=options.validation == "given")
        elif part == "images":
            verdicts += protocols.images(options.data, store, options.presets, options.seeds)
        else:
            verdicts += protocols.seconds(options.data, *common)
    print(f"\n### Goals\n\n{verdicts_text(verdicts)}")
    return 1 if any(verdict.met is False for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
