"""The front end keeps the contract of frontdef, with filters and with pixels."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize.front_end import PolarizingFrontEnd

from frontdef.conformance import PROPERTIES, Subject


@pytest.mark.slow
@pytest.mark.parametrize("source", ["filters", "pixels"])
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 20, 24)], ids=str)
def test_conformance(source, image_shape):
    subject = Subject("polarize", {"source": source}, image_shape)
    subject.protected  # noqa: B018  trained before a property looks at it without gradients
    for prop in PROPERTIES:
        prop.check(subject)


def test_a_batch_is_its_samples(make, images):
    x = images(40, 1, 28, 28)
    front_end = make()
    together = front_end(x)
    for index in range(len(x)):
        assert torch.equal(front_end(x[index : index + 1]), together[index : index + 1])


def test_what_is_stored_is_filters_history_and_the_mark(make):
    state = make().state_dict()
    assert set(state) == {"trained", "filters", "history"}
    assert set(make(source="pixels").state_dict()) == {"trained"}
    fresh = make(clusters=(3,))
    assert fresh.history.shape == (4, 25, 1, 5, 5)
    assert isinstance(fresh, PolarizingFrontEnd)
