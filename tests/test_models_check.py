"""What a user's model must not do, and what is said of one that does something odd."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from frontdef.errors import ModelError
from frontdef.models.check import check_model
from frontdef.models.sources import UserModel
from frontdef.models.wrapped import UserClassifier

X = torch.rand((20, 1, 4, 4), generator=torch.Generator().manual_seed(0))
Y = torch.arange(20) % 3


def linear():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def user(body):
    return UserModel("mine", UserClassifier(body).eval().requires_grad_(False), {})


class Norm(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm, self.linear = norm, linear()

    def forward(self, x):
        return self.linear(self.norm(x))


class AlwaysTraining(nn.BatchNorm2d):
    def forward(self, x):
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, training=True)


class NaNOnBright(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = linear()

    def forward(self, x):
        bright = x.mean((1, 2, 3), keepdim=True) > X.mean((1, 2, 3)).median()
        return self.body(torch.where(bright, torch.nan, x))


def test_an_honest_classifier_has_nothing_said_of_it():
    assert check_model(user(linear()), X, Y, n_classes=3) == []
    assert check_model(user(Norm(nn.BatchNorm2d(1))), X, Y) == []


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(1, track_running_stats=False), AlwaysTraining(1)])
def test_an_answer_that_depends_on_the_batch_is_refused(norm):
    with pytest.raises(ModelError, match="no function of one image"):
        check_model(user(Norm(norm)), X, Y)


def test_the_layer_without_running_statistics_is_named():
    with pytest.raises(ModelError, match=r"body\.norm normalizes with the batch's own statistics"):
        check_model(user(Norm(nn.BatchNorm2d(1, track_running_stats=False))), X, Y)


def test_nan_is_refused_with_how_many():
    with pytest.raises(ModelError, match="gives NaN on 10 of 20 images"):
        check_model(user(NaNOnBright()), X, Y)


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (nn.Sequential(linear(), nn.Softmax(1)), "probabilities"),
        (nn.Sequential(linear(), nn.LogSoftmax(1)), None),
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 3, bias=True)), None),
    ],
)
def test_probabilities_are_warned_of_and_log_probabilities_are_not(body, about):
    assert [note.about for note in check_model(user(body), X, Y) if note.about == "probabilities"] == [about] * bool(
        about
    )


def test_dropout_that_stays_on_is_said_and_not_taken_for_batch_statistics():
    class Drop(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = linear()

        def forward(self, x):
            return nn.functional.dropout(self.body(x), 0.5, training=True)

    assert [note.about for note in check_model(user(Drop()), X, Y)] == ["randomness"]


def test_one_answer_for_everything_is_said():
    body = linear()
    body[1].bias.data[2] = 100.0
    (note,) = check_model(user(body), X, Y)
    assert (note.about, note.severity) == ("constant", "warning")
    assert "class 2" in note.text
    assert check_model(replace(user(body), random=True), X, Y) == []


@pytest.mark.parametrize(
    ("labels", "n_classes", "said"),
    [
        (Y + 1, None, "labels from 0"),
        (Y * 5, None, "the labels go up to 10"),
        (Y, 4, "gives 3 logits, the data set has 4 classes"),
    ],
)
def test_labels_of_other_classes_are_refused(labels, n_classes, said):
    with pytest.raises(ModelError, match=said):
        check_model(user(linear()), X, labels, n_classes=n_classes)
