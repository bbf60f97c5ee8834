"""``.ci/run`` brings the browser that its tests need where it may, and goes on where it may not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / ".ci" / "run"


def ran(folder: Path, *, user: int, works: bool = True, browser: bool = False) -> list[str]:
    """The commands that it runs, on a machine that has little else."""
    log = folder / "log"
    fakes = {"make": 0, "apt-get": 0 if works else 1, **({"chromedriver": 0} if browser else {})}
    for name, code in fakes.items():
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\nexit {code}\n')
    (folder / "id").write_text(f"#!/bin/sh\necho {user}\n")
    for file in folder.iterdir():
        file.chmod(0o755)
    for name in ("bash", "dirname", "sh", "timeout"):
        (folder / name).symlink_to(shutil.which(name))
    subprocess.run([RUN], env={"PATH": str(folder)}, check=True, capture_output=True, timeout=60)
    return log.read_text().splitlines()


@pytest.mark.skipif(not shutil.which("timeout"), reason="needs GNU's timeout")
@pytest.mark.parametrize("works", [True, False])
def test_chromium_is_installed_where_root_may(tmp_path, works):
    commands = ran(tmp_path, user=0, works=works)
    assert commands[0] == "apt-get -qq update"
    assert any("chromium chromium-driver" in command for command in commands) == works
    assert commands[-1] == "make test"


@pytest.mark.skipif(not shutil.which("timeout"), reason="needs GNU's timeout")
@pytest.mark.parametrize("machine", [{"user": 1000}, {"user": 0, "browser": True}])
def test_nothing_is_installed_that_is_there_or_by_anybody_else(tmp_path, machine):
    assert not [command for command in ran(tmp_path, **machine) if command.startswith("apt-get")]
