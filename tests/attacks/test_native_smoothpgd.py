"""Native PGD on smoothed gradients."""

from __future__ import annotations

import pytest
import torch

from frontdef.config import Config
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected

NORMS = {"linf": 0.05, "l2": 0.4, "l1": 3.0}


class Ripple(FrontEnd[Config]):
    """Moves no pixel by more than 0.004, and turns the sign of every other gradient by a ripple of that height."""

    def forward(self, x):
        return x + 0.004 * torch.sin(2000 * x)


@pytest.mark.parametrize("norm", NORMS)
def test_a_neighborhood_without_extent_is_pgd(attack, cnn, batch, norm):
    parameters = {"steps": 4, "relative_step": 0.3}
    smooth = attack(
        "native", "smoothpgd", norm, NORMS[norm], cnn, *batch, neighbors=2, relative_radius=1e-9, **parameters
    )
    plain = attack("native", "bim", norm, NORMS[norm], cnn, *batch, **parameters)
    assert ((smooth - plain).abs().flatten(1).amax(1) <= 1e-5).double().mean() >= 0.98


def test_it_sees_through_shattered_gradients(attack, cnn, batch, right):
    model = Protected(Ripple(Config()), cnn.classifier, image_shape=cnn.image_shape)
    assert int((right(model, *batch) != right(cnn, *batch)).sum()) <= 3
    parameters = {"steps": 10, "relative_step": 0.3}
    plain = attack("native", "bim", "linf", 0.05, model, *batch, **parameters)
    smooth = attack("native", "smoothpgd", "linf", 0.05, model, *batch, neighbors=20, relative_radius=0.5, **parameters)
    stands = [int(right(model, examples, batch[1]).sum()) for examples in (plain, smooth)]
    assert stands[0] > 40
    assert stands[1] < 20


def test_every_neighbor_is_paid_for(attack, cnn, batch):
    x, y = batch[0][:10], batch[1][:10]
    cnn.passes.forward = cnn.passes.backward = 0
    attack("native", "smoothpgd", "linf", 0.05, cnn, x, y, steps=3, neighbors=4)
    assert (cnn.passes.forward, cnn.passes.backward) == (120, 120)


def test_the_radius_and_the_seed_decide(attack, cnn, batch):
    run = lambda seed=0, **parameters: attack(  # noqa: E731
        "native", "smoothpgd", "linf", 0.05, cnn, *batch, seed=seed, steps=3, neighbors=2, **parameters
    )
    assert torch.equal(run(), run())
    assert not torch.equal(run(), run(seed=1))
    assert not torch.equal(run(), run(relative_radius=1.0))
