"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from glassnet.errors import DataError, OptionError, require_choice
from glassnet.estimators.base import GlassNetEstimator, loss_from
from glassnet.estimators.calibrating import probabilities_of, require_conformal
from glassnet.estimators.incremental import class_targets_for, partial_fit
from glassnet.estimators.samples import row_weights, samples_of
from glassnet.estimators.targets import ClassTargets, MultilabelTargets, class_targets
from glassnet.maths.losses import Loss

__all__ = ["GlassNetClassifier"]


class GlassNetClassifier(ClassifierMixin, GlassNetEstimator):
    """A neural network that predicts classes from a table.

    y : labels (n,), texts, whole numbers, truth values or bytes, of two classes or more; or a matrix (n, L) of 0 and 1
        with several labels for each row.

    Parameters
    ----------
    "auto" is decided in `fit`, as `preset` has it; `settings_` says what it became.

    preset : "default" (an ensemble, as accurate as gradient boosting in about CatBoost's time), "fast", "best", or
        "plain" (one network, the quickest to train and the easiest to look into). A preset is a set of the arguments
        below; any that is given stays as it is given. See `glassnet.estimators.presets` and docs/estimators.md.

    hidden_layer_sizes : widths of the hidden layers, such as (64, 32); () is a linear model.
    activation : a name ("relu", "tanh", "sigmoid", "silu", "gelu", "mish", "elu", "selu", "leaky_relu", "softplus",
        "identity"), a pair of functions (value, slope), or a list with one for each hidden layer.
    members : networks of an ensemble, trained as one; each has scales of its own on the weights that all share, and an
        output layer of its own. 1 is one network. `member` gives one of them.
    dropout : chance in [0, 1) that a hidden unit is dropped in a training step, or a list with one for each layer.
    normalisation : "none", or "layer" for layer normalisation before each activation.
    embedding : what becomes of categories of many levels. "auto" gives each of more than 32 levels 8 learned numbers in
        place of a column of 0 and 1, see `embeddings_`; {"above": 20, "width": 4} is another limit and another width;
        "none" gives the 64 most frequent levels a column each. With {"numbers": "piecewise_linear", "bins": 48} each
        number, too, becomes `width` learned numbers, by the bin it is in; presets of ensembles have it so.
    loss : "auto" (cross-entropy for the task), or a loss of your own (`custom_loss`), which sees one-hot targets with a
        column for each class.   label_smoothing : ε in [0, 1).
    optimizer : "adam", "adamw", "nesterov", "momentum", "rmsprop", "gradient_descent", "lbfgs", or an Optimiser.
    learning_rate : of the first steps.   schedule : "constant", "step", "cosine", "one_cycle", "warm_up", "plateau",
        a Schedule, or a function from the number of a step to a factor.
    batch_size : rows a step; "full" is batch gradient descent, 1 is stochastic.
    max_epochs : most passes over the rows.
    weight_decay : decoupled, weights are multiplied by 1 - learning_rate · weight_decay at each step, at least 0.
    l2, l1 : add ½ · l2 · ΣW² and l1 · Σ|W| to the loss, over weights, never biases.
    clip_norm : longest gradient.   initializer : of the weights, a rule of `maths.initialisers`.
    averaging : memory in [0, 1) of the average of the steps' weights, with which the network validates and predicts;
        0.99 reaches back about 100 steps, 0 keeps none.
    early_stopping : stop when the validation loss has not improved for `patience` epochs, and use the weights of the
        best one. "auto" does so where the validation set has at least 10 rows, or folds of a preset at least two.
    folds : parts of the rows that validate in turn, a network trained for each on all others; predictions are the mean
        of theirs. 1 holds out `validation_fraction` once.
    validation_fraction : of the rows, held out to validate.   validation_every : 2 (epochs) or "50 steps".
    scoring : what decides between epochs: "auto" and "loss" the validation loss; the name of a scikit-learn scorer
        ("roc_auc") or a function of (estimator, X, y) its value, higher is better.
    refit : how many networks are trained anew on all rows afterwards, those that validated too, for 1.3 times as many
        epochs as were best (`max_epochs` at most); True is 1. Predictions are the mean of theirs; those of folds stay
        beside them. `history_` is that of the first training.
    class_weight : what rows of a class count in training and validation loss: None, a dict {label: weight}, where those
        not named count 1, or "balanced", all classes the same. It multiplies sample_weight; scorers do not see it.
    calibration : "none", or "temperature": probabilities are softened or sharpened by one number that makes the log
        loss of the validation rows lowest, before any refit. The most probable class stays.
    columns : kinds of columns, where the values do not say it: {"zip": "category", "comment": "drop"}, see
        `TableEncoder` and docs/tables.md.
    quantiles, target_scaling : of the regressor.
    input_scaling : "standard", "minmax" (to [-1, 1]), "robust", "smooth_clip", "quantile" or "none".
    dtype : "float32" or "float64", to compute in.   random_state : a whole number makes a fit repeatable.
    engine : "reference" computes with NumPy, "compiled" with machine code made for this processor; they agree but for
        rounding, and the one that trained a model predicts with it. "auto" compiles what would take NumPy more than
        about a second: the size of network and table decides, so a fit repeated runs on the same one.
    n_jobs : threads of the compiled engine. None takes as many as make it faster, never more than the processors this
        process may use; -1 all of these; or a whole number. Results do not depend on it.
    time_limit : seconds after which training stops.   retries : how often in a fit a training that diverges begins
        again, each time at a tenth of the rate; `settings_["learning_rate"]` and `history_` show the one that was used.
    warm_start : go on from the weights of the last fit, on its engine.
    checkpoint : path of a file in which to keep, every `checkpoint_every` seconds and at the end, what
        `fit(X, y, resume=path)` goes on from, to the same bits; see docs/estimators.md.
    verbose : show progress.   callbacks : functions of each epoch's row, a true answer stops training; or callbacks of
        scikit-learn 1.9, which `set_callbacks` takes as well.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, coefs_, intercepts_, loss_curve_, n_iter_ : as in scikit-learn.
    history_ : one dict an epoch: epoch, step, loss, validation_loss, validation_accuracy, validation_score (where
        `scoring` is not the loss), learning_rate, seconds.   temperature_ : 1, or what calibration found.
    best_epoch_ : whose weights these are.   stop_reason_ : why training ended.
    embeddings_, embedding_levels_ : the learned numbers of categories of many levels, and what the rows stand for.
    settings_ : what each argument became.   encoder_ : the fitted `TableEncoder`.
    networks_ : the networks that predict, of which `network_` is the first; n_members_ : members of all of them.

    >>> from glassnet import GlassNetClassifier
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, ["low", "low", "high", "high"] * 10
    >>> clf = GlassNetClassifier(random_state=0).fit(X, y)
    >>> clf.predict([[0.2], [2.9]]).tolist()
    ['low', 'high']
    """

    _targets: ClassTargets | MultilabelTargets

    def _fit_targets(self, y: Any, settings: dict[str, Any]) -> ClassTargets | MultilabelTargets:
        return class_targets(y)

    def _loss(self, settings: dict[str, Any], targets: ClassTargets | MultilabelTargets) -> Loss:
        if settings["quantiles"] is not None:
            remedy = "Leave them out, or use GlassNetRegressor."
            raise OptionError("are of numbers", argument="quantiles", value=settings["quantiles"], remedy=remedy)
        loss = loss_from(settings, targets.default_loss)
        if not loss.custom:
            fitting = {targets.default_loss} | ({"cross_entropy"} if targets.kind == "classes" else set())
            require_choice("loss", loss.name, fitting | {"auto"})
        return loss

    def _metrics(self, loss: Loss) -> dict[str, Any]:
        return {"accuracy": accuracy}

    @property
    def classes_(self) -> np.ndarray:
        """The labels, sorted; for a multilabel model the columns' positions."""
        if not hasattr(self, "_targets"):
            raise AttributeError("classes_ is there once the classifier is fitted")
        return self._targets.classes

    def partial_fit(self, X: Any, y: Any, classes: Any = None, *, sample_weight: Any = None) -> GlassNetClassifier:
        """Train one epoch on these rows, going on from the weights of the last call or fit; returns the estimator.

        classes : all labels there will ever be; the first call needs them, later ones may leave them out. For several
            labels a row (y a matrix of 0 and 1) they are not needed.
        sample_weight : (n,), see `fit`.

        The first call also learns how to encode the table: kinds of columns, scales, levels. Hand it rows that are like
        the rest. The learning rate is constant unless a schedule is named; no rows are held out. A model file does not
        keep the optimiser's moments: a loaded model goes on with new ones.
        Raises OptionError for what needs all rows at once: L-BFGS, class_weight="balanced".
        """
        samples = samples_of(X, y, sample_weight, type(self).__name__)
        partial_fit(self, samples, class_targets_for(self, samples.y, classes))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, K) in the order of `classes_`, float64; for a multilabel model of each label on its own.

        Raises ColumnError for a table without the columns of training, or with a column of another kind.
        """
        self._require_fitted()
        return probabilities_of(self, self._outputs(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Natural logarithms (n, K) of `predict_proba`, in nats; of a probability that is rounded to 0, that of the
        smallest float, -708: finite, as all predictions are. Raises what `predict_proba` raises.
        """
        P = self.predict_proba(X)
        return np.log(np.maximum(P, np.finfo(P.dtype).tiny))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label (n,); for a multilabel model a matrix (n, L) of 0 and 1."""
        return self._targets_fitted().decode(self._outputs(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the rows, by their weights, whose class is predicted right; of a multilabel model, all labels.

        The same as sklearn.metrics.accuracy_score, without the 40 ms that importing it takes. Raises DataError for
        targets or weights that do not fit the table.
        """
        right = self._targets_fitted().right(y, self.predict(X))
        if sample_weight is None:
            return float(right.mean())
        weights = row_weights(sample_weight, len(right))
        if not weights.any():
            raise DataError("leaves no row: every weight is zero", argument="sample_weight", value=0)
        return float(np.average(right, weights=weights))

    def predict_set(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Which classes may well be the true one: truth values (n, K) in the order of `classes_`.

        coverage : the share of new rows whose set holds the true class. It holds over all rows, drawn like those that
            validated (or were given to `calibrate`), not in each class or region.

        A set holds the classes with a probability above one threshold, for all rows the same: of all rules with this
        coverage the one with the smallest sets on average. Where the network is right more often than `coverage`, the
        rows it is least sure of get an empty set.
        Raises OptionError where no rows were held out. Source: Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued
        Classifiers with Bounded Error Levels" (2019).
        """
        self._require_fitted()
        conformal = require_conformal(self, coverage)
        return conformal.sets(self._vouched_for().predict_proba(X), coverage)

    @property
    def temperature_(self) -> float:
        """What log-probabilities are divided by; 1 unless calibration="temperature"."""
        self._require_fitted()
        return self._temperature

    def _targets_fitted(self) -> ClassTargets | MultilabelTargets:
        self._require_fitted()
        return self._targets

    def __sklearn_tags__(self) -> Any:
        """Multilabel targets are taken too."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = False
        return tags


def accuracy(T: np.ndarray, Y: np.ndarray, weights: np.ndarray | None) -> float:
    """Weighted share of rows whose most probable outputs are the true ones."""
    exclusive = T.shape[1] > 1 and np.all(T.sum(axis=1) == 1) and np.allclose(Y.sum(axis=1), 1, atol=1e-3)
    right = Y.argmax(axis=1) == T.argmax(axis=1) if exclusive else ((Y > 0.5) == (T > 0.5)).all(axis=1)
    return float(np.average(right, weights=weights))
