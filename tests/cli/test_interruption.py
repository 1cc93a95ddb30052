"""Ctrl-C at many moments while a command is loaded: status 130, a message, never a traceback.

Of a running study: tests/runner/test_driver.py, and with Ray tests/e2e/test_digits_study.py.
"""

import signal
import subprocess
import sys
import time

import pytest

from tests.support.processes import BIN, clean_environment

STUDY = 'name = "a"\ndataset = "digits"\nfamilies = ["dann-r"]\n'
PROGRAM = f"""
import sys
from study.cli.main import main
sys.argv[0] = {str(BIN / "study")!r}
print("ready", flush=True)
main()
"""


def interrupted(arguments, folder, seconds):
    """The status and the output of a command that gets Ctrl-C after so many seconds."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    return process.returncode, output


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.2, 0.4, 0.7, 1.1, 1.6])
def test_ctrl_c_while_the_libraries_are_loaded(seconds, tmp_path):
    (tmp_path / "a.toml").write_text(STUDY)
    status, output = interrupted(["run", "a.toml"], tmp_path, seconds)
    assert "Traceback" not in output
    assert status == 130, output
    assert "study run a.toml\n" in output
