"""How fast the networks train, beside those whom people use today, in one run.

    python -m pip install -e '.[peers]' && python benchmarks/speed.py [--work NAME] [--processes]

For each work (see `speed_peers/works.py`) every program starts from the same weights and takes the same steps: same
data in float32, batches, optimiser, rates and order of rows. In each round every program takes a turn; a figure is the
median over the rounds of seconds a step. The losses reached are computed by one function from the final weights, and a
difference of more than 1 % is printed loudly. Each program and number of threads has a process of its own.

Where it could not be quite equal, the peer has the advantage. scikit-learn and skorch cannot be given an order, so they
get rows that stand in that order already, and the gathering is not on their clocks. JAX is asked for gradients alone,
the article's loop and the C++ program compute no losses. The article's loop computes in float64, as it is written.

"Limit" is the sum over a step's matrix products of `np.dot(A, B, out)` at that very shape, the faster layout, one
thread; for the article's example a hand-fused C++ program, `article_limit.cpp`, compiled with and without -ffast-math,
whichever is faster. Each peer stands at its better number of threads, 1 or 2, and variant (layout, what is compiled).
Goals "over PyTorch" are held against the eager loop; torch.compile stands beside it.

A run of everything takes about half an hour, and needs a machine that does nothing else. Exits with 1 when losses
differ, not when a goal is missed.
"""

from __future__ import annotations

import argparse
import sys

from speed_peers import memory, processes, report, to_accuracy
from speed_peers.rounds import LABELS, PEERS, Pool, Result, measure
from speed_peers.works import DATA, KINDS


def works_of(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[str]:
    """The works asked for; without the file of images all but MNIST."""
    for name in options.work or []:
        if name not in KINDS:
            parser.error(f"--work must be one of {', '.join(KINDS)}, got {name!r}")
    names = options.work or list(KINDS)
    if not (DATA / "mnist.npz").exists():
        print(f"no {DATA / 'mnist.npz'}: MNIST is left out", file=sys.stderr)
        names = [name for name in names if not name.startswith("mnist")]
    return names


def print_tables(results: list[Result]) -> None:
    """All tables of the timed works."""
    print("\n### Microseconds a step\n\nPeers at their better number of threads and variant, in brackets.\n")
    print(report.times(results))
    if images := report.epochs(results):
        print(f"\n{images}")
    figures = "peers at their better number of threads, ours on one; beside it both on one, and both at their better"
    print(f"\n### Ratios and goals\n\nThe figure: {figures}.\n\n{report.goals(results)}")
    print(f"\n### Spread, in µs a step, and losses\n\n{report.spread(results)}")
    if lines := report.warnings(results):
        print("\n" + "\n".join(f"- {line}" for line in lines))


def main() -> int:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", action="append", metavar="NAME", help=f"one of {', '.join(KINDS)}; may be repeated")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every program (default 7, at least 5 count)")
    parser.add_argument("--quick", action="store_true", help="2 short rounds, no accuracy runs: to see that it works")
    parser.add_argument("--no-peers", action="store_true", help="ours and the limits alone")
    parser.add_argument("--only", metavar="NAME,…", help=f"of the programs, only these: {', '.join(LABELS)}")
    parser.add_argument("--processes", action="store_true", help="new process to fitted penguins, in a new environment")
    options = parser.parse_args()
    rounds, budget = (2, 0.05) if options.quick else (options.rounds, 0.3)
    families = [family for family in LABELS if not (options.no_peers and family in PEERS)]
    if options.only:
        families = [family for family in families if family in options.only.split(",")]
    names = works_of(options, parser)

    print(f"{report.machine()}\n\n{rounds} rounds, turns of {budget} s or one run", flush=True)
    pool, results = Pool(), []
    try:
        for name in names:
            results.append(measure(name, families, pool, rounds, budget))
            print(f"\n{report.times(results[-1:])}", file=sys.stderr, flush=True)
    finally:
        pool.close()
    print_tables(results)
    if not options.work and not options.only:
        print(f"\n### Memory while training\n\n{memory.report(with_peers=not options.no_peers)}", flush=True)
        if (DATA / "mnist.npz").exists() and not options.quick:
            print(f"\n### To 98 % test accuracy on MNIST\n\n{to_accuracy.report(seeds=5)}", flush=True)
    if options.processes:
        rounds = 3 if options.quick else max(options.rounds, 7)
        print(f"\n### New process, import to fitted penguins\n\n{processes.report(rounds)}", flush=True)
    return 1 if any(result.strays() for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
