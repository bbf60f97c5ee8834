"""The native attacks as an attack library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from frontdef.attacks.library import AttackLibrary, Cause, Realization, Run, Violation

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.native.cascade import Spent
    from frontdef.attacks.native.pgd import Mode
    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected


class NativeLibrary(AttackLibrary):
    """PGD, its special cases and its adaptive variants, and random noise: the reference for the libraries."""

    name: ClassVar[str] = "native"
    distribution: ClassVar[str] = "frontdef"

    def table(self) -> Mapping[tuple[str, str], Realization]:
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
    from frontdef.attacks.native.pgd import pgd

    parameters = spec.parameters
    mode: Mode = "fast" if parameters.fast else "matched"
    return pgd(protected, x, y, restarts=parameters.restarts, loss=parameters.loss, mode=mode, **_ball(spec))


def _ball(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "threat": spec.threat,
        "steps": parameters.steps,
        "step_size": spec.step_size,
        "random_start": parameters.random_start,
        "targeted": spec.targeted,
    }


def _eotpgd(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.eotpgd import eotpgd

    parameters = spec.parameters
    # The runner hands over a view that averages logits; here the gradients of single draws are averaged.
    return eotpgd(protected.eot(1), x, y, draws=parameters.draws, reading=parameters.reading, **_ball(spec))


def _smoothpgd(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.smoothpgd import smoothpgd

    parameters = spec.parameters
    radius = parameters.relative_radius * spec.threat.eps
    return smoothpgd(protected, x, y, neighbors=parameters.neighbors, radius=radius, **_ball(spec))


def _transfer(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.transfer import transfer

    return transfer(protected, x, y, loss=spec.parameters.loss, **_ball(spec))


def _locally_linear(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.locallylinear import apart, locally_linear
    from frontdef.attacks.native.transfer import classifier_alone

    parameters = spec.parameters
    relative = parameters.relative_step or (1.0 if parameters.steps == 1 else 0.1)
    arguments = {
        "threat": spec.threat,
        "steps": parameters.steps,
        "step_size": relative * spec.threat.eps,
        "source": parameters.source_class,
        "worst_pair": parameters.worst_pair,
    }
    if parameters.knowledge == "semi-white":
        alone = classifier_alone(protected, x)
        return locally_linear(alone, x, y, x1=parameters.x1, x2=parameters.x1, **arguments)
    return locally_linear(protected, x, y, x1=parameters.x1, x2=parameters.x2, apart=apart(protected), **arguments)


def _apgd(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.autopgd import apgd

    parameters = spec.parameters
    return apgd(
        protected, x, y,
        threat=spec.threat, steps=parameters.steps, restarts=parameters.restarts, loss=parameters.loss,
        rho=parameters.rho, targeted=spec.targeted,
    )  # fmt: skip


def _apgdt(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.autopgd import apgdt

    parameters = spec.parameters
    return apgdt(
        protected, x, y,
        threat=spec.threat, steps=parameters.steps, classes=parameters.classes, restarts=parameters.restarts,
        rho=parameters.rho,
    )  # fmt: skip


def _cascade(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.cascade import LOOKS, cascade
    from frontdef.attacks.native.stages import STAGES

    passes = protected.passes
    outcome = cascade(
        protected, x, y,
        threat=spec.threat, stages=STAGES * spec.parameters.rounds,
        looks=LOOKS if protected.front_end.randomized else 1, count=lambda: (passes.forward, passes.backward),
    )  # fmt: skip
    _note(protected, outcome.spent)
    return outcome.examples


def _adaptive(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.adaptive import adaptive

    adapted = adaptive(protected, x, y, threat=spec.threat, steps=spec.parameters.steps, probed=spec.parameters.probed)
    _note(protected, adapted.spent)
    return adapted.examples


def _note(protected: Protected, spent: Iterable[Spent]) -> None:
    for stage in spent:
        protected.passes.note(stage.stage, stage.tried, stage.broke, stage.forward, stage.backward)


def _square(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.square import square

    parameters = spec.parameters
    return square(
        protected, x, y,
        threat=spec.threat, queries=parameters.queries, share=parameters.p_init,
        stretched=parameters.rescale_schedule, restarts=parameters.restarts,
    )  # fmt: skip


def _noise(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    from frontdef.attacks.native.noise import noise

    return noise(protected, x, y, threat=spec.threat, draws=spec.parameters.draws)


def _rows(
    family: str,
    call: str,
    run: Run,
    modules: tuple[str, ...],
    *norms: str,
    difference: str = "",
    causes: tuple[Cause, ...] = (),
    weakens: tuple[Cause, ...] = (),
    where: tuple[str, ...] = (),
    violations: tuple[Violation, ...] | None = (),
) -> dict[tuple[str, str], Realization]:
    """The same call in several norms; ``modules`` are those of `frontdef.attacks.native` that ``run`` imports."""
    reached = tuple(f"frontdef.attacks.native.{module}" for module in modules)
    row = Realization(
        call, run, difference,
        causes=causes, weakens=weakens, defaults=run, where=where, violations=violations, modules=reached,
    )  # fmt: skip
    return {(family, norm): row for norm in norms}


TABLE: Mapping[tuple[str, str], Realization] = {
    **_rows("fgsm", "pgd(steps=1, step_size=ε)", _fgsm, ("pgd",), "linf", "l2", "l1"),
    **_rows("bim", "pgd(random_start=False)", _bim, ("pgd",), "linf", "l2", "l1"),
    **_rows("pgd", "pgd", _full_pgd, ("pgd",), "linf", "l2", "l1"),
    **_rows("apgd", "apgd", _apgd, ("autopgd",), "linf", "l2", "l1"),
    **_rows("apgdt", "apgdt", _apgdt, ("autopgd",), "linf", "l2", "l1"),
    **_rows("cascade", "cascade", _cascade, ("cascade",), "linf", "l2", "l1"),
    **_rows("adaptive", "adaptive", _adaptive, ("adaptive",), "linf", "l2", "l1"),
    **_rows("square", "square", _square, ("square",), "linf"),
    **_rows(
        "square",
        "square",
        _square,
        ("square",),
        "l2",
        difference="A square of norm ε is written into the perturbation, which is then projected onto the ball; the "
        "paper moves its norm from one window to another.",
        causes=("search",),
        weakens=("search",),
        where=("`square.py`, `_candidates`",),
    ),
    **_rows("noise", "noise", _noise, ("noise",), "linf", "l2"),
    **_rows("eotpgd", "eotpgd", _eotpgd, ("eotpgd",), "linf", "l2", "l1"),
    **_rows("smoothpgd", "smoothpgd", _smoothpgd, ("smoothpgd",), "linf", "l2", "l1"),
    **_rows("transfer", "transfer", _transfer, ("transfer",), "linf", "l2", "l1"),
    **_rows(
        "locally-linear",
        "locally_linear",
        _locally_linear,
        (
            "locallylinear",
            "transfer",
        ),
        "linf",
    ),
}
