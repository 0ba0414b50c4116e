import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.maths import layers
from glassnet.maths.layers import Activation, Block, Dense, Draws, Dropout, LayerNorm, layer_from
from glassnet.maths.random import Purpose, Stream
from glassnet.maths.slopes import numeric_gradient

DRAWS = Draws(Stream(3, Purpose.DROPOUT, step=2, layer=1))


def slopes(f, *arrays):
    """Numeric gradients of the scalar function f with respect to each of its arrays."""
    found = []
    for place, array in enumerate(arrays):

        def of_one(flat, place=place, array=array):
            return f(*arrays[:place], flat.reshape(array.shape), *arrays[place + 1 :])

        found.append(numeric_gradient(of_one, array.ravel()).reshape(array.shape))
    return found


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-10)


# --- dense ---


def test_dense_by_hand():
    X = np.array([[1.0, 2.0], [0.0, -1.0]])
    W = np.array([[1.0, 0.0, 2.0], [3.0, 1.0, -1.0]])
    b = np.array([10.0, 20.0, 30.0])
    # Row 1: (1 + 6, 2, 2 - 2) + b; row 2: (-3, -1, 1) + b.
    np.testing.assert_array_equal(layers.dense(X, W, b), [[17, 22, 30], [7, 19, 31]])


def test_dense_backward_by_hand():
    X, W = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[1.0, 3.0], [2.0, 4.0]])
    dZ = np.array([[1.0, 10.0], [2.0, 20.0]])
    dX, dW, db = layers.dense_backward(dZ, X, W)
    np.testing.assert_array_equal(dX, [[1 + 30, 2 + 40], [2 + 60, 4 + 80]])  # dZ Wᵀ
    np.testing.assert_array_equal(dW, [[1, 10], [2 - 2, 20 - 20]])  # Xᵀ dZ
    np.testing.assert_array_equal(db, [3, 30])


def test_dense_backward_is_the_numeric_slope():
    rng = np.random.default_rng(0)
    X, W, b, dZ = (rng.normal(size=shape) for shape in ((5, 3), (3, 4), (4,), (5, 4)))
    expected = slopes(lambda X, W, b: float((dZ * layers.dense(X, W, b)).sum()), X, W, b)
    for actual, numeric in zip(layers.dense_backward(dZ, X, W), expected, strict=True):
        assert_close(actual, numeric)


def test_one_sample_as_a_column_is_the_transpose_of_a_row():
    rng = np.random.default_rng(1)
    X, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    for row in X:
        z = layers.dense_one(row[:, None], W, b)
        assert z.shape == (4, 1)
        np.testing.assert_allclose(z.T, layers.dense(row[None, :], W, b), rtol=1e-14)


def test_one_sample_by_hand():
    # Wᵀ x + b with x = (1, 2): (1 + 2·3) + 5 and (2 + 2·4) + 6.
    z = layers.dense_one(np.array([[1.0], [2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0]))
    np.testing.assert_array_equal(z, [[12.0], [16.0]])


def test_a_dense_layer_applies_its_activation_forward_and_backward():
    rng = np.random.default_rng(2)
    layer = Dense(4, "tanh")
    P = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    X, dA = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    A, cache = layer.forward(P, X, None)
    np.testing.assert_array_equal(A, np.tanh(X @ P["W"] + P["b"]))
    dX, dP = layer.backward(P, cache, dA)
    numeric = slopes(lambda X, W, b: float((dA * np.tanh(X @ W + b)).sum()), X, P["W"], P["b"])
    for actual, expected in zip((dX, dP["W"], dP["b"]), numeric, strict=True):
        assert_close(actual, expected)


def test_the_first_layer_need_not_give_the_gradient_of_its_input():
    rng = np.random.default_rng(2)
    layer, P = Dense(4, "tanh"), {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    _, cache = layer.forward(P, rng.normal(size=(5, 3)), None)
    dA = rng.normal(size=(5, 4))
    dX, dP = layer.backward(P, cache, dA, input_gradient=False)
    assert dX is None
    np.testing.assert_array_equal(dP["W"], layer.backward(P, cache, dA)[1]["W"])
    np.testing.assert_array_equal(dP["b"], layer.backward(P, cache, dA)[1]["b"])


def test_shapes_and_widths():
    assert Dense(4).shapes(3) == {"W": Block((3, 4), "weight"), "b": Block((4,), "bias")}
    assert Dense(4).width(3) == 4
    assert LayerNorm().shapes(3) == {"scale": Block((3,), "scale"), "shift": Block((3,), "bias")}
    for layer in (LayerNorm(), Dropout(0.5), Activation("relu")):
        assert layer.width(3) == 3
    assert Dropout(0.5).shapes(3) == Activation("relu").shapes(3) == {}


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", True, None])
def test_units_that_are_no_positive_whole_number_are_refused(units):
    with pytest.raises(OptionError, match="units must be a whole number of at least 1, got "):
        Dense(units)


# --- activation ---


def test_an_activation_layer_is_the_activation_of_a_dense_layer():
    rng = np.random.default_rng(3)
    P = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    X, dA = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    joined, cache = Dense(4, "mish").forward(P, X, None)
    Z, dense_cache = Dense(4).forward(P, X, None)
    apart, activation_cache = Activation("mish").forward({}, Z, None)
    np.testing.assert_array_equal(apart, joined)
    dZ, nothing = Activation("mish").backward({}, activation_cache, dA)
    assert nothing == {}
    np.testing.assert_array_equal(Dense(4).backward(P, dense_cache, dZ)[0], Dense(4, "mish").backward(P, cache, dA)[0])


# --- dropout ---


def test_dropout_by_hand():
    # Kept units of rate 0.2 grow by 1/0.8 = 5/4.
    X, keep = np.array([[4.0, 8.0, -4.0]]), np.array([[True, False, True]])
    np.testing.assert_array_equal(layers.dropout(X, keep, 0.2), [[5.0, 0.0, -5.0]])
    np.testing.assert_array_equal(layers.dropout_backward(X, keep, 0.2), [[5.0, 0.0, -5.0]])


def test_dropout_keeps_the_mean():
    # A kept entry is 1/(1 - r) with probability 1 - r: mean 1, variance r/(1 - r).
    rate, n = 0.3, 200 * 300
    A, _ = Dropout(rate).forward({}, np.ones((200, 300)), DRAWS)
    assert abs(A.mean() - 1.0) < 5 * np.sqrt(rate / (1 - rate) / n)
    assert set(np.unique(A)) == {0.0, 1.0 / (1.0 - rate)}


def test_dropout_drops_the_same_units_on_the_way_back():
    X = np.random.default_rng(4).normal(size=(20, 10))
    layer = Dropout(0.4)
    A, cache = layer.forward({}, X, DRAWS)
    dX, nothing = layer.backward({}, cache, np.ones_like(X))
    assert nothing == {}
    np.testing.assert_array_equal(A, X * dX)  # both carry the same factor, 0 or 1/0.6
    assert 0 < (dX == 0).sum() < dX.size


def test_dropout_draws_its_mask_from_the_stream_and_from_nothing_else():
    X = np.ones((20, 10))
    mask = Dropout(0.4).forward({}, X, DRAWS)[0] > 0
    np.testing.assert_array_equal(mask, DRAWS.stream.keep(0.4, 20, 10))
    np.testing.assert_array_equal(Dropout(0.4).forward({}, -3 * X, DRAWS)[0] != 0, mask)
    other = Draws(DRAWS.stream.at(step=3))
    assert (Dropout(0.4).forward({}, X, other)[0] > 0).tolist() != mask.tolist()


def test_dropout_does_nothing_outside_training_or_at_rate_zero():
    X = np.random.default_rng(5).normal(size=(4, 3))
    for layer, draws in (
        (Dropout(0.9), None),
        (Dropout(0.0), DRAWS),
        (Dropout(0.9), Draws(DRAWS.stream, dropout=0.0)),
    ):
        A, cache = layer.forward({}, X, draws)
        np.testing.assert_array_equal(A, X)
        np.testing.assert_array_equal(layer.backward({}, cache, 2.0 * X)[0], 2.0 * X)


def test_a_schedules_factor_is_multiplied_with_the_rate():
    X = np.ones((20, 10))
    half = Dropout(0.8).forward({}, X, Draws(DRAWS.stream, dropout=0.5))[0]
    np.testing.assert_array_equal(half, Dropout(0.4).forward({}, X, DRAWS)[0])


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, np.nan])
def test_a_dropout_rate_outside_its_range_is_refused(rate):
    with pytest.raises(OptionError, match="dropout must be at least 0 and below 1, got "):
        Dropout(rate)


# --- layer normalisation ---


def test_layer_norm_by_hand():
    # Mean 3, variance (4 + 0 + 4)/3 = 8/3; with ε = 1/3 the spread is √3.
    A, N, spread = layers.layer_norm(
        np.array([[1.0, 3.0, 5.0]]), np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 1.0]), 1 / 3
    )
    np.testing.assert_allclose(spread, [[np.sqrt(3.0)]], rtol=1e-15)
    np.testing.assert_allclose(N, [[-2 / np.sqrt(3), 0.0, 2 / np.sqrt(3)]], rtol=1e-15)
    np.testing.assert_allclose(A, [[-2 / np.sqrt(3), 1.0, 1.0 + 6 / np.sqrt(3)]], rtol=1e-15)


def test_layer_norm_rows_have_mean_zero_and_variance_just_below_one():
    X = np.random.default_rng(6).normal(3.0, 2.0, size=(7, 5))
    _, N, _ = layers.layer_norm(X, np.ones(5), np.zeros(5), 1e-5)
    variance = X.var(axis=1)
    np.testing.assert_allclose(N.mean(axis=1), 0.0, atol=1e-14)
    np.testing.assert_allclose(N.var(axis=1), variance / (variance + 1e-5), rtol=1e-13)


def test_layer_norm_does_not_see_a_row_shifted_or_stretched():
    X = np.random.default_rng(7).normal(size=(7, 5))
    scale, shift = np.arange(1.0, 6.0), np.arange(5.0)
    plain = layers.layer_norm(X, scale, shift, 1e-12)[0]
    np.testing.assert_allclose(layers.layer_norm(10.0 + 3.0 * X, scale, shift, 1e-12)[0], plain, rtol=1e-9, atol=1e-9)


def test_layer_norm_backward_is_the_numeric_slope():
    rng = np.random.default_rng(8)
    X, scale, shift, dA = (rng.normal(size=shape) for shape in ((4, 5), (5,), (5,), (4, 5)))

    def total(X, scale, shift):
        return float((dA * layers.layer_norm(X, scale, shift, 1e-5)[0]).sum())

    _, N, spread = layers.layer_norm(X, scale, shift, 1e-5)
    expected = slopes(total, X, scale, shift)
    for actual, numeric in zip(layers.layer_norm_backward(dA, N, spread, scale), expected, strict=True):
        assert_close(actual, numeric)


def test_the_gradient_of_layer_norm_is_blind_where_its_output_is():
    # No change along (1, …, 1): rows of dX have sum 0. Along X - mean there is (with ε → 0) none either.
    rng = np.random.default_rng(9)
    X, dA = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    _, N, spread = layers.layer_norm(X, np.ones(5), np.zeros(5), 1e-14)
    dX, _, _ = layers.layer_norm_backward(dA, N, spread, np.ones(5))
    np.testing.assert_allclose(dX.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose((dX * N).sum(axis=1), 0.0, atol=1e-10)


def test_layer_norm_of_one_unit_or_of_equal_units_is_the_shift():
    for X in (np.array([[5.0], [-1.0]]), np.full((2, 3), 7.0)):
        width = X.shape[1]
        A, N, spread = layers.layer_norm(X, np.full(width, 2.0), np.full(width, 0.5), 1e-5)
        np.testing.assert_array_equal(A, np.full(X.shape, 0.5))
        dX, _, _ = layers.layer_norm_backward(np.ones_like(X), N, spread, np.full(width, 2.0))
        np.testing.assert_allclose(dX, 0.0, atol=1e-12)


def test_layer_norm_starts_with_scale_one_and_shift_zero():
    P = {"scale": np.empty(3), "shift": np.empty(3)}
    LayerNorm().initialise(P, None, Stream(0, Purpose.INITIALISE))
    np.testing.assert_array_equal(P["scale"], 1.0)
    np.testing.assert_array_equal(P["shift"], 0.0)


@pytest.mark.parametrize("epsilon", [0.0, -1e-5, np.nan])
def test_an_epsilon_that_is_not_positive_is_refused(epsilon):
    with pytest.raises(OptionError, match="epsilon must be positive, got "):
        LayerNorm(epsilon)


# --- the contracts of every layer ---

EVERY = {
    "dense": Dense(4, "gelu"),
    "activation": Activation("silu"),
    "dropout": Dropout(0.5),
    "layer_norm": LayerNorm(),
}


def parameters(layer, p, rng, members=()):
    return {name: rng.normal(size=(*members, *block.shape)) for name, block in layer.shapes(p).items()}


@pytest.mark.parametrize("kind", EVERY)
def test_a_leading_member_axis_equals_member_by_member(kind):
    rng = np.random.default_rng(10)
    layer = EVERY[kind]
    P, X = parameters(layer, 3, rng, (2,)), rng.normal(size=(2, 5, 3))
    dA = rng.normal(size=(2, 5, layer.width(3)))
    A, cache = layer.forward(P, X, DRAWS)
    dX, dP = layer.backward(P, cache, dA)
    for member in range(2):
        own = {name: value[member] for name, value in P.items()}
        draws = Draws(DRAWS.stream.at(first_row=5 * member))  # its rows follow those of the members before it
        A_own, cache_own = layer.forward(own, X[member], draws)
        dX_own, dP_own = layer.backward(own, cache_own, dA[member])
        np.testing.assert_allclose(A[member], A_own, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(dX[member], dX_own, rtol=1e-13, atol=1e-15)
        for name in own:
            np.testing.assert_allclose(dP[name][member], dP_own[name], rtol=1e-13, atol=1e-15)


def test_members_may_share_one_input():
    rng = np.random.default_rng(11)
    P, X = parameters(Dense(4), 3, rng, (2,)), rng.normal(size=(5, 3))
    A, cache = Dense(4).forward(P, X, None)
    _, dP = Dense(4).backward(P, cache, np.ones_like(A), input_gradient=False)
    for member in range(2):
        np.testing.assert_allclose(A[member], X @ P["W"][member] + P["b"][member], rtol=1e-14)
        np.testing.assert_allclose(dP["W"][member], X.T @ np.ones((5, 4)), rtol=1e-14)


@pytest.mark.parametrize("kind", EVERY)
def test_float32_stays_float32(kind):
    rng = np.random.default_rng(12)
    layer = EVERY[kind]
    P = {name: value.astype(np.float32) for name, value in parameters(layer, 3, rng).items()}
    X = rng.normal(size=(5, 3)).astype(np.float32)
    A, cache = layer.forward(P, X, DRAWS)
    dX, dP = layer.backward(P, cache, np.ones_like(A))
    assert {A.dtype, dX.dtype, *(value.dtype for value in dP.values())} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", EVERY)
def test_nan_stays_in_its_row(kind):
    rng = np.random.default_rng(13)
    layer = EVERY[kind]
    P, X = parameters(layer, 3, rng), rng.normal(size=(5, 3))
    broken = X.copy()
    broken[1] = np.nan
    A = layer.forward(P, broken, None)[0]
    assert np.isnan(A[1]).all()
    np.testing.assert_array_equal(A[[0, 2, 3, 4]], layer.forward(P, X, None)[0][[0, 2, 3, 4]])


@pytest.mark.parametrize("kind", EVERY)
def test_forward_and_backward_leave_their_arguments_as_they_were(kind):
    rng = np.random.default_rng(14)
    layer = EVERY[kind]
    P, X = parameters(layer, 3, rng), rng.normal(size=(5, 3))
    dA = rng.normal(size=(5, layer.width(3)))
    before = [array.copy() for array in (X, dA, *P.values())]
    _, cache = layer.forward(P, X, DRAWS)
    layer.backward(P, cache, dA)
    for array, copy in zip((X, dA, *P.values()), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("layer", "description"),
    [
        (Dense(4, "gelu"), {"kind": "Dense", "units": 4, "activation": "gelu", "initializer": "auto"}),
        (
            Dense(2, initializer="he_normal"),
            {"kind": "Dense", "units": 2, "activation": "identity", "initializer": "he_normal"},
        ),
        (Activation("silu"), {"kind": "Activation", "activation": "silu"}),
        (Dropout(0.25), {"kind": "Dropout", "rate": 0.25}),
        (LayerNorm(1e-3), {"kind": "LayerNorm", "epsilon": 1e-3}),
    ],
)
def test_a_description_makes_the_layer_again(layer, description):
    assert layer.describe() == description
    again = layer_from(description)
    assert type(again) is type(layer)
    assert again.describe() == description


def test_an_initialiser_of_ones_own_is_not_kept():
    layer = Dense(2, initializer=lambda random, p, q: np.zeros((p, q)))
    assert layer.describe()["initializer"] == "custom"
    assert layer_from(layer.describe()).initializer == "auto"


def test_a_kind_of_layer_that_does_not_exist_is_refused():
    with pytest.raises(OptionError) as caught:
        layer_from({"kind": "BatchNorm"})
    kinds = "'Activation', 'Columns', 'Dense', 'Dropout', 'Embedding', 'EnsembleDense', 'LayerNorm', 'PiecewiseLinear'"
    assert str(caught.value).startswith(f"kind of layer must be one of {kinds}, got 'BatchNorm'")
