"""What the docs tell a newcomer to write works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import frontdef
from frontdef.checks.conformance import Subject, check
from frontdef.checks.conformance.properties import CHECKS

DOCS = Path(__file__).resolve().parent.parent / "docs"
SMALL = (1, 12, 12)


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def written(page: str, name: str) -> dict:
    """What the block that defines a name leaves behind."""
    (text,) = [text for text in blocks(page) if re.search(rf"^(class|def) {name}\b", text, re.MULTILINE)]
    namespace: dict = {"__name__": name}
    exec(compile(text, f"{page}:{name}", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("text", blocks("plugins.md"), ids=lambda text: text.splitlines()[-1].strip()[:40])
def test_every_block_about_plugins_is_python_that_runs(text):
    exec(compile(text, "plugins.md", "exec"), {"__name__": "block"})


@pytest.fixture(scope="module")
def resizing():
    (defense,) = written("plugins.md", "Resizing")["frontdef_defenses"]()
    return defense


def found(defense, *names):
    subject = Subject(defense, image_shape=SMALL)
    return {promise.name: promise.attempt(subject) for promise in CHECKS if promise.name in names}


def test_a_randomized_defense_keeps_what_it_promises(resizing):
    """Path: from a paper to a plugin that draws."""
    promised = ("metadata", "shapes", "range kept", "determinism", "global randomness", "gradients", "purity")
    findings = found(resizing, *promised)
    assert {name: finding.measured for name, finding in findings.items() if finding.alarm} == {}
    assert len(findings) == len(promised)
    assert findings["determinism"].measured == "randomized, reproducible by seed"


def test_it_stays_an_image_of_its_size_and_each_image_draws_for_itself(resizing):
    front_end = resizing.build({}, image_shape=SMALL)
    images = torch.ones(4, *SMALL)
    sizes = front_end(images).sum((1, 2, 3))
    assert len(set(sizes.tolist())) == 4
    assert (sizes > 0.6 * 144).all()
    assert (sizes < 144).all()


@pytest.mark.slow
def test_the_whole_check_passes(resizing):
    verdict = check(Subject(resizing, image_shape=(1, 28, 28)))
    assert verdict.passed, verdict.to_markdown()


class Undeclared(frontdef.FrontEnd):
    """Adds noise, and says so nowhere."""

    def forward(self, x):
        return (x + 0.1 * torch.rand(x.shape, generator=torch.Generator().manual_seed(torch.seed() % 1000))).clamp(0, 1)


def test_one_that_draws_and_does_not_say_so_is_told_to_declare_it():
    defense = frontdef.Defense("undeclared", Undeclared, frontdef.Config, paper="none", summary="noise")
    findings = found(defense, "determinism", "batch invariance")
    assert findings["determinism"].alarm
    assert "this looks randomized" in findings["determinism"].measured + findings["determinism"].detail
    assert "randomized = True" in findings["determinism"].measured + findings["determinism"].detail
    assert not findings["batch invariance"].alarm, "one mistake is one failure"


def test_an_art_pipeline_is_trained_attacked_saved_and_loaded(tmp_path, monkeypatch):
    """Path: my ART pipeline. The blocks stand on one page and are run one after the other."""
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "art"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for text in blocks("art.md"):
            exec(compile(text, "art.md", "exec"), namespace)
    assert abs(namespace["x_adv"] - namespace["x"]).max() <= 0.05 + 1e-6
    assert all(parameter.requires_grad for parameter in namespace["net"].parameters())
    assert not any(parameter.requires_grad for parameter in namespace["again"].parameters())
