"""Parts of benchmarks that need a process of their own: a module is started, and prints its result."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

_REPOSITORY = Path(__file__).parents[1]


def measured(
    module: str,
    *arguments: object,
    progress: bool = False,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The JSON in the last line that `benchmarks.MODULE` prints.

    The process has the variables of `environment` besides our own. What it says on standard error is
    shown with `progress`, and else only where it fails, which raises a CalledProcessError.
    """
    done = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=None if progress else subprocess.PIPE,
        text=True,
        check=False,
        cwd=_REPOSITORY,
        env=os.environ | dict(environment),
    )
    if done.returncode and done.stderr:
        sys.stderr.write(done.stderr)
    done.check_returncode()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
