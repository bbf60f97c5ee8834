"""Models that the attack tests share: one trained for seconds on digits, and linear ones whose answers are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.guard import isolated
from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import make_spec
from frontdef.protected import Protected
from frontdef.testing import attack_rows, fitted_cnn, linear_model, undefended
from frontdef.testing import libraries as libraries_of
from frontdef.testing.grid import CORE
from frontdef.testing.networks import small_digits

SIDE = 14
LIBRARIES = libraries_of(CORE)
ELSEWHERE = {("torchattacks", "square", "l2")}
"""Cannot tile 14 pixels: test_torchattacks_autoattack.py runs the same checks at 28."""

OFFERS = [row for row in attack_rows(CORE) if row not in ELSEWHERE]


def pytest_generate_tests(metafunc):
    """Run a test that asks for ``offer`` once for each row of each library's table."""
    if "offer" in metafunc.fixturenames:
        metafunc.parametrize("offer", OFFERS, ids="-".join)


@pytest.fixture(scope="session")
def libraries() -> dict[str, AttackLibrary]:
    return LIBRARIES


@pytest.fixture(scope="session")
def attack(libraries) -> Callable[..., Tensor]:
    """``attack(library, family, norm, eps, protected, x, y, **parameters)``, seeded as the runner does it."""
    families = {family.name: family for family in FAMILIES}

    def run(library, family, norm, eps, protected, x, y, seed=0, **parameters):
        spec = make_spec(families[family], norm, eps, parameters, seed)
        with isolated(protected, seed):
            return libraries[library].run(spec, protected, x, y)

    return run


protect = undefended


@pytest.fixture(scope="session")
def wrap() -> Callable[..., Protected]:
    """``wrap(module, image_shape)``: a module that maps images to logits, undefended."""
    return undefended


@pytest.fixture(scope="session")
def linear() -> Callable[..., Protected]:
    """``linear(weight, bias, image_shape)``: logits Wx + b."""
    return linear_model


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's digits, float32 (1797,1,14,14) in [0,1] with exact zeros around the strokes, and labels."""
    return small_digits(SIDE)


@pytest.fixture(scope="session")
def cnn() -> Protected:
    """A small CNN: random convolutions, a readout fitted by least squares on all but the last 300 digits."""
    return fitted_cnn(SIDE)


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
