"""Data sets with splits of their own, and seconds measured side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from scoring.goals import GOALS, Verdict, at_least, at_most
from scoring.measuring import measure
from scoring.ours import make_ours, preset_arguments, version, warm_up
from scoring.peers import make_peer, prepared, version_of
from scoring.report import line
from scoring.scorer import Scores
from scoring.store import Store
from scoring.tables import Split, cut, load, split

ADULT_TRAINING_ROWS = 32_561
CALIFORNIA_ROWS = (13_209, 3_303, 4_128)  # to train on, to validate, to test on: 64, 16 and 20 %, as in TabM's paper
SIDE_BY_SIDE = ("letter", "bike_sharing", "wine_quality")
# Arguments for images beside the preset's; pixels, divided by 255 beforehand, need neither scales nor bins.
DENSE = {"input_scaling": "none", "embedding": {"numbers": "none"}, "batch_size": 256}
IMAGES: dict[str, dict[str, Any]] = {
    "mnist": {
        **DENSE,
        "hidden_layer_sizes": (512, 256),
        "dropout": 0.3,
        "learning_rate": 0.002,
        "weight_decay": 0.1,
        "refit": 1,
        "max_epochs": 20,
        "patience": 5,
    },
    "fashion_mnist": {
        **DENSE,
        "members": 1,
        "hidden_layer_sizes": (1024, 1024),
        "dropout": 0.4,
        "learning_rate": 0.001,
        "weight_decay": 0.05,
        "refit": 2,
        "schedule": "cosine",
        "max_epochs": 30,
        "patience": 30,
    },
}


def known_presets(presets: list[str]) -> list[str]:
    """Those that this glassnet has."""
    return [preset for preset in presets if preset_arguments(preset) is not None]


def installed(peers: list[str]) -> list[str]:
    """Those whose library is there."""
    return [peer for peer in peers if version_of(peer) is not None]


def ours_on(rows: Split, seed: int, arguments: dict[str, Any], **fit_arguments: Any) -> Scores:
    """glassnet, warm."""
    warm_up(rows, arguments)
    return measure(make_ours(rows.regression, seed, arguments), rows, **fit_arguments)


def peer_on(rows: Split, seed: int, peer: str) -> Scores:
    """A peer at its defaults."""
    ready = prepared(peer, rows)
    return measure(make_peer(peer, ready, seed), ready)


def kept(store: Store, key: dict[str, Any], measured: Callable[[], Scores]) -> Scores:
    """The store's score, or what is measured now and kept."""
    found = store.get(key)
    if found is None:
        found = measured()
        store.put(key, found)
    print(f"{key}: {found}", file=sys.stderr, flush=True)
    return found


def means(rows: dict[str, list[Scores]], metric: str, seeds: list[int], digits: int) -> str:
    """A line a model: its score for each seed, the mean, and mean seconds of fit."""
    lines = [line("", [*(f"seed {seed}" for seed in seeds), "mean", "fit, s"])]
    for model, found in rows.items():
        values = [one[metric] for one in found]
        cells = [f"{value:,.{digits}f}" for value in [*values, float(np.mean(values))]]
        lines.append(line(model, [*cells, f"{np.mean([one['fit_s'] for one in found]):.1f}"]))
    return "\n".join(lines)


def mean_of(rows: dict[str, list[Scores]], model: str, metric: str) -> float:
    """NaN for a model that was not measured."""
    return float(np.mean([one[metric] for one in rows[model]])) if model in rows else np.nan


def adult(data: Path, store: Store, presets: list[str], peers: list[str], seeds: list[int]) -> list[Verdict]:
    """The first 32,561 rows, UCI's training set, train; the others test; the seed is the model's alone."""
    table = load(data, "adult")
    rows = cut(table, np.arange(ADULT_TRAINING_ROWS), np.arange(ADULT_TRAINING_ROWS, len(table.y)))
    found = _by_seed(store, "adult", presets, peers, seeds, lambda seed: rows, lambda seed: {})
    for scores in (one for several in found.values() for one in several):
        scores["accuracy"] = 1 - scores["error"]
    print(f"\n### adult, {ADULT_TRAINING_ROWS:,} rows train: accuracy\n\n{means(found, 'accuracy', seeds, 4)}")
    goals = GOALS["adult accuracy"].items()
    return [
        at_least(f"adult: accuracy of {preset} ≥ {least:g}", mean_of(found, preset, "accuracy"), least)
        for preset, least in goals
    ]


def california(
    data: Path, store: Store, presets: list[str], peers: list[str], seeds: list[int], given: bool
) -> list[Verdict]:
    """Rows in random order by the seed. Peers, at their defaults, train on the training and validation rows together.

    given : glassnet gets the validation rows as `validation=`; otherwise it trains on both too, and holds out its own.
    As many rows as in TabM's paper, but not its columns: here counts are as in the census, with the sea's proximity.
    """
    table = load(data, "california_housing")

    def orders(seed: int) -> list[np.ndarray]:
        return np.split(np.random.default_rng(seed).permutation(len(table.y)), np.cumsum(CALIFORNIA_ROWS))

    def rows_of(seed: int) -> Split:
        train, validation, test, _ = orders(seed)
        return cut(table, np.concatenate([train, validation]), test)

    def alone(seed: int) -> dict[str, Any]:
        if not given:
            return {}
        train, validation, test, _ = orders(seed)
        held = cut(table, train, validation)
        return {"rows": cut(table, train, test), "validation": (held.X_test, held.y_test)}

    found = _by_seed(
        store, f"california, validation {'given' if given else 'own'}", presets, peers, seeds, rows_of, alone
    )
    words = "validates on those meant for it" if given else "trains on its validation rows too"
    print(f"\n### california_housing, rows {CALIFORNIA_ROWS}: RMSE in dollars; glassnet {words}\n")
    print(means(found, "rmse", seeds, 0))
    verdicts = []
    for preset, goal in GOALS["california_housing dollars"].items():
        own, other = (mean_of(found, model, "rmse") for model in (preset, goal["below"]))
        verdicts.append(
            at_most(f"california_housing: RMSE of {preset} ≤ {goal['most']:,} dollars", own, goal["most"], "{:,.0f}")
        )
        met = None if np.isnan(own + other) else bool(own < other)
        goal_text = f"california_housing: {preset} below {goal['below']}"
        verdicts.append(Verdict(goal_text, f"{own:,.0f} to {other:,.0f} dollars", met))
    return verdicts


def _by_seed(
    store: Store,
    protocol: str,
    presets: list[str],
    peers: list[str],
    seeds: list[int],
    rows_of: Callable[[int], Split],
    alone: Callable[[int], dict[str, Any]],
) -> dict[str, list[Scores]]:
    """Scores of each model for each seed. `alone` may give glassnet other rows, and more arguments of `fit`."""
    found: dict[str, list[Scores]] = {model: [] for model in [*known_presets(presets), *installed(peers)]}
    for seed in seeds:
        for model in found:
            if model in presets:
                arguments = preset_arguments(model)
                more = alone(seed)
                rows = more.pop("rows", None) or rows_of(seed)
                key = {"protocol": protocol, "seed": seed, "version": version(), "arguments": arguments}
                one = kept(store, key, lambda: ours_on(rows, seed, arguments, **more))  # noqa: B023  called at once
            else:
                rows = rows_of(seed)
                key = {"protocol": protocol.partition(",")[0], "seed": seed, "version": version_of(model)}
                one = kept(store, {**key, "model": model}, lambda: peer_on(rows, seed, model))  # noqa: B023
            found[model].append(dict(one))
    return found


def images(data: Path, store: Store, presets: list[str], seeds: list[int]) -> list[Verdict]:
    """Dense networks on pixels, the data's own split; goals are for the best of the presets."""
    verdicts = []
    for name, least in GOALS["images accuracy"].items():
        loaded: list[Split] = []

        def rows(name: str = name, loaded: list[Split] = loaded) -> Split:
            if not loaded:
                loaded.append(image_split(data / f"{name}.npz"))
            return loaded[0]

        found: dict[str, list[Scores]] = {}
        for preset in known_presets(presets):
            arguments = {**preset_arguments(preset), **IMAGES[name]}
            for seed in seeds:
                key = {"protocol": name, "seed": seed, "version": version(), "arguments": arguments}
                one = kept(store, key, lambda: ours_on(rows(), seed, arguments))  # noqa: B023
                found.setdefault(preset, []).append({**one, "accuracy": 1 - one["error"]})
        print(f"\n### {name}: accuracy, {IMAGES[name]}\n\n{means(found, 'accuracy', seeds, 4)}", flush=True)
        best = max((mean_of(found, preset, "accuracy") for preset in found), default=np.nan)
        verdicts.append(at_least(f"{name}: accuracy ≥ {least:g}", best, least))
    return verdicts


def image_split(path: Path) -> Split:
    """X (n, 784) in [0, 1] as float32, and labels."""
    with np.load(path) as file:
        X, X_test = (file[name].reshape(len(file[name]), -1) / np.float32(255) for name in ("X_train", "X_test"))
        return Split(X, file["y_train"].astype(int), X_test, file["y_test"].astype(int), False)


def seconds(data: Path, presets: list[str], peers: list[str], seeds: list[int]) -> list[Verdict]:
    """Seconds of fit per 1,000 training rows, a round a seed in which all models take turns; the median. Never kept."""
    models, verdicts = [*known_presets(presets), *installed(peers)], []
    print(f"\n### Seconds of fit per 1,000 rows, side by side, median of {len(seeds)} rounds\n")
    print(line("", models), flush=True)
    for name in SIDE_BY_SIDE:
        taken: dict[str, list[float]] = {model: [] for model in models}
        for seed in seeds:
            rows = split(load(data, name), seed)
            for model in models:
                is_ours = model in presets
                one = ours_on(rows, seed, preset_arguments(model)) if is_ours else peer_on(rows, seed, model)
                taken[model].append(1000 * one["fit_s"] / one["n"])
        found = {model: median(values) for model, values in taken.items()}
        print(line(name, [f"{value:.3f}" for value in found.values()]), flush=True)
        verdicts += _on_the_clock(name, found)
    return verdicts


def _on_the_clock(name: str, found: dict[str, float]) -> list[Verdict]:
    verdicts = []
    for preset, goals in GOALS["seconds side by side"].items():
        own = found.get(preset, np.nan)
        for rival, part in goals.items():
            if rival == "most":
                verdicts.append(at_most(f"{name}: seconds of {preset} per 1,000 rows ≤ {part:g}", own, part))
            else:
                ratio = own / found.get(rival, np.nan)
                verdicts.append(at_most(f"{name}: {preset} takes ≤ {part:g} of {rival}'s seconds", ratio, part))
    return verdicts
