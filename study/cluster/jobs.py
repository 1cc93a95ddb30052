"""The jobs of studies on a Ray cluster: list, logs and stop, by the name of the study."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from ray.exceptions import RayError
from ray.job_submission import JobDetails, JobSubmissionClient

from study.cluster.client import UnansweredError, answered, connect
from study.cluster.study_job import FINGERPRINT, HOME, STUDY, StudyJob, last_line
from study.errors import BadInputError, NotFoundError, nearest

_EVERY_S: Final = 1.0
_LOG_SHARE: Final = 5.0  # pause between two requests of a log, in multiples of their duration
_SILENT_S: Final = 60.0


class LostJobError(UnansweredError):
    """A job died, or its cluster no longer answers or no longer knows it."""


def study_jobs(address: str) -> list[StudyJob]:
    """The jobs of studies, the newest first. Raises ClusterError without an answer."""
    client = connect(address)
    with answered(address):
        return jobs_of(client)


def study_job(address: str, name: str) -> StudyJob:
    """The running job of a study, else its newest one; `name` may also be the id of a job.

    Raises NotFoundError, with the known studies, and BadInputError if several jobs run.
    """
    client = connect(address)
    with answered(address):
        return newest(client, name)


def jobs_of(client: JobSubmissionClient, name: str | None = None) -> list[StudyJob]:
    """The jobs of studies, or of one study, the newest first."""
    jobs = [_job(details) for details in client.list_jobs() if STUDY in (details.metadata or {})]
    return sorted(
        (job for job in jobs if name in (None, job.study)),
        key=lambda job: job.submitted or "",
        reverse=True,
    )


def newest(client: JobSubmissionClient, name: str) -> StudyJob:
    """As `study_job`, with an open client."""
    jobs = jobs_of(client)
    named = [job for job in jobs if name in (job.study, job.job)]
    if not named:
        known = sorted({job.study for job in jobs})
        hint = nearest(name, known) if known else "it has no job of any study"
        raise NotFoundError(f"the cluster has no job of a study {name!r}; {hint}")
    running = [job for job in named if not job.over]
    if len(running) > 1:
        raise BadInputError(
            f"the study {name!r} must have one running job, got several, in different homes; "
            f"give the id of one instead: {', '.join(job.job for job in running)}"
        )
    return (running or named)[0]


def last_message(address: str, job: str) -> str:
    """The last message of the job (`study.cluster.study_job`); empty if its node is gone."""
    try:
        with answered(address):
            return last_line(connect(address).get_job_logs(job))
    except UnansweredError:
        return ""


def logs(address: str, name: str, *, follow: bool = False) -> Iterator[str]:
    """The output of the study's newest job, in pieces; with `follow` until it ends."""
    client = connect(address)
    with answered(address):
        job = newest(client, name)
        if not follow:
            yield client.get_job_logs(job.job)
            return
    yield from output(client, job.job)


def output(client: JobSubmissionClient, job: str) -> Iterator[str]:
    """The output of the job until it ends, in pieces.

    The log of an ended job is cut short if its node is gone. Raises LostJobError if the cluster does not
    answer for a minute, or does not know the job.
    """
    printed = 0
    answered_at = time.monotonic()
    over = False
    while not over:
        asked_at = time.monotonic()
        try:
            # Before the log, so that the log of an ended job is complete.
            over = _find(client, job).over
            text = client.get_job_logs(job)
        except (RayError, RuntimeError, OSError) as error:
            if over:
                return
            if time.monotonic() - answered_at > _SILENT_S:
                line = str(error).partition("\n")[0]
                raise LostJobError(f"the job {job} can no longer be followed: {line}") from error
            time.sleep(_EVERY_S)
            continue
        answered_at = time.monotonic()
        yield text[printed:]
        printed = len(text)
        if not over:
            time.sleep(max(_EVERY_S, _LOG_SHARE * (answered_at - asked_at)))


def stop(address: str, name: str, say: Callable[[str], None]) -> StudyJob:
    """Stops the study's newest job, if it runs, and waits until it has ended.

    Trials finish their current epoch and keep its checkpoint. Raises NotFoundError without such a job,
    ClusterError if the cluster does not answer.
    """
    client = connect(address)
    with answered(address):
        job = newest(client, name)
        if job.over:
            say(f"job {job.job} is already {job.status}")
            return job
        client.stop_job(job.job)
        if job.status == "PENDING":
            say(
                f"job {job.job} has not started; Ray ends it when it starts, or after 15 minutes at the "
                "latest"
            )
            return job
        say(f"job {job.job} is stopping after the current epochs")
        while not job.over:
            time.sleep(_EVERY_S)
            job = _find(client, job.job)
    say(f"job {job.job} is {job.status}")
    return job


def current(client: JobSubmissionClient, job: str) -> StudyJob:
    """The current state of the job; LostJobError if the cluster does not answer or know it."""
    try:
        return _find(client, job)
    except (RayError, RuntimeError, OSError) as error:
        raise LostJobError(f"the job {job} can no longer be queried: {error}") from error


def _find(client: JobSubmissionClient, job: str) -> StudyJob:
    matches = [candidate for candidate in jobs_of(client) if candidate.job == job]
    if not matches:
        raise LostJobError(f"the cluster no longer knows the job {job}")
    return matches[0]


def _job(details: JobDetails) -> StudyJob:
    metadata = details.metadata or {}
    return StudyJob(
        job=str(details.submission_id),
        study=metadata[STUDY],
        status=str(details.status.value),
        submitted=_time(details.start_time),
        ended=_time(details.end_time),
        exit_code=details.driver_exit_code,
        error=details.error_type,
        message=details.message,
        fingerprint=metadata.get(FINGERPRINT, ""),
        home=metadata.get(HOME),
    )


def _time(milliseconds: int | None) -> str | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
