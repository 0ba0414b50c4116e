"""Arrays, histories and descriptions made visible: pictures with matplotlib, tables in plain text.

Each name is imported when it is first used, so the tables of `text` do not load matplotlib. Every picture that takes
an `ax` draws into it and returns it; without one it makes a figure of its own, outside pyplot, so nothing pops up and
nothing must be closed: `save_picture(plot_loss(history), "loss.png")`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "comparison": ("plot_curves_grid", "plot_loss_comparison", "plot_region_grid"),
    "curves": ("plot_activation", "plot_activations", "plot_learning_rate", "plot_loss", "plot_metric"),
    "descent": ("plot_descent", "plot_descent_1d", "plot_descent_values"),
    "diagram": ("plot_network",),
    "embedding": ("plot_embedding",),
    "importance": ("plot_importance",),
    "palette": ("save_picture",),
    "points": ("plot_points",),
    "regions": ("plot_fit", "plot_regions"),
    "scores": ("plot_confusion", "plot_predicted_against_true"),
    "text": ("describe_network",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # made from the table, so that the two cannot disagree


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
