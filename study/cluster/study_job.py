"""One job of a study on a Ray cluster, as its jobs API tells of it."""

from dataclasses import asdict, dataclass
from typing import Any, Final, final

STUDY: Final = "study"
"""In a job's metadata: the name of the study. Other jobs of the cluster have no such entry."""

HOME: Final = "home"
"""In a job's metadata: the home it was given; none if the head's own was meant."""

FINGERPRINT: Final = "fingerprint"
"""In a job's metadata: what it was to do (`study.cluster.job_package.fingerprint`)."""

_OVER: Final = ("STOPPED", "SUCCEEDED", "FAILED")  # ray.job_submission.JobStatus

_DIED: Final = ("JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE")
_SHELL_SIGNAL: Final = 128  # a shell adds the number of the signal


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StudyJob:
    """One job of a study. Times are ISO 8601, UTC; `exit_code` is that of the study's process, and
    `error` Ray's kind of what went wrong (ray.dashboard.modules.job.common.JobErrorType). `home` is as
    it was submitted, None for the head's own.
    """

    job: str
    study: str
    status: str
    submitted: str | None
    ended: str | None
    exit_code: int | None
    error: str | None
    message: str | None
    fingerprint: str
    home: str | None

    def to_dict(self) -> dict[str, Any]:
        """The job as JSON types."""
        return asdict(self)

    @property
    def over(self) -> bool:
        """Whether it ended, in whatever way."""
        return self.status in _OVER

    @property
    def died(self) -> bool:
        """Whether it was ended from outside, and not by what the study said or did."""
        if self.exit_code is None:
            killed = self.error in _DIED
        else:
            killed = self.exit_code < 0 or self.exit_code > _SHELL_SIGNAL
        return self.status == "FAILED" and killed
