"""The native attacks as an attack library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from frontdef.attacks.library import AttackLibrary, Realisation, Run

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected


class NativeLibrary(AttackLibrary):
    """PGD and its special cases, and random noise: the reference that the libraries are compared with."""

    name: ClassVar[str] = "native"
    distribution: ClassVar[str] = "frontdef"

    def table(self) -> Mapping[tuple[str, str], Realisation]:
        """What is offered."""
        return TABLE


def _pgd(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor, **arguments: Any) -> Tensor:
    from frontdef.attacks.native.pgd import pgd

    return pgd(protected, x, y, threat=spec.threat, targeted=spec.targeted, **arguments)


def _fgsm(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    return _pgd(spec, protected, x, y, steps=1, step_size=spec.threat.eps)


def _bim(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    return _pgd(spec, protected, x, y, steps=spec.parameters.steps, step_size=spec.step_size)


def _full_pgd(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    given = spec.parameters
    return _pgd(
        spec, protected, x, y,
        steps=given.steps, step_size=spec.step_size, random_start=given.random_start, restarts=given.restarts,
        loss=given.loss, mode="fast" if given.fast else "matched",
    )  # fmt: skip


def _noise(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.noise import noise

    return noise(protected, x, y, threat=spec.threat, draws=spec.parameters.draws)


def _rows(family: str, call: str, run: Run, *norms: str) -> dict[tuple[str, str], Realisation]:
    return {(family, norm): Realisation(call, run, defaults=run) for norm in norms}


TABLE: Mapping[tuple[str, str], Realisation] = {
    **_rows("fgsm", "pgd(steps=1, step_size=ε)", _fgsm, "linf", "l2", "l1"),
    **_rows("bim", "pgd(random_start=False)", _bim, "linf", "l2", "l1"),
    **_rows("pgd", "pgd", _full_pgd, "linf", "l2", "l1"),
    **_rows("noise", "noise", _noise, "linf", "l2"),
}
