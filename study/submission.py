"""Submits a study to a Ray cluster as a job, follows it, and submits it again if it died.

The job runs on the cluster's head (`study.job`), where this package must be installed, unless its
source goes along.
"""

import hashlib
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from ray.exceptions import RayError
from ray.job_submission import JobSubmissionClient

from study import environment
from study.cluster import answered, connect
from study.errors import BadInputError, ClusterError, SpecError
from study.home import without_passwords
from study.job_package import Orders, fingerprint, write_package
from study.jobs import LostJobError, current, jobs_of, output
from study.progress import BEGUN
from study.ray_token import ray_token
from study.sealed import seal
from study.spec import StudySpec
from study.study_job import FINGERPRINT, STUDY

_ENTRYPOINT: Final = "python -m study.job"
_CREDENTIALS: Final = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
_NOT_YET: Final = "No available agent"  # what a head says in its first seconds
_PATIENCE_S: Final = 60.0
_BEGIN_S: Final = 120.0
_RETURN_S: Final = 600.0
_RETURN_EVERY_S: Final = 5.0
# How long a stopped driver may take to end: its trials finish the epochs that are running.
_STOP_S: Final = 300
_GIB: Final = 2**30


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a study gets to a cluster, and what it has there.

    `home` and `tracking_uri` are as the cluster's head sees them: by default what $STUDY_HOME and
    $MLFLOW_TRACKING_URI are there, else `~/dendritic-study/runs` of the head. With a tracking URI
    go the user, password and token of $MLFLOW_TRACKING_USERNAME, _PASSWORD and _TOKEN, sealed.
    `source` sends this package along, as it is here. `retries` says how often a driver that was
    killed is started again, and the job, if it died as a whole. The driver runs on the head, unless
    it is given `driver_cpus` or `driver_memory` (GiB) of any node's.
    """

    home: str | None = None
    tracking_uri: str | None = None
    source: bool = False
    retries: int = 0
    driver_cpus: float = 0.0
    driver_memory: float = 0.0


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
    another spec; and if the job refuses its input. ClusterError if the cluster does not answer,
    refuses, or (with `wait`) the job fails.
    """
    delivery = delivery or Delivery()
    say = say or _print
    _check_data(spec)
    orders = _orders(spec, delivery)
    environment.prepare()
    left = delivery.retries if wait else 0
    while True:
        job = _deliver(spec, address, delivery, orders)
        try:
            _follow(address, job, say, wait=wait)
        except LostJobError as error:
            if not left:
                raise ClusterError(f"{error}\nthe same command goes on with the study") from error
            say(f"{error}\nit is submitted again, {left} times at most\n")
        else:
            return job
        left -= 1
        _wait_for(address)


def _orders(spec: StudySpec, delivery: Delivery) -> Orders:
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    if delivery.tracking_uri is not None:
        safe = without_passwords(delivery.tracking_uri) == delivery.tracking_uri
        (plain if safe else secret)["MLFLOW_TRACKING_URI"] = delivery.tracking_uri
        secret |= {name: os.environ[name] for name in _CREDENTIALS if os.environ.get(name)}
    sealed = None
    if secret:
        token = ray_token()
        if token is None:
            raise BadInputError(
                "a password may be sent only to a cluster that demands a token, got "
                f"{', '.join(secret)} and no token; set RAY_AUTH_MODE=token, or have the settings "
                "in the environment of the cluster's head and leave --tracking-uri out"
            )
        sealed = seal(secret, token)
    return Orders(
        command=_command(spec),
        home=delivery.home,
        environment=plain,
        sealed=sealed,
        retries=delivery.retries,
    )


def _command(spec: StudySpec) -> str:
    """What was typed; from Python, what does the same."""
    if Path(sys.argv[0]).stem in {"study", "cli"}:
        return without_passwords(f"study {shlex.join(sys.argv[1:])}")
    return f"study.submit: {spec.name}"


def _deliver(spec: StudySpec, address: str, delivery: Delivery, orders: Orders) -> str:
    """Submits a job, unless there is one that does or did the same; returns its id."""
    client = connect(address)
    work = fingerprint(spec, source=delivery.source)
    with answered(address):
        base = _base_id(spec.name, delivery)
        earlier = [job for job in jobs_of(client, spec.name) if job.job.startswith(base)]
    if earlier and (earlier[0].status == "SUCCEEDED" or not earlier[0].over):
        if earlier[0].fingerprint == work:
            return earlier[0].job
        if not earlier[0].over:
            raise BadInputError(
                f"the job {earlier[0].job} runs the study {spec.name!r} with another spec or source; "
                f"stop it first (study stop {spec.name} --address {address}), or give this one "
                "another name (--name NAME)"
            )
    numbers = [int(one.job.removeprefix(base).lstrip("-") or 1) for one in earlier]
    job = f"{base}-{max(numbers) + 1}" if numbers else base
    with tempfile.TemporaryDirectory() as folder:
        write_package(Path(folder), spec, orders, source=delivery.source)
        return _submitted(
            client,
            address,
            entrypoint=_ENTRYPOINT,
            submission_id=job,
            runtime_env={
                "working_dir": folder,
                "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_S)},
            },
            metadata={STUDY: spec.name, FINGERPRINT: work},
            entrypoint_num_cpus=delivery.driver_cpus or None,
            entrypoint_memory=int(delivery.driver_memory * _GIB) or None,
        )


def _base_id(name: str, delivery: Delivery) -> str:
    """The id of the first job of this study in this home; those that follow have a number more."""
    uri = None if delivery.tracking_uri is None else without_passwords(delivery.tracking_uri)
    place = json.dumps([delivery.home, uri])
    return f"study-{name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _submitted(client: JobSubmissionClient, address: str, **job: object) -> str:
    """Submits the job, waiting for a head that has only just started; returns its id."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return str(client.submit_job(**job))  # type: ignore[arg-type]  # as submit_job takes them
        except (RayError, RuntimeError, OSError) as error:
            if "already exists" in str(error):
                return str(job["submission_id"])  # another client was quicker
            if _NOT_YET not in str(error) or time.monotonic() > deadline:
                raise ClusterError(f"the cluster at {address} refused the job: {error}") from error
            time.sleep(1.0)


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


def _check_data(spec: StudySpec) -> None:
    """The job runs in a folder of its own, so that relative places mean nothing there."""
    place, key = spec.dataset.root, "dataset.root"
    if spec.dataset.path is not None:
        place, key = spec.dataset.path, "dataset.path"
    if spec.dataset.name != "digits" and not place.is_absolute():
        raise SpecError(
            f"`{key}` must be an absolute path of the cluster's machines, got {str(place)!r}"
        )


def _print(text: str) -> None:
    print(text, end="", flush=True)  # noqa: T201  # the job's own output
