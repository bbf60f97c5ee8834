"""Fixtures for any suite: a cache of its own, one thread, small data."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of trained models for the whole session, so that no model is trained twice."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session", autouse=True)
def own_cache(cache: Path) -> Iterator[None]:
    """No test, and no fixture of a module, reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRONTDEF_CACHE", str(cache))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Torch computes in one thread, here and in the processes that a test starts: tests run beside each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture
def seeded_generators() -> Iterator[None]:
    """The global generators of Python, numpy and torch start from 0, and are as before afterwards."""
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        yield
    random.setstate(python)
    np.random.set_state(numpy)


@pytest.fixture(scope="session")
def images() -> Callable[..., Tensor]:
    """``images(N, C, H, W, dtype=torch.float32)``: uniform in [0,1], the same for the same shape."""
    import torch

    def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)

    return draw


@pytest.fixture(scope="session")
def digits() -> SimpleNamespace:
    """scikit-learn's digits: all 1,297 training images as ``train``, 200 test images as ``test``, both `Split`."""
    from frontdef.registry import get_dataset

    data = get_dataset("digits")
    return SimpleNamespace(train=data.load("train"), test=data.load("test").take(200, 0))
