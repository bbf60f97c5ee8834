"""The same parity and agreement on a CUDA device."""

from __future__ import annotations

import pytest
import torch

from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.checks.conformance import Subject
from frontdef.checks.conformance.parity import parity
from frontdef.errors import OutOfMemoryError
from frontdef.memory import Batches
from frontdef.registry import get_attack_libraries, get_defenses, get_family

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch sees none"),
]

FORWARD, GRADIENT = 1e-4, 1e-3
"""TF32 is off; cuDNN may choose another algorithm for another view."""


@pytest.fixture(autouse=True)
def exact_arithmetic():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


@pytest.mark.parametrize("name", [defense.name for defense in get_defenses()])
def test_parity(name):
    subject = Subject(name, device="cuda")
    differences = parity(subject.protected, subject.few, subject.few_labels)
    print(name, differences)
    assert max(differences.forward.values()) <= FORWARD
    assert max(differences.gradient.values()) <= GRADIENT


@pytest.mark.parametrize("family", ["fgsm", "bim", "pgd"])
def test_deterministic_attacks_agree(family):
    subject = Subject("none", device="cuda")
    spec = make_spec(get_family(family), "linf", 0.1, {})
    examples = {}
    for name, library in get_attack_libraries().items():
        offered = library.offers(family, "linf")
        if offered is None or not offered.exact or offered.refusal(spec):
            continue
        with isolated(subject.protected, 0):
            examples[name] = library.run(spec, subject.protected, subject.few, subject.few_labels).cpu()
    assert {"native", "art", "foolbox", "torchattacks"} <= examples.keys()
    for name, theirs in examples.items():
        same = ((theirs - examples["native"]).abs().flatten(1).amax(1) <= 1e-4).double().mean()
        assert same >= 0.99, name


def test_a_batch_that_does_not_fit_is_halved():
    free = torch.cuda.mem_get_info()[0]
    each = free // 8

    def work(rows):
        return torch.empty((rows.stop - rows.start) * each, dtype=torch.uint8, device="cuda").sum().item()

    batches = Batches(32)
    assert len(list(batches.over(32, work))) >= 4
    assert 1 <= batches.size < 8
    with pytest.raises(OutOfMemoryError, match="one image"):
        list(Batches(4).over(4, lambda rows: torch.empty(64 * free, dtype=torch.uint8, device="cuda")))
