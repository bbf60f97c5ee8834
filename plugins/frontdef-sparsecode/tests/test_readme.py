"""The README's snippet runs as it stands, given images and labels."""

from __future__ import annotations

import pytest

from frontdef.testing import Readme


@pytest.mark.slow
def test_train_and_attack(digits):
    pytest.importorskip("torchattacks")
    x, y = digits.test.images[:8], digits.test.labels[:8]
    names = Readme.beside(__file__).run(images=x, labels=y)
    assert 0.05 < (names["examples"] - x).abs().max() <= 0.1 + 1e-6
    assert (names["protected"].predict(x).argmax(1) == y).float().mean() >= 0.75
