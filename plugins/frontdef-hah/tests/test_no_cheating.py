"""A block's HaH term moves that block's filters only: the chapter's remedy for "cheating" (section 5.2.2)."""

from __future__ import annotations

import pytest
import torch
from torch import nn


@pytest.mark.parametrize("only", [0, 1, 2])
def test_a_term_reaches_its_own_filters_and_no_earlier_ones(make, images, only):
    front_end = make(alphas=tuple(float(index == only) for index in range(3)))
    front_end.penalties()["hah"](images(4, 1, 12, 12), nn.Identity()).backward()
    for index in range(3):
        gradient = front_end.block(index).conv.weight.grad
        if index == only:
            assert gradient.abs().max() > 1e-6
        else:
            assert gradient is None or not gradient.any()


def test_each_gradient_is_that_of_the_block_on_its_own_fixed_input(make, images):
    """Zeroing the earlier gradients, as the authors do, and detaching every input are the same thing."""
    front_end = make(alphas=(1.0, 1.0, 1.0))
    x = images(4, 1, 12, 12)
    front_end.penalties()["hah"](x, nn.Identity()).backward()
    together = [front_end.block(index).conv.weight.grad.clone() for index in range(3)]
    for index in range(3):
        front_end.zero_grad()
        alone = make(alphas=tuple(float(position == index) for position in range(3)))
        alone.load_state_dict(front_end.state_dict())
        alone.penalties()["hah"](x, nn.Identity()).backward()
        torch.testing.assert_close(alone.block(index).conv.weight.grad, together[index])


def test_the_images_get_no_gradient_and_the_classifier_is_not_asked(make, images):
    x = images(2, 1, 12, 12).requires_grad_()

    def classifier(_):
        raise AssertionError("the penalty has no use for it")

    make().penalties()["hah"](x, classifier).backward()
    assert x.grad is None


@pytest.mark.parametrize("only", [0, 1, 2])
def test_the_naive_term_moves_all_blocks_up_to_its_own(make, images, only):
    front_end = make(alphas=tuple(float(index == only) for index in range(3)), propagate=True)
    front_end.penalties()["hah"](images(4, 1, 12, 12), nn.Identity()).backward()
    for index in range(3):
        gradient = front_end.block(index).conv.weight.grad
        assert (gradient is not None and gradient.abs().max() > 1e-7) == (index <= only)


def test_the_naive_term_has_the_same_value(make, images):
    x = images(4, 1, 12, 12)
    kept, naive = make(), make(propagate=True)
    naive.load_state_dict(kept.state_dict())
    values = [front_end.penalties()["hah"](x, nn.Identity()) for front_end in (kept, naive)]
    torch.testing.assert_close(*values)


def test_plain_blocks_and_blocks_beyond_the_weights_have_no_term(make, images):
    for config in ({"hah_blocks": 1}, {"alphas": (1.0,)}):
        front_end = make(**config)
        front_end.penalties()["hah"](images(2, 1, 12, 12), nn.Identity()).backward()
        assert front_end.block(0).conv.weight.grad.any()
        assert all(front_end.block(index).conv.weight.grad is None for index in (1, 2))


def test_the_term_raises_the_objective(make, images):
    from frontdef_hah.objective import hah_objective

    front_end = make(alphas=(1.0,))
    x = images(16, 1, 12, 12)
    optimizer = torch.optim.Adam(front_end.parameters(), lr=1e-2)
    before = hah_objective(front_end.block(0).activations(x)).item()
    for _ in range(20):
        optimizer.zero_grad()
        front_end.penalties()["hah"](x, nn.Identity()).backward()
        optimizer.step()
    assert hah_objective(front_end.block(0).activations(x)).item() > 1.2 * before
