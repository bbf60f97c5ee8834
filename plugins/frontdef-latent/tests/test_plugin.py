"""The distribution offers its defenses, classifiers and metrics, and naming them costs no ML import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, entry_points

import pytest


def test_the_entry_point_gives_the_defenses():
    (entry,) = entry_points(group="frontdef", name="latent")
    found = list(entry.load().frontdef_defenses())
    assert [defense.name for defense in found] == [
        "latent-ae",
        "latent-vae",
        "latent-vae-sample",
        "latent-ae-projection",
        "latent-vae-projection",
    ]
    for defense in found:
        assert "Robust Again" in defense.paper
        assert defense.front_end_class().randomized is defense.randomized is (defense.name == "latent-vae-sample")
        assert defense.front_end_class().learns
        assert not defense.certified
        config = defense.config_class()
        assert ("steps" in config.model_fields) is ("projection" in defense.name)
        assert ("beta" in config.model_fields) is ("vae" in defense.name)
        assert all(field.description for field in config.model_fields.values())


def test_the_classifiers_behind_them_are_its_own(defenses, classifiers):
    assert {defense.classifier for defense in defenses.values()} == {"latent-lrl"}
    assert sorted(classifiers) == ["latent-1l", "latent-2l", "latent-lrl"]


def test_the_core_is_capped():
    assert any(
        requirement.replace(" ", "") == "frontdef<0.2,>=0.1" for requirement in distribution("frontdef-latent").requires
    )


def test_naming_what_it_offers_imports_no_ml_library():
    code = (
        "import sys, frontdef_latent as f; [list(h()) for h in (f.frontdef_defenses, f.frontdef_classifiers, "
        "f.frontdef_metrics)]; print({'torch', 'art'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("latent-ae", {}),
        ("latent-vae", {}),
        ("latent-vae-sample", {}),
        ("latent-ae-projection", {"steps": 50, "lr": 0.3}),
        ("latent-vae-projection", {"steps": 50, "lr": 0.3}),
    ],
)
def test_every_promise_is_kept(name, config):
    from frontdef.checks.conformance import Subject, check

    verdict = check(Subject(name, config))
    assert verdict.passed, verdict.to_markdown()
