"""A temporary site folder with real distributions in it, seen by real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

from tests.forks import python

HOST = "frontdef>=0.1,<0.2"

GOOD = """
    import frontdef

    @frontdef.hookimpl
    def frontdef_defenses():
        yield frontdef.Defense("good", front_end="frontdef.frontend:Identity", summary="works", randomized=True)
"""

TOUCH = "import pathlib\npathlib.Path(__file__).with_name('imported').touch()\n"

STATE = """
    import contextlib, json, sys
    import frontdef
    from frontdef import registry

    def rows(mode):
        with contextlib.redirect_stdout(sys.stderr):
            return {row.distribution: row.to_dict() for row in registry.plugins(mode)}

    def state():
        registry.clear()
        by_mode = {"guarded": rows("guarded"), "import": rows("import")}
        return by_mode | {"defenses": [defense.name for defense in frontdef.get_defenses()]}
"""

SURVEY = (
    STATE.replace("{", "{{").replace("}", "}}")
    + """
    answers = {{}}
    home = list(sys.path)
    for name, folder in {folders!r}.items():
        sys.path[:] = [folder, *(path for path in home if path not in {folders!r}.values())]
        answers[name] = state()
        for module in [module for module in sys.modules if module.startswith("frontdef_")]:
            del sys.modules[module]
    print(json.dumps(answers))
"""
)


class Site:
    """Distributions installed the way an installer leaves them: a module, and a dist-info folder that describes it."""

    def __init__(self, folder):
        self.folder = folder

    def install(self, distribution, source, *, version="0.1.0", requires=(HOST,), entry=None, files=()):
        """Install one module, or a package where `files` has more of its modules, with one entry point."""
        module = distribution.replace("-", "_")
        texts = {f"{module}/__init__.py": source, **{f"{module}/{path}": text for path, text in dict(files).items()}}
        entry = entry or f"{distribution.removeprefix('frontdef-')} = {module}"
        info = f"{module}-{version}.dist-info"
        metadata = [f"Name: {distribution}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
        texts |= {
            f"{info}/METADATA": "\n".join(["Metadata-Version: 2.4", *metadata, ""]),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[frontdef]\n{entry}\n",
            f"{info}/INSTALLER": "tests\n",
        }
        texts[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*texts, f"{info}/RECORD"])
        for path, text in texts.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text), encoding="utf-8")
        return self

    def environment(self, **variables):
        """Variables of a process that has the folder on its path, and none of frontdef's but these."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("FRONTDEF_")}
        return others | {"PYTHONPATH": str(self.folder), "PYTHONUTF8": "1", **variables}

    def run(self, *command, **variables):
        """Run Python with the folder on its path; returns the exit code and what was written."""
        ended = subprocess.run(
            [sys.executable, *command], env=self.environment(**variables), capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
        return SimpleNamespace(code=ended.returncode, out=ended.stdout, err=ended.stderr)

    def forked(self, *command, **variables):
        """Likewise in a fork of this process, for what needs torch and does not ask what is imported."""
        return python(*command, environment=self.environment(**variables))

    def cli(self, *arguments, **variables):
        """Run ``frontdef``."""
        return self.run("-c", "from frontdef.cli import main; main(prog_name='frontdef')", *arguments, **variables)

    def ask(self, code, run=None, **variables):
        """Run code that prints JSON, by `run` or `forked`; it fails with what the process wrote to standard error."""
        ended = (run or self.run)("-c", textwrap.dedent(code), **variables)
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    def state(self, **variables):
        """Rows by distribution, guarded and not, and the ids of all defenses."""
        return self.ask(f"{STATE}\n    print(json.dumps(state()))", **variables)

    def imported(self, distribution):
        """Whether a module that starts with `TOUCH` was imported."""
        return (self.folder / distribution.replace("-", "_") / "imported").exists()


def survey(sites):
    """What the registry finds with each of some sites on the path, one after the other in one process."""
    folders = {name: str(site.folder) for name, site in sites.items()}
    return Site(next(iter(sites.values())).folder).ask(SURVEY.format(folders=folders))


def new_site(folder):
    """A site folder with the plugin `good`."""
    return Site(folder).install("frontdef-good", GOOD, version="1.2.3")


@pytest.fixture
def site(tmp_path):
    """A site folder with the plugin `good`."""
    return new_site(tmp_path)
