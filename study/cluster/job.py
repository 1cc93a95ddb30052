"""The job on the cluster's head: runs the study in its folder, and restarts a driver that was killed.

With the file of a spec, `python -m study.cluster.job spec.toml`, it needs no folder: a RayJob of
Kubernetes has its spec mounted (deploy/rayjob.yaml).

The driver is a separate process, so that the job survives one that runs out of memory or is killed;
the next driver resumes from what was stored (`study.runner.driver`).
"""

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, final

from study.cluster.credentials import decrypt, ray_token
from study.cluster.delivery import SPEC, JobConfig
from study.errors import BadInputError, StudyError
from study.home import Home
from study.spec.study_spec import StudySpec
from study.tracking import provenance

_HOME: Final = "~/dendritic-study/runs"  # where the head has no $STUDY_HOME
_PATIENCE_S: Final = 120.0  # a machine that vanished keeps its lock on NFS for 90 s by default
_PARENT_DIED: Final = 1  # PR_SET_PDEATHSIG of prctl(2)
_ADOPT: Final = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_ORPHANS_S: Final = 30.0  # a driver that was killed leaves a sender, which sends what it has


def main() -> None:
    """Runs the study of the working directory, or of the spec file that is given.

    Exits as its driver does, 2 for bad input.
    """
    given = sys.argv[1] if len(sys.argv) > 1 else None
    file = given or SPEC
    try:
        config = JobConfig.read(Path()) if given is None else _default_config(given)
        environment = driver_environment(config)
        spec = StudySpec.from_toml(file)
        home = config.home or os.environ.get("STUDY_HOME") or str(Path(_HOME).expanduser())
        data = _data(spec, config, home)
    except StudyError as error:
        print(f"error: {error}", flush=True)  # noqa: T201  # the log of the job
        sys.exit(error.exit_status)
    _await_end(Home.find(home), spec.name)
    command = [sys.executable, "-m", "study.cli", "run", file, "--home", home, *data]
    sys.exit(Driver(command, environment).run(config.retries))


def _data(spec: StudySpec, config: JobConfig, home: str) -> list[str]:
    """The options that name the place of a data set that came with the job; raises ClusterError."""
    if config.data is None:
        return []
    from study.cluster.data_package import placed, unpacked  # noqa: PLC0415  # loads Ray, which no other job needs

    place = placed(spec.dataset, unpacked(config.data, Path(home)))
    key, path = ("root", place.root) if place.path is None else ("path", place.path)
    return ["--set", f"dataset.{key}={json.dumps(str(path))}"]


def _default_config(file: str) -> JobConfig:
    """The configuration of a job outside `study submit`: everything is in the environment."""
    command = os.environ.get(provenance.COMMAND_VARIABLE)
    return JobConfig(command=command or f"study run {shlex.quote(file)}")


def _await_end(home: Home, name: str) -> None:
    """Waits for the driver of a job that died to end; `run` refuses if one is still alive."""
    deadline = time.monotonic() + _PATIENCE_S
    while home.study_folder(name).is_driven() and time.monotonic() < deadline:
        time.sleep(0.2)


def driver_environment(config: JobConfig) -> dict[str, str]:
    """The environment of the study's process.

    Raises BadInputError if the settings are encrypted with another token than the cluster's.
    """
    environment = dict(os.environ) | config.environment
    environment |= {provenance.COMMAND_VARIABLE: config.command}
    if config.encrypted is not None:
        try:
            environment |= decrypt(config.encrypted, ray_token() or "")
        except ValueError as error:
            raise BadInputError(
                "the cluster's head must have the token that the job was submitted with, to "
                f"decrypt the settings of the tracking store: {error}"
            ) from error
    return environment


@final
class Driver:
    """The process that runs the study, restarted if it is killed."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._stopped = False

    def run(self, retries: int) -> int:
        """Runs the study to its end; returns the exit status, 128 plus the signal if it was killed."""
        # Ray sends it to every process of the job, the driver included.
        signal.signal(signal.SIGTERM, self._stop)
        _adopt_orphans()
        status = 0
        for left in range(retries, -1, -1):
            if self._stopped:
                break
            status = self._run_once()
            if status >= 0 or self._stopped:
                break
            name = signal.Signals(-status).name
            again = f"it is started again, {left} times at most" if left else "no retry is left"
            print(f"the driver was ended by {name}; {again}", flush=True)  # noqa: T201  # the log
        return status if status >= 0 else 128 - status

    def _run_once(self) -> int:
        # There is one thread, so no lock can be held between fork and exec.
        process = subprocess.Popen(  # noqa: S603  # our own interpreter, arguments as a list
            self._command,
            env=self._environment,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # see above
        )
        if self._stopped:
            process.terminate()  # started after the signal
        status = process.wait()
        _await_orphans()
        return status

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True


def _adopt_orphans() -> None:
    """Makes this process the parent of processes that a driver leaves behind.

    In a container there may be no other, and Ray counts a zombie as running: a stopped job would end
    only at Ray's time limit.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPT, 1)


def _await_orphans() -> None:
    deadline = time.monotonic() + _ORPHANS_S
    with suppress(ChildProcessError):  # no process is left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)


def _end_with_parent() -> None:
    """Makes Linux stop this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGTERM)


if __name__ == "__main__":
    main()
