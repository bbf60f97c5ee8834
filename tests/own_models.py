"""A model that somebody else trained, as its owner keeps it: a file of code, a file of weights."""

from __future__ import annotations

import textwrap
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from frontdef.registry import get_dataset

CODE = """
    import torch
    from torch import nn

    def build(width=24):
        return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, width), nn.ReLU(), nn.Linear(width, 10))

    def needs(depth):
        return build(depth)

    def raises():
        raise RuntimeError("no such depth")

    def probabilities():
        return nn.Sequential(build(), nn.Softmax(1))

    def eleven():
        return nn.Sequential(build(), nn.Linear(10, 11))

    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x):
            return self.net(x) / 0 * 0

    class Batched(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x):
            return self.net(x - x.mean(0))

    def half():
        return build().half()

    def hooked():
        net = build()
        net[4].register_forward_hook(lambda module, inputs, logits: logits * 2)
        return net
"""


def network(width: int = 24) -> nn.Sequential:
    """The same as ``nets.py:build``."""
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, width), nn.ReLU(), nn.Linear(width, 10))


def trained() -> nn.Sequential:
    """Trained on digits: about nine in ten right, whatever else is in the process."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = network()
    train = get_dataset("digits").load("train")
    images, labels = F.avg_pool2d(train.images, 4), train.labels
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(net[1:](images), labels).backward()
        optimizer.step()
    return net.eval()


def write(folder: Path, net: nn.Module) -> Path:
    """``nets.py``, ``mine.pt`` and ``garbage.pt``, whose weights are noise, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nets.py").write_text(textwrap.dedent(CODE), encoding="utf-8")
    torch.save(net.state_dict(), folder / "mine.pt")
    generator = torch.Generator().manual_seed(1)
    noise = {name: torch.randn(value.shape, generator=generator) for name, value in net.state_dict().items()}
    torch.save(noise, folder / "garbage.pt")
    return folder
