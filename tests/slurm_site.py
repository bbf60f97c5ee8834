"""A SLURM of one node on this machine: munged, slurmctld and slurmd of this user, and all their files in one folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

NEEDED = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
"""Programs; Debian has them in slurm-wlm and munge."""

CONF = """
ClusterName=frontdef
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Which of its programs are not on this machine."""
    return [name for name in NEEDED if shutil.which(name, path=_path()) is None]


@contextmanager
def slurm(folder: Path, patience: float = 60) -> Iterator[dict[str, str]]:
    """Start it, and end it; gives what the environment of its commands has to hold."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host, user = socket.gethostname().partition(".")[0], subprocess.check_output(["id", "-un"], text=True).strip()
    controller, daemon = _ports(2)
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, user=user, folder=folder, controller=controller, daemon=daemon))
    told = {"SLURM_CONF": str(conf), "PATH": _path()}
    key = folder / "munge.key"
    subprocess.run(["mungekey", "--create", "--keyfile", key], env={**os.environ, **told}, check=True)
    files = ("socket", "pid-file", "log-file", "seed-file")
    munged = ["munged", "--foreground", "--force", f"--key-file={key}"]
    munged += [f"--{name}={folder}/munge.{name.removesuffix('-file')}" for name in files]
    with ExitStack() as started:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            said = started.enter_context((folder / f"{command[0]}.said").open("w"))
            process = subprocess.Popen(command, env={**os.environ, **told}, stdout=said, stderr=said)
            started.callback(_end, process)
            if command is munged:
                _until(lambda: (folder / "munge.socket").exists(), patience)
        ask = ["sinfo", "--noheader", "--format=%T"]
        _until(lambda: _asked(ask, told) == "idle", patience)
        try:
            yield told
        finally:
            _asked(["scancel", "--full", f"--user={user}"], told)
            with suppress(TimeoutError):
                _until(lambda: not _asked(["squeue", "--noheader"], told), patience)


def _asked(command: list[str], told: dict[str, str]) -> str:
    return subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True).stdout.strip()


def _until(holds, patience: float) -> None:
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("SLURM did not start: see the logs in its folder")
        time.sleep(0.2)


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    process.kill()
    process.wait()


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with ExitStack() as open_:
        sockets = [open_.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
