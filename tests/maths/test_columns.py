import json

import numpy as np
import pytest

from glassnet.errors import DataError, OptionError
from glassnet.maths.activations import custom_activation
from glassnet.maths.columns import INNER_LAYER, Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Activation, Block, Dense, Draws, Dropout, LayerNorm, layer_from
from glassnet.maths.random import Purpose, Stream
from glassnet.maths.slopes import numeric_gradient
from glassnet.network import Network, network_from

DRAWS = Draws(Stream(3, Purpose.DROPOUT, step=2, layer=1))


def mixed():
    return Columns(
        {
            "numbers": ([0, 2], []),
            "city": ([1], [Embedding(3, 2)]),
            "deep": ([2, 0], [Dense(4, "tanh"), LayerNorm()]),
        }
    )


def parameters(layer, p, rng, members=()):
    return {name: rng.normal(size=(*members, *block.shape)) for name, block in layer.shapes(p).items()}


def data(rng, *shape):
    X = rng.normal(size=(*shape, 3))
    X[..., 1] = rng.integers(0, 4, size=shape)
    return X


# --- forward and backward ---


def test_branches_stand_side_by_side_by_hand():
    layer = Columns({"city": ([2], [Embedding(2, 2)]), "numbers": ([3, 0], []), "again": ([0], [])})
    P = {"city.0.E": np.array([[0.0, 0.0], [10.0, 11.0], [20.0, 21.0]])}
    X = np.array([[1.0, 99.0, 2.0, 4.0], [5.0, 99.0, 1.0, 8.0]])
    A, cache = layer.forward(P, X, None)
    np.testing.assert_array_equal(A, [[20, 21, 4, 1, 1], [10, 11, 8, 5, 5]])
    dA = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]])
    dX, dP = layer.backward(P, cache, dA)
    np.testing.assert_array_equal(dX, [[4 + 5, 0, 0, 3], [9 + 10, 0, 0, 8]])  # column 0 goes two ways
    np.testing.assert_array_equal(dP["city.0.E"], [[0, 0], [6, 7], [1, 2]])


def test_the_gradient_is_the_numeric_slope_in_every_parameter_and_number():
    rng = np.random.default_rng(0)
    layer = mixed()
    P, X = parameters(layer, 3, rng), data(rng, 6)
    dA = rng.normal(size=(6, layer.width(3)))
    _, cache = layer.forward(P, X, None)
    dX, dP = layer.backward(P, cache, dA)
    assert dP.keys() == P.keys()
    for name in P:
        numeric = numeric_gradient(
            lambda flat, name=name: float(
                (dA * layer.forward({**P, name: flat.reshape(P[name].shape)}, X, None)[0]).sum()
            ),
            P[name].ravel(),
        )
        np.testing.assert_allclose(dP[name].ravel(), numeric, rtol=1e-7, atol=1e-9)
    numbers = [0, 2]

    def of_numbers(flat):
        moved = X.copy()
        moved[:, numbers] = flat.reshape(6, 2)
        return float((dA * layer.forward(P, moved, None)[0]).sum())

    numeric = numeric_gradient(of_numbers, X[:, numbers].ravel())
    np.testing.assert_allclose(dX[:, numbers].ravel(), numeric, rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(dX[:, 1], 0.0)


def test_a_branch_is_the_chain_of_its_layers_alone():
    rng = np.random.default_rng(1)
    layer, X = mixed(), data(rng, 5)
    P = parameters(layer, 3, rng)
    A, _ = layer.forward(P, X, None)
    chain = Network([Dense(4, "tanh"), LayerNorm()], "squared_error", 2)
    chain.params = np.concatenate([P[f"deep.{name}"].ravel() for name in ("0.W", "0.b", "1.scale", "1.shift")])
    np.testing.assert_allclose(A[:, 4:], chain.forward(X[:, [2, 0]])[0], rtol=1e-14)
    np.testing.assert_array_equal(A[:, :2], X[:, [0, 2]])


def test_all_columns_as_they_are_change_nothing():
    rng = np.random.default_rng(2)
    X, dA = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    layer = Columns({"all": (range(3), [])})
    A, cache = layer.forward({}, X, None)
    np.testing.assert_array_equal(A, X)
    np.testing.assert_array_equal(layer.backward({}, cache, dA)[0], dA)
    assert layer.backward({}, cache, dA, input_gradient=False) == (None, {})


def test_embeddings_in_a_network_are_the_one_hot_network():
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=(30, 2)), rng.integers(0, 5, size=30)])
    y = rng.normal(size=(30, 1))
    first = Columns({"numbers": (range(2), []), "city": ([2], [Embedding(4, 3)])})
    network = Network([first, Dense(5, "tanh"), Dense(1)], "squared_error", 3, random_state=0)
    E, W, b = (network.split(network.params)[name] for name in ("0.city.0.E", "1.W", "1.b"))
    E[0] = rng.normal(size=3)
    # [numbers, O E] W + b = [numbers, O] [W_numbers; E W_city] + b
    plain = Network([Dense(5, "tanh"), Dense(1)], "squared_error", 2 + 5)
    rest = network.params[network.blocks[3].offset :]
    plain.params = np.concatenate([W[:2].ravel(), (E @ W[2:]).ravel(), b, rest])
    wide = np.column_stack([X[:, :2], np.eye(5)[X[:, 2].astype(int)]])
    np.testing.assert_allclose(network.predict(X), plain.predict(wide), rtol=1e-12)
    gradients, wide_gradients = network.loss_and_gradient(X, y)[1], plain.loss_and_gradient(wide, y)[1]
    dW_wide = plain.split(wide_gradients)["0.W"]
    # By the chain rule dE = d(E W_city) W_cityᵀ.
    np.testing.assert_allclose(network.split(gradients)["0.city.0.E"], dW_wide[2:] @ W[2:].T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shared", [False, True])
def test_a_leading_member_axis_equals_member_by_member(shared):
    rng = np.random.default_rng(4)
    layer = mixed()
    P, X = parameters(layer, 3, rng, (2,)), data(rng, 5) if shared else data(rng, 2, 5)
    A, cache = layer.forward(P, X, None)
    dA = rng.normal(size=A.shape)
    dX, dP = layer.backward(P, cache, dA)
    for member in range(2):
        own, X_own = {name: value[member] for name, value in P.items()}, X if shared else X[member]
        A_own, cache_own = layer.forward(own, X_own, None)
        dX_own, dP_own = layer.backward(own, cache_own, dA[member])
        np.testing.assert_allclose(A[member], A_own, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(dX[member], dX_own, rtol=1e-13, atol=1e-15)
        for name in own:
            np.testing.assert_allclose(dP[name][member], dP_own[name], rtol=1e-12, atol=1e-14)


def test_forward_and_backward_leave_their_arguments_as_they_were_and_float32_stays():
    rng = np.random.default_rng(5)
    layer = mixed()
    P = {name: value.astype(np.float32) for name, value in parameters(layer, 3, rng).items()}
    X, dA = data(rng, 5).astype(np.float32), rng.normal(size=(5, layer.width(3))).astype(np.float32)
    before = [array.copy() for array in (X, dA, *P.values())]
    A, cache = layer.forward(P, X, DRAWS)
    dX, dP = layer.backward(P, cache, dA)
    for array, copy in zip((X, dA, *P.values()), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert {A.dtype, dX.dtype, *(value.dtype for value in dP.values())} == {np.dtype(np.float32)}


def test_nan_in_a_number_stays_in_its_row():
    rng = np.random.default_rng(6)
    layer, X = mixed(), data(rng, 5)
    P, broken = parameters(layer, 3, rng), X.copy()
    broken[1, 0] = np.nan
    A = layer.forward(P, broken, None)[0]
    assert np.isnan(A[1, [0, 4, 5, 6, 7]]).all()  # the number, and the branch that reads it
    np.testing.assert_array_equal(A[[0, 2, 3, 4]], layer.forward(P, X, None)[0][[0, 2, 3, 4]])


# --- what is drawn ---


def test_layers_inside_draw_from_streams_that_no_other_layer_has():
    layer = Columns({"a": ([0], [Dropout(0.5)]), "b": ([0], [Dropout(0.5)]), "c": ([0], [])})
    assert layer.draws
    X = np.ones((200, 1))
    A, _ = layer.forward({}, X, DRAWS)
    for column, number in ((0, 0), (1, 1)):
        stream = Stream(3, Purpose.DROPOUT, step=2, layer=1 + (number + 1) * INNER_LAYER)
        np.testing.assert_array_equal(A[:, column], 2.0 * stream.keep(0.5, 200, 1)[:, 0])
    assert not np.array_equal(A[:, 0], A[:, 1])
    np.testing.assert_array_equal(A[:, 2], 1.0)
    np.testing.assert_array_equal(layer.forward({}, X, None)[0], 1.0)
    assert not mixed().draws


def test_a_factor_on_dropout_reaches_the_layers_inside():
    layer = Columns({"a": ([0], [Dropout(0.5)])})
    np.testing.assert_array_equal(layer.forward({}, np.ones((9, 1)), Draws(DRAWS.stream, 0.0))[0], 1.0)


def test_equal_embeddings_start_differently_and_as_the_seed_has_it():
    layer = Columns({"a": ([0], [Embedding(9, 2)]), "b": ([1], [Embedding(9, 2)])})
    starts = []
    for seed in (0, 0, 1):
        network = Network([layer, Dense(1)], "squared_error", 2, random_state=seed)
        starts.append(network.params.copy())
    np.testing.assert_array_equal(starts[0], starts[1])
    a, b = starts[0][:20], starts[0][20:40]
    assert not np.array_equal(a, b)
    assert not np.array_equal(starts[0], starts[2])


# --- checks ---


def network_of_codes():
    first = Columns({"numbers": ([0], []), "city": ([2], [Embedding(3, 2)]), "land": ([1], [Embedding(2, 1)])})
    return Network([first, Dense(1)], "squared_error", 3, random_state=0)


@pytest.mark.parametrize("bad", [0.5, -1.0, -0.25])
def test_a_network_refuses_codes_that_no_encoder_makes_and_names_the_place(bad):
    X = np.array([[0.5, 1.0, 1.0], [-0.5, 2.0, 3.0], [0.1, 0.0, 0.0]])
    network = network_of_codes()
    assert network.predict(X).shape == (3, 1)
    X[1, 2] = bad
    text = f"row 2: column 2 X must be a category's code, a whole number of at least 0, got {bad}. Levels are counted"
    for call in (lambda: network.predict(X), lambda: network.loss_and_gradient(X, np.zeros((3, 1)))):
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value).startswith(text)


def test_a_level_beyond_those_of_training_is_predicted_as_one_that_is_missing():
    network = network_of_codes()
    X = np.array([[0.5, 1.0, 0.0], [0.5, 1.0, 4.0], [0.5, 1.0, 1e9]])
    assert len(np.unique(network.predict(X))) == 1


def test_one_sample_as_a_column_is_predicted_as_a_row():
    network, X = network_of_codes(), np.array([[0.5, 2.0, 1.0], [1.5, 1.0, 3.0]])
    for x, y in zip(X, network.predict(X), strict=True):
        np.testing.assert_allclose(network.predict_one(x).ravel(), y, rtol=1e-14)


def test_penalties_and_decay_leave_embeddings_alone():
    network = network_of_codes()
    assert [block.role for block in network.blocks] == ["embedding", "embedding", "weight", "bias"]
    assert [W.size for W in network.weights] == [4]
    assert network.multiplications == 4


@pytest.mark.parametrize(
    ("branches", "text"),
    [
        ({}, "branches must be a dict {name: (columns, layers)}, got {}"),
        ([1], "branches must be a dict {name: (columns, layers)}, got [1]"),
        ({1: ([0], [])}, "branch must have a name that is text, got 1"),
        ({"a": [0]}, "branch 'a' must be (columns, layers), got [0]"),
        ({"a": ([], [])}, "columns of branch 'a' must be different whole numbers of at least 0, one or more, got []"),
        ({"a": ([0, 0], [])}, "columns of branch 'a' must be different whole numbers of at least 0, one or more"),
        ({"a": ([-1], [])}, "columns of branch 'a' must be different whole numbers of at least 0, one or more"),
        ({"a": ([0.5], [])}, "columns of branch 'a' must be different whole numbers of at least 0, one or more"),
        ({"a": ("city", [])}, "columns of branch 'a' must be different whole numbers of at least 0, one or more"),
        ({"a": ([0], ["Dense"])}, "layers of branch 'a' must be layers, and none of them Columns again"),
        ({"a": ([0], [Columns({"b": ([0], [])})])}, "layers of branch 'a' must be layers, and none of them Columns"),
        ({"a": ([0, 1], [Embedding(2, 2)])}, "Embedding takes one column of codes, got 2"),
    ],
)
def test_branches_that_cannot_be_are_refused(branches, text):
    with pytest.raises(OptionError) as caught:
        Columns(branches)
    assert str(caught.value).startswith(text)


def test_columns_that_the_matrix_does_not_have_are_refused():
    with pytest.raises(OptionError) as caught:
        Network([Columns({"a": ([0, 3], [])})], "squared_error", 3)
    assert str(caught.value) == "columns of branch 'a' must lie from 0 to 2, as there are 3 inputs, got 3"


# --- descriptions ---


def test_a_description_makes_the_layer_again():
    layer = mixed()
    embedding = {"kind": "Embedding", "levels": 3, "width": 2, "spread": 1.0}
    sizes = {"n_inputs": 1, "n_outputs": 2, "n_parameters": 8}
    assert layer.describe()["branches"]["city"] == {"columns": [1], "layers": [{**embedding, **sizes}]}
    again = layer_from(layer.describe())
    assert isinstance(again, Columns)
    assert again.describe() == layer.describe()
    assert again.shapes(3) == layer.shapes(3)
    assert layer.shapes(3)["city.0.E"] == Block((4, 2), "embedding")


def test_a_network_is_made_again_from_its_description():
    network, X = network_of_codes(), np.array([[0.5, 2.0, 1.0], [1.5, 1.0, 3.0]])
    description = network.describe()
    assert description["layers"][0]["n_parameters"] == 4 * 2 + 3 * 1
    again = network_from(json.loads(json.dumps(description)), network.params)  # as it comes from a file
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    assert again.describe() == description


def test_names_with_dots_are_names():
    layer = Columns({"a.b": ([0], [Embedding(1, 1)]), "a": ([0], [Embedding(1, 1)])})
    network = Network([layer, Dense(1)], "squared_error", 1, random_state=0)
    assert [block.name for block in network.blocks] == ["0.a.b.0.E", "0.a.0.E", "1.W", "1.b"]
    assert network.gradient_check(np.array([[1.0], [0.0]]), np.array([[1.0], [2.0]])).passed


def test_a_network_says_its_branches_in_one_line():
    text = repr(network_of_codes())
    expected = (
        "3 features -> Columns (numbers: 1 as they are; city: Embedding 3 2; land: Embedding 2 1) -> Dense 1 identity"
    )
    assert expected in text


def test_outputs_have_names_for_pictures():
    network = Network([mixed(), Dropout(0.5), Dense(1)], "squared_error", 3, random_state=0)
    names = network.names_below(["age", "town", "income"])
    assert names == ["age", "income", "town 1", "town 2", "deep 1", "deep 2", "deep 3", "deep 4"]
    assert len(names) == len(network.coefs[0])
    assert Network([LayerNorm(), Dense(2)], "squared_error", 3).names_below(["a", "b", "c"]) == ["a", "b", "c"]


def test_layers_inside_can_be_found():
    own = custom_activation(lambda Z: Z * Z, lambda Z, A: 2 * Z)
    layer = Columns({"a": ([0], [Dense(2), Activation(own)]), "b": ([0], [])})
    assert [type(part) for part in layer.inside] == [Dense, Activation]
    assert Dense(2).inside == ()
