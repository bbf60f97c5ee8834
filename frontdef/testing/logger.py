"""The kit for a logger: it is told of every job, and a run that is logged is as it is without a log."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

RUN = """
import json, sys
import torch
from torch import nn
import frontdef

net = nn.Sequential(nn.Flatten(), nn.Linear(49, 4))
x = torch.rand(6, 1, 7, 7)
results = frontdef.evaluate(
    net, x, net(x).argmax(1), attacks=[{"family": "fgsm"}], libraries="native", diagnose=False, out="run",
    on_job=sys.argv[1],
)
print(json.dumps([job.status for job in results.jobs]))
"""

KEPT = ("PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "LANG", "SYSTEMROOT")
"""Of the environment: what somebody set to silence a logger, or to send it somewhere, is not the logger's merit."""


class LoggerConformance:
    """Subclass it and name a logger."""

    logger: ClassVar[str]
    """Its id, or a reference to its function."""

    def test_it_is_told_of_every_job_and_uses_no_network(self) -> None:
        """A small run in a process of its own is logged, and nothing of it connects to anywhere."""
        logged = _logged(self.logger)
        assert json.loads(logged.ended.stdout.splitlines()[-1]) == ["ok", "ok"]
        assert "on_job raised" not in logged.ended.stderr, logged.ended.stderr
        assert not logged.called, f"{self.logger} connects to the network without being asked: {logged.called[0]!r}"

    def test_it_writes_into_the_run_folder_alone(self) -> None:
        """Nothing is left where the run was started."""
        beside = _logged(self.logger).left - {"run"}
        assert not beside, f"{self.logger} leaves {', '.join(sorted(beside))} outside of the run folder"


@dataclass(frozen=True)
class _Logged:
    """What a run that was logged did.

    Args:
        ended: Its process.
        called: The first line of every request that it made.
        left: What it left where it was started.
    """

    ended: subprocess.CompletedProcess[str]
    called: list[bytes]
    left: set[str]


@cache
def _logged(logger: str) -> _Logged:
    """One run that is logged, of which every test asks something else: a process with all its imports is dear."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ended, called = _run(logger, Path(folder))
        assert ended.returncode == 0, ended.stderr
        return _Logged(ended, called, {path.name for path in (Path(folder) / "here").iterdir()})


def _run(logger: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], list[bytes]]:
    """A run that is logged, and the first line of every request that it made."""
    home, here = folder / "home", folder / "here"
    home.mkdir()
    here.mkdir()
    with _trap() as (address, called):
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), address)
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        kept |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(home)}
        told = subprocess.run(
            [sys.executable, "-c", RUN, logger], cwd=here, env={**kept, **proxies}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    return told, called


@contextmanager
def _trap() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that takes requests and answers none."""
    called: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    if ended.is_set():  # whoever called before that was taken
                        return
                    continue
                said = b"(it says nothing)"
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(1)
                    said = connection.recv(200).partition(b"\r\n")[0]
                called.append(said)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", called
        finally:
            ended.set()
            thread.join()
