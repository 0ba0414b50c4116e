import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import DataError, OptionError
from glassnet.files.model_format import read_model, write_model
from glassnet.maths.columns import Columns
from glassnet.maths.layers import Dense, layer_from
from glassnet.maths.numbers import (
    PiecewiseLinear,
    bin_share,
    bin_share_backward,
    bin_table,
    piecewise_linear,
    piecewise_linear_backward,
    quantile_edges,
)
from glassnet.maths.slopes import numeric_gradient
from glassnet.network import Network, network_from

EDGES = np.array([-1.0, 0.0, 0.5, 3.0])


def encoded(x, edges=EDGES, dtype="float64"):
    return piecewise_linear(np.asarray(x, dtype)[..., None], bin_table(np.asarray(edges), dtype))


# --- by hand ---


def test_bins_that_are_passed_are_1_and_those_ahead_0_by_hand():
    # 0.25 is half way from 0 to 0.5; 1 is 0.5 of 2.5 beyond 0.5.
    np.testing.assert_array_equal(encoded([0.25, 1.0, -0.75]), [[0.25, 1, 0.5, 0], [1, 1, 1, 0.2], [-0.75, 0.25, 0, 0]])


def test_at_an_edge_all_bins_to_the_left_are_full():
    np.testing.assert_array_equal(encoded(EDGES), np.column_stack([EDGES, np.tri(4, 3, -1)]))


def test_beyond_the_edges_a_number_counts_as_the_edge_it_has_passed():
    np.testing.assert_array_equal(
        encoded([-2.5, -1e30, 3.5, 1e30]), [[-1, 0, 0, 0], [-1, 0, 0, 0], [3, 1, 1, 1], [3, 1, 1, 1]]
    )
    np.testing.assert_array_equal(encoded([-100.0, 1.0, 2.0, 3.0, 100.0], [1.0, 3.0])[:, 1], [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_numbers_of_a_float_type_give_finite_shares(dtype):
    # warnings are errors here: nothing overflows on the way either
    huge = np.finfo(dtype).max
    for edges in (EDGES, [-1e30, 1e30], [0.0, 1e-30], [0.0, 1e-30, 1e30]):
        shares = encoded([huge, -huge, np.inf, -np.inf], edges, dtype)[:, 1:]
        assert shares.dtype == dtype
        assert np.abs(shares - np.round(shares)).max() < 1e-6  # 0 or 1
        assert np.isin(np.round(shares), (0, 1)).all()


def test_nan_stays_nan_in_its_row():
    A = encoded([np.nan, 0.25])
    assert np.isnan(A[0]).all()
    np.testing.assert_array_equal(A[1], encoded([0.25])[0])


def test_the_gradient_by_hand():
    # Slopes 1, 2 and 0.4 in the bins, and 1 of x itself; at an edge the bin to the right counts.
    X, dA = np.array([[-0.5], [0.0], [2.0], [-1.5], [3.0]]), np.array([[100.0, 1.0, 10.0, 1000.0]] * 5)
    dX = piecewise_linear_backward(dA, X, bin_table(EDGES, "float64"))
    np.testing.assert_array_equal(dX, [[101], [120], [500], [0], [0]])


# --- slope and identity ---


def test_the_gradient_is_the_numeric_slope():
    rng = np.random.default_rng(0)
    table = bin_table(EDGES, "float64")
    X = rng.uniform(-6, 12, size=300)
    X = X[np.abs(X[:, None] - EDGES).min(axis=1) > 0.02]
    dA = rng.normal(size=(len(X), 4))
    numeric = numeric_gradient(lambda x: float((dA * piecewise_linear(x[:, None], table)).sum()), X, h=1e-3)
    np.testing.assert_allclose(piecewise_linear_backward(dA, X[:, None], table)[:, 0], numeric, rtol=1e-8, atol=1e-10)


def test_a_share_and_its_slope_are_one_bin_of_the_whole():
    x, dA = np.linspace(-6, 12, 37), np.full(37, 3.0)
    for t, of_bin in enumerate(bin_table(EDGES, "float64").T):
        np.testing.assert_array_equal(bin_share(x, *of_bin), encoded(x)[:, t + 1])
        alone = np.zeros((37, 4))
        alone[:, t + 1] = dA
        dX = piecewise_linear_backward(alone, x[:, None], bin_table(EDGES, "float64"))
        np.testing.assert_array_equal(bin_share_backward(dA, x, *of_bin), dX[:, 0])


@settings(max_examples=100)
@given(
    widths=st.lists(st.floats(1e-3, 10.0), min_size=1, max_size=20),
    first=st.floats(-50.0, 50.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_weights_of_the_shares_are_an_interpolation_of_their_cumulative_sums(widths, first, seed):
    # v · shares(x) is a broken line: 0 at the first edge, and v_t more at the end of each bin t.
    edges, rng = np.cumsum([first, *widths]), np.random.default_rng(seed)
    v, x = rng.normal(size=len(widths)), rng.uniform(edges[0], edges[-1], size=50)
    expected = np.interp(x, edges, np.cumsum([0.0, *v]))
    np.testing.assert_allclose(encoded(x, edges)[:, 1:] @ v, expected, atol=1e-9)


def test_leading_axes_pass_through():
    rng = np.random.default_rng(1)
    X, dA, layer = rng.normal(size=(3, 5, 1)), rng.normal(size=(3, 5, 4)), PiecewiseLinear(EDGES)
    A, cache = layer.forward({}, X, None)
    dX, dP = layer.backward({}, cache, dA)
    assert (A.shape, dX.shape, dP) == ((3, 5, 4), (3, 5, 1), {})
    for member in range(3):
        np.testing.assert_array_equal(A[member], encoded(X[member, :, 0]))
        np.testing.assert_array_equal(dX[member], layer.backward({}, X[member], dA[member])[0])
    assert layer.backward({}, cache, dA, input_gradient=False) == (None, {})


def test_float32_stays_float32_and_edges_that_are_equal_there_make_an_empty_bin():
    edges = [0.0, 1.0, 1.0 + 1e-12, 2.0]
    layer, x = PiecewiseLinear(edges), np.array([[0.5], [1.0], [1.5], [9.0]], np.float32)
    A, cache = layer.forward({}, x, None)
    dX, _ = layer.backward({}, cache, np.ones_like(A))
    assert (A.dtype, dX.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(A[:, 1:], [[0.5, 0, 0], [1, 0, 0], [1, 0, 0.5], [1, 0, 1]])
    np.testing.assert_allclose(layer.forward({}, np.array([[1.5]]), None)[0], [[1.5, 1, 1, 0.5]], rtol=1e-11)


# --- edges from data ---


def test_quantile_edges_hold_equally_many_numbers():
    x = np.random.default_rng(2).permutation(np.arange(101.0))
    np.testing.assert_array_equal(quantile_edges(x, 4), [0, 25, 50, 75, 100])
    np.testing.assert_array_equal(quantile_edges(x, 1), [0, 100])
    skewed = np.exp(np.random.default_rng(3).normal(size=1000))
    counts = np.histogram(skewed, quantile_edges(skewed, 10))[0]
    assert (np.abs(counts - 100) <= 1).all()
    assert np.isin(quantile_edges(skewed, 10), skewed).all()


def test_few_different_numbers_are_all_edges():
    np.testing.assert_array_equal(quantile_edges([0, 0, 0, 0, 0, 0, 0, 1, 2], 4), [0, 1, 2])
    np.testing.assert_array_equal(quantile_edges([3, 1, 1, 1, 2], 2), [1, 2, 3])
    assert PiecewiseLinear(quantile_edges([0] * 999 + [1], 48)).n_bins == 1


def test_a_number_that_most_rows_hold_takes_no_more_than_a_bin():
    # 900 times 0 and 1, 2, …, 100: by plain quantiles nine of ten edges would be 0. Of weight w at most in each of ten
    # bins, 0 has w = (w + 100) / 10, or 11: edges lie about 11 numbers apart.
    x = np.concatenate([np.zeros(900), np.arange(1.0, 101.0)])
    edges = quantile_edges(x, 10)
    assert edges[0] == 0
    assert edges[-1] == 100
    assert len(edges) == 11
    assert np.diff(edges)[1:] == pytest.approx(11, abs=1.5)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ([2.5, 2.5, 2.5], "x must hold at least two different numbers, got [2.5]. A constant column tells nothing"),
        ([], "x must hold at least two different numbers, got []"),
        ([1.0, np.nan, 2.0], "row 2: x must be finite, got nan"),
        ([1.0, 2.0, -np.inf], "row 3: x must be finite, got -inf"),
    ],
)
def test_columns_without_bins_are_refused(x, text):
    with pytest.raises(DataError) as caught:
        quantile_edges(x, 3)
    assert str(caught.value).startswith(text)


def test_a_number_of_bins_that_cannot_be_is_refused():
    for n_bins in (0, 2.5, "many"):
        with pytest.raises(OptionError, match="^n_bins must be a whole number of at least 1, got "):
            quantile_edges([1, 2], n_bins)


# --- the layer ---


@pytest.mark.parametrize(
    "edges",
    [[], [1.0], [1.0, 1.0], [2.0, 1.0], [0.0, np.nan], [0.0, np.inf], [[0.0, 1.0]], 3.0, "ab", [0.0, 2e30], [0, [1]]],
    ids=str,
)
def test_edges_that_cannot_be_are_refused(edges):
    rule = r"^edges must be two or more numbers of at most 1e\+30 in size, each larger than the one before, got "
    with pytest.raises(OptionError, match=rule):
        PiecewiseLinear(edges)


def test_more_than_one_column_is_refused():
    with pytest.raises(OptionError, match="^PiecewiseLinear takes one column of numbers, got 2. Give each number a"):
        Columns({"a": ([0, 1], [PiecewiseLinear(EDGES)])})


def test_edges_are_the_layers_own():
    edges = EDGES.copy()
    layer = PiecewiseLinear(edges)
    edges[0] = -9.0
    np.testing.assert_array_equal(layer.edges, EDGES)
    with pytest.raises(ValueError, match="read-only"):
        layer.edges[0] = -9.0


def test_a_description_makes_the_layer_again():
    layer = PiecewiseLinear(EDGES)
    assert layer.describe() == {"kind": "PiecewiseLinear", "edges": [-1.0, 0.0, 0.5, 3.0]}
    again = layer_from(json.loads(json.dumps(layer.describe())))
    assert isinstance(again, PiecewiseLinear)
    assert again.describe() == layer.describe()
    assert layer.brief() == "PiecewiseLinear 3"
    assert layer.shapes(1) == {}
    assert layer.width(1) == 4


def test_outputs_are_named_by_their_bins():
    network = Network([PiecewiseLinear(EDGES), Dense(1)], "squared_error", 1, random_state=0)
    assert network.names_below(["age"]) == ["age", "age bin 1", "age bin 2", "age bin 3"]


def embedded(width=8):
    """A network with the embedding of one number."""
    layers = [PiecewiseLinear(EDGES), Dense(width, "identity", "piecewise_linear")]
    return Network([Columns({"age": ([0], layers)}), Dense(1)], "squared_error", 1, random_state=3)


def test_an_embedding_starts_as_a_line():
    parts = embedded(4000).split(embedded(4000).params)
    W, b = parts["0.age.1.W"], parts["0.age.1.b"]
    np.testing.assert_array_equal(W[1:], 0.0)
    bound = 1 / np.sqrt(4000)
    for drawn in (W[0], b):
        assert np.abs(drawn).max() <= bound
        assert np.abs(drawn).max() > 0.99 * bound
        assert abs(drawn.mean()) < 5 * bound / np.sqrt(3 * 4000)
    assert not np.isin(W[0], b).any()


def test_a_network_is_made_again_from_a_model_file(tmp_path):
    edges = quantile_edges(np.random.default_rng(4).normal(size=100), 7)  # numbers of many digits
    first = Columns({"age": ([0], [PiecewiseLinear(edges), Dense(8, "tanh", "piecewise_linear")])})
    network = Network([first, Dense(1)], "squared_error", 1, "float32", random_state=3)
    write_model(tmp_path / "m.glassnet", {"written_by": "0.1.0", "network": network.describe()}, {"p": network.params})
    header, arrays = read_model(tmp_path / "m.glassnet")
    again = network_from(header["network"], arrays["p"])
    X = np.linspace(-5, 5, 50, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    assert again.describe() == network.describe()
