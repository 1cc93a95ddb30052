"""Submits a study to a Ray cluster as a job, through the Ray Jobs API, and follows it.

The job runs `study run` on the cluster's head, where this package must be installed. A cluster
with token authentication is met with Ray's own settings: $RAY_AUTH_MODE=token and $RAY_AUTH_TOKEN
(or $RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token).
"""

import asyncio
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
from study.errors import ClusterError
from study.home import Home
from study.spec import StudySpec

_SPEC: Final = "spec.json"
_NOT_YET: Final = "No available agent"  # what a head says in its first seconds
_PATIENCE_S: Final = 60.0


def submit(spec: StudySpec, address: str, home: Home | None = None, *, wait: bool = False) -> str:
    """Submits the study to the cluster whose dashboard is at the address; returns the job's id.

    `home` is where the cluster is to keep the study, as its head sees it: by default what
    $STUDY_HOME and $MLFLOW_TRACKING_URI are there, else `~/dendritic-study/runs` of the head.
    With `wait` the job's output is printed until it ends. Raises ClusterError if the cluster does
    not answer, refuses, or (with `wait`) the job fails.
    """
    environment.prepare()
    client = _connect(address)
    started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(spec.to_dict(), indent=2)
        (Path(folder) / _SPEC).write_text(text, encoding="utf-8")
        job = _submit(
            client,
            address,
            entrypoint=f"python -m study.cli run {_SPEC}{_home_options(home)}",
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


def _home_options(home: Home | None) -> str:
    """The options of the job's `study run`; without a home the head's shell says what it has."""
    if home is None:
        return ' --home "${STUDY_HOME:-$HOME/dendritic-study/runs}"'
    return " " + shlex.join(["--home", str(home.folder), "--tracking-uri", home.tracking_uri])


def _follow(client: JobSubmissionClient, job: str) -> None:
    """Prints the job's output until it ends. Raises ClusterError unless it succeeds."""

    async def tail() -> None:
        async for lines in client.tail_job_logs(job):
            print(lines, end="", flush=True)  # noqa: T201  # the job's own output

    asyncio.run(tail())
    status = client.get_job_status(job)
    if status != JobStatus.SUCCEEDED:
        message = client.get_job_info(job).message
        raise ClusterError(f"the job {job} must succeed, got {status}: {message}")
