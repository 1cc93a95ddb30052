"""Submits a study to a Ray cluster as a job, follows it, and resubmits it if it died.

The job runs on the cluster's head (`study.cluster.job`), where this package must be installed, unless
its source goes along.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ray.exceptions import RayError
from ray.job_submission import JobSubmissionClient

from study import environment
from study.cluster.client import UnansweredError, answered, connect
from study.cluster.data_package import DataPackage, placed
from study.cluster.delivery import (
    Delivery,
    JobConfig,
    fingerprint,
    job_config_of,
    job_id,
    write_package,
)
from study.cluster.jobs import LostJobError, current, jobs_of, output
from study.cluster.study_job import BEGUN, FINGERPRINT, HOME, STUDY, StudyJob
from study.errors import BadInputError, ClusterError
from study.home import without_passwords
from study.keywords import checked_keywords
from study.spec.study_spec import AnySpec, StudySpec

# Without exec a shell is the parent of the job. A stop ends the shell first; in a container the job is
# then a zombie, which Ray counts as running.
_ENTRYPOINT: Final = "exec python -m study.cluster.job"
_NOT_YET: Final = "No available agent"  # from a head in its first seconds
_PATIENCE_S: Final = 60.0
_BEGIN_S: Final = 120.0
_RETURN_S: Final = 600.0
_RETURN_EVERY_S: Final = 5.0
# How long a stopped driver may take to end: its trials finish the epochs that are running.
_STOP_S: Final = 300
_GIB: Final = 2**30


@environment.RAY
@checked_keywords
def submit(
    spec: AnySpec,
    address: str,
    delivery: Delivery | None = None,
    *,
    wait: bool = False,
    say: Callable[[str], None] | None = None,
) -> str:
    """Submits the study to the cluster whose dashboard is at the address; returns the job's id.

    The id follows from study, home and tracking URI: submitting what runs already, or is done,
    returns that job; a study that was stopped, or died, is resumed by a new job. The output of the
    job goes to `say` (by default printed) until its trials begin, with `wait` until it ends.

    Raises BadInputError, before anything is sent, if the path of the data is relative, if there is no
    data set at `delivery.data`, or if a password would go to a cluster without a token; if the study
    runs already with another spec, data or tracking URI; and if the job refuses its input. ClusterError
    if the cluster does not answer, refuses, or (with `wait`) the job fails.
    """
    spec, delivery = StudySpec.of(spec), delivery or Delivery()
    say = say or _print
    data = None
    if delivery.data is not None:
        data = DataPackage.of(spec.dataset, delivery.data)
        spec = spec.model_copy(update={"dataset": placed(spec.dataset, Path())})
    config = job_config_of(spec, delivery, data and data.sha256)
    upload = None if data is None else partial(data.upload, say=say)
    left = delivery.retries if wait else 0
    job: str | None = None
    while True:
        try:
            job, done = _deliver(spec, address, delivery, config, upload)
            if done:
                say(
                    f"the job {job} has already done this work; a larger budget continues the study\n"
                )
                return job
            _follow(address, job, say, wait=wait)
        except UnansweredError as error:
            if job is None:
                raise  # there is no job to resume
            if not left:
                raise ClusterError(f"{error}\nthe same command resumes the study") from error
            say(f"{error}\nit is resubmitted, {left} times at most\n")
        else:
            return job
        left -= 1
        config = replace(config, retries=min(config.retries, left))
        _wait_for(address)


def _deliver(
    spec: StudySpec,
    address: str,
    delivery: Delivery,
    config: JobConfig,
    upload: Callable[[JobSubmissionClient], None] | None,
) -> tuple[str, bool]:
    """Submits a job unless one of the same work exists; returns its id, and whether it is done."""
    client = connect(address)
    work = fingerprint(spec, config.data, source=delivery.source)
    base = job_id(spec.name, delivery)
    while True:
        with answered(address):
            jobs = jobs_of(client, spec.name)
        earlier = [job for job in jobs if job.job.startswith(base)]
        same = _same(earlier, work, address)
        if same is not None:
            return same.job, same.over
        _check_alone(jobs, earlier, delivery, address)
        numbers = [int(job.job.removeprefix(base).lstrip("-") or 1) for job in earlier]
        new_id = f"{base}-{max(numbers) + 1}" if numbers else base
        if upload is not None:
            with answered(address):
                upload(client)
        with tempfile.TemporaryDirectory() as folder:
            write_package(Path(folder), spec, config, source=delivery.source)
            submitted = _try_submit(
                client,
                address,
                entrypoint=_ENTRYPOINT,
                submission_id=new_id,
                runtime_env={
                    "working_dir": folder,
                    "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_S)},
                },
                metadata={STUDY: spec.name, FINGERPRINT: work}
                | ({} if delivery.home is None else {HOME: delivery.home}),
                entrypoint_num_cpus=delivery.driver_cpus or None,
                entrypoint_memory=int(delivery.driver_memory * _GIB) or None,
            )
        if submitted:
            return new_id, False


def _check_alone(
    jobs: Sequence[StudyJob], earlier: Sequence[StudyJob], delivery: Delivery, address: str
) -> None:
    """Raises BadInputError if the study runs in the same home with another tracking URI."""
    uri = without_passwords(delivery.tracking_uri or "none")
    for job in jobs:
        if not job.over and job not in earlier and job.home == delivery.home:
            raise BadInputError(
                f"the job {job.job} runs the study {job.study!r} in the same home with another "
                f"tracking URI, got {uri} (option --tracking-uri); give that one, stop the job first "
                f"(study stop {job.study} --address {address}), or give this study another name "
                "(--name NAME)"
            )


def _same(earlier: Sequence[StudyJob], work: str, address: str) -> StudyJob | None:
    """The newest job if it does, or did, this work; BadInputError if it is running other work."""
    if not earlier or (earlier[0].over and earlier[0].status != "SUCCEEDED"):
        return None
    job = earlier[0]
    if job.fingerprint == work:
        return job
    if job.over:
        return None
    raise BadInputError(
        f"the job {job.job} runs the study {job.study!r} with another spec or source; stop it first "
        f"(study stop {job.study} --address {address}), or give this one another name (--name NAME)"
    )


def _try_submit(client: JobSubmissionClient, address: str, **job: object) -> bool:
    """Submits the job, waiting for a head that is starting; returns False if its id is taken.

    That happens if another client was faster, or if the response to an earlier request was lost.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            client.submit_job(**job)  # type: ignore[arg-type]  # as submit_job takes them
        except (RayError, RuntimeError, OSError) as error:
            if "already exists" in str(error):
                return False
            is_temporary = isinstance(error, OSError) or _NOT_YET in str(error)
            if not is_temporary or time.monotonic() > deadline:
                kind = UnansweredError if is_temporary else ClusterError
                raise kind(f"the cluster at {address} refused the job: {error}") from error
            time.sleep(1.0)
        else:
            return True


def _follow(address: str, job: str, say: Callable[[str], None], *, wait: bool) -> None:
    """Passes on the output of the job: with `wait` to its end, else until its trials begin.

    Raises BadInputError if the job refuses its input, ClusterError if it fails, LostJobError if it
    died or cannot be followed.
    """
    client = connect(address)
    start, printed = time.monotonic(), ""
    for piece in output(client, job):
        say(piece)
        printed += "" if BEGUN in printed else piece
        if not wait and (BEGUN in printed or time.monotonic() - start > _BEGIN_S):
            break
    state = current(client, job)
    if state.status == "PENDING":
        say(f"{state.message}\n")
    if not state.over or state.status == "SUCCEEDED":
        return
    reason = (state.message or "").partition(", last available logs")[0]
    if state.died:
        raise LostJobError(f"the job {job} died: {reason}")
    if state.exit_code == BadInputError.exit_status:
        raise BadInputError(f"the cluster refused the study, as printed above (job {job})")
    raise ClusterError(f"the job {job} must succeed, got {state.status}: {reason}")


def _wait_for(address: str) -> None:
    """Waits until the cluster answers; raises ClusterError after ten minutes."""
    deadline = time.monotonic() + _RETURN_S
    while True:
        try:
            connect(address)
        except ClusterError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETURN_EVERY_S)
        else:
            return


def _print(text: str) -> None:
    print(text, end="", flush=True)  # noqa: T201  # the job's own output
