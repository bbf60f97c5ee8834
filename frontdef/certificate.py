"""What a defense can prove about single samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from frontdef.threat import ThreatModel

if TYPE_CHECKING:
    from torch import Tensor, nn


class Certificate(ABC):
    """A proof, per sample, that no perturbation of a threat model changes the prediction.

    It must be sound: a certified sample that an attack breaks is an error of the certificate or of that library,
    and frontdef reports it as one.
    """

    #: The theorem: where it is stated and what it assumes, in one or two sentences.
    statement: str = ""

    @abstractmethod
    def certify(self, protected: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel) -> Tensor:
        """Prove what can be proved.

        Args:
            protected: The defended classifier: a `Protected`, images in, logits out.
            x: Images, float32 ``(N,C,H,W)`` in [0,1].
            y: Labels, int64 ``(N,)``.
            threat: The norm and the radius.

        Returns:
            bool ``(N,)``: True where the prediction is ``y`` for every perturbation in the threat model. All False
            for a norm that the theory does not cover.
        """
