"""What the judge reads of a model: margins, losses, means over draws and votes, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import frontdef
from frontdef.matrix.verify import Scores, joined, score, verify
from frontdef.threat import TOLERANCE, ThreatModel

LABELS = torch.tensor([0, 0])


class Draws(frontdef.FrontEnd):
    """Gives one table of logits after the other, whatever it is asked of."""

    randomized = True
    tables: tuple[torch.Tensor, ...] = ()

    def forward(self, x):
        self.asked = getattr(self, "asked", -1) + 1
        return self.tables[self.asked % len(self.tables)][: len(x)]

    def reseed(self, seed):
        super().reseed(seed)
        self.asked = -1


def drawing(*tables):
    front_end = Draws(frontdef.Config())
    front_end.tables = tuple(torch.tensor(table) for table in tables)
    return frontdef.Protected(front_end, nn.Identity(), image_shape=(1, 1, 1))


def judged(protected, n=2, draws=3):
    return score(protected, torch.zeros(n, 1, 1, 1), LABELS[:n], draws=draws, seed=0)


def test_margins_and_losses_by_hand():
    scores = Scores(torch.tensor([[2.0, 1, 0], [0.0, 3, 1]]), LABELS, LABELS)
    assert scores.margins.tolist() == [1, -3]
    losses = [-math.log(math.e**2 / (math.e**2 + math.e + 1)), math.log(1 + math.e**3 + math.e)]
    assert scores.losses.tolist() == pytest.approx(losses)
    assert scores.predictions.tolist() == [0, 1]


def test_draws_are_averaged_as_probabilities():
    """½ of three draws: 0.9, 0.3, 0.3 for the label give 0.5, though two of three vote for the other class."""
    log = [[[math.log(p), math.log(1 - p)]] for p in (0.9, 0.3, 0.3)]
    scores = judged(drawing(*log), n=1)
    assert scores.logits.exp().tolist()[0] == pytest.approx([0.5, 0.5])
    assert scores.losses.tolist() == pytest.approx([math.log(2)])
    assert scores.majority.tolist() == [1]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_draw_that_is_not_finite_leaves_no_majority(place):
    tables = [[[3.0, 0.0], [3.0, 0.0]] for _ in range(3)]
    tables[place][1] = [math.nan, 0.0]
    assert judged(drawing(*tables)).majority.tolist() == [0, -1]


def test_one_logit_that_is_not_finite_leaves_no_prediction():
    scores = Scores(torch.tensor([[2.0, -math.inf], [2.0, 1.0]]), LABELS, LABELS)
    assert scores.predictions.tolist() == [-1, 0]


def test_a_model_that_does_not_draw_is_asked_once_and_its_logits_stay_as_they_are():
    protected = frontdef.protect(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), image_shape=(1, 1, 2))
    images, asked = torch.rand(2, 1, 1, 2), []
    protected.classifier.register_forward_hook(lambda *_: asked.append(1))
    scores = score(protected, images, LABELS, draws=7, seed=0)
    assert len(asked) == 1
    torch.testing.assert_close(scores.logits, protected(images).detach(), rtol=0, atol=0)


def test_lots_are_joined_in_their_order():
    lots = [Scores(torch.full((n, 2), float(n)), torch.full((n,), n), torch.full((n,), -n)) for n in (1, 2)]
    whole = joined(lots)
    assert whole.labels.tolist() == [1, 2, 2]
    assert whole.of(slice(1, 3)).majority.tolist() == [-2, -2]
    assert whole.of(torch.tensor([0])).logits.tolist() == [[1, 1]]


@pytest.mark.parametrize("harm", [0, 1])
def test_an_example_with_one_value_that_is_not_finite_is_none(harm):
    protected = frontdef.protect(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), image_shape=(1, 1, 2))
    x = torch.full((2, 1, 1, 2), 0.5)
    x_adv = x.clone()
    x_adv[harm, 0, 0, 1] = math.nan
    clean = score(protected, x, LABELS, draws=1, seed=0)
    columns = verify(
        protected, x, x_adv, LABELS, clean, ThreatModel("linf", 0.1), minimum_norm=False, draws=1, seed=0
    )  # fmt: skip
    assert columns["finite"].tolist() == [harm != 0, harm != 1]
    assert columns["in_box"].tolist() == columns["finite"].tolist()
    assert columns["adversarial_prediction"][harm] == columns["adversarial_majority"][harm] == -1


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        (-1e-3, False),
        (1 + 1e-3, False),
        (0.0, True),
        (1.0, True),
        (-TOLERANCE, True),
        (1 + TOLERANCE, True),
        (-2 * TOLERANCE, False),
        (1 + 2 * TOLERANCE, False),
    ],
)
def test_one_value_outside_the_box_is_outside(value, inside):
    protected = frontdef.protect(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), image_shape=(1, 1, 2))
    x = torch.full((1, 1, 1, 2), 0.5)
    x_adv = x.clone()
    x_adv[0, 0, 0, 0] = value
    clean = score(protected, x, LABELS[:1], draws=1, seed=0)
    columns = verify(
        protected, x, x_adv, LABELS[:1], clean, ThreatModel("linf", 0.6), minimum_norm=False, draws=1, seed=0
    )  # fmt: skip
    assert columns["in_box"].tolist() == [inside]


@pytest.mark.parametrize("given", [torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64), torch.full((1, 1, 2, 1), 0.5)])
def test_examples_of_another_type_or_shape_are_refused(given):
    protected = frontdef.protect(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), image_shape=(1, 1, 2))
    x = torch.full((1, 1, 1, 2), 0.5)
    clean = score(protected, x, LABELS[:1], draws=1, seed=0)
    with pytest.raises(ValueError, match="was asked for"):
        verify(protected, x, given, LABELS[:1], clean, ThreatModel("linf", 0.6), minimum_norm=False, draws=1, seed=0)
