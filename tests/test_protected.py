"""Protected: counting, expectation over draws, views that see the same model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import frontdef
from frontdef.attacks.guard import isolated
from frontdef.checks.generators import global_states
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.protected import Protected

X = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Noise(frontdef.FrontEnd):
    randomized = True

    def forward(self, x):
        return x + torch.randn(x.shape, generator=self.generator(x.device))


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def make(front_end=None):
    return Protected(front_end or Noise(frontdef.Config()), linear(), image_shape=(1, 4, 4))


def test_passes_are_counted_in_samples():
    protected = frontdef.protect(linear(), image_shape=(1, 4, 4))
    x = X.clone().requires_grad_()
    logits = protected(x)
    torch.autograd.grad(logits.sum(), x, retain_graph=True)
    torch.autograd.grad(logits[:, 0].sum(), x)
    with torch.no_grad():
        protected(X)
    assert (protected.passes.forward, protected.passes.backward) == (12, 12)


def test_prediction_is_not_counted():
    protected = frontdef.protect(linear(), image_shape=(1, 4, 4))
    protected.predict(X)
    assert protected.passes.forward == 0


def test_art_and_foolbox_count_in_the_same_place():
    protected = frontdef.protect(linear(), image_shape=(1, 4, 4))
    protected.art_classifier().predict(X.numpy())
    protected.foolbox_model()(X)
    assert protected.passes.forward == 12


def test_eot_averages_draws():
    protected = make()
    clean = Protected(frontdef.load("none").front_end, protected.classifier)
    averaged = protected.eot(4000)
    assert torch.allclose(averaged(X), clean(X), atol=0.1)
    assert averaged.passes.forward == protected.passes.forward == 6 * 4000


def test_eot_gradient_is_the_mean_of_the_draws_gradients():
    protected = make()
    n = 5
    protected.front_end.reseed(3)
    x = X.clone().requires_grad_()
    (together,) = torch.autograd.grad(protected.eot(n)(x)[:, 0].sum(), x)
    weight = protected.classifier[1].weight[0].view(1, 1, 4, 4)
    assert torch.allclose(together, weight.expand_as(together), atol=1e-6)


def test_eot_over_probabilities_gives_logits_of_their_mean_at_the_level_of_the_draws():
    protected = make()
    protected.front_end.reseed(3)
    averaged = protected.eot(7, average="probabilities")(X)
    protected.front_end.reseed(3)
    draws = protected.classifier(protected.front_end(X.repeat_interleave(7, 0))).view(6, 7, 3)
    assert torch.allclose(averaged.softmax(1), draws.softmax(2).mean(1), atol=1e-6)
    assert torch.allclose(averaged.logsumexp(1), draws.logsumexp(2).mean(1), atol=1e-5)
    protected.front_end.reseed(3)
    alone = protected(X)
    protected.front_end.reseed(3)
    assert torch.allclose(protected.eot(1, average="probabilities")(X), alone, atol=1e-6)


def test_eot_refuses_what_it_cannot_average():
    with pytest.raises(ConfigError, match="at least 1"):
        make().eot(0)
    with pytest.raises(UnknownNameError, match="logits, probabilities"):
        make().eot(2, average="losses")


def test_parameters_are_frozen_and_the_model_is_in_eval_mode():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
    protected = frontdef.protect(net, image_shape=(1, 4, 4))
    assert not any(module.training for module in protected.modules())
    assert not any(parameter.requires_grad for parameter in protected.parameters())


def test_isolated_restores_generators_modes_and_flags():
    protected = make()
    states = global_states()

    def misbehave():
        with isolated(protected, 7):
            torch.rand(3), np.random.rand(3)
            protected.train()
            protected.requires_grad_(True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        misbehave()
    assert global_states() == states
    assert not any(module.training for module in protected.modules())
    assert not any(parameter.requires_grad for parameter in protected.parameters())


def test_isolated_seeds_libraries_and_front_end():
    protected = make()

    def draw():
        with isolated(protected, 7):
            return torch.rand(2).tolist(), np.random.rand(2).tolist(), protected(X).tolist()

    assert draw() == draw()


def test_surrogate_is_switched_back():
    protected = make(frontdef.load("none").front_end)
    with pytest.raises(UnknownNameError), protected.surrogate("smooth"):
        pass
    assert protected.front_end.surrogate.name == "true"
