"""Each library's own defaults: nothing but the threat model is handed over."""

from __future__ import annotations

import pytest
import torch

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.errors import ConfigError

FAMILY = {family.name: family for family in FAMILIES}
EPS = {"linf": 0.1, "l2": 1.0, "l1": 6.0, "l0": 10, "spatial": 1}
CHEAP = {"fgsm", "bim", "pgd", "mifgsm", "noise"}
"""Families whose defaults run in a second; the others' take minutes in some library."""


def run(libraries, library, family, norm, model, x, y):
    spec = make_spec(FAMILY[family], norm, EPS[norm], defaults=True)
    with isolated(model, 0):
        return libraries[library].run(spec, model, x, y)


def test_defaults_run(offer, libraries, cnn, batch):
    library, family, norm = offer
    if libraries[library].table()[family, norm].defaults is None or family not in CHEAP:
        pytest.skip("no defaults, or too slow for a test")
    x, y = batch[0][:10], batch[1][:10]
    examples = run(libraries, library, family, norm, cnn, x, y)
    assert examples.shape == x.shape
    assert not torch.equal(examples, x)


def test_defaults_differ_where_parameters_do_not(libraries, cnn, batch):
    """ART starts at the image and takes 100 steps, foolbox 40 and torchattacks 10 from a random point."""
    spent = {}
    for library in ("art", "foolbox", "torchattacks", "native"):
        cnn.passes.backward = 0
        run(libraries, library, "pgd", "linf", cnn, batch[0][:10], batch[1][:10])
        spent[library] = cnn.passes.backward / 10
    assert spent == {"art": 100, "foolbox": 40, "torchattacks": 10, "native": 20}


def test_defaults_take_no_parameters():
    with pytest.raises(ConfigError, match="takes no parameters: steps"):
        make_spec(FAMILY["pgd"], "linf", 0.1, {"steps": 3}, defaults=True)


def test_a_spec_says_that_it_runs_defaults():
    spec = make_spec(FAMILY["pgd"], "linf", 0.1, defaults=True)
    assert str(spec) == "pgd ℓ∞ ε=0.1 (the library's defaults)"
    assert spec.settings() == {"defaults": True}
