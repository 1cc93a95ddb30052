"""The race of the best networks: what it trains, when it reads the test images, and how it continues."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.beyond import __main__ as command
from benchmarks.beyond import race
from benchmarks.beyond.contender import (
    CONVOLUTIONS,
    DENDRITIC,
    GROUPS,
    LINEAR,
    ONE_BRANCH,
    SHARED,
    Contender,
    group_of,
)
from benchmarks.beyond.judgement import p_counts, read_outcomes
from benchmarks.beyond.race import Race
from benchmarks.beyond.report import figure, table, verdicts
from benchmarks.beyond.searches import Searches, record
from study.errors import StudyError
from tests.support.architectures import architecture
from tests.support.stored_study import make_home, trial, write_study

SEARCHES = Searches(source={"name": "digits"}, seed=0, trials={})
TRIALS = [
    trial(0.90, 16),
    trial(0.80, 8),
    trial(0.85, 12),
    trial(0.95, 20, dendrites=1),  # a control
    trial(0.70, 10, family="vann", synapses=None),
]


def stored(folder):
    home = make_home(folder)
    table = {"name": "raced", "dataset": "digits", "families": ["dann-r", "vann"], "replicates": 2}
    write_study(home, table | {"budget": {"epochs": 2}}, TRIALS)
    return home


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Runs the command on a stored study, with a short race; returns its result, if it has ended."""
    home = stored(tmp_path)
    monkeypatch.setattr(race, "ROUNDS", 2)
    monkeypatch.setattr(race, "REMAINING", 2)
    monkeypatch.setattr(
        race, "BOUNDS", (("trainable_parameters", 1500), ("trainable_parameters", 9999))
    )
    result = tmp_path / "result.json"

    where = ["--home", str(home.folder), "--tracking-uri", home.tracking_uri]
    folders = ["--folder", str(tmp_path / "race"), "--to", str(result)]
    with pytest.raises(StudyError, match="each study must be recorded before the race, got no"):
        command.main(["--studies", "raced", *folders])
    assert command.main([*where, "--record", "raced", *folders]) == 0

    def run(*words):
        assert command.main(["--studies", "raced", *folders, *words]) == 0
        return json.loads(result.read_text()) if result.exists() else None

    return run


def networks(folder):
    """The bytes of the files of all networks."""
    return {file: file.read_bytes() for file in folder.glob("race/networks/*/*/*")}


def test_the_test_images_are_read_after_the_choice_is_written_which_is_final(
    ask, tmp_path, monkeypatch, capsys
):
    read = []

    def load(source, seed):
        read.append((source.withhold_test, (tmp_path / "race/choice.json").exists()))
        return original(source, seed)

    original = command.load_dataset
    monkeypatch.setattr(command, "load_dataset", load)
    assert ask("--plan") is None
    assert re.search(r"at most about 0\.\d core-hours are left", capsys.readouterr().out)
    assert ask("--minutes", "0") is None  # nothing is trained
    assert read == [(True, False)]
    assert ask() is None  # the race ends, but no test image is read
    assert read[1:] == [(True, False)]
    trained = networks(tmp_path)
    shutil.rmtree(tmp_path / "race/networks")
    result = ask("--judge")
    again = networks(tmp_path)
    assert 0 < len(again) < len(trained)  # those of the winners alone
    assert again == {file: trained[file] for file in again}
    assert read[2:] == [(True, True), (False, True)]
    rows = result["rows"]
    assert [(row["bound"], row["group"]) for row in rows] == [
        (1500, "dendritic"),
        (1500, "other controls"),
        (9999, "dendritic"),
        (9999, "one branch"),
        (9999, "other controls"),
    ]
    assert [row["trials"] for row in rows] == [3, 1, 3, 1, 1]
    for row in rows:
        assert row["seeds"] == [2, 3, 4, 5]  # the search used 0 and 1
        assert len(row["test_accuracies"]) == 4
        assert 0.1 < row["test_accuracy"] <= 1
    assert rows[1]["network"] == "vann D2 S10"
    assert rows[3]["network"] == "dann-r D1 S20 K4"
    state = json.loads((tmp_path / "race/race.json").read_text())
    trained = {one["trial"]: len(one["val_accuracy"]) for one in state["contenders"]}
    assert sum(trained.values()) < 4 * len(TRIALS)  # the worse half of a heat left after a round
    assert min(trained.values()) == 2
    outcomes = read_outcomes(tmp_path / "race/outcomes.parquet")
    images = len(original(command.DatasetSpec(name="digits"), 0).test.labels)
    for row in rows:
        correct = outcomes[row["contender"]]
        assert correct.shape == (4, images)
        assert row["test_accuracies"] == pytest.approx(correct.mean(axis=1).tolist())
    assert "ahead" not in rows[2]
    assert rows[3]["ahead"]["value"] == pytest.approx(
        rows[2]["test_accuracy"] - rows[3]["test_accuracy"]
    )
    assert p_counts(rows) == {}  # no network with linear branches was tried
    # The same command gives the same result, without another look at the test images.
    assert ask("--judge") == result
    assert read[4:] == [(True, True)]
    # A race that is another one is not judged.
    other = result | {"race": "0" * 64}
    (tmp_path / "result.json").write_text(json.dumps(other))
    with pytest.raises(StudyError, match=r"for one race alone, got a judgement of race 0000"):
        ask("--judge")
    (tmp_path / "result.json").write_text(json.dumps(result))
    state["contenders"][0]["val_accuracy"]["2"] -= 0.5
    (tmp_path / "race/race.json").write_text(json.dumps(state))
    with pytest.raises(StudyError, match="has another choice"):
        ask()


def test_a_configuration_that_two_studies_tried_is_one_contender(tmp_path):
    home = make_home(tmp_path)
    for name, own in (("first", trial(0.91, 24)), ("second", trial(0.92, 28))):
        table = {"name": name, "dataset": "digits", "families": ["dann-r"], "replicates": 2}
        write_study(home, table | {"budget": {"epochs": 2}}, [trial(0.90, 16), own])
        record(name, home, tmp_path / "race")
    begun = Race.of(tmp_path / "race", ["first", "second"])
    assert sorted(begun.contenders) == ["first-0", "first-1", "second-1"]
    assert begun.searches.trials == {DENDRITIC: 4}


def test_a_network_that_comes_out_otherwise_when_it_is_trained_again_is_not_judged(ask, tmp_path):
    assert ask() is None
    shutil.rmtree(tmp_path / "race/networks")
    file = tmp_path / "race/race.json"
    state = json.loads(file.read_text())
    for one in state["contenders"]:
        one["val_accuracy"] = {seed: value + 1e-3 for seed, value in one["val_accuracy"].items()}
    file.write_text(json.dumps(state))
    (tmp_path / "race/choice.json").unlink()
    with pytest.raises(StudyError, match="must have the validation accuracies of the race"):
        ask("--judge")
    assert not (tmp_path / "result.json").exists()


def test_a_winner_has_ten_fresh_seeds_and_the_race_fits_its_hours(tmp_path):
    """As many contenders as fit into each heat, each as large as its bound allows."""
    assert race.SEEDS_A_ROUND * race.ROUNDS == 10
    bounds = [bound for metric, bound in race.BOUNDS if metric == "trainable_parameters"]
    families = {
        DENDRITIC: {"family": "dann-r", "dendrites": 2, "synapses": 16},
        SHARED: {"family": "dann-conv", "dendrites": 2, "synapses": 16},
        CONVOLUTIONS: {"family": "cnn", "synapses": 9},
    }
    shared = (SHARED, CONVOLUTIONS)
    contenders = [
        replace(
            contender(number, 0.8 + bound / 1e7, []),
            study=group,
            group=group,
            architecture={"somata": 1, **families.get(group, families[DENDRITIC])},
            training={"epochs": 60},
            trainable_parameters=bound,
            macs=min(300_000, 6 * bound if group in shared else bound),
        )
        for group in GROUPS
        for number, bound in enumerate(bounds * 10)
    ]
    assert 2 < Race(tmp_path, contenders, SEARCHES).core_hours() < 6


@pytest.mark.parametrize(
    ("family", "changes", "group"),
    [
        ("dann-grf", {"dendrites": 2}, "dendritic"),
        ("dann-conv", {"dendrites": 2}, "dendritic, shared weights"),
        ("dann-grf", {"dendrites": 1}, "one branch"),
        ("dann-conv", {"dendrites": 1}, "one branch"),
        ("dann-lrf", {"dendrite_slope": 1.0}, "linear branches"),
        ("cnn", {}, "convolutions"),
        ("sann-grf", {}, "other controls"),
        ("locally-connected", {}, "other controls"),
    ],
)
def test_controls_are_told_apart(family, changes, group):
    assert group_of(architecture(family, **changes)) == group


def row(bound, group, value=None, p=None):
    measured = {}
    if value is not None:
        measured = {"ahead": {"value": value, "low": value - 0.01, "high": value + 0.01}}
    return {
        "metric": "macs",
        "bound": bound,
        "group": group,
        "trials": 7,
        "network": group,
        "architecture": {
            "family": "dann-r",
            "dendrites": 2,
            "somata": 5,
            "synapses": 4,
            "rewiring": 0.3,
        },
        "trainable_parameters": bound,
        "macs": bound,
        "val_accuracy": 0.9,
        "val_accuracy_sem": 0.01,
        "test_accuracy": 0.9 - (value or 0),
        "test_accuracy_sem": 0.01,
        "p_ahead": p,
        **measured,
    }


def test_a_result_counts_for_dendrites_where_both_controls_are_behind():
    rows = [
        row(100, DENDRITIC),
        row(100, ONE_BRANCH, 0.03, 0.001),
        row(100, LINEAR, 0.02, 0.004),
        row(100, CONVOLUTIONS, -0.05, 1.0),  # is compared, but is no control
        row(200, DENDRITIC),
        row(200, ONE_BRANCH, 0.03, 0.001),
        row(200, LINEAR, 0.0, 0.5),
    ]
    found = p_counts(rows)
    assert found == {("macs", 100): 0.008, ("macs", 200): 0.5}  # Holm's correction for two
    first, second = verdicts(found).splitlines()
    assert first == (
        "- At most 100 MACs: dendritic networks are more accurate than both controls (p = 0.008)."
    )
    assert "200 MACs: dendritic networks are not shown to be more accurate" in second
    assert "| +3.00 (+2.00 to +4.00) |" in table(rows)
    assert "| 100 | 100 | 400 | 450 |" in table(rows)  # 40 synapses take ten bits each


def test_the_picture_has_the_front_of_each_group():
    rows = [row(bound, ONE_BRANCH, -value) for bound, value in ((30, 0.03), (10, 0.01), (20, 0.0))]
    picture = figure(rows)
    assert [trace.name for trace in picture.data] == [*np.repeat(GROUPS, 2), "goal"]
    drawn = picture.data[2 * GROUPS.index(ONE_BRANCH)]
    assert list(drawn.x) == [10, 30]
    assert list(drawn.y) == pytest.approx([91, 93])


def contender(number, search, fresh):
    return Contender(
        study="a",
        trial=number,
        label=f"network {number}",
        architecture={},
        training={},
        trainable_parameters=100,
        macs=100,
        group="dendritic",
        search=(search, 0.01, 2),
        first_seed=2,
        val_accuracy={str(2 + place): value for place, value in enumerate(fresh)},
    )


def test_the_best_third_remains_by_the_seeds_of_search_and_race(tmp_path):
    lucky = contender(0, 0.95, [0.80, 0.80])
    good = [contender(number, 0.90, [0.90, 0.90]) for number in (1, 2)]
    bad = contender(3, 0.80, [0.80, 0.81])
    begun = Race(tmp_path, [lucky, *good, bad], SEARCHES)
    assert begun.due() == (good[0], [4, 5])
    assert begun.due()[0].pooled()[0] == pytest.approx(0.90)
    bad.val_accuracy.clear()
    assert Race(tmp_path, [lucky, *good, bad], SEARCHES).due() == (bad, [2, 3])
