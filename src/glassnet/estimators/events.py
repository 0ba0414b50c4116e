"""Callbacks of scikit-learn (`sklearn.callback`, from 1.9): ProgressBar, ScoringMonitor and others of their protocol.

Each epoch is a task of `fit`: callbacks see it begin and end, and get a fitted estimator with its weights if they ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassnet.errors import OptionError
from glassnet.training.options import Observer

__all__ = ["Callbacks", "Epochs", "begin_fit", "end_fit", "has_callbacks", "plain_callbacks", "torn_down"]


class Callbacks:
    """The methods of an estimator that takes callbacks: scikit-learn's own, imported when they are first needed."""

    def set_callbacks(self, *callbacks: Any) -> Any:
        """Have scikit-learn's callbacks (ProgressBar, ScoringMonitor, …) follow each `fit`; without any, none.

        Returns the estimator. Raises OptionError where scikit-learn is older than 1.9.
        """
        return _support(callbacks).CallbackSupportMixin.set_callbacks(self, *callbacks)

    def _init_callback_context(self, *arguments: Any, **options: Any) -> Any:
        """The context of a fit, see scikit-learn."""
        return _support(()).CallbackSupportMixin._init_callback_context(self, *arguments, **options)


def _support(callbacks: Sequence[Any]) -> Any:
    """The module `sklearn.callback`. Raises OptionError where scikit-learn has none."""
    try:
        from sklearn import callback
    except ImportError:
        value = callbacks[0] if callbacks else None
        raise OptionError("needs scikit-learn 1.9 or later", argument="callbacks", value=value) from None
    return callback


def torn_down(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, after which scikit-learn's callbacks are told that it is over, also where it fails."""
    return _support(()).with_callbacks(method)


def is_fit_callback(value: Any) -> bool:
    """Whether an object follows scikit-learn's protocol of fit callbacks."""
    return all(hasattr(value, name) for name in ("setup", "teardown", "on_fit_task_begin", "on_fit_task_end"))


def has_callbacks(estimator: Any) -> bool:
    """Whether an estimator has callbacks of scikit-learn's, its own or those of an estimator around it."""
    return bool(estimator.__dict__.get("_skl_callbacks")) or any(map(is_fit_callback, _listed(estimator.callbacks)))


def _listed(callbacks: Any) -> Sequence[Any]:
    """What holds callbacks; what is no list is refused later, in its turn."""
    return callbacks if isinstance(callbacks, (list, tuple)) else ()


def plain_callbacks(callbacks: Sequence[Any]) -> list[Any]:
    """Those of `callbacks` that are functions of an epoch's row; the others are scikit-learn's."""
    return [callback for callback in callbacks if not is_fit_callback(callback)]


def begin_fit(estimator: Any, max_epochs: int, X: Any, y: Any, sample_weight: Any) -> Epochs | None:
    """Tell scikit-learn's callbacks that `fit` begins; None where there are none.

    Raises OptionError where there are some and scikit-learn has no such protocol.
    """
    given = [callback for callback in estimator.callbacks if is_fit_callback(callback)]
    before = estimator.__dict__.get("_skl_callbacks")
    if not given and not before:
        return None
    estimator._skl_callbacks = [*(before or []), *given]
    try:
        context = estimator._init_callback_context(max_subtasks=max_epochs)
    finally:  # the context keeps them; the estimator is to have what the user set
        if before is None:
            del estimator._skl_callbacks
        else:
            estimator._skl_callbacks = before
    metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
    data = {"X": X, "y": y, "metadata": metadata}
    context.call_on_fit_task_begin(estimator=estimator, **data)
    return Epochs(estimator, context, data)


def end_fit(epochs: Epochs | None) -> None:
    """Tell them that `fit` is over."""
    if epochs is not None:
        epochs.context.call_on_fit_task_end(estimator=epochs.estimator, **epochs.data, reconstruction_attributes={})


class Epochs(Observer):
    """Passes the epochs of a training on to scikit-learn's callbacks.

    fitted : function of the weights that returns the attributes a fitted estimator has with them; set before training.
    """

    fitted: Callable[[np.ndarray], dict[str, Any]]

    def __init__(self, estimator: Any, context: Any, data: dict[str, Any]) -> None:
        self.estimator, self.context, self.data = estimator, context, data
        self._epoch: Any = None

    def begin_epoch(self, epoch: int) -> None:
        """A task of its own."""
        self._epoch = self.context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end_epoch(self, row: dict[str, Any], params: np.ndarray) -> bool:
        """The task is over; a callback may say that training is, too."""
        return bool(
            self._epoch.call_on_fit_task_end(
                estimator=self.estimator, **self.data, reconstruction_attributes=lambda: self.fitted(params)
            )
        )
