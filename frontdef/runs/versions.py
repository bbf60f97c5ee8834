"""What decides results beside the plan: versions of torch, the attack libraries and the plugins, and their code."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING, NamedTuple

from frontdef._version import __version__
from frontdef.code import code_of, version_of
from frontdef.registry import PluginError, get_attack_libraries, plugins
from frontdef.registry.current import scanned

if TYPE_CHECKING:
    from frontdef.runs.head import Head

NAMED = ("torch", "numpy", "adversarial-robustness-toolbox", "torchattacks", "foolbox")

MACHINE = ("python", "platform")
"""What may differ between machines that work on one run."""


def versions() -> dict[str, str]:
    """Distribution → version, of what is installed; ``python`` and ``platform`` beside them."""
    known = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    wanted = {*NAMED, *(library.distribution for library in get_attack_libraries().values())}
    distributions = {plugin.distribution for plugin in scanned()}
    for name in sorted(wanted | distributions):
        try:
            known[name] = version_of(name)
        except PackageNotFoundError:
            continue
    return known


def codes() -> dict[str, str]:
    """Distribution → hash of the source of frontdef and of each plugin that works: edited ones are told apart."""
    working = {status.name for status in plugins() if status.status == "ok"}
    hashes = {"frontdef": code_of("frontdef")}
    for plugin in scanned():
        if plugin.name in working:
            hashes[plugin.distribution] = hashes.get(plugin.distribution, "") + code_of(plugin.entry.value)
    return hashes


class Environment(NamedTuple):
    """What must be the same wherever jobs of one run are run, for their results to be those of one machine.

    Args:
        versions: Distribution → version.
        codes: Distribution → hash of its source, of frontdef and the plugins.
    """

    versions: Mapping[str, str]
    codes: Mapping[str, str]

    def differences(self, other: Environment) -> list[str]:
        """What two do not have in common, a line each; Python and the platform may differ.

        Args:
            other: That of another process or run folder.
        """
        names = sorted({*self.versions, *other.versions, *self.codes, *other.codes} - {*MACHINE})
        pairs = [(name, self._said(name), other._said(name)) for name in names]
        return [f"{name} is {ours} here and {theirs} there" for name, ours, theirs in pairs if ours != theirs]

    def _said(self, name: str) -> str:
        code = f" (code {self.codes[name]})" if name in self.codes else ""
        return f"{self.versions.get(name, 'not installed')}{code}"


def environment_of(head: Head) -> Environment:
    """That in which a run was written."""
    return Environment({**head.versions, "frontdef": head.frontdef}, head.codes)


def environment() -> Environment:
    """That of this process; plugins are discovered where they were not yet."""
    return Environment({**versions(), "frontdef": __version__}, codes())


def require(driver: Environment) -> None:
    """Refuse to work where what decides results is not what it is where the run was started.

    Args:
        driver: The environment there.

    Raises:
        PluginError: They differ.
    """
    differences = environment().differences(driver)
    if differences:
        raise PluginError(
            f"a worker on {platform.node()} refuses the run's jobs, because their results would not be those of the "
            f"machine that started it: {'; '.join(differences)}. Mend: install the same distributions on both"
        )
