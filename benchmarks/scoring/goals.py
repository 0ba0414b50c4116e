"""The goals, and which of them the results meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from scoring.report import COMPARED, LARGE, ranks
from scoring.scorer import Results
from scoring.summary import difference, per_thousand, wins
from scoring.tables import is_choosing

SCIKIT_AND_BOOSTERS = ("sklearn_mlp", "histgb", "lightgbm", "xgboost")
GOALS: dict[str, dict[str, Any]] = {
    # On the reporting tables; each preset against these peers.
    "ahead": {"default": SCIKIT_AND_BOOSTERS},  # in mean rank, and in mean difference beyond its interval
    "within half a rank": {"default": ("catboost", "realmlp")},
    "first": {"best": (*SCIKIT_AND_BOOSTERS, "catboost", "realmlp", "tabm")},
    "wins": {"fast": {"sklearn_mlp": 0.8}},  # share of the tables
    "faster": {"fast": ("sklearn_mlp",)},
    "seconds": {"default": 2.0, "fast": 0.3, "best": 20.0},  # per 1,000 rows
    # In one run on the tables of `accuracy.py seconds`: seconds per 1,000 rows, and at most this part of the peer's.
    "seconds side by side": {"default": {"most": 2.0, "catboost": 1.0, "realmlp": 0.2}, "fast": {"sklearn_mlp": 1.0}},
    # Splits of their own, mean of the seeds.
    "adult accuracy": {"best": 0.870},
    "california_housing dollars": {"best": {"most": 46_000, "below": "catboost"}},
    "images accuracy": {"mnist": 0.986, "fashion_mnist": 0.905},
}


class Verdict(NamedTuple):
    """A goal, the figure reached, and whether that meets it; None, and "nan", where something was not measured."""

    goal: str
    figure: str
    met: bool | None


def on_tables(results: Results, presets: list[str], peers: list[str]) -> list[Verdict]:
    """The goals on the reporting tables among the results."""
    chosen = {name: n for name, n in results.rows.items() if not is_choosing(name)}
    found: list[Verdict] = []
    for metric, label in COMPARED.items():
        names = [name for name in results.names_with(metric) if name in chosen]
        if names:
            found += _in_metric(results, names, presets, peers, metric, label)
    return found + list(_share_of_wins(results, list(chosen))) + list(_seconds(results, chosen))


def _in_metric(
    results: Results, names: list[str], presets: list[str], peers: list[str], metric: str, label: str
) -> Iterator[Verdict]:
    """Ahead, within half a rank, and first, in one score."""
    places = {preset: ranks(results, names, preset, peers, metric) for preset in presets}

    def rank(preset: str, model: str) -> float:
        return places.get(preset, {}).get(model, np.nan)

    for preset, rivals in GOALS["ahead"].items():
        for peer in rivals:
            gap = difference(*results.figures(names, [preset, peer], metric).T)
            own, other = rank(preset, preset), rank(preset, peer)
            met = None if np.isnan([own, other, gap.high]).any() else bool(own < other and gap.high < 0)
            figure = f"rank {own:.2f} to {other:.2f}, {gap.mean:+.1f} % ({gap.low:+.1f}…{gap.high:+.1f})"
            yield Verdict(f"{preset} ahead of {peer} in {label}", figure, met)
    for preset, rivals in GOALS["within half a rank"].items():
        for peer in rivals:
            own, other = rank(preset, preset), rank(preset, peer)
            met = None if np.isnan(own + other) else bool(own <= other + 0.5)
            yield Verdict(f"{preset} within half a rank of {peer} in {label}", f"rank {own:.2f} to {other:.2f}", met)
    for preset, rivals in GOALS["first"].items():
        own, others = rank(preset, preset), {peer: rank(preset, peer) for peer in rivals}
        ahead = [peer for peer, other in others.items() if other <= own]
        unknown = [peer for peer, other in others.items() if np.isnan(other)]
        met = False if ahead else None if unknown or np.isnan(own) else True
        figure = (
            f"rank {own:.2f}, not behind it: {', '.join(ahead) or 'none'}; not ranked: {', '.join(unknown) or 'none'}"
        )
        yield Verdict(f"{preset} first in {label}", figure, met)


def _share_of_wins(results: Results, names: list[str]) -> Iterator[Verdict]:
    """By log loss for classes and RMSE for numbers, one figure a table."""
    for preset, rivals in GOALS["wins"].items():
        for peer, share in rivals.items():
            figures = np.concatenate([results.figures(names, [preset, peer], key) for key in ("logloss", "nrmse")])
            figures = figures[~np.isnan(figures).any(axis=1)]
            won = wins(*figures.T)[0]
            met = bool(won >= share * len(figures)) if len(figures) else None
            goal = f"{preset} beats {peer} on {100 * share:.0f} % of the tables in log loss or RMSE"
            yield Verdict(goal, f"{won} of {len(figures)}" if len(figures) else "nan", met)


def _seconds(results: Results, chosen: dict[str, int]) -> Iterator[Verdict]:
    """Of fit, over tables of at least LARGE rows. Stored peers' seconds are those of the run that stored them."""
    names = [name for name, n in chosen.items() if n >= LARGE]

    def seconds(*models: str) -> list[float]:
        """Of each model, over the tables where all of them have a figure."""
        fit, rows = (results.figures(names, list(models), key) for key in ("fit_s", "n"))
        known = ~np.isnan(fit).any(axis=1)
        return [per_thousand(fit[known, j], rows[known, j]) for j in range(len(models))]

    for preset, most in GOALS["seconds"].items():
        yield at_most(f"{preset}: seconds per 1,000 rows ≤ {most:g}", seconds(preset)[0], most)
    for preset, rivals in GOALS["faster"].items():
        for peer in rivals:
            own, other = seconds(preset, peer)
            met = None if np.isnan(own + other) else bool(own < other)
            yield Verdict(f"{preset} faster than {peer}", f"{own:.3f} s to {other:.3f} s per 1,000 rows", met)


def at_most(goal: str, figure: float, most: float, text: str = "{:.3f}") -> Verdict:
    """Whether a figure is small enough."""
    return Verdict(goal, text.format(figure), None if np.isnan(figure) else bool(figure <= most))


def at_least(goal: str, figure: float, least: float, text: str = "{:.4f}") -> Verdict:
    """Whether a figure is large enough."""
    return Verdict(goal, text.format(figure), None if np.isnan(figure) else bool(figure >= least))


def verdicts_text(verdicts: list[Verdict]) -> str:
    """Goals met, missed and not measured, a line each."""
    words = {True: "met", False: "MISSED", None: "not measured"}
    order = {True: 0, False: 1, None: 2}
    lines = [
        f"{words[met]:<14}{goal}" + ("" if "nan" in figure else f": {figure}")
        for goal, figure, met in sorted(verdicts, key=lambda verdict: order[verdict.met])
    ]
    missed = sum(verdict.met is False for verdict in verdicts)
    return "\n".join([*lines, "", f"{missed} of {len(verdicts)} goals missed"])
