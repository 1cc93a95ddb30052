"""The command as a process: bad input ends with status 2, one message, and nothing written."""

import pytest
from mlflow import MlflowClient

pytestmark = pytest.mark.slow

GOOD = 'name = "a"\ndataset = "digits"\nfamilies = ["dann-r"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "replicate = 2\n", "error: unknown key 'replicate'; did you mean 'replicates'?"),
        (GOOD + "[budget]\ntrials = 0\n", "error: `budget.trials >= 1` must hold, got 0"),
        ('name = "a"\ndataset = = 1\n', "is not TOML: Invalid value (at line 2, column 11)"),
        (GOOD.replace("digits", "mnist"), "error: the data set mnist is not in data/MNIST/raw"),
        (GOOD + "[space]\nsynapses = 900\n", "got synapses=900, inputs=64 (key space.synapses)"),
        (GOOD + "[resources]\ncpus = 999\n", "`resources.cpus <= cpus of this machine` must hold"),
        (GOOD.replace('"a"', '"../a"'), "error: a name has letters, digits"),
    ],
)
def test_a_bad_spec_ends_before_anything_is_written(text, message, study_command, tmp_path):
    spec = tmp_path / "bad.toml"
    spec.write_text(text)
    done = study_command("run", spec, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [file.name for file in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "none"),
        ("trials", "none"),
        ("pareto", "none"),
        ("best", "none"),
        ("export", "none"),
        ("report", "none"),
        ("ui",),
        ("run", "none.toml"),
        ("best",),
        ("nothing",),
    ],
)
def test_asking_for_what_is_not_there_is_bad_input(arguments, study_command, tmp_path):
    done = study_command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_studies_are_no_error(study_command, tmp_path):
    done = study_command("list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no studies yet\n")


def test_a_cluster_that_does_not_answer_is_said_so(study_command, tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD)
    done = study_command("submit", spec, "--address", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "no Ray cluster can be used at http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_to_run_on_that_does_not_answer_is_said_so(study_command, tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD)
    done = study_command("run", spec, cwd=tmp_path, RAY_ADDRESS="127.0.0.1:9")
    assert done.returncode == 1
    assert "the Ray cluster at RAY_ADDRESS=127.0.0.1:9 must answer" in done.stderr
    assert list(tmp_path.iterdir()) == [spec]


def test_data_of_this_machine_is_not_submitted(study_command, tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD.replace("digits", "mnist"))
    done = study_command("submit", spec, "--address", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "`dataset.root` must be an absolute path of the cluster's machines" in done.stderr


def test_an_experiment_of_somebody_elses_is_left_alone(study_command, tmp_path):
    spec = tmp_path / "good.toml"
    spec.write_text(GOOD)
    uri = f"sqlite:///{tmp_path}/theirs.db"
    MlflowClient(uri).create_experiment("a")
    done = study_command("run", spec, "--tracking-uri", uri, cwd=tmp_path)
    assert done.returncode == 2
    assert "the MLflow experiment 'a'" in done.stderr
    assert not (tmp_path / "runs").exists()
