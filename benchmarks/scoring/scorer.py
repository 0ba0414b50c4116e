"""The score of a model on a table for a seed: kept from an earlier run, stored beside the data, or measured now."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scoring.measuring import measure
from scoring.ours import make_ours, preset_arguments, version, warm_up
from scoring.peers import PEERS, make_peer, prepared, version_of
from scoring.store import Store
from scoring.tables import MOST_ROWS, Split, Table, load, rows_of, split

Scores = dict[str, Any]
REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "peer_scores.json"


class Results(NamedTuple):
    """What a report needs: rows of each table, and the mean scores of (table, model) over all seeds asked for."""

    rows: dict[str, int]
    scores: dict[tuple[str, str], Scores]

    def figures(self, names: list[str], models: list[str], metric: str) -> np.ndarray:
        """(tables, models), NaN where there is none."""
        found = [[self.scores.get((name, model), {}).get(metric, np.nan) for model in models] for name in names]
        return np.array(found, float).reshape(len(names), len(models))

    def names_with(self, metric: str) -> list[str]:
        """The tables where any model has this score."""
        return sorted({name for (name, _), scores in self.scores.items() if metric in scores})


class Scorer:
    """Scores of models, which are presets of glassnet or peers, on the tables of a folder.

    reference : JSON of peers' scores by table and MODEL or MODEL@SEED; what is there is not measured again.
    measures_peers : False leaves blank what is not there. `blanks` counts (model, reason) of scores that were not had.
    """

    def __init__(self, data: Path, store: Store, reference: Path | None, measures_peers: bool = True) -> None:
        self.data, self.store, self.measures_peers = data, store, measures_peers
        self.reference = json.loads(reference.read_text()) if reference and reference.exists() else {}
        self.blanks: Counter[tuple[str, str]] = Counter()
        self.table = lru_cache(maxsize=16)(self._load)

    def _load(self, name: str) -> Table:
        return load(self.data, name)

    def results(self, names: Iterable[str], models: Iterable[str], seeds: list[int]) -> Results:
        """Everything asked for; a model that lacks a seed on a table has no score there."""
        rows, scores = {}, {}
        models = list(models)
        for name in names:
            rows[name] = len(self.table(name).y)
            for model in models:
                found = [self.score(name, model, seed) for seed in seeds]
                if all(one is not None for one in found):
                    scores[name, model] = mean_scores(found)
        return Results(rows, scores)

    def score(self, name: str, model: str, seed: int) -> Scores | None:
        """One score, or None with a reason in `blanks`."""
        found = self._peer(name, model, seed) if model in PEERS else self._preset(name, model, seed)
        if isinstance(found, dict) and "failed" in found:
            found = f"failed on {name}: {found['failed']}"
        if isinstance(found, str):
            self.blanks[model, found] += 1
            return None
        return found

    def ours(self, name: str, arguments: dict[str, Any], seed: int, most: int = MOST_ROWS) -> Scores:
        """glassnet with these arguments, on at most `most` rows."""
        key = {"table": name, "seed": seed, "rows": most, "version": version(), "arguments": arguments}

        def measured(rows: Split) -> Scores:
            model = make_ours(rows.regression, seed, arguments)
            warm_up(rows, arguments)
            return measure(model, rows)

        return self._kept(key, name, seed, most, measured)

    def _preset(self, name: str, preset: str, seed: int) -> Scores | str:
        arguments = preset_arguments(preset)
        return "this glassnet has no presets" if arguments is None else self.ours(name, arguments, seed)

    def _peer(self, name: str, peer: str, seed: int) -> Scores | str:
        stored = self.reference.get(name, {}).get(peer if seed == 0 else f"{peer}@{seed}")
        if stored and "failed" not in stored and stored["n"] == len(rows_of(len(self.table(name).y), seed)[0]):
            return stored
        if not self.measures_peers:
            return "not among the stored scores"
        library = version_of(peer)
        if library is None:
            return f"not among the stored scores, and {PEERS[peer]} is not installed"

        def measured(rows: Split) -> Scores:
            ready = prepared(peer, rows)
            return measure(make_peer(peer, ready, seed), ready)

        key = {"table": name, "seed": seed, "rows": MOST_ROWS, "version": library, "model": peer}
        return self._kept(key, name, seed, MOST_ROWS, measured)

    def _kept(self, key: dict[str, Any], name: str, seed: int, most: int, measured: Any) -> Scores:
        """The store's score, or what is measured now and kept; a failure is kept as well."""
        key = {**key, "bytes": (self.data / f"{name}.parquet").stat().st_size}  # another table of that name is another
        found = self.store.get(key)
        if found is None:
            try:
                found = measured(split(self.table(name), seed, most))
            except Exception as error:
                found = {"failed": f"{type(error).__name__}: {error}"[:300]}
            self.store.put(key, found)
            model = key.get("model", key.get("arguments"))
            print(f"{name}, seed {seed}, {model}: {found}", file=sys.stderr, flush=True)
        return found


def mean_scores(found: list[Scores]) -> Scores:
    """The mean of each score that all seeds have."""
    names = set.intersection(*(set(one) for one in found))
    return {name: float(np.mean([one[name] for one in found])) for name in names}
