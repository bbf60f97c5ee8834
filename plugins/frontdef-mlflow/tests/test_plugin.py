"""The distribution offers its logger, which logs every job of a run and keeps it on this machine."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch
from torch import nn

import frontdef
from frontdef.registry import get_loggers
from frontdef.testing import LoggerConformance, PluginConformance, Readme

pytest.importorskip("mlflow", reason="needs MLflow: pip install frontdef-mlflow")


class TestPlugin(PluginConformance):
    distribution = "frontdef-mlflow"


class TestLogger(LoggerConformance):
    logger = "mlflow"


def test_it_is_offered():
    assert "mlflow" in [logger.name for logger in get_loggers()]


def test_the_readmes_snippet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net, images = nn.Sequential(nn.Flatten(), nn.Linear(49, 4)), torch.rand(4, 1, 7, 7)
    names = Readme.beside(__file__).run(net=net, images=images, labels=net(images).argmax(1), frontdef=frontdef)
    assert not names["results"].failures()
    assert list((tmp_path / "runs" / "mine").glob("mlruns*"))


def test_it_requires_the_core_alone():
    """MLflow's requests is newer than the one that torchattacks pins: with frontdef[bench] no installer finds both."""
    file = Path(__file__).parents[1] / "pyproject.toml"
    required = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert [each for each in required if each.startswith("frontdef")] == ["frontdef>=0.1,<0.2"]
