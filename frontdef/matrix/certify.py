"""A certificate of one defended model in one threat model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from frontdef._version import __version__
from frontdef.attacks.guard import isolated
from frontdef.errors import ConfigError
from frontdef.matrix.row import Row
from frontdef.matrix.tables import CERTIFIED
from frontdef.models.fingerprint import code_of
from frontdef.models.request import Request
from frontdef.protected import Protected
from frontdef.registry import get_defense
from frontdef.runs.job import Job
from frontdef.runs.table import Rows
from frontdef.threat import ThreatModel

if TYPE_CHECKING:
    from frontdef.runs.bench import Bench


@dataclass(frozen=True)
class Certify(Job):
    """One certificate.

    Args:
        row: The defended model.
        threat: What it is proved against.
        samples: Number of test images.
        sample_seed: Decides which.
    """

    row: Row
    threat: ThreatModel
    samples: int
    sample_seed: int

    table = CERTIFIED

    @property
    def models(self) -> tuple[Request, ...]:
        """The one that is certified."""
        return (self.row.request,)

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            "model": self.row.request.key(),
            "data": self.row.data,
            "norm": self.threat.norm,
            "eps": self.threat.eps,
            "code": [certificate_code(self.row.entry.name), code_of("frontdef.matrix.certify:")],
            "samples": self.samples,
            "sample_seed": self.sample_seed,
            "frontdef": __version__,
        }

    def describe(self) -> Mapping[str, Any]:
        """Ids and numbers by which it is found."""
        return {**self.row.describe(), "norm": self.threat.norm, "eps": self.threat.eps}

    @property
    def size(self) -> int:
        """Test images."""
        return self.samples

    @property
    def place(self) -> tuple[str, str]:
        """The model, and ``certificates``."""
        return f"{self.row.dataset} {self.row.entry.title}", "certificates"

    def tell(self, about: Mapping[str, Any]) -> str:
        """How much was proved, and the time."""
        return f"{about['share']:.1%} proved, {about['wall']:.1f} s"

    def __str__(self) -> str:
        return f"{self.row} · certificate {self.threat}"

    def run(self, bench: Bench) -> Rows:
        """Prove what can be proved.

        Raises:
            Exception: Whatever the certificate raises.
        """
        protected = bench.model(self.row.request)
        split = bench.split(self.row.dataset).first(self.samples)
        certificate = get_defense(self.row.entry.name).load_certificate()
        if certificate is None:
            raise ConfigError(f"the defense {self.row.entry.name!r} has no certificate")
        proved = prove(self.row.entry.name, protected, split.images, split.labels, self.threat, seed=self.sample_seed)
        assert proved is not None
        columns = {"sample_id": split.ids.numpy(), "certified": proved.numpy()}
        return Rows(columns, {"statement": certificate.statement, "share": float(proved.double().mean())})


def prove(
    defense: str, protected: Protected, images: Tensor, labels: Tensor, threat: ThreatModel, *, seed: int
) -> Tensor | None:
    """Which samples a defense's certificate proves, bool ``(N,)`` on the CPU; None where it has none.

    Args:
        defense: Its id.
        protected: The defended model.
        images: float32 ``(N,C,H,W)`` in [0,1].
        labels: int64 ``(N,)``.
        threat: What it is proved against.
        seed: Of the global generators while it works.
    """
    certificate = get_defense(defense).load_certificate()
    if certificate is None:
        return None
    with isolated(protected, seed):
        return certificate.certify(protected, images, labels, threat).cpu()


def certificate_code(defense: str) -> str:
    """Hash of the code of a defense's certificate; empty where it has none."""
    certificate = get_defense(defense).load_certificate()
    return "" if certificate is None else code_of(type(certificate))
