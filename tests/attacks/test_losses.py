"""The native losses, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from frontdef.attacks.native.losses import LOSSES
from frontdef.errors import ConfigError

LOGITS = torch.tensor([[2.0, 5.0, 1.0, -3.0], [4.0, 1.0, 3.0, 0.0]])
LABELS = torch.tensor([1, 2])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # first sample: label 5, best wrong 2, third 1; second: label 3, best wrong 4, third largest of all 1
        ("margin", [2.0 - 5.0, 4.0 - 3.0]),
        ("dlr", [(2.0 - 5.0) / (5.0 - 1.0), (4.0 - 3.0) / (4.0 - 1.0)]),
        (
            "cross-entropy",
            [
                math.log(math.exp(2) + math.exp(5) + math.exp(1) + math.exp(-3)) - 5,
                math.log(math.exp(4) + math.exp(1) + math.exp(3) + math.exp(0)) - 3,
            ],
        ),
    ],
)
def test_values(loss, expected):
    torch.testing.assert_close(LOSSES[loss](LOGITS, LABELS), torch.tensor(expected))


@pytest.mark.parametrize("loss", ["margin", "dlr"])
def test_positive_exactly_where_misclassified(loss):
    torch.manual_seed(0)
    logits, labels = torch.randn(500, 5), torch.randint(5, (500,))
    assert torch.equal(LOSSES[loss](logits, labels) > 0, logits.argmax(1) != labels)


def test_dlr_forgets_shift_and_scale():
    torch.testing.assert_close(LOSSES["dlr"](LOGITS * 7 - 100, LABELS), LOSSES["dlr"](LOGITS, LABELS))


def test_dlr_needs_three_classes():
    with pytest.raises(ConfigError, match="at least 3 classes, the model has 2"):
        LOSSES["dlr"](torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
