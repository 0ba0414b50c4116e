"""What classifier and regressor share: scikit-learn's face of table, network and training.

`fit` is a sequence: settings, targets, table, split, network, training, and the fitted attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import DataError, DivergenceWarning, InterruptedWarning, OptionError, warn
from glassnet.estimators.pictures import Pictures
from glassnet.estimators.saving import save
from glassnet.estimators.settings import (
    LBFGS,
    build_layers,
    build_optimiser,
    build_options,
    checked_jobs,
    keep_settings,
    resolve_settings,
)
from glassnet.maths.losses import Loss, loss_named
from glassnet.maths.random import seed_of
from glassnet.network import Network, checked_weights
from glassnet.tables.encoder import TableEncoder
from glassnet.tables.frames import Table, table_of, target_of
from glassnet.training.backend import Rows
from glassnet.training.choice import outputs_of, start_backend
from glassnet.training.history import history_frame
from glassnet.training.lbfgs import train_lbfgs
from glassnet.training.loop import train
from glassnet.training.options import TrainingOptions
from glassnet.training.progress import progress_for
from glassnet.training.validation import split_rows
from glassnet.training.watch import Outcome

__all__ = ["GlassNetEstimator"]


class GlassNetEstimator(Pictures, BaseEstimator):
    """Base of the two estimators; their docstrings say what the arguments mean."""

    def __init__(
        self,
        hidden_layer_sizes: Any = "auto",
        *,
        activation: Any = "auto",
        dropout: Any = 0.0,
        normalisation: str = "none",
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
        initializer: Any = "auto",
        early_stopping: Any = "auto",
        patience: int = 20,
        validation_fraction: float = 0.1,
        validation_every: int | str = 1,
        columns: Any = None,
        input_scaling: str = "standard",
        target_scaling: str = "auto",
        dtype: Any = "float32",
        engine: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        time_limit: float | None = None,
        warm_start: bool = False,
        verbose: bool | int = False,
        callbacks: Sequence[Callable[[dict[str, Any]], Any]] = (),
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.normalisation = normalisation
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
        self.initializer = initializer
        self.early_stopping = early_stopping
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.validation_every = validation_every
        self.columns = columns
        self.input_scaling = input_scaling
        self.target_scaling = target_scaling
        self.dtype = dtype
        self.engine = engine
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.time_limit = time_limit
        self.warm_start = warm_start
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

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, validation: Any = None) -> GlassNetEstimator:
        """Train on the table X and the target y.

        X : data frame (pandas, polars, Arrow), array (n, p), or dict of columns; missing values and categories as
            they are.
        y : (n,) or (n, K), see the class.
        sample_weight : (n,) of at least 0. In the loss a row of weight 2 counts like two rows; a row of weight 0 is
            left out of everything. Scales and levels of the table do not look at weights.
        validation : (X, y) or (X, y, sample_weight) to validate on, instead of a part of the training rows. The best
            weights are then those with the lowest loss on it, even with early_stopping=False, which only trains on.

        Returns the estimator. Raises OptionError, DataError, ColumnError or TrainingDiverged, see `glassnet.errors`.
        """
        table, y, weights = checked_rows(X, y, sample_weight, type(self).__name__)
        again = self.warm_start and hasattr(self, "network_")
        arguments = self.get_params(deep=False)
        if again:
            keep_settings(arguments, self.settings_)
        settings = resolve_settings(arguments, table.n_rows, validation is not None)
        targets = self._targets if again else self._fit_targets(y, settings)
        loss = self._loss(settings, targets)
        settings["loss"] = settings["loss"] if settings["loss"] != "auto" else loss.name
        layers = build_layers(settings, targets.n_outputs(loss))
        settings["random_state"] = seed = seed_of(settings["random_state"])
        options = build_options(settings, seed, self._metrics(loss), self.callbacks)

        encoder = self.encoder_ if again else fitted_encoder(table, settings, type(self).__name__)
        matrix = encoder.encode(table, np.float64)
        dtype = np.dtype(np.float64 if settings["optimizer"] == LBFGS else settings["dtype"])
        network = Network(layers, loss, matrix.shape[1], dtype, random_state=seed)
        if again:
            network.params = self.network_.params
        rows = make_rows(network, matrix, targets.encode(y, loss), weights)
        given = None if validation is None else self._validation_rows(validation, encoder, targets, network)
        training, held_out = self._split(rows, targets, settings, seed) if given is None else (rows, given)

        outcome = self._train(network, training, held_out, settings, options)
        self._keep(network, outcome, encoder, targets, settings)
        self._warn(outcome, settings)
        return self

    def _split(self, rows: Rows, targets: Any, settings: dict[str, Any], seed: int) -> tuple[Rows, Rows | None]:
        """Training rows, and those held out to validate where training stops early."""
        if not settings["early_stopping"]:
            return rows, None
        classes = None
        if targets.kind == "classes":
            classes = rows.T.argmax(axis=1) if rows.T.shape[1] > 1 else rows.T[:, 0].astype(np.int64)
        training, held_out = split_rows(len(rows.X), settings["validation_fraction"], seed, classes)
        if len(held_out) == 0 and self.early_stopping == "auto":  # nothing but classes of one row
            settings["early_stopping"] = False
            return rows, None
        if len(held_out) == 0:
            raise DataError(
                f"holds out no row of {len(rows.X)} to validate on",
                argument="validation_fraction",
                value=settings["validation_fraction"],
                remedy="Raise it, pass validation=(X, y) to fit, or set early_stopping=False.",
            )
        return take(rows, training), take(rows, held_out)

    def _validation_rows(self, validation: Any, encoder: TableEncoder, targets: Any, network: Network) -> Rows:
        """The set that the user passed, encoded like the training rows."""
        if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
            raise OptionError("must be (X, y) or (X, y, sample_weight)", argument="validation", value=type(validation))
        X, y, *weight = validation
        table, y, weights = checked_rows(X, y, weight[0] if weight else None, type(self).__name__)
        matrix = encoder.encode(table, np.float64)
        return make_rows(network, matrix, targets.encode(y, network.loss), weights)

    def _train(
        self,
        network: Network,
        training: Rows,
        validation: Rows | None,
        settings: dict[str, Any],
        options: TrainingOptions,
    ) -> Outcome:
        """Run the loop the settings ask for, on the engine they ask for, and note which one that was."""
        size = len(training.X) if settings["batch_size"] == "full" else min(settings["batch_size"], len(training.X))
        progress = progress_for(self.verbose)
        settings["engine"], backend = start_backend(
            settings["engine"],
            network,
            build_optimiser(settings),
            training,
            max_epochs=options.max_epochs,
            batch_size=int(size),
            required=self.engine == "compiled",
            l1=float(settings["l1"]),
            l2=float(settings["l2"]),
            clip_norm=settings["clip_norm"],
            seed=options.seed,
            n_jobs=settings["n_jobs"],
            announce=progress.compiling,
        )
        run = train_lbfgs if settings["optimizer"] == LBFGS else train
        return run(backend, options, validation, progress)

    def _keep(
        self, network: Network, outcome: Outcome, encoder: TableEncoder, targets: Any, settings: dict[str, Any]
    ) -> None:
        """Set the fitted attributes."""
        network.params = outcome.params
        self.network_ = network.astype(settings["dtype"])
        self.encoder_ = encoder
        self._targets = targets
        self.settings_ = {name: value for name, value in settings.items() if name not in ("callbacks", "verbose")}
        self.history_ = outcome.history
        self.best_epoch_ = outcome.best_epoch
        self.stop_reason_ = outcome.reason
        self._set_sizes()

    def _set_sizes(self) -> None:
        """Attributes that scikit-learn has, derived from what was fitted or loaded."""
        self.n_features_in_ = self.encoder_.n_features_in_
        if self.encoder_.named_:
            self.feature_names_in_ = self.encoder_.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.n_iter_ = len(self.history_)
        self.n_outputs_ = self.network_.n_outputs
        self.n_layers_ = len(self.network_.coefs) + 1

    def _warn(self, outcome: Outcome, settings: dict[str, Any]) -> None:
        """Say what a user must know of how training ended."""
        if outcome.reason == "diverged":
            rate = settings["learning_rate"]
            remedy = "a larger l2" if rate is None else f"a learning_rate lower than {rate:g}, or clip_norm=1"
            text = (
                f"training diverged in epoch {len(outcome.history) + 1}, step {outcome.diverged_step} (the loss became "
                f"{outcome.diverged_loss}); the weights of epoch {outcome.best_epoch} are kept. Try {remedy}."
            )
            warn(DivergenceWarning(text))
        elif outcome.reason == "interrupted":
            text = (
                f"training was interrupted in epoch {len(outcome.history)}; the weights of epoch {outcome.best_epoch} "
                "are kept."
            )
            warn(InterruptedWarning(text))

    # --- using ---

    def _require_fitted(self) -> None:
        """Raise scikit-learn's NotFittedError before fit. Its own check makes up tags first, which takes 20 µs."""
        if "network_" not in self.__dict__:
            check_is_fitted(self, "network_")

    def _encoded(self, X: Any) -> np.ndarray:
        """The matrix of a table, in the network's float type; warns where only one of table and training has names."""
        self._require_fitted()
        table = table_of(X)
        self.encoder_.warn_of_names(table)
        return self.encoder_.encode(table, self.network_.dtype)

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs Y (n, K) for the rows of a table."""
        matrix = self._encoded(X)
        kind, required, n_jobs = self.settings_["engine"], self.engine == "compiled", checked_jobs(self.n_jobs)
        return outputs_of(kind, self.network_, matrix, n_jobs=n_jobs, required=required)

    def hidden(self, X: Any, layer: int = -1) -> np.ndarray:
        """Values of a hidden layer for each row, (n, units); -1 is the last one. A learned set of features."""
        matrix = self._encoded(X)
        return self.network_.hidden(matrix, layer)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights (p, q) of the dense layers, first to last."""
        check_is_fitted(self, "network_")
        return self.network_.coefs

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases (q,) of the dense layers, first to last."""
        check_is_fitted(self, "network_")
        return self.network_.intercepts

    @property
    def loss_curve_(self) -> list[float]:
        """Training loss of each epoch."""
        check_is_fitted(self, "network_")
        return [row["loss"] for row in self.history_]

    def history_frame(self) -> Any:
        """`history_` as a data frame: pandas where it is installed, else polars."""
        check_is_fitted(self, "network_")
        return history_frame(self.history_)

    @property
    def columns_(self) -> list[dict[str, Any]]:
        """The columns of the table as they were fitted: name, kind, and what belongs to the kind."""
        check_is_fitted(self, "network_")
        return self.encoder_.columns_

    def summary(self) -> str:
        """The layers of the network, their sizes and the loss, as a table in plain text."""
        from glassnet.views import describe_network

        check_is_fitted(self, "network_")
        return describe_network(self.network_.describe())

    def report(self, X: Any, y: Any) -> Any:
        """Scores on rows not seen in training, as a `Report` that prints itself."""
        from glassnet.estimators.report import report

        return report(self, X, y)

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one `.glassnet` file; `glassnet.load` reads it. No pickle is involved.

        Raises OptionError when a function of the user's own is part of it: a function is not data.
        """
        check_is_fitted(self, "network_")
        save(self, path)

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: tables may have missing values, categories and text."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def checked_rows(X: Any, y: Any, sample_weight: Any, name: str) -> tuple[Table, np.ndarray, np.ndarray | None]:
    """The table, the target and the weights, of equal length, without the rows of weight 0.

    Those are left out before anything is learned from them: no scale, level or class. Raises DataError.
    """
    if y is None:
        raise DataError(f"This {name} estimator requires y to be passed, but the target y is None")
    table, y = table_of(X), target_of(y)
    if len(y) != table.n_rows:
        raise DataError(f"must have as many rows as X, {table.n_rows}", argument="y", value=len(y))
    if sample_weight is None:
        return table, y, None
    weights = checked_weights(target_of(sample_weight), len(y), np.dtype(np.float64))
    if not weights.any():
        raise DataError("leaves no row: every weight is zero", argument="sample_weight", value=0)
    weights = weights / weights.mean()  # which changes no weighted mean, and lets float32 hold them
    present = np.flatnonzero(weights)
    return table.take(present), y[present], weights[present]


def fitted_encoder(table: Table, settings: dict[str, Any], name: str) -> TableEncoder:
    """The encoder that the settings ask for, fitted to the table of training."""
    encoder = TableEncoder(settings["input_scaling"], columns=settings["columns"], dtype=settings["dtype"])
    return encoder.owned_by(name).fit(table)


def make_rows(network: Network, matrix: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> Rows:
    """Encoded rows in the network's float type, checked against each other."""
    return Rows(*network.checked(matrix, y, weights))


def take(rows: Rows, places: np.ndarray) -> Rows:
    """Some of the rows."""
    return Rows(rows.X[places], rows.T[places], None if rows.weights is None else rows.weights[places])


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
