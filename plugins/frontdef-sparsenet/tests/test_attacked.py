"""No certified sample falls, to the attacks of any library."""

from __future__ import annotations

import itertools
import os

import pytest
import torch
from frontdef_sparsenet.certificate import BOUNDS

import frontdef
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.registry import get_attack_libraries, get_dataset, get_family

LIBRARIES = ("native", "art", "torchattacks", "foolbox")
PGD = {"steps": 20, "relative_step": 0.2, "random_start": True}
ATTACKS = {"pgd": PGD, "fgsm": {}, "mifgsm": {"steps": 10, "relative_step": 0.2}, "locally-linear": {}}


def broken(model, split, library, family, eps, parameters):
    """Which samples an attack breaks, those that were wrong before included; bool (N,)."""
    spec = make_spec(get_family(family), "linf", eps, parameters)
    with isolated(model, 0):
        x_adv = torch.as_tensor(get_attack_libraries()[library].run(spec, model, split.images, split.labels))
        inside = spec.threat.contains(split.images, x_adv)
        return inside & (model.predict(x_adv.clamp(0, 1)).argmax(1) != split.labels)


def proved(model, split, eps):
    return {
        name: bound(model.front_end, model.classifier, split.images, split.labels, eps + 1e-6)
        for name, bound in BOUNDS.items()
    }


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("family", "parameters"), [("pgd", PGD), ("fgsm", {})])
def test_no_certified_digit_falls(trained, digits, library, family, parameters):
    pytest.importorskip({"native": "torch", "art": "art"}.get(library, library))
    for eps in (0.05, 0.1, 0.2, 0.3):
        fallen = broken(trained, digits.test, library, family, eps, parameters)
        for name, certified in proved(trained, digits.test, eps).items():
            assert not (certified & fallen).any(), (name, eps)


def test_the_certificate_says_much(trained, digits):
    """Most of what PGD leaves standing is proved, and the attack does break something: neither side is idle."""
    standing = {eps: ~broken(trained, digits.test, "native", "pgd", eps, PGD) for eps in (0.1, 0.3)}
    certified = {eps: proved(trained, digits.test, eps)["both"] for eps in standing}
    assert certified[0.1].sum() > 0.9 * standing[0.1].sum() > 0
    assert standing[0.3].sum() < 0.8 * len(digits.test)


@pytest.mark.slow
@pytest.mark.data
def test_no_certified_sample_of_mnist_falls():
    """More than 2,000 certified samples, every library's PGD, FGSM and MI-FGSM, and the locally linear attack."""
    if not os.environ.get("FRONTDEF_DATA"):
        pytest.skip("needs FRONTDEF_DATA with MNIST")
    model = frontdef.train("sparsenet", dataset="mnist-3-7", strength=0.03)
    test = get_dataset("mnist-3-7").load("test")
    attacked = 0
    for eps in (0.1, 0.2):
        certified = proved(model, test, eps)["both"]
        attacked += int(certified.sum())
        for library, (family, parameters) in itertools.product(LIBRARIES, ATTACKS.items()):
            if get_attack_libraries()[library].offers(family, "linf"):
                fallen = broken(model, test, library, family, eps, parameters)
                assert not (certified & fallen).any(), (library, family, eps)
    assert attacked >= 2000
