"""What ART 1.20.1's own adversarial trainers do, against the papers: why this plugin does not train with them.

Each test pins one finding of docs/defenses/advtrain.md, and fails when ART changes it.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from art.attacks.evasion import ProjectedGradientDescent
from art.defences.trainer import (
    AdversarialTrainerFBFPyTorch,
    AdversarialTrainerMadryPGD,
    AdversarialTrainerTRADESPyTorch,
)
from art.estimators.classification import PyTorchClassifier
from torch import nn
from torch.nn import functional as F

EPS = 0.2


class Recorder(nn.Module):
    """A network with batch norm that remembers each batch that it reads, in which mode, and whether for training."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3))
        self.seen = []

    def forward(self, x):
        self.seen.append((x.detach().clone(), self.training))
        return self.net(x)


def as_art(optimizer=None, **arguments):
    model = Recorder()
    optimizer = (optimizer or (lambda parameters: torch.optim.SGD(parameters, lr=0.01)))(model.parameters())
    return PyTorchClassifier(
        model, nn.CrossEntropyLoss(), (1, 4, 4), 3, optimizer, clip_values=(0, 1), device_type="cpu", **arguments
    )


@pytest.fixture
def samples():
    generator = np.random.RandomState(0)
    x = np.clip(1.4 * generator.rand(24, 1, 4, 4) - 0.2, 0, 1).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[generator.randint(3, size=24)]


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)
    torch.manual_seed(0)


def pgd(classifier, **arguments):
    arguments = {"eps": EPS, "eps_step": 0.05, "max_iter": 4, "batch_size": 24, "verbose": False, **arguments}
    return ProjectedGradientDescent(classifier, **arguments)


def statistics(classifier):
    return classifier.model.net[2].num_batches_tracked.item()


class TestFBF:
    """`AdversarialTrainerFBFPyTorch`, Wong et al. 2020, algorithm 3."""

    def test_examples_are_right(self, samples):
        """In the ball and in the box, one step of 1.25 ε from a uniformly random point."""
        classifier = as_art()
        AdversarialTrainerFBFPyTorch(classifier, eps=EPS)._batch_process(*samples, 0.0)
        (start, _), (example, _) = classifier.model.seen
        x = torch.from_numpy(samples[0])
        assert (example - x).abs().max() <= EPS + 1e-6
        assert 0 <= example.min() <= example.max() <= 1
        probe = start.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(
            F.cross_entropy(classifier.model.eval()(probe), torch.from_numpy(samples[1]).argmax(1)), probe
        )
        expected = (x + (start - x + 1.25 * EPS * gradient.sign()).clamp(-EPS, EPS)).clamp(0, 1)
        assert ((example - expected).abs() < 1e-6).double().mean() > 0.95

    def test_its_gradient_is_taken_outside_the_box(self, samples):
        """The paper's code cuts the random start to [0,1] first; here up to ε lies outside, where no image is."""
        classifier = as_art()
        AdversarialTrainerFBFPyTorch(classifier, eps=EPS)._batch_process(*samples, 0.0)
        start = classifier.model.seen[0][0]
        assert start.min() < -EPS / 2
        assert start.max() > 1 + EPS / 2

    def test_it_trains_in_eval_mode(self, samples):
        """The model is left as the attack had it: no statistics are learned, no dropout is active."""
        classifier = as_art()
        classifier.model.train()
        AdversarialTrainerFBFPyTorch(classifier, eps=EPS).fit(*samples, batch_size=8, nb_epochs=2)
        assert not any(training for _, training in classifier.model.seen)
        assert statistics(classifier) == 0

    @pytest.mark.parametrize("lr", [1e-4, 1.0])
    def test_the_learning_rate_is_its_own(self, samples, lr, monkeypatch):
        """Up to 0.21 and down to 0 by 0.4 of the epochs, whatever the optimizer was given, Adam too."""
        classifier = as_art(lambda parameters: torch.optim.Adam(parameters, lr=lr))
        trainer, rates = AdversarialTrainerFBFPyTorch(classifier, eps=EPS), []
        process = trainer._batch_process
        monkeypatch.setattr(trainer, "_batch_process", lambda x, y, rate: (rates.append(rate), process(x, y, rate))[1])
        trainer.fit(*samples, batch_size=24, nb_epochs=5)
        assert rates == pytest.approx([0.105, 0.21, 0.14, 0.07, 0.0])
        assert classifier.optimizer.param_groups[0]["lr"] == 0

    def test_it_clips_gradients(self, samples, monkeypatch):
        """To a norm of 0.5 for all parameters, which no argument changes."""
        norms = []
        monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda parameters, norm: norms.append(norm))
        AdversarialTrainerFBFPyTorch(as_art(), eps=EPS).fit(*samples, batch_size=24, nb_epochs=1)
        assert norms == [0.5]

    def test_its_default_radius_is_for_gray_levels(self):
        """ε = 8, also for images in [0,1], where it is the whole cube; nothing says so."""
        assert AdversarialTrainerFBFPyTorch(as_art())._eps == 8


class TestTRADES:
    """`AdversarialTrainerTRADESPyTorch`, Zhang et al. 2019."""

    def batch(self, samples, beta=6.0):
        classifier = as_art()
        before = {name: value.clone() for name, value in classifier.model.state_dict().items()}
        trainer = AdversarialTrainerTRADESPyTorch(classifier, pgd(classifier), beta=beta)
        loss, _, n = trainer._batch_process(*samples)
        return classifier, before, loss / n

    def test_its_attack_is_whatever_it_is_given_on_the_labels(self, samples):
        """Equation 5 maximizes the divergence from the clean prediction; an attack on labels can't."""
        classifier, *_ = self.batch(samples)
        clean, attacked = (images for images, training in classifier.model.seen if training)
        untrained = as_art()
        np.testing.assert_array_equal(clean.numpy(), samples[0])
        np.testing.assert_allclose(attacked.numpy(), pgd(untrained).generate(*samples), atol=1e-6)
        divergent = self.divergent(as_art().model, torch.from_numpy(samples[0]))
        model = as_art().model.eval()
        assert self.divergence(model, clean, divergent) > 1.1 * self.divergence(model, clean, attacked)

    def test_its_loss_is_right(self, samples):
        """Cross-entropy of the clean batch plus β·KL(clean ‖ attacked), means over the batch, both in training mode."""
        classifier, before, loss = self.batch(samples)
        model = Recorder()
        model.load_state_dict(before)
        clean, attacked = (model.train()(images) for images, training in classifier.model.seen if training)
        p, q = clean.softmax(1), attacked.softmax(1)
        expected = F.cross_entropy(clean, torch.from_numpy(samples[1])) + 6 * (p * (p / q).log()).sum(1).mean()
        assert loss == pytest.approx(float(expected), rel=1e-5)
        assert statistics(classifier) == 2

    def test_it_crafts_in_eval_mode_and_leaves_it(self, samples):
        classifier, *_ = self.batch(samples)
        modes = [training for _, training in classifier.model.seen]
        assert modes[-2:] == [True, True]
        assert not any(modes[:-2])
        assert not classifier.model.training

    @staticmethod
    def divergence(model, clean, attacked):
        p = model(clean).softmax(1)
        return (p * (p / model(attacked).softmax(1)).log()).sum(1).mean().item()

    def divergent(self, model, x):
        model.eval()
        p, current = model(x).softmax(1).detach(), x + 1e-3 * torch.randn_like(x)
        for _ in range(4):
            current.requires_grad_()
            (gradient,) = torch.autograd.grad(F.kl_div(model(current).log_softmax(1), p, reduction="sum"), current)
            current = (x + (current.detach() + 0.05 * gradient.sign() - x).clamp(-EPS, EPS)).clamp(0, 1)
        return current


class TestMadryPGD:
    """`AdversarialTrainerMadryPGD`, Madry et al. 2018, equation 2.1."""

    def trainer(self, classifier, **arguments):
        arguments = {"eps": EPS, "eps_step": 0.05, "max_iter": 4, "nb_epochs": 1, "batch_size": 24, **arguments}
        return AdversarialTrainerMadryPGD(classifier, **arguments)

    def test_it_is_right(self, samples):
        """All of the batch attacked from a random point in eval mode, then one step in training mode."""
        classifier = as_art()
        self.trainer(classifier).fit(*samples)
        (examples,) = (images for images, training in classifier.model.seen if training)
        shuffled = {tuple(image.ravel()): image for image in samples[0]}
        nearest = [min(np.abs(example - image).max() for image in shuffled.values()) for example in examples.numpy()]
        assert 0.5 * EPS < min(nearest) <= max(nearest) <= EPS + 1e-6
        assert 0 <= examples.min() <= examples.max() <= 1
        assert statistics(classifier) == 1

    def test_its_defaults_are_for_gray_levels(self, samples):
        """ε = 8 and a step of 2, also for images in [0,1]: it trains on images of 0 and 1 alone."""
        classifier = as_art()
        AdversarialTrainerMadryPGD(classifier, nb_epochs=1, batch_size=24).fit(*samples)
        (examples,) = (images for images, training in classifier.model.seen if training)
        assert ((examples == 0) | (examples == 1)).double().mean() > 0.95

    def test_a_scheduler_steps_with_every_batch(self, samples):
        """`fit` passes it on to the classifier, whose fit is called for each batch as for one epoch."""
        classifier = as_art()
        scheduler = torch.optim.lr_scheduler.MultiStepLR(classifier.optimizer, [2])
        self.trainer(classifier, nb_epochs=1, batch_size=8).fit(*samples, scheduler=scheduler)
        assert scheduler.last_epoch == 3


TRAINERS = {
    "fbf": lambda classifier: AdversarialTrainerFBFPyTorch(classifier, eps=EPS),
    "trades": lambda classifier: AdversarialTrainerTRADESPyTorch(classifier, pgd(classifier, num_random_init=1), 6.0),
    "madry": lambda classifier: AdversarialTrainerMadryPGD(classifier, eps=EPS, eps_step=0.05, max_iter=2),
}


@pytest.mark.parametrize("name", TRAINERS)
def test_numpys_global_generator_decides(samples, name):
    """Order and random starts come from it; there is no seed to give. Madry's draws from torch's generator as well."""

    def weights(numpy_seed, torch_seed):
        classifier = as_art()
        np.random.seed(numpy_seed)
        torch.manual_seed(torch_seed)
        TRAINERS[name](classifier).fit(*samples, batch_size=8, nb_epochs=1)
        return classifier.model.net[1].weight.detach().clone()

    assert torch.equal(weights(1, 1), weights(1, 1))
    assert torch.equal(weights(1, 1), weights(1, 2)) == (name != "madry")
    assert not torch.equal(weights(1, 1), weights(2, 1))


@pytest.mark.parametrize("name", TRAINERS)
def test_no_progress_is_reported_and_none_can_be_resumed(name):
    trainer = TRAINERS[name](as_art())
    known = set(inspect.signature(trainer.fit).parameters) | set(inspect.signature(type(trainer)).parameters)
    assert not known & {"callback", "callbacks", "progress", "checkpoint", "resume", "seed", "random_state"}
