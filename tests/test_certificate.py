"""Certificate does what every proof needs: norms, batches, mode, right predictions; the proof is the plugin's."""

from __future__ import annotations

import pytest
import torch

from frontdef.certificate import LEAD, SMALLEST_RADIUS, Certificate, certified_radii, leads
from frontdef.errors import ConfigError
from frontdef.testing import linear_model
from frontdef.threat import ThreatModel

LINF = ThreatModel("linf", 0.1)
X = torch.tensor([0.9, 0.1, 0.8, 0.2, 0.7]).view(5, 1, 1, 1)
Y = torch.tensor([1, 0, 0, 0, 1])
"""Class 1 above a half; the third is labeled wrong."""


@pytest.fixture
def model():
    return linear_model([[-1.0], [1.0]], [1.0, 0.0], (1, 1, 1))


class Recorded(Certificate):
    """Proves all, or what it is told, and remembers how it was asked."""

    norms = ("linf",)
    batch_size = 2

    def __init__(self, answer=lambda x, y: torch.ones_like(y, dtype=torch.bool)):
        self.answer, self.models, self.batches, self.modes, self.gradients = answer, 0, [], [], []

    def proof(self, protected, threat):
        self.models += 1

        def prove(x, y):
            self.batches.append(len(x))
            self.modes.append(any(module.training for module in protected.modules()))
            self.gradients.append(torch.is_grad_enabled())
            return self.answer(x, y)

        return prove


def test_only_right_predictions_are_certified(model):
    assert Recorded().certify(model, X, Y, LINF).tolist() == [True, True, False, True, True]


def test_a_model_is_looked_at_once_and_images_come_in_batches(model):
    certificate = Recorded()
    certificate.certify(model, X, Y, LINF)
    assert (certificate.models, certificate.batches) == (1, [2, 2, 1])


def test_each_batch_answers_for_its_own_images(model):
    bright = Recorded(lambda x, y: x.flatten() > 0.75)
    assert bright.certify(model, X, Y, LINF).tolist() == [True, False, False, False, False]


def test_nothing_is_proved_in_another_norm_or_of_a_model_that_is_not_covered(model):
    certificate = Recorded()
    assert not certificate.certify(model, X, Y, ThreatModel("l2", 0.1)).any()
    assert certificate.models == 0

    class Uncovered(Recorded):
        def proof(self, protected, threat):
            return None

    assert not Uncovered().certify(model, X, Y, LINF).any()


def test_the_model_is_in_eval_mode_and_as_it_was_afterwards(model):
    certificate = Recorded()
    model.classifier.train()
    before, passes = [module.training for module in model.modules()], model.passes.forward
    certificate.certify(model, X, Y, LINF)
    assert not any(certificate.modes)
    assert not any(certificate.gradients)
    assert [module.training for module in model.modules()] == before
    assert model.passes.forward == passes


def test_a_failing_proof_leaves_the_mode_too(model):
    model.classifier.train()
    with pytest.raises(ZeroDivisionError):
        Recorded(lambda x, y: 1 / 0).certify(model, X, Y, LINF)
    assert model.classifier.training


@pytest.mark.parametrize("answer", [lambda x, y: torch.ones(1, dtype=torch.bool), lambda x, y: torch.ones(len(x))])
def test_another_shape_or_type_is_an_error(model, answer):
    with pytest.raises(ConfigError, match="one bool a sample"):
        Recorded(answer).certify(model, X, Y, LINF)


def test_a_certificate_without_a_proof_says_so(model):
    class Empty(Certificate):
        norms = ("linf",)

    with pytest.raises(NotImplementedError, match="Empty has no proof"):
        Empty().certify(model, X, Y, LINF)


def test_a_lead_is_more_than_rounding():
    logits = torch.tensor([[1.0, 1.0 - 1e-7], [1.0, 1.0 - 3 * LEAD], [0.0, 1.0], [1e6, 1e6 - 50.0], [1e6, 1e6 - 500.0]])
    assert leads(logits, torch.zeros(5, dtype=torch.long)).tolist() == [False, True, False, False, True]


class UpTo(Recorded):
    """Proves each image up to its first value over ten."""

    norms = ("linf", "l2", "l1", "l0")

    def proof(self, protected, threat):
        return lambda x, y: x.flatten() / 10 >= threat.eps


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("ratio", [1.01, 1.1, 2.0])
def test_radii_are_proved_and_a_ratio_beyond_them_is_not(model, norm, ratio):
    exact = torch.tensor([0.09, 0.01, 0.0, 0.02, 0.07], dtype=torch.float64)
    radii = certified_radii(UpTo(), model, X, Y, norm, ratio=ratio)
    assert (radii <= exact + 1e-9).all()
    assert (radii * ratio >= exact - 1e-9).all()
    assert radii[2] == 0


def test_radii_end_where_the_box_does(model):
    radii = certified_radii(Recorded(), model, X, Y, "linf")
    assert (radii[[0, 1, 3, 4]] <= 1).all()
    assert (radii[[0, 1, 3, 4]] * 1.1 >= 1).all()


def test_nothing_proved_has_no_radius(model):
    nothing = Recorded(lambda x, y: torch.zeros_like(y, dtype=torch.bool))
    assert certified_radii(nothing, model, X, Y, "linf").tolist() == [0] * 5
    assert certified_radii(UpTo(), model, X * SMALLEST_RADIUS, Y, "linf").tolist() == [0] * 5


def test_radii_need_a_norm_that_can_be_bisected(model):
    with pytest.raises(ConfigError, match="'l0' has no such radius"):
        certified_radii(UpTo(), model, X, Y, "l0")
    with pytest.raises(ConfigError, match="above 1"):
        certified_radii(UpTo(), model, X, Y, "linf", ratio=1.0)
