"""Questions that are tests: asked of each block of samples, answered over all of them, at the level of the look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

from frontdef.checks.kit import Finding, Status, Strength, not_applicable
from frontdef.checks.masking.climb import AttackResult
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.statistics import GROSS, MARGIN, OPEN, STRONGER, TOLERATED, binomial, share, wins
from frontdef.checks.masking.table import CHECKS


@dataclass(frozen=True)
class Pairs:
    """What a rival broke of some samples, and what the attack under suspicion did.

    Args:
        rival: bool ``(N,)``.
        own: bool ``(N,)``.
        who: What the rival is.
        whom: What the other one is.
        best: What PGD broke on whichever of its losses breaks most, bool ``(N,)``; None where that does not matter.
        least: The gain from which the rival shows something.
        gross: The gain, over ``best``, from which it proves that the gradient misses what is there; None if none does.
    """

    rival: Tensor
    own: Tensor
    who: str
    whom: str = "PGD"
    best: Tensor | None = None
    least: float = MARGIN
    gross: float | None = MARGIN

    def finding(self, others: Sequence[Pairs], level: float) -> Finding:
        """The verdict over these samples and those of other blocks: one-sided exact McNemar tests at the level.

        A rival that beats PGD on the cross-entropy by ``least`` is an alarm. It is a proof where it beats PGD on every
        loss by ``gross``; otherwise the loss was poor and not the gradient, and it is a hint.
        """
        blocks = (self, *others)
        rival, own = torch.cat([each.rival for each in blocks]), torch.cat([each.own for each in blocks])
        best = torch.cat([each.own if each.best is None else each.best for each in blocks])
        gain, p = wins(rival, own)
        over, p_best = wins(rival, best)
        proof = self.gross is not None and over >= self.gross and p_best < level
        said = f"{self.who} breaks {share(rival):.0%}, {self.whom} {share(own):.0%} of {len(own)}"
        if int(best.sum()) > int(own.sum()):
            said += f", on its best loss {share(best):.0%}"
        alarm = p < level and gain >= self.least
        return Finding(
            "alarm" if alarm else "passed", said, gain, self.least, ("proof" if proof else "hint") if alarm else "",
            p=p, level=level, n=len(own), undecided=level <= p <= OPEN and gain >= self.least,
        )  # fmt: skip


@dataclass(frozen=True)
class Shares:
    """On which samples something happened that may happen on a certain share of them.

    Args:
        hits: bool ``(N,)``.
        said: What is said before "k of n".
        limit: The share.
        most: Whether the share may not be larger than the limit; else it may not be smaller.
        after: What is said after it.
    """

    hits: Tensor
    said: str
    limit: float = TOLERATED
    most: bool = True
    after: str = ""

    def finding(self, others: Sequence[Shares], level: float) -> Finding:
        """The verdict over these samples and those of other blocks: an exact binomial test."""
        hits = torch.cat([self.hits, *(other.hits for other in others)])
        limits = [(each.limit, len(each.hits)) for each in (self, *others)]
        limit = sum(limit * n for limit, n in limits) / max(len(hits), 1) if len(hits) else self.limit
        p = binomial(int(hits.sum()), len(hits), limit, "greater" if self.most else "less")
        said = f"{self.said} {int(hits.sum())} of {len(hits)}{self.after}"
        status: Status = "alarm" if p < level else "passed"
        return Finding(status, said, share(hits), limit, p=p, level=level, n=len(hits), undecided=level <= p <= OPEN)


Answer = Pairs | Shares | Finding
Question = Callable[[Evidence], Answer]
Asked = TypeVar("Asked", Pairs, Shares)


def asks(name: str, *, strength: Strength, reference: str) -> Callable[[Question], Question]:
    """Register a question as a check: it is asked of each block that the evidence has, and answered over all.

    Args:
        name: As in `frontdef.checks.kit.Check`.
        strength: As there.
        reference: As there.
    """

    def register(question: Question) -> Question:
        @wraps(question)
        def measure(evidence: Evidence) -> Finding:
            answers = [question(block) for block in evidence.blocks]
            level = evidence.level
            for answer in answers:
                if isinstance(answer, Finding):
                    return answer
            if isinstance(answers[0], Pairs):
                return answers[0].finding(_alike(Pairs, answers[1:]), level)
            assert isinstance(answers[0], Shares)
            return answers[0].finding(_alike(Shares, answers[1:]), level)

        CHECKS.register(name, strength=strength, reference=reference)(measure)
        return question

    return register


def _alike(kind: type[Asked], answers: Sequence[Answer]) -> list[Asked]:
    return [answer for answer in answers if isinstance(answer, kind)]


def against(evidence: Evidence, rival: AttackResult, who: str) -> Answer:
    """A rival that should be weaker than PGD: it asks for less, or knows less.

    One that could not run has broken nothing, and shows nothing.
    """
    if rival.error:
        return not_applicable(f"{who} could not run: {rival.error}")
    return Pairs(rival.broken, evidence.white_box.broken, who, best=evidence.best_loss.broken)


def stronger(evidence: Evidence, rival: AttackResult, who: str) -> Answer:
    """A rival that may be expected to break more, as it costs more or aims elsewhere; on honest models, too."""
    answer = against(evidence, rival, who)
    return replace(answer, least=STRONGER, gross=GROSS) if isinstance(answer, Pairs) else answer
