"""One job of a study on a Ray cluster, as Ray's jobs API reports it, and its last message."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final, final

STUDY: Final = "study"
"""In a job's metadata: the name of the study. Other jobs of the cluster have no such entry."""

HOME: Final = "home"
"""In a job's metadata: the home it was given; none if the head's own was meant."""

FINGERPRINT: Final = "fingerprint"
"""In a job's metadata: what it was to do (`study.cluster.delivery.fingerprint`)."""

_OVER: Final = ("STOPPED", "SUCCEEDED", "FAILED")  # ray.job_submission.JobStatus
_DIED: Final = ("JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE")
_SHELL_SIGNAL: Final = 128  # a shell adds the number of the signal
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_LINE: Final = 200
_MOST_LINES: Final = 5

BEGUN: Final = "the trials begin"
"""Said when all checks are done and Ray is there: from here on a study works."""


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


def last_line(log: str) -> str:
    """The last that the study said, with the commands below it, cut to what a table can show.

    Ray's own lines begin with the name of a process in brackets; they, and what is indented below
    them, are left out.
    """
    said: list[str] = []
    is_rays = False
    for line in _COLOUR.sub("", log).splitlines():
        shown = line.rstrip()[:_LONGEST_LINE]
        if not line.startswith((" ", "\t")):
            is_rays = line.startswith("(")
            if shown and not is_rays:
                said = [shown]
        elif shown and not is_rays:
            said.append(shown)
    return "\n".join(said[:_MOST_LINES])
