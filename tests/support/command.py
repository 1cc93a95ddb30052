"""The command `study`, run within the process of a test."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import traceback
import warnings
from unittest.mock import patch

from ray._raylet import AuthenticationTokenLoader, Config

from study.cli.main import main
from tests.support.processes import ROOT, clean_environment


def study_command(*arguments, cwd=ROOT, **environment):
    """Runs `study` with arguments as a new user would; returns what its process would have been.

    A process of its own would load libraries for seconds. All else is the same: the function `main`,
    environment, folder and output.
    """
    output, errors = io.StringIO(), io.StringIO()
    command = ["study", *map(str, arguments)]
    interrupt = signal.getsignal(signal.SIGINT)
    with (
        patch.dict(os.environ, clean_environment(**environment), clear=True),
        patch.object(sys, "argv", command),
        patch.object(sys, "unraisablehook", sys.unraisablehook),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        warnings.catch_warnings(),
    ):
        warnings.resetwarnings()
        # What earlier tests left to the garbage collector is not this command's.
        warnings.simplefilter("ignore", ResourceWarning)
        read_token_again()
        status = _status_of_main()
    signal.signal(signal.SIGINT, interrupt)
    return subprocess.CompletedProcess(command, status, output.getvalue(), errors.getvalue())


def read_token_again():
    """Ray keeps, within a process, what it once read of the environment."""
    AuthenticationTokenLoader.instance().reset_cache()
    Config.initialize("")


def _status_of_main():
    try:
        main()
    except SystemExit as ended:
        return ended.code or 0
    except Exception:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
        return 1
    return 0
