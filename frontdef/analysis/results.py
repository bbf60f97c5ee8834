"""Reading the run of a study."""

from __future__ import annotations

from frontdef.runs.results import Results


class StudyResults(Results):
    """The run of a study that was stored."""

    def models(self) -> list[str]:
        """Names of its models, in the study's order."""
        return [str(job.entry.about["model"]) for job in self.jobs_of("layers")]
