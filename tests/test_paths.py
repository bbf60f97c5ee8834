"""What the docs tell a newcomer to write works as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import frontdef
from frontdef.checks.conformance import Subject, check
from frontdef.checks.conformance.properties import CHECKS
from frontdef.cli import main
from frontdef.cli.sheets import escaped

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


MATRIX = """
name = "paper"
samples = 24
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 2, lr = 0.01 }]
train_samples = 200
[[defense]]
name = "none"
[[defense]]
name = "none"
label = "trained on noise & attacks"
recipe = [{ epochs = 2, lr = 0.01, adversarial = "linf", eps = 0.1, attack_steps = 2 }]
[[attack]]
family = "pgd"
eps = [0.05, 0.1]
parameters = { steps = 5 }
"""


def typed(*words: object) -> str:
    """What a command prints that ends well."""
    ended = CliRunner().invoke(main, list(map(str, words)))
    assert ended.exit_code == 0, ended.output
    return ended.stdout


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    path = tmp_path_factory.mktemp("paper") / "paper.toml"
    path.write_text(MATRIX)
    return path


@pytest.fixture(scope="module")
def whole(matrix):
    typed("run", matrix, "--out", matrix.parent / "whole")
    return matrix.parent / "whole"


def test_from_a_matrix_to_the_table_and_the_figure_of_a_paper(whole, tmp_path):
    table = typed("results", whole, "--worst", "--format", "latex")
    assert all(f"\\{rule}rule" in table for rule in ("top", "mid", "bottom"))
    assert r"trained on noise \& attacks" in table
    rows = [line.strip().removesuffix(r" \\").split(" & ") for line in table.splitlines()]
    for row in frontdef.load_results(whole).worst().itertuples():
        (line,) = (cells for cells in rows if cells[0] == escaped(row.defense) and f"{row.eps:g}" in cells)
        assert any(cell in {f"{100 * row.robust:.1f}", rf"\textbf{{{100 * row.robust:.1f}}}"} for cell in line)
    for name, begins in (("brackets.pdf", b"%PDF"), ("curves.svg", b"<?xml")):
        typed("figure", whole, name.split(".")[0], "--out", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_run_that_two_machines_share_is_that_of_one(matrix, whole, tmp_path):
    parts = [tmp_path / f"part{i}" for i in (1, 2)]
    for i, part in enumerate(parts, start=1):
        said = typed("run", matrix, "--shard", f"{i}/2", "--out", part)
        assert f"this is shard {i}/2" in said
        assert "goes on with it" not in said, "that command would run the other shards here, too"
    told = json.loads(typed("status", *parts, "--json"))
    assert told["failed"] == told["left"] == 0
    typed("merge", *parts, "--out", tmp_path / "merged")
    typed("verify", tmp_path / "merged")
    asked = ("--worst", "--json")
    assert typed("results", tmp_path / "merged", *asked) == typed("results", whole, *asked)


def test_the_file_of_a_model_and_the_command_of_the_docs(tmp_path, monkeypatch):
    """As they stand, but for fewer samples and attacks."""
    page = (DOCS / "your-model.md").read_text(encoding="utf-8")
    (text,) = [text for text in blocks("your-model.md") if text.startswith("# nets.py")]
    (command,) = re.findall(
        r"^frontdef (evaluate nets\.py:build --weights mine\.pt --dataset digits .*)$", page, re.MULTILINE
    )
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(text)
    namespace: dict = {"__name__": "nets"}
    exec(compile(text, "nets.py", "exec"), namespace)
    torch.save(namespace["build"]().state_dict(), "mine.pt")
    typed(*command.split(), "--samples", 6, "--attacks", "quick", "--no-diagnose", "--library", "native")
    assert Path("runs/mine/report.html").stat().st_size > 10_000


def test_the_readme_says_how_what_it_shows_is_installed():
    page = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    install = page.partition("## Install")[2].partition("\n## ")[0]
    first = re.search(r"^frontdef evaluate .*?```", page, re.DOTALL | re.MULTILINE)[0]
    needed = {name.partition("-")[0] for name in re.findall(r"-d \"?([a-z-]+)", first)} - {"none"}
    assert needed == {"wavelet", "art"}
    assert all(f"frontdef-{name}" in install for name in needed)
    assert "frontdef[bench]" in install
