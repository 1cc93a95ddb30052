"""The provenance of a study: command, versions, commit and machine, as tags of the parent run."""

import json
import os
import platform
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, final

from study.home import without_passwords
from study.tracking.tags import COMMAND_TAG, ENVIRONMENT_TAG

_WAIT_S: Final = 10.0
_PACKAGES: Final = (
    "dendritic-study",
    "torch",
    "torchvision",
    "ray",
    "optuna",
    "mlflow",
    "numpy",
    "scikit-learn",
)

COMMAND_VARIABLE: Final = "STUDY_COMMAND"
"""The environment variable with the command that submitted a job."""


def environment_of_run() -> dict[str, Any]:
    """The versions, git commit (None outside a checkout) and hardware of this machine, as JSON types."""
    return {
        "versions": {"python": platform.python_version()} | _versions(),
        "commit": _commit(),
        "machine": _machine(),
    }


def command_of_run() -> str:
    """The command line of this process, or of the one that submitted it, without passwords."""
    submitted = os.environ.get(COMMAND_VARIABLE)
    if submitted:
        return without_passwords(submitted)
    program = Path(sys.argv[0])
    name = "study" if is_study(program) else f"python {shlex.quote(str(program))}"
    return without_passwords(f"{name} {shlex.join(sys.argv[1:])}".strip())


def is_study(program: Path) -> bool:
    """Whether this first argument of a process is the command `study`."""
    return program.stem == "study" or program.parts[-2:] == ("cli", "__main__.py")


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _commit() -> str | None:
    """The commit of the source, with a plus sign if files have changed since."""
    source = Path(__file__).parents[2]
    if not (source / ".git").exists():
        return None
    commit = _output_of("git", "-C", str(source), "rev-parse", "HEAD")
    changed = _output_of("git", "-C", str(source), "status", "--porcelain", "--untracked-files=no")
    return None if commit is None else commit + ("+" if changed else "")


def _machine() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": (
            _output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or ""
        ).splitlines(),
    }


def processor() -> str:
    """The name of the processor, empty if the system does not tell it."""
    file = Path("/proc/cpuinfo")  # platform.processor() is empty on Linux
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _output_of(*command: str) -> str | None:
    """The output of a program; None if it is missing, fails, or takes more than ten seconds."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603  # known programs, arguments as a list
            [program, *command[1:]], capture_output=True, text=True, check=False, timeout=_WAIT_S
        )
    except (OSError, subprocess.TimeoutExpired):  # such as a driver of a GPU that hangs
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def as_tags() -> dict[str, str]:
    """The command and the environment as tags of the parent run."""
    return {
        ENVIRONMENT_TAG: json.dumps(environment_of_run()),
        COMMAND_TAG: command_of_run(),
    }


@final
@dataclass(frozen=True, slots=True)
class Provenance:
    """The command of a study, None if not recorded, and named facts about its run."""

    command: str | None
    facts: dict[str, str]

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "Provenance":
        """Reads the tags of a parent run; unreadable ones count as not recorded."""
        try:
            stored = json.loads(tags.get(ENVIRONMENT_TAG, "{}"))
        except json.JSONDecodeError:
            stored = {}
        return cls(tags.get(COMMAND_TAG), _facts(stored))


def _facts(stored: object) -> dict[str, str]:
    if not isinstance(stored, dict):
        return {}
    return {name: text for name, value in stored.items() if (text := _text(value))}


def _text(value: Any) -> str:  # noqa: ANN401  # anything that JSON holds
    if isinstance(value, dict):
        parts = (f"{name} {text}" for name, one in value.items() if (text := _text(one)))
        return ", ".join(parts)
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)
