"""The gate refuses a model below its stated accuracy, and names the reading that would reach it, and no other."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from torch import nn

from frontdef.errors import ModelError
from frontdef.models.gate import NORMALIZATIONS, class_order, gate
from frontdef.models.sources import UserModel
from frontdef.models.wrapped import Reading, UserClassifier
from frontdef.zoo import Normalization

CLASSES = 6
BLACK, WHITE = torch.tensor((0.1, 0.2, 0.4)), torch.tensor((0.9, 0.8, 0.5))


@functools.cache
def data():
    """Noisy tiles whose color tells their class: (X, Y)."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (240,), generator=generator)
    shade = labels / (CLASSES - 1)
    colors = BLACK + shade[:, None] * (WHITE - BLACK)
    noise = 0.01 * torch.randn((240, 3, 4, 4), generator=generator)
    return (colors[:, :, None, None] + noise).clamp(0, 1), labels


class Nearest(nn.Module):
    """Classifies by the nearest color, of images that it expects to be read in a certain way."""

    def __init__(self, reading):
        super().__init__()
        centers = BLACK + torch.linspace(0, 1, CLASSES)[:, None] * (WHITE - BLACK)
        echo = UserClassifier(nn.Flatten(), reading)
        self.register_buffer("centers", echo(centers[:, :, None, None]))

    def forward(self, x):
        return -torch.cdist(x.mean((2, 3)), self.centers)


def normalization(name):
    mean, std = NORMALIZATIONS[name]
    return Normalization(mean=mean, std=std)


def model(expects, now):
    return UserModel("mine", UserClassifier(Nearest(expects), now).eval(), {})


READINGS = {
    "none": Reading(),
    "ImageNet's": Reading(normalize=normalization("ImageNet's")),
    "[-1, 1]": Reading(normalize=normalization("[-1, 1]")),
    "0-255": Reading(input_range=(0.0, 255.0)),
    "bgr": Reading(channels="bgr"),
    "bgr and CIFAR-10's": Reading(
        normalize=Normalization(mean=(0.4465, 0.4822, 0.4914), std=(0.2616, 0.2435, 0.2470)), channels="bgr"
    ),
}
SAID = {
    "none": "no `normalize`",
    "ImageNet's": "normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } (ImageNet's)",
    "[-1, 1]": "normalize = { mean = [0.5], std = [0.5] }",
    "0-255": "input_range = [0, 255]",
    "bgr": 'channels = "bgr"',
    "bgr and CIFAR-10's": "CIFAR-10's",
}


@pytest.mark.parametrize("expected", READINGS)
def test_a_model_that_is_read_as_it_expects_passes(expected):
    measured = gate(model(READINGS[expected], READINGS[expected]), *data(), 0.99)
    assert measured.value > 0.98
    assert measured.low < measured.value < measured.high or measured.value == 1


@pytest.mark.parametrize("expected", [name for name in READINGS if name != "none"])
def test_the_message_names_the_reading_that_fits(expected):
    with pytest.raises(ModelError) as caught:
        gate(model(READINGS[expected], Reading()), *data(), 0.99)
    assert SAID[expected] in str(caught.value)
    assert ("bgr" in expected) == ('channels = "bgr"' in str(caught.value))
    assert "Nothing was attacked" in str(caught.value)


def test_a_normalization_that_is_done_twice_is_named():
    with pytest.raises(ModelError, match=r"no `normalize` \(the model does it itself, so it was done twice\)"):
        gate(model(Reading(), READINGS["ImageNet's"]), *data(), 0.99)


def test_another_order_of_the_classes_is_named_and_mends_it():
    order = (3, 5, 0, 1, 4, 2)
    body = Nearest(Reading())
    body.centers = body.centers[list(order)]
    with pytest.raises(ModelError, match=r"class_order = \[3, 5, 0, 1, 4, 2\] it reaches"):
        gate(UserModel("mine", UserClassifier(body).eval(), {}), *data(), 0.99)
    assert (
        gate(UserModel("mine", UserClassifier(body, Reading(class_order=order)).eval(), {}), *data(), 0.99).value > 0.98
    )


def test_a_wrong_class_order_is_corrected_from_what_it_is():
    wrong = Reading(class_order=(1, 0, 2, 3, 4, 5))
    with pytest.raises(ModelError, match="without class_order it reaches"):
        gate(UserModel("mine", UserClassifier(Nearest(Reading()), wrong).eval(), {}), *data(), 0.99)


def test_noise_is_not_explained():
    """Best of many readings, and an order fitted to chance, must not pass for a mend."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(48, CLASSES))
    with pytest.raises(ModelError, match="No usual normalization"):
        gate(UserModel("mine", UserClassifier(body).eval(), {}), *data(), 0.9)


def test_an_order_is_judged_on_samples_that_it_was_not_taken_from():
    y = data()[1]
    answers = y.clone()
    answers[:120] = (y[:120] + 1) % CLASSES
    order, right = class_order(torch.nn.functional.one_hot(answers, CLASSES).float(), y)
    assert order == [5, 0, 1, 2, 3, 4]
    assert len(right) == 120
    assert not right.any()


TURNED = (3, 5, 0, 1, 4, 2)


def fallible(n=200, wrong=53):
    """The tiles, of which a model that reads them as it should is wrong on 53 of 200: it reaches 73.5 %."""
    x, y = data()
    y = y[:n].clone()
    hard = torch.randperm(n, generator=torch.Generator().manual_seed(1))[:wrong]
    y[hard] = (y[hard] + 1) % CLASSES
    return x[:n], y


def turned():
    body = Nearest(Reading())
    body.centers = body.centers[list(TURNED)]
    return UserModel("mine", UserClassifier(body).eval(), {})


@pytest.mark.parametrize(
    ("broken", "said"),
    {
        "normalized twice": (model(Reading(), READINGS["ImageNet's"]), "no `normalize`"),
        "bgr": (model(READINGS["bgr"], Reading()), 'channels = "bgr"'),
        "0-255": (model(READINGS["0-255"], Reading()), "--input-range 0,255"),
        "classes": (turned(), "class_order = [3, 5, 0, 1, 4, 2]"),
    }.values(),
)
def test_a_mend_passes_by_the_same_rule_as_the_model(broken, said):
    """0.735 of 200 samples passes a stated 0.78, because the interval reaches it: so it is a mend, too."""
    right = Reading()
    assert gate(model(right, right), *fallible(), 0.78).correct == 147
    with pytest.raises(ModelError) as caught:
        gate(broken, *fallible(), 0.78)
    assert said in str(caught.value)


def test_what_is_hardly_better_than_now_is_no_mend():
    """The best of many readings is a little better by chance; here it passes the gate by it."""
    x, y = torch.rand(200, 3, 2, 2), torch.zeros(200, dtype=torch.long)

    class Lucky(nn.Module):
        def forward(self, batch):
            right = batch.min() < 0 or batch.max() > 2  # read in another way
            answers = torch.ones(len(batch), dtype=torch.long)
            answers[: round(len(batch) * (0.71 if right else 0.69))] = 0
            return torch.nn.functional.one_hot(answers, 2).float()

    with pytest.raises(ModelError, match="No usual normalization"):
        gate(UserModel("mine", UserClassifier(Lucky()).eval(), {}), x, y, 0.76)


SHARES = {"CIFAR-10's": 0.75, "SVHN's": 0.78, "CLIP's": 0.77, "ImageNet's": 0.40}


class Graded(nn.Module):
    """Right on more or fewer samples by the normalization of black images that it is given."""

    def forward(self, x):
        answers = torch.ones(len(x), dtype=torch.long)
        for name, share in SHARES.items():
            moments = normalization(name)
            if torch.isclose(x[0, 0, 0, 0], torch.tensor(-moments.mean[0] / moments.std[0])):
                answers[: round(len(x) * share)] = 0
        return torch.nn.functional.one_hot(answers, 2).float()


@pytest.mark.parametrize(
    ("dataset", "order"),
    [("cifar10-jpeg", ["CIFAR-10's", "SVHN's", "CLIP's"]), ("", ["SVHN's", "CLIP's", "CIFAR-10's"])],
)
def test_readings_that_samples_cannot_tell_apart_are_all_named_the_data_sets_own_first(dataset, order):
    x, y = torch.zeros(128, 3, 2, 2), torch.zeros(128, dtype=torch.long)
    with pytest.raises(ModelError) as caught:
        gate(UserModel("mine", UserClassifier(Graded()).eval(), {}), x, y, 0.8, dataset)
    text = str(caught.value)
    assert sorted(order, key=lambda name: text.index(f"({name})")) == order
    assert "ImageNet's" not in text
    assert "128 samples can't tell it from" in text


def test_too_few_samples_name_no_order_of_the_classes():
    y = data()[1]
    assert class_order(torch.nn.functional.one_hot((y[:20] + 1) % CLASSES, CLASSES).float(), y[:20]) is None


@pytest.mark.parametrize(
    ("right", "n", "stated", "passes"),
    [
        (93, 100, 0.94, True),  # within two points
        (92, 100, 0.94, True),
        (17, 20, 0.94, True),  # within the interval of so few samples
        (180, 200, 0.94, False),
        (0, 100, 0.5, False),
        (100, 100, 0.5, True),  # better than stated
    ],
)
def test_two_points_or_the_interval(right, n, stated, passes):
    x, y = torch.rand(n, 1, 2, 2), torch.zeros(n, dtype=torch.long)
    answers = torch.ones(n, dtype=torch.long)
    answers[:right] = 0
    logits = torch.nn.functional.one_hot(answers, 2).float()
    batches = iter(logits.split(128))
    if passes:
        assert gate(lambda batch: next(batches), x, y, stated).correct == right
    else:
        with pytest.raises(ModelError, match=f"reaches {right / n:.1%}"):
            gate(lambda batch: next(batches), x, y, stated)


def test_a_model_that_knows_nothing_is_warned_of_where_no_accuracy_is_stated():
    (note,) = gate(model(READINGS["0-255"], Reading()), *data()).notes
    assert note.severity == "warning"
    assert "input_range = [0, 255]" in note.text
    assert gate(model(Reading(), Reading()), *data()).notes == ()


def test_of_random_weights_nothing_is_expected_but_what_is_stated():
    drawn = replace(model(READINGS["0-255"], Reading()), random=True)
    assert gate(drawn, *data()).notes == ()
    with pytest.raises(ModelError, match="is stated"):
        gate(drawn, *data(), 0.99)
