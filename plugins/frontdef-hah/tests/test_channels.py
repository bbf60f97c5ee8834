"""Whether always the same channels are the strongest, by hand and on networks."""

from __future__ import annotations

import torch
from frontdef_hah.channels import ChannelParameters, same_channels, shared
from torch import nn

from frontdef import Config, Protected
from frontdef.frontend import Identity


def test_by_hand():
    """K = 2 of 4. The means are (3, 2, 1.5, 0.5): the first two are the usual ones."""
    strengths = torch.tensor([[4.0, 3.0, 0.0, 0.0], [2.0, 1.0, 3.0, 1.0]])
    assert shared(strengths, 0.5).tolist() == [1.0, 0.5]


def test_one_subset_for_all_images_and_one_for_each():
    always = torch.rand(8, 20, generator=torch.Generator().manual_seed(0))
    always[:, :2] += 10
    assert shared(always, 0.1).tolist() == [1.0] * 8
    each = torch.eye(20).repeat_interleave(2, 0)
    assert shared(each, 0.05).mean() < 0.1


def test_a_share_of_all_says_nothing():
    assert shared(torch.rand(3, 4), 1.0).isnan().all()


def test_of_a_network():
    """The second convolution reads one channel that is always the strongest, and one that never is."""
    first, second = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1)
    first.weight.data, first.bias.data = torch.tensor([5.0, 1.0]).view(2, 1, 1, 1), torch.zeros(2)
    network = nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    protected = Protected(Identity(Config()), network, image_shape=(1, 4, 4))
    told = same_channels(protected, x, torch.zeros(5).long(), ChannelParameters(), seed=0)
    assert list(told) == ["01 classifier.0", "02 classifier.1"]
    assert told["01 classifier.0"].isnan().all(), "one channel alone"
    assert told["02 classifier.1"].tolist() == [1.0] * 5
