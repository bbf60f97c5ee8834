"""A small CNN whose readout is fitted to scikit-learn's digits, linear models, and what runs an attack on them."""

from __future__ import annotations

import pytest
import torch
from frontdef_advlib.library import AdvLibrary
from torch import nn
from torch.nn import functional as F

from frontdef import registry
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.protected import Protected

TABLE = AdvLibrary().table()


def pytest_generate_tests(metafunc):
    """Run a test that asks for ``row`` once for each row of the table."""
    if "row" in metafunc.fixturenames:
        metafunc.parametrize("row", list(TABLE), ids="-".join)


@pytest.fixture(scope="session")
def attack():
    """``attack(family, norm, eps, protected, x, y, library="advlib", **parameters)``, seeded as the runner does it."""
    libraries = registry.get_attack_libraries()

    def run(family, norm, eps, protected, x, y, *, library="advlib", seed=0, defaults=False, **parameters):
        spec = make_spec(registry.get_family(family), norm, eps, parameters, seed, defaults=defaults)
        with isolated(protected, seed):
            return libraries[library].run(spec, protected, x, y)

    return run


@pytest.fixture(scope="session")
def wrap():
    """``wrap(module, image_shape)``: a module that maps images to logits, undefended."""
    return lambda net, image_shape: Protected(Identity(Config()), net, image_shape=image_shape)


@pytest.fixture(scope="session")
def linear(wrap):
    """``linear(weight, bias)``: logits Wx + b of images (1,1,M)."""

    def build(weight, bias=None):
        weight = torch.as_tensor(weight)
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias))
        return wrap(nn.Sequential(nn.Flatten(), layer), (1, 1, weight.shape[1]))

    return build


@pytest.fixture(scope="session")
def digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    small = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    return F.interpolate(small, (14, 14), mode="bilinear").clamp(0, 1), torch.tensor(labels, dtype=torch.int64)


@pytest.fixture(scope="session")
def cnn(digits, wrap):
    """Random convolutions, and a readout fitted by least squares on all but the last 300 digits."""
    images, labels = digits[0][:-300], digits[1][:-300]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(), nn.Flatten()
        )
        readout = nn.Linear(128, 10)
    with torch.no_grad():
        inputs = F.pad(features(images), (0, 1), value=1.0).double()
        targets = 10 * F.one_hot(labels, 10).double()
        solution = torch.linalg.solve(inputs.T @ inputs + 1e-3 * torch.eye(129), inputs.T @ targets).float().T
        readout.weight.copy_(solution[:, :-1])
        readout.bias.copy_(solution[:, -1])
    return wrap(nn.Sequential(features, readout), (1, 14, 14))


@pytest.fixture(scope="session")
def batch(digits, cnn, right):
    """24 digits that the CNN has not seen, classified right, and their labels."""
    images, labels = digits[0][-100:], digits[1][-100:]
    known = right(cnn, images, labels)
    return images[known][:24].clone(), labels[known][:24].clone()


@pytest.fixture(scope="session")
def right():
    """Which images are classified as labeled."""
    return lambda protected, x, y: protected.predict(x.clamp(0, 1)).argmax(1) == y
