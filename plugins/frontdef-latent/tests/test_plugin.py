"""The distribution offers its defenses, classifiers and metrics, and naming them costs no ML import."""

from __future__ import annotations

import frontdef_latent

from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-latent"


def test_the_entry_point_gives_the_defenses():
    defenses = list(frontdef_latent.frontdef_defenses())
    assert [defense.name for defense in defenses] == [
        "latent-ae",
        "latent-vae",
        "latent-vae-sample",
        "latent-ae-projection",
        "latent-vae-projection",
    ]
    for defense in defenses:
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
