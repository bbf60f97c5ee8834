"""What an attack was asked for is said in the same words wherever it is read back."""

from __future__ import annotations

import pytest

from frontdef.attacks.spec import AttackSpec, worded
from frontdef.matrix.summary import attack_title
from frontdef.registry import get_families
from frontdef.threat import ThreatModel

OPTIONS = {"": {}, " (precise)": {"precise": True}, " (the library's defaults)": {"defaults": True}}


@pytest.mark.parametrize("family", get_families(), ids=lambda family: family.name)
@pytest.mark.parametrize("average", [None, "logits"])
def test_a_summary_reads_whatever_a_cell_was_asked_for(family, average):
    """Its parameters and the switches; what is averaged has a column of its own."""
    norm = family.norms[0]
    threat = ThreatModel(norm, 1.0 if norm == "spatial" else 0.1)
    for words, options in OPTIONS.items():
        spec = AttackSpec(family, threat, family.parameters(), average=average, **options)
        assert attack_title(family.name, spec.written) == family.name + words
        assert ("average of logits" in str(spec)) == (average is not None)


def test_what_is_the_family_s_default_is_not_said():
    (family,) = (family for family in get_families() if family.name == "pgd")
    settings = {**family.parameters().model_dump(mode="json"), "steps": 7, "average": "logits"}
    assert worded(family, settings) == "steps=7, average of logits"
