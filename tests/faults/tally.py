"""What came of the trials of a kind of fault."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """Trials of one kind.

    Args:
        fault: What was done.
        trials: How many.
        hit: In how many the fault met the run, or was noticed; the others came too early or too late.
        wrong: What was lost, doubled, silent, left over or told in a foreign traceback.
    """

    fault: str
    trials: int = 0
    hit: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, hit: bool, wrong: list[str]) -> None:
        """Count a trial.

        Args:
            name: Which.
            hit: Whether the fault met the run.
            wrong: What went wrong; empty where nothing did.
        """
        self.trials += 1
        self.hit += hit
        self.wrong += [f"{name}: {what}" for what in wrong]

    @property
    def failed(self) -> int:
        """Trials in which something went wrong."""
        return len({what.partition(":")[0] for what in self.wrong})
