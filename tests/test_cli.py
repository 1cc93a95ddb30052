"""The command up to its exit status: bad input is 2, one message, and nothing written."""

import os
import sys

import pytest

from study.cli.main import main

GOOD = 'name = "a"\ndataset = "digits"\nfamilies = ["dann-r"]\n'


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the command in a folder of a new user; gives its status, its output and its errors."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("RAY_", "STUDY_")) or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["study", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return command


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
def test_a_bad_spec_ends_before_anything_is_written(text, message, run, tmp_path):
    spec = tmp_path / "bad.toml"
    spec.write_text(text)
    status, output, errors = run("run", spec)
    assert (status, output) == (2, "")
    assert message in errors
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
        ("predict", "none", "a.png"),
        ("retrain", "none", 1, "--replicates", 2),
        ("predict", "small"),
    ],
)
def test_asking_for_what_is_not_there_is_bad_input(arguments, run, tmp_path):
    status, _, errors = run(*arguments)
    assert status == 2
    assert errors
    assert list(tmp_path.iterdir()) == []
