"""Submits a study to a Ray cluster as a job, follows it, and submits it again if it died.

The job runs on the cluster's head (`study.cluster.job`), where this package must be installed, unless
its source goes along.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ray.exceptions import RayError
from ray.job_submission import JobSubmissionClient

from study import environment
from study.cluster.client import UnansweredError, answered, connect
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
from study.spec.study_spec import StudySpec

# Without exec a shell stands between Ray and the job. A stop ends it first, and nobody in a container
# then waits for the job, which Ray takes for one that still runs.
_ENTRYPOINT: Final = "exec python -m study.cluster.job"
_NOT_YET: Final = "No available agent"  # what a head says in its first seconds
_PATIENCE_S: Final = 60.0
_BEGIN_S: Final = 120.0
_RETURN_S: Final = 600.0
_RETURN_EVERY_S: Final = 5.0
# How long a stopped driver may take to end: its trials finish the epochs that are running.
_STOP_S: Final = 300
_GIB: Final = 2**30


@environment.RAY
def submit(
    spec: StudySpec,
    address: str,
    delivery: Delivery | None = None,
    *,
    wait: bool = False,
    say: Callable[[str], None] | None = None,
) -> str:
    """Submits the study to the cluster whose dashboard is at the address; returns the job's id.

    The id follows from study, home and tracking URI: submitting what runs already, or is done,
    gives its job; what was stopped, or died, goes on in a new one. What the job prints is passed
    to `say` (by default printed) until its trials begin, with `wait` until it ends.

    Raises BadInputError, before anything is sent, if the data's place is relative, for nobody knows
    to what, or if a password would go to a cluster without a token; if the study runs already with
    another spec or tracking URI; and if the job refuses its input. ClusterError if the cluster does
    not answer, refuses, or (with `wait`) the job fails.
    """
    delivery = delivery or Delivery()
    say = say or _print
    orders = job_config_of(spec, delivery)
    left = delivery.retries if wait else 0
    job: str | None = None
    while True:
        try:
            job, done = _deliver(spec, address, delivery, orders)
            if done:
                say(f"the job {job} did this already; more budget, such as --trials N, goes on\n")
                return job
            _follow(address, job, say, wait=wait)
        except UnansweredError as error:
            if job is None:
                raise  # nothing was ever begun
            if not left:
                raise ClusterError(f"{error}\nthe same command goes on with the study") from error
            say(f"{error}\nit is submitted again, {left} times at most\n")
        else:
            return job
        left -= 1
        _wait_for(address)


def _deliver(
    spec: StudySpec, address: str, delivery: Delivery, orders: JobConfig
) -> tuple[str, bool]:
    """Submits a job, unless there is one that does or did the same; its id, and whether that is done."""
    client = connect(address)
    work = fingerprint(spec, source=delivery.source)
    base = job_id(spec.name, delivery)
    while True:
        with answered(address):
            everything = jobs_of(client, spec.name)
        earlier = [job for job in everything if job.job.startswith(base)]
        same = _same(earlier, work, address)
        if same is not None:
            return same.job, same.over
        _check_alone(everything, earlier, delivery, address)
        numbers = [int(one.job.removeprefix(base).lstrip("-") or 1) for one in earlier]
        job = f"{base}-{max(numbers) + 1}" if numbers else base
        with tempfile.TemporaryDirectory() as folder:
            write_package(Path(folder), spec, orders, source=delivery.source)
            taken = _submitted(
                client,
                address,
                entrypoint=_ENTRYPOINT,
                submission_id=job,
                runtime_env={
                    "working_dir": folder,
                    "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_S)},
                },
                metadata={STUDY: spec.name, FINGERPRINT: work}
                | ({} if delivery.home is None else {HOME: delivery.home}),
                entrypoint_num_cpus=delivery.driver_cpus or None,
                entrypoint_memory=int(delivery.driver_memory * _GIB) or None,
            )
        if taken:
            return job, False


def _check_alone(
    everything: Sequence[StudyJob], earlier: Sequence[StudyJob], delivery: Delivery, address: str
) -> None:
    """Raises BadInputError if the study runs in the same home, but is recorded elsewhere."""
    given = without_passwords(delivery.tracking_uri or "none")
    for job in everything:
        if not job.over and job not in earlier and job.home == delivery.home:
            raise BadInputError(
                f"the job {job.job} runs the study {job.study!r} in the same home with another "
                f"tracking URI, got {given} (option --tracking-uri); give that one, stop the job first "
                f"(study stop {job.study} --address {address}), or give this study another name "
                "(--name NAME)"
            )


def _same(earlier: Sequence[StudyJob], work: str, address: str) -> StudyJob | None:
    """The newest of the jobs, if it does or did this work; BadInputError if it does other work."""
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


def _submitted(client: JobSubmissionClient, address: str, **job: object) -> bool:
    """Submits the job, waiting for a head that has only just started; False if its id is taken.

    It is, where another client was quicker, and where an answer was lost on its way.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            client.submit_job(**job)  # type: ignore[arg-type]  # as submit_job takes them
        except (RayError, RuntimeError, OSError) as error:
            if "already exists" in str(error):
                return False
            passing = isinstance(error, OSError) or _NOT_YET in str(error)
            if not passing or time.monotonic() > deadline:
                kind = UnansweredError if passing else ClusterError
                raise kind(f"the cluster at {address} refused the job: {error}") from error
            time.sleep(1.0)
        else:
            return True


def _follow(address: str, job: str, say: Callable[[str], None], *, wait: bool) -> None:
    """Passes on what the job prints: with `wait` to its end, else until its trials begin.

    Raises BadInputError if it refuses its input, ClusterError if it fails, LostJobError if it died or
    cannot be followed.
    """
    client = connect(address)
    start, heard = time.monotonic(), ""
    for piece in output(client, job):
        say(piece)
        heard += "" if BEGUN in heard else piece
        if not wait and (BEGUN in heard or time.monotonic() - start > _BEGIN_S):
            break
    found = current(client, job)
    if found.status == "PENDING":
        say(f"{found.message}\n")
    if not found.over or found.status == "SUCCEEDED":
        return
    said = (found.message or "").partition(", last available logs")[0]
    if found.died:
        raise LostJobError(f"the job {job} died: {said}")
    if found.exit_code == BadInputError.exit_status:
        raise BadInputError(f"the cluster refused the study, as said above (job {job})")
    raise ClusterError(f"the job {job} must succeed, got {found.status}: {said}")


def _wait_for(address: str) -> None:
    """Returns when the cluster answers; raises ClusterError if it does not for minutes."""
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
