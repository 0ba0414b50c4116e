import itertools

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from glassnet.errors import DataError, OptionError
from glassnet.views import plot_network
from glassnet.views.palette import NEGATIVE, POSITIVE


def weights(*widths):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in itertools.pairwise(widths)]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def edges(ax):
    return [part for part in ax.collections if isinstance(part, LineCollection)]


def nodes(ax):
    return [part for part in ax.collections if not isinstance(part, LineCollection)]


def test_the_articles_network_has_all_its_nodes_and_edges():
    ax = plot_network(weights(2, 5, 3), activations="sigmoid")
    assert [len(column.get_offsets()) for column in nodes(ax)] == [2, 5, 3]
    assert [len(between.get_segments()) for between in edges(ax)] == [10, 15]
    assert texts(ax) == ["2 inputs", "5 × sigmoid", "3 outputs"]


def test_an_edge_has_the_colour_of_its_sign_and_is_stronger_for_a_larger_weight():
    ax = plot_network([np.array([[2.0, -1.0, 0.5]])])
    (between,) = edges(ax)
    # Drawn from the weakest to the strongest: 0.5, -1, 2.
    colours, widths = between.get_colors(), between.get_linewidths()
    for drawn, sign in zip(colours, (POSITIVE, NEGATIVE, POSITIVE), strict=True):
        assert tuple(drawn[:3]) == to_rgb(sign)
    assert list(colours[:, 3]) == sorted(colours[:, 3])
    np.testing.assert_allclose(widths, 0.7 + 2.6 * np.array([0.25, 0.5, 1.0]))
    offsets = nodes(ax)[1].get_offsets()
    ends = [segment[-1].tolist() for segment in between.get_segments()]
    assert ends == [offsets[2].tolist(), offsets[1].tolist(), offsets[0].tolist()]


def test_a_layer_of_zeros_is_drawn():
    ax = plot_network([np.zeros((2, 2))], [np.zeros(2)])
    assert len(edges(ax)[0].get_segments()) == 4


def test_wide_layers_are_elided_with_the_number_left_out():
    ax = plot_network(weights(784, 256, 10), activations=["relu", "softmax"], input_names=[f"p{i}" for i in range(784)])
    assert [len(column.get_offsets()) for column in nodes(ax)] == [12, 12, 10]
    written = texts(ax)
    assert written.count("⋮") == 2
    assert {"772 more", "244 more", "784 inputs", "256 × relu", "10 × softmax"} <= set(written)


def test_of_a_wide_layer_the_nodes_with_the_largest_weights_are_drawn_in_their_order():
    W = np.full((20, 1), 0.1)
    W[[3, 17, 11], 0] = -0.5, 0.9, 0.7
    ax = plot_network([W], input_names=[f"p{i}" for i in range(20)], max_nodes=3)
    assert texts(ax) == ["⋮", "17 more", "p3", "p11", "p17", "20 inputs", "1 output"]


def test_weights_into_and_out_of_a_node_count_together():
    first, second = np.array([[1.0, 3.0, 2.0, 0.0]]), np.array([[4.0], [0.5], [0.0], [2.5]])  # in all 5, 3.5, 2, 2.5
    ax = plot_network([first, second], max_nodes=3)
    assert sorted(edges(ax)[0].get_linewidths()) == pytest.approx([0.7, 0.7 + 2.6 / 3, 3.3])  # 0, 1 and 3 beside 3


def test_strength_is_relative_to_the_whole_layer_even_where_its_largest_weight_is_hidden():
    W = np.zeros((4, 2))
    W[0] = 1.0, 0.0  # 1 in all; the others have 1.2
    W[1:] = 0.6
    (between,) = edges(plot_network([W], max_nodes=3))
    np.testing.assert_allclose(between.get_linewidths(), 0.7 + 2.6 * 0.6)


def test_of_very_many_edges_those_below_a_tenth_of_the_strongest_are_left_out_and_the_legend_says_so():
    W = np.full((11, 11), 0.09)  # 121 edges
    W[0] = -1.0
    ax = plot_network([W])
    assert len(edges(ax)[0].get_segments()) == 11
    assert ax.get_legend().get_title().get_text() == "weights below a tenth of the strongest are not drawn"
    fewer = plot_network([W[:10]])
    assert len(edges(fewer)[0].get_segments()) == 110
    assert fewer.get_legend().get_title().get_text() == ""


def test_negative_weights_are_dashed_everywhere_or_nowhere_and_the_legend_agrees():
    for widths, dashed in (((2, 5, 3), True), ((2, 9, 9), False)):
        matrices = [-np.ones(shape) for shape in itertools.pairwise(widths)]
        ax = plot_network(matrices)
        styles = [style for between in edges(ax) for style in between.get_linestyles()]
        assert all((dashes is not None) == dashed for _, dashes in styles)
        assert ax.get_legend().get_lines()[1].is_dashed() == dashed


@pytest.mark.parametrize(("width", "drawn"), [(3, 3), (4, 3), (12, 3)])
def test_max_nodes_says_how_many_are_drawn(width, drawn):
    ax = plot_network(weights(width, 1), max_nodes=3)
    assert len(nodes(ax)[0].get_offsets()) == drawn
    assert ("⋮" in texts(ax)) == (width > 3)


def test_nodes_are_filled_by_the_sign_of_their_bias_and_inputs_stay_white():
    ax = plot_network(weights(2, 2), [np.array([1.0, -0.5])])
    first, last = nodes(ax)
    np.testing.assert_allclose(first.get_facecolor()[0][:3], (1, 1, 1))
    for drawn, sign, strength in zip(last.get_facecolor(), (POSITIVE, NEGATIVE), (0.75, 0.375), strict=True):
        np.testing.assert_allclose(drawn[:3], 1 - strength * (1 - np.array(to_rgb(sign))))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "positive weight",
        "negative weight",
        "positive | negative bias",
    ]


def test_names_stand_at_inputs_and_outputs_cut_when_long():
    ax = plot_network(weights(2, 4, 1), input_names=["x" * 40, "a$b$"], output_names=["price"])
    assert texts(ax)[:2] == ["x" * 27 + "…", "a$b$"]
    assert "price" in texts(ax)
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("activations", "captions"),
    [
        (None, ["1 input", "4 hidden", "1 output"]),
        ("relu", ["1 input", "4 × relu", "1 output"]),
        (["relu", "sigmoid"], ["1 input", "4 × relu", "1 × sigmoid"]),
        (["relu", "identity"], ["1 input", "4 × relu", "1 output"]),
    ],
)
def test_captions_name_the_activations(activations, captions):
    assert texts(plot_network(weights(1, 4, 1), activations=activations)) == captions


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: plot_network([]), DataError, r"coefs must hold at least one weight matrix, got \[\]"),
        (lambda: plot_network([np.ones(3)]), DataError, r"coefs\[0\] must be a matrix \(p, q\), got \(3,\)"),
        (
            lambda: plot_network([np.ones((2, 3)), np.ones((2, 1))]),
            DataError,
            r"coefs\[1\] must have 3 rows, as many as coefs\[0\] has columns, got \(2, 1\)",
        ),
        (lambda: plot_network([np.array([[np.nan]])]), DataError, r"coefs\[0\] must be finite, got nan"),
        (
            lambda: plot_network(weights(2, 3), [np.ones(2)]),
            DataError,
            r"intercepts must hold vectors of lengths \[3\], got \[\(2,\)\]",
        ),
        (
            lambda: plot_network(weights(2, 3), input_names=["a"]),
            DataError,
            "input_names must hold 2 names, one for each node, got 1",
        ),
        (
            lambda: plot_network(weights(2, 3), activations=["relu", "relu", "relu"]),
            DataError,
            "activations must hold 0 names, one for each hidden layer, or 1 with the output layer's",
        ),
        (lambda: plot_network(weights(2, 3), max_nodes=2), OptionError, "max_nodes must be a whole number of at least"),
    ],
)
def test_networks_that_cannot_be_drawn_are_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
