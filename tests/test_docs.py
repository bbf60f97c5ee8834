"""The documentation names what the code has."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from frontdef.matrix.entries import parse_matrix

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")])


def test_the_matrices_in_the_docs_are_valid():
    page = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    trained, own = map(parse_matrix, re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL))
    assert trained.samples == 500
    assert [model.name for model in own.model] == ["mine"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_pythons_that_are_claimed_are_those_that_ci_runs():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    run = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1])
    for file in [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]:
        said = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["classifiers"]
        claimed = [line.rpartition(" ")[2] for line in said if re.search(r":: 3\.\d+$", line)]
        assert claimed == run, file.parent.name


def test_every_dependency_has_its_reason():
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.match(r"[A-Za-z0-9-]+", requirement)[0] for requirement in named} - {"frontdef"}
    for file in ROOT.glob("plugins/*/pyproject.toml"):
        named = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
        names |= {re.match(r"[A-Za-z0-9-]+", requirement)[0] for requirement in named} - {"frontdef"}
    reasons, _, licensed = page.partition("\n## Licenses")
    missing = [name for name in names if name not in reasons]
    assert not missing, f"docs/dependencies.md does not say why: {missing}"
    assert [name for name in names - {"ray"} if f"\n| {name} | " not in licensed] == []
