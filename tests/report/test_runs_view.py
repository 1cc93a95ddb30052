import json

from study.report.mlflow_page import VIEW_TAG, runs_page, runs_view
from study.spec.study_spec import StudySpec

METRICS = ("val_accuracy", "test_accuracy", "trainable_parameters", "macs", "epochs")


def _state(**objectives):
    known = {"name": "digits", "dataset": {"name": "digits"}, "families": ["vann"]}
    spec = StudySpec.from_dict(known | ({"objectives": objectives} if objectives else {}))
    view = json.loads(runs_view(spec, 1_700_000_000_000))
    assert (view["name"], view["createdAt"]) == ("Trials", 1_700_000_000_000)
    return json.loads(view["state"])


def test_the_best_by_the_first_objective_come_first():
    state = _state()
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`val_accuracy`", False)
    state = _state(seconds="minimize", val_accuracy="maximize")
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`seconds`", True)


def test_every_objective_has_a_column_once():
    columns = _state(val_loss="minimize", macs="minimize", seconds="minimize")["selectedColumns"]
    metrics = [column for column in columns if column.startswith("metrics.")]
    assert metrics == [f"metrics.`{name}`" for name in ("val_loss", *METRICS, "seconds")]


def test_a_page_names_the_view_only_where_it_is_stored():
    plain = runs_page("7", {})
    assert plain == "#/experiments/7/runs?workflowType=machine_learning"
    assert runs_page("7", {VIEW_TAG: "{}"}) == f"{plain}&viewStateShareKey=trials"
