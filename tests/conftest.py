"""Fixtures that several tests share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of trained models for the whole session, so that no model is trained twice."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session", autouse=True)
def own_cache(cache):
    """No test, and no fixture of a module, reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRONTDEF_CACHE", str(cache))
        yield
