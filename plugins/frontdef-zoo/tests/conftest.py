"""Caches of weights that are empty, and a network that nobody may use."""

from __future__ import annotations

import socket

import pytest
import torch


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No weights on disk, and any connection is an error."""

    def refuse(*arguments, **keywords):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
