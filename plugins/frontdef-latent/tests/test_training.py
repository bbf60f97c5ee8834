"""The recipe trains autoencoder and classifier; what is not trained is not attacked."""

from __future__ import annotations

import pytest
import torch
from frontdef_latent.config import AutoencoderConfig
from frontdef_latent.recipes import REPORT, SMALL, recipe

from frontdef import Protected, Stage
from frontdef.datasets import Split
from frontdef.errors import ConfigError
from frontdef.training import fit_classifier

NAMES = ["latent-ae", "latent-vae", "latent-vae-sample", "latent-ae-projection", "latent-vae-projection"]


@pytest.mark.parametrize("name", NAMES)
def test_the_trained_defense_reads_digits(trained, digits, name):
    protected, test = trained(name), digits["test"]
    accuracy = (protected.predict(test.images).argmax(1) == test.labels).float().mean()
    assert accuracy > 0.75
    reconstruction = protected.front_end.decode(protected.front_end(test.images))
    mean_image = digits["train"].images.mean(0)
    assert (reconstruction - test.images).square().mean() < 0.6 * (mean_image - test.images).square().mean()


def test_autoencoder_first_then_the_classifier_alone(build, classifiers, digits):
    """Stage by stage: the first leaves the classifier as it was, the second the autoencoder."""
    front_end, classifier = build("latent-ae", image_shape=(1, 28, 28)), classifiers["latent-lrl"].build((32,), 10)
    few = digits["train"].first(100)

    def state():
        return [[value.clone() for value in module.parameters()] for module in (front_end, classifier)]

    def changed(before, after):
        return [
            any(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in zip(before, after, strict=True)
        ]

    states = [state()]
    for stage in SMALL:
        fit_classifier(front_end, classifier, few, [stage.model_copy(update={"epochs": 1})], seed=0)
        states.append(state())
    assert changed(states[0], states[1]) == [True, False]
    assert changed(states[1], states[2]) == [False, True]


def test_the_recipe_of_the_report():
    autoencoder, classifier = recipe(AutoencoderConfig(), "mnist")
    assert (classifier.epochs, classifier.batch_size, classifier.optimizer) == (150, 1000, "adam")
    assert classifier.trains == "classifier"
    assert (autoencoder.loss, autoencoder.penalty, autoencoder.trains) == ("none", "reconstruction", "front-end")
    assert recipe(AutoencoderConfig(), "fashion-mnist") == REPORT
    assert recipe(AutoencoderConfig(), "digits") == SMALL


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_front_end_is_not_attacked(build, classifiers, name):
    protected = Protected(build(name), classifiers["latent-1l"].build((32,), 10))
    with pytest.raises(ConfigError, match="frontdef train"):
        protected(torch.rand(2, 1, 4, 4))


def test_divergence_names_the_stage(build, classifiers):
    split = Split(torch.full((20, 1, 4, 4), torch.nan), torch.zeros(20).long(), torch.arange(20))
    with pytest.raises(ConfigError, match="autoencoder"):
        fit_classifier(build("latent-ae"), classifiers["latent-lrl"].build((32,), 10), split, SMALL, seed=0)


def test_gradients_reach_the_decoder_through_a_projection(build, classifiers, images):
    """Joint training is not the report's, but it must not silently train half of what it says."""
    front_end = build("latent-ae-projection", steps=5)
    front_end(images(3, 1, 4, 4)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in front_end.network.decoder.parameters())


def test_samples_are_drawn_anew_in_training(build, classifiers, digits):
    """The outputs of a randomized front end are not computed once for all epochs."""
    front_end = build("latent-vae-sample", image_shape=(1, 28, 28))
    stage = Stage(epochs=2, trains="classifier")
    log = fit_classifier(
        front_end, classifiers["latent-1l"].build((32,), 10), digits["train"].first(64), [stage], seed=0
    )
    assert not log.precomputed
