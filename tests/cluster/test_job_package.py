import json
import subprocess
import sys

import pytest

from study.cluster.delivery import SPEC, JobConfig, fingerprint, write_package
from study.errors import BadInputError
from study.spec.study_spec import StudySpec

THREE = {"name": "mine", "dataset": "digits", "families": ["vann"]}
SPEC_OF_THREE = StudySpec.from_dict(THREE)


def test_spec_and_configuration_are_read_back(tmp_path):
    config = JobConfig(
        command="study submit mine.toml", home="/mnt/study", encrypted="x", retries=2
    )
    write_package(tmp_path, SPEC_OF_THREE, config, source=False)
    assert JobConfig.read(tmp_path) == config
    assert StudySpec.from_toml(tmp_path / SPEC) == SPEC_OF_THREE
    assert {file.name for file in tmp_path.iterdir()} == {"spec.json", "job.json"}


def test_a_configuration_of_another_version_is_refused_with_both(tmp_path):
    config = JobConfig(command="", version="99.0")
    write_package(tmp_path, SPEC_OF_THREE, config, source=False)
    table = json.loads((tmp_path / "job.json").read_text()) | {"new": "in that version"}
    (tmp_path / "job.json").write_text(json.dumps(table))
    with pytest.raises(BadInputError, match=r"got 99\.0 here, [\d.]+ on the cluster"):
        JobConfig.read(tmp_path)


def test_source_that_goes_along_needs_nothing_installed(tmp_path):
    write_package(tmp_path, SPEC_OF_THREE, JobConfig(command="typed"), source=True)
    code = """
import importlib.metadata as metadata
def version(name): raise metadata.PackageNotFoundError(name)
metadata.version = version
from pathlib import Path
from study.cluster.delivery import JobConfig
print(JobConfig.read(Path()).command)
"""
    said = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, env={}, text=True)
    assert said == "typed\n"


def test_the_source_that_goes_along_is_the_one_that_runs(tmp_path):
    write_package(tmp_path, SPEC_OF_THREE, JobConfig(command=""), source=True)
    code = "import study.spec.study_spec, models; print(study.spec.study_spec.__file__, models.__file__)"
    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, text=True
    )
    assert said.split() == [
        f"{tmp_path}/study/spec/study_spec.py",
        f"{tmp_path}/models/__init__.py",
    ]
    assert (tmp_path / "study" / "report" / "page.css").exists()


def test_what_a_job_would_do_otherwise_has_another_fingerprint():
    known = fingerprint(SPEC_OF_THREE, source=False)
    assert known == fingerprint(StudySpec.from_dict(dict(THREE)), source=False)
    assert known != fingerprint(SPEC_OF_THREE, source=True)
    more = StudySpec.from_dict(THREE | {"budget": {"trials": 31}})
    assert known != fingerprint(more, source=False)
