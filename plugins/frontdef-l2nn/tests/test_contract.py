"""The front end keeps the contract, by the kit that every plugin runs, and where its own layers could break it."""

from __future__ import annotations

import pytest
import torch

from frontdef.testing import DefenseConformance


class TestConvNet(DefenseConformance):
    defense = "l2nn"
    config = {"widths": (3, 6), "hidden": 16}  # noqa: RUF012
    train_images = 1200


@pytest.mark.slow
class TestDivided(DefenseConformance):
    defense = "l2nn"
    config = {"widths": (3, 6), "hidden": 24, "constraint": "divide"}  # noqa: RUF012
    train_images = 1200
    image_shape = (1, 28, 28)


@pytest.mark.slow
class TestResNet(DefenseConformance):
    defense = "l2nn"
    config = {"network": "resnet", "widths": (3, 6), "hidden": 24, "blocks": 1}  # noqa: RUF012
    train_images = 1200
    image_shape = (3, 16, 16)


def degenerate():
    return torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28), torch.eye(28)[None]])


@pytest.mark.parametrize("config", [{}, {"network": "resnet", "blocks": 1}, {"constraint": "divide"}], ids=str)
@pytest.mark.parametrize("biased", [True, False])
def test_gradients_are_finite_on_black_images(make, config, biased):
    """Without biases every pooling window of a black image is zero, where a plain root has no derivative."""
    front_end = make(**config)
    if not biased:
        for name, parameter in front_end.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.zeros_(parameter)
    x = degenerate().requires_grad_()
    (gradient,) = torch.autograd.grad(front_end(x).sum(), x, create_graph=True)
    assert gradient.isfinite().all()
    assert (gradient[1] != 0).any()
    front_end(degenerate()).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in front_end.body.parameters())


def test_the_gradient_is_the_true_one(make, images):
    front_end = make((1, 8, 8), widths=(2, 2), hidden=4).double()
    x = images(2, 1, 8, 8, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(front_end.body, x, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("config", [{}, {"network": "resnet", "blocks": 1}, {"constraint": "divide"}], ids=str)
def test_a_batch_is_its_samples(make, images, config):
    x = torch.cat([images(12, 1, 28, 28), degenerate()])
    front_end = make(**config)
    together = front_end(x)
    alone = torch.cat([front_end(x[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)


def test_the_output_is_a_vector_of_twice_the_hidden_values(make):
    assert make()(degenerate()).shape == (3, 48)
    assert make((3, 33, 20), network="resnet", blocks=1)(torch.rand(2, 3, 33, 20)).shape == (2, 48)


def test_figures_are_images(trained):
    shown = trained.protected.front_end.figures(trained.x[:4])
    assert len(shown) == 4
    for picture in shown.values():
        assert picture.shape == (4, 1, 28, 28)
        assert 0 <= picture.min() <= picture.max() == 1


def test_an_untrained_one_is_refused(make):
    from frontdef import Protected

    with pytest.raises(Exception, match="train"):
        Protected(make(), torch.nn.Linear(48, 10), image_shape=(1, 28, 28))(torch.zeros(1, 1, 28, 28))
