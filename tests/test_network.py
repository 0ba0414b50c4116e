import copy
import json
import pickle

import numpy as np
import pytest

from glassnet.errors import DataError, OptionError
from glassnet.maths.layers import Activation, Dense, Draws, Dropout, Layer, LayerNorm
from glassnet.maths.losses import LOSSES, Quantile, SoftmaxCrossEntropy, custom_loss, loss_named, softmax
from glassnet.maths.random import Purpose, Stream
from glassnet.network import GradientCheck, Network, ParameterBlock, network_from


def a_network(loss="cross_entropy", **options):
    """2-3-2 with layer normalisation between: 6 + 3 weights and biases, 3 + 3 scale and shift, 6 + 2."""
    return Network([Dense(3, "tanh"), LayerNorm(), Dense(2)], loss, 2, **({"random_state": 0} | options))


def some_rows(n=7, p=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.integers(2, size=n)


# --- the flat vector ---


def test_blocks_say_what_stands_where():
    network = a_network()
    assert network.blocks == [
        ParameterBlock("0.W", 0, 0, (2, 3), "weight"),
        ParameterBlock("0.b", 0, 6, (3,), "bias"),
        ParameterBlock("1.scale", 1, 9, (3,), "scale"),
        ParameterBlock("1.shift", 1, 12, (3,), "bias"),
        ParameterBlock("2.W", 2, 15, (3, 2), "weight"),
        ParameterBlock("2.b", 2, 21, (2,), "bias"),
    ]
    assert network.params.shape == (23,)
    assert [block.size for block in network.blocks] == [6, 3, 3, 3, 6, 2]
    assert network.blocks[4].slice == slice(15, 21)
    assert network.widths == [2, 3, 3, 2]
    assert network.n_outputs == 2


def test_parameters_are_views_of_the_flat_vector_in_row_order():
    network = a_network()
    network.params = np.arange(23.0)
    np.testing.assert_array_equal(network.parameters(0)["W"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(network.parameters(2)["b"], [21, 22])
    np.testing.assert_array_equal(network.coefs[1], [[15, 16], [17, 18], [19, 20]])
    np.testing.assert_array_equal(network.intercepts[0], [6, 7, 8])
    np.testing.assert_array_equal(np.concatenate(network.weights), [0, 1, 2, 3, 4, 5, 15, 16, 17, 18, 19, 20])


def test_writing_to_a_view_writes_to_the_network():
    network = a_network()
    network.params[:] = 0.0
    network.parameters(0)["W"][1, 2] = 5.0
    network.coefs[1][0, 0] = 6.0
    network.intercepts[1][1] = 7.0
    network.weights[0][0] = 8.0
    assert {i: v for i, v in enumerate(network.params) if v} == {5: 5.0, 15: 6.0, 22: 7.0, 0: 8.0}


def test_writing_to_the_flat_vector_changes_the_prediction():
    network = a_network()
    network.params[:] = 0.0
    network.params[21:] = [0.0, np.log(3.0)]  # the biases of the output layer: softmax (1/4, 3/4)
    np.testing.assert_allclose(network.predict(np.ones((2, 2))), [[0.25, 0.75]] * 2, rtol=1e-15)


def test_assigning_a_vector_replaces_every_parameter():
    network, X = a_network(), some_rows()[0]
    other = a_network(random_state=1)
    assert not np.array_equal(network.predict(X), other.predict(X))
    network.params = other.params.tolist()
    np.testing.assert_array_equal(network.predict(X), other.predict(X))
    assert network.params.dtype == np.float64


def test_assigning_copies_and_binding_shares():
    network, vector = a_network(), np.zeros(23)
    network.params = vector
    vector[0] = 1.0
    assert network.params[0] == 0.0
    network.bind(vector)
    vector[1] = 2.0
    assert network.params is vector
    np.testing.assert_array_equal(network.coefs[0][0], [1.0, 2.0, 0.0])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (np.zeros(22), r"params must be a vector of 23 numbers, got \(22,\)"),
        (np.zeros(23, np.float32), "params must be a vector in float64, got 'float32'"),
    ],
)
def test_a_vector_that_cannot_be_shared_is_refused(wrong, text):
    with pytest.raises(OptionError, match=text):
        a_network().bind(wrong)


@pytest.mark.parametrize("wrong", [np.zeros(22), np.zeros((23, 1)), np.zeros(0)])
def test_a_vector_of_another_length_is_refused(wrong):
    network = a_network()
    before = network.params.copy()
    with pytest.raises(OptionError) as caught:
        network.params = wrong
    assert str(caught.value) == f"params must be a vector of 23 numbers, got {wrong.shape}"
    np.testing.assert_array_equal(network.params, before)


def test_the_first_weights_depend_on_the_seed_alone():
    np.testing.assert_array_equal(a_network().params, a_network().params)
    assert not np.array_equal(a_network().params, a_network(random_state=1).params)
    network = a_network(random_state=1)
    network.initialise(0)
    np.testing.assert_array_equal(network.params, a_network().params)


def test_float32_weights_start_as_those_of_float64_rounded():
    np.testing.assert_array_equal(a_network(dtype=np.float32).params, a_network().params.astype(np.float32))


# --- forward ---


def test_the_forward_pass_by_hand():
    # ReLU: x = (1, 2): z = (1 + 4 - 1, -1 - 2) = (4, -3), a = (4, 0); score 4 · 0.5 + 0 + 1 = 3.
    network = Network([Dense(2, "relu"), Dense(1)], "squared_error", 2, random_state=0)
    network.params = [1.0, -1.0, 2.0, -1.0, -1.0, 0.0, 0.5, 9.0, 1.0]
    Z, cache = network.forward(np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(Z, [[3.0]])
    assert len(cache) == 2
    np.testing.assert_array_equal(network.predict([[1.0, 2.0]]), [[3.0]])
    np.testing.assert_array_equal(network.hidden([[1.0, 2.0]]), [[4.0, 0.0]])
    # y = 5: loss (3 - 5)² = 4; dZ = -4; dW2 = -4 a, db2 = -4; dz = -4 · 0.5 where z > 0; dW1 = xᵀ dz.
    loss, gradient = network.loss_and_gradient([[1.0, 2.0]], [5.0])
    assert loss == 4.0
    np.testing.assert_array_equal(gradient, [-2, 0, -4, 0, -2, 0, -16, 0, -4])


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_predict_is_the_losses_output_of_the_scores(name):
    loss = Quantile((0.2, 0.7)) if name == "quantile" else loss_named(name)
    network, X = a_network(loss), some_rows()[0]
    np.testing.assert_array_equal(network.predict(X), loss.output(network.forward(X)[0]))


def test_one_sample_as_a_column_is_predicted_like_a_row():
    layers = [Dense(4, "gelu"), LayerNorm(), Activation("relu"), Dropout(0.5), Dense(3)]
    network = Network(layers, "cross_entropy", 2, random_state=3)
    for row, expected in zip(some_rows()[0], network.predict(some_rows()[0]), strict=True):
        y = network.predict_one(row[:, None])
        assert y.shape == (3, 1)
        np.testing.assert_allclose(y[:, 0], expected, rtol=1e-13)
        np.testing.assert_array_equal(network.predict_one(row.tolist()), y)


def test_hidden_gives_the_values_after_each_activation():
    layers = [Dense(4, "tanh"), Dense(3), LayerNorm(), Activation("relu"), Dropout(0.5), Dense(2)]
    network, X = Network(layers, "cross_entropy", 2, random_state=0), some_rows()[0]
    first = np.tanh(X @ network.coefs[0] + network.intercepts[0])
    np.testing.assert_allclose(network.hidden(X, 0), first, rtol=1e-14)
    assert network.hidden(X).min() == 0.0  # of the dense layer, its norm and its activation, the last value
    for layer in (0, 1):
        np.testing.assert_array_equal(network.hidden(X, layer - 2), network.hidden(X, layer))
    scores = network.hidden(X) @ network.coefs[2] + network.intercepts[2]
    np.testing.assert_allclose(scores, network.forward(X)[0], rtol=1e-13)


@pytest.mark.parametrize("layer", [1, 2, -2, -3])
def test_a_hidden_layer_that_is_not_there_is_refused(layer):
    network = Network([Dense(4, "tanh"), Dense(2)], "cross_entropy", 2, random_state=0)
    with pytest.raises(OptionError, match=rf"layer must be from -1 to 0 \(hidden layers\), got {layer}"):
        network.hidden(np.ones((1, 2)), layer)


def test_a_network_without_hidden_layers_has_none_to_show():
    network = Network([Dense(2)], "cross_entropy", 2, random_state=0)
    for layer in (0, -1):
        with pytest.raises(OptionError, match="layer cannot be given: there are none"):
            network.hidden(np.ones((1, 2)), layer)


def test_a_prediction_of_no_rows_is_empty():
    assert a_network().predict(np.zeros((0, 2))).shape == (0, 2)


def test_nothing_is_dropped_outside_training():
    with_dropout = Network([Dense(3, "tanh"), Dropout(0.9), Dense(2)], "cross_entropy", 2, random_state=0)
    without = Network([Dense(3, "tanh"), Dense(2)], "cross_entropy", 2, random_state=0)
    without.params = with_dropout.params
    X, y = some_rows()
    np.testing.assert_array_equal(with_dropout.predict(X), without.predict(X))
    assert with_dropout.loss_and_gradient(X, y)[0] == without.loss_and_gradient(X, y)[0]
    draws = Draws(Stream(0, Purpose.DROPOUT))
    assert with_dropout.loss_and_gradient(X, y, random=draws)[0] != without.loss_and_gradient(X, y)[0]


def test_two_dropout_layers_draw_two_masks():
    network = Network([Dropout(0.5), Activation("identity"), Dropout(0.5), Dense(1)], "squared_error", 40)
    _, cache = network.forward(np.ones((9, 40)), Draws(Stream(0, Purpose.DROPOUT)))
    assert not np.array_equal(cache[0][0], cache[2][0])


# --- targets, weights, reduction ---


def assert_same_loss_and_gradient(one, other, rtol=1e-13):
    np.testing.assert_allclose(one[0], other[0], rtol=rtol)
    np.testing.assert_allclose(one[1], other[1], rtol=1e-11, atol=1e-15)


def test_labels_and_the_one_hot_matrix_are_the_same_targets():
    network, (X, y) = a_network(), some_rows()
    by_label, by_matrix = network.loss_and_gradient(X, y), network.loss_and_gradient(X, np.eye(2)[y])
    assert by_label[0] == by_matrix[0]
    np.testing.assert_array_equal(by_label[1], by_matrix[1])
    assert network.evaluate(X, y) == network.evaluate(X, np.eye(2)[y])


def losses_for_weights():
    """Every loss on two outputs, with seven targets that suit, as parameters of a test."""
    rng = np.random.default_rng(1)
    numbers, yes_no, counts = rng.normal(size=(7, 2)), rng.integers(2, size=(7, 2)), rng.poisson(2.0, size=(7, 2))
    targets = {"binary_cross_entropy": yes_no, "multilabel": yes_no, "poisson": counts}
    for name in sorted(LOSSES):
        if name == "cross_entropy":
            yield pytest.param(SoftmaxCrossEntropy(0.1), yes_no[:, 0], id=name)
        elif name == "quantile":
            yield pytest.param(Quantile((0.2, 0.7)), numbers[:, 0], id=name)
        else:
            yield pytest.param(loss_named(name), targets.get(name, numbers), id=name)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("loss", "y"), list(losses_for_weights()))
def test_a_weight_of_k_is_a_row_repeated_k_times_and_0_its_absence(loss, y, reduction):
    network, X = a_network(loss, reduction=reduction), some_rows()[0]
    counts = np.array([1, 3, 0, 2, 1, 0, 4])
    repeated = np.repeat(np.arange(7), counts)
    assert_same_loss_and_gradient(
        network.loss_and_gradient(X, y, counts), network.loss_and_gradient(X[repeated], y[repeated])
    )
    assert network.evaluate(X, y, counts) == pytest.approx(network.evaluate(X[repeated], y[repeated]), rel=1e-13)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weights_of_one_are_no_weights(reduction):
    network, (X, y) = a_network(reduction=reduction), some_rows()
    assert_same_loss_and_gradient(network.loss_and_gradient(X, y, np.ones(7)), network.loss_and_gradient(X, y))


def test_only_the_ratio_of_weights_counts_in_a_mean_and_their_size_in_a_sum():
    X, y = some_rows()
    weights = np.arange(1.0, 8.0)
    mean, total = a_network(), a_network(reduction="sum")
    loss, gradient = mean.loss_and_gradient(X, y, weights)
    assert_same_loss_and_gradient(mean.loss_and_gradient(X, y, 1000 * weights), (loss, gradient))
    loss, gradient = total.loss_and_gradient(X, y, weights)
    assert_same_loss_and_gradient(total.loss_and_gradient(X, y, 1000 * weights), (1000 * loss, 1000 * gradient))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_when_all_weights_are_zero_loss_and_gradient_are_zero(reduction):
    network, (X, y) = a_network(reduction=reduction), some_rows()
    loss, gradient = network.loss_and_gradient(X, y, np.zeros(7))
    assert loss == 0.0
    np.testing.assert_array_equal(gradient, np.zeros(23))


@pytest.mark.parametrize(("loss", "y"), list(losses_for_weights()))
def test_the_sum_is_n_times_the_mean(loss, y):
    X = some_rows()[0]
    mean_loss, mean_gradient = a_network(loss).loss_and_gradient(X, y)
    assert_same_loss_and_gradient(
        a_network(loss, reduction="sum").loss_and_gradient(X, y), (7 * mean_loss, 7 * mean_gradient)
    )


def test_the_loss_by_hand_with_weights():
    # No weights but the biases (0, log 3): -log(1/4) for class 0, -log(3/4) for class 1.
    network = Network([Dense(2)], "cross_entropy", 1, random_state=0)
    network.params = [0.0, 0.0, 0.0, np.log(3.0)]
    X, y, weights = np.zeros((2, 1)), [0, 1], [3.0, 1.0]
    assert network.evaluate(X, y) == pytest.approx((np.log(4) + np.log(4 / 3)) / 2, rel=1e-14)
    assert network.evaluate(X, y, weights) == pytest.approx((3 * np.log(4) + np.log(4 / 3)) / 4, rel=1e-14)
    # db = mean of Y - T: (3 (1/4 - 1, 3/4) + (1/4, 3/4 - 1)) / 4
    np.testing.assert_allclose(network.loss_and_gradient(X, y, weights)[1], [0, 0, -0.5, 0.5], atol=1e-15)


def test_label_smoothing_is_part_of_training_and_not_of_an_evaluation():
    X, y = some_rows()
    plain, smooth = a_network(), a_network(SoftmaxCrossEntropy(0.2))
    assert smooth.evaluate(X, y) == plain.evaluate(X, y)
    # (1 - 0.2) T + 0.2 / 2
    assert_same_loss_and_gradient(smooth.loss_and_gradient(X, y), plain.loss_and_gradient(X, 0.8 * np.eye(2)[y] + 0.1))


# --- types ---


def test_float32_stays_float32_from_end_to_end():
    X, y = some_rows()
    exact, single = a_network(), a_network(dtype="float32")
    loss, gradient = single.loss_and_gradient(X, y, np.arange(7))
    assert isinstance(loss, float)
    assert gradient.dtype == single.predict(X).dtype == single.params.dtype == np.float32
    assert single.predict_one(X[0]).dtype == single.hidden(X).dtype == np.float32
    np.testing.assert_allclose(gradient, exact.loss_and_gradient(X, y, np.arange(7))[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(single.predict(X), exact.predict(X), rtol=1e-5)


def test_a_copy_in_another_type_shares_no_parameters():
    network = a_network(dtype=np.float32)
    twin = network.astype(np.float64)
    assert twin.dtype == np.float64
    assert twin.predict(np.ones((1, 2))).dtype == np.float64
    same = network.astype(np.float32)
    twin.params[:] = 0.0
    same.params[:] = 0.0
    np.testing.assert_array_equal(twin.predict(np.ones((1, 2))), [[0.5, 0.5]])
    np.testing.assert_array_equal(network.params, a_network(dtype=np.float32).params)


@pytest.mark.parametrize("X", [[[1, 2], [3, 4]], np.array([[1, 3], [2, 4]]).T, np.array([[1, 2], [3, 4]], np.int16)])
def test_rows_come_as_lists_transposes_or_whole_numbers(X):
    network = a_network()
    np.testing.assert_array_equal(network.predict(X), network.predict(np.array([[1.0, 2.0], [3.0, 4.0]])))


# --- gradient check ---


def test_gradient_check_passes_a_right_network():
    X, y = some_rows()
    check = a_network().gradient_check(X, y, np.arange(7))
    assert isinstance(check, GradientCheck)
    assert check.passed
    assert check.n_checked == 23
    assert check.largest_error < 1e-8


def test_gradient_check_of_a_float32_network_is_done_in_float64_and_leaves_it_alone():
    network, (X, y) = a_network(dtype=np.float32), some_rows()
    before = network.params.copy()
    assert network.gradient_check(X, y).passed
    np.testing.assert_array_equal(network.params, before)
    assert network.params.dtype == np.float32


def test_gradient_check_finds_a_wrong_activation_and_says_where():
    network = Network([Dense(3, (np.sin, np.sin)), Dense(2)], "cross_entropy", 2, random_state=0)
    check = network.gradient_check(*some_rows())
    assert not check.passed
    name, entry, analytic, numeric = check.worst
    block = next(block for block in network.blocks if block.name == name)
    assert block.layer == 0
    assert block.offset <= entry < block.offset + block.size
    assert abs(analytic - numeric) > 1e-3
    assert (
        Network([Dense(3, (np.sin, np.cos)), Dense(2)], "cross_entropy", 2, random_state=0)
        .gradient_check(*some_rows())
        .passed
    )


def test_gradient_check_finds_a_wrong_loss():
    wrong = custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: Z - T)
    right = custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * (Z - T))
    X, T = some_rows()[0], np.random.default_rng(2).normal(size=(7, 2))
    assert not a_network(wrong).gradient_check(X, T).passed
    assert a_network(right).gradient_check(X, T).passed


def test_gradient_check_finds_a_gradient_that_is_not_a_number():
    broken = custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: np.nan * Z)
    assert not a_network(broken).gradient_check(some_rows()[0], np.zeros((7, 2))).passed


def test_gradient_check_of_a_large_network_looks_at_a_sample():
    network = Network([Dense(30, "tanh"), Dense(2)], "cross_entropy", 2, random_state=0)
    first, again = (network.gradient_check(*some_rows(), max_entries=20) for _ in range(2))
    assert first == again
    assert first.n_checked == 20
    assert first.passed


def test_a_network_without_parameters_has_nothing_to_be_wrong():
    network = Network([Activation("tanh")], "squared_error", 2)
    loss, gradient = network.loss_and_gradient([[0.0, 0.0]], [[1.0, 3.0]])
    assert loss == 5.0
    assert gradient.shape == (0,)
    check = network.gradient_check([[0.0, 0.0]], [[1.0, 3.0]])
    assert check.passed
    assert check.n_checked == 0


@pytest.mark.parametrize("first", [Dropout(0.5), Activation("tanh"), LayerNorm()])
def test_layers_without_weights_may_come_first(first):
    network = Network([first, Dense(3, "tanh"), Dense(2)], "cross_entropy", 2, random_state=0)
    assert network.gradient_check(*some_rows()).passed


# --- descriptions ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(0.1), Quantile((0.1, 0.9)), loss_named("huber", delta=0.5), loss_named("poisson")]
)
def test_a_description_survives_json_and_makes_the_network_again(loss, dtype):
    layers = [Dense(3, "selu", "lecun_normal"), LayerNorm(1e-3), Activation("mish"), Dropout(0.25), Dense(2)]
    network = Network(layers, loss, 2, dtype, reduction="sum", random_state=5)
    again = network_from(json.loads(json.dumps(network.describe())), network.params.copy())
    assert again.describe() == network.describe()
    assert again.dtype == network.dtype
    assert again.blocks == network.blocks
    X = some_rows()[0]
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    y = np.zeros(7) if network.loss.name == "quantile" else np.eye(2)[some_rows()[1]]
    np.testing.assert_array_equal(again.loss_and_gradient(X, y)[1], network.loss_and_gradient(X, y)[1])


def test_a_description_holds_the_sizes_of_each_layer():
    description = a_network().describe()
    sizes = [(layer["n_inputs"], layer["n_outputs"], layer["n_parameters"]) for layer in description["layers"]]
    assert sizes == [(2, 3, 9), (3, 3, 6), (3, 2, 8)]
    assert description["n_features"] == 2
    assert description["loss"] == {"name": "cross_entropy", "label_smoothing": 0.0}
    assert (description["reduction"], description["dtype"]) == ("mean", "float64")


def test_a_network_says_what_it_is_in_one_line():
    text = repr(a_network())
    assert text.startswith("Network(2 features -> Dense 3 tanh -> LayerNorm -> Dense 2 identity, loss=cross_entropy")
    assert text.endswith("23 parameters)")


def test_parameters_of_another_network_are_refused():
    with pytest.raises(OptionError, match=r"params must be a vector of 23 numbers, got \(5,\)"):
        network_from(a_network().describe(), np.zeros(5))


# --- bad arguments ---


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"reduction": "mena"}, "reduction must be one of 'mean', 'sum', got 'mena'. Did you mean 'mean'?"),
        ({"dtype": np.int64}, "dtype must be float32 or float64, got <class 'numpy.int64'>"),
        ({"layers": []}, "layers must hold layers, at least one, got []"),
        ({"layers": [3]}, "layers must hold layers, at least one, got [3]"),
        ({"dtype": "foo"}, "dtype must be float32 or float64, got 'foo'"),
        ({"n_features": 0}, "n_features must be a whole number of at least 1, got 0"),
        ({"n_features": 2.7}, "n_features must be a whole number of at least 1, got 2.7"),
    ],
)
def test_options_that_cannot_be_are_refused(options, text):
    arguments = {"layers": [Dense(2)], "loss": "cross_entropy", "n_features": 2} | options
    with pytest.raises(OptionError) as caught:
        Network(**arguments)
    assert str(caught.value) == text


@pytest.mark.parametrize("method", ["predict", "hidden"])
def test_another_number_of_columns_is_refused(method):
    with pytest.raises(DataError, match="X has 3 features, but Network is expecting 2 features as input"):
        getattr(a_network(), method)(np.ones((4, 3)))


def test_a_vector_where_a_matrix_is_needed_is_told_of_predict_one():
    with pytest.raises(DataError) as caught:
        a_network().predict(np.ones(2))
    text = "X must be a matrix, one sample a row, got (2,). For one sample: predict_one."
    assert str(caught.value) == text


def test_a_column_of_another_height_is_refused():
    with pytest.raises(DataError, match=r"x must be a column of 2 numbers, got \(3, 1\)"):
        a_network().predict_one(np.ones((3, 1)))


def test_targets_of_another_length_are_refused():
    with pytest.raises(DataError, match="y must have as many rows as X, 7, got 6"):
        a_network().loss_and_gradient(some_rows()[0], [0] * 6)


@pytest.mark.parametrize(
    ("weights", "place", "got"),
    [
        ([1.0, 2.0], "", "(2,)"),
        (np.ones((3, 1)), "", "(3, 1)"),
        ([1.0, -0.5, 1.0], "row 2: ", "-0.5"),
        ([1.0, np.inf, 1.0], "row 2: ", "inf"),
        ([np.nan, 1.0, 1.0], "row 1: ", "nan"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, place, got):
    with pytest.raises(DataError) as caught:
        a_network().loss_and_gradient(np.ones((3, 2)), [0, 1, 0], weights)
    rule = "sample_weight must be 3 finite numbers of at least 0, one for each row"
    assert str(caught.value) == f"{place}{rule}, got {got}"


# --- a layer of one's own ---


def test_a_layer_of_ones_own_joins_the_chain():
    class Double(Layer):
        def forward(self, P, X, random):
            return 2.0 * X, None

        def backward(self, P, cache, dA, input_gradient=True):
            return 2.0 * dA, {}

        def describe(self):
            return {"kind": "Double"}

    network = Network([Dense(3, "tanh"), Double(), Dense(2)], "cross_entropy", 2, random_state=0)
    X, y = some_rows()
    hidden = np.tanh(X @ network.coefs[0] + network.intercepts[0])
    expected = softmax(2.0 * hidden @ network.coefs[1] + network.intercepts[1])
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-13)
    assert network.gradient_check(X, y).passed


def test_softmax_of_one_output_node_is_refused():
    network = Network([Dense(1)], "cross_entropy", 2, random_state=0)
    with pytest.raises(OptionError, match="^loss needs at least 2 output nodes; for one node there is "):
        network.loss_and_gradient(np.ones((3, 2)), [0, 0, 0])


def test_no_rows_and_no_numbers_are_refused():
    network = a_network()
    with pytest.raises(DataError, match=r"^X must hold at least one row, got \(0, "):
        network.loss_and_gradient(np.ones((0, network.n_features)), [])
    with pytest.raises(DataError, match="^X must be numbers in rows of equal length, got 'list'$"):
        network.predict([["a"] * network.n_features])


def test_a_row_of_weight_zero_cannot_bring_in_an_infinity():
    network = Network([Dense(1)], "poisson", 1, random_state=0)
    X, y = np.array([[1.0], [2.0], [1e308]]), np.array([1.0, 2.0, 3.0])
    loss, gradient = network.loss_and_gradient(X, y, [1.0, 1.0, 0.0])
    expected_loss, expected = network.loss_and_gradient(X[:2], y[:2])
    assert loss == expected_loss
    assert np.array_equal(gradient, expected)


def test_weights_whose_sum_overflows_are_refused():
    with pytest.raises(DataError, match="^sample_weight must have a sum that float64 can hold, got inf$"):
        Network([Dense(1)], "squared_error", 1).loss_and_gradient([[1.0], [2.0]], [1.0, 2.0], [1e308, 1e308])


def test_split_cuts_a_flat_gradient_into_its_blocks():
    network = a_network()
    _, gradient = network.loss_and_gradient(np.ones((2, network.n_features)), [0, 1])
    parts = network.split(gradient)
    assert list(parts) == [block.name for block in network.blocks]
    assert np.array_equal(np.concatenate([part.ravel() for part in parts.values()]), gradient)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_has_a_flat_vector_of_its_own(twin_of):
    network = a_network()
    twin = twin_of(network)
    twin.params[:] = 0.0
    assert all(not W.any() for W in twin.coefs)
    assert all(W.any() for W in network.coefs)


def test_what_float32_cannot_hold_is_refused_with_its_place():
    network = Network([Dense(1)], "squared_error", 2, np.float32, random_state=0)
    with pytest.raises(DataError, match=r"^row 2: column 1 X must be finite in float32, got inf$"):
        network.predict([[1.0, 2.0], [3.0, 1e39]])
