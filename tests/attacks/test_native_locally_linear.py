"""The locally linear attack: worked out by hand, against a slow reference, and as FGSM where there are two classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.defences.preprocessor.preprocessor import PreprocessorPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import nn

from frontdef.art import FrontEndPreprocessor
from frontdef.attacks.families import FAMILIES
from frontdef.attacks.native import evasion
from frontdef.attacks.native.locallylinear import apart, locally_linear
from frontdef.attacks.spec import make_spec
from frontdef.bpda import replace_gradient
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected
from frontdef.threat import ThreatModel

FAMILY = next(family for family in FAMILIES if family.name == "locally-linear")


class Largest(FrontEnd[Config]):
    """Keeps the larger of an image's two values: H_K with K = 1 in the basis of pixels, its gradient P_K."""

    def forward(self, x):
        return x * nn.functional.one_hot(x.flatten(1).argmax(1), 2).view_as(x)


class Doubled(FrontEnd[Config]):
    """Puts out every channel twice."""

    def forward(self, x):
        return x.repeat(1, 2, 1, 1)


class Noisy(FrontEnd[Config]):
    """Adds noise, drawn anew for each call; the gradient is the identity's."""

    randomized = True

    def forward(self, x):
        noise = torch.empty_like(x).normal_(generator=self.generator(x.device))
        return replace_gradient((x + 0.01 * noise).clamp(0, 1), x)


class Bend(nn.Module):
    """Two logits, 0 and −max(u₀ − 0.45, 0) + 2u₁: linear until u₀ falls to 0.45, where the first weight vanishes."""

    def forward(self, u):
        u = u.flatten(1)
        rises = 2 * u[:, 1] - (u[:, 0] - 0.45).relu()
        return torch.stack([torch.zeros_like(rises), rises], dim=1)


def relu_net(classes, seed=0, pixels=16):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 12), nn.ReLU(), nn.Linear(12, classes))


def image(*values):
    return torch.tensor([values]).view(1, 1, 1, len(values))


@pytest.fixture
def small():
    """Forty images of 16 pixels, some of them 0 or 1."""
    generator = torch.Generator().manual_seed(1)
    x = (1.4 * torch.rand(40, 1, 4, 4, generator=generator) - 0.2).clamp(0, 1)
    return x, torch.randint(2, (40,), generator=generator)


@pytest.mark.parametrize("knowledge", ["white", "semi-white"])
@pytest.mark.parametrize("eps", [0.05, 0.3])
def test_with_two_classes_it_is_fgsm(attack, wrap, linear, small, knowledge, eps):
    """§3.5, Remark: bit by bit, on a linear model and on networks."""
    torch.manual_seed(0)
    models = [linear(torch.randn(2, 16), image_shape=(1, 4, 4)), *(wrap(relu_net(2, n), (1, 4, 4)) for n in range(5))]
    for model in models:
        fgsm = attack("native", "fgsm", "linf", eps, model, *small)
        assert torch.equal(attack("native", "locally-linear", "linf", eps, model, *small, knowledge=knowledge), fgsm)
        assert (fgsm != small[0]).any()


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        (2.5, (0.4, 0.4)),  # y₁ − y₀ = −0.15 + 0.1·2 = 0.05, y₂ − y₀ = −0.5 + 0.1·6 = 0.1
        (2.4, (0.6, 0.4)),  # y₂ − y₀ = −0.6 + 0.6 = 0, although its distortion is still the larger
    ],
)
def test_the_worst_pair_by_hand(attack, linear, bias, expected):
    model = linear([[0.0, 0.0], [1.0, -1.0], [-3.0, -3.0]], bias=[0.0, -0.15, bias])
    examples = attack("native", "locally-linear", "linf", 0.1, model, image(0.5, 0.5), torch.tensor([0]))
    torch.testing.assert_close(examples, image(*expected))


def test_it_breaks_by_hand_what_fgsm_does_not(attack, linear, right):
    """The gradient of cross-entropy mixes the classes: p₁(1,−1) + p₂(−3,−3) points to (−,−), where nothing wins."""
    model = linear([[0.0, 0.0], [1.0, -1.0], [-3.0, -3.0]], bias=[0.0, -0.15, 2.35])
    x, y = image(0.5, 0.5), torch.tensor([0])
    assert right(model, attack("native", "fgsm", "linf", 0.1, model, x, y), y).all()
    assert not right(model, attack("native", "locally-linear", "linf", 0.1, model, x, y), y).any()


def reference(net, x, label, eps, delta, steps, worst_pair):
    """One image, in float64 and in numpy: §3.5 and §3.6 word for word."""
    first, bias, last, end = (value.detach().double().numpy() for value in net.parameters())

    def logits(u):
        return last @ np.maximum(first @ u + bias, 0) + end

    def weights(u, i):
        switches = (first @ u + bias > 0).astype(float)
        return ((last[i] - last[label]) * switches) @ first

    def move(u, i):
        e = np.clip(u + delta * np.sign(weights(u, i)) - x, -eps, eps)
        return np.clip(x + e, 0, 1)

    def worst(candidates):
        return max(candidates, key=lambda pair: logits(pair[1])[pair[0]] - logits(pair[1])[label])[1]

    def walk(u, i, n):
        for _ in range(n):
            u = move(u, i)
        return u

    others = [i for i in range(len(last)) if i != label]
    if worst_pair == "run":
        return worst([(i, walk(x, i, steps)) for i in others])
    u = x
    for _ in range(steps):
        u = worst([(i, move(u, i)) for i in others])
    return u


def test_iterations_are_the_papers(attack, wrap, small):
    net = relu_net(5, seed=3)
    model, x, y = wrap(net, (1, 4, 4)), small[0], torch.arange(40) % 5
    by_pair = {}
    for worst_pair in ("run", "step"):
        parameters = {"steps": 4, "relative_step": 0.4, "worst_pair": worst_pair}
        by_pair[worst_pair] = attack("native", "locally-linear", "linf", 0.2, model, x, y, **parameters)
        rows = zip(x.flatten(1).double().numpy(), y.tolist(), strict=True)
        expected = np.stack([reference(net, row, label, 0.2, 0.08, 4, worst_pair) for row, label in rows])
        np.testing.assert_allclose(by_pair[worst_pair].flatten(1).numpy(), expected, atol=1e-6)
    assert not torch.equal(by_pair["run"], by_pair["step"])


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"knowledge": "semi-white"}, (0.40, 0.85)),  # w(x+e) is (−1,2) twice, then u₀ = 0.4: (0,2)
        ({"knowledge": "semi-white", "x1": "clean"}, (0.30, 0.85)),  # (−1,2) throughout
        ({"x1": "clean", "x2": "clean"}, (0.30, 0.55)),  # P(w,x) = (−1,0) throughout
        ({}, (0.50, 0.75)),  # the support moves after the first step: (−1,0), (0,2), (0,2)
        ({"x1": "current", "x2": "clean"}, (0.50, 0.55)),  # after the first step u = (0, 0.55), where w = (0,2)
        ({"x1": "clean", "x2": "current"}, (0.50, 0.75)),
    ],
)
def test_effective_inputs_by_hand(attack, parameters, expected):
    """x = (0.6, 0.55), three steps of 0.1; the front end keeps the first value until the first step."""
    model = Protected(Largest(Config()), Bend(), image_shape=(1, 1, 2))
    x, y = image(0.6, 0.55), torch.tensor([0])
    parameters = {"steps": 3, "relative_step": 1 / 3, **parameters}
    examples = attack("native", "locally-linear", "linf", 0.3, model, x, y, **parameters)
    torch.testing.assert_close(examples, image(*expected))


def test_the_semi_white_box_attack_is_the_one_on_the_classifier(attack, cnn, batch):
    class Half(FrontEnd[Config]):
        def forward(self, x):
            return (x - 0.5).clamp(0, 1)

    model = Protected(Half(Config()), cnn.classifier, image_shape=cnn.image_shape)
    parameters = {"steps": 3, "relative_step": 0.5}
    examples = attack("native", "locally-linear", "linf", 0.1, model, *batch, knowledge="semi-white", **parameters)
    assert torch.equal(examples, attack("native", "locally-linear", "linf", 0.1, cnn, *batch, **parameters))
    assert not torch.equal(examples, attack("native", "locally-linear", "linf", 0.1, model, *batch, **parameters))


def test_the_class_to_leave(attack, cnn, batch):
    x, y = batch
    predicted = cnn.predict(x).argmax(1)
    assert (predicted != y).any()
    examples = attack("native", "locally-linear", "linf", 0.05, cnn, x, y, source_class="prediction")
    assert torch.equal(examples, attack("native", "locally-linear", "linf", 0.05, cnn, x, predicted))
    assert not torch.equal(examples, attack("native", "locally-linear", "linf", 0.05, cnn, x, y))


def test_it_is_no_weaker_than_fgsm_with_ten_classes(attack, cnn, batch, right):
    def left(family):
        return int(right(cnn, attack("native", family, "linf", 0.03, cnn, *batch), batch[1]).sum())

    assert 0 < left("locally-linear") < left("fgsm")


def test_it_survives_where_cross_entropy_underflows(attack, rescale, batch, right):
    model, (x, y) = rescale(1000.0), batch
    standing = right(model, x, y)
    x, y = x[standing], y[standing]
    assert torch.equal(attack("native", "fgsm", "linf", 0.2, model, x, y), x)
    assert right(model, attack("native", "locally-linear", "linf", 0.2, model, x, y), y).double().mean() < 0.5


@pytest.mark.parametrize(
    ("parameters", "cost"),
    [({}, 1 + 9 * 2), ({"steps": 4}, 1 + 9 * 5), ({"steps": 4, "worst_pair": "step"}, 1 + 9 * 8)],
)
def test_locally_linear_costs_a_walk_for_each_wrong_class(attack, cnn, batch, parameters, cost):
    x, y = batch[0][:20], batch[1][:20]
    cnn.passes.forward = cnn.passes.backward = 0
    attack("native", "locally-linear", "linf", 0.1, cnn, x, y, **parameters)
    assert (cnn.passes.forward, cnn.passes.backward) == (cost * 20, 9 * parameters.get("steps", 1) * 20)


def test_the_default_step(attack, cnn, batch):
    """ε for one step, a tenth of it for more."""
    for steps, relative in ((1, 1.0), (4, 0.1)):
        explicit = attack("native", "locally-linear", "linf", 0.1, cnn, *batch, steps=steps, relative_step=relative)
        assert torch.equal(attack("native", "locally-linear", "linf", 0.1, cnn, *batch, steps=steps), explicit)


def test_two_points_of_a_randomized_model_average_its_draws(cnn, batch):
    model = Protected(Noisy(Config()), cnn.classifier, image_shape=cnn.image_shape)
    view = model.eot(3)
    x = batch[0][:5]
    logits = apart(view)(x, x.clone().requires_grad_())
    assert (logits.shape, model.passes.forward) == ((5, 10), 15)
    model.front_end.reseed(0)
    averaged = apart(model)(x, x)
    model.front_end.reseed(0)
    assert torch.equal(averaged, model(x))


REFUSED = {
    "x2 of a semi-white attacker": ({"knowledge": "semi-white", "x2": "clean"}, "a semi-white attacker does not know"),
    "another class to leave": ({"source_class": "target"}, "source_class = 'target'"),
    "a target": ({"target": "next"}, "unknown key 'target'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_parameters_are_refused(case):
    parameters, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        make_spec(FAMILY, "linf", 0.1, parameters)


def test_what_it_cannot_attack_is_refused(attack, wrap, cnn, batch):
    x, y = batch
    shaped = Protected(Doubled(Config()), nn.Flatten(), image_shape=(1, 14, 14))
    with pytest.raises(ConfigError, match=r"reads \(2, 14, 14\).*knowledge='white'"):
        attack("native", "locally-linear", "linf", 0.1, shaped, x, y, knowledge="semi-white")
    one_class = wrap(nn.Sequential(nn.Flatten(), nn.Linear(196, 1)), (1, 14, 14))
    with pytest.raises(ConfigError, match="compares classes, the model has 1"):
        attack("native", "locally-linear", "linf", 0.1, one_class, x, y)
    with pytest.raises(ConfigError, match="exists in linf, not in l2"):
        locally_linear(cnn, x, y, threat=ThreatModel("l2", 1.0), step_size=1.0)
    with pytest.raises(ConfigError, match="differ, so the front end must be told from the classifier"):
        locally_linear(cnn, x, y, threat=ThreatModel("linf", 0.1), step_size=0.1, x1="clean")


def as_art(*defenses, model=None, **arguments):
    arguments = {"clip_values": (0.0, 1.0), "preprocessing_defences": list(defenses) or None, **arguments}
    return PyTorchClassifier(model or Bend(), nn.CrossEntropyLoss(), (1, 1, 2), 2, device_type="cpu", **arguments)


class GrayLargest(PreprocessorPyTorch):
    """`Largest` as somebody writes it for ART, in whatever units."""

    def __init__(self):
        super().__init__(device_type="cpu", is_fitted=True, apply_fit=True, apply_predict=True)

    def forward(self, x, y=None):
        return Largest.forward(None, x), y


class Gray(nn.Module):
    """`Bend` for gray levels from 0 to 255."""

    def forward(self, u):
        return Bend()(u / 255)


@pytest.mark.parametrize("x2", ["clean", "current"])
@pytest.mark.parametrize("x1", ["clean", "current"])
def test_as_an_art_attack_it_is_the_family(attack, x1, x2):
    model = Protected(Largest(Config()), Bend(), image_shape=(1, 1, 2))
    x, y = image(0.6, 0.55), torch.tensor([0])
    parameters = {"steps": 3, "relative_step": 1 / 3}
    expected = attack("native", "locally-linear", "linf", 0.3, model, x, y, x1=x1, x2=x2, **parameters)
    defended = as_art(FrontEndPreprocessor(Largest(Config())))
    examples = evasion.LocallyLinear(defended, 0.3, 0.1, 3, x1=x1, x2=x2).generate(x.numpy(), y.numpy())
    np.testing.assert_allclose(examples, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize(("knowledge", "expected"), [("white", (0.5, 0.75)), ("semi-white", (0.4, 0.85))])
def test_as_an_art_attack_by_hand_in_other_units(knowledge, expected):
    """The numbers of `test_effective_inputs_by_hand`, in gray levels; without labels, and with one-hot ones."""
    defended = as_art(GrayLargest(), model=Gray(), clip_values=(0, 255))
    made = evasion.LocallyLinear(defended, 0.3 * 255, 0.1 * 255, 3, knowledge=knowledge)
    x = 255 * image(0.6, 0.55).numpy()
    examples = made.generate(x, np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(examples, 255 * image(*expected).numpy(), atol=1e-3)
    # ε for one step, a tenth of it for more.
    for steps, delta in ((1, 25.5), (2, 2.55)):
        parameters = {"knowledge": knowledge, "max_iter": steps, "eps": 25.5}
        default, asked = (evasion.LocallyLinear(defended, **more, **parameters) for more in ({}, {"eps_step": delta}))
        assert np.array_equal(default.generate(x, np.array([0])), asked.generate(x, np.array([0])))


def test_what_the_art_attack_refuses():
    with pytest.raises(ValueError, match="which a semi-white attacker does not know"):
        evasion.LocallyLinear(as_art(), knowledge="semi-white", x2="clean")
    for name in ("knowledge", "x1", "x2", "worst_pair"):
        with pytest.raises(ValueError, match=f"LocallyLinear: {name} is one of "):
            evasion.LocallyLinear(as_art(), **{name: "gray"})
    shaped = as_art(FrontEndPreprocessor(Doubled(Config())), model=nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    x = image(0.6, 0.55).numpy()
    with pytest.raises(ValueError, match=r"reads \(2, 1, 2\).*knowledge='white'"):
        evasion.LocallyLinear(shaped, knowledge="semi-white").generate(x)
    assert evasion.LocallyLinear(shaped).generate(x).shape == x.shape
