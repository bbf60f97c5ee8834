"""What an attack is examined on: a small model on 64 pixels, or one that is brought; equals, and known answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.checks.invariants.budget import ALONE, SAMPLES
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.frontend import Identity
from frontdef.protected import Protected

SIDE, CLASSES = 8, 6
IMAGE_SHAPE = (1, SIDE, SIDE)
CONFIDENT = 80.0
"""Largest margin of a confident model: softmax of the other class is a normal number of float32, and not much more."""

FAINT = 1e-4
"""What the two logits of a faint model are multiplied by: a gradient that is tiny, and right."""

PIT = 0.1
"""Radius of the pit in radii of the ball: constant steps of a quarter of the ball step over it."""

MARGIN = 2.0
"""Median logit margin: one at which float32's cross-entropy still has a gradient when the logits are scaled by 10."""


class Observed(nn.Module):
    """A classifier that counts the rows it reads, sees whether it is in training mode, and remembers what it is asked.

    Args:
        net: Logits ``(N,K)`` of images.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.rows = 0
        self.trained = False
        self.watching = True
        self.queries: list[tuple[Tensor, Tensor]] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classifier."""
        logits: Tensor = self.net(x)
        if self.watching:
            self.rows += len(x)
            self.trained |= any(module.training for module in self.net.modules())
            if self.queries is not None:
                self.queries.append((x.detach().clone(), logits.detach().argmax(1)))
        return logits


class Model(Protected):
    """A protected model whose classifier is observed; what frontdef itself asks for is not.

    Args:
        net: Logits ``(N,K)`` of images.
        image_shape: ``(C,H,W)`` of these.
    """

    def __init__(self, net: nn.Module, image_shape: tuple[int, ...] | None = IMAGE_SHAPE) -> None:
        super().__init__(Identity(Config()), Observed(net), image_shape=image_shape)

    @property
    def observed(self) -> Observed:
        """The classifier."""
        assert isinstance(self.classifier, Observed)
        return self.classifier

    def predict(self, images: Any, *, batch_size: int | None = None) -> Tensor:
        """Logits, not observed."""
        self.observed.watching = False
        try:
            return super().predict(images, batch_size=batch_size)
        finally:
            self.observed.watching = True

    @contextmanager
    def recording(self) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """Remember every query and what it was predicted as."""
        queries: list[tuple[Tensor, Tensor]] = []
        self.observed.queries = queries
        try:
            yield queries
        finally:
            self.observed.queries = None


class Affine(nn.Module):
    """Another model's logits, permuted, scaled and shifted.

    Args:
        net: The model.
        scale: Factor.
        shift: Summand, the same for every class.
        order: ``order[k]`` is the class of the model that becomes class k.
        detached: Whether no gradient comes back.
        unit: What the images are divided by, after they have been multiplied with it.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        scale: float = 1.0,
        shift: float = 0.0,
        order: Tensor | None = None,
        detached: bool = False,
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        self.net, self.scale, self.shift, self.order, self.detached, self.unit = (
            net,
            scale,
            shift,
            order,
            detached,
            unit,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        inner = x * self.unit / self.unit
        logits: Tensor = self.net(inner.detach() if self.detached else inner) * self.scale + self.shift
        if self.detached:
            logits = logits + 0 * inner.flatten(1).sum(1, keepdim=True)
        return logits if self.order is None else logits[:, self.order]


class Constant(nn.Module):
    """Always the first class, with a gradient that is exactly zero; its logits are no probabilities.

    Args:
        classes: K, how many there are.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,K)``."""
        return F.pad(3 + (0 * x).flatten(1).sum(1, keepdim=True), (0, self.classes - 1))


class Disc(nn.Module):
    """Class 0 inside a disc in the plane of the first two pixels; the others are ignored.

    Args:
        center: Of the disc, in each of the two pixels.
        radius: Its radius.
    """

    def __init__(self, center: float, radius: float) -> None:
        super().__init__()
        self.center, self.radius = center, radius

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,2)``."""
        inside = self.radius**2 - (x.flatten(1)[:, :2] - self.center).square().sum(1)
        return torch.stack([4 * inside, -4 * inside], dim=1)


class Padded(nn.Module):
    """Two classes, and four more that are never the likeliest: some attacks need several.

    Args:
        net: Logits ``(N,2)`` of images, of a few units.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,6)``."""
        two = self.net(x)
        return torch.cat([two, (0.9 * two[:, :1] - 20).expand(-1, CLASSES - 2)], dim=1)


@dataclass(frozen=True)
class Task:
    """Images that a model classifies right.

    Args:
        model: The model.
        x: Images ``(N,C,H,W)`` in [0,1].
        y: Labels ``(N,)``.
        distance: Exact distance of each image from the nearest example of another class, by norm; empty where unknown.
        name: Whose model it is; empty for the small ones that are built here.
    """

    model: Model
    x: Tensor
    y: Tensor
    distance: dict[str, Tensor]
    name: str = ""

    @cached_property
    def logits(self) -> Tensor:
        """Of the images, ``(N,K)``."""
        return self.model.predict(self.x)

    @property
    def classes(self) -> int:
        """K, how many the model tells apart."""
        return int(self.logits.shape[1])

    @property
    def margin(self) -> float:
        """The largest lead of a logit over the next, over the images."""
        top = self.logits.topk(2, dim=1).values
        return float((top[:, 0] - top[:, 1]).max())


def brought(name: str, net: nn.Module, images: Tensor, labels: Tensor) -> Task:
    """The first images that a model which somebody brings classifies right.

    Args:
        name: What it is called.
        net: Logits ``(N,K)`` of images in [0,1]; in eval mode and frozen.
        images: ``(N,C,H,W)`` in [0,1], on the device of the model.
        labels: ``(N,)``.

    Raises:
        ConfigError: It classifies too few of them right.
    """
    model = Model(net, tuple(images.shape[1:])).to(images.device)
    right = (model.predict(images).argmax(1) == labels.cpu()).nonzero().squeeze(1)[:SAMPLES].to(images.device)
    if len(right) < ALONE:
        raise ConfigError(
            f"model {name!r} classifies {len(right)} of {len(images)} images right, and an attack is examined on at "
            f"least {ALONE} that are. Mend: more --samples, or the normalization that the model was trained with"
        )
    return Task(model, images[right], labels[right], {}, name)


@cache
def trained(samples: int) -> Task:
    """Random convolutions with a readout by ridge regression, on six noisy shapes with many pixels at 0 and at 1."""
    return _trained(samples, 1, nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten()))


@cache
def colored(samples: int) -> Task:
    """The same of three channels, with a batch norm and a dropout that training mode would change."""
    layers = (nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
    return _trained(samples, 3, nn.Sequential(*layers))


def _trained(samples: int, channels: int, features: nn.Module) -> Task:
    generator = torch.Generator().manual_seed(0)
    shapes = F.interpolate(torch.rand(CLASSES, channels, 4, 4, generator=generator), (SIDE, SIDE), mode="bilinear")
    labels = torch.arange(1200) % CLASSES
    noise = 0.5 * torch.randn(len(labels), channels, SIDE, SIDE, generator=generator)
    images = (2 * (shapes[labels] - 0.5) + 0.5 + noise).clamp(0, 1)
    readout = nn.Linear(16 * (SIDE - 2) ** 2, CLASSES)
    features.eval()
    with torch.no_grad():
        for tensor in features.parameters():
            tensor.copy_(0.5 * torch.randn(tensor.shape, generator=generator))
        inputs = F.pad(features(images).double(), (0, 1), value=1.0)
        ridge = torch.eye(inputs.shape[1], dtype=torch.float64)
        weight = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ F.one_hot(labels, CLASSES).double()).T
        top = (inputs @ weight.T).topk(2, dim=1).values
        weight *= MARGIN / (top[:, 0] - top[:, 1]).median()
        readout.weight.copy_(weight[:, :-1])
        readout.bias.copy_(weight[:, -1])
    model = Model(nn.Sequential(features, readout).eval(), (channels, SIDE, SIDE))
    right = (model.predict(images).argmax(1) == labels).nonzero().squeeze(1)[:samples]
    return Task(model, images[right], labels[right], {})


@cache
def linear() -> Task:
    """Two classes and a hyperplane: images in the middle of the box, where the box does not bind (it is far away)."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(SIDE * SIDE, generator=generator)
    x = 0.5 + 0.05 * (2 * torch.rand(12, *IMAGE_SHAPE, generator=generator) - 1)
    return _hyperplane(weight, x)


@cache
def corner() -> Task:
    """The same with every pixel at 0 or at 1: half of what the gradient asks for lies outside the box."""
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(SIDE * SIDE, generator=generator)
    return _hyperplane(weight, torch.randint(0, 2, (12, *IMAGE_SHAPE), generator=generator).float())


@cache
def confident() -> Task:
    """The hyperplane again, its logits so far apart that the gradient of cross-entropy is tiny, and right."""
    task = linear()
    scale = CONFIDENT / task.margin
    return Task(Model(Affine(task.model.observed.net, scale=scale)), task.x, task.y, task.distance)


@cache
def faint() -> Task:
    """The hyperplane again, its two logits so near each other that gradients are tiny, and right."""
    task = linear()
    padded = task.model.observed.net
    assert isinstance(padded, Padded)
    return Task(Model(Padded(Affine(padded.net, scale=FAINT))), task.x, task.y, task.distance)


@cache
def pit(eps: float) -> Task:
    """Another class in a small disc inside the ball of every image, and a slope that leads there from all sides.

    Args:
        eps: Radius of the ball.
    """
    center, reach = 0.5, min(eps, 0.75)
    angle = torch.arange(12) * (2 * math.pi / 12) + 0.2
    x = torch.full((12, *IMAGE_SHAPE), center)
    x.view(12, -1)[:, :2] += 0.6 * reach * torch.stack([angle.cos(), angle.sin()], dim=1)
    slope = Affine(Disc(center, PIT * reach), scale=reach**-2, order=torch.tensor([1, 0]))
    return Task(Model(Padded(slope)), x, torch.zeros(12, dtype=torch.int64), {})


def blank(samples: int) -> Task:
    """Gray images of four pixels, on which nothing is to be climbed.

    Args:
        samples: How many.
    """
    shape = (1, 2, 2)
    model = Model(Constant(CLASSES), shape)
    return Task(model, torch.full((samples, *shape), 0.5), torch.zeros(samples, dtype=torch.int64), {})


def _hyperplane(weight: Tensor, x: Tensor) -> Task:
    """Two classes on either side of it, and how far each image is from the other one inside the box."""
    layer, flat = nn.Linear(SIDE * SIDE, 2), x.flatten(1)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([weight, -weight]) / 2)
        offset = 0.4 - (flat @ weight).amin()
        layer.bias.copy_(torch.stack([offset, -offset]) / 2)
    margin = flat.double() @ weight.double() + offset.double()
    room = torch.where(weight > 0, flat, 1 - flat).double()
    free = weight.double().abs() * (room > 0)
    gains = (weight.double().abs() * room).sort(dim=1, descending=True).values.cumsum(1)
    distances = {
        "linf": margin / free.sum(1),
        "l2": margin / free.norm(dim=1),
        "l1": _fill(margin, weight.double(), flat.double()),
        "l0": (gains < margin[:, None]).sum(1).double() + 1,
    }
    return Task(Model(Padded(nn.Sequential(nn.Flatten(), layer))), x, torch.zeros(len(x), dtype=torch.int64), distances)


def _fill(margin: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    """ℓ1 distance to the hyperplane inside the box: the pixels of the largest weights first, each up to its wall."""
    order = weight.abs().argsort(descending=True)
    left, spent = margin.clone(), torch.zeros_like(margin)
    for pixel in order:
        wall = x[:, pixel] if weight[pixel] > 0 else 1 - x[:, pixel]
        step = torch.minimum(left / weight[pixel].abs(), wall)
        left, spent = left - step * weight[pixel].abs(), spent + step
    return spent


@cache
def disc() -> Task:
    """A disc in a plane: the nearest way out is radial in ℓ2, diagonal in ℓ∞, along an axis in ℓ1."""
    center, radius = 0.5, 0.3
    angle = torch.arange(12) * (2 * math.pi / 12) + 0.2
    offset = 0.2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    x = torch.full((12, *IMAGE_SHAPE), 0.5)
    x.view(12, -1)[:, :2] += offset
    exact = offset.double().abs()
    total, squares = exact.sum(1), exact.square().sum(1)
    distances = {
        "linf": (torch.sqrt(total**2 + 2 * (radius**2 - squares)) - total) / 2,
        "l2": radius - squares.sqrt(),
        "l1": torch.sqrt(radius**2 - exact.amin(1) ** 2) - exact.amax(1),
    }
    return Task(Model(Padded(Disc(center, radius))), x, torch.zeros(12, dtype=torch.int64), distances)
