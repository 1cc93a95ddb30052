import json
import shlex

import pytest

import study
from paper.files import SPECS
from paper.summary import command, rounded, summary, to_text
from study.spec.study_spec import StudySpec
from study.tracking import tags
from tests.support import recorded_study, stored_study

SPEC = {
    "name": "made",
    "dataset": {"name": "digits", "root": "/somewhere/else"},
    "families": ["dann-r"],
    "replicates": 2,
}
CLAIM = """
[[claims]]
kind = "parameters"
target_accuracy = 0.5
at_most = 5000
"""
ENVIRONMENT = {
    "versions": {"torch": "1.2.3", "ray": "4.5.6"},
    "commit": "abc",
    "machine": {"host": "secret-host", "processor": "a processor", "cores": 7, "gpus": []},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = stored_study.make_home(tmp_path_factory.mktemp("made"))
    trials = [
        stored_study.trial(0.912345678, 32, learning_rate=0.01),
        stored_study.trial(0.8, 16, learning_rate=0.1, epochs=3),
        stored_study.trial(0.4, 64, state="PRUNED", epochs=1),
    ]
    stored_study.write_study(
        home, SPEC, trials, tags={tags.ENVIRONMENT_TAG: json.dumps(ENVIRONMENT)}
    )
    return home


@pytest.fixture
def specs(tmp_path, monkeypatch):
    """A folder with the specs and claims of `made` and `whole`, in place of the paper's."""
    for name in ("made", "whole"):
        (tmp_path / f"{name}.toml").write_text(StudySpec.from_dict(SPEC).to_toml())
        (tmp_path / f"{name}.claims.toml").write_text(CLAIM)
    monkeypatch.setattr("paper.summary.SPECS", tmp_path)


@pytest.fixture
def made(home, specs):  # noqa: ARG001  # the claims are read from them
    return summary("made", home, "on a train")


def test_trials_have_their_numbers_in_few_digits_and_what_varies(made):
    assert made["states"] == {"COMPLETE": 2, "PRUNED": 1}
    assert made["varied"] == ["learning_rate"]
    assert made["settings"]["batch_size"] == 128
    assert made["trials"][0] == {
        "trial": 0,
        "state": "COMPLETE",
        "family": "dann-r",
        "dendrites": 2,
        "somata": 32,
        "synapses": 4,
        "learning_rate": 0.01,
        "replicates": 2,
        "trainable_parameters": 3200,
        "val_accuracy": 0.91235,
        "val_accuracy_sem": 0.01,
        "val_loss": 0.087654,
        "test_accuracy": 0.90235,
        "epochs": 4,
        "seconds": 4,
    }
    assert made["hours"]["training"] == pytest.approx(8 / 3600, rel=0.01)


def test_it_says_what_came_out_of_the_claims(made):
    (found,) = made["findings"]
    assert (found["kind"], found["trial"], found["ours"]) == ("parameters", 0, 0.90235)


@pytest.mark.usefixtures("specs")
def test_a_study_that_was_run_as_several_has_the_trials_of_all(home):
    other = SPEC | {"name": "other", "families": ["dann-grf"]}
    trial = stored_study.trial(0.95, 8, family="dann-grf", learning_rate=0.01)
    stored_study.write_study(home, other, [trial])
    found = summary("whole", home, parts=["made", "other"])
    assert [(one["study"], one["trial"]) for one in found["trials"]] == [
        *(("made", number) for number in range(3)),
        ("other", 0),
    ]
    assert found["spec"]["families"] == ["dann-r", "dann-grf"]
    assert found["states"] == {"COMPLETE": 3, "PRUNED": 1}
    assert [one["ours"] for one in found["findings"]] == [0.94]


def test_it_says_with_what_it_was_run_but_nothing_that_is_of_one_machine(made, home):
    assert made["versions"] == ENVIRONMENT["versions"]
    assert made["machine"] == {"processor": "a processor", "cores": 7, "gpus": []}
    assert made["note"] == "on a train"
    text = to_text(made)
    assert not any(word in text for word in ("secret-host", "/somewhere", str(home.folder)))


def test_its_file_has_a_line_for_each_trial(made):
    text = to_text(made)
    assert json.loads(text) == made
    assert [
        json.loads(line.strip().rstrip(",")) for line in text.splitlines() if '"trial"' in line
    ][:3] == made["trials"]


@pytest.mark.slow  # retraining starts Ray
def test_networks_that_were_trained_anew_are_beside_the_trials(tmp_path):
    home = recorded_study.record_study(tmp_path)
    anew = study.retrain(recorded_study.NAME, 1, 2, 1, home=home)
    made = summary(recorded_study.NAME, home)
    (row,) = made["retrained"]
    assert (row["trial"], row["full"], row["replicates"], row["epochs"]) == (1, False, 2, 1)
    assert row["test_accuracy"] == rounded(anew.record.test_accuracy)
    assert made["trials"][1]["test_accuracy"] != row["test_accuracy"]
    assert made["findings"] == []


def test_the_command_is_the_spec_file_and_all_that_was_changed():
    changes = ["replicates=2", "space.dendrites=[1, 2]", 'constraints=["macs <= 1e6"]']
    spec = StudySpec.from_toml(SPECS / "table1.toml", [*changes, "dataset.root=/a/place"])
    words = shlex.split(command(spec, "table1"))
    assert words[:3] == ["study", "run", "paper/specs/table1.toml"]
    again = StudySpec.from_toml(SPECS / "table1.toml", words[4::2])
    assert sorted(word.partition("=")[0] for word in words[4::2]) == [
        "constraints",
        "replicates",
        "space.dendrites",
    ]
    assert again == StudySpec.from_toml(SPECS / "table1.toml", changes)


def test_the_command_leaves_out_an_objective_that_was_not_wanted():
    changes = ['objectives={val_accuracy = "maximize"}']
    spec = StudySpec.from_toml(SPECS / "beyond.toml", changes)
    words = shlex.split(command(spec, "beyond"))
    assert words[3:] == ["--set", *changes]
    assert StudySpec.from_toml(SPECS / "beyond.toml", words[4::2]) == spec


def test_a_part_of_a_study_has_a_name_of_its_own():
    spec = StudySpec.from_toml(SPECS / "table1.toml", ["name=table1-small", "replicates=2"])
    said = "study run paper/specs/table1.toml --name table1-small --set replicates=2"
    assert command(spec, "table1") == said


def test_what_is_not_finite_is_not_there():
    assert rounded({"a": [float("nan"), 1 / 3], "b": 7}) == {"a": [None, 0.33333], "b": 7}
