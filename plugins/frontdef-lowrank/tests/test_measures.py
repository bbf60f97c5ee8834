"""The report's measure flatters: what was made for the original falls short of what is made for the reduced network."""

from __future__ import annotations

import pytest

from frontdef.attacks.native.pgd import pgd
from frontdef.threat import ThreatModel


@pytest.fixture(scope="module")
def accuracies(original, reduced, digits):
    """share → (clean, on examples made for the original, under PGD on the reduced network itself)."""
    x, y = digits.test.images, digits.test.labels

    def accuracy(model, images):
        return (model.predict(images).argmax(1) == y).float().mean().item()

    def attack(model):
        threat = ThreatModel("linf", 0.05)
        return pgd(model, x, y, threat=threat, steps=20, step_size=0.01, random_start=False)

    made_for_original = attack(original)
    models = {share: original if share == 0 else reduced(share=share) for share in (0, 0.4, 0.6)}
    return {
        share: (accuracy(model, x), accuracy(model, made_for_original), accuracy(model, attack(model)))
        for share, model in models.items()
    }


def test_white_box_is_the_stronger_one(accuracies):
    assert all(white <= transfer for _, transfer, white in accuracies.values())
    assert accuracies[0.4][2] < accuracies[0.4][1]


def test_the_two_measures_are_one_for_the_original(accuracies):
    _, transfer, white = accuracies[0]
    assert transfer == white
