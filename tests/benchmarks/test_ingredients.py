"""The trial layers of `benchmarks/spikes/ingredients.py` are what their formulas say, and so are their gradients."""

import numpy as np
import pytest

from glassnet import GlassNetRegressor
from glassnet.maths.activations import activation_named
from glassnet.maths.layers import Dense
from glassnet.maths.members import EnsembleDense
from glassnet.network import Network
from spikes import ingredients
from spikes.ingredients import CosLog, FlatCosine, Parametric, Periodic, Scale, Scaled

X = np.random.default_rng(0).normal(size=(7, 3))
Y = np.random.default_rng(1).normal(size=(7, 1))


def hidden(**options):
    return EnsembleDense(4, "tanh", members=2, start="normal", **options)


@pytest.mark.parametrize(
    "layers",
    [
        [Scale(), hidden()],
        [EnsembleDense(4, members=2, start="normal"), Parametric(activation_named("tanh"))],
        [Scaled(hidden(), lambda p: {"W": p**-0.5, "b": 0.1})],
    ],
)
def test_gradients_of_the_trial_layers(layers):
    head = EnsembleDense(1, members=2, shared=False)
    network = Network([*layers, head], "squared_error", 3, random_state=0)
    network.params += 0.1 * np.random.default_rng(2).normal(size=network.params.size)  # off the start, where u is 0
    assert network.gradient_check(X, Y).passed


@pytest.mark.parametrize("with_number", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_gradients_of_waves(with_number, first):
    """As the first layer, of whose input nobody asks, and behind another one."""
    before = [] if first else [Dense(1, "tanh")]
    network = Network([*before, Periodic(with_number), Dense(1)], "squared_error", 1 if first else 3, random_state=0)
    assert network.gradient_check(X[:, :1] if first else X, Y).passed


def test_waves_of_one_number_by_hand():
    layer = Periodic()
    P = {"w": np.full(16, 2.5), "c": np.zeros(16), "V": np.ones((16, 3)), "d": np.full(3, 20.0)}
    A, _ = layer.forward(P, np.array([[1.0], [2.0]]), None)  # w = 0.25: cos(π/2) = 0 and cos(π) = -1
    np.testing.assert_allclose(A, [[1, 2, 2, 2], [2, 0.4, 0.4, 0.4]], atol=1e-12)  # d = 2, V = 0.1


def test_schedules_at_known_places():
    """coslog4 is 0 where 1 + 15 t is a power of 2, and 1 at odd powers of its root; flat-cosine is 1 until one half."""
    steps = np.array([0, 1000 / 15, 3000 / 15, (2**0.5 - 1) * 1000 / 15])
    np.testing.assert_allclose(CosLog().factors(steps, 10, 1000), [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(
        FlatCosine().factors(np.array([0, 500, 750, 1000]), 10, 1000), [1, 1, 0.5, 0], atol=1e-12
    )


def test_a_start_by_data_gives_every_unit_variance_1():
    network = Network([hidden(), EnsembleDense(1, members=2, shared=False)], "squared_error", 3, random_state=0)
    ingredients.start_by_data(network, X, 0)
    _, cache = network.layers[0].forward(network.parameters(0), X, None)
    np.testing.assert_allclose(cache.Z.std(axis=-2), 1.0)


@pytest.mark.parametrize("name", ingredients.INGREDIENTS)
def test_every_ingredient_changes_what_is_trained(name, monkeypatch):
    """But for a clamp, of which predictions within the range see nothing."""
    table = {"a": np.arange(400) % 97 * 1.0, "b": np.arange(400) % 13 * 1.0}
    arguments, change, by_data = ingredients.INGREDIENTS[name]
    common = {"engine": "reference", "folds": 1, "max_epochs": 1, "refit": 0, "random_state": 0}
    plain = GlassNetRegressor(**common).fit(table, table["a"])
    with ingredients.changed(change, by_data):
        tried = GlassNetRegressor(**{**common, **arguments}).fit(table, table["a"])
    assert (name == "clamping") == np.array_equal(plain.predict(table), tried.predict(table))
