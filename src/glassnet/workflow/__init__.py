"""From a table to a trained, measured, saved model in one call: what the command `glassnet` does, as functions.

    import glassnet
    result = glassnet.train("cars.csv", target="price", out="cars.glassnet")
    print(result)

`train` is `prepare` (read the table, decide the task, split) and then `fit` (train, measure, save).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Imported on first use: `glassnet info` needs no estimator, and so not scikit-learn.
_HOME = {
    "Prepared": "preparing",
    "TrainingResult": "fitting",
    "check_options": "fitting",
    "describe_model": "describing",
    "evaluate": "using",
    "fit": "fitting",
    "infer_task": "task",
    "pictures_of": "places",
    "predict": "using",
    "prepare": "preparing",
    "require_checkpoint": "places",
    "require_other_file": "places",
    "require_output": "places",
    "require_outputs": "places",
    "stem_of": "places",
    "train": "fitting",
    "validation_plan": "fitting",
}

__all__ = [
    "Prepared",
    "TrainingResult",
    "check_options",
    "describe_model",
    "evaluate",
    "fit",
    "infer_task",
    "pictures_of",
    "predict",
    "prepare",
    "require_checkpoint",
    "require_other_file",
    "require_output",
    "require_outputs",
    "stem_of",
    "train",
    "validation_plan",
]

if TYPE_CHECKING:
    from glassnet.workflow.describing import describe_model
    from glassnet.workflow.fitting import TrainingResult, check_options, fit, train, validation_plan
    from glassnet.workflow.places import (
        pictures_of,
        require_checkpoint,
        require_other_file,
        require_output,
        require_outputs,
        stem_of,
    )
    from glassnet.workflow.preparing import Prepared, prepare
    from glassnet.workflow.task import infer_task
    from glassnet.workflow.using import evaluate, predict


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'glassnet.workflow' has no attribute {name!r}")
    return getattr(importlib.import_module(f"glassnet.workflow.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
