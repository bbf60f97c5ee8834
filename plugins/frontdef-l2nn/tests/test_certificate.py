"""The certificate: by hand, against every library, and silent where the theory is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from frontdef_l2nn.certificate import L2_RADII, GapCertificate, Proof, prove
from frontdef_l2nn.flow import Flow
from frontdef_l2nn.head import divided_head
from torch import nn

from frontdef import Protected, ThreatModel, registry
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.classifiers.network import Network


def proof_by_hand(*, error=(0.0, 0.0), rounding=(0.0, 0.0)):
    """Body bound 2; w = (1 0), (0 1), (1 1): the pairs are √2, 1 and 1 apart."""
    apart = torch.tensor([[0, math.sqrt(2), 1], [math.sqrt(2), 0, 1], [1, 1, 0]], dtype=torch.float64)
    body = replace(Flow.of_images(), lipschitz=2.0, error=torch.tensor(error, dtype=torch.float64))
    return Proof(body, math.sqrt(3), apart, torch.tensor([rounding] * 3, dtype=torch.float64), nn.Identity())


def radii_by_hand(proof, logits, labels, norm=0.0):
    norms = torch.full((len(labels),), norm, dtype=torch.float64)
    return proof.radii_of(torch.tensor(logits, dtype=torch.float64), torch.tensor(labels), norms).tolist()


def test_radii_by_hand():
    """Logits (5, 1, 3): gaps 4 and 2, over 2√2 and 2: the nearer is 1, of the second class. A wrong label: 0."""
    logits = [[5.0, 1, 3], [5.0, 1, 3], [5.0, 4.9, -9]]
    radii = radii_by_hand(proof_by_hand(), logits, [0, 2, 0])
    assert radii == pytest.approx([1.0, 0.0, 0.1 / (2 * math.sqrt(2))], abs=1e-8)


def test_rounding_is_subtracted_at_the_attacked_image():
    """The body's error 0.1 times ‖w₁ - w₃‖ = 1, the last layer's 0.2 in both logits: (2 - 0.1 - 0.4)/2 = 0.75."""
    proof = proof_by_hand(error=(0.0, 0.1), rounding=(0.0, 0.2))
    assert radii_by_hand(proof, [[5.0, 1, 3]], [0]) == pytest.approx([0.75], abs=1e-6)


def test_rounding_grows_with_the_norm_of_the_farthest_image():
    """‖x‖ = 2 and the radius without rounding 1: errors of 0.02·3 and 0.01·3, so (2 - 0.06 - 2·0.03)/2 = 0.94."""
    proof = proof_by_hand(error=(0.02, 0.0), rounding=(0.01, 0.0))
    assert radii_by_hand(proof, [[5.0, 1, 3]], [0], norm=2.0) == pytest.approx([0.94], abs=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_is_proved_of_logits_that_are_not_finite(value):
    assert radii_by_hand(proof_by_hand(), [[value, 1, 3], [5, value, 3]], [1, 1]) == [0, 0]


def test_the_exact_network_has_the_weights_that_are_used(make, images):
    """Not yet settled, the divided weights are the quotients that float32 gives."""
    front_end = make(constraint="divide", network="resnet", blocks=1)
    front_end.mark_trained()
    last = divided_head((48,), 10)
    protected = Protected(front_end, last, image_shape=(1, 28, 28))
    proof = prove(protected)
    assert not front_end.body[0].settled
    x = images(3, 1, 28, 28)
    torch.testing.assert_close(proof.exact(x.double()).float(), protected(x), rtol=1e-5, atol=1e-6)
    front_end.finish(last)
    again = prove(protected)
    assert again.bound == pytest.approx(proof.bound, rel=1e-6)
    torch.testing.assert_close(again.exact(x.double()), proof.exact(x.double()), rtol=1e-6, atol=1e-8)


def test_bounds_are_those_of_the_weights_as_they_are(make):
    protected = Protected(make(), divided_head((48,), 10), image_shape=(1, 28, 28))
    first = prove(protected)
    assert prove(protected) is first
    with torch.no_grad():
        next(protected.front_end.body.parameters()).mul_(2)
    assert prove(protected).bound > first.bound


def without_rounding(proof):
    body = replace(proof.body, error=torch.zeros(2, dtype=torch.float64))
    return replace(proof, body=body, rounding=torch.zeros(10, 2, dtype=torch.float64))


def test_pairs_prove_more_than_the_product(trained):
    """By pairs, without rounding: at least the margin over √2 times the bound, by Cauchy-Schwarz."""
    first, second = trained.logits.double().topk(2, dim=1).values.unbind(1)
    right = trained.logits.argmax(1) == trained.y
    by_product = torch.where(right, (first - second) / (math.sqrt(2) * trained.proof.bound), 0.0)
    radii = without_rounding(trained.proof).radii(trained.x, trained.y)
    assert (radii >= by_product - 1e-5).all()
    assert radii.mean() > by_product.mean()


def test_rounding_costs_little(trained):
    radii = trained.proof.radii(trained.x, trained.y)
    lost = without_rounding(trained.proof).radii(trained.x, trained.y) - radii
    assert 0 < lost.max() < 0.01


@pytest.mark.parametrize(
    ("norm", "eps", "n", "radius"),
    [("l2", 0.5, 784, 0.5), ("linf", 0.1, 100, 1.0), ("l1", 0.7, 784, 0.7), ("l0", 9, 784, 3.0)],
)
def test_the_ball_of_another_norm_lies_in_an_l2_ball(norm, eps, n, radius):
    """And the tolerance of 1e-6 a value, or in all, lies in it too."""
    l2_radius = L2_RADII[norm](eps, n)
    assert radius < l2_radius < radius + 4e-5
    corner = torch.zeros(1, n, dtype=torch.float64)
    corner[0, : {"linf": n, "l0": 9}.get(norm, 1)] = {"linf": eps, "l0": 1.0}.get(norm, eps)
    assert corner.norm() <= l2_radius


def test_certified_and_not_is_the_radius(trained):
    radii = trained.proof.radii(trained.x, trained.y)
    for norm, eps in [("l2", 0.2), ("l2", 0.8), ("linf", 0.01), ("l1", 0.5), ("l0", 1)]:
        certified = GapCertificate().certify(trained.protected, trained.x, trained.y, ThreatModel(norm, eps))
        assert torch.equal(certified, radii > L2_RADII[norm](eps, 784))
        assert certified.any()
    wrong = (trained.y + 1) % 10
    certified = GapCertificate().certify(trained.protected, trained.x, wrong, ThreatModel("l2", 1e-3))
    assert not certified[trained.logits.argmax(1) != wrong].any()


def test_nothing_is_certified_where_nothing_is_proved(trained):
    certify, l2 = GapCertificate().certify, ThreatModel("l2", 0.1)
    assert not certify(trained.protected, trained.x, trained.y, ThreatModel("spatial", 1)).any()
    front_end, last = trained.protected.front_end, trained.protected.classifier.body
    strangers = [
        nn.Sequential(last, nn.ReLU()),
        Network("l2nn-head", last, (48,), 10, mean=0.0, std=0.5),
        Network("l2nn-head", last, (48,), 10, mean=0.1, std=1.0),
        nn.Sequential(nn.Linear(48, 10)),
    ]
    for stranger in strangers:
        protected = Protected(front_end, stranger, image_shape=(1, 28, 28))
        assert prove(protected) is None
        assert not certify(protected, trained.x, trained.y, l2).any()
    assert prove(last) is None


def test_a_plain_linear_layer_will_do(trained):
    last = trained.protected.classifier.body
    plain = nn.Linear(48, 10)
    plain.load_state_dict({"weight": last.weight, "bias": last.bias})
    proof = prove(Protected(trained.protected.front_end, plain, image_shape=(1, 28, 28)))
    assert proof.bound == trained.proof.bound


PGD = {"steps": 8, "relative_step": 0.3, "random_start": True}


def attacks():
    """Every library's PGD, and what else finds small ℓ2 perturbations."""
    for family, norm, parameters, marks in [
        ("pgd", "l2", PGD, ()),
        ("pgd", "linf", PGD, pytest.mark.slow),
        ("fgsm", "linf", {}, ()),
        ("cw", "l2", {}, pytest.mark.slow),
        ("deepfool", "l2", {}, pytest.mark.slow),
        ("apgd", "l2", {}, pytest.mark.slow),
    ]:
        for name, library in registry.get_attack_libraries().items():
            if library.offers(family, norm):
                yield pytest.param(name, family, norm, parameters, id=f"{name}-{family}-{norm}", marks=marks)


@pytest.mark.parametrize(("name", "family", "norm", "parameters"), list(attacks()))
def test_no_certified_sample_falls(trained, name, family, norm, parameters):
    """At radii where about half of the samples are certified; those are verified to be inside the ball."""
    library = registry.get_attack_libraries()[name]
    radii = trained.proof.radii(trained.x, trained.y)
    eps = float(radii.median()) / (28 if norm == "linf" else 1)
    threat = ThreatModel(norm, eps)
    certified = GapCertificate().certify(trained.protected, trained.x, trained.y, threat)
    assert 0.3 < certified.double().mean() < 0.7
    with isolated(trained.protected, 0):
        spec = make_spec(registry.get_family(family), norm, eps, parameters)
        examples = library.run(spec, trained.protected, trained.x, trained.y)
    broken = (trained.protected.predict(examples.clamp(0, 1)).argmax(1) != trained.y) & threat.contains(
        trained.x, examples
    )
    assert not (certified & broken).any()
    if family == "pgd":
        assert broken.any()


def test_no_certified_sample_falls_to_a_long_attack_just_inside_its_own_radius(trained):
    """Each sample attacked at 0.999 of its radius, by 20 steps towards each of the two next classes."""
    rows = (trained.proof.radii(trained.x, trained.y) > 0.05).nonzero().flatten()[:40]
    x, y = trained.x[rows], trained.y[rows]
    radii = 0.999 * trained.proof.radii(x, y).float()[:, None, None, None]
    for rank in (1, 2):
        target = trained.logits[rows].argsort(1, descending=True)[:, rank]
        delta = torch.zeros_like(x).requires_grad_()
        for _ in range(20):
            logits = trained.protected((x + delta).clamp(0, 1))
            gap = (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])).sum()
            (gradient,) = torch.autograd.grad(gap, delta)
            with torch.no_grad():
                step = gradient / gradient.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]
                delta += 0.1 * radii * step
                delta.copy_((x + delta).clamp(0, 1) - x)
                delta *= (radii / delta.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]).clamp_max(1)
        assert (trained.protected.predict((x + delta.detach()).clamp(0, 1)).argmax(1) == y).all()
