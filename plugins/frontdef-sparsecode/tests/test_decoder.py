"""The decoder has the sizes of the authors' code and stays in [0,1]."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsecode.config import COLOR, GRAY, LARGE
from frontdef_sparsecode.decoder import Decoder


def sides(module_calls, decoder, code):
    hooks = [
        layer.register_forward_hook(lambda _, __, out: module_calls.append(tuple(out.shape[1:])))
        for layer in (decoder.first, decoder.second, decoder.third)
    ]
    with torch.no_grad():
        output = decoder(code)
    for hook in hooks:
        hook.remove()
    return output


def test_color_32(make):
    """15 → 32 → 34 → 36 → 32; 500·300·16 + 300 + 300·100·9 + 100 + 100·3·9 + 3 weights."""
    calls, decoder = [], Decoder(COLOR, (3, 32, 32))
    output = sides(calls, decoder, torch.randn(1, 500, 15, 15))
    assert calls == [(300, 32, 32), (100, 34, 34), (3, 36, 36)]
    assert output.shape == (1, 3, 32, 32)
    assert sum(p.numel() for p in decoder.parameters()) == 2_400_300 + 270_100 + 2_703


def test_large_160():
    """39 → 41 → 162 by interpolation → 164 → 166 → 160."""
    calls, decoder = [], Decoder(LARGE, (3, 160, 160))
    output = sides(calls, decoder, torch.randn(1, 1000, 39, 39))
    assert calls == [(300, 41, 41), (100, 164, 164), (3, 166, 166)]
    assert output.shape == (1, 3, 160, 160)


def test_grey_28():
    calls, decoder = [], Decoder(GRAY, (1, 28, 28))
    assert sides(calls, decoder, torch.randn(2, 160, 13, 13)).shape == (2, 1, 28, 28)
    assert [shape[1] for shape in calls] == [28, 30, 32]


def test_the_crop_is_the_middle_and_the_clamp_follows():
    decoder = Decoder(GRAY, (1, 28, 28))
    wide = torch.arange(32 * 32).view(1, 1, 32, 32) / 500 - 0.2
    assert torch.equal(decoder.finish(wide), wide[:, :, 2:30, 2:30].clamp(0, 1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels of a CPU")
def test_a_lone_image_and_any_memory_layout_are_decoded_alike(make, images):
    """Bit for bit: one image, several, and codes whose channels lie last."""
    front_end, x = make(), images(8, 1, 28, 28)
    with torch.no_grad():
        together = front_end(x)
        assert torch.equal(torch.cat([front_end(image) for image in x.split(1)]), together)
        code = front_end.encode(x)
        assert torch.equal(front_end.decoder(code.to(memory_format=torch.channels_last)), front_end.decoder(code))


@pytest.mark.parametrize("shape", [(1, 29, 31), (3, 28, 33), (3, 64, 65), (1, 100, 64)])
def test_any_size_comes_back(make, images, shape):
    front_end = make(shape=shape, atoms=20, top=4, widths=(4, 3))
    output = front_end(images(2, *shape))
    assert output.shape == (2, *shape)
    assert output.min() >= 0
    assert output.max() <= 1


def test_no_output_starts_clamped(make, images):
    """Where the clamp acts there is no gradient: an untrained decoder would never learn."""
    output = make(True)(images(4, 1, 28, 28))
    assert ((output > 0) & (output < 1)).all()


def test_an_untrained_decoder_is_not_clamped(make, images):
    """Where the clamp holds an output at 0, no gradient comes back: with a last bias of 0 that is most of them."""
    front_end, x = make(), images(8, 1, 28, 28)
    with torch.no_grad():
        free = (front_end(x) > 0).double().mean()
        torch.nn.init.zeros_(front_end.decoder.third.bias)
        held = (front_end(x) == 0).double().mean()
    assert free > 0.9
    assert held > 0.3
