"""The command up to its exit status: bad input is 2, one message, and nothing written."""

import os
import socket
import subprocess
import sys

import pytest
import typer

from study import Home
from study.cli.app import app
from study.cli.options import command_line
from tests.support.command import study_command
from tests.support.processes import ROOT

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
        (GOOD + 'earlier = ["b"]\n', "error: no study 'b' in"),
        (
            GOOD + "[stopping]\nreduction_factor = 1.0000001\n",
            "error: `stopping.reduction_factor >= 1.1`",
        ),
        (
            GOOD + "x = " + "[" * 3000,
            "bad.toml cannot be read: tables and lists must not be ne",
        ),
        (
            GOOD + f"seed = {'9' * 5000}\n",
            "bad.toml cannot be read: Exceeds the limit (4300 digits)",
        ),
    ],
)
def test_a_bad_spec_ends_before_anything_is_written(text, message, tmp_path):
    spec = tmp_path / "bad.toml"
    spec.write_text(text)
    done = study_command("run", spec, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout in ("", "a: dann-r on digits; loading the libraries\n")
    assert message in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("dataset.name=mnist", "dataset.root=/none"), "mnist is not in /none/MNIST/raw"),
        (
            ("constraints=['trainable_parameters <= 10']",),
            "`trainable_parameters <= 10`, got trainable_parameters=",
        ),
        (("dataset=/none.npz",), "cannot read the images in /none.npz: there is no such file"),
        (
            (),
            "/driven is being run already by process {process} on {host}, since",
        ),
    ],
)
def test_what_is_wrong_is_said_before_the_libraries_are_loaded(changes, message, tmp_path):
    arguments = ["run", "--home", str(tmp_path), "--name", "driven"]
    arguments += [word for change in changes for word in ("--set", change)]
    program = "import atexit, sys; from study.cli.main import main; "
    program += "atexit.register(lambda: print({'torch', 'ray', 'mlflow'} & {*sys.modules})); main()"
    with Home.find(tmp_path).study_folder("driven").only_driver():
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert (done.returncode, done.stdout) == (2, "set()\n")
    assert message.format(process=os.getpid(), host=socket.gethostname()) in done.stderr


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
        ("ui", "--port", 2**63),
        ("run", "none.toml"),
        ("best",),
        ("nothing",),
        ("predict", "none", "a.png"),
        ("retrain", "none", 1, "--replicates", 2),
        ("predict", "small"),
    ],
)
def test_asking_for_what_is_not_there_is_bad_input(arguments, tmp_path):
    done = study_command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_command_that_takes_a_tracking_uri_takes_whether_it_may_name_local_artifacts():
    options = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in typer.main.get_command(app).commands.items()
    }
    served = {name for name, known in options.items() if "--tracking-uri" in known}
    assert len(served) > 12
    assert {name for name in served if "--allow-local-artifacts" not in options[name]} == set()


def test_the_command_to_continue_is_shown_also_if_the_folder_was_deleted(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["bin/study", "run", "a.toml"])
    folder.rmdir()
    assert command_line() == "bin/study run a.toml"
