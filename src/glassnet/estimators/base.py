"""What classifier and regressor share: scikit-learn's face of table, network and training.

`fit` is a sequence: samples, settings, table, rows held out, training, and the fitted attributes; its steps stand in
`fitting`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import DivergenceWarning, InterruptedWarning, OptionError, TrainingDiverged, require_number, warn
from glassnet.estimators.calibrating import Conformal, calibrate, check_calibration, rows_to_calibrate_on
from glassnet.estimators.class_weights import class_factors
from glassnet.estimators.events import Callbacks, begin_fit, end_fit, has_callbacks, torn_down
from glassnet.estimators.finite import require_finite_outputs, require_finite_weights
from glassnet.estimators.fitted import Fitted
from glassnet.estimators.fitting import Fitting
from glassnet.estimators.holdout import check_validation
from glassnet.estimators.pictures import Pictures
from glassnet.estimators.samples import Samples, samples_of
from glassnet.estimators.settings import checked_jobs, keep_settings, require_resumable, resolve_settings
from glassnet.estimators.trainings import Cut, Trained, train_folds, train_once
from glassnet.maths.losses import Loss, loss_named
from glassnet.maths.members import mean_of_members
from glassnet.network import Network
from glassnet.tables.frames import table_of
from glassnet.training.backend import reference_hidden
from glassnet.training.choice import outputs_of
from glassnet.training.watch import Outcome

__all__ = ["GlassNetEstimator"]


# Arguments that say nothing about the model: `settings_` and the model file are the same with and without.
NOT_OF_THE_MODEL = ("callbacks", "verbose", "checkpoint", "checkpoint_every")


class GlassNetEstimator(Fitted, Pictures, Callbacks, BaseEstimator):
    """Base of the two estimators; their docstrings say what the arguments mean."""

    _targets: Any
    _temperature: float = 1.0
    _conformal: Conformal | None = None
    _vouching: list[Network]  # whose scores `_conformal` holds
    _known: tuple[Any, np.ndarray] | None = None  # a table and the network's outputs for it, while a scorer looks

    def __init__(
        self,
        hidden_layer_sizes: Any = "auto",
        *,
        activation: Any = "auto",
        dropout: Any = "auto",
        normalisation: str = "none",
        embedding: Any = "auto",
        members: Any = "auto",
        loss: Any = "auto",
        quantiles: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        optimizer: Any = "auto",
        learning_rate: Any = "auto",
        schedule: Any = "auto",
        batch_size: Any = "auto",
        max_epochs: Any = "auto",
        weight_decay: Any = "auto",
        l2: float = 0.0,
        l1: float = 0.0,
        clip_norm: float | None = None,
        averaging: Any = "auto",
        initializer: Any = "auto",
        early_stopping: Any = "auto",
        patience: Any = "auto",
        validation_fraction: Any = "auto",
        validation_every: int | str = 1,
        folds: Any = "auto",
        scoring: Any = "auto",
        refit: Any = "auto",
        class_weight: Any = None,
        columns: Any = None,
        input_scaling: str = "auto",
        target_scaling: str = "auto",
        calibration: str = "none",
        preset: str = "default",
        dtype: Any = "float32",
        engine: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        time_limit: float | None = None,
        retries: int = 0,
        warm_start: bool = False,
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
        verbose: bool | int = False,
        callbacks: Sequence[Any] = (),
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.normalisation = normalisation
        self.embedding = embedding
        self.members = members
        self.loss = loss
        self.quantiles = quantiles
        self.label_smoothing = label_smoothing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.weight_decay = weight_decay
        self.l2 = l2
        self.l1 = l1
        self.clip_norm = clip_norm
        self.averaging = averaging
        self.initializer = initializer
        self.early_stopping = early_stopping
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.validation_every = validation_every
        self.folds = folds
        self.scoring = scoring
        self.refit = refit
        self.class_weight = class_weight
        self.columns = columns
        self.input_scaling = input_scaling
        self.target_scaling = target_scaling
        self.calibration = calibration
        self.preset = preset
        self.dtype = dtype
        self.engine = engine
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.time_limit = time_limit
        self.retries = retries
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.verbose = verbose
        self.callbacks = callbacks

    # What the two estimators fill in.

    def _fit_targets(self, y: Any, settings: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _loss(self, settings: dict[str, Any], targets: Any) -> Loss:
        raise NotImplementedError

    def _metrics(self, loss: Loss) -> dict[str, Any]:
        raise NotImplementedError

    # --- fitting ---

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        validation: Any = None,
        groups: Any = None,
        resume: Any = None,
    ) -> GlassNetEstimator:
        """Train on the table X and the target y.

        X : data frame (pandas, polars, Arrow), array (n, p), or dict of columns; missing values and categories as
            they are.
        y : (n,) or (n, K), see the class.
        sample_weight : (n,) of at least 0. In the loss a row of weight 2 counts like two rows; a row of weight 0 is
            left out of everything. Scales and levels of the table do not look at weights.
        validation : which rows to validate on. None holds out `validation_fraction` of the rows at random, of each
            class alike, where training stops early. Other forms validate in any case, also with early_stopping=False,
            which then only trains on:
            (X, y) or (X, y, sample_weight), rows of their own; "last", the last part of the rows, which stand in the
            order of time; a scikit-learn splitter, whose last split is used (of a TimeSeriesSplit the one that trains
            on most rows), and rows that are in neither of its parts are left out.
        groups : (n,) labels; rows with the same one stay together, all to train on or all to validate. A splitter gets
            them.
        resume : path of a checkpoint to go on from, to the same bits as if the fit that wrote it had never stopped.
            Data and settings must be the same, but for max_epochs, n_jobs, time_limit, verbose and callbacks. It goes
            on writing to `checkpoint`, where that is set.

        The weights kept are those of the validation with the lowest loss, or the highest score by `scoring`.
        Returns the estimator. Raises OptionError, DataError, ColumnError, TrainingDiverged or, for a checkpoint that
        cannot be read or used, ModelFileError, see `glassnet.errors`.
        """
        check_validation(validation, groups)
        fit = torn_down(GlassNetEstimator._fit) if has_callbacks(self) else GlassNetEstimator._fit
        return fit(self, X, y, sample_weight, validation, groups, resume)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation: Any, groups: Any, resume: Any = None
    ) -> GlassNetEstimator:
        """The steps of `fit`."""
        samples = samples_of(X, y, sample_weight, type(self).__name__, groups)
        again = self.warm_start and hasattr(self, "networks_")
        settings = self._settings(samples, again, validation is not None or groups is not None)
        found = self._found(settings, resume)
        epochs = begin_fit(self, settings["max_epochs"] * (1 + settings["retries"]), X, y, sample_weight)

        fitting = Fitting(self, samples, settings, again=again)
        if found is not None or settings["checkpoint"] is not None:
            from glassnet.estimators.checkpoint import FitCheckpoint

            fitting.checkpoint = FitCheckpoint.of(fitting, found)
        trained = self._train(fitting, validation, groups, epochs)
        self._keep(fitting, trained)
        self._calibrate_on(fitting.samples, trained)
        self._warn(trained.outcome, trained.cut, fitting.checkpoint is not None and fitting.checkpoint.written)
        end_fit(epochs)
        return self

    def _train(self, fitting: Fitting, validation: Any, groups: Any, epochs: Any) -> Trained:
        """All trainings of the fit; its checkpoint is told how they ended."""
        checkpoint = fitting.checkpoint
        try:
            if fitting.settings["folds"] > 1:
                trained = train_folds(fitting, validation, epochs)
            else:
                trained = train_once(fitting, validation, groups, epochs)
        except TrainingDiverged:
            if checkpoint is not None:  # as one that is not over it would stand in the way of a fit at a lower rate
                checkpoint.complete("diverged")
            raise
        if checkpoint is not None:
            checkpoint.complete(trained.outcome.reason)
        return trained

    def _found(self, settings: dict[str, Any], resume: Any) -> Any:
        """What the checkpoint `resume` holds, None without one; its seed is that of a fit without any."""
        if resume is None:
            return None
        from glassnet.estimators.checkpoint import open_checkpoint

        require_resumable(settings, "resume")
        found = open_checkpoint(resume, type(self).__name__)
        if settings["random_state"] is None:
            settings["random_state"] = found.seed
        return found

    def _settings(self, samples: Samples, again: bool, validation_given: bool) -> dict[str, Any]:
        """The arguments with each "auto" decided, and checked; what a warm start cannot change is as it was."""
        arguments = self.get_params(deep=False)
        if again:
            keep_settings(arguments, self.settings_)
        return resolve_settings(
            arguments,
            samples.n_rows,
            validation_given,
            n_columns=len(samples.table.names),
            regression=not hasattr(self, "predict_proba"),
        )

    def _keep(self, fitting: Fitting, trained: Trained) -> None:
        """Set the fitted attributes."""
        dtype, outcome = fitting.settings["dtype"], trained.outcome
        with np.errstate(over="ignore"):  # refused just below
            networks = [network.astype(dtype) for network in trained.networks]
            others = [network.astype(dtype) for _, network in trained.validations if network not in trained.networks]
        require_finite_weights(networks + others)
        self.networks_ = networks
        self._vouching = others or self.networks_[: len(trained.validations)]
        self.encoder_ = fitting.encoder
        self._targets = fitting.targets
        self.settings_ = {name: v for name, v in fitting.settings.items() if name not in NOT_OF_THE_MODEL}
        self.history_ = outcome.history
        self.best_epoch_ = outcome.best_epoch
        self.stop_reason_ = outcome.reason
        self._temperature, self._conformal = 1.0, None
        self.__dict__.pop("_steps", None)
        self._set_sizes()

    def _calibrate_on(self, samples: Samples, trained: Trained) -> None:
        """Temperature and conformal scores from the rows that validated, by the networks that had not seen them."""
        validations = trained.validations
        if not validations:
            return
        if validations[0][0].places is None:
            samples = validations[0][0].samples
        else:
            samples = samples.take(np.concatenate([held.places for held, _ in validations]))
        matrices = [held.rows.X.astype(self.network_.dtype, copy=False) for held, _ in validations]
        pairs = zip(matrices, self._vouching, strict=True)
        Y = np.concatenate([self._outputs_of(matrix, [network]) for matrix, network in pairs])
        rows = rows_to_calibrate_on(samples.n_rows, self.settings_["random_state"])
        calibrate(self, samples.take(rows), Y[rows], self.settings_["calibration"])

    def calibrate(self, X: Any, y: Any, *, sample_weight: Any = None) -> GlassNetEstimator:
        """Take other rows than those of the validation to find out how sure predictions are; returns the estimator.

        X, y, sample_weight : rows that training did not use. Intervals and sets then hold their coverage exactly, and
        `calibration="temperature"`, which may be set after `fit`, finds its temperature on them, with the weights of
        classes that `fit` had.
        """
        self._require_fitted()
        check_calibration(self.calibration, self.network_.loss, hasattr(self, "predict_proba"))
        samples = samples_of(X, y, sample_weight, type(self).__name__)
        factors = class_factors(self.settings_["class_weight"], self._targets, samples.y, samples.weights)
        samples = samples.multiplied(factors)
        samples = samples.take(rows_to_calibrate_on(samples.n_rows, self.settings_["random_state"]))
        Y = self._outputs_of(self.encoder_.encode(samples.table, self.network_.dtype))
        calibrate(self, samples, Y, self.calibration)
        self._vouching = self.networks_
        return self

    def _warn(self, outcome: Outcome, cut: Cut | None = None, resumable: bool = False) -> None:
        """Say what a user must know of how training ended, or which of several trainings was cut short, and how."""
        which, kept = "training", f"the weights of epoch {outcome.best_epoch} are kept"
        if cut is not None:
            outcome, which = cut.outcome, f"training ({cut.what})"
            kept = "the networks trained before it" + (" and its best weights are kept" if cut.kept else " are kept")
        n_epochs = len(outcome.history)
        if outcome.reason == "diverged":
            rate = self.settings_["learning_rate"]
            remedy = "a larger l2" if rate is None else f"a learning_rate lower than {rate:g}, or clip_norm=1"
            origin = f"; {outcome.origin}" if outcome.origin else ""
            text = (
                f"{which} diverged in epoch {outcome.diverged_epoch}, step {outcome.diverged_step} (the loss became "
                f"{outcome.diverged_loss}{origin}); {kept}. Try {remedy}."
            )
            warn(DivergenceWarning(text))
        elif outcome.reason == "interrupted":
            go_on = f" fit(X, y, resume={str(self.checkpoint)!r}) goes on from there." if resumable else ""
            warn(InterruptedWarning(f"{which} was interrupted in epoch {max(n_epochs, 1)}; {kept}.{go_on}"))

    # --- using ---

    def _require_fitted(self) -> None:
        """Raise scikit-learn's NotFittedError before fit. Its own check makes up tags first, which takes 20 µs."""
        if "networks_" not in self.__dict__:
            check_is_fitted(self, "networks_")

    def _encoded(self, X: Any) -> np.ndarray:
        """The matrix of a table, in the network's float type; warns where only one of table and training has names."""
        self._require_fitted()
        table = table_of(X)
        self.encoder_.warn_of_names(table)
        return self.encoder_.encode(table, self.network_.dtype)

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs Y (n, K) for the rows of a table."""
        if self._known is not None and self._known[0] is X:
            return self._known[1]
        return self._outputs_of(self._encoded(X))

    def _vouched_for(self) -> Any:
        """The estimator with the networks whose scores intervals and sets go by: not those that saw all rows."""
        twin = copy.copy(self)
        twin.networks_ = self._vouching
        return twin

    def _outputs_of(self, matrix: np.ndarray, networks: list[Network] | None = None) -> np.ndarray:
        """The mean outputs Y (n, K) of the networks, or of others, for encoded rows, by the engine that trained."""
        kind, required, n_jobs = self.settings_["engine"], self.engine == "compiled", checked_jobs(self.n_jobs)
        networks = networks or self.networks_
        outputs = [outputs_of(kind, network, matrix, n_jobs=n_jobs, required=required) for network in networks]
        Y = outputs[0] if len(outputs) == 1 else mean_of_members(np.stack(outputs))
        return require_finite_outputs(Y, matrix, self.encoder_, self.network_.loss.name)

    def hidden(self, X: Any, layer: int = -1) -> np.ndarray:
        """Values of a hidden layer for each row, (n, units); -1 is the last one. A learned set of features.

        Of an ensemble, those of its members side by side, (n, members · units).
        """
        matrix = self._encoded(X)
        require_number("layer", layer, "must be a whole number, such as -1", lambda k: True, whole=True)
        hidden = [reference_hidden(network, matrix, int(layer)) for network in self.networks_]
        A = np.concatenate(hidden, axis=1)
        return require_finite_outputs(A, matrix, self.encoder_)

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: tables may have missing values, categories and text."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        return tags


def loss_from(settings: dict[str, Any], default: str) -> Loss:
    """The loss the settings name, with the options that belong to it."""
    name = default if isinstance(settings["loss"], str) and settings["loss"] == "auto" else settings["loss"]
    options: dict[str, Any] = {}
    if settings["quantiles"] is not None and name != "quantile":
        raise OptionError(
            'must be "quantile" where quantiles are given', argument="loss", value=getattr(name, "name", name)
        )
    if settings["quantiles"] is not None:
        options["quantiles"] = settings["quantiles"]
    if settings["label_smoothing"]:
        if name not in ("cross_entropy", "binary_cross_entropy", "multilabel"):
            raise OptionError(
                "is for a classifier's named losses", argument="label_smoothing", value=settings["label_smoothing"]
            )
        options["label_smoothing"] = settings["label_smoothing"]
    return loss_named(name, **options)
