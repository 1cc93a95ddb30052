"""Errors of the command that need a process, a cluster or a store: one message, nothing written."""

import pytest
from mlflow import MlflowClient

from tests.support.command import study_command

pytestmark = pytest.mark.slow

GOOD = 'name = "a"\ndataset = "digits"\nfamilies = ["dann-r"]\n'


def test_bad_input_ends_before_anything_is_written(study_process, tmp_path):
    spec = tmp_path / "bad.toml"
    spec.write_text(GOOD + "[space]\nsynapses = 900\n")
    done = study_process("run", spec, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""  # "loading the libraries" comes first if they are loaded
    assert done.stderr.startswith("error: ")
    assert "got synapses=900, inputs=64 (key space.synapses)" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["bad.toml"]


def test_no_studies_are_no_error(tmp_path):
    done = study_command("list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no studies yet\n")


def test_a_cluster_that_does_not_answer_is_reported(tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD)
    done = study_command("submit", spec, "--address", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "no Ray cluster can be reached at http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_to_run_on_that_does_not_answer_is_reported(tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD)
    done = study_command("run", spec, cwd=tmp_path, RAY_ADDRESS="127.0.0.1:9")
    assert done.returncode == 1
    assert "the Ray cluster at RAY_ADDRESS=127.0.0.1:9 must answer" in done.stderr
    assert list(tmp_path.iterdir()) == [spec]


def test_what_no_node_of_a_cluster_can_hold_is_refused_at_once_and_leaves_nothing(on_ray, tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD)
    done = study_command("run", spec, "--set", "resources.cpus=99", cwd=tmp_path, **on_ray)
    assert done.returncode == 2
    assert done.stderr == (
        "error: `resources.cpus <= cpus of a node` must hold, got resources.cpus=99, the largest node "
        "has 2 (key resources.cpus)\n"
    )
    assert list(tmp_path.iterdir()) == [spec]


def test_an_experiment_of_somebody_elses_is_left_alone(tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD)
    uri = f"sqlite:///{tmp_path}/theirs.db"
    MlflowClient(uri).create_experiment("a")
    done = study_command("run", spec, "--tracking-uri", uri, cwd=tmp_path)
    assert done.returncode == 2
    assert "the MLflow experiment 'a'" in done.stderr
    assert not (tmp_path / "runs").exists()
