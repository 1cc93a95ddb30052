"""The jobs that run studies on a Ray cluster: found by the study's name, followed, stopped."""

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
_LOG_SHARE: Final = 5.0  # a log is asked for again after so many times the time that took
_SILENT_S: Final = 60.0


class LostJobError(UnansweredError):
    """A job died, its cluster does not answer any more, or has forgotten it."""


def study_jobs(address: str, name: str | None = None) -> list[StudyJob]:
    """The jobs of studies, or of one study, the newest first; ClusterError if nobody answers."""
    client = connect(address)
    with answered(address):
        return jobs_of(client, name)


def study_job(address: str, name: str) -> StudyJob:
    """The study's job that runs, else its newest; instead of a study a job can be named.

    Raises NotFoundError, with the studies there are, BadInputError if several run.
    """
    client = connect(address)
    with answered(address):
        return newest(client, name)


def jobs_of(client: JobSubmissionClient, name: str | None = None) -> list[StudyJob]:
    """As `study_jobs`, with a client that is there already."""
    found = [_job(details) for details in client.list_jobs() if STUDY in (details.metadata or {})]
    return sorted(
        (job for job in found if name in (None, job.study)),
        key=lambda job: job.submitted or "",
        reverse=True,
    )


def newest(client: JobSubmissionClient, name: str) -> StudyJob:
    """As `study_job`, with a client that is there already."""
    everything = jobs_of(client)
    found = [job for job in everything if name in (job.study, job.job)]
    if not found:
        known = sorted({job.study for job in everything})
        hint = nearest(name, known) if known else "it has none of any study"
        raise NotFoundError(f"the cluster has no job of a study {name!r}; {hint}")
    running = [job for job in found if not job.over]
    if len(running) > 1:
        raise BadInputError(
            f"one job of the study {name!r} must be meant, got several that run, in different homes; "
            f"name one in its place: {', '.join(job.job for job in running)}"
        )
    return (running or found)[0]


def last_message(address: str, job: str) -> str:
    """The last that the job said (`study.cluster.study_job`); nothing if its node is gone."""
    try:
        with answered(address):
            return last_line(connect(address).get_job_logs(job))
    except UnansweredError:
        return ""


def logs(address: str, name: str, *, follow: bool = False) -> Iterator[str]:
    """What the study's newest job printed, in pieces; with `follow` until it ends."""
    client = connect(address)
    with answered(address):
        job = newest(client, name)
        if not follow:
            yield client.get_job_logs(job.job)
            return
    yield from output(client, job.job)


def output(client: JobSubmissionClient, job: str) -> Iterator[str]:
    """What the job prints until it ends, in pieces as they come.

    The log of a job that is over ends early if the node that has it is gone. Raises LostJobError if the
    cluster does not answer for a minute, or does not know the job.
    """
    shown = 0
    heard = time.monotonic()
    over = False
    while not over:
        asked = time.monotonic()
        try:
            # Asked before the log, so that the log of an ended job is whole.
            over = _found(client, job).over
            text = client.get_job_logs(job)
        except (RayError, RuntimeError, OSError) as error:
            if over:
                return
            if time.monotonic() - heard > _SILENT_S:
                line = str(error).partition("\n")[0]
                raise LostJobError(f"the job {job} cannot be followed any more: {line}") from error
            time.sleep(_EVERY_S)
            continue
        heard = time.monotonic()
        yield text[shown:]
        shown = len(text)
        if not over:
            time.sleep(max(_EVERY_S, _LOG_SHARE * (heard - asked)))


def stop(address: str, name: str, say: Callable[[str], None]) -> StudyJob:
    """Stops the study's newest job and waits until it ended; nothing if it has already.

    Trials keep the checkpoint of the epoch that is running. Raises NotFoundError without such a job,
    ClusterError if the cluster does not answer.
    """
    client = connect(address)
    with answered(address):
        job = newest(client, name)
        if job.over:
            say(f"job {job.job} is {job.status} already")
            return job
        client.stop_job(job.job)
        say(f"job {job.job} is stopping, after the epochs that are running")
        while not job.over:
            time.sleep(_EVERY_S)
            job = _found(client, job.job)
    say(f"job {job.job} is {job.status}")
    return job


def current(client: JobSubmissionClient, job: str) -> StudyJob:
    """The job as it stands; LostJobError if the cluster does not answer or does not know it."""
    try:
        return _found(client, job)
    except (RayError, RuntimeError, OSError) as error:
        raise LostJobError(f"the job {job} cannot be asked any more: {error}") from error


def _found(client: JobSubmissionClient, job: str) -> StudyJob:
    found = [one for one in jobs_of(client) if one.job == job]
    if not found:
        raise LostJobError(f"the cluster does not know the job {job} any more")
    return found[0]


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
