"""One job of a study on a Ray cluster, as Ray's jobs API reports it, and its last message."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final, final

STUDY: Final = "study"
"""In a job's metadata: the name of the study. Other jobs of the cluster have no such entry."""

HOME: Final = "home"
"""In a job's metadata: the home; absent for the head's default."""

FINGERPRINT: Final = "fingerprint"
"""In a job's metadata: the hash of its work (`study.cluster.delivery.fingerprint`)."""

_OVER: Final = ("STOPPED", "SUCCEEDED", "FAILED")  # ray.job_submission.JobStatus
_DIED: Final = ("JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE")
_SHELL_SIGNAL: Final = 128  # a shell adds the number of the signal
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_LINE: Final = 200
_MOST_LINES: Final = 5

BEGUN: Final = "the trials begin"
"""The message after all checks and the start of Ray: trials follow."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StudyJob:
    """One job of a study. Times are ISO 8601, UTC; `exit_code` is that of the study's process, and
    `error` Ray's type of the error (ray.dashboard.modules.job.common.JobErrorType). `home` is as
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
        """Whether it has ended, in any way."""
        return self.status in _OVER

    @property
    def died(self) -> bool:
        """Whether it was killed, rather than ended by its study."""
        if self.exit_code is None:
            killed = self.error in _DIED
        else:
            killed = self.exit_code < 0 or self.exit_code > _SHELL_SIGNAL
        return self.status == "FAILED" and killed


def last_line(log: str) -> str:
    """The last message of the study, with the commands below it, cut to fit a table.

    Ray's own lines, which begin with the name of a process in brackets, are left out, and so are the
    indented lines below them.
    """
    message: list[str] = []
    is_rays = False
    for line in _COLOUR.sub("", log).splitlines():
        text = line.rstrip()[:_LONGEST_LINE]
        if not line.startswith((" ", "\t")):
            is_rays = line.startswith("(")
            if text and not is_rays:
                message = [text]
        elif text and not is_rays:
            message.append(text)
    return "\n".join(message[:_MOST_LINES])
