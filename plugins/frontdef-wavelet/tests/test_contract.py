"""The front end keeps the contract: sample by sample, pure, stateless, deterministic in ties."""

from __future__ import annotations

import copy

import pytest
import torch


def tied_images():
    ramp = torch.linspace(0, 1, 28)
    checkers = (torch.arange(28)[:, None] + torch.arange(28)) % 2
    return torch.stack(
        [
            torch.zeros(28, 28),
            torch.ones(28, 28),
            torch.full((28, 28), 0.3),
            checkers.float(),
            ramp.expand(28, 28),
            ramp.expand(28, 28).mT * 0.7,
            (ramp[:, None] - ramp).abs(),
        ]
    ).unsqueeze(1)


@pytest.mark.parametrize("config", [{}, {"keep": 0.3, "levels": 2}, {"wavelet": "db1"}], ids=str)
def test_a_batch_is_its_samples(make, images, config):
    x = torch.cat([images(40, 1, 28, 28), tied_images()])
    front_end = make(**config)
    together = front_end(x)
    for index in range(len(x)):
        assert torch.equal(front_end(x[index : index + 1]), together[index : index + 1])
    assert torch.equal(front_end(x.flip(0)).flip(0), together)


def test_the_gradient_of_a_batch_is_that_of_its_samples(make, images):
    x = torch.cat([images(10, 1, 28, 28), tied_images()]).requires_grad_()
    (together,) = torch.autograd.grad(make()(x).square().sum(), x)
    for index in range(len(x)):
        (alone,) = torch.autograd.grad(make()(x[index : index + 1]).square().sum(), x)
        torch.testing.assert_close(alone[index], together[index], rtol=0, atol=1e-6)


def test_ties_go_to_the_lower_index(make):
    """All 196 approximation coefficients of a constant image are equal: the first 23 of them are kept."""
    _, mask = make().select(torch.full((1, 1, 28, 28), 0.3))
    assert mask.flatten().nonzero().flatten().tolist() == list(range(23))


def test_images_are_not_changed_and_not_aliased(make, images):
    x = images(4, 1, 28, 28)
    before = x.clone()
    output = make(keep=1.0)(x.requires_grad_())
    output.sum().backward()
    with torch.no_grad():
        output.add_(1)
    assert torch.equal(x, before)


def test_no_random_numbers_no_state(make, images):
    front_end = make(image_shape=(1, 28, 28))
    state = torch.get_rng_state()
    first = front_end(images(4, 1, 28, 28))
    assert torch.equal(torch.get_rng_state(), state)
    assert front_end.state_dict() == {}
    assert torch.equal(copy.deepcopy(front_end)(images(4, 1, 28, 28)), first)


def test_strides_do_not_matter(make, images):
    x = images(4, 3, 20, 24)
    assert torch.equal(make()(x.to(memory_format=torch.channels_last)), make()(x))


def test_one_front_end_takes_several_sizes(make, images):
    front_end = make(keep=0.1)
    for shape in [(2, 1, 28, 28), (2, 3, 9, 16), (2, 1, 28, 28)]:
        assert torch.equal(front_end(images(*shape)), make(keep=0.1)(images(*shape)))


def test_gradients_after_a_first_call_in_inference_mode(make, images):
    """Operators are built once and cached; those built in inference mode must serve a backward pass too."""
    x = images(1, 1, 26, 22)
    with torch.inference_mode():
        make(levels=3)(x)
    for surrogate in ("projection", "adjoint", "true", "identity"):
        front_end = make(surrogate, levels=3)
        upstream = torch.ones_like(x).requires_grad_()
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(front_end(x), x, upstream, create_graph=True)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_keeps_the_same_coefficients(make, images):
    x = torch.cat([images(40, 1, 28, 28), tied_images()])
    front_end = make()
    assert torch.equal(front_end.select(x.cuda())[1].cpu(), front_end.select(x)[1])
    torch.testing.assert_close(front_end(x.cuda()).cpu(), front_end(x), rtol=0, atol=1e-5)
