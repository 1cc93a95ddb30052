from study.report.early_stopping import Cut, cuts, stopping_members, stopping_section
from study.results.curves import Curve
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

MADE = {"name": "made", "dataset": "digits", "families": ["dann-r"], "budget": {"epochs": 20}}
SPEC = StudySpec.from_dict(MADE)
RECORDS = [
    record(0, trial(0.9, epochs=20), SPEC, on_front=True),
    record(1, trial(0.8, state="PRUNED", epochs=4), SPEC),
    record(2, trial(0.8, state="PRUNED", epochs=8), SPEC),
    record(3, trial(0.8, state="FAIL", epochs=5), SPEC),
    record(4, trial(0.8, state="FAIL", epochs=0), SPEC),
    record(5, trial(0.8, state="INTERRUPTED", epochs=9), SPEC),
]
CURVES = {
    one.run_id: Curve([1, one.epochs], [0.5, one.val_accuracy], [0, 0])
    for one in RECORDS
    if one.epochs
}


def test_at_each_rung_it_is_counted_who_came_and_who_was_stopped():
    assert cuts(SPEC, RECORDS) == [Cut(4, 5, 1), Cut(8, 3, 1), Cut(16, 1, 0)]


def test_the_rungs_and_the_end_of_each_trial_are_marked():
    panel = stopping_section(SPEC, RECORDS, "val_accuracy", CURVES)
    assert "1 of 5 after epoch 4, 1 of 3 after epoch 8, 0 of 1 after epoch 16" in panel.text
    figure = panel.figure
    assert [shape.x0 for shape in figure.layout.shapes] == [4, 8, 16]
    assert [note.text for note in figure.layout.annotations] == ["1 cut", "1 cut", "0 cut"]
    ends = {trace.name: list(trace.x) for trace in figure.data if trace.mode == "markers"}
    assert ends == {
        "complete": [20],
        "stopped early": [4, 8],
        "failed": [5],
        "running or interrupted": [9],
    }


def test_of_many_trials_some_are_drawn_the_front_among_them():
    many = [record(n, trial(0.8, epochs=4), SPEC, on_front=n == 777) for n in range(1000)]
    chosen = stopping_members(many)
    assert len(chosen) == 200
    assert 777 in {one.trial for one in chosen}
    text = stopping_section(SPEC, many, "val_accuracy", {"run777": CURVES["run0"]}).text
    assert "The figure shows 200 of 1,000 trials" in text


def test_a_scheduler_of_one_objective_is_reported():
    asha = StudySpec.from_dict(MADE | {"stopping": {"scheduler": "asha"}})
    text = stopping_section(asha, RECORDS, "val_accuracy", CURVES).text
    assert "compared by their validation accuracy, and" in text
    nothing = StudySpec.from_dict(MADE | {"stopping": {"scheduler": "none"}})
    assert stopping_section(nothing, RECORDS, "val_accuracy", CURVES).figure is None
