"""A certificate against attacks where it is weakest: samples that are proved at ε and hardly beyond it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from frontdef.attacks.guard import isolated
from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import AttackSpec, make_spec
from frontdef.certificate import Certificate, certified_radii
from frontdef.checks.conformance.subject import Subject
from frontdef.errors import MissingExtraError
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries, get_families
from frontdef.threat import Norm, ThreatModel

ATTACKED = 16
"""How many certified samples are attacked at most: those whose proofs reach least beyond the radius."""


ASKED = 64
"""Of how many test images the radius is bisected that is proved of them."""


@dataclass(frozen=True)
class Attack:
    """What certified samples are attacked with, by every installed library that offers it in that norm.

    Args:
        family: Id of its family; one that nobody registered is left out.
        parameters: Its parameters.
        most: Samples that it gets at most, the nearest to their border first: one that stands costs all that it has.
        each: Whether it is run by every surrogate gradient that informs, or by the front end's own alone.
    """

    family: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    most: int = ATTACKED
    each: bool = True


ATTACKS = (
    Attack("pgd", {"steps": 10, "relative_step": 0.25, "random_start": True}),
    Attack("pgd", {"steps": 10, "relative_step": 0.25, "loss": "margin"}),
    Attack("apgd", {"steps": 10}),
    Attack("cascade", most=2, each=False),
)


@dataclass(frozen=True)
class Border:
    """Where about half of what can be certified is.

    Args:
        threat: That radius.
        rows: Positions of the test images that are proved there and least beyond it, at most `ATTACKED`.
        proved: How many are proved there.
        certifiable: How many are proved at any radius.
    """

    threat: ThreatModel
    rows: Tensor
    proved: int
    certifiable: int


def find_border(subject: Subject, certificate: Certificate, norm: Norm) -> Border | None:
    """Bisect for the radius at which half of the test images that can be certified are; None where none can be.

    The first `ASKED` images are asked for.
    """
    x, y = (values[:ASKED] for values in _images(subject))
    radii = certified_radii(certificate, subject.protected, x, y, norm).cpu()
    certifiable = int((radii > 0).sum())
    if not certifiable:
        return None
    eps = float(radii[radii > 0].quantile(0.5, interpolation="lower"))
    proved = (radii >= eps).nonzero().flatten()
    nearest = proved[radii[proved].argsort(stable=True)][:ATTACKED]
    return Border(ThreatModel(norm, eps), nearest, len(proved), certifiable)


def attack_border(subject: Subject, border: Border) -> str:
    """Attack what is proved at the border, through the surrogate gradients that each attack asks for.

    Returns:
        What was attacked, in words.

    Raises:
        AssertionError: A certified sample fell.
    """
    x, y = (values[border.rows.to(subject.device)] for values in _images(subject))
    libraries, attacks, raised = set(), 0, set()
    informative = [surrogate.name for surrogate in subject.front_end.surrogates if surrogate.informative]
    for entry, library, spec in realized(ATTACKS, border.threat):
        for surrogate in informative if entry.each else (str(subject.front_end.surrogate),):
            attack, given = f"{spec.family.name} of {library.name}", slice(entry.most)
            try:
                fallen = int(falls(subject.protected, library, spec, surrogate, x[given], y[given]).sum())
            except Exception as error:  # that library's affair: it tested nothing
                raised.add(f"{attack} raised {type(error).__name__}")
                continue
            assert not fallen, f"{border.threat}: {fallen} of {len(x[given])} certified samples fall to {attack}"
            attacks += 1
            libraries.add(library.name)
    assert attacks, f"no attack in {border.threat.norm} ran ({', '.join(sorted(raised)) or 'no library has one'})"
    return (
        f"{border.threat}, where {border.proved} of {border.certifiable} certifiable samples are certified: {len(x)} "
        f"attacked {attacks} times by {', '.join(sorted(libraries))}, none fell"
        + "".join(f"; {what}" for what in sorted(raised))
    )


def realized(attacks: Iterable[Attack], threat: ThreatModel) -> Iterator[tuple[Attack, AttackLibrary, AttackSpec]]:
    """Each attack in each installed library that realizes it with these very parameters."""
    known = {family.name: family for family in get_families()}
    for attack in attacks:
        family = known.get(attack.family)
        if family is None or threat.norm not in family.norms:
            continue
        spec = make_spec(family, threat.norm, threat.eps, dict(attack.parameters))
        for library in get_attack_libraries().values():
            realization = library.offers(family.name, threat.norm)
            if realization is not None and not realization.refusal(spec) and _installed(library):
                yield attack, library, spec


def _installed(library: AttackLibrary) -> bool:
    try:
        return bool(library.version())
    except MissingExtraError:
        return False


def falls(
    protected: Protected, library: AttackLibrary, spec: AttackSpec, surrogate: str, x: Tensor, y: Tensor
) -> Tensor:
    """Which samples a valid example breaks: one in the ball and in [0,1].

    Args:
        protected: The defended model.
        library: Whose attack.
        spec: What is run; its radius is the certified one.
        surrogate: Surrogate gradient of the front end.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.

    Returns:
        bool ``(N,)``, on the CPU.
    """
    with protected.surrogate(surrogate), isolated(protected, spec.seed):
        x_adv = library.run(spec, protected, x.clone(), y.clone()).detach().to(x)
    valid = spec.threat.contains(x, x_adv)
    predicted = protected.predict(torch.where(valid[:, None, None, None], x_adv.clamp(0, 1), x)).argmax(1)
    return valid.cpu() & (predicted.cpu() != y.cpu())


def _images(subject: Subject) -> tuple[Tensor, Tensor]:
    return subject.test.images.to(subject.device), subject.test.labels.to(subject.device)
