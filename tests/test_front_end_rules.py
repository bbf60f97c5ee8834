"""What the core does for every front end and classifier: lone images, and networks that are divided."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import frontdef
from frontdef.classifiers import Classifier
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.registry import get_classifier


class Counts(frontdef.FrontEnd):
    """Doubles images, and notes how many came at once."""

    def forward(self, x):
        self.came = [*getattr(self, "came", []), len(x)]
        return 2 * x


class Pairs(Counts):
    pairs_lone_images = True


@pytest.mark.parametrize(("kind", "came"), [(Counts, [1, 3]), (Pairs, [2, 3])])
def test_a_lone_image_is_passed_twice_where_the_front_end_asks_for_it(kind, came):
    front_end, x = kind(Config()), torch.rand(3, 1, 4, 4)
    assert torch.equal(front_end(x[:1]), 2 * x[:1])
    assert torch.equal(front_end(x), 2 * x)
    assert front_end.came == came


def test_the_gradient_of_a_lone_image_is_its_own():
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    Pairs(Config())(x).sum().backward()
    assert (x.grad == 2).all()


@pytest.mark.parametrize("name", ["fc2", "cnn4", "small-cnn", "linear"])
def test_without_last_are_all_layers_but_the_last(name):
    classifier = get_classifier(name)
    body, whole = classifier.without_last((1, 28, 28)), classifier.build((1, 28, 28), 10).body
    assert [type(layer) for layer in body] == [type(layer) for layer in whole[:-1]]
    assert body(torch.rand(2, 1, 28, 28)).shape == (2, whole[-1].in_features)


@pytest.mark.parametrize("layers", [(nn.Flatten(), nn.Linear(4, 2), nn.ReLU()), None])
def test_what_cannot_be_divided_is_refused(layers):
    odd = Classifier("odd", lambda shape, n: nn.Identity() if layers is None else nn.Sequential(*layers))
    with pytest.raises(ConfigError, match=r"classifier 'odd' is a .* that does not end in a linear layer"):
        odd.without_last((4,))
