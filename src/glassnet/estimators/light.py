"""scikit-learn's base classes, imported without the parts of SciPy that they never use.

`import sklearn.base` imports `scipy.stats`, which makes up more than half of its time, for one function that estimators
like ours do not call. SciPy imports its parts by itself when they are first used (`scipy.stats.norm`), so while
scikit-learn is imported a stand-in takes the place of `scipy.stats` among the imported modules, and is gone afterwards.
Whoever asks it for anything meanwhile, in another thread too, is given what the real one has.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

__all__ = ["import_scikit_learn"]

DEFERRED = "scipy.stats"

_lock = threading.Lock()


class StandIn(ModuleType):
    """A module that is imported when something in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        self.leave()
        return getattr(importlib.import_module(self.__name__), name)

    def leave(self) -> None:
        """Make room for the real module, if it is not there yet."""
        with _lock:  # or another thread's real one might be taken out between the look and the removal
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]


def import_scikit_learn() -> None:
    """Import `sklearn.base`; where neither it nor `scipy.stats` is there yet, without the latter."""
    if "sklearn.base" in sys.modules:
        return
    stand_in = StandIn(DEFERRED)
    with _lock:
        sys.modules.setdefault(DEFERRED, stand_in)
    try:
        importlib.import_module("sklearn.base")
    finally:
        stand_in.leave()
