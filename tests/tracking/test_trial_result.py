import pytest

from study.spec.study_spec import StudySpec
from study.tracking.events import TrialEnded
from study.tracking.trial_result import description, result_metrics, result_names

TABLE = {"name": "made", "dataset": "digits", "families": ["dann-r"]}
SPEC = StudySpec.from_dict(TABLE | {"constraints": ["macs <= 100"]})
METRICS = {
    "epochs": 15.0,
    "val_accuracy": 0.738499999,
    "val_accuracy_sem": 0.0123,
    "test_accuracy": 0.71,
    "trainable_parameters": 2090.0,
    "macs": 100.0,
}


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        ("COMPLETE", {}, {"result/val_accuracy": 0.7385, "result/test_accuracy": 0.71}),
        ("COMPLETE", {"macs": 101.0}, {}),  # it violates the constraint
        ("PRUNED", {}, {}),
        ("INTERRUPTED", {}, {}),
        ("FAIL", {}, {}),
    ],
)
def test_only_complete_feasible_trials_have_a_result_of_four_digits(state, changes, expected):
    assert result_metrics(SPEC, TrialEnded(number=3, state=state), METRICS | changes) == expected


def test_the_first_objective_has_a_result_whatever_it_is():
    objectives = {"macs": "minimize", "val_loss": "minimize", "trainable_parameters": "minimize"}
    names = result_names(StudySpec.from_dict(TABLE | {"objectives": objectives}))
    assert names == ["macs", "val_loss", "val_accuracy", "test_accuracy"]


def test_a_description_says_how_a_trial_ended_and_how_to_see_it():
    kept = TrialEnded(number=3, state="COMPLETE", keep_network=True)
    assert description("made", kept, METRICS) == (
        "Complete after 15 epochs: validation accuracy 73.85 ± 1.23 %, test accuracy 71.00 %, "
        "2,090 parameters. `study show made 3`, `study export made 3`"
    )
    failed = TrialEnded(number=4, state="FAIL", reason="no memory\nmore")
    assert description("made", failed, {}) == "Failed: no memory. `study show made 4`"
    stopped = description("made", TrialEnded(number=5, state="PRUNED"), METRICS | {"epochs": 3.0})
    assert stopped.startswith("Stopped early after epoch 3: validation accuracy 73.85")
