"""What each of ART's attacks is constructed with: every parameter of its family, or nothing but the threat model."""

from __future__ import annotations

from math import inf

import pytest

from frontdef.attacks.art import TABLE
from frontdef.attacks.families import FAMILIES
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec

FAMILY = {family.name: family for family in FAMILIES}
EPS = 0.25
BLACK_BOX = {"targeted": True, "learning_rate": 0.02, "max_iter": 7}
GIVEN = {
    ("fgsm", "l2"): ({"target": "next"}, {"eps": EPS, "norm": 2, "targeted": True}),
    ("pgd", "l2"): (
        {"steps": 7, "relative_step": 0.4, "random_start": True, "restarts": 3, "target": "next"},
        {"max_iter": 7, "eps_step": 0.1, "num_random_init": 3, "eps": EPS, "norm": 2, "targeted": True},
    ),
    ("mifgsm", "linf"): (
        {"steps": 7, "relative_step": 0.4, "decay": 0.9},
        {"max_iter": 7, "eps_step": 0.1, "decay": 0.9, "eps": EPS, "norm": inf, "targeted": False},
    ),
    ("apgd", "linf"): (
        {"steps": 7, "restarts": 3, "loss": "dlr", "target": "next"},
        {"max_iter": 7, "nb_random_init": 3, "loss_type": "difference_logits_ratio", "targeted": True}
        | {"eps": EPS, "eps_step": 2 * EPS, "norm": inf},
    ),
    ("apgd", "l2"): (
        {"steps": 7, "restarts": 2, "loss": "cross-entropy"},
        {"max_iter": 7, "nb_random_init": 2, "loss_type": "cross_entropy", "targeted": False, "norm": 2},
    ),
    ("autoattack", "linf"): ({}, {"eps": EPS, "eps_step": 2 * EPS, "norm": inf, "targeted": False}),
    ("autoattack", "l2"): ({}, {"eps": EPS, "eps_step": 2 * EPS, "norm": 2}),
    ("square", "l2"): (
        {"queries": 50, "p_init": 0.3, "restarts": 2},
        {"max_iter": 49, "p_init": 0.3, "nb_restarts": 2, "eps": EPS, "norm": 2},
    ),
    ("square", "linf"): ({}, {"max_iter": 999, "p_init": 0.8, "nb_restarts": 1, "norm": inf}),
    ("cw", "l2"): (
        {"steps": 7, "lr": 0.02, "confidence": 0.5, "initial_const": 3.0, "binary_search_steps": 4, "target": "next"},
        {"confidence": 0.5, "initial_const": 3.0, "binary_search_steps": 4} | BLACK_BOX,
    ),
    ("deepfool", "l2"): ({"steps": 7, "overshoot": 0.3}, {"max_iter": 7, "epsilon": 0.3, "nb_grads": 10}),
    ("ead", "l1"): (
        {"steps": 7, "lr": 0.02, "beta": 0.3, "initial_const": 3.0, "binary_search_steps": 4, "rule": "L1"}
        | {"target": "next"},
        {"beta": 0.3, "initial_const": 3.0, "binary_search_steps": 4, "decision_rule": "L1"} | BLACK_BOX,
    ),
    ("jsma", "l0"): ({"theta": 0.3, "gamma": 0.2}, {"theta": 0.3, "gamma": 0.2}),
    ("newtonfool", "l2"): ({"steps": 7, "eta": 0.3}, {"max_iter": 7, "eta": 0.3}),
    ("hopskipjump", "linf"): (
        {"steps": 7, "init_eval": 30, "max_eval": 60},
        {"max_iter": 7, "init_eval": 30, "max_eval": 60, "norm": inf, "targeted": False, "batch_size": 60},
    ),
    ("hopskipjump", "l2"): ({}, {"max_iter": 20, "init_eval": 100, "max_eval": 1000, "norm": 2}),
    ("boundary", "l2"): (
        {"steps": 7, "spherical_step": 0.3, "source_step": 0.2},
        {"max_iter": 7, "delta": 0.3, "epsilon": 0.2, "targeted": False, "batch_size": 500},
    ),
    ("zoo", "l2"): (
        {"steps": 7, "lr": 0.02, "initial_const": 3.0, "binary_search_steps": 4, "parallel": 5, "target": "next"},
        {"initial_const": 3.0, "binary_search_steps": 4, "nb_parallel": 5, "use_resize": False, "batch_size": 1}
        | {"confidence": 0, "use_importance": False, "abort_early": False}
        | BLACK_BOX,
    ),
    ("simba", "l2"): (
        {"steps": 7, "step": 0.3, "basis": "dct", "target": "next"},
        {"max_iter": 7, "epsilon": 0.3, "attack": "dct", "targeted": True, "batch_size": 1},
    ),
    ("spatial", "spatial"): (
        {"max_rotation": 20.0, "max_translation": 0.15, "rotations": 3, "translations": 4},
        {"max_rotation": 20.0, "max_translation": 15.0, "num_rotations": 3, "num_translations": 4},
    ),
    ("pixel", "l0"): ({"steps": 7, "target": "next"}, {"max_iter": 7, "th": 3, "es": 1, "targeted": True}),
}
OTHERS = {("fgsm", "linf"), ("fgsm", "l1"), ("bim", "linf"), ("pgd", "linf"), ("pgd", "l1")}
"""Rows that differ from one above in the norm alone, or that are judged by what they do (test_mapping.py)."""


def eps(norm):
    return {"l0": 3.0, "spatial": 1.0}.get(norm, EPS)


@pytest.fixture
def arguments_of(libraries, cnn, batch, monkeypatch):
    """``arguments_of(family, norm, parameters)`` → the keyword arguments of ART's attack."""
    from art.attacks import evasion

    def build(family, norm, parameters, *, defaults=False):
        seen = []
        attack = getattr(evasion, TABLE[family, norm].call.partition("(")[0])
        construct = attack.__init__

        def recorded(self, classifier, **arguments):
            seen.append(arguments)
            construct(self, classifier, **arguments)

        monkeypatch.setattr(attack, "__init__", recorded)
        monkeypatch.setattr(attack, "generate", lambda self, x, y: x)
        spec = make_spec(FAMILY[family], norm, eps(norm), parameters, defaults=defaults)
        with isolated(cnn, 0):
            libraries["art"].run(spec, cnn, batch[0][:4], batch[1][:4])
        return seen[0]

    return build


def test_every_row_is_checked():
    assert GIVEN.keys() | OTHERS == TABLE.keys()


@pytest.mark.parametrize("row", GIVEN, ids="-".join)
def test_every_parameter_arrives(row, arguments_of):
    parameters, expected = GIVEN[row]
    arguments = arguments_of(*row, parameters)
    assert {name: arguments.get(name, "nothing") for name in expected} == pytest.approx(expected)
    assert arguments.keys() - expected.keys() <= {"eps", "eps_step", "batch_size", "targeted", "verbose", "norm"} | {
        "freq_dim"
    }
    untested = FAMILY[row[0]].parameters.model_fields.keys() - parameters.keys() - {"target"}
    assert not parameters or untested <= (TABLE[row].unsupported or {}).keys()


@pytest.mark.parametrize("family", ["fgsm", "pgd", "cw", "deepfool", "apgd", "autoattack", "square", "newtonfool"])
def test_the_batch_is_one_batch(family, arguments_of):
    assert arguments_of(family, "l2", {})["batch_size"] == 4


@pytest.mark.parametrize("row", [row for row in TABLE if TABLE[row].defaults], ids="-".join)
def test_defaults_are_given_the_threat_model_alone(row, arguments_of):
    arguments = arguments_of(*row, {}, defaults=True)
    assert arguments.keys() <= {"eps", "norm", "th", "targeted", "verbose"}
    assert arguments.get("eps", eps(row[1])) == eps(row[1])
    assert not arguments.get("targeted")
    assert not arguments.get("verbose")
