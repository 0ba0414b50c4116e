"""What one fit of an estimator works with, step by step: loss and layers, targets, table, rows held out, options.

`GlassNetEstimator.fit` and `partial_fit` are sequences of these steps; `trainings` has those that train.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from glassnet.errors import DataError, OptionError
from glassnet.estimators.calibrating import check_calibration
from glassnet.estimators.class_weights import class_factors
from glassnet.estimators.embedding import input_layers
from glassnet.estimators.events import Epochs, plain_callbacks
from glassnet.estimators.holdout import Held, choose_rows, is_given
from glassnet.estimators.samples import Samples, make_rows, samples_of, take
from glassnet.estimators.scoring import LOSS, make_score, with_outputs
from glassnet.estimators.settings import LBFGS, build_layers, build_optimiser, build_options
from glassnet.estimators.sizes import network_that_fits
from glassnet.maths.random import seed_of
from glassnet.network import Network
from glassnet.tables.encoder import TableEncoder
from glassnet.tables.frames import Table
from glassnet.training.backend import Backend, Rows
from glassnet.training.choice import start_backend
from glassnet.training.options import TrainingOptions
from glassnet.training.progress import Progress, progress_for

__all__ = ["Fitting"]


class Fitting:
    """Settings, targets, encoder, network and rows of one fit.

    estimator : whose fit it is; nothing of it is changed.   settings : resolved, and completed here.
    samples : to train on.   again : whether to go on from the last fit's network, targets and encoder.
    targets : fitted ones, where they do not follow from the samples alone.
    """

    def __init__(
        self, estimator: Any, samples: Samples, settings: dict[str, Any], *, again: bool, targets: Any = None
    ) -> None:
        self.estimator, self.settings, self._again = estimator, settings, again
        name = type(estimator).__name__
        self.targets = estimator._targets if again else targets or estimator._fit_targets(samples.y, settings)
        self.loss = loss = estimator._loss(settings, self.targets)
        settings["loss"] = settings["loss"] if settings["loss"] != "auto" else loss.name
        check_calibration(settings["calibration"], loss, hasattr(estimator, "predict_proba"))
        layers = build_layers(settings, self.targets.n_outputs(loss))
        settings["random_state"] = self.seed = seed_of(settings["random_state"])
        self.options = self._options()

        self.samples = self.counted(samples)
        self.encoder = estimator.encoder_ if again else fitted_encoder(self.samples.table, settings, name)
        self.options = replace(self.options, inputs=self.encoder.feature_names_out())
        matrix = self.matrix_of(self.samples)
        if again:
            self._layers = estimator.network_.layers
        else:
            self._layers = [*input_layers(self.encoder, settings["embedding"], matrix), *layers]
        self.network = self.new_network(matrix.shape[1])
        self.rows = self.encoded(self.samples, matrix)
        self.progress: Progress = progress_for(estimator.verbose)
        self.checkpoint: Any = None  # a `FitCheckpoint`, where the fit has one
        self._retries = settings["retries"]

    def _options(self) -> TrainingOptions:
        callbacks = plain_callbacks(self.settings["callbacks"])
        return build_options(self.settings, self.seed, self.estimator._metrics(self.loss), callbacks)

    def counted(self, samples: Samples) -> Samples:
        """The samples with their classes' weights."""
        factors = class_factors(self.settings["class_weight"], self.targets, samples.y, samples.weights)
        return samples.multiplied(factors)

    def new_network(self, n_features: int, fold: int = 0) -> Network:
        """The network before training: the same each time, or the last fit's where training goes on from there."""
        dtype = np.dtype(np.float64 if self.settings["optimizer"] == LBFGS else self.settings["dtype"])
        sizes = self.settings["hidden_layer_sizes"]
        network = network_that_fits(self._layers, self.loss, n_features, dtype, self.seed + fold, sizes)
        if self._again:
            network.params = self.estimator.network_.params
        return network

    def matrix_of(self, samples: Samples) -> np.ndarray:
        """The encoded table in float64, of numbers that the network's float type can hold."""
        return self.encoder.encode(samples.table, np.float64, cast_to=self.settings["dtype"])

    def encoded(self, samples: Samples, matrix: np.ndarray) -> Rows:
        """The samples as rows for the network."""
        return make_rows(self.network, matrix, self.targets.encode(samples.y, self.loss), samples.loss_weights)

    # --- validation ---

    def hold_out(self, validation: Any, groups: Any) -> tuple[Rows, Held | None]:
        """The rows to train on, and those that validate; see `fit` for the arguments."""
        if is_given(validation):
            return self.rows, self._given(*validation)
        if not self.settings["early_stopping"] and validation is None:
            return self.rows, None
        fraction = self.settings["validation_fraction"]
        training, held_out = choose_rows(self.samples, validation, fraction, self.seed, self.classes())
        if len(held_out) == 0 and groups is not None:
            raise DataError("must hold at least two groups, one of them to validate on", argument="groups", value=1)
        if len(held_out) == 0 and self.estimator.early_stopping == "auto" and validation is None:
            self.settings["early_stopping"] = False  # nothing but classes of one row
            return self.rows, None
        if len(held_out) == 0:
            raise DataError(
                f"holds out no row of {self.samples.n_rows} to validate on",
                argument="validation_fraction",
                value=fraction,
                remedy="Raise it, pass validation=(X, y) to fit, or set early_stopping=False.",
            )
        return take(self.rows, training), Held(take(self.rows, held_out), self.samples.take(held_out), own=False)

    def _given(self, X: Any, y: Any, sample_weight: Any = None) -> Held:
        """The set that the user passed, encoded like the training rows."""
        samples = self.counted(samples_of(X, y, sample_weight, type(self.estimator).__name__))
        return Held(self.encoded(samples, self.matrix_of(samples)), samples, own=True)

    def classes(self) -> np.ndarray | None:
        """The class (n,) of each row, where every class is to give its share."""
        if self.targets.kind != "classes":
            return None
        T = self.rows.T
        return T.argmax(axis=1) if T.shape[1] > 1 else T[:, 0].astype(np.int64)

    # --- what a training needs ---

    def fitted_with(self, params: np.ndarray) -> dict[str, Any]:
        """Attributes that a fitted estimator has with these weights."""
        network = self.network.astype(self.settings["dtype"])
        network.params = params
        return {
            "networks_": [network],
            "_vouching": [network],
            "encoder_": self.encoder,
            "_targets": self.targets,
            "settings_": self.settings,
            "history_": [],
            "n_features_in_": self.encoder.n_features_in_,
            "_temperature": 1.0,
            "_conformal": None,
        }

    def follow(self, held: Held | None, epochs: Epochs | None) -> None:
        """Let a scorer compare the validations, where one was asked for, and scikit-learn's callbacks follow."""
        scoring = self.settings["scoring"]
        scored = not (isinstance(scoring, str) and scoring == LOSS)
        for argument, asked in (("scoring", scored), ("calibration", self.settings["calibration"] != "none")):
            if held is None and asked:
                raise OptionError(
                    "needs rows to validate on",
                    argument=argument,
                    value=self.settings[argument],
                    remedy="Set early_stopping=True, or pass validation=(X, y) to fit.",
                )
        if held is not None and scored:

            def twin(params: np.ndarray, X: Any, Y: np.ndarray) -> Any:
                return with_outputs(self.estimator, X, Y, **self.fitted_with(params))

            self.options = replace(self.options, score=make_score(scoring, held.samples, twin))
        if epochs is not None:
            epochs.fitted = self.fitted_with
            self.options = replace(self.options, observers=(epochs,))

    def slow_down(self) -> bool:
        """Train at a tenth of the learning rate from now on; false where `retries` allows it no more."""
        if self._retries == 0:
            return False
        self._retries -= 1
        self.settings["learning_rate"] /= 10
        self.progress.about(f"again at learning rate {self.settings['learning_rate']:g}")
        return True

    def backend(self, rows: Rows) -> Backend:
        """The engine the settings ask for; they then say which one that was."""
        settings = self.settings
        trainings = settings["folds"] + int(settings["refit"])  # all of them on one engine
        size = len(rows.X) if settings["batch_size"] == "full" else min(settings["batch_size"], len(rows.X))
        settings["engine"], backend = start_backend(
            settings["engine"],
            self.network,
            build_optimiser(settings),
            rows,
            n_epochs=trainings * self.options.max_epochs,
            batch_size=int(size),
            required=self.estimator.engine == "compiled",
            l1=float(settings["l1"]),
            l2=float(settings["l2"]),
            clip_norm=settings["clip_norm"],
            averaging=float(settings["averaging"]),
            seed=self.seed,
            n_jobs=settings["n_jobs"],
            announce=self.progress.compiling,
        )
        return backend


def fitted_encoder(table: Table, settings: dict[str, Any], name: str) -> TableEncoder:
    """The encoder that the settings ask for, fitted to the table of training."""
    above = None if settings["embedding"] == "none" else settings["embedding"]["above"]
    encoder = TableEncoder(
        settings["input_scaling"], columns=settings["columns"], codes_above=above, dtype=settings["dtype"]
    )
    return encoder.owned_by(name).fit(table)
