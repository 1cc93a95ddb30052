"""The ledger of a study as optuna-dashboard shows it: the real program on the real journal."""

import json

import pytest
import requests

from study import Home
from study.results import answers
from tests.support.processes import PATIENCE_S

pytestmark = pytest.mark.slow


def test_it_shows_objectives_front_and_what_is_known_of_a_trial(dashboard, small_study):
    (summary,) = requests.get(f"{dashboard}/api/studies", timeout=PATIENCE_S).json()[
        "study_summaries"
    ]
    assert summary["study_name"] == "small"
    shown = requests.get(
        f"{dashboard}/api/studies/{summary['study_id']}", timeout=PATIENCE_S
    ).json()
    assert shown["directions"] == ["maximize", "minimize"]
    assert shown["objective_names"] == ["val_accuracy", "trainable_parameters"]
    of_study = {item["key"]: item["value"] for item in summary["user_attrs"]}
    # Of trials that ended before their run was made.
    late = json.loads(of_study.get("mlflow_run_ids", "{}"))
    records = answers.records("small", home=Home.find(small_study.home))
    assert len(shown["trials"]) == len(records)
    for record, trial in zip(records, shown["trials"], strict=True):
        assert trial["values"] == [record.val_accuracy, record.trainable_parameters]
        attributes = {item["key"]: item["value"] for item in trial["user_attrs"]}
        assert json.loads(attributes["metrics"])["val_accuracy_sem"] == record.val_accuracy_sem
        assert attributes.get("mlflow_run_id", late.get(str(record.trial))) == record.run_id
    front = {trial["number"] for trial in shown["best_trials"]}
    assert front == {record.trial for record in records if record.on_front}
