"""Importance of the columns of a table, by shuffling one at a time.

The table is encoded once. What a column became, a block of the matrix, is shuffled as a whole, which is the same as
encoding a table whose column was shuffled, for each row is encoded by itself; then the engine predicts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from glassnet.errors import OptionError, require_number
from glassnet.estimators.samples import native_rows, samples_of
from glassnet.estimators.scoring import check_scoring_name, score_of, scorer_of, takes_weights, with_outputs
from glassnet.maths.random import Purpose, Stream, seed_of

__all__ = ["Importance", "importance"]


@dataclass(frozen=True)
class Importance:
    """How much a score falls when a column is shuffled; `str` gives a table, the most important column first.

    columns : names, in the order of the table.   scores : {column: falls (n_repeats,)}.
    score : that of the rows as they are.   scoring : its name.   n_rows : rows measured on.
    """

    columns: list[str]
    scores: dict[str, list[float]]
    score: float
    scoring: str
    n_rows: int

    @property
    def mean(self) -> np.ndarray:
        """The mean fall of each column, in the order of the table."""
        return np.array([np.mean(self.scores[name]) for name in self.columns])

    @property
    def std(self) -> np.ndarray:
        """The standard deviation of the falls of each column over its shuffles."""
        return np.array([np.std(self.scores[name]) for name in self.columns])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: the fields, and mean and std of each column."""
        return asdict(self) | {
            "mean": dict(zip(self.columns, self.mean.tolist(), strict=True)),
            "std": dict(zip(self.columns, self.std.tolist(), strict=True)),
        }

    def frame(self) -> Any:
        """Columns, mean and std as a data frame, the most important first: pandas, or polars where there is none."""
        from glassnet.training.history import history_frame

        order = np.argsort(-self.mean, kind="stable")
        rows = [(self.columns[j], float(self.mean[j]), float(self.std[j])) for j in order]
        return history_frame([{"column": name, "importance": m, "std": s} for name, m, s in rows])

    def plot(self, ax: Any = None, most: int = 20) -> Any:
        """Bars, the most important column on top; the `most` most important ones."""
        from glassnet import views

        return views.plot_importance(
            self.columns, self.mean, self.std, ax=ax, most=most, label=f"fall of {self.scoring}"
        )

    def __str__(self) -> str:
        """A line for each column, with a bar."""
        mean, std = self.mean, self.std
        width = max(6, *(len(str(name)) for name in self.columns))
        largest = max(float(mean.max()), 1e-300)
        lines = [f"fall of {self.scoring} ({self.score:.4g} on {self.n_rows:,} rows) when a column is shuffled", ""]
        bars = ["█" * round(20 * max(m, 0) / largest) for m in mean]
        lines += [
            f"{self.columns[j]!s:<{width}}  {mean[j]:>9.4f} ±{std[j]:.4f}  {bars[j]}"
            for j in np.argsort(-mean, kind="stable")
        ]
        return "\n".join(line.rstrip() for line in lines)


def importance(
    estimator: Any, X: Any, y: Any, scoring: Any, n_repeats: int, sample_weight: Any, random_state: Any
) -> Importance:
    """See `GlassNetEstimator.importance`. Raises OptionError for options that cannot be."""
    rule = "must be a whole number of at least 1"
    require_number("n_repeats", n_repeats, rule, lambda n: n >= 1, whole=True)
    if scoring is not None:
        check_scoring_name(scoring)
        if isinstance(scoring, str) and scoring in ("auto", "loss"):
            raise OptionError("must be None or a scorer", argument="scoring", value=scoring)
    samples, seed = samples_of(X, y, sample_weight, type(estimator).__name__), seed_of(random_state)
    table, matrix = native_rows(samples), estimator.encoder_.encode(samples.table, estimator.network_.dtype)
    scorer = _own_score if scoring is None else scorer_of(scoring)
    options = {} if samples.weights is None or not takes_weights(scorer) else {"sample_weight": samples.weights}

    def score(matrix: np.ndarray) -> float:
        twin = with_outputs(estimator, table, estimator._outputs_of(matrix))
        return score_of(scorer, scoring, twin, table, samples.y, options)

    whole = score(matrix)
    falls = {}
    for j, (name, block) in enumerate(blocks_of(estimator.encoder_)):
        streams = [Stream(seed, Purpose.CHECK, step=repeat, layer=j) for repeat in range(n_repeats)]
        left_out = block.stop == block.start
        falls[name] = [0.0 if left_out else whole - score(shuffled(matrix, block, stream)) for stream in streams]
    return Importance(list(falls), falls, whole, _name_of(scoring, estimator), samples.n_rows)


def blocks_of(encoder: Any) -> list[tuple[str, slice]]:
    """The columns of the matrix that each column of the table became; none for one that was left out."""
    return [
        (name, slice(start, stop))
        for name, (start, stop) in zip(encoder.feature_names_in, pairwise(encoder._starts), strict=True)
    ]


def shuffled(matrix: np.ndarray, block: slice, stream: Stream) -> np.ndarray:
    """A copy of a matrix with one block of columns in another order of rows."""
    twin = matrix.copy()
    twin[:, block] = matrix[stream.permutation(len(matrix)), block]
    return twin


def _own_score(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
    return estimator.score(X, y, sample_weight=sample_weight)


def _name_of(scoring: Any, estimator: Any) -> str:
    if scoring is None:
        return "accuracy" if hasattr(estimator, "predict_proba") else "r2"
    return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
