"""Whatever a spec file holds, it is a spec or is refused with one message, at once, in little memory."""

import json
import subprocess
import sys

import pytest

from tests.support.processes import ROOT

SPECS = 5000


@pytest.mark.slow
def test_whatever_a_file_holds_it_is_a_spec_or_is_refused(tmp_path):
    """Structure, types, numbers and bytes of a whole spec are mutated, the same way in each run."""
    command = [sys.executable, "-m", "tests.support.mutated_specs", str(tmp_path), str(SPECS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["specs"] + found["refused"] == SPECS
    # Neither is everything refused nor everything taken.
    assert min(found["specs"], found["refused"]) > SPECS // 20
