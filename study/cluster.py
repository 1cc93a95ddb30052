"""Submits a study to a Ray cluster as a job, through the Ray Jobs API, and follows it.

The job runs `study run` on the cluster's head, where this package must be installed. A cluster
with token authentication is met with Ray's own settings: $RAY_AUTH_MODE=token and $RAY_AUTH_TOKEN
(or $RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token).
"""

import json
import shlex
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from study import environment
from study.errors import ClusterError, SpecError
from study.spec import StudySpec

_SPEC: Final = "spec.json"
_NOT_YET: Final = "No available agent"  # what a head says in its first seconds
_PATIENCE_S: Final = 60.0
_FOLLOW_EVERY_S: Final = 1.0
_LOST_ANSWERS: Final = 30


def submit(
    spec: StudySpec,
    address: str,
    *,
    home: str | None = None,
    tracking_uri: str | None = None,
    wait: bool = False,
) -> str:
    """Submits the study to the cluster whose dashboard is at the address; returns the job's id.

    `home` and `tracking_uri` are as the cluster's head sees them: by default what $STUDY_HOME and
    $MLFLOW_TRACKING_URI are there, else `~/dendritic-study/runs` of the head.
    With `wait` the job's output is printed until it ends. Raises SpecError if the data's place is
    relative, for nobody knows to what; ClusterError if the cluster does not answer, refuses, or (with
    `wait`) the job fails.
    """
    _check_data(spec)
    environment.prepare()
    client = _connect(address)
    started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(spec.to_dict(), indent=2)
        (Path(folder) / _SPEC).write_text(text, encoding="utf-8")
        job = _submit(
            client,
            address,
            entrypoint=f"python -m study.cli run {_SPEC}{_home_options(home, tracking_uri)}",
            submission_id=f"study-{spec.name}-{started}",
            runtime_env={"working_dir": folder},
            metadata={"study": spec.name},
        )
    if wait:
        _follow(client, job)
    return job


def _connect(address: str) -> JobSubmissionClient:
    try:
        return JobSubmissionClient(address)
    except (RayError, RuntimeError, ConnectionError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster can be used at {address}: {error}\n"
            "the address is that of the dashboard, such as http://head:8265; where the cluster "
            "demands a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        ) from error


def _submit(client: JobSubmissionClient, address: str, **job: Any) -> str:  # noqa: ANN401  # of submit_job
    """Submits the job, waiting for a head that has only just started; returns its id."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return str(client.submit_job(**job))
        except (RayError, RuntimeError, ConnectionError) as error:
            if _NOT_YET not in str(error) or time.monotonic() > deadline:
                raise ClusterError(f"the cluster at {address} refused the job: {error}") from error
            time.sleep(1.0)


def _check_data(spec: StudySpec) -> None:
    """The job runs in a folder of its own, so that relative places mean nothing there."""
    place, key = spec.dataset.root, "dataset.root"
    if spec.dataset.path is not None:
        place, key = spec.dataset.path, "dataset.path"
    if spec.dataset.name != "digits" and not place.is_absolute():
        raise SpecError(
            f"`{key}` must be an absolute path of the cluster's machines, got {str(place)!r}"
        )


def _home_options(home: str | None, tracking_uri: str | None) -> str:
    """The options of the job's `study run`; without a home the head's shell says what it has."""
    options = ' --home "${STUDY_HOME:-$HOME/dendritic-study/runs}"'
    if home is not None:
        options = f" --home {shlex.quote(home)}"
    if tracking_uri is not None:
        options += f" --tracking-uri {shlex.quote(tracking_uri)}"
    return options


def _follow(client: JobSubmissionClient, job: str) -> None:
    """Prints the job's output until it ends. Raises ClusterError unless it succeeds."""
    shown = 0
    lost = 0
    while True:
        try:
            shown = _print_from(client.get_job_logs(job), shown)
            status = client.get_job_status(job)
            lost = 0
        except (RayError, RuntimeError, OSError) as error:
            lost += 1
            if lost > _LOST_ANSWERS:
                raise ClusterError(f"the job {job} cannot be followed any more: {error}") from error
            time.sleep(_FOLLOW_EVERY_S)
            continue
        if status.is_terminal():
            _print_from(client.get_job_logs(job), shown)
            break
        time.sleep(_FOLLOW_EVERY_S)
    if status != JobStatus.SUCCEEDED:
        message = client.get_job_info(job).message
        raise ClusterError(f"the job {job} must succeed, got {status}: {message}")


def _print_from(log: str, shown: int) -> int:
    """Prints what is new of a log; returns how much of it is shown now."""
    print(log[shown:], end="", flush=True)  # noqa: T201  # the job's own output
    return len(log)
