"""torchattacks' EAD, JSMA and OnePixel: what they do, and where they differ."""

from __future__ import annotations

import inspect

import pytest
import torch

from frontdef.errors import ConfigError
from frontdef.threat import distance
from tests.attacks.pins import pins

ZERO = torch.tensor([0])
LARGE = 1e6


def images(*pixels):
    return torch.tensor(pixels).view(len(pixels), 1, 1, -1)


@pytest.fixture(scope="module")
def standing(cnn, batch, right):
    keep = right(cnn, *batch)
    return batch[0][keep][:20], batch[1][keep][:20]


# --- EAD ---

EAD = {"steps": 15, "binary_search_steps": 5, "initial_const": 0.01, "beta": 0.01, "lr": 0.02}


def ead(attack, model, x, y, **parameters):
    return attack("torchattacks", "ead", "l1", LARGE, model, x, y, **{**EAD, **parameters})


@pytest.mark.parametrize("rule", ["EN", "L1"])
def test_ead_breaks_the_model_and_leaves_most_values(rule, attack, cnn, standing, right):
    x, y = standing
    examples = ead(attack, cnn, x, y, rule=rule)
    assert right(cnn, examples, y).float().mean() <= 0.1
    assert distance(x, examples, "l1").median() < 20


def test_ead_rules_choose_by_their_distance(attack, cnn, standing):
    x, y = standing
    best = {rule: ead(attack, cnn, x, y, rule=rule) for rule in ("EN", "L1")}
    elastic = {rule: distance(x, z, "l2") ** 2 + EAD["beta"] * distance(x, z, "l1") for rule, z in best.items()}
    assert (distance(x, best["L1"], "l1") <= distance(x, best["EN"], "l1") + 1e-2).all()
    assert (elastic["EN"] <= elastic["L1"] + 1e-2).all()
    assert not torch.equal(best["EN"], best["L1"])


def test_ead_parameters_arrive(attack, cnn, standing):
    x, y = standing[0][:5], standing[1][:5]
    reference = ead(attack, cnn, x, y)
    for parameters in ({"lr": 0.05}, {"beta": 0.1}, {"initial_const": 0.1}, {"binary_search_steps": 1}, {"steps": 9}):
        assert not torch.equal(ead(attack, cnn, x, y, **parameters), reference)
    cnn.passes.forward = cnn.passes.backward = 0
    ead(attack, cnn, x, y, steps=4, binary_search_steps=3)
    assert (cnn.passes.forward, cnn.passes.backward) == (5 * (1 + 2 * 4 * 3), 5 * 4 * 3)


def test_ead_reaches_its_target(attack, cnn, standing):
    x, wanted = standing[0], (standing[1] + 1) % 10
    examples = ead(attack, cnn, x, wanted, target="next")
    assert (cnn.predict(examples.clamp(0, 1)).argmax(1) == wanted).float().mean() > 0.8


@pins("torchattacks", ("ead", "l1"))
def test_torchattacks_ead_moves_the_image_that_it_measures_from(attack, linear):
    """Its parameter shares the image's memory, so that the first gradient step moves both."""
    model = linear([[0.0, 0.0, 0.0], [5.0, 1.0, 0.1]], bias=[3.2, 0.0])
    x = images([0.5, 0.5, 1.0])
    examples = ead(attack, model, x, ZERO, lr=0.02, initial_const=1.0, binary_search_steps=1)
    torch.testing.assert_close(examples, x + 0.02 * torch.tensor([5.0, 1.0, 0.1]))


@pins("torchattacks", ("ead", "l1"))
def test_torchattacks_ead_starts_a_constant_where_the_last_one_ended(cnn, standing):
    import torchattacks

    seen = []

    class Recording(torchattacks.EADEN):
        def get_logits(self, inputs, *arguments):
            seen.append(inputs.detach().clone())
            return super().get_logits(inputs, *arguments)

    x, y = standing[0][:5], standing[1][:5]
    Recording(cnn, max_iterations=10, binary_search_steps=2, initial_const=1.0, abort_early=False)(x, y)
    second_search = seen[1 + 2 * 10]
    assert (second_search - x).abs().max() > 0.05


@pins("torchattacks", ("ead", "l1"))
def test_torchattacks_ead_reads_negative_label_logits_as_zero(attack, rescale, standing, right):
    x, y = standing[0][:8], standing[1][:8]
    left = {
        shift: int(right(rescale(1.0, shift), ead(attack, rescale(1.0, shift), x, y), y).sum()) for shift in (0, -100)
    }
    far = {shift: distance(x, ead(attack, rescale(1.0, shift), x, y), "l1").median().item() for shift in (0, -100)}
    assert (left[-100], far[-100]) != (left[0], pytest.approx(far[0], rel=0.01))


# --- JSMA ---


def jsma(attack, model, x, wanted, **parameters):
    return attack("torchattacks", "jsma", "l0", LARGE, model, x, wanted, **parameters)


def test_jsma_reaches_its_target(attack, cnn, standing):
    x, wanted = standing[0], (standing[1] + 1) % 10
    examples = jsma(attack, cnn, x, wanted, gamma=0.2)
    reached = cnn.predict(examples).argmax(1) == wanted
    assert reached.float().mean() > 0.6
    assert (distance(x, examples, "l0")[reached] <= 0.2 * 196 + 1).all()


def test_jsma_parameters_arrive(attack, cnn, standing):
    x, wanted = standing[0][:8], (standing[1][:8] + 1) % 10
    few, many = (distance(x, jsma(attack, cnn, x, wanted, gamma=gamma), "l0").max() for gamma in (0.02, 0.3))
    assert few <= 4 < many
    assert distance(x, jsma(attack, cnn, x, wanted, theta=0.25), "linf").max() == pytest.approx(0.25, abs=1e-6)
    least = cnn.predict(x).argmin(1)
    assert not torch.equal(jsma(attack, cnn, x, least, target="least-likely"), jsma(attack, cnn, x, wanted))


@pins("torchattacks", ("jsma", "l0"))
def test_torchattacks_jsma_changes_the_first_value_where_no_pair_helps(attack, linear):
    """Every value lowers the target's logit."""
    model = linear([[1.0, 1.0, 1.0, 1.0], [-1.0, -1.0, -1.0, -1.0]])
    x = images([0.2, 0.2, 0.2, 0.2])
    examples = jsma(attack, model, x, torch.tensor([1]), theta=0.3, gamma=0.5)
    torch.testing.assert_close(examples, images([0.8, 0.2, 0.2, 0.2]))


# --- OnePixel ---


def pixel(attack, model, x, y, eps=5, **parameters):
    return attack("torchattacks", "pixel", "l0", eps, model, x, y, **{"population": 10, **parameters})


def test_pixel_breaks_some_and_changes_as_many_values_as_it_may(attack, cnn, standing, right):
    x, y = standing
    for eps in (1, 8):
        examples = pixel(attack, cnn, x, y, eps=eps, steps=5)
        assert distance(x, examples, "l0").max() <= eps
    assert (~right(cnn, examples, y)).float().mean() > 0.3


def test_pixel_counts_the_values_of_a_color(attack, linear):
    torch.manual_seed(0)
    model = linear(torch.randn(4, 3 * 36), image_shape=(3, 6, 6))
    x = torch.rand(2, 3, 6, 6)
    y = model.predict(x).argmax(1)
    for eps in (3, 5, 6):
        changed = (pixel(attack, model, x, y, eps=eps, steps=2) != x).any(1).flatten(1).sum(1)
        assert changed.max() <= eps // 3
    with pytest.raises(ConfigError, match="a pixel of 3 channels is 3 values"):
        pixel(attack, model, x, y, eps=2)


@pins("torchattacks", ("pixel", "l0"))
def test_torchattacks_pixel_rounds_the_population_and_mutates_the_best(attack, linear):
    from torchattacks.attacks._differential_evolution import differential_evolution

    assert inspect.signature(differential_evolution).parameters["strategy"].default == "best1bin"
    model = linear([[10.0] + [0.0] * 35, [0.0] * 36], bias=[50.0, 0.0], image_shape=(1, 6, 6))
    x = torch.full((1, 1, 6, 6), 0.5)

    def candidates(eps, population, steps):
        model.passes.forward = 0
        pixel(attack, model, x, ZERO, eps=eps, population=population, steps=steps)
        return model.passes.forward

    first, second = (candidates(2, 20, steps) for steps in (1, 2))
    assert second - first == 18 + 1, "20 is not a multiple of 2 pixels × 3 numbers: 18, and one to see whether it fell"
    first, second = (candidates(10, 5, steps) for steps in (1, 2))
    assert second - first == 30 + 1, "5 is less than 10 pixels × 3 numbers: 30"
