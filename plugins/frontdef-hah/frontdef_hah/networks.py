"""The layouts, and the networks made of them: what stands behind the front end, and the baselines without it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from frontdef.classifiers.network import check_image_shape
from frontdef.errors import ConfigError
from frontdef_hah.blocks import Block

POOL = 0
"""In a layout: 2x2 max-pooling. Any other number is a block with that many filters."""


@dataclass(frozen=True)
class NetworkLayout:
    """Filters of each block of a network, and where it pools.

    Args:
        front: What the front end owns.
        tail: What stands behind it.
    """

    front: tuple[int, ...]
    tail: tuple[int, ...]


LAYOUTS: dict[str, NetworkLayout] = {
    "vgg16": NetworkLayout(
        (64, 64, POOL, 128, 128, POOL, 256, 256), (256, POOL, 512, 512, 512, POOL, 512, 512, 512, POOL)
    ),
    "narrow": NetworkLayout((20, 20, POOL, 40, 40, POOL, 80, 80), (80, POOL, 160, 160, 160, POOL, 160, 160, 160, POOL)),
    "small": NetworkLayout((16, 32, POOL, 64), (POOL, 64, POOL)),
}


def layout_of(size: str, image_shape: tuple[int, ...]) -> NetworkLayout:
    """The layout for images ``(C,H,W)``; ``auto`` takes VGG-16 from 32x32 on."""
    auto = "vgg16" if min(image_shape[1:]) >= 32 else "small"
    return LAYOUTS[auto if size == "auto" else size]


def vgg16(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """VGG-16 as the chapter's baseline: thirteen plain blocks, five poolings, one linear layer.

    Args:
        in_shape: ``(C,H,W)``, at least 32x32.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _network("vgg16", in_shape, LAYOUTS["vgg16"].front + LAYOUTS["vgg16"].tail, n_classes)


def vgg_narrow(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """VGG-16 with 5/16 of its filters, which a processor without an accelerator can train.

    Args:
        in_shape: ``(C,H,W)``, at least 32x32.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _network("vgg-narrow", in_shape, LAYOUTS["narrow"].front + LAYOUTS["narrow"].tail, n_classes)


def vgg_small(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The small baseline: four plain blocks, three poolings, one linear layer.

    Args:
        in_shape: ``(C,H,W)``, at least 8x8.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _network("vgg-small", in_shape, LAYOUTS["small"].front + LAYOUTS["small"].tail, n_classes)


def hah_tail(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """What stands behind the front end of hah: the plain blocks that its layout leaves, and one linear layer.

    Args:
        in_shape: ``(C,H,W)`` of what the front end puts out; its channels tell the layout.
        n_classes: Number of logits.

    Raises:
        ConfigError: Channels of no layout, or too few pixels.
    """
    tails = {layout.front[-1]: layout.tail for layout in LAYOUTS.values()}
    if in_shape[0] not in tails:
        *smaller, widest = sorted(tails)
        known = f"{', '.join(map(str, smaller))} or {widest}"
        raise ConfigError(
            f"classifier 'hah-tail' reads what the front end of 'hah' puts out, {known} channels, got the shape "
            f"{in_shape}; for images: 'vgg16', 'vgg-narrow' or 'vgg-small'"
        )
    return _network("hah-tail", in_shape, tails[in_shape[0]], n_classes)


def _network(name: str, in_shape: tuple[int, ...], layout: tuple[int, ...], n_classes: int) -> nn.Module:
    shrink = 2 ** layout.count(POOL)
    channels, height, width = check_image_shape(name, in_shape, shrink)
    layers: list[nn.Module] = []
    for n_filters in layout:
        if n_filters == POOL:
            layers.append(nn.MaxPool2d(2))
        else:
            layers.append(Block(channels, n_filters, nn.BatchNorm2d(n_filters)))
            channels = n_filters
    n_features = channels * (height // shrink) * (width // shrink)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_features, n_classes))
