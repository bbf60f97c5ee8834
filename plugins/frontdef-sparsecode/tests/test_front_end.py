"""Training, the transfer source, the randomized prediction, and what an untrained front end answers."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsecode.recipes import recipe

from frontdef import Protected
from frontdef.errors import ImageError, NotTrainedError
from frontdef.registry import get_classifier
from frontdef.training import fit_classifier, prepare

SMALL = {"atoms": 48, "top": 8, "iterations": 40, "widths": (10, 6)}
"""As in conftest: one dictionary for all."""


@pytest.mark.parametrize("randomized", [False, True])
def test_it_learns(trained, digits, randomized):
    protected = trained(randomized)
    front_end = protected.front_end
    assert front_end.trained
    front_end.reseed(0)
    drawn = torch.stack([protected.predict(digits.test.images) for _ in range(10 if randomized else 1)])
    predictions = drawn.softmax(-1).mean(0).argmax(1)
    assert (predictions == digits.test.labels).float().mean() > (0.75 if randomized else 0.85)


def test_an_ensemble_is_better_than_a_draw(trained, digits):
    """E = 10 draws with softmax outputs averaged (4.2.2.5), by hand and by Protected.eot."""
    protected = trained(True)
    x, y = digits.test.images, digits.test.labels
    protected.front_end.reseed(0)
    drawn = torch.stack([protected.predict(x) for _ in range(10)]).softmax(-1)
    single = (drawn.argmax(-1) == y).float().mean()
    ensemble = (drawn.mean(0).argmax(1) == y).float().mean()
    assert ensemble > single
    view = (protected.eot(10, average="probabilities").predict(x).argmax(1) == y).float().mean()
    assert abs(view - ensemble) < 0.06


def test_an_unsupervised_decoder_reconstructs_and_has_the_same_dictionary(make, trained, digits):
    """The source model of PW-T: first the decoder on images alone, then the classifier, the same encoder."""
    front_end = make(True, **SMALL, dropout=0.5, decoder="unsupervised")
    prepare(front_end, digits.train.images, seed=0)
    assert torch.equal(front_end.atoms, trained(True).front_end.atoms)
    stages = [
        stage.model_copy(update={"epochs": 3, "lr": 3e-3, "batch_size": 32})
        for stage in recipe(front_end.config, "digits")
    ]
    assert [(stage.trains, stage.loss, stage.penalty) for stage in stages] == [
        ("front-end", "none", "reconstruction"),
        ("classifier", "cross-entropy", ""),
    ]
    distance = front_end.penalties()["reconstruction"]
    x = digits.test.images[:50]
    before = distance(x, None).item()
    decoders = []
    classifier = get_classifier("fc2").build((1, 28, 28), 10, seed=0)
    fit_classifier(front_end, classifier, digits.train, stages[:1], seed=0)
    after = distance(x, None).item()
    decoders.append({name: value.clone() for name, value in front_end.decoder.state_dict().items()})
    fit_classifier(front_end, classifier, digits.train, stages[1:], seed=0)
    assert after < 0.6 * before
    assert distance(x, None).item() < 2 * trained(True).front_end.penalties()["reconstruction"](x, None).item()
    assert all(torch.equal(value, decoders[0][name]) for name, value in front_end.decoder.state_dict().items())


def test_the_recipes_of_the_dissertation(make):
    """4.2.4: 70 epochs of SGD, 0 → 0.05 → 0; appendix B.3: 0.02 without dropout and T ≥ 5."""
    for randomized, config, peak in ((True, {}, 0.05), (False, {}, 0.02), (False, {"top": 2}, 0.05)):
        (stage,) = recipe(make(randomized, (3, 32, 32), widths=(2, 2), **config).config, "cifar10")
        assert (stage.epochs, stage.optimizer, stage.schedule, stage.lr) == (70, "sgd", "cyclic", peak)
        assert (stage.weight_decay, stage.batch_size, stage.augment) == (5e-4, 64, "crop-flip")


def test_an_untrained_one_is_refused(make, images):
    front_end = make(atoms=16, top=2, iterations=3)
    protected = Protected(front_end, get_classifier("fc2").build((1, 28, 28), 10), image_shape=(1, 28, 28))
    with pytest.raises(NotTrainedError, match=r"frontdef\.train"):
        protected(images(1, 1, 28, 28))
    front_end.fit(torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(NotTrainedError):
        protected(images(1, 1, 28, 28))


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 28, 28)], ids=str)
def test_other_images_are_refused(make, images, shape):
    with pytest.raises(ImageError, match=r"1,28,28"):
        make(atoms=16, top=2)(images(2, *shape))


def test_weights_carry_the_dictionary(make, trained, images):
    first = trained().front_end
    second = make(**SMALL)
    second.load_state_dict(first.state_dict())
    x = images(2, 1, 28, 28)
    assert torch.equal(second(x), first(x))
    second.require_trained()


def test_the_gradient_reaches_the_image_through_every_surrogate(trained, digits):
    protected = trained(True)
    x, y = digits.test.images[:4], digits.test.labels[:4]
    for surrogate in protected.front_end.surrogates:
        with protected.surrogate(surrogate.name):
            inputs = x.clone().requires_grad_()
            loss = torch.nn.functional.cross_entropy(protected(inputs), y)
            (gradient,) = torch.autograd.grad(loss, inputs)
        assert gradient.isfinite().all()
        assert (gradient.flatten(1) != 0).any(1).all()
