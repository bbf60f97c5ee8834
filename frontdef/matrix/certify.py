"""A certificate of one defended model in one threat model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from frontdef.attacks.guard import isolated
from frontdef.errors import ConfigError
from frontdef.matrix.row import Asked, Row, RowJob
from frontdef.matrix.tables import CERTIFIED
from frontdef.models.fingerprint import code_of, computing
from frontdef.protected import Protected
from frontdef.registry import get_defense
from frontdef.runs.table import Rows
from frontdef.threat import ThreatModel, check_norm

if TYPE_CHECKING:
    from frontdef.runs.inventory import Inventory


@dataclass(frozen=True)
class Certify(RowJob):
    """One certificate.

    Args:
        threat: What it is proved against.
    """

    threat: ThreatModel

    table = CERTIFIED

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            **super().decides(),
            "norm": self.threat.norm,
            "eps": self.threat.eps,
            "code": certificate_code(self.row.entry.name),
        }

    def describe(self) -> Mapping[str, Any]:
        """Ids and numbers by which it is found."""
        return {**self.row.describe(), "norm": self.threat.norm, "eps": self.threat.eps}

    @property
    def column(self) -> str:
        """Its column in the grid."""
        return "certificates"

    def tell(self, about: Mapping[str, Any]) -> str:
        """How much was proved, and the time."""
        return f"{about['share']:.1%} proved, {about['wall']:.1f} s"

    def __str__(self) -> str:
        return f"{self.row} · certificate {self.threat}"

    def run(self, inventory: Inventory) -> Rows:
        """Prove what can be proved.

        Raises:
            Exception: Whatever the certificate raises.
        """
        protected = inventory.model(self.row.request)
        split = inventory.split(self.row.dataset).first(self.samples)
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


def certificate_code(defense: str) -> list[str]:
    """Hashes of the code that a defense's certificate is made of; none where it has none."""
    certificate = get_defense(defense).load_certificate()
    if certificate is None:
        return []
    return [code_of(type(certificate)), computing("frontdef.certificate", "frontdef.bounds")]


def jobs(asked: Asked, row: Row) -> Iterator[Certify]:
    """Of a row that proves anything, one in each threat model of the matrix."""
    if get_defense(row.entry.name).certified:
        for norm, values in asked.radii.items():
            for eps in values:
                yield Certify(row, asked.matrix.samples, asked.matrix.seed, threat=ThreatModel(check_norm(norm), eps))
