"""ART's elastic net, saliency map and NewtonFool: what they achieve, and where they depart from the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from frontdef.threat import distance
from tests.attacks.pins import pins


def images(*pixels: list[float]) -> torch.Tensor:
    return torch.tensor(pixels).view(len(pixels), 1, 1, -1)


ZERO = torch.tensor([0])


@pytest.mark.parametrize("rule", ["EN", "L1"])
def test_art_ead_breaks_the_cnn(rule, attack, cnn, batch, right):
    x, y = batch[0][:10], batch[1][:10]
    parameters = {"steps": 20, "initial_const": 3.0, "binary_search_steps": 1, "beta": 0.02}
    examples = attack("art", "ead", "l1", 1.0, cnn, x, y, rule=rule, **parameters)
    assert right(cnn, x, y).all()
    assert not right(cnn, examples, y).any()
    assert ((examples - x).abs() < 1e-6).float().mean() > 0.3, "the ℓ1 penalty leaves pixels alone"


def test_art_ead_reaches_targets(attack, cnn, batch):
    x, wanted = batch[0][:10], (batch[1][:10] + 1) % 10
    parameters = {"steps": 15, "initial_const": 10.0, "binary_search_steps": 1}
    examples = attack("art", "ead", "l1", 1.0, cnn, x, wanted, target="next", **parameters)
    assert (cnn.predict(x).argmax(1) == wanted).sum() == 0
    assert (cnn.predict(examples).argmax(1) == wanted).float().mean() >= 0.8


@pytest.mark.parametrize(("parameter", "values"), [("lr", (0.01, 0.05)), ("beta", (0.01, 0.1))])
def test_the_ead_parameters_arrive(parameter, values, attack, linear):
    """One step: lr times the gradient c (1, -1), less what β shrinks."""
    model, x = linear([[1.0, 0.0], [0.0, 1.0]]), images([0.55, 0.5])
    for value in values:
        parameters = {"lr": 0.05, "beta": 0.01, "steps": 1, "initial_const": 4.0, "binary_search_steps": 1}
        parameters[parameter] = value
        moved = attack("art", "ead", "l1", 1.0, model, x, ZERO, **parameters) - x
        length = max(4.0 * parameters["lr"] - parameters["beta"], 0)
        expected = torch.tensor([-length, length]).view_as(x) if 2 * length > 0.05 else torch.zeros_like(x)
        torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)


@pins("art", ("ead", "l1"))
def test_art_ead_drops_the_pull_towards_the_image(linear):
    """The gradient of c f(x') + |x' - x|², where f is 0, is 2 (x' - x)."""
    from art.attacks.evasion import ElasticNet

    attack = ElasticNet(linear([[1.0, 0.0], [0.0, 1.0]]).art_classifier(), verbose=False)
    x, fooled = images([0.7, 0.5]).numpy(), images([0.3, 0.9]).numpy()
    gradient = attack._gradient_of_loss(np.array([[1.0, 0.0]]), x, fooled, np.array([1.0]))
    assert not gradient.any()


def test_art_ead_confidence_is_none(linear, margins):
    """Why the table refuses a confidence: the closest misclassified iterate is kept, whatever its margin."""
    from art.attacks.evasion import ElasticNet

    model, x = linear([[1.0, 0.0], [0.0, 1.0]]), images([0.6, 0.5])
    arguments = {"confidence": 0.5, "initial_const": 1.0, "binary_search_steps": 1, "max_iter": 30, "verbose": False}
    examples = torch.tensor(
        ElasticNet(model.art_classifier(), **arguments).generate(x.numpy(), y=np.array([[1.0, 0.0]]))
    )
    assert 0 < margins(model, examples, ZERO).item() < 0.4


def test_art_jsma_reaches_its_target(attack, cnn, batch):
    x, wanted = batch[0][:20], (batch[1][:20] + 1) % 10
    examples = attack("art", "jsma", "l0", 1.0, cnn, x, wanted, gamma=0.3)
    assert (cnn.predict(x).argmax(1) == wanted).sum() == 0
    assert (cnn.predict(examples).argmax(1) == wanted).float().mean() >= 0.8
    assert (examples >= x).all()


def test_theta_arrives(attack, linear):
    model, x = linear([[0.0] * 4, [1.0, 1.0, 0.0, 0.0]], bias=[0.7, 0.0]), images([0.3, 0.3, 0.3, 0.3])
    for theta in (0.2, 0.4):
        examples = attack("art", "jsma", "l0", 1.0, model, x, torch.tensor([1]), theta=theta, gamma=1.0)
        assert (examples - x).abs().max().item() == pytest.approx(theta)


@pins("art", ("jsma", "l0"))
def test_art_jsma_looks_at_the_target_alone(attack, linear):
    """The first two values raise the wrong class even more; a saliency map is 0 there, and only the others help."""
    weight = [[0.0] * 4, [2.0, 2.0, 1.0, 1.0], [3.0, 3.0, -1.0, -1.0]]
    model, x = linear(weight, bias=[5.0, 0.0, 0.0]), images([0.5, 0.5, 0.5, 0.5])
    examples = attack("art", "jsma", "l0", 1.0, model, x, torch.tensor([1]), theta=0.1, gamma=0.25)
    assert ((examples - x).abs().flatten() > 0.05).tolist() == [True, True, False, False]


@pins("art", ("jsma", "l0"))
def test_art_jsma_changes_more_than_gamma(attack, linear):
    model = linear(torch.stack([torch.zeros(10), torch.linspace(1, 2, 10)]), bias=[100.0, 0.0])
    x = torch.full((1, 1, 1, 10), 0.5)
    examples = attack("art", "jsma", "l0", 1.0, model, x, torch.tensor([1]), gamma=0.2)
    assert distance(x, examples, "l0").item() == 4, "two were allowed"


def test_art_newtonfool_breaks_the_cnn(attack, cnn, batch, right):
    x, y = batch[0][:20], batch[1][:20]
    examples = attack("art", "newtonfool", "l2", 1.0, cnn, x, y, steps=40)
    assert right(cnn, x, y).sum() >= 18
    assert right(cnn, examples, y).sum() <= 4


def newtonfool_reference(model, x, y, steps, eta):
    """NewtonFool (Jang et al. 2017, algorithm 1), cut at the box at the end."""
    current, size = x, x.flatten(1).norm(dim=1)
    for _ in range(steps):
        current = current.detach().requires_grad_()
        logits = model(current)
        score = F.softmax(logits, dim=1).gather(1, y[:, None]).squeeze(1)
        (gradient,) = torch.autograd.grad(score.sum(), current)
        norm = gradient.flatten(1).norm(dim=1)
        step = torch.minimum(eta * size * norm, score - 1 / logits.shape[1])
        current = current - (step / norm**2).view(-1, 1, 1, 1) * gradient
    return current.detach().clamp(0, 1)


def test_art_newtonfool_is_the_papers_otherwise(attack, cnn, batch):
    x, y = batch[0][:20], cnn.predict(batch[0][:20]).argmax(1)
    examples = attack("art", "newtonfool", "l2", 1.0, cnn, x, y, steps=5)
    expected = newtonfool_reference(cnn, x, y, 5, 0.01)
    assert ((examples - expected).abs().flatten(1).amax(1) <= 1e-4).float().mean() >= 0.9


@pins("art", ("newtonfool", "l2"))
def test_art_newtonfool_ignores_the_label(attack, linear, right):
    model, x, wrong_label = linear([[1.0, 0.0], [0.0, 1.0]]), images([0.52, 0.5]), torch.tensor([1])
    assert right(model, attack("art", "newtonfool", "l2", 1.0, model, x, wrong_label, steps=5, eta=0.5), wrong_label)


@pins("art", ("newtonfool", "l2"))
def test_art_newtonfool_leaves_the_box_on_its_way(attack, linear):
    model = linear([[9.0, 1.0], [0.0, 0.0]])
    x, seen = images([0.05, 0.9]), []
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].min().item()))
    examples = attack("art", "newtonfool", "l2", 1.0, model, x, ZERO, steps=3, eta=0.2)
    hook.remove()
    assert min(seen) < -0.02
    assert examples.min() == 0


@pins("art", ("newtonfool", "l2"), caveat=True)
def test_art_newtonfool_steps_shrink_with_the_gradient(attack, linear):
    """A step is η times the norm of the image, whatever the gradient's."""
    x, moved = images([0.9, 0.1]), []
    for factor in (1.0, 20.0):
        model = linear([[factor, 0.0], [0.0, factor]])
        moved.append(distance(x, attack("art", "newtonfool", "l2", 1.0, model, x, ZERO, steps=1), "l2").item())
    assert moved[0] == pytest.approx(0.01 * float(x.norm()), rel=1e-3)
    assert moved[1] < moved[0] / 20


def test_art_targeted_linf_cw_keeps_what_misses_the_target(linear):
    """Why `CarliniLInfMethod` is not offered: a targeted run keeps the closest image that is NOT of the class."""
    from art.attacks.evasion import CarliniLInfMethod

    model, x = linear([[1.0, 0.0], [0.0, 1.0]]), images([0.55, 0.5])
    arguments = {"targeted": True, "max_iter": 20, "learning_rate": 0.1, "initial_const": 5.0, "verbose": False}
    method = CarliniLInfMethod(model.art_classifier(), **arguments)
    examples = torch.tensor(method.generate(x.numpy(), y=np.array([[0.0, 1.0]])))
    assert model.predict(examples).argmax(1).item() == 0
