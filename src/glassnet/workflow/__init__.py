"""From a table to a trained, measured, saved model in one call: what the command `glassnet` does, as functions.

    import glassnet
    result = glassnet.train("cars.csv", target="price", out="cars.glassnet")
    print(result)

`train` is `prepare` (read the table, decide the task, split) and then `fit` (train, measure, save).
"""

from glassnet.workflow.describing import describe_model
from glassnet.workflow.fitting import TrainingResult, check_options, fit, stem_of, train
from glassnet.workflow.preparing import Prepared, prepare
from glassnet.workflow.task import infer_task
from glassnet.workflow.using import evaluate, predict

__all__ = [
    "Prepared",
    "TrainingResult",
    "check_options",
    "describe_model",
    "evaluate",
    "fit",
    "infer_task",
    "predict",
    "prepare",
    "stem_of",
    "train",
]
