"""What the engine takes, and how it lays a network out in memory."""

import numpy as np
import pytest

from glassnet.engine.plan import plan_of, unsupported
from glassnet.maths.activations import ACTIVATIONS, custom_activation
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Activation, Dense, Dropout, LayerNorm
from glassnet.maths.losses import LOSSES, custom_loss
from glassnet.maths.numbers import PiecewiseLinear
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


BINS = PiecewiseLinear([-1.0, 0.0, 2.0])


def apart(*layers, columns=(2,)):
    return Columns({"numbers": (range(2), []), "city": (columns, layers)})


def test_columns_with_embeddings_are_taken_at_the_head():
    assert unsupported(network(apart(Embedding(3, 2)), Dense(2))) is None
    assert unsupported(network(apart(), LayerNorm(), Dense(2))) is None
    assert unsupported(network(apart(BINS), Dense(2))) is None
    assert unsupported(network(apart(BINS, Dense(4, "relu")), Dense(2))) is None


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ([apart(Embedding(3, 2), Dropout(0.5)), Dense(2)], "the branch 'city' of Columns holds more than an Embedding"),
        ([apart(Dense(2)), Dense(2)], "the branch 'city' of Columns holds more than an Embedding"),
        ([apart(BINS, Dense(2), Dense(2)), Dense(2)], "the branch 'city' of Columns holds more than an Embedding"),
        ([BINS, Dense(2)], "PiecewiseLinear stands elsewhere"),
        ([Dense(3), apart(), Dense(2)], "Columns stands elsewhere than in the first place"),
    ],
)
def test_columns_of_another_kind_are_left_to_the_reference(layers, named):
    assert unsupported(network(*layers, p=1 if layers[0] is BINS else 3)).startswith(named)


def test_an_embedding_without_columns_is_left_to_the_reference():
    assert unsupported(network(Embedding(3, 2), Dense(2), p=1)).startswith("Embedding stands elsewhere")


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
        ([apart(BINS, Dense(2, custom_activation(own, lambda Z, A: 2 * Z)))], "squared_error", Adam(), "activation"),
        ([apart(BINS, Doubled(2))], "squared_error", Adam(), "branch 'city'"),
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


def test_plain_columns_before_embeddings_are_read_where_the_inputs_stand():
    for numbers, codes in ((range(1, 4), [0, 4]), (range(3), [3, 4]), (range(2, 5), [0, 1])):
        first = Columns(
            {"numbers": (numbers, []), "a": (codes[:1], [Embedding(5, 4)]), "b": (codes[1:], [Embedding(2, 3)])}
        )
        plan = plan_of(network(first, Dense(2), p=5), 100, Adam())
        kinds = [op.kernels["forward"].partition("__")[0] for op in plan.operations]
        assert kinds == ["codes_forward", "codes_forward", "embedding_forward", "embedding_forward", "dense_forward"]
        dense = plan.operations[-1].fields
        assert dense["x"] == plan.places["inputs"] + numbers[0]
        assert dense["n_in"] == 3 + 4 + 3
        assert dense["x"] + dense["n_in"] in plan.ones
        assert dense["x"] + dense["n_in"] >= plan.places["inputs"] + 5  # or gathering would write on the ones
        assert not plan.resident


def test_bins_read_their_column_before_outputs_are_written_over_it():
    first = Columns(
        {"numbers": (range(2), []), "age": ([2], [BINS, Dense(9, "silu")]), "city": ([3], [Embedding(5, 4)])}
    )
    plan = plan_of(network(first, Dense(2), p=4), 100, Adam())
    kinds = [op.kernels["forward"].removesuffix("__float64") for op in plan.operations]
    order = ["bins_forward", "codes_forward", "dense_forward", "activation_forward__silu", "embedding_forward"]
    assert kinds == [*order, "dense_forward"]
    bins, _, inner, activation, _, dense = (op.fields for op in plan.operations)
    assert dense["x"] == plan.places["inputs"]
    assert (inner["x"], inner["n_in"]) == (bins["a"], 3)
    assert inner["x"] + 3 in plan.ones
    assert (activation["x"], activation["a"]) == (inner["a"], dense["x"] + 2)
    assert inner["da"] == activation["da"] == dense["dx"] + 2
    assert (inner["input_gradient"], dense["input_gradient"]) == (0, 9 + 4)


def test_bare_bins_are_outputs_of_their_own_which_nobody_asks_a_gradient_of():
    first = Columns({"numbers": (range(2), []), "age": ([2], [BINS]), "city": ([3], [Embedding(5, 4)])})
    plan = plan_of(network(first, Dense(2), p=4), 100, Adam())
    bins, dense = plan.operations[0].fields, plan.operations[-1].fields
    assert dense["x"] >= plan.places["inputs"] + 4
    assert bins["a"] == dense["x"] + 2
    assert dense["input_gradient"] == 4
    alone = plan_of(network(apart(BINS), Dense(2)), 100, Adam())
    assert [[*op.kernels] for op in alone.operations] == [["forward"], ["forward"], ["forward", "backward", "gradient"]]


@pytest.mark.parametrize(
    "branches",
    [
        {"city": ([0], [Embedding(5, 4)]), "numbers": (range(1, 5), [])},
        {"numbers": ([1, 3], []), "city": ([0], [Embedding(5, 4)])},
        {"numbers": ([1], []), "others": ([2, 3], []), "city": ([0], [Embedding(5, 4)])},
        {"numbers": ([0], []), "city": ([1], [Embedding(5, 1)])},
    ],
)
def test_other_columns_are_copied_to_rows_of_their_own(branches):
    plan = plan_of(network(Columns(branches), Dense(2), p=5), 100, Adam())
    dense, n_inputs = plan.operations[-1].fields, 5
    outputs = range(dense["x"], dense["x"] + dense["n_in"])
    assert plan.places["inputs"] + n_inputs <= outputs[0]
    assert outputs[-1] + 1 in plan.ones
    assert sum(op.fields["n_out"] for op in plan.operations if "copy" in op.kernels["forward"]) == sum(
        len(columns) for columns, layers in branches.values() if not layers
    )


@pytest.mark.parametrize(
    ("others", "asked"),
    [([], 3), ([Dropout(0.5)], 3), ([Activation("tanh")], 3), ([LayerNorm()], 5), ([Dropout(0.5), LayerNorm()], 5)],
)
def test_nobody_asks_for_the_gradient_of_plain_columns_in_front(others, asked):
    first = Columns({"numbers": (range(2), []), "city": ([2], [Embedding(5, 3)])})
    operations = plan_of(network(first, *others, Dense(4), Dense(2)), 100, Adam()).operations
    dense = [op.fields for op in operations if op.fields.get("is_dense")]
    assert [fields["input_gradient"] for fields in dense] == [asked, 4]
    plain = plan_of(network(Dense(4), Dense(2)), 100, Adam()).operations
    assert [op.fields["input_gradient"] for op in plain] == [0, 4]


def test_a_plan_of_predictions_has_no_gradients_of_embeddings():
    net = network(apart(Embedding(3, 2)), Dense(2))
    assert {name for op in plan_of(net, 10).operations for name in op.kernels} == {"forward"}
    names = {kernel for op in plan_of(net, 10, Adam()).operations for kernel in op.kernels.values()}
    assert "embedding_gradient__float64" in names
