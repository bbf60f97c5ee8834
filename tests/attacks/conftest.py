"""Models that the attack tests share: one trained for seconds on digits, and linear ones whose answers are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.attacks.art import ArtLibrary
from frontdef.attacks.families import FAMILIES
from frontdef.attacks.foolbox import FoolboxLibrary
from frontdef.attacks.guard import isolated
from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.native.library import NativeLibrary
from frontdef.attacks.spec import make_spec
from frontdef.attacks.torchattacks import TorchattacksLibrary
from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.protected import Protected

SIDE = 14
LIBRARIES: tuple[AttackLibrary, ...] = (NativeLibrary(), ArtLibrary(), FoolboxLibrary(), TorchattacksLibrary())
ELSEWHERE = {("torchattacks", "square", "l2")}
"""Cannot tile 14 pixels: test_torchattacks_autoattack.py runs the same checks at 28."""

OFFERS = [
    (library.name, *row) for library in LIBRARIES for row in library.table() if (library.name, *row) not in ELSEWHERE
]


def pytest_generate_tests(metafunc):
    """Run a test that asks for ``offer`` once for each row of each library's table."""
    if "offer" in metafunc.fixturenames:
        metafunc.parametrize("offer", OFFERS, ids="-".join)


@pytest.fixture(scope="session")
def libraries() -> dict[str, AttackLibrary]:
    return {library.name: library for library in LIBRARIES}


@pytest.fixture(scope="session")
def attack(libraries) -> Callable[..., Tensor]:
    """``attack(library, family, norm, eps, protected, x, y, **parameters)``, seeded as the runner does it."""
    families = {family.name: family for family in FAMILIES}

    def run(library, family, norm, eps, protected, x, y, seed=0, **parameters):
        spec = make_spec(families[family], norm, eps, parameters, seed)
        with isolated(protected, seed):
            return libraries[library].run(spec, protected, x, y)

    return run


def protect(net: nn.Module, image_shape: tuple[int, ...]) -> Protected:
    return Protected(Identity(Config()), net, image_shape=image_shape)


@pytest.fixture(scope="session")
def wrap() -> Callable[..., Protected]:
    """``wrap(module, image_shape)``: a module that maps images to logits, undefended."""
    return protect


@pytest.fixture(scope="session")
def linear() -> Callable[..., Protected]:
    """``linear(weight, bias, image_shape)``: logits Wx + b."""

    def build(weight, bias=None, image_shape=None):
        weight = torch.as_tensor(weight, dtype=torch.float32)
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias, dtype=torch.float32))
        return protect(nn.Sequential(nn.Flatten(), layer), image_shape or (1, 1, weight.shape[1]))

    return build


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's digits, float32 (1797,1,14,14) in [0,1] with exact zeros around the strokes, and labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    small = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    large = F.interpolate(small, (SIDE, SIDE), mode="bilinear").clamp(0, 1)
    return large, torch.tensor(labels, dtype=torch.int64)


@pytest.fixture(scope="session")
def cnn(digits) -> Protected:
    """A small CNN: random convolutions, a readout fitted by least squares on all but the last 300 digits."""
    images, labels = digits[0][:-300], digits[1][:-300]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(), nn.Flatten()
        )
        readout = nn.Linear(32 * 2 * 2, 10)
    with torch.no_grad():
        inputs = F.pad(features(images).double(), (0, 1), value=1.0)
        ridge = 1e-3 * torch.eye(inputs.shape[1], dtype=torch.float64)
        targets = 10 * F.one_hot(labels, 10).double()
        solution = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ targets).T
        readout.weight.copy_(solution[:, :-1])
        readout.bias.copy_(solution[:, -1])
    return protect(nn.Sequential(features, readout), (1, SIDE, SIDE))


@pytest.fixture(scope="session")
def batch(digits) -> tuple[Tensor, Tensor]:
    """100 digits that the CNN has not seen."""
    return digits[0][-100:].clone(), digits[1][-100:].clone()


class Scaled(nn.Module):
    """Logits times a factor plus a shift: the same classifier to an argmax, another one to a careless attack."""

    def __init__(self, inner: nn.Module, factor: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.inner, self.factor, self.shift = inner, factor, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * self.factor + self.shift


@pytest.fixture(scope="session")
def rescale(cnn) -> Callable[..., Protected]:
    """``rescale(factor, shift)``: the CNN with its logits scaled and shifted."""
    return lambda factor=1.0, shift=0.0: protect(Scaled(cnn.classifier, factor, shift), cnn.image_shape)


def logit_margin(protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    """Largest wrong logit minus the label's."""
    logits = protected.predict(x)
    label = logits.gather(1, y[:, None]).squeeze(1)
    return logits.scatter(1, y[:, None], -torch.inf).amax(1) - label


@pytest.fixture(scope="session")
def margins() -> Callable[..., Tensor]:
    return logit_margin


@pytest.fixture(scope="session")
def right() -> Callable[..., Tensor]:
    """Which images are classified as labeled."""
    return lambda protected, x, y: protected.predict(x.clamp(0, 1)).argmax(1) == y
