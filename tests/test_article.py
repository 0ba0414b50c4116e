"""The article's code and numbers: its plain NumPy on one side, `Network` on the other.

The numbers are drawn as the article draws them, by NumPy's older generator, `np.random.seed` and `randn`.
"""

import numpy as np
import pytest

from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.layers import Dense, dense, dense_one
from glassnet.maths.losses import softmax as stable_softmax
from glassnet.maths.optimisers import gradient_descent
from glassnet.maths.slopes import numeric_gradient
from glassnet.network import Network

MEANS = np.array([[0.0, -2.0], [2.0, 2.0], [-2.0, 2.0]])  # of the three clouds
ALPHA = 10e-6


# --- the article's functions, as it prints them ---


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(A):
    expA = np.exp(A)
    return expA / expA.sum(axis=1, keepdims=True)


def three_clouds(random):
    """500 points each around (0, -2), (2, 2) and (-2, 2), with their labels and the one-hot matrix T."""
    X = np.vstack([random.randn(500, 2) + mean for mean in MEANS])
    labels = np.array([0] * 500 + [1] * 500 + [2] * 500)
    T = np.zeros((1500, 3))
    for i in range(1500):
        T[i, labels[i]] = 1
    return X, labels, T


def first_weights(random, features=2, hidden=5, classes=3):
    W1, b1 = random.randn(features, hidden), random.randn(hidden)
    W2, b2 = random.randn(hidden, classes), random.randn(classes)
    return W1, b1, W2, b2


def the_network(W1, b1, W2, b2):
    """The article's network with these weights; its code descends on the sum of the rows' losses."""
    network = Network(
        [Dense(W1.shape[1], "sigmoid", "standard_normal"), Dense(W2.shape[1])],
        loss="cross_entropy",
        n_features=len(W1),
        reduction="sum",
        random_state=0,
    )
    network.params = np.concatenate([W1.ravel(), b1, W2.ravel(), b2])
    return network


def blocks_of(network, vector):
    """The four parts of a flat vector: W1, b1, W2, b2."""
    return [vector[block.slice].reshape(block.shape) for block in network.blocks]


def three_four_three(seed=0):
    """The article's example: five samples, three features, four hidden nodes, three classes."""
    random = np.random.RandomState(seed)
    X = random.randn(5, 3)
    W, b = random.randn(3, 4), random.randn(4)
    W2, b2 = random.randn(4, 3), random.randn(3)
    T = np.eye(3)[[0, 2, 1, 1, 0]]
    return X, T, W, b, W2, b2


# --- numbers it prints ---


def test_its_softmax_of_5_1_1():
    printed = [[0.96466316, 0.01766842, 0.01766842]]
    np.testing.assert_allclose(stable_softmax(np.array([[5.0, 1.0, 1.0]])), printed, atol=5e-9)
    np.testing.assert_allclose(softmax(np.array([[5.0, 1.0, 1.0]])), printed, atol=5e-9)


def test_its_sigmoid_is_ours_until_it_overflows():
    x = np.linspace(-6, 6, 100)
    np.testing.assert_allclose(ACTIVATIONS["sigmoid"].forward(x), sigmoid(x), rtol=1e-15)
    with pytest.warns(RuntimeWarning, match="overflow"):
        sigmoid(np.array([-1000.0]))
    assert ACTIVATIONS["sigmoid"].forward(np.array([-1000.0]))[0] == 0.0


def test_its_softmax_is_ours_until_it_overflows():
    Z = np.random.RandomState(0).randn(5, 3)
    np.testing.assert_allclose(stable_softmax(Z), softmax(Z), rtol=1e-14)
    with pytest.warns(RuntimeWarning):
        assert np.isnan(softmax(np.array([[1000.0, 0.0]]))[0, 0])
    np.testing.assert_array_equal(stable_softmax(np.array([[1000.0, 0.0]])), [[1.0, 0.0]])


def test_its_descent_on_a_bowl():
    # Written as it writes it, and as ours: 0.98 a step on x, so 0.98² a step on f.
    f = lambda x: (x**2).sum()  # noqa: E731 - the article's own line
    f_grad = lambda x: 2 * x  # noqa: E731
    random = np.random.RandomState(0)
    x0 = random.rand(2, 1)
    x = x0
    for _ in range(1000):
        x = x - 0.01 * f_grad(x)
    path = gradient_descent(f_grad, x0, learning_rate=0.01, steps=1000)
    np.testing.assert_array_equal(path[-1], x)
    assert f(path[-1]) == pytest.approx(0.98**2000 * f(x0), rel=1e-9)
    assert f(path[-1]) == pytest.approx(2.3019e-18, rel=1e-4)
    np.testing.assert_allclose(x0[:, 0], [0.5488, 0.7152], atol=5e-5)


# --- the forward pass ---


def test_one_sample_is_a_column_and_many_are_rows():
    X, _, W, b, _, _ = three_four_three()
    Z = X.dot(W) + b
    np.testing.assert_allclose(dense(X, W, b), Z, rtol=1e-15)
    for x, z in zip(X, Z, strict=True):
        np.testing.assert_allclose(dense_one(x[:, None], W, b)[:, 0], z, rtol=1e-13)


def test_its_column_plus_its_bias_of_shape_d_is_a_matrix_by_mistake():
    # As printed, z = W.T.dot(x) + b with x (n, 1) and b of shape (d,): NumPy adds b as a row to each entry of the
    # column, and z becomes (d, d). The column that is meant stands on its diagonal; ours adds b as a column.
    X, _, W, b, _, _ = three_four_three()
    x = X[0][:, None]
    as_printed = W.T.dot(x) + b
    assert as_printed.shape == (4, 4)
    z = dense_one(x, W, b)
    assert z.shape == (4, 1)
    np.testing.assert_allclose(np.diag(as_printed), z[:, 0], rtol=1e-15)
    assert not np.allclose(as_printed, z)


def test_the_3_4_3_example_with_five_samples():
    X, _, W, b, W2, b2 = three_four_three()
    Z = X.dot(W) + b
    A = sigmoid(Z)
    Z2 = A.dot(W2) + b2
    Y = softmax(Z2)
    network = the_network(W, b, W2, b2)
    np.testing.assert_allclose(network.hidden(X), A, rtol=1e-14)
    np.testing.assert_allclose(network.forward(X)[0], Z2, rtol=1e-13)
    np.testing.assert_allclose(network.predict(X), Y, rtol=1e-13)
    np.testing.assert_allclose(network.predict_one(X[3][:, None])[:, 0], Y[3], rtol=1e-13)
    np.testing.assert_allclose(Y.sum(axis=1), 1.0, rtol=1e-14)


def test_the_negative_log_likelihood_is_the_mean_of_its_formula_and_the_sum_of_its_code():
    X, T, *weights = three_four_three()
    network = the_network(*weights)
    Y = network.predict(X)
    total = np.sum(-T * np.log(Y))
    assert network.evaluate(X, T) == pytest.approx(total, rel=1e-13)
    network.reduction = "mean"
    assert network.evaluate(X, T) == pytest.approx(total / 5, rel=1e-13)


# --- the four derivatives ---


def the_four_derivatives(X, T, W1, b1, W2, b2):
    """dL/dW1, dL/db1, dL/dW2, dL/db2 of the summed loss, by the article's formulas."""
    A = sigmoid(X.dot(W1) + b1)
    Y = softmax(A.dot(W2) + b2)
    delta2 = Y - T
    delta1 = delta2.dot(W2.T) * A * (1 - A)
    return X.T.dot(delta1), delta1.sum(axis=0), A.T.dot(delta2), delta2.sum(axis=0)


def test_the_four_derivatives_are_the_gradient_of_the_network():
    X, T, *weights = three_four_three()
    network = the_network(*weights)
    _, gradient = network.loss_and_gradient(X, T)
    for ours, expected in zip(blocks_of(network, gradient), the_four_derivatives(X, T, *weights), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15)


def test_the_four_derivatives_are_numeric_slopes_of_the_articles_own_loss():
    X, T, *weights = three_four_three()
    network = the_network(*weights)

    def loss_of_the_article(vector):
        W1, b1, W2, b2 = blocks_of(network, vector)
        return np.sum(-T * np.log(softmax(sigmoid(X.dot(W1) + b1).dot(W2) + b2)))

    numeric = blocks_of(network, numeric_gradient(loss_of_the_article, network.params))
    for formula, slope in zip(the_four_derivatives(X, T, *weights), numeric, strict=True):
        np.testing.assert_allclose(formula, slope, rtol=1e-8, atol=1e-10)
    assert network.gradient_check(X, T).passed


def test_the_bias_takes_the_sum_of_the_deltas_over_the_samples():
    # The text writes dL/db = δ, a matrix; its code sums over the samples, since b is added to each of them.
    X, T, *weights = three_four_three()
    network = the_network(*weights)
    delta2 = network.predict(X) - T
    assert delta2.shape == (5, 3)
    np.testing.assert_allclose(network.loss_and_gradient(X, T)[1][-3:], delta2.sum(axis=0), rtol=1e-13)


# --- training ---


def test_its_loop_and_the_network_have_the_same_weights_after_100_epochs():
    random = np.random.RandomState(0)
    X, labels, T = three_clouds(random)
    W1, b1, W2, b2 = first_weights(random)
    network = the_network(W1, b1, W2, b2)

    costs, ours = [], []
    for _ in range(100):
        # forward pass
        A = sigmoid(X.dot(W1) + b1)
        Y = softmax(A.dot(W2) + b2)
        costs.append(np.sum(-T * np.log(Y)))
        # backward pass
        delta2 = Y - T
        delta1 = (delta2).dot(W2.T) * A * (1 - A)
        W2 -= ALPHA * A.T.dot(delta2)
        b2 -= ALPHA * (delta2).sum(axis=0)
        W1 -= ALPHA * X.T.dot(delta1)
        b1 -= ALPHA * (delta1).sum(axis=0)

        loss, gradient = network.loss_and_gradient(X, labels)
        network.params -= ALPHA * gradient
        ours.append(loss)

    for block, expected in zip(blocks_of(network, network.params), (W1, b1, W2, b2), strict=True):
        np.testing.assert_allclose(block, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours, costs, rtol=1e-12)
    assert ours[-1] < ours[0]


def test_a_rate_of_1e_5_on_the_sum_is_0_015_on_the_mean():
    random = np.random.RandomState(0)
    X, labels, _ = three_clouds(random)
    weights = first_weights(random)
    on_sum, on_mean = the_network(*weights), the_network(*weights)
    on_mean.reduction = "mean"
    for _ in range(20):
        on_sum.params -= 1e-5 * on_sum.loss_and_gradient(X, labels)[1]
        on_mean.params -= 0.015 * on_mean.loss_and_gradient(X, labels)[1]
    np.testing.assert_allclose(on_sum.params, on_mean.params, rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", range(4))  # benchmarks/article.py runs ten
def test_its_full_run_is_as_good_as_knowing_the_clouds(seed):
    """10,000 epochs reach 96 %, within a point of the nearest of the true means, which no rule can better for long."""
    random = np.random.RandomState(seed)
    X, labels, T = three_clouds(random)
    network = the_network(*first_weights(random))
    losses = []
    for epoch in range(10_000):
        loss, gradient = network.backpropagate(X, T)
        network.params -= ALPHA * gradient
        if epoch % 100 == 0:
            losses.append(loss)
    accuracy = (network.predict(X).argmax(axis=1) == labels).mean()
    nearest_mean = (((X[:, None, :] - MEANS) ** 2).sum(axis=2).argmin(axis=1) == labels).mean()
    assert losses == sorted(losses, reverse=True)  # at this rate each step goes down
    assert accuracy >= 0.96
    assert abs(accuracy - nearest_mean) <= 0.01
