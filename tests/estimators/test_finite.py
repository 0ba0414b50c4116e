"""No fitted estimator holds weights that are not finite, and no prediction is one; what `retries` does about it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import DataError, DivergenceWarning, OptionError, TrainingDiverged
from glassnet.estimators import trainings

LINE = np.random.default_rng(0).normal(size=(120, 3))
CLASSES = LINE.sum(axis=1) > 0


def regressor(**options):
    """One small network, plain steps, no patience."""
    usual = {"activation": "tanh", "optimizer": "gradient_descent", "schedule": "constant", "max_epochs": 4}
    return GlassNetRegressor((4,), **usual | {"preset": "plain", "random_state": 0} | options)


def weights_of(model):
    return [network.params for network in model.networks_]


# --- weights ---


def test_weights_that_float32_cannot_hold_after_lbfgs_in_float64_are_a_divergence(monkeypatch):
    train = trainings.train_lbfgs
    large = lambda *arguments: replace(found := train(*arguments), params=found.params * 1e39)  # noqa: E731
    monkeypatch.setattr(trainings, "train_lbfgs", large)
    model = GlassNetRegressor((), optimizer="lbfgs", random_state=0)
    with pytest.raises(TrainingDiverged) as caught:
        model.fit(LINE, LINE[:, 0])
    assert str(caught.value) == (
        "training ended in weights that float32 cannot hold, in layer 1 of 1. "
        'Try scaled inputs, a larger l2, or dtype="float64".'
    )
    assert not hasattr(model, "networks_")


def falling(monkeypatch, number):
    """Have the training of this number, from 0, diverge in its first epoch."""
    done, train = [], trainings.train

    def training(*arguments, **options):
        done.append(arguments)
        if len(done) != number + 1:
            return train(*arguments, **options)
        error = TrainingDiverged("training diverged in epoch 1")
        error.loss, error.epoch, error.step, error.origin = np.nan, 1, 3, "scores reach 1.0e+30"
        raise error

    monkeypatch.setattr(trainings, "train", training)


MESSAGE = (
    r"^training \(.+\) diverged in epoch 1, step 3 \(the loss became nan; scores reach 1\.0e\+30\); the networks "
    r"trained before it are kept\. "
)


def test_where_the_training_on_all_rows_comes_to_nothing_the_network_that_validated_predicts(monkeypatch):
    alone = regressor().fit(LINE, LINE[:, 0])
    falling(monkeypatch, 1)
    with pytest.warns(DivergenceWarning, match=MESSAGE):
        model = regressor(refit=True).fit(LINE, LINE[:, 0])
    assert model.stop_reason_ == "diverged"
    assert np.array_equal(model.predict(LINE), alone.predict(LINE))
    assert np.isfinite(model.predict_interval(LINE, coverage=0.5)).all()


def test_where_a_fold_comes_to_nothing_those_before_it_predict(monkeypatch):
    falling(monkeypatch, 2)
    with pytest.warns(DivergenceWarning, match=MESSAGE):
        model = regressor(folds=4).fit(LINE, LINE[:, 0])
    assert len(model.networks_) == 2
    assert np.isfinite(model.predict(LINE)).all()


def test_a_first_fold_that_comes_to_nothing_leaves_nothing(monkeypatch):
    falling(monkeypatch, 0)
    with pytest.raises(TrainingDiverged, match="^training diverged in epoch 1$"):
        regressor(folds=4).fit(LINE, LINE[:, 0])


def test_moments_that_overflow_leave_the_estimator_as_it_was_before_the_call():
    # Residuals of 1e17 have finite squares; times inputs of 1e3 they make a gradient of 1e20, whose square is not.
    model = GlassNetRegressor((), input_scaling="none", target_scaling="none", random_state=0, batch_size="full")
    X = 1e3 * LINE
    model.partial_fit(X, LINE[:, 0])
    before, steps = model.predict(X), model._steps
    with pytest.raises(
        TrainingDiverged, match=r"^training diverged: the optimiser's moment 'mean_square' became inf\. "
    ):
        model.partial_fit(X, 1e17 * np.sign(LINE[:, 0]))
    assert np.array_equal(model.predict(X), before)
    assert model._steps is steps
    model.partial_fit(X, LINE[:, 0])


def test_the_warning_names_the_column_of_the_table_that_is_far_out():
    table = pl.DataFrame({"age": LINE[:, 0], "income": np.where(np.arange(120) < 118, LINE[:, 1], 3.3e38)})
    model = regressor(input_scaling="none", learning_rate=1e-6, early_stopping=False, batch_size=1)
    with pytest.raises(TrainingDiverged, match=r"where column 'income' of the encoded table is 3\.3e\+38\)"):
        model.set_params(activation="relu").fit(table, LINE[:, 0])


# --- predictions ---


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_row_whose_numbers_overflow_in_the_network_is_refused_with_row_and_column(engine):
    table = pl.DataFrame({"age": LINE[:, 0], "income": LINE[:, 1]})
    options = {"input_scaling": "none", "activation": "relu", "preset": "plain", "engine": engine, "random_state": 0}
    far = table.with_columns(income=pl.Series(np.where(np.arange(120) == 7, 3e38, LINE[:, 1])))
    clf = GlassNetClassifier((4, 4), max_epochs=2, **options).fit(table, np.arange(120) % 3)
    model = GlassNetRegressor((4, 4), max_epochs=2, **options).fit(table, LINE[:, 0])
    for network in clf.networks_ + model.networks_:
        network.params *= 100.0
    message = (
        "row 8: column 'income' is encoded as a number that overflows float32 in the network, got 3e+38. "
        "Repair it, or train with a scaling of the inputs, which clips what is so far out."
    )
    for use in (clf.predict, clf.predict_proba, clf.hidden, model.predict, model.predict_interval):
        with pytest.raises(DataError) as caught:
            use(far)
        assert str(caught.value) == message, use
    assert np.isfinite(clf.predict_proba(table)).all()


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_weights_that_were_spoiled_after_training_predict_nothing(value, engine):
    model = regressor(engine=engine).fit(LINE, LINE[:, 0])
    model.network_.params[-5:] = value  # the output layer's
    with pytest.raises(DataError) as caught:
        model.predict(LINE)
    row = caught.value.row
    assert str(caught.value) == (
        f"row {row}: X has no prediction that float32 can hold, though nothing in it is far out. "
        "Weights of the model have been changed or damaged: load or train it again."
    )


@pytest.mark.parametrize(("far", "encoded"), [(200.0, 200.0), (1e9, 1e6)])
def test_a_count_beyond_all_floats_is_refused_with_the_column_that_is_far_out(far, encoded):
    """e^z is beyond float32 from z = 89 on, which inputs of some hundreds reach, and clipped ones too."""
    x = (LINE[:, 1] - LINE[:, 1].mean()) / LINE[:, 1].std()
    model = GlassNetRegressor(
        (), loss="poisson", max_epochs=3, random_state=0, preset="plain", input_scaling="standard"
    )
    model.fit({"x": x}, np.round(np.exp(x - x.min())))
    sign = float(np.sign(model.coefs_[0][0, 0]))
    with pytest.raises(DataError) as caught:
        model.predict({"x": np.append(x[:3], far * sign)})
    assert str(caught.value) == (
        "row 4: column 'x' is encoded as a number that overflows float32 in the network, got "
        f"{encoded * sign}. Repair it: training saw nothing so far out."
    )


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_with_a_scaling_any_finite_number_has_a_prediction(engine):
    model = regressor(engine=engine).fit(LINE, LINE[:, 0])
    for x in (3e38, 1e300, -1.7e308, 5e-324):
        far = LINE.copy()
        far[:, 1] = x
        assert np.isfinite(model.predict(far)).all()


@pytest.mark.parametrize("options", [{}, {"quantiles": (0.2, 0.8)}])
def test_a_prediction_beyond_float64_is_refused_with_its_row(options):
    y = np.where(LINE[:, 0] > 0, 8e307, -8e307)
    model = regressor(target_scaling="minmax", **options).fit(LINE, y)
    for network in model.networks_:
        network.params *= 100.0
    with pytest.raises(DataError) as caught:
        model.predict(LINE)
    row = caught.value.row
    assert str(caught.value).startswith(f"row {row}: X has a prediction that float64 cannot hold: ")
    assert str(caught.value).endswith(" in units of 8e+307. Predict y in larger units, or its logarithm.")


# --- retries ---


@pytest.mark.parametrize(
    "how", [{}, {"refit": 2}, {"folds": 3}, {"members": 3, "averaging": 0.9}, {"engine": "compiled"}]
)
def test_a_training_that_diverges_begins_again_at_a_tenth_of_the_rate_as_if_that_had_been_given(how):
    model = regressor(learning_rate=1e8, retries=12, activation="relu", **how).fit(LINE, LINE[:, 0])
    rate = model.settings_["learning_rate"]
    assert 1e-4 < rate < 1e8
    assert [row["learning_rate"] for row in model.history_] == [rate] * len(model.history_)
    assert model.retries == model.settings_["retries"] == 12
    again = regressor(learning_rate=rate, activation="relu", **how).fit(LINE, LINE[:, 0])
    for found, expected in zip(weights_of(model), weights_of(again), strict=True):
        assert np.array_equal(found, expected)
    # The rate before it was tried, and did diverge.
    with pytest.raises((TrainingDiverged, DivergenceWarning)):
        regressor(learning_rate=rate * 10, activation="relu", **how).fit(LINE, LINE[:, 0])


def test_when_all_retries_are_used_up_it_is_a_divergence_at_the_last_rate():
    with pytest.raises(TrainingDiverged, match=r"at learning rate 1e\+10: "):
        regressor(learning_rate=1e12, retries=2, activation="relu").fit(LINE, LINE[:, 0])


def test_retries_do_nothing_where_training_is_well():
    once, ready = regressor().fit(LINE, LINE[:, 0]), regressor(retries=3).fit(LINE, LINE[:, 0])
    assert np.array_equal(once.predict(LINE), ready.predict(LINE))
    assert ready.settings_["learning_rate"] == once.settings_["learning_rate"]


def test_callbacks_follow_the_epochs_of_all_retries():
    pytest.importorskip("sklearn.callback")
    from sklearn.callback import ScoringMonitor

    options = {"learning_rate": 1e8, "retries": 12, "activation": "relu"}
    model = regressor(**options).set_callbacks(ScoringMonitor(scoring="r2")).fit(LINE, LINE[:, 0])
    plain = regressor(**options).fit(LINE, LINE[:, 0])
    assert np.array_equal(model.predict(LINE), plain.predict(LINE))
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4]


def test_a_time_limit_counts_all_retries(monkeypatch):
    left = []
    train = trainings.train
    monkeypatch.setattr(trainings, "train", lambda *a, **o: left.append(a[1].time_limit) or train(*a, **o))
    regressor(learning_rate=1e8, retries=12, activation="relu", time_limit=60.0).fit(LINE, LINE[:, 0])
    assert len(left) > 2
    assert left[0] == 60.0
    assert all(later < earlier for earlier, later in pairwise(left))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"retries": -1}, "retries must be a whole number of at least 0, got -1"),
        ({"retries": 1.5}, "retries must be a whole number of at least 0, got 1.5"),
        (
            {"retries": 1, "optimizer": "lbfgs", "schedule": "auto"},
            "retries must be left at 0 with optimizer='lbfgs', got 1. "
            "L-BFGS takes all rows at each step and sets its own step length; l1 and l2 work with it.",
        ),
    ],
)
def test_retries_that_cannot_be_are_refused(options, text):
    with pytest.raises(OptionError) as caught:
        regressor(**options).fit(LINE, LINE[:, 0])
    assert str(caught.value) == text
