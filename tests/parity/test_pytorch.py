"""The same start, the same data, the same ten steps in PyTorch, in float64.

PyTorch is no dependency: without it these tests are skipped, and say so. With CI=1 a missing PyTorch is a failure.
"""

import os
import warnings

import numpy as np
import pytest

from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.layers import Activation, Dense, LayerNorm, layer_norm, layer_norm_backward
from glassnet.maths.losses import LOSSES, loss_named
from glassnet.maths.optimisers import OPTIMISERS, optimiser_named
from glassnet.maths.schedules import Cosine, OneCycle, ReduceOnPlateau, StepDecay, WarmUp
from glassnet.network import Network
from glassnet.training.backend import ReferenceBackend, Rows

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from torch.nn import functional
except ImportError:
    if os.environ.get("CI"):
        pytest.fail("parity with PyTorch must be shown where CI is set, but PyTorch is not installed")
    pytest.skip("parity with PyTorch not shown: PyTorch is not installed", allow_module_level=True)

pytestmark = pytest.mark.parity

STEPS, ROWS, BATCH, FEATURES = 10, 12, 4, 3
QUANTILES = (0.1, 0.5, 0.9)
RATES = {"gradient_descent": 0.2, "momentum": 0.05, "nesterov": 0.05, "rmsprop": 0.01, "adam": 0.01, "adamw": 0.01}

THEIR_OPTIMISERS = {
    "gradient_descent": torch.optim.SGD,
    "momentum": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9),
    "nesterov": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr, weight_decay=0.0),
}


def pinball(Z, T, reduction="mean"):
    """The quantile loss, which PyTorch does not have; its slope is autograd's."""
    q = torch.tensor(QUANTILES, dtype=torch.float64)
    losses = torch.maximum(q * (T - Z), (q - 1) * (T - Z))
    return losses.mean() if reduction == "mean" else losses


THEIR_LOSSES = {
    "cross_entropy": functional.cross_entropy,
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
    "multilabel": functional.binary_cross_entropy_with_logits,
    "squared_error": functional.mse_loss,
    "absolute_error": functional.l1_loss,
    "huber": lambda Z, T, **options: functional.huber_loss(Z, T, delta=0.5, **options),
    "quantile": pinball,
    "poisson": lambda Z, T, **options: functional.poisson_nll_loss(Z, T, log_input=True, full=False, **options),
}

THEIR_ACTIVATIONS = {
    "identity": lambda Z: Z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": lambda Z: functional.softplus(Z, threshold=1e3),  # theirs is linear from 20 on: 2e-9 off
}


def problem(name):
    """Our loss, the number of outputs, X and targets that suit it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, FEATURES))
    n_outputs = {"binary_cross_entropy": 1}.get(name, 3)
    options = {"huber": {"delta": 0.5}, "quantile": {"quantiles": QUANTILES}}.get(name, {})
    y = {
        "cross_entropy": rng.integers(3, size=ROWS),
        "binary_cross_entropy": rng.integers(2, size=ROWS),
        "multilabel": rng.integers(2, size=(ROWS, 3)),
        "quantile": rng.normal(size=ROWS),
        "poisson": rng.poisson(2.0, size=(ROWS, 3)),
    }.get(name, rng.normal(size=(ROWS, n_outputs)))
    return loss_named(name, **options), n_outputs, X, y


def order_of_rows():
    """Row numbers of ten batches: three epochs in different orders, and one batch more."""
    rng = np.random.default_rng(1)
    return np.concatenate([rng.permutation(ROWS) for _ in range(4)])[: STEPS * BATCH].reshape(STEPS, BATCH)


class Theirs:
    """The network built again on PyTorch's tensors and functions, with autograd for its backward pass."""

    def __init__(self, network):
        self.layers = network.layers
        self.blocks = [
            torch.tensor(network.params[b.slice].reshape(b.shape), requires_grad=True) for b in network.blocks
        ]
        self.roles = [block.role for block in network.blocks]

    @property
    def weights(self):
        return [p for p, role in zip(self.blocks, self.roles, strict=True) if role == "weight"]

    @property
    def others(self):
        return [p for p, role in zip(self.blocks, self.roles, strict=True) if role != "weight"]

    @property
    def flat(self):
        return np.concatenate([p.detach().numpy().ravel() for p in self.blocks])

    def scores(self, X):
        parameters = iter(self.blocks)
        A = torch.as_tensor(X)
        for layer in self.layers:
            if isinstance(layer, Dense):
                W, b = next(parameters), next(parameters)
                A = THEIR_ACTIVATIONS[layer.activation.name](functional.linear(A, W.T, b))
            elif isinstance(layer, LayerNorm):
                scale, shift = next(parameters), next(parameters)
                A = functional.layer_norm(A, A.shape[-1:], scale, shift, layer.epsilon)
            else:
                A = THEIR_ACTIVATIONS[layer.activation.name](A)
        return A


def ten_steps_agree(loss, y, X, network, name, their_loss, *, rates=None, weight_decay=0.0, group_decay=0.0, **ours):
    """Train both for ten steps; every loss on the way and every parameter after each step must be equal to 1e-9.

    weight_decay : ours, decoupled.   group_decay : theirs, in the group of weights alone.
    """
    T = loss.targets(y, network.n_outputs, np.float64)
    theirs = Theirs(network)
    rates = np.full(STEPS, RATES[name]) if rates is None else rates
    backend = ReferenceBackend(network, optimiser_named(name), Rows(X, T), batch_size=BATCH, **ours)
    state = backend.start()
    groups = [{"params": theirs.weights, "weight_decay": group_decay}, {"params": theirs.others, "weight_decay": 0.0}]
    optimizer = THEIR_OPTIMISERS[name](groups, lr=RATES[name])
    begin = theirs.flat
    for rows, rate in zip(order_of_rows(), rates, strict=True):
        loss_times_rows, finite = backend.run(state, rows, np.array([[rate, weight_decay, 1.0, 1.0]]))
        assert finite
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        value = their_loss(theirs, rows)
        optimizer.step()
        np.testing.assert_allclose(loss_times_rows / BATCH, value, rtol=0, atol=1e-9)
        np.testing.assert_allclose(state["params"], theirs.flat, rtol=0, atol=1e-9)
    assert np.abs(theirs.flat - begin).max() > 1e-3  # they went somewhere


def their_step(name, y, X, *, l1=0.0, l2=0.0, clip_norm=None, **options):
    """Loss and backward pass in PyTorch: penalties as terms of the loss, clipping by their function."""

    def step(theirs, rows):
        T = torch.as_tensor(y[rows])
        T = T if name == "cross_entropy" else T.to(torch.float64)
        Z = theirs.scores(X[rows])
        T = T[:, None] if T.ndim < Z.ndim and name != "cross_entropy" else T
        value = THEIR_LOSSES[name](Z, T, **options)
        penalty = sum(0.5 * l2 * (W**2).sum() + l1 * W.abs().sum() for W in theirs.weights)
        (value + penalty).backward()
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(theirs.blocks, clip_norm)
        return value.item()

    return step


def network_for(loss, n_outputs):
    layers = [Dense(5, "tanh"), LayerNorm(), Dense(4, "gelu"), Dense(n_outputs)]
    return Network(layers, loss, FEATURES, random_state=3)


@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_ten_steps_of_each_optimiser_on_each_loss(name, optimiser):
    loss, n_outputs, X, y = problem(name)
    decay = 0.1 if optimiser == "adamw" else 0.0
    ten_steps_agree(
        loss,
        y,
        X,
        network_for(loss, n_outputs),
        optimiser,
        their_step(name, y, X),
        weight_decay=decay,
        group_decay=decay,
    )


@pytest.mark.parametrize("optimiser", ["gradient_descent", "momentum", "nesterov", "rmsprop", "adam"])
def test_our_l2_is_their_weight_decay_on_the_weights(optimiser):
    loss, n_outputs, X, y = problem("cross_entropy")
    network, step = network_for(loss, n_outputs), their_step("cross_entropy", y, X)
    ten_steps_agree(loss, y, X, network, optimiser, step, l2=0.3, group_decay=0.3)


def test_our_decoupled_decay_is_theirs_in_plain_gradient_descent():
    # P (1 - rate · decay) - rate · G = P - rate · (G + decay · P), which is what SGD calls weight decay.
    loss, n_outputs, X, y = problem("squared_error")
    network, step = network_for(loss, n_outputs), their_step("squared_error", y, X)
    ten_steps_agree(loss, y, X, network, "gradient_descent", step, weight_decay=0.3, group_decay=0.3)


@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
def test_penalties_as_terms_of_the_loss_and_clipping(optimiser):
    loss, n_outputs, X, y = problem("cross_entropy")
    options = {"l1": 0.02, "l2": 0.1, "clip_norm": 0.5}
    network, step = network_for(loss, n_outputs), their_step("cross_entropy", y, X, **options)
    ten_steps_agree(loss, y, X, network, optimiser, step, **options)


def test_label_smoothing():
    _, n_outputs, X, y = problem("cross_entropy")
    loss = loss_named("cross_entropy", label_smoothing=0.2)
    step = their_step("cross_entropy", y, X, label_smoothing=0.2)
    ten_steps_agree(loss, y, X, network_for(loss, n_outputs), "adam", step)


def test_a_schedule_of_rates():
    loss, n_outputs, X, y = problem("huber")
    rates = 0.05 * OneCycle().factors(np.arange(STEPS), 1, STEPS)
    ten_steps_agree(loss, y, X, network_for(loss, n_outputs), "adam", their_step("huber", y, X), rates=rates)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_and_slopes_of_weighted_rows(name):
    loss, n_outputs, X, y = problem(name)
    weights = np.random.default_rng(4).uniform(0.0, 3.0, ROWS)
    network = network_for(loss, n_outputs)
    theirs = Theirs(network)
    T = torch.as_tensor(y) if name == "cross_entropy" else torch.as_tensor(y, dtype=torch.float64)
    Z = theirs.scores(X)
    T = T[:, None] if T.ndim < Z.ndim and name != "cross_entropy" else T
    rows = THEIR_LOSSES[name](Z, T, reduction="none")
    rows = rows.mean(dim=1) if rows.ndim == 2 else rows
    w = torch.as_tensor(weights)
    value = (w * rows).sum() / w.sum()
    value.backward()
    ours, gradient = network.loss_and_gradient(X, y, weights)
    assert ours == pytest.approx(value.item(), rel=1e-12)
    expected = np.concatenate([p.grad.numpy().ravel() for p in theirs.blocks])
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_each_activation_and_its_slope_also_at_its_kink(name):
    Z = np.concatenate([np.linspace(-30, 30, 121), [-100.0, -1e-9, 1e-9, 100.0]])  # 0 is among them
    tensor = torch.tensor(Z, requires_grad=True)
    A = THEIR_ACTIVATIONS[name](tensor)
    A.sum().backward()
    ours = ACTIVATIONS[name].forward(Z)
    np.testing.assert_allclose(ours, A.detach().numpy(), rtol=1e-13, atol=1e-14)
    slopes = ACTIVATIONS[name].backward(np.ones_like(Z), Z, ours)
    np.testing.assert_allclose(slopes, tensor.grad.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_ten_steps_of_a_network_with_each_activation(name):
    loss, n_outputs, X, y = problem("squared_error")
    layers = [Dense(5), Activation(name), Dense(5, name), Dense(n_outputs)]
    network = Network(layers, loss, FEATURES, random_state=3)
    ten_steps_agree(loss, y, X, network, "nesterov", their_step("squared_error", y, X))


def test_layer_normalisation_and_its_slopes():
    rng = np.random.default_rng(5)
    X, scale, shift, dA = (rng.normal(size=shape) for shape in ((6, 5), (5,), (5,), (6, 5)))
    tensors = [torch.tensor(array, requires_grad=True) for array in (X, scale, shift)]
    theirs = functional.layer_norm(tensors[0], (5,), tensors[1], tensors[2], 1e-5)
    (torch.as_tensor(dA) * theirs).sum().backward()
    A, N, spread = layer_norm(X, scale, shift, 1e-5)
    np.testing.assert_allclose(A, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
    for ours, tensor in zip(layer_norm_backward(dA, N, spread, scale), tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-11, atol=1e-13)


# --- schedules ---


def their_factors(make, steps, losses=None):
    """The learning rates that a scheduler of theirs sets for each step, from a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    factors = []
    for step in range(steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if losses is None else [losses[step]]))
    return factors


def test_cosine():
    theirs = their_factors(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=50, eta_min=0.1), 50)
    np.testing.assert_allclose(Cosine(0.1).factors(np.arange(50), 5, 50), theirs, rtol=1e-12)


def test_steps():
    theirs = their_factors(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=7, gamma=0.3), 50)
    np.testing.assert_allclose(StepDecay(7, 0.3).factors(np.arange(50), 1, 50), theirs, rtol=1e-12)


def test_warm_up():
    theirs = their_factors(
        lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=1 / 8, end_factor=1.0, total_iters=7), 20
    )
    np.testing.assert_allclose(WarmUp(8).factors(np.arange(20), 1, 20), theirs, rtol=1e-12)


def test_one_cycle():
    # Theirs ends with its last step, ours after it: their peak is at step 0.3 · 41 - 1 = 11.3 of 40.
    theirs = their_factors(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=1.0, total_steps=41, pct_start=0.3, div_factor=25.0, final_div_factor=400.0, cycle_momentum=False
        ),
        40,
    )
    ours = OneCycle(peak=11.3 / 40, start=1 / 25, final=1 / 10_000).factors(np.arange(40), 1, 40)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("patience", [0, 2, 5])
@pytest.mark.parametrize("floor", [0.0, 0.02])
def test_reduction_on_a_plateau(patience, floor):
    rng = np.random.default_rng(6)
    losses = (np.exp(-np.arange(60) / 4) + 0.1 * rng.random(60)).tolist()  # soon nothing but noise
    theirs = their_factors(
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(
            o, factor=0.5, patience=patience, threshold=1e-4, min_lr=floor, eps=0.0
        ),
        60,
        losses,
    )
    schedule = ReduceOnPlateau(0.5, patience, floor=floor)
    ours = [schedule.factor_after(losses[:epoch]) for epoch in range(60)]
    assert len(set(ours)) > 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
