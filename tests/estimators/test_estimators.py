"""What both estimators share: settings, seeds, weights, validation, warm start, scikit-learn's manners, real tables."""

import datetime
import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from glassnet import GlassNetClassifier, GlassNetRegressor, custom_activation, custom_loss
from glassnet.errors import (
    ColumnError,
    DataError,
    DivergenceWarning,
    InterruptedWarning,
    NearlyUniqueWarning,
    OptionError,
    TrainingDiverged,
)
from glassnet.maths.optimisers import Adam


def table(n=120, seed=0):
    """A mixed table: numbers with gaps, a category, and a class that depends on both."""
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(size=n), rng.choice(["red", "green", "blue"], size=n)
    X = pd.DataFrame({"size": size, "colour": colour, "noise": rng.normal(size=n)})
    X.loc[::7, "noise"] = np.nan
    y = np.where((size > 0) ^ (colour == "red"), "yes", "no")
    return X, y


def tanh_slope(Z):
    return 1 - np.tanh(Z) ** 2


def half(step):
    return 0.5


def quick(kind=GlassNetClassifier, **options):
    return kind(**{"hidden_layer_sizes": (8,), "max_epochs": 4, "random_state": 0, "preset": "plain", **options})


# --- the same from the same ---


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    X, y = table()
    first, again, other = (quick(random_state=seed).fit(X, y).network_.params for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_settings_can_be_passed_back_and_give_the_same_network():
    X, y = table()
    clf = GlassNetClassifier(random_state=3, max_epochs=5).fit(X, y)
    again = GlassNetClassifier(**clf.settings_).fit(X, y)
    assert again.settings_ == clf.settings_
    assert again.network_.params.tobytes() == clf.network_.params.tobytes()
    assert not [
        name
        for name, value in clf.settings_.items()
        if isinstance(value, str) and value == "auto" and name != "initializer" and name != "target_scaling"
    ]


def test_get_params_returns_what_was_passed_and_clone_copies_it():
    clf = quick(dropout=0.3, optimizer=Adam(beta_1=0.8))
    X, y = table()
    clf.fit(X, y)
    assert clf.get_params()["hidden_layer_sizes"] == (8,)
    assert clf.get_params()["learning_rate"] == "auto"
    twin = clone(clf)
    assert twin.get_params() == clf.get_params()
    assert not hasattr(twin, "network_")


def test_pickle_keeps_the_predictions():
    X, y = table()
    clf = quick().fit(X, y)
    assert np.array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))


def test_pandas_and_polars_give_the_same_network():
    X, y = table()
    assert (
        quick().fit(X, y).network_.params.tobytes()
        == quick().fit(pl.from_pandas(X), pl.Series(y)).network_.params.tobytes()
    )


def test_cross_validation_of_scikit_learn_works():
    X, y = table(200)
    scores = cross_val_score(quick(max_epochs=40, learning_rate=0.02), X, y, cv=3)
    assert scores.mean() > 0.7


# --- attributes ---


def test_fitted_attributes_have_scikit_learns_names_and_shapes():
    X, y = table()
    clf = quick().fit(X, y)
    assert clf.n_features_in_ == 3
    assert clf.feature_names_in_.tolist() == ["size", "colour", "noise"]
    # size, three colours, noise and its indicator of missing values: six inputs.
    assert [W.shape for W in clf.coefs_] == [(6, 8), (8, 1)]
    assert [b.shape for b in clf.intercepts_] == [(8,), (1,)]
    assert clf.hidden(X).shape == (120, 8)
    assert [column["kind"] for column in clf.columns_] == ["number", "category", "number"]


def test_a_summary_is_a_table_of_layers():
    X, y = table()
    lines = quick().fit(X, y).summary().splitlines()
    assert lines[2].split() == ["Input", "6"]
    assert lines[3].split() == ["Dense", "8", "silu", "56"]  # (6 + 1) · 8
    assert lines[-1] == "65 parameters"


def test_an_array_has_no_feature_names():
    X, y = table()
    clf = quick().fit(X[["size"]].to_numpy(), y)
    assert not hasattr(clf, "feature_names_in_")


@pytest.mark.parametrize("method", ["predict", "predict_proba", "hidden", "coefs_", "history_frame", "plot_loss"])
def test_before_fit_every_use_says_that_it_is_not_fitted(method):
    X, clf = table()[0], GlassNetClassifier()
    arguments = [X] if method in ("predict", "predict_proba", "hidden") else []
    with pytest.raises(NotFittedError):
        getattr(clf, method)(*arguments)


def test_columns_in_another_order_and_more_of_them_change_nothing():
    X, y = table()
    clf = quick().fit(X, y)
    shuffled = X[["noise", "colour", "size"]].assign(extra=1)
    assert np.array_equal(clf.predict_proba(shuffled), clf.predict_proba(X))


def test_other_columns_than_in_training_are_an_error_with_names():
    X, y = table()
    clf = quick().fit(X, y)
    with pytest.raises(ColumnError) as caught:
        clf.predict(X.rename(columns={"colour": "color"}))
    assert "'colour'" in str(caught.value)
    assert "Did you mean its column 'color'" in str(caught.value)


def test_text_where_numbers_were_is_an_error_with_column_row_and_value():
    X, y = table()
    clf = quick().fit(X, y)
    bad = X.assign(size=X["size"].astype(object))
    bad.loc[4, "size"] = "large"
    with pytest.raises(ColumnError) as caught:
        clf.predict(bad)
    assert (caught.value.column, caught.value.row, caught.value.value) == ("size", 5, "large")


def test_an_infinity_is_an_error_with_column_and_row():
    X, y = table()
    X.loc[9, "size"] = np.inf
    with pytest.raises(DataError) as caught:
        quick().fit(X, y)
    assert (caught.value.column, caught.value.row, caught.value.value) == ("size", 10, np.inf)


def test_an_all_missing_column_is_an_error_with_its_name():
    X, y = table()
    with pytest.raises(DataError) as caught:
        quick().fit(X.assign(empty=np.nan), y)
    assert str(caught.value) == "column 'empty' holds no value at all. Drop it before training."


# --- options ---


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"activation": "rellu"}, "activation must be one of "),
        ({"optimizer": "adamm"}, "optimizer must be one of "),
        ({"schedule": "cosin"}, "schedule must be one of "),
        ({"initializer": "xavier"}, "initializer must be one of "),
        ({"input_scaling": "zscore"}, "input_scaling must be one of "),
        ({"normalisation": "batch"}, "normalisation must be one of 'layer', 'none', got 'batch'"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes must be widths of hidden layers"),
        ({"hidden_layer_sizes": "large"}, "hidden_layer_sizes must be widths of hidden layers"),
        ({"hidden_layer_sizes": (), "activation": "nope"}, "activation must be one of "),
        ({"optimizer": ["adam"]}, "optimizer must be one of "),
        ({"schedule": {"epochs": 3}}, "schedule must be one of "),
        ({"schedule": lambda step: "x"}, "schedule must return factors of at least 0, got 'x'"),
        ({"dropout": None}, "dropout must be at least 0 and below 1, got None"),
        ({"dtype": None}, "dtype must be one of 'float32', 'float64', got None"),
        ({"learning_rate": None}, "learning_rate must be positive, got None"),
        ({"target_scaling": "zzz"}, "target_scaling must be one of "),
        ({"warm_start": "no"}, "warm_start must be True or False, got 'no'"),
        ({"warm_start": 1}, "warm_start must be True or False, got 1"),
        ({"refit": -1}, "refit must be True, False or a whole number of at least 0, got -1"),
        ({"refit": "both"}, "refit must be True, False or a whole number of at least 0, got 'both'"),
        ({"hidden_layer_sizes": (8, 4), "dropout": [0.1]}, "dropout must hold one value for each of 2 hidden layers"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"learning_rate": 0}, "learning_rate must be positive, got 0"),
        ({"learning_rate": "fast"}, "learning_rate must be positive, got 'fast'"),
        ({"batch_size": 0}, 'batch_size must be "auto", "full" or a whole number of at least 1, got 0'),
        ({"max_epochs": 1.5}, "max_epochs must be a whole number of at least 1, got 1.5"),
        ({"l2": -1}, "l2 must be at least 0, got -1"),
        ({"weight_decay": 1e9, "learning_rate": 0.01}, "weight_decay must be at most 1 / learning_rate, which is 100,"),
        ({"clip_norm": 0}, "clip_norm must be positive, got 0"),
        ({"validation_fraction": 1.0}, "validation_fraction must lie strictly between 0 and 1, got 1.0"),
        ({"validation_every": "often"}, "validation_every must be a whole number of epochs"),
        ({"early_stopping": "yes"}, "early_stopping must be \"auto\", True or False, got 'yes'"),
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1, got 1.0"),
        ({"dtype": "float16"}, "dtype must be one of 'float32', 'float64', got 'float16'"),
        ({"random_state": -1}, "random_state "),
        ({"optimizer": "lbfgs", "dropout": 0.5}, "dropout must be left at 'auto' with optimizer='lbfgs', got 0.5"),
        ({"optimizer": "lbfgs", "batch_size": 32}, "batch_size must be left at 'auto' with optimizer='lbfgs', got 32"),
        ({"optimizer": "lbfgs", "schedule": "cosine"}, "schedule must be left at 'auto' with optimizer='lbfgs'"),
        ({"optimizer": "lbfgs", "clip_norm": 1.0}, "clip_norm must be left at None with optimizer='lbfgs', got 1.0"),
        ({"quantiles": (0.1, 0.9)}, "quantiles are of numbers, got (0.1, 0.9). Leave them out"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_option_that_cannot_be_is_refused_by_name_rule_and_value(options, text):
    X, y = table()
    with pytest.raises(OptionError) as caught:
        quick(**options).fit(X, y)
    assert str(caught.value).startswith(text)


def test_label_smoothing_is_for_classes():
    X, _ = table()
    with pytest.raises(OptionError, match=r"^label_smoothing is for a classifier's named losses, got 0.1$"):
        quick(GlassNetRegressor, label_smoothing=0.1).fit(X, X["size"])


def test_table_and_target_of_different_length_are_refused():
    X, y = table()
    with pytest.raises(DataError, match=r"^y must have as many rows as X, 120, got 119$"):
        quick().fit(X, y[:-1])


def test_a_misspelled_option_names_the_nearest():
    X, y = table()
    with pytest.raises(OptionError, match=r"Did you mean 'relu'\?$"):
        quick(activation="rellu").fit(X, y)


def test_activation_and_dropout_can_differ_from_layer_to_layer():
    X, y = table()
    clf = quick(hidden_layer_sizes=(8, 4), activation=("relu", "tanh"), dropout=(0.0, 0.2)).fit(X, y)
    kinds = [layer["kind"] for layer in clf.network_.describe()["layers"]]
    assert kinds == ["Dense", "Dense", "Dropout", "Dense"]
    assert [layer.activation.name for layer in clf.network_.layers if hasattr(layer, "activation")] == [
        *("relu", "tanh", "identity")
    ]


def test_layer_normalisation_stands_before_each_activation():
    X, y = table()
    kinds = [layer["kind"] for layer in quick(normalisation="layer").fit(X, y).network_.describe()["layers"]]
    assert kinds == ["Dense", "LayerNorm", "Activation", "Dense"]


@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "adamw", "lbfgs"])
def test_every_optimiser_learns(optimizer):
    X, y = table(400)
    clf = quick(optimizer=optimizer, max_epochs=60, batch_size="auto").fit(X, y)
    assert clf.history_[-1]["loss"] < 0.8 * clf.history_[0]["loss"]


@pytest.mark.parametrize(
    "schedule", ["constant", "step", "cosine", "one_cycle", "warm_up", "plateau", lambda step: 0.5]
)
def test_every_schedule_trains(schedule):
    X, y = table()
    clf = quick(schedule=schedule, learning_rate=1e-3).fit(X, y)
    assert all(0 <= row["learning_rate"] <= 1e-3 for row in clf.history_)


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float64])
def test_computing_is_in_the_dtype_and_predictions_are_float64(dtype):
    X, y = table()
    clf = quick(dtype=dtype).fit(X, y)
    assert clf.network_.params.dtype == dtype
    assert clf.predict_proba(X).dtype == np.float64


def test_an_activation_and_a_loss_of_ones_own_train_and_cannot_be_saved(tmp_path):
    X, y = table()
    square = custom_activation(lambda Z: Z * Z, lambda Z: 2 * Z, name="square")
    clf = quick(activation=square).fit(X, y)
    with pytest.raises(OptionError, match="^activation is a function of your own, which a model file cannot hold"):
        clf.save(tmp_path / "model.glassnet")
    fourth = custom_loss(lambda Z, T: (Z - T) ** 4, lambda Z, T: 4 * (Z - T) ** 3)
    model = quick(GlassNetRegressor, loss=fourth, max_epochs=40, learning_rate=0.02).fit(X, X["size"])
    assert model.score(X, X["size"]) > 0.8
    with pytest.raises(OptionError, match="^loss is a function of your own"):
        model.save(tmp_path / "model.glassnet")


# --- weights, validation, warm start ---


def test_a_row_of_weight_zero_is_left_out_of_everything():
    X, y = table()
    X_more = pd.concat([X, X.assign(size=X["size"] * 100, colour="violet")], ignore_index=True)
    X_more.loc[200, "size"] = np.inf
    weights = np.repeat([1.0, 0.0], 120)
    clf = quick().fit(X_more, np.concatenate([y, np.repeat("perhaps", 120)]), sample_weight=weights)
    alone = quick().fit(X, y, sample_weight=np.ones(120))
    assert clf.classes_.tolist() == ["no", "yes"]
    assert clf.network_.params.tobytes() == alone.network_.params.tobytes()


def test_a_weight_of_two_is_the_row_twice_in_the_loss():
    X, y = table()
    X = X.fillna(0.0)
    both = quick(early_stopping=False, input_scaling="none", batch_size="full", dtype="float64", max_epochs=20)
    weights = np.where(np.arange(120) < 40, 2.0, 1.0)
    weighted = clone(both).fit(X, y, sample_weight=weights)
    repeated = clone(both).fit(pd.concat([X, X[:40]], ignore_index=True), np.concatenate([y, y[:40]]))
    assert repeated.settings_["learning_rate"] == weighted.settings_["learning_rate"]
    np.testing.assert_allclose(repeated.network_.params, weighted.network_.params, atol=1e-9)


@pytest.mark.parametrize("weights", [[-1.0] * 120, [np.nan] * 120, [1.0] * 3])
def test_weights_that_cannot_be_are_refused(weights):
    X, y = table()
    rule = "sample_weight must be 120 finite numbers of at least 0, one for each row"
    with pytest.raises(DataError, match=rf"^(row 1: )?{rule}, got (-1.0|nan|\(3,\))$"):
        quick().fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("odd", ["a", None, datetime.date(2024, 1, 1)])
def test_weights_that_are_no_numbers_are_refused_with_their_row(odd):
    X, y = table()
    text = f"row 2: sample_weight must be 120 finite numbers of at least 0, one for each row, got {odd!r}"
    clf = quick(max_epochs=1).fit(X, y)
    for use in (clf.fit, clf.score, clf.partial_fit):
        with pytest.raises(DataError) as caught:
            use(X, y, sample_weight=np.array([1, odd] * 60, dtype=object))
        assert str(caught.value) == text.replace("None", "nan")
    assert clf.score(X, y, sample_weight=["1"] * 120) == clf.score(X, y)  # numbers in letters are numbers


@pytest.mark.parametrize("argument", ["sample_weight", "groups"])
def test_one_number_for_all_rows_is_refused_by_the_name_of_its_argument(argument):
    X, y = table()
    with pytest.raises(DataError, match=rf"^{argument} should be a 1d array, got '0 dimensions, 1.'$"):
        quick().fit(X, y, **{argument: 1.0})


def test_weights_that_are_all_zero_leave_nothing_to_train_on():
    X, y = table()
    with pytest.raises(DataError, match="^sample_weight leaves no row: every weight is zero"):
        quick().fit(X, y, sample_weight=np.zeros(120))


def test_a_validation_set_of_the_users_is_used_instead_of_a_part():
    X, y = table()
    X_val, y_val = table(50, seed=9)
    clf = quick(early_stopping=True).fit(X, y, validation=(X_val, y_val))
    P = clf.predict_proba(X_val)
    loss = -np.mean(np.log(P[np.arange(50), (y_val == "yes").astype(int)]))
    best = clf.history_[clf.best_epoch_ - 1]["validation_loss"]
    assert loss == pytest.approx(best, rel=1e-5)
    assert best == min(row["validation_loss"] for row in clf.history_)


@pytest.mark.parametrize("validation", [3, ("X",), "both"])
def test_a_validation_set_of_another_form_is_refused(validation):
    X, y = table()
    with pytest.raises(OptionError, match=r"^validation must be \(X, y\) or \(X, y, sample_weight\)"):
        quick().fit(X, y, validation=validation)


def test_a_validation_set_of_no_weight_is_refused():
    X, y = table()
    with pytest.raises(DataError, match="^sample_weight leaves no row: every weight is zero"):
        quick().fit(X, y, validation=(X, y, np.zeros(120)))


def test_many_small_classes_train_by_default():
    X = np.random.default_rng(0).normal(size=(240, 3))
    clf = GlassNetClassifier(max_epochs=2, random_state=0).fit(X, np.repeat(np.arange(60), 4))
    assert "validation_loss" in clf.history_[0]
    alone = GlassNetClassifier(max_epochs=2, folds=1, random_state=0).fit(
        X, np.arange(240)
    )  # no class has a row to spare
    assert "validation_loss" not in alone.history_[0]
    assert alone.settings_["early_stopping"] is False


def test_numpy_scalars_are_options_like_any_other(tmp_path):
    X, y = table()
    clf = quick(
        dropout=np.float32(0.1), l2=np.float32(0.01), max_epochs=np.int64(2), validation_fraction=np.float32(0.2)
    )
    clf.fit(X, y).save(tmp_path / "model.glassnet")
    assert clf.n_iter_ == 2


@pytest.mark.parametrize(
    "options",
    [{"loss": "huber"}, {"activation": (np.tanh, tanh_slope)}, {"schedule": half}],
    ids=["loss", "pair", "function"],
)
def test_every_fitted_model_can_be_pickled(options):
    X, _ = table()
    model = quick(GlassNetRegressor, **options).fit(X, X["size"])
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_predicting_on_an_array_after_a_frame_warns_in_scikit_learns_words():
    X, y = table()
    clf = quick().fit(X[["size"]], y)
    with pytest.warns(
        UserWarning, match="^X does not have valid feature names, but GlassNetClassifier was fitted with"
    ):
        clf.predict(X[["size"]].to_numpy())
    clf = quick().fit(X[["size"]].to_numpy(), y)
    with pytest.warns(
        UserWarning, match="^X has feature names, but GlassNetClassifier was fitted without feature names"
    ):
        clf.predict(X[["size"]])


def test_warnings_point_at_the_callers_own_line():
    X, y = table()
    names = [f"person {i}" for i in range(120)]
    with pytest.warns(NearlyUniqueWarning) as caught:
        quick().fit(X.assign(name=names), y)
    assert caught[0].filename == __file__


def test_a_notebook_shows_an_estimator_without_a_warning():
    assert "GlassNetClassifier" in quick()._repr_html_()


@pytest.mark.parametrize("callbacks", [print, None, "each"])
def test_callbacks_are_a_list(callbacks):
    X, y = table()
    with pytest.raises(OptionError, match="^callbacks must be a list of functions of an epoch's row, got "):
        quick(callbacks=callbacks).fit(X, y)


def test_a_callback_cannot_change_the_history():
    X, y = table()
    clf = quick(callbacks=[lambda row: row.clear()]).fit(X, y)
    assert len(clf.history_) == 4
    assert "loss" in clf.history_[0]


def test_a_tiny_table_trains_without_validation_unless_it_is_asked_for():
    X, y = table(30)
    assert "validation_loss" not in quick().fit(X, y).history_[0]
    assert "validation_loss" in quick(early_stopping=True).fit(X, y).history_[0]
    with pytest.raises(DataError, match="^validation_fraction holds out no row of 4 to validate on, got 0.1"):
        quick(early_stopping=True).fit(X[:4], ["a", "b", "a", "b"])


def test_warm_start_goes_on_from_the_last_weights():
    X, y = table()
    clf = quick(warm_start=True, schedule="constant", max_epochs=30, learning_rate=0.01).fit(X, y)
    first = clf.history_[-1]["loss"]
    clf.fit(X, y)
    assert clf.history_[0]["loss"] < first * 1.1


@pytest.mark.parametrize(
    "change", [{"hidden_layer_sizes": (9,)}, {"activation": "relu"}, {"input_scaling": "minmax"}, {"dtype": "float64"}]
)
def test_warm_start_with_another_network_or_scaling_is_refused(change):
    X, y = table()
    clf = quick(warm_start=True).fit(X, y)
    with pytest.raises(
        OptionError, match=rf"^{next(iter(change))} must stay .*, as in the last fit, for warm_start=True"
    ):
        clf.set_params(**change).fit(X, y)


def test_partial_fit_with_another_float_type_is_refused_by_its_own_name():
    X, y = table()
    clf = quick().fit(X, y).set_params(dtype="float64")
    with pytest.raises(OptionError) as caught:
        clf.partial_fit(X, y)
    assert str(caught.value) == "dtype must stay 'float32', as in the last fit, for partial_fit, got 'float64'"


@pytest.mark.parametrize("width", [10**12, 10**30])
def test_a_network_that_memory_does_not_hold_is_refused_with_its_size(width):
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20.0)
    with pytest.raises(OptionError) as caught:
        GlassNetRegressor((width,), embedding="none").fit(X, y)
    size = 2 * width + width + width + 1  # weights and biases of the one layer, and of the output
    assert str(caught.value) == (
        f"hidden_layer_sizes make a network of {size:,} parameters, which memory does not hold, got ({width},). "
        "Take narrower layers."
    )


def test_warm_start_takes_types_and_arrays_of_numpy_for_what_they_say():
    X, y = np.linspace(0, 1, 40)[:, None], np.linspace(0, 1, 40)
    options = {"hidden_layer_sizes": np.array([3]), "quantiles": np.array([0.1, 0.9]), "dtype": np.float32}
    model = GlassNetRegressor(warm_start=True, max_epochs=2, random_state=0, **options).fit(X, y)
    first = model.predict_quantiles(X)
    assert not np.array_equal(model.fit(X, y).predict_quantiles(X), first)
    assert model.settings_["quantiles"] == (0.1, 0.9)
    assert model.settings_["hidden_layer_sizes"] == (3,)


def test_warm_start_keeps_what_auto_became_and_the_split():
    X, y = table(120)
    X_large, y_large = table(1440, seed=1)
    clf = GlassNetClassifier(warm_start=True, max_epochs=1).fit(X, y)
    seed, widths = clf.settings_["random_state"], clf.settings_["hidden_layer_sizes"]
    clf.fit(X_large, y_large)
    assert clf.settings_["random_state"] == seed
    assert clf.settings_["hidden_layer_sizes"] == widths == (64, 64)


# --- divergence, interruption ---


def test_a_rate_that_is_too_high_names_epoch_loss_and_what_to_try():
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = GlassNetRegressor(
        (8,), activation="relu", optimizer="gradient_descent", learning_rate=1e6, random_state=0, max_epochs=5
    )
    with pytest.raises(TrainingDiverged) as caught:
        model.fit(X, X[:, 0])
    message = str(caught.value)
    assert re.match(r"training diverged in epoch 1, step \d+ at learning rate 1e\+06: the loss became ", message)
    assert message.endswith("Try a lower learning_rate, such as 100000, clip_norm=1, or scaled inputs.")
    assert not hasattr(model, "network_")


def test_divergence_after_an_epoch_warns_and_leaves_a_usable_model():
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = GlassNetRegressor(
        (8,),
        activation="identity",
        optimizer="gradient_descent",
        learning_rate=2.0,
        batch_size="full",
        schedule="constant",
        max_epochs=5000,
        patience=5000,
        random_state=0,
    )
    with pytest.warns(DivergenceWarning, match=r"^training diverged in epoch \d+, step \d+ \(the loss became "):
        model.fit(X, X[:, 0])
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.predict(X)).all()


def test_an_interruption_warns_and_keeps_the_best_weights():
    import signal

    X, y = table()
    pressed = [lambda row: signal.raise_signal(signal.SIGINT) if row["epoch"] == 2 else None]
    clf = quick(callbacks=pressed, max_epochs=100)
    with pytest.warns(InterruptedWarning, match="^training was interrupted in epoch 2; the weights of epoch"):
        clf.fit(X, y)
    assert len(clf.predict(X)) == 120
