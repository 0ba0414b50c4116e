"""Results as text: a table of figures for each score, and how each preset stands against each peer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.scorer import Results
from scoring.summary import FLOOR, difference, mean_ranks, per_thousand, wins
from scoring.tables import is_choosing

# Score -> how it is called. The first three are compared, lower being better.
COMPARED = {"logloss": "log loss", "error": "error", "nrmse": "RMSE / std"}
SHOWN = {**COMPARED, "auc": "area under the curve (higher is better)"}
LARGE = 1000  # rows of a table whose seconds count
FIRST, WIDTH = 27, 14
LEGEND = f"""The best of a line is marked *. Mean rank: of one preset at a time among the peers that have a score on
every table; 1 is first, equal scores share a rank. Wins-losses: tables where the preset is better, and worse.
Difference: mean over the tables of 100 · ln(max(preset, {FLOOR}) / max(peer, {FLOOR})), below 0 where the preset is
better, with the 95 % interval of that mean over 10,000 resamples of the tables. Seconds of peers whose scores are the
reference's are those of the run that made it; `accuracy.py seconds` measures them side by side."""


def line(first: str, cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"{first:<{FIRST}}" + "".join(f"{cell:>{WIDTH}}" for cell in cells).rstrip()


def cells_of(values: np.ndarray, digits: int, best: float | None = None) -> list[str]:
    """Figures as texts of equal width; a dash where there is none."""
    return ["– " if np.isnan(v) else f"{v:.{digits}f}{'*' if v == best else ' '}" for v in values]


def groups_of(names: Sequence[str]) -> dict[str, list[str]]:
    """The tables that recipes are chosen by, and those that results are reported on."""
    groups = {
        "choosing tables (a to e)": [name for name in names if is_choosing(name)],
        "reporting tables": [name for name in names if not is_choosing(name)],
    }
    return {title: found for title, found in groups.items() if found}


def whole_report(results: Results, presets: list[str], peers: list[str]) -> str:
    """All tables of figures and comparisons, group by group."""
    models, parts = [*presets, *peers], []
    for title, names in groups_of(sorted(results.rows)).items():
        for metric, label in SHOWN.items():
            having = [name for name in results.names_with(metric) if name in names]
            if not having:
                continue
            heading = f"### {label[0].upper()}{label[1:]}, {title}: {len(having)}"
            text = figures_table(results, having, models, metric)
            if metric in COMPARED:
                text += "\n" + comparisons(results, having, presets, peers, metric)
            parts.append(f"{heading}\n\n{text}")
        parts.append(f"### Seconds, {title}\n\n{seconds_table(results, names, models)}")
    return "\n\n".join([LEGEND, *parts])


def figures_table(results: Results, names: list[str], models: list[str], metric: str) -> str:
    """A line a table, a column a model."""
    figures, lines = results.figures(names, models, metric), [line("", [f"{model} " for model in models])]
    for name, row in zip(names, figures, strict=True):
        best = (np.nanmax if metric == "auc" else np.nanmin)(row)
        lines.append(line(name, cells_of(row, 4, best)))
    return "\n".join(lines)


def ranks(results: Results, names: list[str], preset: str, peers: list[str], metric: str) -> dict[str, float]:
    """Mean rank of the preset and of each peer that has a figure wherever the preset has one, or nothing."""
    own = results.figures(names, [preset], metric)[:, 0]
    names = [name for name, known in zip(names, ~np.isnan(own), strict=True) if known]
    if not names:
        return {}
    complete = ~np.isnan(results.figures(names, peers, metric)).any(axis=0)
    models = [preset, *(peer for peer, whole in zip(peers, complete, strict=True) if whole)]
    return dict(zip(models, mean_ranks(results.figures(names, models, metric)), strict=True))


def comparisons(results: Results, names: list[str], presets: list[str], peers: list[str], metric: str) -> str:
    """Four lines a preset: ranks, wins and losses, relative difference and its interval, each beside the peers."""
    lines: list[str] = []
    for preset in presets:
        found = ranks(results, names, preset, peers, metric)
        if not found:
            continue
        lone = [""] * len(presets)
        others_ranks = np.array([found.get(peer, np.nan) for peer in peers])
        lone[presets.index(preset)] = f"{found[preset]:.2f} "
        lines.append(line(f"{preset}: mean rank", [*lone, *cells_of(others_ranks, 2)]))
        counts, means, intervals = [], [], []
        own, *others = results.figures(names, [preset, *peers], metric).T
        for theirs in others:
            (won, _, lost), gap = wins(own, theirs), difference(own, theirs)
            none = np.isnan(gap.mean)
            counts.append("– " if none else f"{won}-{lost} ")
            means.append("– " if none else f"{gap.mean:+.1f} ")
            intervals.append("– " if np.isnan(gap.low) else f"{gap.low:+.1f}…{gap.high:+.1f} ")
        blank = [""] * len(presets)
        lines.append(line("  wins-losses", [*blank, *counts]))
        lines.append(line("  difference, %", [*blank, *means]))
        lines.append(line("  its interval", [*blank, *intervals]))
    return "\n".join(lines)


def seconds_table(results: Results, names: list[str], models: list[str]) -> str:
    """Seconds of fit per 1,000 training rows, on the tables of at least LARGE rows, and of predicting as many rows."""
    names = [name for name in names if results.rows[name] >= LARGE]
    if not names:
        return f"no tables of {LARGE:,} rows or more"
    fit, rows, predict = (results.figures(names, models, key) for key in ("fit_s", "n", "predict_s"))
    tested = np.array([[min(8000, results.rows[name] // 4)] * len(models) for name in names], float)
    columns = range(len(models))
    lines = [
        line(f"of {len(names)} tables ≥ {LARGE:,} rows", [f"{model} " for model in models]),
        line("fit, per 1,000 rows", cells_of(np.array([per_thousand(fit[:, j], rows[:, j]) for j in columns]), 3)),
        line("  slowest table", cells_of(slowest(fit, rows), 3)),
        line("predict, per 1,000", cells_of(np.array([per_thousand(predict[:, j], tested[:, j]) for j in columns]), 3)),
    ]
    return "\n".join(lines)


def slowest(seconds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The most seconds per 1,000 rows of any table, by model."""
    ratios = 1000 * seconds / rows
    return np.array([np.nan if np.isnan(column).all() else np.nanmax(column) for column in ratios.T])


def blanks_text(blanks: dict[tuple[str, str], int]) -> str:
    """Why scores are blank."""
    return "\n".join(f"blank: {model}, {count} times: {reason}" for (model, reason), count in sorted(blanks.items()))
