"""What adversarial stages train on, against the papers: Madry et al., Wong et al., TRADES."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from frontdef.attacks.native.pgd import pgd
from frontdef.config import Config
from frontdef.datasets import Split
from frontdef.frontend import Identity
from frontdef.stage import Stage
from frontdef.threat import ThreatModel
from frontdef.training import fit_classifier
from frontdef.training.objectives import OBJECTIVES, Batch

MADRY = Stage(epochs=1, adversarial="linf", eps=0.2, attack_steps=4)
FAST = Stage(epochs=1, adversarial="linf", eps=0.2, attack_steps=1, attack_step=1.25)
TRADES = Stage(epochs=1, adversarial="linf", eps=0.2, attack_steps=4, loss="trades", beta=6.0)


class Normed(nn.Sequential):
    """A network in which training and eval mode differ: batch norm, and dropout."""

    def __init__(self):
        super().__init__(
            nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 3)
        )


@pytest.fixture
def samples():
    generator = torch.Generator().manual_seed(0)
    x = (1.4 * torch.rand(24, 1, 4, 4, generator=generator) - 0.2).clamp(0, 1)
    return x, torch.randint(3, (24,), generator=generator)


def network(cls=Normed):
    torch.manual_seed(1)
    return cls()


def batch_of(stage, classifier, samples):
    front_end = Identity(Config())
    batch = Batch(front_end, classifier, samples[1], stage, classifier.train)
    batch.x = samples[0]
    return batch


def inside(stage, x, examples):
    threat = ThreatModel(stage.adversarial, stage.eps)
    return bool(threat.contains(x, examples).all()) and examples.min() >= 0 and examples.max() <= 1


@pytest.mark.parametrize("stage", [MADRY, FAST, MADRY.model_copy(update={"adversarial": "l2", "eps": 1.0})], ids=str)
def test_examples_are_native_pgd_in_eval_mode(stage, samples):
    classifier = network().train()
    torch.manual_seed(2)
    examples = batch_of(stage, classifier, samples).examples()
    assert classifier.training
    torch.manual_seed(2)
    expected = pgd(
        classifier.eval(),
        *samples,
        threat=ThreatModel(stage.adversarial, stage.eps),
        steps=stage.attack_steps,
        step_size=stage.eps * stage.relative_step,
        random_start=True,
    )
    assert torch.equal(examples, expected)
    assert inside(stage, samples[0], examples)


def test_fast_is_one_step_of_ten_255ths_from_a_random_point(samples):
    """Wong et al. 2020 (arXiv:2001.03994), algorithm 3, written down again: δ ~ U(−ε,ε), δ + 1.25·ε·sign, cut to ±ε."""
    classifier, (x, y) = network().eval(), samples
    torch.manual_seed(2)
    examples = batch_of(FAST, classifier, samples).examples()
    torch.manual_seed(2)
    start = (x + torch.empty_like(x.flatten(1)).uniform_(-0.2, 0.2).view_as(x)).clamp(0, 1)
    classifier.eval()
    start.requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(classifier(start), y), start)
    expected = (x + (start + 0.25 * gradient.sign() - x).clamp(-0.2, 0.2)).clamp(0, 1).detach()
    torch.testing.assert_close(examples, expected)


def test_restarts_keep_what_fooled(samples):
    classifier = network().eval()
    stage = MADRY.model_copy(update={"attack_restarts": 5, "attack_steps": 1, "attack_step": 1e-6})

    def fooled(restarts):
        torch.manual_seed(3)
        batch = batch_of(stage.model_copy(update={"attack_restarts": restarts}), classifier, samples)
        examples = batch.examples()
        return (classifier.eval()(examples).argmax(1) != samples[1]).sum()

    assert fooled(8) > fooled(1)


def test_the_loss_of_trades(samples):
    """Zhang et al. 2019 (arXiv:1901.08573), equation 5: cross-entropy of clean images, β times KL(clean ‖ attacked)."""
    classifier = network().eval()
    batch = batch_of(TRADES, classifier, samples)
    batch.training = classifier.eval
    torch.manual_seed(4)
    loss, logits = OBJECTIVES["trades"](batch)
    torch.manual_seed(4)
    attacked = batch.divergent()
    assert torch.equal(logits, classifier(attacked))
    total = 0.0
    for image, example, label in zip(samples[0], attacked, samples[1], strict=True):
        p, q = (classifier(row[None])[0].double().softmax(0).tolist() for row in (image, example))
        total += -math.log(p[label]) + 6 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert loss.item() == pytest.approx(total / 24, rel=1e-5)


def test_the_attack_of_trades_maximizes_the_divergence_whatever_the_label(samples):
    classifier, (x, y) = network().eval(), samples
    batch = batch_of(TRADES, classifier, samples)
    torch.manual_seed(5)
    divergent = batch.divergent()
    assert inside(TRADES, x, divergent)
    torch.manual_seed(5)
    assert torch.equal(divergent, batch_of(TRADES, classifier, (x, (y + 1) % 3)).divergent())
    classifier.eval()
    clean = classifier(x)

    def divergence(examples):
        return F.kl_div(classifier(examples).log_softmax(1), clean.softmax(1), reduction="batchmean")

    noise = (x + 0.2 * torch.empty_like(x).uniform_(-1, 1).sign()).clamp(0, 1)
    assert divergence(divergent) > 2 * divergence(noise)


def test_the_attack_of_trades_by_hand():
    """Two classes, logits (3u, 0): the divergence grows with |u' − u|, and more towards less certainty."""

    class Slope(nn.Module):
        def forward(self, u):
            u = u.flatten(1)
            return torch.cat([3 * u, torch.zeros_like(u)], dim=1)

    x = torch.full((400, 1, 1, 1), 0.5)
    stage = TRADES.model_copy(update={"attack_steps": 10, "attack_step": 0.25})
    torch.manual_seed(0)
    examples = batch_of(stage, Slope(), (x, torch.zeros(400, dtype=torch.int64))).divergent().flatten()
    # The start decides the side, and the walk then goes to the end of the ball.
    torch.testing.assert_close((examples - 0.5).abs(), torch.full((400,), 0.2))
    assert 150 < (examples > 0.5).sum() < 250


def test_a_certain_network_is_trained_by_trades():
    """Where a probability is 0 in float32, p·log p has the gradient 0, not NaN."""
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with torch.no_grad():
        classifier[1].weight.mul_(2000)
    x, y = torch.rand(24, 1, 4, 4), torch.zeros(24, dtype=torch.int64)
    assert (classifier(x).softmax(1) == 0).any()
    loss, _ = OBJECTIVES["trades"](batch_of(TRADES, classifier, (x, y)))
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, classifier.parameters()))


@pytest.mark.parametrize(("stage", "passes"), [(MADRY, 1), (FAST, 1), (TRADES, 2)], ids=["madry", "fast", "trades"])
def test_batch_norm_learns_from_the_training_passes_alone(stage, passes, samples):
    """Crafting leaves the statistics alone; TRADES then passes the clean and the attacked images in training mode."""
    classifier = network()
    split = Split(*samples, torch.arange(24))
    stage = stage.model_copy(update={"batch_size": 8})
    fit_classifier(Identity(Config()), classifier, split, (stage,), seed=0)
    assert classifier[2].num_batches_tracked == 3 * passes
    assert not classifier.training


@pytest.mark.parametrize("stage", [MADRY, FAST, TRADES], ids=["madry", "fast", "trades"])
def test_the_seed_decides_the_weights(stage, samples):
    def weights(seed):
        classifier = network()
        fit_classifier(Identity(Config()), classifier, Split(*samples, torch.arange(24)), (stage,), seed=seed)
        return classifier[1].weight.detach()

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_training_where_gradients_are_switched_off(samples):
    def weights():
        classifier = network()
        fit_classifier(Identity(Config()), classifier, Split(*samples, torch.arange(24)), (TRADES,), seed=0)
        return classifier[1].weight.detach()

    with torch.no_grad():
        trained = weights()
        assert not torch.is_grad_enabled()
    assert torch.equal(trained, weights())
