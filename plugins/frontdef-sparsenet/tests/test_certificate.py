"""The certificate: its radius by hand, its limits, and that it is neither too small nor too large."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsenet.certificate import BOUNDS, SparseNetCertificate
from frontdef_sparsenet.metrics import certified_radius
from torch import nn

from frontdef import Config
from frontdef.classifiers.dense import linear
from frontdef.errors import ConfigError, NotTrainedError
from frontdef.frontend import Identity
from frontdef.protected import Protected
from frontdef.threat import ThreatModel

WEIGHT = [[1.0, -2.0], [0.5, 0.5]]
X = torch.tensor([[[[1.0, 0.25]]]])
ZERO = torch.tensor([0])


def radii(model, x, y):
    return {name: values.tolist() for name, values in certified_radius(model, x, y, Config(), 0).items()}


def test_the_difference_of_rows_by_hand(by_hand):
    """γ = 3; hidden (0.5, 0.625), logits (0.8125, 0.0625), margin 0.75, ‖w_0 − w_1‖₁ = 1.5: ε < 0.75/(3·1.5) = 1/6.

    Bounding each logit by itself would give half of that. Intervals give no more: the first neuron has the whole γ.
    """
    model = by_hand(WEIGHT, [[1.0, 0.5], [-0.5, 0.5]])
    by_bound = radii(model, X, ZERO)
    assert by_bound["product"][0] == pytest.approx(1 / 6, abs=1e-5)
    assert by_bound["intervals"][0] == pytest.approx(1 / 6, abs=1e-5)


def test_intervals_know_each_row_and_the_box_by_hand(by_hand):
    """Here the margin 1.5·0.625 hangs on the second neuron, of norm 1: 0.9375/(3·1.5) = 0.2083 by the theorem.

    Its least value is ½(1−ε) + ½·max(0, ¼−ε), because no pixel falls below 0: positive for every ε < 1.
    """
    model = by_hand(WEIGHT, [[0.5, 1.0], [0.5, -0.5]])
    by_bound = radii(model, X, ZERO)
    assert by_bound["product"][0] == pytest.approx(0.9375 / 4.5, abs=1e-5)
    assert by_bound["intervals"][0] == pytest.approx(1, abs=1e-4)


def test_three_classes_by_hand(by_hand):
    """Margins 1 and 2 with ‖w_0 − w_i‖₁ = 1 and 4, γ = 1: the farther class is the nearer one, ε < 2/4."""
    model = by_hand([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0], [-1.0, 2.0]])
    image = torch.tensor([[[[1.0, 0.0]]]])
    assert radii(model, image, ZERO)["product"][0] == pytest.approx(0.5, abs=1e-5)


def test_the_configuration_chooses(by_hand):
    for name, certified in {"product": False, "intervals": True, "both": True}.items():
        model = by_hand(WEIGHT, [[0.5, 1.0], [0.5, -0.5]], certificate=name)
        assert SparseNetCertificate().certify(model, X, ZERO, ThreatModel("linf", 0.3)).tolist() == [certified]


def test_a_wrong_prediction_is_never_certified(by_hand):
    model = by_hand(WEIGHT, [[1.0, 0.5], [-0.5, 0.5]])
    assert radii(model, X, torch.tensor([1])) == {"product": [0.0], "intervals": [0.0]}


@pytest.mark.parametrize("norm", ["l2", "l1", "l0"])
def test_other_norms_are_not_certified(trained, digits, norm):
    threat = ThreatModel(norm, 0.01)
    assert not SparseNetCertificate().certify(trained, digits.test.images, digits.test.labels, threat).any()


def test_other_models_are_refused(trained, build, digits):
    threat, certificate = ThreatModel("linf", 0.1), SparseNetCertificate()
    x, y = digits.test.images[:2], digits.test.labels[:2]
    for model in (nn.Sequential(), Protected(Identity(Config()), linear((1, 28, 28), 2))):
        with pytest.raises(ConfigError, match="behind 'sparsenet'"):
            certificate.certify(model, x, y, threat)
    with pytest.raises(NotTrainedError):
        certificate.certify(Protected(build(), linear((10,), 2)), x, y, threat)
    odd = Protected(trained.front_end, nn.Sequential(nn.Linear(10, 2), nn.Tanh()))
    with pytest.raises(ConfigError, match="Tanh"):
        certificate.certify(odd, x, y, threat)


def test_a_deeper_classifier_is_certified_too(trained, digits):
    torch.manual_seed(0)
    deeper = Protected(trained.front_end, nn.Sequential(nn.Linear(10, 4), nn.ReLU(), nn.Linear(4, 2)))
    y = deeper.predict(digits.test.images).argmax(1)
    for name, bound in BOUNDS.items():
        assert bound(deeper.front_end, deeper.classifier, digits.test.images, y, 1e-3).any(), name


def test_intervals_prove_what_the_theorem_proves(trained, digits):
    x, y = digits.test.images, digits.test.labels
    by_bound = certified_radius(trained, x, y, Config(), 0)
    assert (by_bound["intervals"] >= by_bound["product"] - 1e-3).all()
    assert by_bound["intervals"].mean() > by_bound["product"].mean() > 0.05


def test_radii_and_certificates_agree(trained, digits):
    x, y = digits.test.images, digits.test.labels
    by_bound = certified_radius(trained, x, y, Config(), 0)
    for name, bound in {name: BOUNDS[name] for name in by_bound}.items():
        for eps in (0.05, 0.2):
            proved = bound(trained.front_end, trained.classifier, x, y, eps)
            assert torch.equal(proved, by_bound[name] > eps), (name, eps)


def test_other_defenses_have_no_radius(digits):
    model = Protected(Identity(Config()), linear((1, 28, 28), 2), image_shape=(1, 28, 28))
    by_bound = certified_radius(model, digits.test.images[:3], digits.test.labels[:3], Config(), 0)
    assert set(by_bound) == {"product", "intervals"}
    assert all(values.isnan().all() for values in by_bound.values())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_it_holds_up_to_its_radius_in_float32(by_hand, scale):
    """One neuron that stays active, images far from 0 and 1: the worst perturbation is known, ε·sgn of the row.

    At the certified radius it must fail in float32, whatever rounding does; a little beyond, it must succeed.
    """
    row = torch.randn(1, 700, generator=torch.Generator().manual_seed(0)) * scale
    threshold = float(0.5 * row.sum() - 0.05 * row.abs().sum())  # at ε = 0.05 the margin is gone
    model = by_hand(row.tolist(), [[1.0], [-1.0]], bias=[1e3 * scale])
    with torch.no_grad():
        model.classifier.bias = nn.Parameter(torch.tensor([-threshold - 1e3 * scale, threshold + 1e3 * scale]))
    x, y = torch.full((1, 1, 1, 700), 0.5), ZERO
    for name, (radius,) in radii(model, x, y).items():
        assert 0.045 < radius < 0.05, name
        for share, label in [(1.0, 0), (0.05 / radius * 1.02, 1)]:
            attacked = x - share * radius * row.sign().view_as(x)
            assert model.predict(attacked).argmax(1).tolist() == [label], (name, share)
