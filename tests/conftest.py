"""Fixtures that several tests share."""

from __future__ import annotations

import gc
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

from frontdef.testing import cache, one_thread, own_cache  # noqa: F401


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported by its end stays: no search for garbage looks through it, and no fork copies it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_unconfigure():
    gc.unfreeze()


LEFT_OUT = pytest.StashKey[int]()
"""How many slow tests were left out; a worker of pytest-xdist tells the process that prints."""


def pytest_configure(config):
    config.stash[LEFT_OUT] = 0


@pytest.hookimpl(tryfirst=True)
def pytest_deselected(items):
    for item in items:
        item.config.stash[LEFT_OUT] += "slow" in item.keywords


def pytest_collection_finish(session):
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["left out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", 0)


def pytest_terminal_summary(terminalreporter, config):
    """After what was skipped and why, which ``-ra`` lists."""
    if left_out := config.stash[LEFT_OUT]:
        terminalreporter.write_line(f"LEFT OUT [{left_out}] slow: `make test-all` runs them")
