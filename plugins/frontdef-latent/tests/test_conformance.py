"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef.testing import DefenseConformance


class TestAutoencoder(DefenseConformance):
    defense = "latent-ae"


class TestVariational(DefenseConformance):
    defense = "latent-vae"


class TestSampled(DefenseConformance):
    defense = "latent-vae-sample"


class TestProjection(DefenseConformance):
    defense = "latent-ae-projection"
    config = {"steps": 20, "lr": 0.3}  # noqa: RUF012


class TestVariationalProjection(DefenseConformance):
    defense = "latent-vae-projection"
    config = {"steps": 20, "lr": 0.3}  # noqa: RUF012
