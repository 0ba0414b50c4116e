"""GlassNetRegressor: losses, scaling, several targets, quantiles."""

import numpy as np
import pytest

from glassnet import GlassNetRegressor
from glassnet.errors import DataError, OptionError
from glassnet.estimators.regressor import r2
from glassnet.estimators.targets import NumberTargets


def line(n=300, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, 1e4 * (3 * X[:, 0] - X[:, 1] + 5) + 1e4 * noise * rng.normal(size=n)


def quick(**options):
    return GlassNetRegressor(
        **{"hidden_layer_sizes": (16,), "max_epochs": 60, "learning_rate": 0.02, "random_state": 0, **options}
    )


@pytest.mark.parametrize("loss", ["auto", "squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize("target_scaling", ["standard", "minmax", "robust"])
def test_a_line_is_found_by_every_loss_and_target_scaling(loss, target_scaling):
    model = quick(loss=loss, target_scaling=target_scaling).fit(*line())
    assert model.score(*line(seed=1)) > 0.99
    assert model.predict(line()[0]).dtype == np.float64
    assert model.predict(line()[0]).shape == (300,)


def test_a_target_that_is_not_scaled_is_found_too():
    X, y = line()
    assert quick(target_scaling="none").fit(X, y / 1e4).score(X, y / 1e4) > 0.99


def test_several_targets_train_together():
    X, y = line()
    Y = np.column_stack([y, -y / 1e6])
    model = quick().fit(X, Y)
    assert model.predict(X).shape == (300, 2)
    assert model.score(X, Y) > 0.99


def test_one_column_stays_one_column():
    X, y = line()
    assert quick(max_epochs=1).fit(X, y[:, None]).predict(X).shape == (300, 1)


def test_quantiles_cover_their_share_and_never_cross():
    X, y = line(3000, noise=1.0)
    model = quick(loss="quantile", quantiles=(0.1, 0.5, 0.9)).fit(X, y)
    Q = model.predict_quantiles(X)
    assert Q.shape == (3000, 3)
    assert np.all(np.diff(Q, axis=1) >= 0)
    np.testing.assert_allclose((y[:, None] < Q).mean(axis=0), [0.1, 0.5, 0.9], atol=0.04)
    assert np.array_equal(model.predict(X), Q[:, 1])


def test_quantiles_of_another_model_are_refused():
    X, y = line()
    with pytest.raises(OptionError, match=r'^loss must be "quantile" to predict quantiles, got \'squared_error\'$'):
        quick(max_epochs=1).fit(X, y).predict_quantiles(X)


def test_counts_are_predicted_by_poisson():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(2000, 1))
    y = rng.poisson(np.exp(1 + X[:, 0]))
    model = quick(loss="poisson", hidden_layer_sizes=()).fit(X, y)
    assert model.settings_["target_scaling"] == "none"
    P = model.predict(X)
    assert np.all(P > 0)
    np.testing.assert_allclose(P, np.exp(1 + X[:, 0]), rtol=0.15)


def test_negative_counts_are_refused_with_row_and_value():
    X, _ = line(4)
    with pytest.raises(DataError, match=r"^row 3: y must be at least 0 for the loss 'poisson', got -1.0$"):
        quick(loss="poisson").fit(X, [0, 1, -1, 2])


def test_counts_are_not_scaled():
    X, y = line(4)
    with pytest.raises(OptionError, match=r'^target_scaling must be "none" for loss="poisson"'):
        quick(loss="poisson", target_scaling="standard").fit(X, abs(y))


def test_text_is_no_target_of_a_regressor():
    X, _ = line(3)
    with pytest.raises(DataError) as caught:
        quick().fit(X, ["low", "high", "low"])
    assert str(caught.value) == "y must hold numbers, got 'low'. For classes to predict: GlassNetClassifier."


def test_several_quantiles_need_one_target():
    X, y = line(8)
    with pytest.raises(DataError, match='^y must have one column for loss="quantile"'):
        quick(loss="quantile", quantiles=(0.1, 0.9)).fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("quantiles", [(0.5, 0.1), (0.0, 0.5), (1.0,), ()])
def test_quantiles_must_increase_between_0_and_1(quantiles):
    X, y = line(8)
    with pytest.raises(OptionError, match="^quantiles must be increasing numbers strictly between 0 and 1"):
        quick(loss="quantile", quantiles=quantiles).fit(X, y)


def test_a_constant_target_is_predicted():
    X, y = line(50)
    np.testing.assert_allclose(quick(max_epochs=200, schedule="cosine").fit(X, 0 * y + 7).predict(X), 7, atol=0.1)


def test_a_target_near_the_largest_float_is_refused_not_infinite():
    X, _ = line(4)
    with pytest.raises(DataError, match="^y is too large to be scaled in float64"):
        quick().fit(X, [1e308, -1e308, 1e308, 0.0])


def test_scaling_by_hand():
    y = np.array([1.0, 3.0, 5.0, 7.0])
    standard = NumberTargets.fit(y, "standard")
    assert standard.centre.item() == 4.0
    assert standard.scale.item() == pytest.approx(np.sqrt(5))  # the squares of -3, -1, 1, 3 have mean 5
    assert NumberTargets.fit(y, "minmax").encode(y)[:, 0].tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])
    robust = NumberTargets.fit(y, "robust")
    assert (robust.centre.item(), robust.scale.item()) == (4.0, 3.0)  # quartiles 2.5 and 5.5
    np.testing.assert_allclose(robust.decode(robust.encode(y)), y)


def test_r2_by_hand():
    T = np.array([[0.0], [2.0], [4.0]])  # variance 8/3
    Y = np.array([[1.0], [2.0], [4.0]])  # mean squared error 1/3
    assert r2(T, Y, None) == pytest.approx(1 - 1 / 8)
    assert r2(T, T, None) == 1.0
    assert r2(T, np.full((3, 1), 2.0), None) == 0.0
