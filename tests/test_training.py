"""Training: reproducible bit for bit, the same with and without precomputed outputs, and nothing else is touched."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef import bpda, training
from frontdef.attacks.native.pgd import pgd
from frontdef.checks.generators import global_states
from frontdef.classifiers import CLASSIFIERS
from frontdef.config import Config
from frontdef.datasets import Split, parse
from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd, Identity
from frontdef.models.recipes import RECIPES, default_recipe
from frontdef.stage import Stage
from frontdef.threat import ThreatModel

TWO_EPOCHS = (Stage(epochs=2, batch_size=50),)
BUILD = {classifier.name: classifier.build for classifier in CLASSIFIERS}


@pytest.fixture(scope="module")
def train() -> Split:
    return parse("digits").load("train").take(192)


@pytest.fixture(scope="module")
def test() -> Split:
    return parse("digits").load("test")


class Noise(FrontEnd[Config]):
    """Adds Gaussian noise of its own generator, and remembers what it was given."""

    randomized = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.drawn: list[Tensor] = []

    def forward(self, x):
        noise = torch.randn(x.shape, generator=self.generator(x.device), device=x.device)
        self.drawn.append(noise)
        return x + 0.1 * noise


class Relabeled(Identity):
    """The identity, said to be randomized, so that its outputs are computed in every epoch."""

    randomized = True


class Filters(FrontEnd[Config]):
    """A learned convolution and a batch normalization."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.norm(self.conv(x))


def fit(front_end, train, stages=TWO_EPOCHS, *, seed=0, name="fc2", shape=(1, 28, 28), **kwargs):
    classifier = BUILD[name](shape, 10, mean=0.3, std=0.3, seed=seed)
    log = training.fit_classifier(front_end, classifier, train, stages, seed=seed, **kwargs)
    return classifier, log


def weights(module: nn.Module) -> Tensor:
    return torch.cat([tensor.detach().double().flatten() for tensor in module.state_dict().values()])


class TestReproducibility:
    @pytest.mark.parametrize("name", ["cnn4", "resnet32"])
    def test_the_same_seed_gives_the_same_weights_bit_for_bit(self, train, name):
        few = train.take(64)
        first, second = (weights(fit(Identity(Config()), few, name=name, seed=3)[0]) for _ in range(2))
        assert torch.equal(first, second)

    def test_another_seed_gives_others(self, train):
        first, second = (weights(fit(Identity(Config()), train, seed=seed)[0]) for seed in (0, 1))
        assert not torch.equal(first, second)

    def test_a_randomized_front_end_draws_the_same_noise_for_a_seed_and_fresh_noise_in_every_epoch(self, train):
        runs = []
        for _ in range(2):
            front_end = Noise(Config())
            runs.append((weights(fit(front_end, train, seed=5)[0]), front_end.drawn))
        assert torch.equal(runs[0][0], runs[1][0])
        drawn = runs[0][1]
        assert len(drawn) == 2 * math.ceil(192 / 50)
        assert len({round(float(noise.sum()), 5) for noise in drawn}) == len(drawn)

    def test_global_generators_are_left_alone(self, train):
        torch.manual_seed(11)
        np.random.seed(11)
        states = global_states()
        training.prepare(Noise(Config()), train.images, seed=0)
        fit(Noise(Config()), train, (Stage(epochs=1, adversarial="linf", eps=0.1, attack_steps=1),), name="cnn4")
        assert global_states() == states


def test_equal_to_a_plain_loop(train):
    """Adam on the mean cross-entropy of shuffled batches, written out."""
    trained, log = fit(Identity(Config()), train, (Stage(epochs=2, lr=2e-3, batch_size=80, weight_decay=0.1),), seed=4)
    model = BUILD["fc2"]((1, 28, 28), 10, mean=0.3, std=0.3, seed=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
    order, losses = torch.Generator().manual_seed(4), []
    for _ in range(2):
        rows = torch.randperm(192, generator=order)
        for batch in (rows[:80], rows[80:160], rows[160:]):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(train.images[batch]), train.labels[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    torch.testing.assert_close(weights(trained), weights(model), rtol=0, atol=1e-7)
    expected = [(80 * a + 80 * b + 32 * c) / 192 for a, b, c in (losses[:3], losses[3:])]
    assert log.losses == pytest.approx(expected, rel=1e-5)


def test_the_learning_rate_follows_a_cosine_in_each_stage(train, monkeypatch):
    rates, step = [], torch.optim.AdamW.step

    def record(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", record)
    fit(Identity(Config()), train, (Stage(epochs=2, lr=0.01, final_lr=0.001, batch_size=64), Stage(epochs=1, lr=0.004)))
    cosine = [0.001 + 0.0045 * (1 + math.cos(math.pi * t / 6)) for t in range(6)]
    assert rates == pytest.approx([*cosine, 0.004, 0.004, 0.004])


class TestPrecomputing:
    def test_changes_no_bit(self, train):
        (once, log), (anew, relabeled_log) = (
            fit(front_end, train) for front_end in (Identity(Config()), Relabeled(Config()))
        )
        assert (log.precomputed, relabeled_log.precomputed) == (True, False)
        assert torch.equal(weights(once), weights(anew))

    def test_calls_the_front_end_once(self, train):
        class Counting(Identity):
            calls = 0

            def forward(self, x):
                Counting.calls += len(x)
                return super().forward(x)

        fit(Counting(Config()), train, (Stage(epochs=5),))
        assert Counting.calls == 192 + 1

    def test_outputs_that_are_too_large_are_not_kept(self, train, monkeypatch):
        monkeypatch.setattr(training.trainer, "PRECOMPUTE_LIMIT", 192 * 784 * 4 - 1)
        assert not fit(Identity(Config()), train)[1].precomputed

    def test_an_adversarial_stage_follows_a_clean_one(self, train):
        stages = (Stage(epochs=1), Stage(epochs=1, adversarial="l2", eps=0.5, attack_steps=2))
        log = fit(Identity(Config()), train, stages)[1]
        assert log.precomputed
        assert len(log.losses) == 2


class TestFrontEnd:
    def test_trainable_parameters_are_trained_along(self, train):
        front_end = Filters(Config())
        before = front_end.conv.weight.clone()
        log = fit(front_end, train, shape=(2, 28, 28))[1]
        assert not torch.equal(before, front_end.conv.weight)
        assert front_end.norm.num_batches_tracked == 8
        assert not log.precomputed
        assert not front_end.training

    def test_frozen_ones_are_left_alone_and_in_eval_mode(self, train):
        front_end = Filters(Config()).requires_grad_(False)
        before = weights(front_end)
        fit(front_end, train, shape=(2, 28, 28))
        fit(front_end, train, (Stage(epochs=1, adversarial="linf", eps=0.1, attack_steps=2),), shape=(2, 28, 28))
        assert torch.equal(before, weights(front_end))

    def test_prepare_fits_with_a_seed(self, train):
        class Learns(Identity):
            def fit(self, images):
                self.seen = images
                self.draws = (
                    torch.rand(1).item(),
                    np.random.rand(),
                    torch.rand(1, generator=self.generator(images.device)).item(),
                )

        first, second, third = Learns(Config()), Learns(Config()), Learns(Config())
        for front_end, seed in ((first, 1), (second, 1), (third, 2)):
            training.prepare(front_end, train.images, seed=seed)
        assert first.draws == second.draws
        assert all(a != b for a, b in zip(first.draws, third.draws, strict=True))
        assert torch.equal(first.seen, train.images)
        assert not first.training


class TestAdversarialStages:
    @pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 1.0), ("l1", 5.0)])
    def test_every_training_image_is_in_the_threat_model(self, train, norm, eps):
        image = train.images[:1]
        seen = []

        class Watching(Identity):
            def forward(self, x):
                if classifier.training:
                    seen.append(x.detach().clone())
                return super().forward(x)

        classifier = BUILD["cnn4"]((1, 28, 28), 10)
        split = Split(image.repeat(4, 1, 1, 1), train.labels[:1].repeat(4), torch.arange(4))
        stage = Stage(epochs=2, adversarial=norm, eps=eps, attack_steps=3)
        training.fit_classifier(Watching(Config()), classifier, split, (stage,), seed=0)
        assert len(seen) == 2
        for x in seen:
            assert ThreatModel(norm, eps).contains(image.expand_as(x), x).all()
            assert (x - image).abs().flatten(1).amax(1).min() > 0
            assert not torch.equal(x[0], x[1])  # each example starts at a point of its own

    def test_they_make_a_classifier_robust(self, train, test):
        threat, few = ThreatModel("linf", 0.1), test.take(100)
        clean = Stage(epochs=5, lr=2e-3, batch_size=32)
        stages = {
            "clean": (clean,),
            "adversarial": (clean, clean.model_copy(update={"adversarial": "linf", "eps": 0.1, "attack_steps": 4})),
        }
        robust = {}
        for name, recipe in stages.items():
            model = fit(Identity(Config()), train, recipe, name="cnn4")[0]
            x_adv = pgd(model, few.images, few.labels, threat=threat, steps=10, step_size=0.025)
            robust[name] = float((model(x_adv).argmax(1) == few.labels).float().mean())
        assert robust["adversarial"] > robust["clean"] + 0.2

    def test_the_surrogate_of_the_front_end_carries_the_attack(self, train):
        """Behind a quantizer, PGD moves only where the surrogate's gradient arrives."""

        class Quantizer(FrontEnd[Config]):
            surrogates = (bpda.IDENTITY, bpda.NONE)

            def forward(self, x):
                return bpda.quantize(x, 4, surrogate=self.surrogate)

        losses = {}
        for surrogate in ("identity", "none"):
            stages = (Stage(epochs=6, lr=2e-3), Stage(epochs=1, lr=1e-9, adversarial="linf", eps=0.2, attack_steps=5))
            losses[surrogate] = fit(Quantizer(Config(), surrogate=surrogate), train, stages, name="cnn4")[1].losses[-1]
        assert losses["identity"] > 2 * losses["none"]


def test_progress_counts_epochs_over_all_stages(train):
    told = []
    _, log = fit(
        Identity(Config()), train, (Stage(epochs=2), Stage(epochs=1)), progress=lambda *values: told.append(values)
    )
    assert [values[:2] for values in told] == [(1, 3), (2, 3), (3, 3)]
    assert [values[2] for values in told] == list(log.losses)
    assert [values[3] for values in told] == list(log.accuracies)


def test_the_classifier_ends_in_eval_mode_even_if_training_is_stopped(train):
    def stop(*_):
        raise KeyboardInterrupt

    classifier = BUILD["cnn4"]((1, 28, 28), 10)
    with pytest.raises(KeyboardInterrupt):
        training.fit_classifier(Identity(Config()), classifier, train, (Stage(epochs=2),), seed=0, progress=stop)
    assert not classifier.training


class TestErrors:
    def test_no_stage(self, train):
        with pytest.raises(ConfigError, match="at least one stage"):
            fit(Identity(Config()), train, ())

    def test_an_adversarial_stage_without_a_radius(self, train):
        with pytest.raises(ConfigError, match="ε must be a positive"):
            fit(Identity(Config()), train, (Stage(epochs=1), Stage(epochs=1, adversarial="linf")))

    def test_divergence(self, train):
        with pytest.raises(
            ConfigError,
            match=r"the loss is (nan|inf) in epoch \d of 9 \(stage 1 'hot', its epoch \d\); lower the learning rate",
        ):
            fit(Identity(Config()), train, (Stage(epochs=9, lr=1e30, name="hot"),))


class TestMoments:
    def test_of_channels(self):
        x = torch.rand(300, 3, 5, 4) * torch.tensor([1.0, 2.0, 5.0]).view(3, 1, 1)
        mean, std = training.moments(iter(x.split(128)))
        np.testing.assert_allclose(mean, x.double().numpy().mean((0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(std, x.double().numpy().std((0, 2, 3)), rtol=1e-9)

    def test_a_constant_channel_is_not_blown_up(self):
        x = torch.stack([torch.full((50,), 0.3), torch.linspace(0, 1, 50)], dim=1)
        assert training.moments(iter([x]))[1] == pytest.approx([1.0, float(x[:, 1].double().std(correction=0))])


class TestRecipes:
    @pytest.mark.slow
    def test_small_cnn_learns_digits(self, test):
        """The default recipe: at least 97 % of 500 test images."""
        split = parse("digits").load("train")
        mean, std = training.moments(iter([split.images]))
        classifier = BUILD["small-cnn"]((1, 28, 28), 10, mean=mean, std=std)
        training.fit_classifier(Identity(Config()), classifier, split, default_recipe("digits", "small-cnn"), seed=0)
        with torch.no_grad():
            assert float((classifier(test.images).argmax(1) == test.labels).float().mean()) >= 0.97

    @pytest.mark.parametrize(("dataset", "classifier"), RECIPES)
    def test_name_what_exists(self, dataset, classifier):
        assert parse(dataset)
        assert classifier in BUILD

    def test_every_pair_has_one(self):
        assert default_recipe("imagefolder:somewhere", "resnet32")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_training_on_a_gpu_agrees_with_the_cpu(train):
    """The same order of samples and the same initial weights: the first epochs' losses agree to rounding."""
    logs = [fit(Identity(Config()), train, (Stage(epochs=2),), device=device)[1] for device in ("cpu", "cuda")]
    assert logs[0].losses == pytest.approx(logs[1].losses, rel=1e-3)
