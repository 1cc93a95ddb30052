"""Reading a study that moves, that was damaged, or of which a trial was written twice."""

import json
import math
import threading
from pathlib import Path

import pytest

from study.errors import NotFoundError, StudyError
from study.home import Home
from study.report import figures
from study.results import answers, comparison, no_match, study_status
from study.results.query import Filters
from study.results.reader import read_study
from study.results.record import to_frame
from study.tracking.store import client
from tests.support.written_study import make_home, write_study, write_trial

TRIALS = [
    ("COMPLETE", 0.8, 0.01, 1000),
    ("COMPLETE", 0.9, 0.01, 2000),
    ("COMPLETE", 0.7, 0.01, 3000),
    ("RUNNING", None, None, 500),
]

CHEAP = {"trainable_parameters": "minimize", "val_accuracy": "maximize"}


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path)


@pytest.mark.slow
def test_the_front_is_of_the_marked_trials_and_right_where_a_mark_is_late(home):
    write_study(home, "made", TRIALS)  # trial 2 is still marked, though others are better by now
    assert [record.trial for record in answers.front("made", home=home)] == [0, 1]
    assert [record.on_front for record in answers.best_configs("made", home=home)] == [
        True,
        True,
        False,
    ]


def test_the_best_trial_is_best_in_the_first_objective_and_of_equals_the_smallest(home):
    write_study(home, "made", [*TRIALS, ("COMPLETE", 0.9, 0.01, 1500)])
    write_study(home, "cheap", TRIALS, objectives=CHEAP)
    write_study(home, "empty", [])
    for name, number in (("made", 4), ("cheap", 0)):
        stored = read_study(name, home)
        assert stored.best.trial == stored.trial(None).trial == number
        assert study_status.status(name, home=home).best == answers.best_configs(name, home=home)[0]
    assert study_status.status("cheap", home=home).best.trial == 0
    assert read_study("empty", home).best is None


def test_a_trial_within_the_standard_errors_is_on_the_confident_front_alone(home):
    near, far, unknown = (
        ("COMPLETE", 0.895, 0.01, 2500),
        ("COMPLETE", 0.85, 0.01, 2600),
        ("COMPLETE", 0.899, None, 2700),
    )
    write_study(home, "made", [*TRIALS[:2], near, far, unknown, ("PRUNED", 0.99, 0.0, 10)])
    assert [record.trial for record in answers.front("made", home=home)] == [0, 1]
    found = answers.front("made", home=home, confident=True)
    assert [(record.trial, record.on_front) for record in found] == [
        (0, True),
        (1, True),
        (2, False),
        (4, False),
    ]


def test_a_trial_that_continues_another_one_replaces_it_once_it_is_complete(home):
    complete, stopped = ("COMPLETE", 0.9, 0.01, 1000), ("PRUNED", 0.5, 0.01, 500)
    better = ("COMPLETE", 0.85, 0.01, 1000)  # less accurate than before, and yet the newer one
    trials = [complete, stopped, better, stopped, ("COMPLETE", 0.7, 0.01, 900), stopped]
    experiment = write_study(home, "made", trials)
    store = client(home)
    for run in store.search_runs([experiment], "tags.`study.role` = 'trial'"):
        before = {"2": "0", "3": "1", "5": "4"}.get(run.data.tags["study.trial"])
        if before is not None:
            store.set_tag(run.info.run_id, "study.continues", before)
            store.log_metric(run.info.run_id, "epochs", 5, step=5)
    assert [record.trial for record in answers.front("made", home=home)] == [4, 2]
    assert [record.trial for record in answers.best_configs("made", home=home)] == [2, 4]
    found = answers.trials("made", home=home)
    assert found["continues"].dropna().to_dict() == {2: 0, 3: 1, 5: 4}
    status = study_status.status("made", home=home)
    assert (status.trials, status.epochs) == (3, 3 * 2 + 3 * 3)
    drawn = [text for trace in figures.front("made", home=home).data for text in trace.text or ()]
    shown = {number for number in range(6) if any(f"trial {number}:" in text for text in drawn)}
    assert shown == {1, 2, 3, 4, 5}


def test_of_a_trial_with_two_runs_the_older_counts(home):
    experiment = write_study(home, "made", TRIALS)
    store = client(home)
    write_trial(store, experiment, 2, "COMPLETE", 0.99, 0.0, 10)
    second = store.search_runs([experiment], "metrics.val_accuracy > 0.98")[0]
    assert second.info.start_time == 1002
    store.delete_run(second.info.run_id)
    late = store.create_run(experiment, start_time=5000, tags=second.data.tags).info.run_id
    store.log_metric(late, "val_accuracy", 0.99)
    assert [record.val_accuracy for record in answers.records("made", home=home)] == [
        0.8,
        0.9,
        0.7,
        None,
    ]
    assert study_status.status("made", home=home).states == {"COMPLETE": 3, "RUNNING": 1}


def test_diagnostics_are_read_with_a_trial_and_are_columns_of_its_table(home):
    # As many layers as the largest network of the study has.
    space = {"space": {"layers": [1, 2], "synapses": 4}, "diagnostics": ["activity"]}
    experiment = write_study(home, "made", TRIALS[:2], **space)
    store = client(home)
    run = store.search_runs([experiment], "metrics.trainable_parameters = 2000")[0].info.run_id
    name = "layer2_somata_entropy"
    values = {name: 2.5, f"{name}_sem": 0.25, f"test_{name}": 2.0, "lowest_loss_epoch": 3.0}
    for key, value in values.items():
        store.log_metric(run, key, value)
    without, found = answers.records("made", home=home)
    assert without.diagnostics == {}
    del values["lowest_loss_epoch"]  # the study does not ask for its group
    assert found.diagnostics == values
    frame = to_frame([without, found])
    assert math.isnan(frame[name][0])
    assert frame[f"test_{name}"][1] == 2.0
    (first,) = answers.records("made", home=home, order=[name], limit=1)
    assert first.trial == 1


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("study.config", "must hold a trial as this version writes it"),
        ("study.spec", "hold a spec"),
    ],
)
def test_a_damaged_run_is_named(tag, message, home):
    experiment = write_study(home, "made", TRIALS)
    store = client(home)
    damaged = store.search_runs([experiment], f"tags.`{tag}` IS NOT NULL")[0].info.run_id
    store.set_tag(damaged, tag, "{")
    with pytest.raises(StudyError, match=f"{damaged} of study 'made' .*{message}") as caught:
        answers.records("made", home=home)
    assert caught.value.exit_status == 1
    assert "\n" not in str(caught.value)


def test_a_trial_that_breaks_a_constraint_is_passed_over_until_enough_are_found(home):
    trials = [("COMPLETE", 0.5 + 0.01 * number, 0.0, 1000 + number) for number in range(30)]
    write_study(home, "made", trials, constraints=["val_accuracy <= 0.6"])
    found = answers.best_configs("made", limit=3, home=home)
    assert [record.trial for record in found] == [10, 9, 8]


@pytest.mark.slow
def test_every_question_is_answered_while_a_study_is_written_from_another_folder(
    home, tmp_path_factory, monkeypatch
):
    elsewhere = Home.find(tmp_path_factory.mktemp("elsewhere"), home.tracking_uri)
    monkeypatch.chdir(elsewhere.folder)
    experiment = write_study(home, "made", TRIALS[:2])
    write_study(home, "other", TRIALS)
    written, asked, failed = threading.Event(), threading.Event(), []

    def write():
        store = client(home)
        for number in range(2, 40):
            accuracy = 0.9 + 0.001 * number
            write_trial(store, experiment, number, "COMPLETE", accuracy, 0.001, 2000 + number)
            written.set()
            if asked.is_set() and number > 10:
                return

    def guarded():
        try:
            write()
        except Exception as error:  # noqa: BLE001  # whatever it is, the test must hear of it
            failed.append(error)
            written.set()

    writer = threading.Thread(target=guarded)
    writer.start()
    written.wait()
    sizes = []
    while writer.is_alive():
        front = answers.front("made", home=elsewhere)
        assert [one.trial for one in front] == sorted(one.trial for one in front)
        assert front[0].trial == 0
        status = study_status.status("made", home=elsewhere)
        found = answers.trials("made", home=elsewhere)
        assert len(found) >= sum(status.states.values()) >= len(front)
        sizes.append(len(found))
        (best,) = answers.best_configs("made", limit=1, home=elsewhere)
        assert best.val_accuracy >= status.best.val_accuracy
        assert answers.knee("made", home=elsewhere).on_front
        assert len(answers.front("made", home=elsewhere, confident=True)) >= 1
        comparison.compare(["made", "other"], home=elsewhere)
        no_match.explain_no_match("made", elsewhere, Filters(max_parameters=1))
        assert [study.name for study in study_status.list_studies(home=elsewhere)] == [
            "made",
            "other",
        ]
        json.dumps([one.to_dict() for one in answers.records("made", home=elsewhere)])
        asked.set()
    writer.join()
    assert failed == []
    assert sizes == sorted(sizes)
    assert list(Path.cwd().iterdir()) == []  # nothing is written where it is asked


def confirm(home, experiment, confirmed):
    """Adds values with two further seeds to trials of `write_study`, by their sizes."""
    store = client(home)
    for size, accuracy in confirmed.items():
        where = f"metrics.trainable_parameters = {size}"
        run = store.search_runs([experiment], where)[0].info.run_id
        metrics = {"confirmed_replicates": 2, "confirmed_val_accuracy": accuracy}
        for name, value in (metrics | {"confirmed_val_accuracy_sem": 0.01}).items():
            store.log_metric(run, name, value)


def test_what_is_selected_is_selected_by_pooled_values_and_the_confirmed_come_first(home):
    trials = [*TRIALS[:2], ("COMPLETE", 0.89, 0.01, 2500), ("COMPLETE", 0.95, 0.01, 5000)]
    experiment = write_study(home, "made", trials, replicates=2)
    write_study(home, "other", trials[:1])
    before = answers.front("made", home=home)
    assert [record.trial for record in before] == [0, 1, 3]
    confirm(home, experiment, {1000: 0.82, 2000: 0.70, 5000: 0.85})
    found = answers.records("made", home=home)
    assert [record.on_front for record in found] == [True, False, False, True]
    assert [record.val_accuracy for record in found] == [0.8, 0.9, 0.89, 0.95]
    assert [record.confirmed_val_accuracy for record in found] == [0.82, 0.70, None, 0.85]
    assert [record.pooled("val_accuracy")[0] for record in found] == pytest.approx(
        [0.81, 0.80, 0.89, 0.90]
    )
    # Whatever is asked, trial 2 is as optimistic as the others were, so it comes last.
    best = answers.best_configs("made", home=home)
    assert [record.trial for record in best] == [3, 0, 1, 2]
    assert answers.smallest("made", min_accuracy=0.85, home=home).trial == 3
    assert [
        record.trial for record in answers.records("made", order=["val_accuracy"], home=home)
    ] == [
        3,
        2,
        0,
        1,
    ]
    assert {record.trial for record in answers.front("made", home=home, confident=True)} >= {0, 3}
    status = study_status.status("made", home=home)
    assert (status.best.trial, status.front, status.confirmed) == (3, 2, 2)
    compared = comparison.compare(["made", "other"], home=home)
    assert [record.trial for name, record in compared.front if name == "made"] == [0, 3]
    assert "made: 2 further seeds; other: no further seeds" in compared.differences[-1]
    row = compared.frame().loc["made"]
    assert (row["best_val_accuracy"], row["best_confirmed_val_accuracy"]) == (0.95, 0.85)


def test_an_unconfirmed_trial_that_is_more_accurate_is_not_less_accurate(home):
    trials = [("COMPLETE", 0.9, 0.01, 1000), ("COMPLETE", 0.97, 0.01, 2500)]
    confirm(home, write_study(home, "made", trials, replicates=2), {1000: 0.9})
    for confident in (False, True):
        best = answers.best_configs("made", home=home, confident=confident)
        assert [record.trial for record in best] == [0, 1]
    assert study_status.status("made", home=home).best.trial == 0  # as of export and predict


def test_an_empty_answer_of_a_confirmed_study_is_about_pooled_values(home):
    trials = [("COMPLETE", 0.97, 0.01, 1000)]
    confirm(home, write_study(home, "made", trials, replicates=2), {1000: 0.93})
    assert answers.best_configs("made", home=home, min_accuracy=0.96) == []
    said = no_match.explain_no_match("made", home, Filters(min_accuracy=0.96))
    assert said.endswith("the closest: val_accuracy 0.95 (trial 0)")


def test_where_no_complete_trial_keeps_the_constraints_there_is_no_best_one(home):
    trials = [("COMPLETE", 0.9, 0.01, 1000)]
    write_study(home, "strict", trials, constraints=["val_accuracy >= 0.95"])
    with pytest.raises(NotFoundError, match="no complete trial that satisfies the constraints yet"):
        read_study("strict", home).trial(None)


def test_the_trials_of_a_grid_are_no_more_than_it_has(home):
    space = {"somata": [8, 16], "dendrites": 2, "synapses": 4, "learning_rate": 0.01}
    space |= {"schedule": "constant"}
    table = {"sampler": "grid", "families": ["dann-r"], "space": space, "budget": {"trials": 100}}
    write_study(home, "made", TRIALS[:2], **table)
    assert study_status.status("made", home=home).budget == 2
