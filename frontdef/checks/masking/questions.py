"""Questions that are tests: asked of each block of samples, answered over all of them, at the level of the look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
class PairedSamples:
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

    def finding(self, others: Sequence[PairedSamples], level: float) -> Finding:
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


@dataclass(frozen=True)
class RivalAttack:
    """An attack that is held against the one under suspicion.

    It is run on the samples that PGD leaves. Whatever it does on the others, it gains at most what it breaks of these,
    and its p-value is at least that of as many pairs of its own. Where that can't be an alarm, and can leave nothing
    undecided, the answer is known; only else it is run on the others, too, and compared on all.

    Args:
        evidence: The samples.
        attack: Runs it on any of them.
        who: What it is called.
        least: As in `PairedSamples`.
        gross: As there.
        best: Whether a proof has to beat PGD on every loss.
    """

    evidence: Evidence
    attack: Callable[[Evidence], AttackResult]
    who: str
    least: float = MARGIN
    gross: float | None = MARGIN
    best: bool = True

    def finding(self, others: Sequence[RivalAttack], level: float) -> Finding:
        """The verdict over these samples and those of other blocks, as `PairedSamples` gives it."""
        blocks = (self, *others)
        left = [each.attack(each.evidence.left) for each in blocks if bool(each.evidence.survivors.any())]
        for result in left:
            if result.error:
                return not_applicable(f"{self.who} could not run: {result.error}")
        n, beyond = sum(len(each.evidence.x) for each in blocks), sum(int(each.broken.sum()) for each in left)
        if settled(beyond, n, self.least):
            stood = sum(len(each.broken) for each in left)
            said = f"{self.who} breaks {beyond} of the {stood} that PGD leaves of {n}"
            return Finding("passed", said if stood else f"PGD breaks all {n}", beyond / n, self.least, n=n)
        first, *rest = (each._pairs() for each in blocks)
        return first.finding(rest, level)

    def _pairs(self) -> PairedSamples:
        own = self.evidence.white_box.broken
        best = self.evidence.best_loss if self.best else None
        rival = self.evidence.everywhere(self.attack)
        return PairedSamples(rival, own, self.who, best=best, least=self.least, gross=self.gross)


def settled(beyond: int, n: int, least: float) -> bool:
    """Whether a rival can neither be an alarm nor leave anything undecided, whatever it misses of what PGD broke.

    Args:
        beyond: Samples that it breaks of those that PGD leaves.
        n: Samples.
        least: The gain from which it shows something.
    """
    return beyond / n < least or binomial(beyond, beyond, 0.5, "greater") > OPEN


Answer = RivalAttack | PairedSamples | Shares | Finding
Question = Callable[[Evidence], Answer]
Asked = TypeVar("Asked", RivalAttack, PairedSamples, Shares)


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
            match answers[0]:
                case RivalAttack() as rival:
                    return rival.finding(_alike(RivalAttack, answers[1:]), level)
                case PairedSamples() as pairs:
                    return pairs.finding(_alike(PairedSamples, answers[1:]), level)
                case Shares() as shares:
                    return shares.finding(_alike(Shares, answers[1:]), level)
            raise AssertionError(f"no answer: {answers[0]!r}")

        CHECKS.register(name, strength=strength, reference=reference)(measure)
        return question

    return register


def _alike(kind: type[Asked], answers: Sequence[Answer]) -> list[Asked]:
    return [answer for answer in answers if isinstance(answer, kind)]


def stronger(evidence: Evidence, attack: Callable[[Evidence], AttackResult], who: str) -> RivalAttack:
    """A rival that may be expected to break more, as it costs more or aims elsewhere; on honest models, too."""
    return RivalAttack(evidence, attack, who, least=STRONGER, gross=GROSS)
