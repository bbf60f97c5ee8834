"""Diagnoses: numbers worked out by hand, models whose answer is known, and a diagnosis that leaves nothing behind."""

from __future__ import annotations

import json
from dataclasses import replace
from math import comb

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from frontdef import bpda
from frontdef.attacks.native.losses import margin
from frontdef.attacks.native.square import random_search
from frontdef.checks.conformance import subject
from frontdef.checks.generators import global_states
from frontdef.checks.masking import CHECKS, Budget, Cost, Finding, diagnose, measure, verdict
from frontdef.checks.masking import evidence as evidence_module
from frontdef.checks.masking.checks.binarization import planted, separate
from frontdef.checks.masking.checks.indicators import still_moving
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.statistics import LEVEL, exceeds, wins
from frontdef.checks.masking.wrappers import Recorder, usable
from frontdef.cli import main
from frontdef.config import Config
from frontdef.defense import Defense
from frontdef.errors import ConfigError, ImageError
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected
from frontdef.threat import ThreatModel, distance

SHAPE = (1, 6, 6)
N = 40
THREAT = ThreatModel("linf", 0.025)
BUDGET = Budget(
    steps=20, restarts=2, noise=20, queries=100, passes=2, directions=5, binarized=10, inner=20, eot=2, judge=4
)
SMALL = Config()


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(seed: int = 1) -> nn.Module:
    """Two classes; logits w·x and its negative, without a bias at gray."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    row = torch.randn(36, generator=draws(seed))
    model[1].weight.data = torch.stack([-row, row])
    model[1].bias.data = torch.tensor([1.0, -1.0]) * row.sum() / 2
    return model


@pytest.fixture(scope="module")
def samples():
    """Images away from the walls of the box, so that the exact minimal distance is that of the linear function."""
    x = 0.2 + 0.6 * torch.rand(N, *SHAPE, generator=draws(0))
    return x, linear()(x).argmax(1)


def protect(front_end: FrontEnd | None = None, classifier: nn.Module | None = None) -> Protected:
    return Protected(front_end or Identity(SMALL), classifier or linear(), image_shape=SHAPE)


def ask(protected, x, y, *, threat=THREAT, **settings):
    return diagnose(protected, x, y, threat, budget=BUDGET, **settings)


def named(diagnosis, name):
    return next(finding for finding in diagnosis.findings if finding.name == name)


def front(function, surrogates=(bpda.TRUE,), randomized=False) -> FrontEnd:
    class Made(FrontEnd[Config]):
        keeps_range = False

        def forward(self, x):
            return function(self, x)

    Made.surrogates, Made.randomized = surrogates, randomized
    return Made(SMALL)


def zero_gradient(self, x):
    return bpda.replace_gradient(x, 0 * x)


# --- numbers


@pytest.mark.parametrize(("n", "alarm"), [(7, False), (8, True)])
def test_eight_of_eight_is_the_first_certain_result(n, alarm):
    rival, own = torch.zeros(64, dtype=torch.bool), torch.zeros(64, dtype=torch.bool)
    rival[:n] = True
    gain, p = wins(rival, own)
    assert (gain, p) == (n / 64, pytest.approx(0.5**n))
    assert (p < LEVEL) is alarm


def test_only_what_one_attack_broke_alone_counts():
    rival = torch.tensor([1, 1, 1, 0, 0, 1], dtype=torch.bool)
    own = torch.tensor([1, 1, 1, 0, 1, 0], dtype=torch.bool)
    assert wins(rival, own) == (0.0, pytest.approx(0.75))  # of two coins, at least one shows the rival


def test_a_share_must_exceed_what_is_tolerated_for_certain():
    tail = lambda k: sum(comb(64, i) * 0.05**i * 0.95 ** (64 - i) for i in range(k, 65))  # noqa: E731
    first = next(k for k in range(65) if tail(k) < LEVEL)
    hits = torch.zeros(64, dtype=torch.bool)
    hits[: first - 1] = True
    assert not exceeds(hits)
    hits[first - 1] = True
    assert exceeds(hits)
    assert not exceeds(hits[:0])


def test_incomplete_optimizations_are_those_of_the_published_rule():
    steady = torch.arange(41.0)  # the last 10 of 41 iterates span 9/40 of the range
    settled = torch.cat([torch.linspace(0, 1, 31), torch.ones(10)])
    slow = torch.cat([torch.linspace(0, 0.96, 31), torch.linspace(0.96, 1, 10)])  # 0.04 in the last 10
    falling = torch.linspace(1, 0, 41)  # the best loss is the first one
    flat = torch.full((41,), 3.0)
    moving = still_moving(torch.stack([steady, settled, slow, falling, flat], dim=1).double())
    assert moving.tolist() == [True, False, False, False, False]
    assert still_moving(torch.zeros(41, 0)).shape == (0,)


def test_a_gradient_is_usable_where_it_is_finite_and_not_zero():
    nan, inf = float("nan"), float("inf")
    rows = torch.tensor([[0.0, 0.0], [0.0, 1e-30], [nan, 1.0], [inf, 1.0]])
    assert usable(rows.view(4, 1, 1, 2)).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        ([], "trusted"),
        (["hint", "hint", "hint"], "suspicious"),
        (["hint", "proof"], "masked"),
        (["proof", "invalid", "hint"], "invalid"),
    ],
)
def test_the_strongest_alarm_decides(alarms, expected):
    quiet = Finding("passed", "", strength="invalid")
    assert verdict([quiet, *(Finding("alarm", "", strength=strength) for strength in alarms)]) == expected


# --- the attacks of a diagnosis


def test_the_recorder_keeps_the_first_misclassified_iterate():
    readout = nn.Linear(1, 2)
    readout.weight.data, readout.bias.data = torch.tensor([[1.0], [0.0]]), torch.tensor([0.0, 0.5])
    recorder = Recorder(nn.Sequential(nn.Flatten(), readout), torch.tensor([0, 0]))
    for first, second in ((0.9, 0.9), (0.4, 0.8), (0.6, 0.7)):
        recorder(torch.tensor([first, second]).view(2, 1, 1, 1))
    assert recorder.best.flatten().tolist() == pytest.approx([0.4, 0.7])
    assert recorder.fallen.tolist() == [True, False]


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_random_search_stays_inside_and_within_its_queries(norm):
    threat = ThreatModel(norm, {"linf": 0.1, "l2": 0.5, "l1": 2.0}[norm])
    x, asked = torch.rand(6, *SHAPE, generator=draws(3)), []

    def model(images):
        asked.append(len(images))
        return torch.stack([torch.ones(len(images)), images.mean(dim=(1, 2, 3)) / 100], dim=1)

    before, y = x.clone(), torch.zeros(6, dtype=torch.long)
    examples = random_search(model, x, y, threat=threat, queries=50, generator=draws(4))
    assert threat.contains(x, examples).all()
    assert torch.equal(x, before)
    assert sum(asked) == 50 * 6
    assert torch.equal(examples, random_search(model, x, y, threat=threat, queries=50, generator=draws(4)))
    assert (examples.mean(dim=(1, 2, 3)) > x.mean(dim=(1, 2, 3))).all()


def test_random_search_goes_on_from_a_start():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    x, y = torch.rand(9, 1, 4, 4), torch.randint(3, (9,))
    threat = ThreatModel("linf", 0.1)
    start = (x + 0.1 * torch.randn_like(x).sign()).clamp(0, 1)
    assert torch.equal(random_search(model, x, y, threat=threat, queries=1, start=start), start)
    examples = random_search(model, x, y, threat=threat, queries=40, start=start, generator=draws(4))
    assert (margin(model(examples), y) >= margin(model(start), y)).all()
    assert not torch.equal(examples, start)


def test_random_search_comes_close_to_the_optimum_of_a_linear_function():
    x, y = torch.full((8, *SHAPE), 0.5), torch.zeros(8, dtype=torch.long)

    def model(images):
        return torch.stack([torch.ones(8), images.flatten(1).mean(1)], dim=1)[: len(images)]

    examples = random_search(model, x, y, threat=ThreatModel("linf", 0.1), queries=300, generator=draws(5))
    assert (examples - x).mean() > 0.9 * 0.1


def test_white_box_breaks_exactly_what_can_be_broken(samples):
    x, y = samples
    model = linear()
    row = model[1].weight[1] - model[1].weight[0]
    margin = (model(x)[:, 1] - model(x)[:, 0]).abs()
    breakable = margin < THREAT.eps * row.abs().sum()
    diagnosis = ask(protect(), x, y)
    assert 10 < int(breakable.sum()) < N
    assert diagnosis.n_survived == int((~breakable).sum())
    assert (diagnosis.verdict, diagnosis.alarms, diagnosis.n_correct) == ("trusted", (), N)


def test_planted_points_are_where_they_should_be():
    image = torch.rand(1, 3, 8, 8, generator=draws(6))
    for norm, eps in (("linf", 0.1), ("l2", 1.0), ("l1", 5.0)):
        torch.manual_seed(0)
        points = planted(image, ThreatModel(norm, eps), 30)
        apart = distance(image.expand_as(points), points, norm)
        assert points.shape == (32, 3, 8, 8)
        assert points.min() >= 0
        assert points.max() <= 1
        assert apart[0] == 0
        assert apart[1:-1].max() <= 0.95 * eps + 1e-6
        assert apart[-1] == pytest.approx(eps, rel=1e-3)


def test_a_readout_separates_what_can_be_separated():
    features = torch.randn(3, 12, 40, generator=draws(7)) * torch.tensor([1e-3, 1.0, 1e3]).view(3, 1, 1)
    features[2, 5] = features[2, -1]
    weight, bias, apart = separate(features)
    score = torch.einsum("npd,nd->np", features, weight) + bias[:, None]
    side = torch.tensor([-1.0] * 11 + [1.0])
    assert apart.tolist() == [True, True, False]
    assert ((score * side) > 0)[:2].all()
    assert torch.allclose(2 * score.abs().amax(1)[:2], torch.ones(2), rtol=1e-4)  # logits ±score span a range of 1


def test_planted_examples_are_found_with_a_gradient_and_missed_without(samples):
    x, y = samples
    finding = named(ask(protect(), x, y), "binarization test")
    missed = named(ask(protect(front(zero_gradient)), x, y), "binarization test")
    assert (finding.figure, finding.alarm) == (1.0, False)
    assert (missed.figure, missed.alarm) == (0.0, True)


# --- what a check says of a model made for it


def test_a_certificate_excuses_what_it_proves(samples):
    x, y = samples
    model = linear()
    row, logits = model[1].weight[1] - model[1].weight[0], model(x)
    proved = (logits[:, 1] - logits[:, 0]).abs() > THREAT.eps * row.abs().sum()
    assert 10 < int(proved.sum()) < N - 10
    flat = protect(front(zero_gradient))
    accused = ask(flat, x[proved], y[proved])
    excused = ask(flat, x[proved], y[proved], certified=torch.ones(int(proved.sum()), dtype=torch.bool))
    assert accused.verdict == "masked"
    assert (excused.verdict, excused.n_attacked) == ("trusted", 0)
    assert "certificate" in excused.reasons[0]
    some = ask(flat, x, y, certified=proved)
    assert (some.verdict, some.n_attacked, some.n_certified) == ("masked", int((~proved).sum()), int(proved.sum()))


def test_a_gradient_downhill_is_told_from_none(samples):
    x, y = samples
    downhill = ask(protect(front(lambda self, x: bpda.replace_gradient(x, -x))), x, y)
    none = ask(protect(front(zero_gradient)), x, y)
    assert named(downhill, "loss rises").alarm
    assert not named(downhill, "never attacked").alarm
    assert named(none, "never attacked").figure == 1.0
    assert named(none, "unavailable gradients").alarm
    assert named(none, "zero gradients").alarm


def test_a_cut_graph_is_named(samples):
    diagnosis = ask(protect(front(lambda self, x: x.detach().clone())), *samples)
    assert diagnosis.verdict == "masked"
    assert "does not require grad" in named(diagnosis, "never attacked").measured
    assert named(diagnosis, "loss rises").figure is None


def test_declared_randomness_is_no_fault_and_hidden_one_is(samples):
    def noisy(self, x):
        return x + 0.01 * torch.randn(x.shape, generator=self.generator(x.device))

    declared = ask(protect(front(noisy, randomized=True)), *samples)
    hidden = ask(protect(front(noisy)), *samples)
    assert declared.verdict == "trusted"
    assert hidden.verdict == "invalid"
    assert hidden.n_survived is None
    assert {finding.name for finding in hidden.alarms} == {"repeated passes", "sample alone"}


def test_a_default_gradient_that_is_weaker_is_a_hint(samples):
    def forward(self, x):
        return bpda.replace_gradient(x, {"smooth": 0 * x, "identity": x}[self.surrogate.name])

    protected = protect(front(forward, surrogates=(bpda.SMOOTH, bpda.IDENTITY)))
    diagnosis = ask(protected, *samples)
    assert (diagnosis.verdict, diagnosis.surrogate) == ("suspicious", "identity")
    assert [finding.name for finding in diagnosis.alarms] == ["surrogate swap"]
    assert str(protected.front_end.surrogate) == "smooth:10"


@pytest.mark.parametrize(
    ("classifier", "name", "figure"),
    [
        (lambda: nn.Sequential(linear(), nn.Softmax(1)), "softmax outputs", None),
        (lambda: nn.Sequential(linear(), nn.Hardtanh(-0.1, 0.1)), "clipped logits", None),
        (lambda: nn.Sequential(linear(), nn.Threshold(float("inf"), float("nan"))), "finite outputs", 1.0),
    ],
)
def test_logits_that_are_none(samples, classifier, name, figure):
    finding = named(ask(protect(classifier=classifier()), *samples), name)
    assert finding.alarm
    assert figure is None or finding.figure == figure


def test_a_forward_pass_that_differentiates_is_noticed(samples):
    def climbs(self, x):
        with torch.enable_grad():
            start = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(start.square().sum(), start)
        return x + 0 * slope

    assert named(ask(protect(front(climbs)), *samples), "dynamic defense").figure == 1
    assert named(ask(protect(), *samples), "dynamic defense").figure == 0


def test_a_batch_that_leaks_is_noticed(samples):
    diagnosis = ask(protect(front(lambda self, x: x - x.mean(0) + 0.5)), *samples)
    assert diagnosis.verdict == "invalid"
    assert named(diagnosis, "sample alone").alarm


class Raising(nn.Module):
    """Raises on some images."""

    def __init__(self, where):
        super().__init__()
        self.where, self.model = where, linear()

    def forward(self, x):
        if self.where(x):
            raise ValueError("I would rather not")
        return self.model(x)


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (lambda x: len(x) == 1, "one image"),
        (lambda x: len(x) > 1, "the images"),
        (lambda x: bool((x.amin((1, 2, 3)) < 0.19).any()) and bool(x.amax() > 0), "images near them"),
        (lambda x: bool((x == 0).all((1, 2, 3)).any()), "black, white"),
    ],
)
def test_a_model_that_raises_is_invalid(samples, where, what):
    diagnosis = ask(protect(classifier=Raising(where)), *samples)
    assert (diagnosis.verdict, diagnosis.n_survived, len(diagnosis.findings)) == ("invalid", None, 1)
    assert f"{what}: raises ValueError: I would rather not" in diagnosis.reasons[0]
    assert diagnosis.alarms[0].name == "answers"


def test_a_model_that_raises_only_where_it_is_attacked_is_invalid(samples):
    x, y = samples
    corner = lambda images: len(images) == N and float((images - x).abs().mean()) > 0.9 * THREAT.eps  # noqa: E731
    diagnosis = ask(protect(classifier=Raising(corner)), x, y)
    assert diagnosis.verdict == "invalid"
    assert "raises ValueError" in diagnosis.reasons[0]


def test_answers_that_are_no_logits_are_invalid(samples):
    for classifier in (nn.Sequential(linear(), nn.Flatten(0)), nn.Sequential(linear(), nn.Unflatten(1, (2, 1)))):
        assert [alarm.name for alarm in ask(protect(classifier=classifier), *samples).alarms] == ["answers"]


def test_a_rival_that_crashes_has_not_shown_anything(samples, monkeypatch):
    def crash(*args, **settings):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(evidence_module, "random_search", crash)
    finding = named(ask(protect(), *samples), "black box")
    assert (finding.status, finding.figure) == ("not applicable", None)
    assert "no kernel" in finding.measured


class Remembering(nn.Module):
    """Answers as it did for the image that it remembers nearest to the new one."""

    def __init__(self, keeps):
        super().__init__()
        self.model, self.seen, self.keeps = linear(), [], keeps

    def forward(self, x):
        logits = self.model(x)
        if self.keeps and self.seen:
            known, answers = (torch.cat(each) for each in zip(*self.seen, strict=True))
            apart, nearest = torch.cdist(x.flatten(1), known.flatten(1), p=float("inf")).min(1)
            logits = torch.where((apart <= 0.03)[:, None], answers[nearest], logits)
        if len(self.seen) < 3:
            self.seen.append((x.detach(), logits.detach()))
        return logits


@pytest.mark.parametrize("keeps", [True, False])
def test_a_model_that_remembers_is_invalid_and_one_that_only_counts_is_not(samples, keeps):
    diagnosis = ask(protect(classifier=Remembering(keeps)), *samples)
    assert named(diagnosis, "memory").alarm is keeps
    assert diagnosis.verdict == ("invalid" if keeps else "trusted")


def test_a_wide_margin_is_no_lack_of_a_gradient(samples):
    """Cross-entropy has no gradient in float32 where all samples are robust for certain: other losses have one."""
    x, y = samples
    wide = nn.Sequential(linear(), Times(1e6))
    gap = (wide(x)[:, 1] - wide(x)[:, 0]).abs()
    row = 2e6 * linear()[1].weight[1]
    robust = gap > 1.2 * THREAT.eps * (2 * row).abs().sum() / 2
    diagnosis = ask(protect(classifier=wide), x[robust], y[robust])
    assert diagnosis.n_survived == int(robust.sum()) > 10
    assert named(diagnosis, "unavailable gradients").figure == 1
    assert diagnosis.verdict == "suspicious"


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, logits):
        return self.factor * logits


def test_the_diagnosis_says_how_hard_each_attack_tried(samples):
    diagnosis = ask(protect(), *samples)
    tried = {attempt.name: attempt for attempt in diagnosis.attempts}
    white = tried["white box"]
    assert (white.surrogate, white.steps, white.restarts, white.n) == ("true", BUDGET.steps, 1, N)
    assert white.broken == N - diagnosis.n_survived
    assert (tried["restarts"].restarts, tried["random search"].steps) == (BUDGET.restarts, 0)
    assert "unbounded" not in tried


# --- a diagnosis as a whole


def test_no_check_depends_on_which_ran_before(samples):
    x, y = samples
    whole = ask(protect(), x, y)
    for check, before in zip(CHECKS, whole.findings, strict=True):
        if check.name == "union":  # of what the others ran
            continue
        assert measure(check, Evidence(protect(), x, y, THREAT, BUDGET, pristine=protect())) == before


def test_the_seed_decides_and_nothing_is_left_behind(samples):
    protected = protect()
    flags = [parameter.requires_grad for parameter in protected.parameters()]
    np.random.seed(1)
    torch.manual_seed(1)
    states = global_states()
    first, second, other_seed = (ask(protected, *samples, seed=seed) for seed in (0, 0, 1))
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    assert first.findings != other_seed.findings
    assert global_states() == states
    assert [parameter.requires_grad for parameter in protected.parameters()] == flags
    assert not protected.training


def test_passes_are_counted(samples):
    diagnosis = ask(protect(), *samples)
    # The last iterate, and the judge.
    assert named(diagnosis, "loss rises").cost == Cost(BUDGET.steps + 2, BUDGET.steps)
    assert named(diagnosis, "finite outputs").cost.backward == 0
    assert diagnosis.cost.backward < sum(finding.cost.backward for finding in diagnosis.findings)


def test_a_diagnosis_is_plain_json(samples):
    diagnosis = ask(protect(), *samples)
    plain = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert plain["verdict"] == "trusted"
    assert plain["budget"]["steps"] == BUDGET.steps
    assert [finding["name"] for finding in plain["findings"]] == [check.name for check in CHECKS]
    assert all(finding["reference"] and finding["meaning"] and finding["measured"] for finding in plain["findings"])


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_other_norms(samples, norm):
    diagnosis = ask(protect(), *samples, threat=ThreatModel(norm, {"l2": 0.2, "l1": 1.0}[norm]))
    assert diagnosis.verdict == "trusted"


def test_too_few_samples_prove_nothing(samples):
    x, y = samples
    few = ask(protect(), x[:9], y[:9])
    wrong = ask(protect(), x, 1 - y)
    assert (few.verdict, wrong.verdict, wrong.n_correct) == ("suspicious", "suspicious", 0)
    assert "at least 10" in few.reasons[0]


def test_bad_input_is_named(samples):
    x, y = samples
    with pytest.raises(ConfigError, match="ℓ0"):
        ask(protect(), x, y, threat=ThreatModel("l0", 5))
    with pytest.raises(ConfigError, match="40"):
        ask(protect(), x, y, certified=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ImageError, match="labels"):
        ask(protect(), x, y + 2)
    with pytest.raises(ImageError):
        ask(protect(), 255 * x, y)


# --- the command


class Flat(FrontEnd[Config]):
    """No gradient."""

    def forward(self, x):
        return zero_gradient(self, x)


COMMAND = ["diagnose", "none", "--image-shape", "1,12,12", "--samples", "24", "--eps", "0.2"]
"""On images this small a dense network is trained, in a second."""


def test_the_command_prints_every_check():
    result = CliRunner().invoke(main, [*COMMAND, "--norm", "linf"])
    assert result.exit_code == 0, result.output
    assert "**trusted**" in result.output
    assert result.output.count("\n| ") == len(CHECKS) + 2
    assert "ℓ∞ ε = 0.2; 24 samples" in result.output


def test_the_command_fails_for_a_liar(monkeypatch):
    monkeypatch.setattr(subject, "get_defense", lambda name: Defense(name, front_end=Flat))
    result = CliRunner().invoke(main, [*COMMAND, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output)["verdict"] == "masked"


def test_the_command_refuses_what_it_does_not_know():
    result = CliRunner().invoke(main, [*COMMAND, "--surrogate", "smooth"])
    assert result.exit_code != 0
    assert "surrogate" in result.output
