"""The differentiable JPEG is Pillow's, but for roundings."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from frontdef_art.jpeg import cubic_rounding, jpeg
from PIL import Image


def _pillow(images, quality, subsampling=2):
    decoded = []
    for image in (images * 255).round().byte().permute(0, 2, 3, 1).numpy():
        buffer = BytesIO()
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(
            buffer, "jpeg", quality=quality, subsampling=subsampling
        )
        decoded.append(np.atleast_3d(np.asarray(Image.open(buffer))))
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).float() / 255


def _eight_bit(images):
    return (images * 255).round() / 255


@pytest.mark.parametrize("quality", [5, 10])
def test_grey_with_hard_rounding_is_pillows_to_the_rounding_of_pixels(quality, gray):
    """At high quality the steps are so small that libjpeg's integer DCT puts some coefficients on the other side."""
    images = _eight_bit(gray)
    levels = 255 * (jpeg(images, quality, torch.round) - _pillow(images, quality)).abs()
    assert levels.max() < 0.55, "gray levels; decoded pixels are whole, which costs up to 0.5"


@pytest.mark.parametrize("rounding", [torch.round, cubic_rounding])
@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90])
def test_of_all_of_pillows_codings_it_is_nearest_to_the_one_it_names(quality, rounding, rgb):
    for images in (rgb, rgb[:, :, :29, :31]):
        ours = jpeg(images, quality, rounding)
        codings = [(q, chroma) for q in (quality - 5, quality, quality + 5) for chroma in (0, 1, 2)]
        distance = {coding: float((_pillow(images, *coding) - ours).abs().mean()) for coding in codings}
        nearest, second = sorted(distance, key=distance.get)[:2]
        assert nearest == (quality, 2), "4:2:0 at this quality"
        assert distance[second] > 1.5 * distance[nearest]


@pytest.mark.parametrize("quality", [10, 50, 75])
def test_with_cubic_rounding_it_is_nearer_to_jpeg_than_the_image_is(quality, gray, rgb):
    for images in (_eight_bit(gray), rgb):
        real = _pillow(images, quality)
        assert (jpeg(images, quality) - real).abs().mean() < 0.25 * (images - real).abs().mean()


def test_cubic_rounding():
    x = torch.tensor([0.0, 0.1, 0.4, 0.9, -1.2], dtype=torch.float64, requires_grad=True)
    value = cubic_rounding(x)
    assert value.tolist() == pytest.approx([0, 0.001, 0.064, 0.999, -1.008])
    (grad,) = torch.autograd.grad(value.sum(), x)
    assert grad.tolist() == pytest.approx([0, 0.03, 0.48, 0.03, 0.12])


@pytest.mark.parametrize("shape", [(1, 1, 6, 9), (1, 3, 9, 6)])
def test_gradient_is_the_numerical_one(shape):
    x = 0.3 + 0.4 * torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    torch.autograd.gradcheck(lambda images: jpeg(images, 60), x.requires_grad_(), eps=1e-7, atol=1e-4)


def test_the_front_end_differentiates_it(build, rgb):
    x = rgb.clone().requires_grad_()
    weights = torch.randn(rgb.shape, generator=torch.Generator().manual_seed(0))
    (ours,) = torch.autograd.grad(build("art-jpeg", "differentiable", quality=30)(x), x, weights)
    (expected,) = torch.autograd.grad(jpeg(x, 30), x, weights)
    assert torch.equal(ours, expected)
    (identity,) = torch.autograd.grad(build("art-jpeg", quality=30)(x), x, weights)
    assert torch.equal(identity, weights)
