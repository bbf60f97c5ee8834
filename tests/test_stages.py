"""Stages: each trains what it says, in the mode, with the loss, the penalty and the schedule that it names."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from frontdef import training
from frontdef.attacks.native.geometry import PROJECTIONS
from frontdef.classifiers import CLASSIFIERS
from frontdef.config import Config
from frontdef.datasets import Split, parse
from frontdef.errors import ConfigError, NotTrainedError, UnknownNameError
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected
from frontdef.stage import Stage
from frontdef.threat import ThreatModel
from frontdef.training.augment import crop_flip
from frontdef.training.objectives import Batch

BUILD = {classifier.name: classifier.build for classifier in CLASSIFIERS}


@pytest.fixture(scope="module")
def train() -> Split:
    return parse("digits").load("train").take(96)


class Gain(FrontEnd[Config]):
    """One number times the image; in the mode ``negative`` its negative. Remembers what it was asked."""

    learns = True
    modes = ("negative",)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gain = nn.Parameter(torch.tensor(1.0))
        self.seen: list[tuple[str, bool]] = []
        self.stages: list[str] = []
        self.finished = 0

    def forward(self, x):
        self.seen.append((self.mode, self.training))
        return x * (-self.gain if self.mode else self.gain)

    def penalties(self):
        return {"small": lambda x, classifier: self.gain.square(), "bright": lambda x, classifier: x.mean() * self.gain}

    def losses(self):
        return {"negative": lambda logits, y: -F.cross_entropy(logits, y)}

    def after_stage(self, name):
        self.stages.append(name)

    def finish(self, classifier):
        self.finished += 1
        with torch.no_grad():
            next(classifier.parameters()).zero_()


def fit(front_end, split, *stages, **kwargs):
    classifier = kwargs.pop("classifier", None) or BUILD["fc2"]((1, 28, 28), 10, seed=0)
    return classifier, training.fit_classifier(front_end, classifier, split, stages, seed=0, **kwargs)


def snapshot(module):
    return torch.cat([tensor.detach().double().flatten().clone() for tensor in module.state_dict().values()])


class TestWhatIsTrained:
    @pytest.mark.parametrize("trains", ["all", "front-end", "classifier"])
    def test_only_what_the_stage_names(self, train, trains):
        front_end = Gain(Config())
        classifier = BUILD["fc2"]((1, 28, 28), 10, seed=0)
        moved = {}

        class Watching(Gain):
            def finish(self, classifier):
                moved["classifier"] = not torch.equal(before, snapshot(classifier))

        front_end = Watching(Config())
        before = snapshot(classifier)
        fit(front_end, train, Stage(epochs=1, trains=trains), classifier=classifier)
        assert moved["classifier"] == (trains != "front-end")
        assert (front_end.gain.item() != 1.0) == (trains != "classifier")
        assert front_end.gain.requires_grad
        assert all(parameter.requires_grad for parameter in classifier.parameters())

    def test_frozen_parameters_get_no_decay_and_stay_frozen(self, train):
        classifier = BUILD["fc2"]((1, 28, 28), 10, seed=0)
        first = next(classifier.parameters()).requires_grad_(False)
        before = first.clone()
        fit(Identity(Config()), train, Stage(epochs=1, weight_decay=0.5), classifier=classifier, thaw=False)
        assert torch.equal(before, first)
        assert not first.requires_grad
        fit(Identity(Config()), train, Stage(epochs=1), classifier=classifier)
        assert not torch.equal(before, first)

    def test_modules_are_in_training_mode_only_where_they_are_trained(self, train):
        front_end = Gain(Config())
        fit(front_end, train, Stage(epochs=1, trains="classifier"), Stage(epochs=1, trains="front-end"))
        assert {training for _, training in front_end.seen} == {False, True}
        front_end.seen.clear()
        fit(front_end, train, Stage(epochs=1, trains="classifier"))
        assert {training for _, training in front_end.seen} == {False}

    def test_a_stage_that_trains_nothing_is_refused(self, train):
        with pytest.raises(ConfigError, match="trains 'front-end', and nothing there requires a gradient"):
            fit(Identity(Config()), train, Stage(epochs=1, trains="front-end"))

    def test_outputs_are_computed_once_where_the_front_end_stays_as_it_is(self, train):
        front_end = Gain(Config())
        _, log = fit(front_end, train, Stage(epochs=1), Stage(epochs=3, trains="classifier"))
        assert log.precomputed
        assert len(front_end.seen) == 2 + 1 + 1  # two batches; then one image, and all at once


class TestModesLossesPenalties:
    def test_the_mode_is_selected_for_the_stage_alone(self, train):
        front_end = Gain(Config())
        fit(front_end, train, Stage(epochs=1, mode="negative", lr=1e-6), Stage(epochs=1))
        assert [mode for mode, _ in front_end.seen] == ["negative"] * 2 + [""] * 2
        assert front_end.mode == ""

    def test_the_penalty_alone_by_hand(self, train):
        """g² from g = 1 by plain gradient descent of rate 0.1: each step takes a fifth away."""
        front_end = Gain(Config())
        stage = Stage(epochs=2, trains="front-end", loss="none", penalty="small", optimizer="sgd", momentum=0.0, lr=0.1)
        _, log = fit(front_end, train, stage)
        assert front_end.gain.item() == pytest.approx(0.8**4)
        assert log.losses[0] == pytest.approx((64 * 1 + 32 * 0.8**2) / 96)
        assert all(math.isnan(value) for value in log.accuracies)
        assert not front_end.seen

    def test_the_penalty_adds_to_the_loss_with_its_weight(self, train):
        plain, added = (
            fit(Gain(Config()), train, Stage(epochs=1, lr=1e-12, batch_size=96, **more))[1].losses[0]
            for more in ({}, {"penalty": "bright", "penalty_weight": 3.0})
        )
        assert added - plain == pytest.approx(3 * float(train.images.mean()), rel=1e-3)

    def test_the_weight_rises_linearly_by_epochs(self):
        stage = Stage(epochs=5, penalty="small", penalty_start=0.0, penalty_weight=2.0)
        assert [stage.weight(epoch) for epoch in range(5)] == pytest.approx([0, 0.5, 1, 1.5, 2])
        assert Stage(epochs=1, penalty="small", penalty_start=0.0).weight(0) == 1
        assert Stage(epochs=3, penalty="small", penalty_weight=0.7).weight(0) == 0.7

    def test_a_loss_of_the_front_end(self, train):
        plain, negative = (
            fit(Gain(Config()), train, Stage(epochs=1, lr=1e-12, batch_size=96, loss=loss))[1].losses[0]
            for loss in ("cross-entropy", "negative")
        )
        assert negative == pytest.approx(-plain)

    @pytest.mark.parametrize(
        ("stage", "message"),
        [
            (Stage(epochs=1, mode="negativ"), "unknown mode of Gain 'negativ'. Did you mean 'negative'"),
            (Stage(epochs=1, loss="crossentropy"), "Did you mean 'cross-entropy'"),
            (Stage(epochs=1, penalty="smal"), "Did you mean 'small'"),
        ],
    )
    def test_unknown_names_are_refused_before_anything_is_trained(self, train, stage, message):
        front_end = Gain(Config())
        with pytest.raises(UnknownNameError, match=message):
            fit(front_end, train, Stage(epochs=1), stage)
        assert not front_end.seen

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"loss": "trades"}, "name the norm in adversarial"),
            ({"loss": "none"}, "name a penalty"),
            ({"penalty_start": 0.0}, "name the penalty"),
            ({"milestones": (1,)}, "belong to schedule='steps'"),
            ({"schedule": "steps"}, "needs at least one"),
            ({"schedule": "steps", "milestones": (2, 1), "epochs": 4}, "ascend between 1 and epochs - 1 = 3"),
            ({"schedule": "steps", "milestones": (4,), "epochs": 4}, "ascend"),
            ({"schedule": "cyclic", "final_lr": 0.1}, "end of a cosine"),
        ],
    )
    def test_contradictions_are_refused(self, values, message):
        with pytest.raises(ValueError, match=message):
            Stage(**{"epochs": 1, **values})


def test_a_radius_may_be_a_fraction():
    assert Stage(epochs=1, eps="8/255").eps == 8 / 255
    with pytest.raises(ValueError, match="ε is a number or a fraction"):
        Stage(epochs=1, eps="eight")


class TestHooks:
    def test_after_each_stage_and_once_at_the_end(self, train):
        front_end = Gain(Config())
        classifier, _ = fit(front_end, train, Stage(epochs=2, name="a"), Stage(epochs=1, name="b"))
        assert (front_end.stages, front_end.finished) == (["a", "b"], 1)
        assert not next(classifier.parameters()).any()

    def test_an_untrained_front_end_is_refused_in_an_attack(self, train):
        front_end = Gain(Config())
        protected = Protected(front_end, BUILD["fc2"]((1, 28, 28), 10), image_shape=(1, 28, 28))
        with pytest.raises(NotTrainedError, match=r"Gain has not been trained.*frontdef train"):
            protected(train.images[:2])
        with pytest.raises(NotTrainedError):
            protected.art_classifier()
        protected.requires_grad_(True)
        fit(front_end, train, Stage(epochs=1), classifier=protected.classifier)
        assert protected(train.images[:2]).shape == (2, 10)
        fresh = Gain(Config())
        fresh.load_state_dict(front_end.state_dict())
        fresh.require_trained()


class TestSchedules:
    @pytest.fixture
    def rates(self, monkeypatch):
        recorded, step = [], torch.optim.SGD.step

        def record(self, *args, **kwargs):
            recorded.append(self.param_groups[0]["lr"])
            return step(self, *args, **kwargs)

        monkeypatch.setattr(torch.optim.SGD, "step", record)
        return recorded

    def test_cyclic_is_one_triangle(self, train, rates):
        fit(Identity(Config()), train, Stage(epochs=4, optimizer="sgd", schedule="cyclic", lr=0.4, batch_size=48))
        assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1])

    def test_steps_take_a_tenth_at_each_milestone(self, train, rates):
        stage = Stage(epochs=4, optimizer="sgd", schedule="steps", milestones=(1, 3), lr=0.1, batch_size=96)
        fit(Identity(Config()), train, stage)
        assert rates == pytest.approx([0.1, 0.01, 0.01, 0.001])


class TestCropFlip:
    def test_every_result_is_a_window_of_the_padded_image_or_its_mirror(self):
        x = torch.arange(1.0, 26).view(1, 1, 5, 5).repeat(400, 1, 1, 1)
        padded = F.pad(x[:1], (4,) * 4)
        windows = {
            window.numpy().tobytes()
            for row in range(9)
            for column in range(9)
            for crop in [padded[0, 0, row : row + 5, column : column + 5]]
            for window in (crop.contiguous(), crop.flip(1).contiguous())
        }
        with torch.random.fork_rng():
            torch.manual_seed(0)
            crops = crop_flip(x)
        assert {crop[0].contiguous().numpy().tobytes() for crop in crops} <= windows
        assert len(torch.unique(crops.flatten(1), dim=0)) > 100

    def test_channels_move_together(self):
        x = torch.rand(50, 1, 6, 7).repeat(1, 3, 1, 1)
        crops = crop_flip(x)
        assert crops.shape == x.shape
        assert torch.equal(crops[:, 0], crops[:, 2])


class TestTrades:
    def test_the_loss_by_an_independent_formula(self, train):
        stage = Stage(epochs=1, loss="trades", adversarial="linf", eps=0.1, attack_steps=2, beta=3.0)
        classifier = BUILD["fc2"]((1, 28, 28), 10, seed=0)
        batch = Batch(Identity(Config()), classifier, train.labels[:16], stage, lambda: None)
        batch.x = train.images[:16]
        torch.manual_seed(3)
        loss, _ = batch.evaluate(0.0)
        torch.manual_seed(3)
        attacked = batch.divergent()
        p, q = (classifier(x).softmax(1).double() for x in (batch.x, attacked))
        expected = -p[torch.arange(16), batch.y].log().mean() + 3 * (p * (p / q).log()).sum(1).mean()
        assert float(loss) == pytest.approx(float(expected), rel=1e-4)

    def test_the_examples_raise_the_divergence_inside_the_threat_model(self, train):
        stage = Stage(epochs=1, loss="trades", adversarial="linf", eps=0.1, attack_steps=5)
        classifier = BUILD["fc2"]((1, 28, 28), 10, seed=0)
        batch = Batch(Identity(Config()), classifier, train.labels, stage, lambda: None)
        batch.x = train.images
        torch.manual_seed(0)
        attacked = batch.divergent()
        assert ThreatModel("linf", 0.1).contains(batch.x, attacked).all()
        noise = PROJECTIONS["linf"](0.1 * torch.randn_like(batch.x).sign(), 0.1)
        p = classifier(batch.x).softmax(1)

        def divergence(x):
            return float(F.kl_div(classifier(x).log_softmax(1), p, reduction="batchmean"))

        assert divergence(attacked) > 3 * divergence((batch.x + noise).clamp(0, 1))
