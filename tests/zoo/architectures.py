"""Honest models of other shapes: classes, colors, batch norm, margins, and how well they were trained."""

from __future__ import annotations

import torch
from torch import nn

from frontdef.config import Config
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected
from frontdef.stage import Stage

from . import member
from .gradients import Scaled
from .lab import CLEAN, Lab


def normalized(channels: int = 1) -> nn.Module:
    """A CNN with batch norm."""
    return nn.Sequential(
        nn.PixelUnshuffle(4), nn.Conv2d(16 * channels, 16, 1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 7 * 7, 10),
    )  # fmt: skip


@member("three classes", "honest", seen=True, task="three", slow=True)
def three_classes(lab: Lab) -> Protected:
    """No defense; DLR divides by the gap between first and third, which are all there are."""
    return lab.bare(lab.undefended)


@member("a hundred classes", "honest", seen=True, task="hundred", slow=True)
def hundred_classes(lab: Lab) -> Protected:
    """No defense; far more wrong classes than are aimed at."""
    return lab.bare(lab.undefended)


@member("color with batch norm", "honest", seen=True, task="color", slow=True)
def color(lab: Lab) -> Protected:
    """Three channels through a CNN that normalizes with the statistics of its training."""
    return lab.bare(lab.fit(lambda: normalized(3)))


@member("batch norm", "honest", seen=True, slow=True)
def batch_norm(lab: Lab) -> Protected:
    """Buffers that are read and not written in eval mode."""
    return lab.bare(lab.fit(normalized))


STRONG = Stage(epochs=10, lr=3e-3, batch_size=64, adversarial="linf", eps=0.3, attack_steps=5)


@member("very robust", "honest", seen=True, task="three", slow=True)
def very_robust(lab: Lab) -> Protected:
    """Three easy classes, trained at twice the radius: most samples stand because they are robust."""
    return lab.bare(lab.fit(lab.dense, None, CLEAN, STRONG))


@member("barely accurate", "honest", seen=True)
def barely_accurate(lab: Lab) -> Protected:
    """Five steps of training: right on some, sure of nothing."""
    return lab.bare(lab.fit(lab.dense, None, Stage(epochs=1, lr=2e-4, batch_size=256)))


@member("wide margins", "honest", seen=True)
def wide_margins(lab: Lab) -> Protected:
    """Logits five times as large: the cross-entropy is 0 in float32 on most images, its gradient is not."""
    return lab.bare(Scaled(lab.undefended, 5.0))


@member("random shift under EOT", "honest", seen=True, slow=True)
def random_shift(lab: Lab) -> Protected:
    """Moves the image by up to two pixels, differently in each draw, and says so."""

    class Shift(FrontEnd[Config]):
        randomized = True

        def forward(self, x):
            rows, columns = torch.randint(-2, 3, (2, len(x), 1), generator=self.generator(x.device))
            along = torch.arange(x.shape[-1])
            down = ((along + rows) % len(along))[:, None, :, None].expand_as(x)
            right = ((along + columns) % len(along))[:, None, None, :].expand_as(x)
            return x.gather(2, down).gather(3, right)

    return lab.behind(Shift(Config()), lab.dense)
