"""The distribution offers its logger, which logs every job of a run and keeps it on this machine."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import frontdef
from frontdef.registry import get_loggers
from frontdef.testing import LoggerConformance, PluginConformance, Readme

pytest.importorskip("wandb", reason="needs Weights & Biases: pip install frontdef-wandb")


class TestPlugin(PluginConformance):
    distribution = "frontdef-wandb"


class TestLogger(LoggerConformance):
    logger = "wandb"


def test_it_is_offered():
    assert "wandb" in [logger.name for logger in get_loggers()]


def test_the_readmes_snippet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net, images = nn.Sequential(nn.Flatten(), nn.Linear(49, 4)), torch.rand(4, 1, 7, 7)
    names = Readme.beside(__file__).run(net=net, images=images, labels=net(images).argmax(1), frontdef=frontdef)
    assert not names["results"].failures()
    assert list((tmp_path / "runs" / "mine").glob("wandb*"))
