"""A small CNN whose readout is fitted to scikit-learn's digits, linear models, and what runs an attack on them."""

from __future__ import annotations

import pytest
from frontdef_advlib.library import AdvLibrary

from frontdef import testing
from frontdef.testing import cache, one_thread, own_cache  # noqa: F401
from frontdef.testing.networks import small_digits

TABLE = AdvLibrary().table()


def pytest_generate_tests(metafunc):
    """Run a function that asks for ``row`` once for each row of the table; the kit does so by itself."""
    if "row" in metafunc.fixturenames and metafunc.cls is None:
        metafunc.parametrize("row", list(TABLE), ids="-".join)


@pytest.fixture(scope="session")
def attack():
    """``attack(family, norm, eps, protected, x, y, library="advlib", **parameters)``, seeded as the runner does it."""

    def run(family, norm, eps, protected, x, y, *, library="advlib", **parameters):
        return testing.attack(library, family, norm, eps, protected, x, y, **parameters)

    return run


@pytest.fixture(scope="session")
def wrap():
    """``wrap(module, image_shape)``: a module that maps images to logits, undefended."""
    return testing.undefended


@pytest.fixture(scope="session")
def linear():
    """``linear(weight, bias)``: logits Wx + b of images (1,1,M)."""
    return testing.linear_model


@pytest.fixture(scope="session")
def digits():
    return small_digits(14)


@pytest.fixture(scope="session")
def cnn():
    """Random convolutions, and a readout fitted by least squares on all but the last 300 digits."""
    return testing.fitted_cnn(14)


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
