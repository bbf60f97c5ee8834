"""Data, and classifiers that are trained once for all members of the zoo."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from frontdef.attacks.native.pgd import pgd
from frontdef.config import Config
from frontdef.datasets import Split
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.stage import Stage
from frontdef.threat import ThreatModel
from frontdef.training import fit_classifier

SHAPE = (1, 28, 28)
SAMPLES = 64
THREAT = ThreatModel("linf", 0.15)
CLEAN = Stage(epochs=6, lr=3e-3, batch_size=64)
LONG = Stage(epochs=15, lr=3e-3, batch_size=64)
ADVERSARIAL = Stage(epochs=6, lr=3e-3, batch_size=64, adversarial="linf", eps=THREAT.eps, attack_steps=4)


def cnn() -> nn.Module:
    """A 4x4 convolution of stride 4 and a 3x3 one: small enough for a diagnosis in a second or two.

    The first is written as a reshuffling and a 1x1 convolution, whose gradient is several times cheaper on a CPU.
    """
    return nn.Sequential(
        nn.PixelUnshuffle(4), nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def dense(values: int = 784) -> nn.Module:
    """A fully connected network, several times cheaper than the CNN: what most members are made of."""
    return nn.Sequential(nn.Flatten(), nn.Linear(values, 128), nn.ReLU(), nn.Linear(128, 10))


def nonexpansive() -> nn.Module:
    """Linear layers of spectral norm 1 with ReLU between: no distance in ℓ2 grows (Qian & Wegman 2019)."""
    return nn.Sequential(
        nn.Flatten(), spectral_norm(nn.Linear(784, 128)), nn.ReLU(),
        spectral_norm(nn.Linear(128, 64)), nn.ReLU(), spectral_norm(nn.Linear(64, 10)),
    )  # fmt: skip


class GaussianNoise(FrontEnd[Config]):
    """Adds Gaussian noise of σ = 0.2, at test time too, and says so."""

    randomized = True
    keeps_range = False

    def forward(self, x):
        return x + 0.2 * torch.randn(x.shape, generator=self.generator(x.device), device=x.device)


class Lab:
    """What members are made of.

    Args:
        seed: Of the test samples, the initial weights and the training.
    """

    def __init__(self, seed: int = 0) -> None:
        digits = get_dataset("digits")
        self.seed = seed
        self.train: Split = digits.load("train")
        self.test: Split = digits.load("test").take(SAMPLES, seed)

    def fit(self, build, front_end=None, *stages) -> nn.Module:
        """Train a fresh classifier behind a front end."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            classifier = build()
        fit_classifier(front_end or Identity(Config()), classifier, self.train, stages or (CLEAN,), seed=self.seed)
        return classifier

    def behind(self, front_end: FrontEnd, build=dense) -> Protected:
        """A front end with a classifier that was trained behind it."""
        return Protected(front_end, self.fit(build, front_end), image_shape=SHAPE)

    @cached_property
    def undefended(self) -> nn.Module:
        return self.fit(dense)

    @cached_property
    def binary(self) -> nn.Module:
        """Trained on images of zeros and ones."""

        class Binary(FrontEnd[Config]):
            def forward(self, x):
                return (x >= 0.5).to(x.dtype)

        return self.fit(dense, Binary(Config()))

    @cached_property
    def trades(self) -> nn.Module:
        """Zhang et al. 2019 (arXiv:1901.08573), β = 6, with PGD on the cross-entropy instead of on the divergence."""

        def loss(model, x, y, epoch):
            x_adv = pgd(model, x, y, threat=THREAT, steps=4, step_size=THREAT.eps / 2, random_start=True)
            clean = model(x)
            apart = F.kl_div(model(x_adv).log_softmax(1), clean.softmax(1), reduction="batchmean")
            return F.cross_entropy(clean, y) + (6 if epoch > 2 else 0) * apart

        return self._loop(cnn, loss)

    @cached_property
    def distilled(self) -> nn.Module:
        """Defensive distillation (Papernot et al. 2016, arXiv:1511.04508) at a temperature of 100."""
        teacher = self.undefended
        return self._loop(dense, lambda model, x, y, epoch: F.cross_entropy(model(x) / 100, teacher(x).softmax(1)))

    def _loop(self, build, loss, epochs=8) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = build()
            optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
            for epoch in range(epochs):
                for rows in torch.randperm(len(self.train)).split(64):
                    optimizer.zero_grad()
                    loss(model, self.train.images[rows], self.train.labels[rows], epoch).backward()
                    optimizer.step()
        return model

    @cached_property
    def robust(self) -> nn.Module:
        return self.fit(cnn, None, CLEAN, ADVERSARIAL)
