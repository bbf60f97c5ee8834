"""The native attacks as ART attacks: ART's conventions, and the gradient of whatever stands in an ART pipeline."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from art.attacks import EvasionAttack
from art.attacks.evasion import ProjectedGradientDescent
from art.defences.preprocessor import FeatureSqueezing, SpatialSmoothingPyTorch
from art.defences.preprocessor.preprocessor import PreprocessorPyTorch
from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing
from art.estimators.classification import PyTorchClassifier
from art.exceptions import EstimatorError
from torch import nn

import frontdef
from frontdef.attacks.native import evasion
from frontdef.attacks.native.pgd import pgd
from frontdef.attacks.native.stages import STAGES
from frontdef.errors import ConfigError
from frontdef.threat import ThreatModel

ATTACKS = (
    evasion.PGD, evasion.EOTPGD, evasion.SmoothPGD, evasion.Transfer, evasion.Noise, evasion.LocallyLinear,
    evasion.AutoPGD, evasion.Cascade,
)  # fmt: skip
NORMS = {np.inf: ("linf", 0.05), 2: ("l2", 0.4), 1: ("l1", 3.0)}
FEW = {"max_iter": 3, "draws": 2, "neighbors": 2, "stages": STAGES[:2]}


class Quantizer(PreprocessorPyTorch):
    """Five levels, with the identity as its estimate: what ART's documentation asks a defense to write."""

    def __init__(self):
        super().__init__(device_type="cpu", is_fitted=True, apply_fit=True, apply_predict=True)

    def forward(self, x, y=None):
        return torch.round(4 * x) / 4, y

    def estimate_forward(self, x, y=None):
        return x


class Scaled(nn.Module):
    """The CNN for images in another unit."""

    def __init__(self, inner, low, width):
        super().__init__()
        self.inner, self.low, self.width = inner, low, width

    def forward(self, x):
        return self.inner((x - self.low) / self.width)


@pytest.fixture
def pipeline(cnn):
    """``pipeline(*defenses)``: the CNN as somebody's ART classifier, with ART's default standardization."""

    def build(*defenses, model=None, cls=PyTorchClassifier, **arguments):
        model = copy.deepcopy(cnn.classifier) if model is None else model
        arguments = {"clip_values": (0.0, 1.0), "preprocessing_defences": list(defenses) or None, **arguments}
        return cls(model, nn.CrossEntropyLoss(), (1, 14, 14), 10, device_type="cpu", **arguments)

    return build


@pytest.fixture
def images(batch):
    return batch[0].numpy().copy(), batch[1].numpy()


def accuracy(classifier, x, y):
    return float((classifier.predict(x).argmax(1) == y).mean())


def few(attack, **parameters):
    return {**{name: value for name, value in FEW.items() if name in attack.attack_params}, **parameters}


def near(examples, expected):
    """Share of samples that agree."""
    return float((np.abs(examples - expected).reshape(len(examples), -1).max(1) <= 1e-5).mean())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("fast", [True, False])
def test_the_examples_are_those_of_the_function(cnn, pipeline, batch, images, norm, fast):
    name, eps = NORMS[norm]
    examples = evasion.PGD(pipeline(), norm, eps, 0.3 * eps, 5, fast=fast, batch_size=100).generate(*images)
    mode = "fast" if fast else "matched"
    expected = pgd(cnn, *batch, threat=ThreatModel(name, eps), steps=5, step_size=0.3 * eps, mode=mode)
    assert near(examples, expected.numpy()) == 1
    assert examples.dtype == np.float32


def test_it_is_arts_pgd_step_for_step_and_no_weaker_where_it_may_stop_early(pipeline, images):
    classifier = pipeline()
    parameters = {"eps": 0.04, "eps_step": 0.01, "max_iter": 10}
    theirs = ProjectedGradientDescent(classifier, verbose=False, batch_size=100, **parameters).generate(*images)
    assert near(evasion.PGD(classifier, fast=False, **parameters).generate(*images), theirs) >= 0.99
    fast = evasion.PGD(classifier, **parameters).generate(*images)
    assert 0 < accuracy(classifier, fast, images[1]) <= accuracy(classifier, theirs, images[1])


def test_restarts_break_more_than_arts(pipeline, images):
    classifier = pipeline()
    parameters = {"eps": 0.03, "eps_step": 0.01, "max_iter": 4, "num_random_init": 4}
    theirs = ProjectedGradientDescent(classifier, verbose=False, batch_size=100, **parameters).generate(*images)
    torch.manual_seed(0)
    ours = evasion.PGD(classifier, **parameters).generate(*images)
    assert accuracy(classifier, ours, images[1]) <= accuracy(classifier, theirs, images[1])


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("norm", NORMS)
def test_examples_stay_in_the_ball(pipeline, images, attack, norm):
    name, eps = NORMS[norm]
    if "norm" not in attack.attack_params and norm != np.inf:
        pytest.skip("exists in ℓ∞ only")
    parameters = {"norm": norm} if "norm" in attack.attack_params else {}
    examples = attack(pipeline(), eps=eps, **parameters, **few(attack)).generate(*images)
    assert ThreatModel(name, eps).contains(torch.from_numpy(images[0]), torch.from_numpy(examples)).all()
    assert not np.array_equal(examples, images[0])


@pytest.mark.parametrize("attack", ATTACKS)
def test_arts_own_checks_hold(pipeline, images, attack):
    """A copy of what ART's test suite asks of every attack: base class, estimator, parameters, nothing changed."""
    classifier = pipeline()
    assert issubclass(attack, EvasionAttack)
    with pytest.raises(EstimatorError):
        attack(object())
    made = attack(classifier, **few(attack))
    assert all(hasattr(made, name) for name in attack.attack_params)
    assert "eps=0.3" in repr(made)
    made.set_params(eps=0.2, batch_size=7)
    assert (made.eps, made.batch_size) == (0.2, 7)
    with pytest.raises(ValueError, match="cannot be set"):
        made.set_params(nonsense=1)
    classifier.model.train()
    before, weights = images[0].copy(), copy.deepcopy(classifier.model.state_dict())
    flags = [parameter.requires_grad for parameter in classifier.model.parameters()]
    examples = made.generate(*images)
    assert np.array_equal(images[0], before)
    assert examples.shape == before.shape
    assert all(torch.equal(value, weights[name]) for name, value in classifier.model.state_dict().items())
    assert [parameter.requires_grad for parameter in classifier.model.parameters()] == flags
    assert all(parameter.grad is None for parameter in classifier.model.parameters())
    assert all(module.training for module in classifier.model.modules())


WRONG = {
    "norm": 3,
    "eps": -0.1,
    "eps_step": 0,
    "max_iter": 0,
    "batch_size": 0,
    "num_random_init": -1,
    "loss": "hinge",
    "targeted": "yes",
    "fast": 1,
    "draws": 0,
    "neighbors": 0,
    "radius": 0.0,
    "reading": "median",
    "random_start": 2,
    "knowledge": "gray",
    "stages": (),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_wrong_parameters_are_refused(pipeline, attack):
    classifier = pipeline()
    known = [name for name in attack.attack_params if name in WRONG]
    assert len(known) >= 4
    for name in known:
        with pytest.raises(ValueError, match=f"{attack.__name__}: {name} is "):
            attack(classifier, **{name: WRONG[name]})
    with pytest.raises(ValueError, match="eps is one number"):
        attack(classifier, eps=np.array([0.1, 0.2]))


def test_a_targeted_dlr_is_refused(pipeline):
    with pytest.raises(ValueError, match="the DLR loss has no target"):
        evasion.PGD(pipeline(), targeted=True, loss="dlr")


def test_labels_may_be_indices_one_hot_or_missing(pipeline, images):
    classifier, (x, y) = pipeline(), images
    attack = evasion.PGD(classifier, eps=0.05, max_iter=3)
    assert np.array_equal(attack.generate(x, y), attack.generate(x, np.eye(10)[y]))
    predicted = classifier.predict(x).argmax(1)
    assert (predicted != y).any()
    assert np.array_equal(attack.generate(x), attack.generate(x, predicted))


def test_targets_are_reached(pipeline, images):
    classifier, (x, y) = pipeline(), images
    wanted = (y + 1) % 10
    attack = evasion.PGD(classifier, eps=0.3, eps_step=0.03, max_iter=20, targeted=True, loss="margin")
    assert accuracy(classifier, attack.generate(x, wanted), wanted) > 0.9
    with pytest.raises(ValueError, match="needs the labels to reach"):
        attack.generate(x)


@pytest.mark.parametrize(("low", "width"), [(0.0, 255.0), (-1.0, 2.0)])
def test_units_are_the_classifiers(cnn, pipeline, images, low, width):
    """In [0,255] or [-1,1], with ε in these units, the examples are the same images."""
    x, y = images
    scaled = pipeline(model=Scaled(cnn.classifier, low, width), clip_values=(low, low + width))
    parameters = {"max_iter": 5, "fast": False}
    examples = evasion.PGD(scaled, eps=0.05 * width, eps_step=0.01 * width, **parameters).generate(x * width + low, y)
    expected = evasion.PGD(pipeline(), eps=0.05, eps_step=0.01, **parameters).generate(x, y)
    assert near((examples - low) / width, expected) >= 0.98
    assert low <= examples.min() <= examples.max() <= low + width


def test_no_radius_changes_nothing(pipeline, images):
    assert np.array_equal(evasion.PGD(pipeline(), eps=0.0).generate(*images), images[0])


def test_the_gradient_passes_through_front_ends_and_arts_preprocessors(cnn, pipeline, images):
    smoothing = SpatialSmoothingPyTorch(window_size=3, channels_first=True, clip_values=(0, 1), device_type="cpu")
    parameters = {"eps": 0.1, "eps_step": 0.02, "max_iter": 10}
    for defenses in ([frontdef.load("none")], [smoothing], [frontdef.load("none"), smoothing]):
        classifier = pipeline(*defenses)
        theirs = ProjectedGradientDescent(classifier, verbose=False, batch_size=100, **parameters).generate(*images)
        assert near(evasion.PGD(classifier, fast=False, **parameters).generate(*images), theirs) >= 0.97
        assert accuracy(classifier, evasion.PGD(classifier, **parameters).generate(*images), images[1]) < 0.2


def test_an_estimate_that_art_never_asks_for_is_used(pipeline, images):
    """ART's own PGD sees a gradient of exactly zero there (its issue 1526)."""
    classifier = pipeline(Quantizer())
    parameters = {"eps": 0.15, "eps_step": 0.03, "max_iter": 10}
    clean = accuracy(classifier, *images)
    theirs = ProjectedGradientDescent(classifier, verbose=False, batch_size=100, **parameters).generate(*images)
    assert clean > 0.8
    assert accuracy(classifier, theirs, images[1]) == clean
    assert accuracy(classifier, evasion.PGD(classifier, **parameters).generate(*images), images[1]) < 0.3


def test_transfer_leaves_the_defenses_out_or_takes_another_classifier(pipeline, images):
    defended, bare = pipeline(Quantizer()), pipeline()
    parameters = {"eps": 0.1, "eps_step": 0.02, "max_iter": 5}
    expected = evasion.PGD(bare, **parameters).generate(*images)
    assert np.array_equal(evasion.Transfer(defended, **parameters).generate(*images), expected)
    assert np.array_equal(evasion.Transfer(defended, surrogate=bare, **parameters).generate(*images), expected)
    with pytest.raises(ValueError, match="clip_values"):
        evasion.Transfer(defended, surrogate=pipeline(clip_values=(0, 255)), **parameters)


REFUSED = {
    "no clip_values": (lambda make: make(clip_values=None), "no clip_values"),
    "one range for each value": (
        lambda make: make(clip_values=(np.zeros((1, 14, 14)), np.linspace(1, 2, 196).reshape(1, 14, 14))),
        "1 to 2 wide",
    ),
    "not written in torch": (
        lambda make: make(FeatureSqueezing(clip_values=(0, 1), bit_depth=3)),
        "does not pass through FeatureSqueezing",
    ),
    "predicts in a way of its own": (
        lambda make: make(cls=PyTorchRandomizedSmoothing, sample_size=4, scale=0.1),
        "PyTorchRandomizedSmoothing has a predict and a loss_gradient of its own",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_another_model_is_refused(pipeline, case):
    build, message = REFUSED[case]
    classifier = build(pipeline)
    for attack in ATTACKS:
        with pytest.raises(ConfigError, match=message):
            attack(classifier)


def test_what_generate_refuses(pipeline, images):
    attack = evasion.PGD(pipeline())
    with pytest.raises(ConfigError, match=r"images are in \[0, 255\], outside"):
        attack.generate(images[0] * 255, images[1])
    with pytest.raises(ConfigError, match="masks are not supported"):
        attack.generate(*images, mask=np.ones((1, 14, 14)))
