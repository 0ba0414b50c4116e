import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.maths.embeddings import MOST_LEVELS, Embedding, embed, embed_backward, levels_of
from glassnet.maths.layers import Block, layer_from
from glassnet.maths.random import Purpose, Stream
from glassnet.maths.slopes import numeric_gradient


def one_hot(C, n_rows):
    return np.eye(n_rows)[C]


# --- by hand ---


def test_an_embedding_picks_rows_by_hand():
    E = np.array([[0.0, 0.5], [1.0, -1.0], [2.0, 3.0]])
    np.testing.assert_array_equal(embed(np.array([2, 0, 1, 2]), E), [[2, 3], [0, 0.5], [1, -1], [2, 3]])


def test_the_gradient_adds_up_the_samples_of_each_level_by_hand():
    # Level 2 occurs twice, (1, 10) + (4, 40); level 0 once; level 1 never.
    dA = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    np.testing.assert_array_equal(embed_backward(dA, np.array([2, 0, 2]), 3), [[2, 20], [0, 0], [5, 50]])


# --- slope and identity ---


def test_the_gradient_is_the_numeric_slope():
    rng = np.random.default_rng(0)
    C, E, dA = rng.integers(5, size=9), rng.normal(size=(5, 3)), rng.normal(size=(9, 3))
    numeric = numeric_gradient(lambda flat: float((dA * embed(C, flat.reshape(5, 3))).sum()), E.ravel())
    np.testing.assert_allclose(embed_backward(dA, C, 5).ravel(), numeric, rtol=1e-8, atol=1e-10)


def test_an_embedding_is_a_dense_layer_behind_a_one_hot_encoding():
    rng = np.random.default_rng(1)
    C, E, dA = rng.integers(7, size=40), rng.normal(size=(7, 4)), rng.normal(size=(40, 4))
    np.testing.assert_array_equal(embed(C, E), one_hot(C, 7) @ E)
    np.testing.assert_allclose(embed_backward(dA, C, 7), one_hot(C, 7).T @ dA, rtol=1e-13, atol=1e-14)


def test_an_infinite_gradient_stays_with_its_level():
    # In the product with one-hot rows, 0 · ∞ would make every level NaN.
    dA = np.array([[np.inf], [1.0], [np.nan]])
    np.testing.assert_array_equal(embed_backward(dA, np.array([1, 2, 3]), 4), [[0], [np.inf], [1], [np.nan]])


def test_members_have_tables_of_their_own_and_may_share_codes():
    rng = np.random.default_rng(2)
    E, dA = rng.normal(size=(3, 5, 2)), rng.normal(size=(3, 8, 2))
    for C in (rng.integers(5, size=(3, 8)), rng.integers(5, size=8)):
        A, dE = embed(C, E), embed_backward(dA, C, 5)
        for member in range(3):
            own = C[member] if C.ndim == 2 else C
            np.testing.assert_array_equal(A[member], embed(own, E[member]))
            np.testing.assert_array_equal(dE[member], embed_backward(dA[member], own, 5))


# --- codes ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_codes_that_name_no_level_are_0(dtype):
    codes = [0, 1, 3, 4, -1, 0.5, 2.5, -0.0, np.nan, np.inf, -np.inf, 1e30, 3.0000002, 2.9999998]
    expected = [0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(levels_of(np.array(codes, dtype), 3), expected)


def test_the_largest_number_of_levels_is_exact_in_float32():
    codes = np.array([MOST_LEVELS, MOST_LEVELS - 1], np.float32)
    np.testing.assert_array_equal(levels_of(codes, MOST_LEVELS), [2**24, 2**24 - 1])


# --- the layer ---


def parameters(layer, rng):
    return {"E": rng.normal(size=layer.shapes(1)["E"].shape)}


def test_the_layer_has_a_row_more_than_levels_and_a_role_of_its_own():
    layer = Embedding(4, 3)
    assert layer.shapes(1) == {"E": Block((5, 3), "embedding")}
    assert layer.width(1) == 3


def test_the_layer_takes_what_is_unknown_to_row_0_forward_and_backward():
    layer, rng = Embedding(2, 3), np.random.default_rng(3)
    P, X = parameters(layer, rng), np.array([[1.0], [0.0], [3.0], [np.nan], [2.0]])
    A, cache = layer.forward(P, X, None)
    np.testing.assert_array_equal(A, P["E"][[1, 0, 0, 0, 2]])
    dX, dP = layer.backward(P, cache, np.ones((5, 3)))
    np.testing.assert_array_equal(dX, np.zeros((5, 1)))
    np.testing.assert_array_equal(dP["E"], np.array([[3.0], [1.0], [1.0]]) * np.ones(3))
    assert layer.backward(P, cache, np.ones((5, 3)), input_gradient=False)[0] is None


def test_one_level_of_one_number_still_tells_known_from_missing():
    layer, P = Embedding(1, 1), {"E": np.array([[-1.0], [5.0]])}
    np.testing.assert_array_equal(layer.forward(P, np.array([[1.0], [0.0]]), None)[0], [[5.0], [-1.0]])


def test_float32_stays_float32():
    layer = Embedding(3, 2)
    P = {"E": parameters(layer, np.random.default_rng(4))["E"].astype(np.float32)}
    A, cache = layer.forward(P, np.array([[1.0], [2.0]], np.float32), None)
    dX, dP = layer.backward(P, cache, np.ones_like(A))
    assert {A.dtype, dX.dtype, dP["E"].dtype} == {np.dtype(np.float32)}


def test_sums_in_float32_are_rounded_once():
    # 1 + 2⁻²⁴ is 1 in float32, however often it is added; in float64 the small ones add up.
    dA = np.array([[1.0]] + 1024 * [[2.0**-24]], np.float32)
    assert embed_backward(dA, np.zeros(1025, int), 1)[0, 0] == np.float32(1.0 + 2.0**-14)


def test_levels_start_with_the_spread_and_row_0_at_0():
    P = {"E": np.empty((5001, 8))}
    Embedding(5000, 8, spread=0.5).initialise(P, None, Stream(7, Purpose.INITIALISE))
    np.testing.assert_array_equal(P["E"][0], 0.0)
    # 40,000 numbers: the mean is off by 0.5 / 200, the deviation by a relative 1 / √80,000.
    assert abs(P["E"][1:].mean()) < 4 * 0.5 / 200
    assert P["E"][1:].std() == pytest.approx(0.5, rel=4 / np.sqrt(80_000))


def test_a_description_makes_the_layer_again():
    layer = Embedding(40, 8, 0.5)
    assert layer.describe() == {"kind": "Embedding", "levels": 40, "width": 8, "spread": 0.5}
    again = layer_from(layer.describe())
    assert isinstance(again, Embedding)
    assert again.describe() == layer.describe()
    assert layer.brief() == "Embedding 40 8"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"levels": 0, "width": 1}, "levels must be a whole number from 1 to 16777216, got 0"),
        ({"levels": 2**24 + 1, "width": 1}, "levels must be a whole number from 1 to 16777216, got 16777217"),
        ({"levels": 2.5, "width": 1}, "levels must be a whole number from 1 to 16777216, got 2.5"),
        ({"levels": 3, "width": 0}, "width must be a whole number of at least 1, got 0"),
        ({"levels": 3, "width": 2, "spread": -1.0}, "spread must be at least 0, got -1.0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, text):
    with pytest.raises(OptionError) as caught:
        Embedding(**options)
    assert str(caught.value) == text


def test_more_than_one_column_is_refused():
    with pytest.raises(OptionError, match=r"^Embedding takes one column of codes, got 2\. Give each category a branch"):
        Embedding(3, 2).shapes(2)
