"""A small plan from search to results, on real Ray."""

import json
import threading
from importlib.metadata import version

import numpy as np
import pytest

import study
from paper import __main__ as commands
from paper.plan import RACE_REPLICATES, RACE_SEED
from paper.run import TimeUpError, limited
from paper.table import read, unpacked
from study.cluster.ray_runtime import local_ray

pytestmark = pytest.mark.slow

PLAN = """
[protocol]
replicates = 2
sampler = "grid"
diagnostics = []
stopping = { scheduler = "none" }
[protocol.space]
learning_rate = 1e-2
schedule = "constant"
[data]
digits = { epochs = 2 }
[[studies]]
name = "grid"
shows = ["Table 1"]
data = ["digits"]
families = ["dann-r", "vann"]
space = { dendrites = [1, 2], somata = [8, 16], synapses = 4 }
race = 1
seeds = 3
"""

CLAIMS = """
[groups]
A = { says = "is more accurate" }
[[claims]]
id = "{metric}"
label = "dann-r"
group = "A"
source = "Table 1"
assumed = { effect = 0.1 }
data = "digits"
test = "better"
each = { metric = ["accuracy", "loss"] }
metric = "{metric}"
network = { study = "grid", family = "dann-r" }
reference = { study = "grid", family = "vann" }
[[claims]]
id = "unraced"
label = "dann-r"
group = "A"
source = "Table 1"
assumed = { effect = 0.1 }
data = "digits"
test = "better"
network = { study = "grid", family = "dann-r", raced = false }
reference = { study = "grid", family = "vann" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def command(folder):
    (folder / "plan.toml").write_text(PLAN)
    (folder / "claims.toml").write_text(CLAIMS)

    def run(*words):
        options = {
            "home": "home",
            "plan": "plan.toml",
            "claims": "claims.toml",
            "results": "results",
        }
        places = [
            word for name, file in options.items() for word in (f"--{name}", str(folder / file))
        ]
        return commands.main([*words, *places])

    with local_ray(2):
        yield run


def test_nothing_is_tested_before_the_choices_are_stored(command, folder, capsys):
    assert command("test", "digits") == 2
    assert "stored, before a network is tested, got the study grid" in capsys.readouterr().err
    assert command("run", "digits", "--studies", "grids") == 2
    assert "unknown study 'grids' of the plan; known: grid" in capsys.readouterr().err
    assert command("record", "digits") == 0
    assert "no study -> " in capsys.readouterr().out
    assert not (folder / "results" / "choices-digits.json").exists()
    assert command("run", "digits", "--minutes", "60") == 0
    choices = json.loads((folder / "results" / "choices-digits.json").read_text())
    assert [one["role"]["family"] for one in choices] == ["dann-r", "vann", "dann-r"]
    assert [one["raced"] for one in choices] in ([0, 1, None], [1, 0, None])
    assert {one["configurations"] for one in choices} == {4}
    for name in ("grid-digits", "grid-digits-race"):
        records = study.records(name, home=folder / "home")
        assert all(one.test_accuracy is None for one in records)


def test_a_choice_of_another_race_is_not_tested(command, folder, capsys):
    file = folder / "results" / "choices-digits.json"
    stored = file.read_text()
    choices = json.loads(stored)
    choices[0]["raced"] = 1 - choices[0]["raced"]
    file.write_text(json.dumps(choices))
    assert command("test", "digits") != 0
    assert "a choice must be of the search and race in the home" in capsys.readouterr().err
    file.write_text(stored)


def test_a_network_that_cannot_be_trained_is_noted_and_left_out(
    command, folder, capsys, monkeypatch
):
    tried = []

    def diverges(name, trial, *_, **__):
        tried.append((name, trial))
        raise study.TrialFailedError("the trial cannot be retrained: seed 3 has no finite loss")

    monkeypatch.setattr(study, "retrain", diverges)
    assert command("test", "digits") == 0
    assert tried == [("grid-digits-race", 0), ("grid-digits-race", 1)]
    file = folder / "results" / "failures-digits.json"
    assert [one["trial"] for one in json.loads(file.read_text())] == [0, 1]
    assert "no finite loss" in capsys.readouterr().out
    tried.clear()
    assert command("test", "digits") == 0
    assert tried == []
    file.unlink()


def test_the_chosen_networks_are_tested_with_fresh_seeds(command, folder, capsys):
    assert command("test", "digits") == 0
    assert command("test", "digits") == 0  # which trains nothing again
    assert command("record", "digits") == 0
    capsys.readouterr()
    assert command("run", "digits", "--studies", "gr*") == 0
    assert "in the benchmark file already: grid" in capsys.readouterr().out
    rows = read(folder / "results" / "networks-digits.parquet")
    stages = rows.groupby("stage").size().to_dict()
    assert stages == {"search": 8 * 2, "race": 2 * RACE_REPLICATES, "test": 2 * 3}
    tested = rows[rows["stage"] == "test"]
    first = RACE_SEED + RACE_REPLICATES
    assert set(tested["seed"]) == {first, first + 1, first + 2}
    raced = rows[rows["stage"] == "race"]
    assert set(raced["trial"]) == set(tested["trial"])  # by the numbers of the search
    assert (rows[rows["stage"] != "test"]["test_accuracy"].isna()).all()
    for row in tested.itertuples():
        assert len(row.val_accuracy_curve) == 2
        assert unpacked(row.correct, 359).mean() == pytest.approx(row.test_accuracy, abs=1e-6)
    (environment,) = map(json.loads, rows["environment"].unique())
    assert environment["versions"]["torch"] == version("torch")
    one = tested.iloc[0]
    losses = np.frombuffer(one["losses"], np.float16).astype(float)
    assert losses.mean() == pytest.approx(one["test_loss"], rel=1e-3)


def test_minutes_interrupt_what_runs_as_ctrl_c_does():
    with pytest.raises(TimeUpError), limited(0.001):
        threading.Event().wait(60)
    with limited(60):
        pass  # whose timer does not interrupt what comes after
    with pytest.raises(KeyboardInterrupt), limited(60):
        raise KeyboardInterrupt


def test_ctrl_c_ends_in_a_message(command, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.Replication, "search", interrupted)
    assert command("run", "digits") == 130
    assert capsys.readouterr().out == "interrupted; the same command continues\n"


def test_results_of_claims_are_written(folder):
    found = json.loads((folder / "results" / "verdicts.json").read_text())
    assert [one["id"] for one in found] == ["accuracy", "loss", "unraced"]
    assert found.pop()["verdict"] == "not run"  # which needs networks of the search's split
    for one in found:
        assert one["verdict"] in {"holds", "does not hold", "undecided"}
        assert one["seeds"] == [3, 3]
