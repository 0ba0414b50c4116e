"""Tables, targets and weights at the ends of the floats: the right answer, or an error that names what is wrong."""

import numpy as np
import polars as pl
import pytest

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import DataError, TrainingDiverged
from glassnet.tables.encoder import SCALINGS

N = 120
LINE = np.random.default_rng(0).normal(size=(N, 3))
both = pytest.mark.parametrize("engine", ["reference", "compiled"])
SCALED = [scaling for scaling in SCALINGS if scaling != "none"]


def regressor(**options):
    usual = {"preset": "plain", "activation": "tanh", "max_epochs": 30, "random_state": 0, "early_stopping": False}
    return GlassNetRegressor((8,), **usual | options)


def classifier(**options):
    usual = {"preset": "plain", "activation": "tanh", "max_epochs": 30, "random_state": 0, "early_stopping": False}
    return GlassNetClassifier((8,), **usual | options)


# --- columns ---


@both
@pytest.mark.parametrize("scaling", SCALED)
@pytest.mark.parametrize("factor", [2.0**1000, 2.0**-1000, 2.0**-1040])
def test_columns_of_any_size_train_the_network_that_columns_near_1_train(factor, scaling, engine):
    # A power of 2 changes no digit, where the column stays normal: scaled, it is the same column. 2^-1040 leaves few
    # digits of what becomes subnormal, so there predictions are alike, not the same.
    y = np.tanh(LINE @ [1.0, -1.0, 0.5])
    usual = regressor(engine=engine, input_scaling=scaling).fit(LINE, y).predict(LINE)
    X = LINE * [1.0, factor, 1.0]
    found = regressor(engine=engine, input_scaling=scaling).fit(X, y).predict(X)
    if factor < 2.0**-1022:
        np.testing.assert_allclose(found, usual, atol=0.02)
    else:
        np.testing.assert_array_equal(found, usual)


def test_a_column_that_float32_cannot_hold_is_refused_by_name_where_nothing_scales_it():
    table = pl.DataFrame({"age": LINE[:, 0], "income": LINE[:, 1] * 1e300})
    row = int(np.flatnonzero(abs(LINE[:, 1] * 1e300) > np.finfo(np.float32).max)[0])
    with pytest.raises(DataError) as caught:
        regressor(input_scaling="none").fit(table, LINE[:, 0])
    assert str(caught.value) == (
        f"row {row + 1}: column 'income' must not exceed 3.4e+38 without scaling, got {LINE[row, 1] * 1e300}. "
        "Use a scaling."
    )


@both
def test_columns_that_are_all_equal_are_left_out_whatever_their_value(engine):
    y = LINE[:, 0]
    usual = regressor(engine=engine).fit(LINE[:, :1], y).predict(LINE[:, :1])
    for value in (0.0, 5e-324, 0.1, 1e300, -1.7e308):
        X = np.column_stack([LINE[:, 0], np.full(N, value)])
        assert np.array_equal(regressor(engine=engine).fit(X, y).predict(X), usual)
    with pytest.raises(DataError, match=r"^X has no column that varies in its 120 sample\(s\)"):
        regressor(engine=engine).fit(np.full((N, 2), 1e300), y)


@both
def test_rows_far_outside_the_training_range_have_finite_predictions(engine):
    for scaling in SCALED:
        reg = regressor(engine=engine, input_scaling=scaling, activation="relu").fit(LINE, LINE[:, 0])
        clf = classifier(engine=engine, input_scaling=scaling, activation="relu").fit(LINE, LINE[:, 0] > 0)
        far = np.diag([1e300, -1.7e308, 5e-324])
        assert np.isfinite(reg.predict(far)).all()
        P = clf.predict_proba(far)
        assert np.isfinite(P).all()
        np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=1e-12)


# --- targets ---


@both
@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("factor", [2.0**126, 2.0**400, 2.0**-300, 2.0**-1000])
def test_targets_of_any_size_are_predicted_as_those_near_1_are(factor, scaling, engine):
    y = LINE @ [1.0, -1.0, 0.5] + 0.25
    usual = regressor(engine=engine, target_scaling=scaling).fit(LINE, y).predict(LINE)
    found = regressor(engine=engine, target_scaling=scaling).fit(LINE, y * factor).predict(LINE)
    np.testing.assert_array_equal(found, usual * factor)


@pytest.mark.parametrize("value", [1e300, 1.7e308])
def test_targets_whose_squares_float64_cannot_hold_are_refused(value):
    with pytest.raises(DataError) as caught:
        regressor().fit(LINE, np.where(LINE[:, 0] > 0, value, -value))
    assert str(caught.value) == f"y is too large to be scaled in float64, got {value}"


@both
@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-300, -3.0, 1e38, 1e150])
def test_targets_of_one_value_are_predicted_as_that_value(value, engine):
    found = regressor(engine=engine, learning_rate=0.05).fit(LINE, np.full(N, value)).predict(LINE)
    # The scale of a target that does not vary is 1: what the network adds to its centre is in units of 1.
    np.testing.assert_allclose(found, value, rtol=1e-12, atol=0.1)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("make", [regressor, classifier])
def test_a_target_that_is_not_finite_is_refused_with_its_row(make, value):
    y = np.round(LINE[:, 0])
    y[17] = value
    kind = "missing" if np.isnan(value) else "infinite"
    with pytest.raises(
        DataError, match=rf"^row 18: y must not have {kind} values, and has 1, the first, got {value}\. "
    ):
        make().fit(LINE, y)


@both
@pytest.mark.parametrize("value", [1e20, 3e38])
def test_counts_that_no_rate_can_reach_are_a_divergence_or_learned_never_nan(value, engine):
    y = np.where(LINE[:, 0] > 0, value, 0.0)
    with pytest.raises(TrainingDiverged, match=r"^training diverged in epoch 1, step \d+ at learning rate 0\.003: "):
        regressor(engine=engine, loss="poisson").fit(LINE, y)


@both
@pytest.mark.parametrize("smoothing", [0.0, 1 - 2**-20])
def test_label_smoothing_at_its_ends(smoothing, engine):
    # Next to 1 every row's target is 1/K for each class, whatever its label: nothing can be learned from it.
    y = LINE[:, 0] > 0
    clf = classifier(engine=engine, label_smoothing=smoothing, max_epochs=200, learning_rate=0.02).fit(LINE, y)
    right = clf.score(LINE, y)
    P = clf.predict_proba(LINE)
    if smoothing == 0.0:
        assert right > 0.95
    else:
        np.testing.assert_allclose(P, 0.5, atol=0.03)


# --- weights ---


@both
def test_one_huge_weight_leaves_the_other_rows_next_to_nothing(engine):
    y, weights = LINE[:, 0] * 0.0, np.ones(N)
    y[3], weights[3] = 1.0, 1e300
    # Scaled to mean 1, row 3 weighs 120 and the others 1e-298: only its target counts, where all rows are one batch.
    reg = regressor(engine=engine, max_epochs=300, learning_rate=0.02, target_scaling="none", batch_size="full")
    reg.fit(LINE, y, sample_weight=weights)
    assert reg.predict(LINE[3:4])[0] == pytest.approx(1.0, abs=0.02)
    assert np.isfinite(reg.predict(LINE)).all()


@both
@pytest.mark.parametrize("factor", [2.0**-1000, 2.0**900])
def test_weights_count_in_proportion_whatever_their_size(factor, engine):
    weights = 1.0 + np.arange(N) % 3
    usual = classifier(engine=engine).fit(LINE, LINE[:, 0] > 0, sample_weight=weights).predict_proba(LINE)
    found = classifier(engine=engine).fit(LINE, LINE[:, 0] > 0, sample_weight=weights * factor).predict_proba(LINE)
    np.testing.assert_array_equal(found, usual)


def test_subnormal_weights_count_too():
    weights = np.full(N, 5e-324)
    usual = classifier().fit(LINE, LINE[:, 0] > 0, sample_weight=np.ones(N)).predict_proba(LINE)
    found = classifier().fit(LINE, LINE[:, 0] > 0, sample_weight=weights).predict_proba(LINE)
    np.testing.assert_array_equal(found, usual)


@pytest.mark.parametrize("value", [np.inf, np.nan, -1.0])
def test_a_weight_that_cannot_be_is_refused_with_its_row(value):
    weights = np.ones(N)
    weights[5] = value
    with pytest.raises(DataError) as caught:
        classifier().fit(LINE, LINE[:, 0] > 0, sample_weight=weights)
    assert str(caught.value) == (
        f"row 6: sample_weight must be 120 finite numbers of at least 0, one for each row, got {value}"
    )
