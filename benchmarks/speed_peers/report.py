"""The figures as Markdown tables, with the goals beside them."""

from __future__ import annotations

import itertools
import os
import platform
from importlib import metadata
from pathlib import Path
from statistics import median

from speed_peers.rounds import LABELS, PEERS, Result, Series

PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "scikit-learn", "torch", "jax", "jaxlib", "skorch")


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """Processor, number of cores, and versions of everything measured."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    processor = models[0].partition(":")[2].strip() if models else platform.processor() or platform.machine()
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    return f"{processor}, {os.cpu_count()} cores; Python {platform.python_version()}, {', '.join(versions)}"


def micro(series: Series | None, *, note: bool = False) -> str:
    """Microseconds a step, with the variant and the threads behind it where asked for."""
    if series is None:
        return "–"
    seconds = series.median * 1e6
    text = f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.1f}"
    variant = f"{series.program}, {series.threads}".removeprefix(", ")
    return f"{text} ({variant})" if note else text


def times(results: list[Result]) -> str:
    """Microseconds a step of everybody."""
    header = ["work, µs a step", "limit", "glassnet, 1", "glassnet, 2", "NumPy reference"]
    header += [LABELS[family] for family in PEERS]
    rows = []
    for result in results:
        row = [result.kind.title, micro(result.best("limit"), note=result.name == "article")]
        row += [micro(result.best("glassnet", threads)) for threads in (1, 2)]
        row += [micro(result.best(label), note=True) for label in (header[4], *header[5:])]
        rows.append(row)
    return table(header, rows)


def spread(results: list[Result]) -> str:
    """How far the rounds lay apart, and whether everybody reached the same loss."""
    rows = []
    for result in results:
        ours = [result.best("glassnet", threads) for threads in (1, 2)]
        ranges = ["–" if s is None else f"{min(s.seconds) * 1e6:,.1f} to {max(s.seconds) * 1e6:,.1f}" for s in ours]
        common = result.loss()
        losses = [s for s in result.series if s.loss is not None]
        worst = max((abs(s.loss / common - 1) for s in losses), default=0.0)
        row = [result.kind.title, f"{result.kind.steps:,}", *ranges]
        row += ["–" if common is None else f"{common:.5g}", f"{100 * worst:.2g} %"]
        rows.append(row)
    return table(["work", "steps a run", "glassnet, 1: all rounds", "glassnet, 2", "loss", "largest difference"], rows)


def verdict(figure: float | None, bound: float, at_most: bool = False) -> list[str]:
    """A figure, its goal, and whether it was met, as cells."""
    sign = "≤" if at_most else "≥"
    if figure is None:
        return ["–", f"{sign} {bound:g}", "not measured"]
    met = figure <= bound if at_most else figure >= bound
    return [f"{figure:.2f}" if figure < 100 else f"{figure:.0f}", f"{sign} {bound:g}", "met" if met else "**missed**"]


def ratio(above: Series | None, below: Series | None) -> float | None:
    """The quotient of two medians."""
    return None if above is None or below is None else above.median / below.median


def plain(figure: float | None) -> str:
    """A ratio as text."""
    return "–" if figure is None else f"{figure:.2f}" if figure < 100 else f"{figure:.0f}"


def goals(results: list[Result]) -> str:
    """Each goal of each work beside its figure; peers without a goal have their ratio all the same.

    The goal is held against the strictest figure: the peer at its better number of threads over ours on one. Beside it
    stand both on one thread, and both at their better.
    """
    rows = []
    for result in results:
        ours, better = result.best("glassnet", 1), result.best("glassnet")
        asked = {goal.peer: goal.factor for goal in result.kind.goals}
        title = result.kind.title
        for family in PEERS:
            label, peer = LABELS[family], result.best(LABELS[family])
            alike = [plain(ratio(result.best(label, 1), ours)), plain(ratio(peer, better))]
            if label in asked:
                rows.append([title, f"{label} ÷ glassnet", *verdict(ratio(peer, ours), asked[label]), *alike])
            elif peer and ours:
                rows.append([title, f"{label} ÷ glassnet", plain(ratio(peer, ours)), "", "", *alike])
        if "best" in asked:
            peer = result.best_peer()
            name = f"best peer{f' ({peer.label})' if peer else ''} ÷ glassnet"
            alike = [plain(ratio(result.best_peer(1), ours)), plain(ratio(peer, better))]
            rows.append([title, name, *verdict(ratio(peer, ours), asked["best"]), *alike])
        if "limit" in asked:
            figure = ratio(ours, result.best("limit"))
            rows.append([title, "glassnet ÷ limit", *verdict(figure, asked["limit"], at_most=True), "", ""])
        if "two" in asked:
            figure = ratio(ours, result.best("glassnet", 2))
            rows.append([title, "one thread ÷ two", *verdict(figure, asked["two"]), "", ""])
        if "gflops" in asked:
            rows += [[*row, "", ""] for row in gflops(result, asked["gflops"])]
    return table(["work", "ratio", "figure", "goal", "", "one thread each", "each at its better"], rows)


def gflops(result: Result, goal: float) -> list[list[str]]:
    """GFLOP/s of one core, counted in two ways.

    With 2 operations a multiplication and addition, and a forward and two backward products a layer, a step is
    6 · rows · Σ pq; without the first layer's dX, which nobody computes, 2 · rows · p₁q₁ less. Activations, loss and
    update count nothing.
    """
    widths, rows = result.kind.widths, result.kind.batch
    products = [p * q for p, q in itertools.pairwise(widths)]
    ours = result.best("glassnet", 1)
    counted = 6 * rows * sum(products)
    done = counted - 2 * rows * products[0]

    def rate(operations: int) -> float | None:
        return None if ours is None else operations / ours.median / 1e9

    return [
        [
            result.kind.title,
            f"GFLOP/s, 3 passes of every layer ({counted / 1e6:.1f} MFLOP)",
            *verdict(rate(counted), goal),
        ],
        [result.kind.title, f"GFLOP/s, without the first dX ({done / 1e6:.1f} MFLOP)", *verdict(rate(done), goal)],
    ]


def epochs(results: list[Result]) -> str:
    """Seconds an epoch on MNIST."""
    found = [result for result in results if result.name.startswith("mnist")]
    names = ["limit", "glassnet", "NumPy reference", *(LABELS[family] for family in PEERS if family != "article")]
    rows = []
    for result in found:
        cells = []
        for label in names:
            for threads in (1, 2) if label == "glassnet" else (None,):
                series = result.best(label, threads)
                cells.append("–" if series is None else f"{series.median * result.kind.steps:.2f}")
        rows.append([result.kind.title, *cells])
    header = ["MNIST, s an epoch", *names[:1], "glassnet, 1", "glassnet, 2", *names[2:]]
    return table(header, rows) if found else ""


def warnings(results: list[Result]) -> list[str]:
    """What a reader must know before trusting the figures."""
    lines = []
    for result in results:
        title, common = result.kind.title, result.loss()
        lines += [f"LOSSES DIFFER: {title}: {s} reached {s.loss:.6g}, not {common:.6g}" for s in result.strays()]
        lines += [f"not measured: {title}: {what}: {why.splitlines()[0]}" for what, why in result.failed.items()]
        shares = {str(s): median(s.cores) for s in result.series if s.threads == 1 and s.family != "limit" and s.cores}
        if busy := [share for share in shares.values() if share < 0.9]:
            lines.append(f"THE MACHINE WAS BUSY: {title}: {len(busy)} programs had {min(busy):.2f} of a core or more")
        lines += [f"{title}: {name} used {share:.2f} cores" for name, share in shares.items() if share > 1.1]
    return lines
