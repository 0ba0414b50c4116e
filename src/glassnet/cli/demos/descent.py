"""Gradient descent on its own: x² + y² as in the article, a rate that is too high, a function with two minima."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.cli.demos.stage import Stage
from glassnet.maths.optimisers import gradient_descent

__all__ = ["run"]

RATES = (0.01, 0.1, 0.5, 0.9, 1.0, 1.1)
STARTS = (-1.8, 0.1, 0.15, 1.8)


def bowl(x: np.ndarray) -> float:
    """f(x, y) = x² + y²."""
    return float((x**2).sum())


def bowl_slope(x: np.ndarray) -> np.ndarray:
    """(2x, 2y)."""
    return 2 * x


def valleys(x: np.ndarray) -> np.ndarray:
    """g(x) = x⁴ - 2x² + x/2: a deep valley on the left, a shallow one on the right, a hill between them."""
    return x**4 - 2 * x**2 + x / 2


def valleys_slope(x: np.ndarray) -> np.ndarray:
    """4x³ - 4x + ½."""
    return 4 * x**3 - 4 * x + 0.5


def run(stage: Stage) -> dict[str, Any]:
    """The three parts."""
    start = np.random.RandomState(stage.seed).rand(2, 1)  # as the article draws it, with nobody else's state touched
    return {"start": start.ravel().tolist(), **downhill(stage, start), **too_fast(stage, start), **two_minima(stage)}


def downhill(stage: Stage, start: np.ndarray) -> dict[str, Any]:
    """A thousand steps at a rate of 0.01, beside what a formula says."""
    path = gradient_descent(bowl_slope, start, learning_rate=0.01, steps=1000)
    stage.head("1. f(x, y) = x² + y²")
    stage.say(
        "The gradient (2x, 2y) points uphill, so each step goes the other way, by 0.01 times the gradient. That takes "
        "2 % off x and off y, so after n steps f must be 0.98²ⁿ times what it was at the start. The start is "
        f"np.random.seed({stage.seed}); np.random.rand(2, 1)."
    )
    shown = (0, 1, 10, 100, 500, 1000)
    stage.table(
        ["step", "x", "y", "f(x, y)", "0.98²ⁿ · f(start)"],
        [
            [
                f"{n:,}",
                *(f"{v:.4g}" for v in path[n, :, 0]),
                f"{bowl(path[n]):.5g}",
                f"{0.98 ** (2 * n) * bowl(start):.5g}",
            ]
            for n in shown
        ],
    )
    stage.picture("path", lambda views: views.plot_descent(bowl, path, learning_rate=0.01))
    return {"f": bowl(path[-1]), "closed_form": 0.98**2000 * bowl(start)}


def too_fast(stage: Stage, start: np.ndarray) -> dict[str, Any]:
    """The same descent at other rates: faster, too fast."""
    paths = {rate: gradient_descent(bowl_slope, start, rate, steps=100) for rate in RATES}
    stage.head("2. The learning rate")
    stage.say(
        "A step at rate α multiplies x and y by 1 - 2α. At 0.01 that is 0.98, slow; at 0.5 it is 0, and one step is "
        "enough, a stroke of luck that this bowl allows. Above 0.5 each step goes too far and lands on the other side. "
        "At 1 it stays at the same height for ever, and above 1 it climbs: descent diverges."
    )
    stage.table(
        ["f after", *(f"{rate:g}" for rate in RATES)],
        [
            [f"{n} step{'s' * (n != 1)}", *(f"{bowl(paths[rate][n]):.3g}" for rate in RATES)]
            for n in (0, 1, 2, 5, 10, 20, 50, 100)
        ],
    )
    stage.picture("rate-too-high", lambda views: climb(views, paths[1.1][:9]))
    return {"f_after_100_steps": {f"{rate:g}": bowl(path[-1]) for rate, path in paths.items()}}


def climb(views: Any, path: np.ndarray) -> Any:
    """The steps to and fro over one line, numbered, and beside them how f grows."""
    from glassnet.views.palette import panels

    figure, (plane, values) = panels(2, None, 2, (4.3, 4.6))
    views.plot_descent(bowl, path, plane, learning_rate=1.1, numbered=True)
    views.plot_descent_values(bowl, path, values, name="f(x, y)")
    return figure


def two_minima(stage: Stage) -> dict[str, Any]:
    """Where descent ends depends on where it starts."""
    paths = {start: gradient_descent(valleys_slope, [start], learning_rate=0.01, steps=300) for start in STARTS}
    stage.head("3. Two minima: g(x) = x⁴ - 2x² + x/2")
    stage.say(
        "Descent sees only the slope under its feet. It ends in the valley in which it began, and nothing tells it "
        "whether another one is deeper. 0.1 and 0.15 lie on two sides of a hill top."
    )
    stage.table(
        ["start", "end", "g(end)", "valley"],
        [
            [
                f"{start:g}",
                f"{path[-1, 0]:.4f}",
                f"{valleys(path[-1, 0]):.4f}",
                "the deep one" if path[-1, 0] < 0 else "the shallow one",
            ]
            for start, path in paths.items()
        ],
    )
    named = {f"start {start:g}": path for start, path in paths.items()}
    stage.picture("two-minima", lambda views: views.plot_descent_1d(valleys, named, names=("x", "g(x)")))
    return {"ends": {f"{start:g}": float(path[-1, 0]) for start, path in paths.items()}}
