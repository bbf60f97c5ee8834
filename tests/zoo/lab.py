"""Data, and classifiers that are trained once for all members of the zoo."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from frontdef.attacks.native.pgd import pgd
from frontdef.checks.masking.budget import Budget
from frontdef.config import Config
from frontdef.datasets import Split
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.stage import Stage
from frontdef.threat import ThreatModel
from frontdef.training import fit_classifier

from .tasks import TASKS, Task

SHAPE = (1, 28, 28)
SAMPLES, MOST = 64, 128
"""Samples of a diagnosis's first look, and the most that it may take."""

BUDGET = Budget(
    steps=20, restarts=2, noise=20, queries=150, passes=3, directions=5, binarized=10, inner=99, eot=4, judge=16
)
"""What a diagnosis of the zoo may spend, unless it is asked for the default."""

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


def dense(values: int = 784, classes: int = 10) -> nn.Module:
    """A fully connected network, several times cheaper than the CNN: what most members are made of."""
    return nn.Sequential(nn.Flatten(), nn.Linear(values, 128), nn.ReLU(), nn.Linear(128, classes))


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
        task: What the images show.
    """

    def __init__(self, seed: int = 0, task: Task = "digits") -> None:
        digits = get_dataset("digits")
        self.seed, self.task = seed, task
        make, generator = TASKS[task], torch.Generator().manual_seed(seed)
        self.train: Split = make(digits.load("train"), generator)
        test = make(digits.load("test"), generator)
        self.test: Split = test.take(min(MOST, len(test)), seed)
        self._labs: dict[Task, Lab] = {task: self}

    def on(self, task: Task) -> Lab:
        """The laboratory of another task."""
        if task not in self._labs:
            self._labs[task] = Lab(self.seed, task)
        return self._labs[task]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C,H,W)`` of its images."""
        return tuple(self.test.images.shape[1:])

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.train.labels.max()) + 1

    def dense(self) -> nn.Module:
        """A dense network that reads its images."""
        return dense(self.test.images[0].numel(), self.classes)

    def fit(self, build, front_end=None, *stages) -> nn.Module:
        """Train a fresh classifier behind a front end."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            classifier = build()
        fit_classifier(front_end or Identity(Config()), classifier, self.train, stages or (CLEAN,), seed=self.seed)
        return classifier

    def behind(self, front_end: FrontEnd, build=None) -> Protected:
        """A front end with a classifier that was trained behind it."""
        return Protected(front_end, self.fit(build or self.dense, front_end), image_shape=self.shape)

    def bare(self, classifier: nn.Module) -> Protected:
        """A classifier with no front end."""
        return Protected(Identity(Config()), classifier, image_shape=self.shape)

    @cached_property
    def undefended(self) -> nn.Module:
        return self.fit(self.dense)

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
