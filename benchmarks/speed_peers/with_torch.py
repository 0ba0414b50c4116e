"""PyTorch eager, PyTorch compiled, and skorch at equal work."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from speed_peers.program import Program, Weights
from speed_peers.works import BETAS, EPSILON, Work

_MODULES = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def module_of(work: Work) -> nn.Sequential:
    """The network as a chain of modules."""
    widths, parts = work.kind.widths, []
    for p, q in itertools.pairwise(widths):
        parts += [nn.Linear(p, q), _MODULES[work.kind.activation]()]
    return nn.Sequential(*parts[:-1])


def set_weights(module: nn.Module, work: Work) -> None:
    """Give the linear layers our first weights."""
    linears = [part for part in module if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for part, (W, b) in zip(linears, work.weights, strict=True):
            part.weight.copy_(torch.from_numpy(W.T.copy()))
            part.bias.copy_(torch.from_numpy(b.copy()))


def weights_of(module: nn.Module) -> Weights:
    """W (p, q) and b (q,) of the linear layers."""
    linears = [part for part in module if isinstance(part, nn.Linear)]
    return [(part.weight.detach().numpy().T, part.bias.detach().numpy()) for part in linears]


def criterion_of(work: Work) -> nn.Module:
    """The loss, reduced as the work has it."""
    return (nn.CrossEntropyLoss if work.kind.task == "classes" else nn.MSELoss)(reduction=work.kind.reduction)


class Torch(Program):
    """The loop of PyTorch's tutorials: `nn.Sequential`, autograd, `optim.SGD` or the fused `optim.Adam`, eager."""

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        torch.set_num_threads(threads)
        self.X, self.y = torch.from_numpy(work.X), torch.from_numpy(work.y)
        self.batches = []
        if not work.kind.full_batch:
            self.batches = [s for order in work.orders for s in torch.from_numpy(order).split(work.kind.batch)]
        self.module, criterion = module_of(work), criterion_of(work)
        self.loss = self.prepare_loss(lambda x, t: criterion(self.module(x), t))

    def prepare_loss(self, loss: object) -> object:
        return loss

    def reset(self) -> None:
        set_weights(self.module, self.work)
        kind, parameters = self.work.kind, self.module.parameters()
        if kind.optimiser == "descent":
            self.optimiser = torch.optim.SGD(parameters, lr=kind.learning_rate)
        else:
            self.optimiser = torch.optim.Adam(parameters, lr=kind.learning_rate, fused=True)

    def train(self) -> None:
        if self.work.kind.full_batch:
            for _ in range(self.work.kind.epochs):
                self.step(self.X, self.y)
        else:
            for s in self.batches:
                self.step(self.X[s], self.y[s])

    def step(self, x: torch.Tensor, t: torch.Tensor) -> None:
        self.optimiser.zero_grad()
        self.loss(x, t).backward()
        self.optimiser.step()

    def weights(self) -> Weights:
        return weights_of(self.module)


class TorchCompiledLoss(Torch):
    """The same loop with forward, loss and backward through `torch.compile`; the update stays PyTorch's fused one."""

    def prepare_loss(self, loss: object) -> object:
        return torch.compile(loss, fullgraph=True, dynamic=False)


class TorchCompiledStep(Torch):
    """A whole step, gathering and update included, as one function through `torch.compile`, in one graph."""

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        kind = work.kind
        t = torch.arange(1, kind.steps + 1, dtype=torch.float64)
        rates = torch.stack([kind.learning_rate / (1 - BETAS[0] ** t), 1 / torch.sqrt(1 - BETAS[1] ** t)], dim=1)
        self.rates = rates.to(torch.float32).unbind(0)
        update = self.descend if kind.optimiser == "descent" else self.adam
        reduction, activation = kind.reduction, getattr(torch, kind.activation)
        criterion = functional.cross_entropy if kind.task == "classes" else functional.mse_loss

        def loss_at(parameters: list[torch.Tensor], x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            for i in range(0, len(parameters), 2):
                x = functional.linear(x, parameters[i], parameters[i + 1])
                if i + 2 < len(parameters):
                    x = activation(x)
            return criterion(x, target, reduction=reduction)

        def step(
            parameters: list[torch.Tensor],
            moments: list[tuple[torch.Tensor, torch.Tensor]],
            rate: torch.Tensor,
            X: torch.Tensor,
            y: torch.Tensor,
            s: torch.Tensor | None,
        ) -> None:
            x, target = (X, y) if s is None else (X[s], y[s])
            gradients = torch.func.grad(loss_at)(parameters, x, target)
            update(parameters, moments, gradients, rate)

        self.compiled = torch.compile(step, fullgraph=True, dynamic=False)

    def descend(self, parameters: list, moments: list, gradients: list, rate: torch.Tensor) -> None:
        for P, G in zip(parameters, gradients, strict=True):
            P.sub_(self.work.kind.learning_rate * G)

    @staticmethod
    def adam(parameters: list, moments: list, gradients: list, rate: torch.Tensor) -> None:
        for P, (M, V), G in zip(parameters, moments, gradients, strict=True):
            M.mul_(BETAS[0]).add_(G, alpha=1 - BETAS[0])
            V.mul_(BETAS[1]).add_(G * G, alpha=1 - BETAS[1])
            P.sub_(rate[0] * M / (V.sqrt() * rate[1] + EPSILON))

    def reset(self) -> None:
        set_weights(self.module, self.work)
        self.parameters = [P.detach() for P in self.module.parameters()]
        self.moments = [(torch.zeros_like(P), torch.zeros_like(P)) for P in self.parameters]

    def train(self) -> None:
        batches = self.batches or [None] * self.work.kind.epochs
        with torch.no_grad():
            for rate, s in zip(self.rates, batches, strict=True):
                self.compiled(self.parameters, self.moments, rate, self.X, self.y, s)


class Skorch(Program):
    """skorch on the same modules and optimisers, no callbacks; rows in the order of training, an epoch a call."""

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        from skorch import NeuralNetClassifier, NeuralNetRegressor

        torch.set_num_threads(threads)
        kind = work.kind
        make, criterion = (
            (NeuralNetClassifier, nn.CrossEntropyLoss) if kind.task == "classes" else (NeuralNetRegressor, nn.MSELoss)
        )
        adam = {"optimizer": torch.optim.Adam, "optimizer__fused": True}
        self.net = make(
            lambda: module_of(work),
            criterion=criterion,
            criterion__reduction=kind.reduction,
            lr=kind.learning_rate,
            batch_size=kind.batch,
            train_split=None,
            callbacks="disable",
            verbose=0,
            **({"classes": np.unique(work.y)} if kind.task == "classes" else {}),
            **({"optimizer": torch.optim.SGD} if kind.optimiser == "descent" else adam),
        )
        if kind.full_batch:
            self.calls = [(work.X, work.y)] * kind.epochs
        else:
            self.calls = [(work.X[order], work.y[order]) for order in work.orders]

    def reset(self) -> None:
        self.net.initialize()
        set_weights(self.net.module_, self.work)

    def train(self) -> None:
        for X, y in self.calls:
            self.net.fit_loop(X, y, epochs=1)

    def weights(self) -> Weights:
        return weights_of(self.net.module_)
