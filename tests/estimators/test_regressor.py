"""GlassNetRegressor: losses, scaling, several targets, quantiles."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import r2_score

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
        **{
            "hidden_layer_sizes": (16,),
            "max_epochs": 60,
            "learning_rate": 0.02,
            "random_state": 0,
            "preset": "plain",
            **options,
        }
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


def test_one_column_of_quantiles_stays_one_column():
    X, y = line()
    options = {"quantiles": (0.1, 0.5, 0.9), "max_epochs": 3}
    flat, column = quick(**options).fit(X, y), quick(**options).fit(X, y[:, None])
    assert column.predict(X).tolist() == flat.predict(X)[:, None].tolist()
    assert column.predict_interval(X).tolist() == flat.predict_interval(X)[:, None].tolist()
    assert column.predict_interval(X).shape == (300, 1, 2)


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


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_tiny_targets_are_scaled_like_others(scaling):
    """0, 1, 2, 5 times a power of two so small that its square is 0: the same numbers for the network."""
    y = np.array([0.0, 1.0, 2.0, 5.0])
    ordinary, tiny = NumberTargets.fit(y, scaling), NumberTargets.fit(np.ldexp(y, -700), scaling)
    assert tiny.scale.tolist() == np.ldexp(ordinary.scale, -700).tolist()
    assert tiny.encode(np.ldexp(y, -700)).tolist() == ordinary.encode(y).tolist()
    both = NumberTargets.fit(np.column_stack([y, np.ldexp(y, -700)]), scaling)  # each column by itself
    assert both.scale.tolist() == [ordinary.scale[0], tiny.scale[0]]


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


def test_quantiles_ask_for_their_loss_by_themselves():
    X, y = line()
    model = quick(quantiles=(0.1, 0.9), max_epochs=2).fit(X, y)
    assert model.network_.loss.name == "quantile"
    assert model.settings_["loss"] == "quantile"
    assert model.predict_quantiles(X).shape == (300, 2)
    with pytest.raises(OptionError, match=r'^loss must be "quantile" where quantiles are given, got \'huber\''):
        quick(quantiles=(0.1, 0.9), loss="huber").fit(X, y)


def test_quantiles_never_cross_though_training_hardly_began():
    X, y = line(3000, noise=3.0)
    model = quick(quantiles=(0.4, 0.45, 0.5, 0.55, 0.6), max_epochs=1, early_stopping=False).fit(X, y)
    far = 100 * np.random.default_rng(0).normal(size=(1000, 2))
    assert np.any(np.diff(model.network_.predict(model.encoder_.transform(far)), axis=1) < 0)  # the outputs do
    assert np.all(np.diff(model.predict_quantiles(far), axis=1) >= 0)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson"])
def test_every_loss_of_numbers_takes_several_targets(loss):
    X, y = line()
    Y = np.column_stack([y, y[::-1]]) - y.min()
    Y[:, 1] = Y[:, 0] / 2
    Y /= 1e4
    model = quick(loss=loss, max_epochs=150).fit(X, Y)
    assert model.predict(X).shape == (300, 2)
    assert model.score(X, Y) > 0.97


@pytest.mark.parametrize(
    ("loss", "best"), [("squared_error", 2.0), ("absolute_error", 1.0), ("huber", 1.0), ("poisson", 2.0)]
)
def test_each_loss_finds_the_number_that_minimises_it(loss, best):
    """Targets 0, 1, 1, 1, 7 that nothing tells apart: the mean is 2, the median 1.

    Huber's slope with δ = 1 is min(z, 1) + 3 (z - 1) - 1 for z between 0 and 2, which is 0 at z = 1.
    """
    X, y = np.array([[0.0], [1e-9], [0.0], [0.0], [0.0]]), np.array([0.0, 1.0, 1.0, 1.0, 7.0])
    options = {"optimizer": "lbfgs", "learning_rate": "auto", "hidden_layer_sizes": (), "max_epochs": 200}
    model = quick(loss=loss, input_scaling="none", target_scaling="none", **options).fit(X, y)
    np.testing.assert_allclose(model.predict(X), best, atol=2e-3)


def test_l_bfgs_takes_scorers_and_refit():
    X, y = line()
    model = quick(optimizer="lbfgs", learning_rate="auto", scoring="r2", refit=True, patience=5).fit(X, y)
    scores = [row["validation_score"] for row in model.history_]
    assert model.best_epoch_ == 1 + int(np.argmax(scores))
    assert model.score(X, y) > 0.99


@pytest.mark.parametrize(("dtype", "y"), [("float32", -1e39), ("float32", 3.5e38)])
def test_targets_beyond_the_float_type_are_refused_with_their_row(dtype, y):
    X, Y = np.arange(20.0)[:, None], np.ones((20, 2))
    Y[3, 1] = y
    for target in (Y, Y[:, 1]):
        with pytest.raises(DataError) as caught:
            GlassNetRegressor(target_scaling="none", dtype=dtype, max_epochs=1).fit(X, target)
        assert str(caught.value) == (
            f"row 4: y must not exceed 3.4e+38, the largest number of float32, got {y}. "
            "Scale the targets, or compute in float64."
        )


def test_sparse_targets_are_what_they_are_when_dense():
    X, y = line()
    Y = np.column_stack([y, np.where(X[:, 0] > 0, y, 0.0)])
    dense, sparse = quick(max_epochs=2).fit(X, Y), quick(max_epochs=2).fit(X, csr_array(Y))
    np.testing.assert_array_equal(sparse.predict(X), dense.predict(X))
    assert sparse.score(X, csr_array(Y)) == dense.score(X, Y) == r2_score(Y, dense.predict(X))
    weights = np.arange(300.0)
    assert dense.score(X, Y, weights) == r2_score(Y, dense.predict(X), sample_weight=weights)
