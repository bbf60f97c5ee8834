"""The samples of a diagnosis, taken as they are needed: which are correct and not proved robust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.looks import DiagnosisLooks
from frontdef.errors import ConfigError

Certified = Tensor | Callable[[Tensor, Tensor], Tensor | None]
"""Which samples are proved robust, bool ``(N,)``, or what says so of images ``(N,C,H,W)`` and labels ``(N,)``."""


@dataclass
class OpenSamples:
    """All that may be looked at, and the slices that were.

    Args:
        images: ``(N,C,H,W)``.
        labels: ``(N,)``.
        certified: Which are proved.
        slices: Evidence on each slice that was taken.
        masks: Which samples of each slice are correct and not proved, bool.
        n_correct: Samples taken that are classified correctly.
        n_certified: Samples taken that are proved.

    Raises:
        ConfigError: ``certified`` has another length than the images.
    """

    images: Tensor
    labels: Tensor
    certified: Certified | None
    slices: list[Evidence] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)
    n_correct: int = 0
    n_certified: int = 0
    _first: int = 1

    def __post_init__(self) -> None:
        if self.certified is not None and not callable(self.certified):
            self.certified = torch.as_tensor(self.certified).bool().cpu()
            self._check(self.certified, len(self.images))

    @property
    def n(self) -> int:
        """Samples taken."""
        return sum(len(mask) for mask in self.masks)

    @property
    def n_open(self) -> int:
        """Of these, correct and not proved."""
        return sum(int(mask.sum()) for mask in self.masks)

    @property
    def numbers(self) -> list[Tensor]:
        """Numbers of the open samples, int64: those of the first look, then of each later slice that has any."""
        starts = [sum(len(mask) for mask in self.masks[:index]) for index in range(len(self.masks))]
        each = [mask.nonzero().flatten() + start for mask, start in zip(self.masks, starts, strict=True)]
        first = torch.cat(each[: self._first])
        return [first, *(numbers for numbers in each[self._first :] if len(numbers))]

    def between(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Images and labels of a slice."""
        return self.images[start:stop], self.labels[start:stop]

    def add(self, evidence: Evidence) -> None:
        """Take a slice: the next samples in order."""
        start = self.n
        correct = (evidence.clean.argmax(dim=1) == evidence.y).cpu()
        proved = self._proved(start, start + len(evidence.x))
        self.slices.append(evidence)
        self.masks.append(correct & ~proved)
        self.n_correct += int(correct.sum())
        self.n_certified += int(proved.sum())

    def extend(self, looks: DiagnosisLooks) -> None:
        """Take the samples that the next look adds."""
        self.add(self.slices[0].on(*self.between(self.n, looks.sizes[len(self.slices)])))

    def open(self) -> tuple[Tensor, Tensor]:
        """Images and labels of the open samples that were taken: those of the first look."""
        self._first = len(self.slices)
        pairs = [(each.x[mask.to(each.x.device)], each.y[mask.to(each.x.device)]) for each, mask in self._taken()]
        return torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])

    def newest(self) -> Evidence | None:
        """Evidence on the open samples of the last slice; None where it has none."""
        evidence, mask = self._taken()[-1]
        return evidence.restrict(mask.to(evidence.x.device)) if bool(mask.any()) else None

    def _taken(self) -> list[tuple[Evidence, Tensor]]:
        return list(zip(self.slices, self.masks, strict=True))

    def _proved(self, start: int, stop: int) -> Tensor:
        if callable(self.certified):
            answer = self.certified(*self.between(start, stop))
            if answer is not None:
                answer = torch.as_tensor(answer).bool().cpu()
                self._check(answer, stop - start)
                return answer
        elif self.certified is not None:
            return self.certified[start:stop]
        return torch.zeros(stop - start, dtype=torch.bool)

    @staticmethod
    def _check(proved: Tensor, n: int) -> None:
        if proved.shape != (n,):
            raise ConfigError(f"certified has one value an image, {n}, got the shape {tuple(proved.shape)}")
