"""The kit says which promise is broken: one small liar for each, and honest front ends that pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import frontdef
from frontdef import bpda
from frontdef.checks.conformance import CHECKS, Subject, check
from frontdef.cli import main
from frontdef.testing import DefenseConformance


class Honest(frontdef.FrontEnd):
    """Rounds to eight levels."""

    surrogates = (bpda.IDENTITY, bpda.SMOOTH)

    def forward(self, x):
        return bpda.quantize(x, 8, self.surrogate)


class ZeroGradient(Honest):
    surrogates = (bpda.IDENTITY,)

    def forward(self, x):
        return bpda.quantize(x, 8, bpda.NONE)


class WrongSign(frontdef.FrontEnd):
    def forward(self, x):
        return bpda.replace_gradient(x, -x)


class Detached(frontdef.FrontEnd):
    def forward(self, x):
        return x.detach().clone()


class NanGradient(frontdef.FrontEnd):
    def forward(self, x):
        return bpda.replace_gradient(x, torch.sqrt(x * 0))


class Mutates(frontdef.FrontEnd):
    def forward(self, x):
        x.data.mul_(0.9)
        return x.clone()


class RemembersCalls(frontdef.FrontEnd):
    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x.clone()


class LooksAtTheBatch(frontdef.FrontEnd):
    def forward(self, x):
        return x - 0.1 * x.mean(0, keepdim=True)


class DrawsGlobally(frontdef.FrontEnd):
    randomized = True

    def forward(self, x):
        return (x + 0.05 * torch.rand_like(x)).clamp(0, 1)


class DrawsFromNumpy(frontdef.FrontEnd):
    randomized = True

    def forward(self, x):
        return (x + float(np.random.rand()) * 0.01).clamp(0, 1)


class HiddenRandomness(frontdef.FrontEnd):
    def forward(self, x):
        return (x + 0.05 * torch.rand(x.shape, generator=self.generator(x.device))).clamp(0, 1)


class LeavesTheRange(frontdef.FrontEnd):
    def forward(self, x):
        return x * 3 - 1


class Doubles(frontdef.FrontEnd):
    def forward(self, x):
        return x.double()


class ForgetsItsState(frontdef.FrontEnd):
    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.shift = torch.rand(1, generator=torch.Generator().manual_seed(torch.seed() % 2**31)) * 0.1

    def forward(self, x):
        return (x * 0.9 + self.shift).clamp(0, 1)


class ProvesEverything(frontdef.Certificate):
    statement = "Everything is robust."
    norms = ("linf", "l2")

    def proof(self, protected, threat):
        return lambda x, y: torch.ones_like(y, dtype=torch.bool)


def record(front_end, **about):
    about = {"paper": "none", "summary": "under test", "randomized": front_end.randomized, **about}
    return frontdef.Defense("under-test", front_end, **about)


LIARS = {
    "metadata": record(Honest, summary=""),
    "shapes": record(Doubles),
    "range kept": record(LeavesTheRange),
    "batch invariance": record(LooksAtTheBatch),
    "purity": record(Mutates),
    "determinism": record(HiddenRandomness),
    "global randomness": record(DrawsGlobally),
    "gradients": record(NanGradient),
    "save and load": record(ForgetsItsState),
    "gradient useful": record(WrongSign),
    "certificate": record(Honest, certificate=ProvesEverything),
}
MORE = {
    "purity": record(RemembersCalls),
    "global randomness": record(DrawsFromNumpy),
    "gradients": record(ZeroGradient),
    "gradient useful": record(ZeroGradient),
    "gradient parity": record(Detached),
}
BY_NAME = {promise.name: promise for promise in CHECKS}


@pytest.mark.parametrize(("name", "defense"), [*LIARS.items(), *MORE.items()])
def test_each_liar_is_caught_by_its_check(name, defense):
    assert BY_NAME[name].attempt(Subject(defense)).alarm


@pytest.mark.parametrize("name", [name for name in BY_NAME if name not in {"gradient useful", "certificate"}])
def test_the_honest_one_passes(name):
    assert not BY_NAME[name](Subject(record(Honest))).alarm


class TestHonest(DefenseConformance):
    defense = record(Honest)


def test_the_verdict_names_what_failed_and_goes_on():
    verdict = check(Subject(record(LeavesTheRange)))
    assert not verdict.passed
    assert [alarm.name for alarm in verdict.alarms] == ["range kept"]
    assert len(verdict.findings) == len(CHECKS)
    assert "| range kept | ✗ | values in [-1, 2]" in verdict.to_markdown()


def test_the_command_passes_and_fails_with_exit_codes():
    good = CliRunner().invoke(main, ["check", "none"])
    assert good.exit_code == 0, good.output
    assert "**passes** every check" in good.output
    bad = CliRunner().invoke(main, ["check", "non"])
    assert bad.exit_code == 2
    assert "Did you mean 'none'" in bad.output
