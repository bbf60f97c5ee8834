"""Native EOT-PGD: its two readings, what it pays, and where it must be plain PGD."""

from __future__ import annotations

import pytest
import torch

from frontdef.attacks.guard import isolated
from frontdef.attacks.native import ascent
from frontdef.attacks.native.eotpgd import READINGS, eotpgd
from frontdef.attacks.native.pgd import pgd
from frontdef.config import Config
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected
from frontdef.threat import ThreatModel

NORMS = {"linf": 0.05, "l2": 0.4, "l1": 3.0}


class Jitter(FrontEnd[Config]):
    """Adds uniform noise."""

    randomized = True

    def forward(self, x):
        generator = self.generator(x.device)
        noise = torch.rand(x.shape, generator=generator, device=x.device) - 0.5
        return (x + 0.3 * noise).clamp(0, 1)


class Blink(FrontEnd[Config]):
    """Hides every other image behind gray: these draws have no gradient."""

    randomized = True

    def forward(self, x):
        seen = torch.rand(len(x), 1, 1, 1, generator=self.generator(x.device)) < 0.5
        return torch.where(seen, x, 0.5)


@pytest.fixture
def behind(cnn):
    """``behind(front_end)``: the CNN behind a front end."""
    return lambda front_end: Protected(front_end(Config()), cnn.classifier, image_shape=cnn.image_shape)


def run(model, batch, norm="linf", attack=eotpgd, seed=0, **parameters):
    threat = ThreatModel(norm, NORMS[norm])
    with isolated(model, seed):
        return attack(model, *batch, threat=threat, **{"steps": 5, "step_size": 0.3 * threat.eps, **parameters})


@pytest.mark.parametrize("norm", NORMS)
def test_one_draw_of_a_deterministic_model_is_pgd(cnn, batch, norm):
    assert torch.equal(run(cnn, batch, norm, draws=1), run(cnn, batch, norm, pgd))


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_is_pgd_on_a_deterministic_model(cnn, batch, reading):
    several, once = run(cnn, batch, draws=3, reading=reading), run(cnn, batch, attack=pgd)
    assert ((several - once).abs().flatten(1).amax(1) <= 1e-6).double().mean() >= 0.98


def test_the_mean_is_torchattacks_eotpgd(behind, batch):
    """Also on a randomized model: the draws of one pass are those of several passes one after the other."""
    import torchattacks

    model = behind(Jitter)
    theirs = torchattacks.EOTPGD(model, eps=0.05, alpha=0.015, steps=5, eot_iter=4, random_start=False)
    with isolated(model, 0):
        expected = theirs(*batch)
    examples = run(model, batch, draws=4)
    assert ((examples - expected).abs().flatten(1).amax(1) <= 1e-6).double().mean() >= 0.98
    assert not torch.allclose(run(model, batch, draws=4, seed=1), expected, atol=1e-3)


def test_points_are_split_without_a_trace(behind, batch, monkeypatch):
    model = behind(Jitter)
    whole = run(model, batch, draws=4)
    monkeypatch.setattr(ascent, "POINTS", 37)
    parts = run(model, batch, draws=4)
    assert ((whole - parts).abs().flatten(1).amax(1) <= 1e-6).double().mean() >= 0.98


def test_a_mean_follows_the_largest_gradient_and_a_normalized_one_the_majority():
    gradients = torch.tensor([1.0, 1.0, -1e6]).view(3, 1, 1, 1, 1).expand(3, 2, 1, 2, 2)
    assert (READINGS["mean"](gradients) < 0).all()
    torch.testing.assert_close(READINGS["normalized"](gradients), torch.full((2, 1, 2, 2), 1 / 6))


@pytest.mark.parametrize("useless", [0.0, torch.nan, torch.inf])
def test_a_useless_draw_is_left_out_of_the_normalized_mean(useless):
    torch.manual_seed(0)
    gradients = torch.randn(5, 4, 1, 3, 3)
    rest = READINGS["normalized"](gradients[1:])
    gradients[0] = useless
    mean = READINGS["normalized"](gradients)
    assert mean.isfinite().all()
    torch.testing.assert_close(mean * 5, rest * 4)


def test_draws_without_gradient_do_not_freeze_an_image(behind, batch, right):
    """Half of the draws are gray; 1 - 2⁻⁸ of all steps meet at least one of them."""
    model = behind(Blink)
    examples = run(model, batch, draws=8, reading="normalized")
    assert (examples != batch[0]).flatten(1).any(1).all()
    assert right(model.without(), examples, batch[1]).double().mean() < 0.5


@pytest.mark.parametrize("reading", READINGS)
def test_more_draws_break_a_randomized_model_better(behind, batch, right, reading):
    model = behind(Jitter)
    stands = {}
    for draws in (1, 16):
        examples = run(model, batch, draws=draws, reading=reading)
        model.front_end.reseed(99)
        stands[draws] = int(right(model.eot(32, average="probabilities"), examples, batch[1]).sum())
    assert stands[16] < stands[1] - 5


def test_a_view_that_averages_logits_is_opened(attack, behind, batch):
    """The runner hands over ``eot(n)``; the gradients are those of single draws all the same, and so is the cost."""
    model = behind(Jitter)
    x, y = batch[0][:20], batch[1][:20]
    by_draws = {}
    for view in (model, model.eot(8)):
        model.passes.forward = model.passes.backward = 0
        by_draws[view.draws] = attack("native", "eotpgd", "linf", 0.05, view, x, y, steps=3, draws=4)
        assert (model.passes.forward, model.passes.backward) == (3 * 4 * 20, 3 * 4 * 20)
    assert torch.equal(by_draws[1], by_draws[8])
    normalized = attack("native", "eotpgd", "linf", 0.05, model, x, y, steps=3, draws=4, reading="normalized")
    assert not torch.equal(by_draws[1], normalized)
