"""The README's snippet runs as it stands, and its table lists what the library offers."""

from __future__ import annotations

import re

import torch
from frontdef_advlib.library import AdvLibrary
from torch import nn

from frontdef.testing import Readme
from frontdef.threat import NORM_LABELS, distance

README = Readme.beside(__file__)


def test_the_snippet_runs():
    torch.manual_seed(0)
    network, images = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), torch.rand(4, 1, 28, 28)
    labels = network(images).argmax(1)
    names = README.run(network=network, images=images, labels=labels)
    assert (network(names["examples"]).argmax(1) != labels).all()
    assert distance(images, names["examples"], "l1").max() < 20


def test_the_table_lists_every_row():
    listed = set()
    for families, norms in re.findall(r"^\| (`.+?`) \| ([^|]*ℓ[^|]*) \|", README.text, flags=re.MULTILINE):
        listed |= {(family, norm) for family in re.findall(r"`(\w+)`", families) for norm in norms.strip().split(", ")}
    assert listed == {(family, NORM_LABELS[norm]) for family, norm in AdvLibrary().table()}
