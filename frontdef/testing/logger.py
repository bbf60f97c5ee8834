"""The kit for a logger: it is told of every job, and a run that is logged is as it is without a log."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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

    def test_it_is_told_of_every_job_and_uses_no_network(self, tmp_path: Path) -> None:
        """A small run in a process of its own is logged, and nothing of it connects to anywhere."""
        told, called = _run(self.logger, tmp_path)
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout.splitlines()[-1]) == ["ok", "ok"]
        assert "on_job raised" not in told.stderr, told.stderr
        assert not called, f"{self.logger} connects to the network without being asked: {called[0]!r}"

    def test_it_writes_into_the_run_folder_alone(self, tmp_path: Path) -> None:
        """Nothing is left where the run was started."""
        told, _ = _run(self.logger, tmp_path)
        assert told.returncode == 0, told.stderr
        left = {path.name for path in (tmp_path / "here").iterdir()}
        assert left == {"run"}, f"{self.logger} leaves {', '.join(sorted(left - {'run'}))} outside of the run folder"


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
