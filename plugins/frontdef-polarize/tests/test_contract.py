"""The front end keeps the contract of frontdef, with filters and with pixels."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize.front_end import PolarizingFrontEnd

from frontdef.testing import DefenseConformance


@pytest.mark.slow
class TestFilters(DefenseConformance):
    defense = "polarize"
    image_shape = (1, 28, 28)
    train_images, test_images = 1000, 128


@pytest.mark.slow
class TestColor(TestFilters):
    image_shape = (3, 20, 24)


def test_a_batch_is_its_samples(make, images):
    x = images(40, 1, 28, 28)
    front_end = make()
    together = front_end(x)
    for index in range(len(x)):
        assert torch.equal(front_end(x[index : index + 1]), together[index : index + 1])


def test_activations_next_to_a_threshold_are_told_apart_beyond_float32(make, images):
    """A kernel that sums in another order must not flip a code: 1e-10 on either side of the threshold counts."""
    x = images(4, 1, 28, 28)
    z = make().activations(x.double())
    for place in ((0, 3, 14, 14), (1, 7, 5, 20), (2, 12, 0, 0), (3, 24, 27, 9)):
        below, above = (make(thresholds=(z[place].item() + side,)) for side in (1e-10, -1e-10))
        assert below(x)[place].item() == -0.5
        assert above(x)[place].item() == 0.5


def test_what_is_stored_is_filters_history_and_the_mark(make):
    state = make().state_dict()
    assert set(state) == {"trained", "filters", "history"}
    assert not make(source="pixels").state_dict()
    fresh = make(clusters=(3,))
    assert fresh.history.shape == (4, 25, 1, 5, 5)
    assert isinstance(fresh, PolarizingFrontEnd)
