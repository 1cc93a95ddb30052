import json

from study.report.mlflow_page import VIEW_TAG, runs_page, runs_view
from study.spec.study_spec import StudySpec


def _state(**objectives):
    known = {"name": "digits", "dataset": {"name": "digits"}, "families": ["vann"]}
    spec = StudySpec.from_dict(known | ({"objectives": objectives} if objectives else {}))
    view = json.loads(runs_view(spec, 1_700_000_000_000))
    assert (view["name"], view["createdAt"]) == ("Trials", 1_700_000_000_000)
    return json.loads(view["state"])


def test_the_best_by_the_first_objective_come_first():
    state = _state()
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`result/val_accuracy`", False)
    state = _state(seconds="minimize", val_accuracy="maximize")
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`result/seconds`", True)


def test_the_first_objective_and_the_front_come_first_and_every_objective_has_a_column_once():
    columns = _state(val_loss="minimize", macs="minimize", seconds="minimize")["selectedColumns"]
    assert columns[:2] == ["metrics.`result/val_loss`", "tags.`on_front`"]
    metrics = [column for column in columns if column.startswith("metrics.")]
    names = ("result/val_loss", "trainable_parameters", "macs", "result/seconds")
    names += ("result/val_accuracy", "result/test_accuracy", "epochs")
    assert metrics == [f"metrics.`{name}`" for name in names]


def test_the_first_chart_is_the_first_objective_over_a_cost():
    for objectives, x, y in (
        ({}, "trainable_parameters", "result/val_accuracy"),
        ({"val_loss": "minimize", "macs": "minimize"}, "macs", "result/val_loss"),
        ({"val_accuracy": "maximize"}, "trainable_parameters", "result/val_accuracy"),
        ({"trainable_parameters": "minimize"}, "macs", "result/trainable_parameters"),
    ):
        (chart,) = _state(**objectives)["compareRunCharts"]
        assert (chart["xaxis"]["key"], chart["yaxis"]["key"]) == (x, y)


def test_a_page_names_the_view_only_where_it_is_stored():
    plain = runs_page("7", {})
    assert plain == "#/experiments/7/runs?workflowType=machine_learning"
    view = {VIEW_TAG: "{}"}
    assert runs_page("7", view) == f"{plain}&viewStateShareKey=trials"
    assert runs_page("7", view, chart=True) == f"{runs_page('7', view)}&compareRunsMode=CHART"
