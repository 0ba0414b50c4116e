"""What the engine takes, and how it lays a network out in memory."""

import numpy as np
import pytest

from glassnet.engine.plan import plan_of, unsupported
from glassnet.maths.activations import ACTIVATIONS, custom_activation
from glassnet.maths.layers import Activation, Dense, Dropout, LayerNorm
from glassnet.maths.losses import LOSSES, custom_loss
from glassnet.maths.optimisers import OPTIMISERS, Adam
from glassnet.network import Network


def network(*layers, loss="squared_error", p=3, dtype="float64"):
    return Network(layers or [Dense(4, "tanh"), Dense(2)], loss, p, dtype, random_state=0)


def test_everything_of_glassnet_itself_is_taken():
    for activation in ACTIVATIONS:
        assert unsupported(network(Dense(3, activation), Activation(activation), Dropout(0.1), LayerNorm())) is None
    for loss in LOSSES:
        for dtype in ("float32", "float64"):
            assert unsupported(network(Dense(2), loss=loss, dtype=dtype)) is None
    for optimiser in OPTIMISERS.values():
        assert unsupported(network(), optimiser()) is None


def own(Z):
    return Z * Z


class Doubled(Dense):
    """A layer of the user's own."""


class Slower(Adam):
    """An optimiser of the user's own."""


@pytest.mark.parametrize(
    ("layers", "loss", "optimiser", "named"),
    [
        ([Dense(2, custom_activation(own, lambda Z, A: 2 * Z))], "squared_error", Adam(), "activation"),
        ([Activation(custom_activation(own, lambda Z, A: 2 * Z)), Dense(2)], "squared_error", Adam(), "activation"),
        ([Doubled(2)], "squared_error", Adam(), "layer Doubled"),
        ([Dense(2)], custom_loss(lambda Z, T: Z - T, lambda Z, T: 1 + 0 * Z), Adam(), "loss 'custom'"),
        ([Dense(2)], custom_loss(lambda Z, T: Z - T, lambda Z, T: 1 + 0 * Z, name="huber"), Adam(), "loss 'huber'"),
        ([Dense(2)], "squared_error", Slower(), "optimiser Slower"),
    ],
)
def test_what_is_the_user_s_own_is_named(layers, loss, optimiser, named):
    assert named in unsupported(network(*layers, loss=loss), optimiser)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 5, 64, 1000])
def test_the_arena_does_not_grow_with_the_batch(width, dtype):
    layers = [Dense(width, "silu"), LayerNorm(), Dropout(0.5), Dense(2)]
    plans = [plan_of(network(*layers, dtype=dtype), batch_size, Adam()) for batch_size in (2**14, 2**20)]
    sizes = [plan.rows * plan.stride for plan in plans]
    assert sizes[0] == sizes[1]
    assert plans[0].chunk == plans[1].chunk <= plans[0].stride < plans[0].chunk + 32


def test_a_small_batch_takes_a_small_arena():
    small, large = (plan_of(network(Dense(8), Dense(2)), batch_size, Adam()) for batch_size in (7, 10_000))
    assert 7 <= small.chunk <= 64 < large.chunk


def test_places_in_the_arena_do_not_overlap():
    layers = [Dense(7, "silu"), LayerNorm(), Dropout(0.5), Dense(3, "tanh")]
    net = network(*layers, loss="cross_entropy")
    for resident in (False, True):
        plan = plan_of(net, 5000, Adam(), resident=resident)
        assert plan.resident is resident
        assert len(set(plan.ones)) == len(plan.ones)
        assert all(0 <= row < plan.rows for row in plan.ones)
        over = [op.fields["a"] == op.fields["x"] for op in plan.operations]
        assert over == [
            False,
            False,
            False,
            False,
            False,
            True,
        ]  # tanh's slope follows from its output, SiLU's does not
        outputs = [(op.fields["a"], op.fields["n_out"]) for op in plan.operations if op.fields["a"] != op.fields["x"]]
        rows = [row for first, n in outputs for row in range(first, first + n)]
        assert len(set(rows)) == len(rows)
        assert not set(rows) & set(plan.ones)  # a row of ones is nobody's output
        for first, n in outputs[:-1]:
            assert first + n in plan.ones  # and stands below each
        n_chunks = -(-5000 // plan.chunk) if resident else 1
        inputs = np.arange(n_chunks) * (3 + 1) + plan.places["inputs"]
        assert all(first + 3 in plan.ones for first in inputs)
