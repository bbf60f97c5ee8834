"""The attack without the front end, and the view of a protected classifier that it takes."""

from __future__ import annotations

import pytest
import torch

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.spec import make_spec
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected

EPS = {"linf": 0.1, "l2": 1.0, "l1": 6.0}


class Rounded(FrontEnd[Config]):
    """Sixteen gray levels, with the true gradient, which is zero."""

    def forward(self, x):
        return torch.round(15 * x) / 15


class Doubled(FrontEnd[Config]):
    """Puts out every channel twice."""

    def forward(self, x):
        return x.repeat(1, 2, 1, 1)


@pytest.fixture
def masked(cnn):
    return Protected(Rounded(Config()), cnn.classifier, image_shape=cnn.image_shape)


def test_without_is_the_classifier_alone(masked, cnn, batch):
    bare = masked.without()
    assert torch.equal(bare.predict(batch[0]), cnn.predict(batch[0]))
    assert not torch.equal(bare.predict(batch[0]), masked.predict(batch[0]))
    assert bare.image_shape == masked.image_shape
    assert not bare.training


def test_without_counts_with_the_model(masked, batch):
    masked.passes.forward = masked.passes.backward = 0
    x = batch[0][:7].clone().requires_grad_()
    torch.autograd.grad(masked.without()(x).sum(), x)
    assert (masked.passes.forward, masked.passes.backward) == (7, 7)
    assert masked.without().passes is masked.passes


@pytest.mark.parametrize("norm", EPS)
def test_transfer_is_pgd_on_the_classifier(attack, masked, cnn, batch, norm):
    parameters = {"steps": 4, "loss": "margin"}
    x, y = batch[0][:30], batch[1][:30]
    masked.passes.forward = masked.passes.backward = 0
    examples = attack("native", "transfer", norm, EPS[norm], masked, x, y, **parameters)
    assert (masked.passes.forward, masked.passes.backward) == (4 * 30, 4 * 30)
    assert torch.equal(examples, attack("native", "pgd", norm, EPS[norm], cnn, x, y, **parameters))


def test_transfer_unmasks_a_front_end_without_gradient(attack, masked, batch, right):
    parameters = {"steps": 10, "relative_step": 0.2}
    assert torch.equal(attack("native", "pgd", "linf", 0.1, masked, *batch, **parameters), batch[0])
    examples = attack("native", "transfer", "linf", 0.1, masked, *batch, **parameters)
    assert right(masked, *batch).double().mean() > 0.8
    assert right(masked, examples, batch[1]).double().mean() < 0.2


def test_a_front_end_that_changes_the_shape_is_refused(attack, batch):
    model = Protected(Doubled(Config()), torch.nn.Flatten(), image_shape=(1, 14, 14))
    with pytest.raises(ConfigError, match=r"reads \(2, 14, 14\), what Doubled makes of \(1, 14, 14\)"):
        attack("native", "transfer", "linf", 0.1, model, *batch)


@pytest.mark.parametrize("family", ["pgd", "transfer"])
def test_a_targeted_dlr_is_refused(family):
    known = next(candidate for candidate in FAMILIES if candidate.name == family)
    with pytest.raises(ConfigError, match="the DLR loss has no target"):
        make_spec(known, "linf", 0.1, {"loss": "dlr", "target": "next"})
