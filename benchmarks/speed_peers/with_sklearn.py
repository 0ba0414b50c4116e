"""scikit-learn's MLP at equal work."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from speed_peers.program import Program, Weights
from speed_peers.works import EPSILON, Work


class ScikitLearn(Program):
    """MLPClassifier or MLPRegressor, given our first weights, by its public methods.

    Its own shuffling cannot be given an order. So it does not shuffle (`shuffle=False`) and gets rows that stand in the
    order of training already, an epoch a call of `partial_fit`; with the full batch, where there is no order, all
    epochs are one call of `fit` with `warm_start`. The gathering of rows is not on its clock, as it is on ours.
    Its loss is the mean: the article's 1e-5 on the sum of 1,500 rows is 0.015.
    """

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        kind = work.kind
        rate = kind.learning_rate * (kind.rows if kind.reduction == "sum" else 1)
        make = MLPClassifier if kind.task == "classes" else MLPRegressor
        self.model = make(
            hidden_layer_sizes=kind.widths[1:-1],
            activation={"sigmoid": "logistic"}.get(kind.activation, kind.activation),
            solver="sgd" if kind.optimiser == "descent" else "adam",
            learning_rate_init=rate,
            momentum=0.0,
            nesterovs_momentum=False,
            epsilon=EPSILON,
            alpha=0.0,
            batch_size=kind.batch,
            shuffle=False,
            max_iter=kind.epochs,
            tol=0.0,
            n_iter_no_change=10**9,
            warm_start=True,
            random_state=0,
        )
        if kind.full_batch:
            self.epochs = [(work.X, work.y)]
        else:
            self.epochs = [(work.X[order], work.y[order]) for order in work.orders]
        self.step_once()

    def step_once(self) -> None:
        """Let the model make its attributes; what it learns is thrown away by `reset`."""
        first = np.unique(self.work.y, return_index=True)[1] if self.work.kind.task == "classes" else slice(10)
        arguments = {"classes": np.unique(self.work.y)} if self.work.kind.task == "classes" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # this batch is smaller than batch_size
            self.model.partial_fit(self.work.X[first], self.work.y[first], **arguments)

    def reset(self) -> None:
        self.model.coefs_ = [W.copy() for W, _ in self.work.weights]
        self.model.intercepts_ = [b.copy() for _, b in self.work.weights]
        self.model.t_, self.model.loss_curve_ = 0, []
        vars(self.model).pop("_optimizer", None)  # its moments and count of steps

    def train(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it stops at max_iter: meant
            for X, y in self.epochs:
                (self.model.fit if self.work.kind.full_batch else self.model.partial_fit)(X, y)

    def weights(self) -> Weights:
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))
