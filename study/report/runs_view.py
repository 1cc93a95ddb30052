"""How MLflow's UI shows the runs of a study at once: its trials, with the columns that matter, sorted.

MLflow keeps a view of the runs table as a tag of the experiment, as "Save view" on that page writes it
(seen in MLflow 3.17): the filter, the order and the columns as JSON, within JSON that has the name. A
link names the tag's key; nothing of this is recorded anywhere else, so a UI that does not know it
shows its own table.
"""

import json
from collections.abc import Mapping
from typing import Final

from study.spec.study_spec import StudySpec
from study.tracking.tags import FRONT_TAG, ROLE_TAG, STATE_TAG

_KEY: Final = "trials"

VIEW_TAG: Final = f"mlflow.sharedViewState.{_KEY}"
"""On the experiment: the view, under MLflow's own prefix."""

_PAGE: Final = "workflowType=machine_learning"  # else the page is that of language model agents
_METRICS: Final = ("val_accuracy", "test_accuracy", "trainable_parameters", "macs", "epochs")
_RUN: Final = ("attributes.`Run Name`", "runDateAndNestInfo", "duration")  # columns that always are
_WIDTHS: Final = {  # in pixels, of MLflow's columns
    "attributes.`Run Name`": 188,
    "runDateAndNestInfo": 140,
    "duration": 75,
    "metrics.`test_accuracy`": 107,
    "metrics.`trainable_parameters`": 145,
    "metrics.`macs`": 80,
    "metrics.`epochs`": 70,
    f"tags.`{FRONT_TAG}`": 75,
    f"tags.`{STATE_TAG}`": 95,
    "params.`family`": 80,
}


def runs_view(spec: StudySpec, created: int) -> str:
    """The value of the tag: trials by the first objective, the best first, every objective a column.

    `created` is in milliseconds since 1970.
    """
    first, way = next(iter(spec.objectives.items()))
    columns = [
        *(f"metrics.`{name}`" for name in dict.fromkeys((first, *_METRICS, *spec.objectives))),
        f"tags.`{FRONT_TAG}`",
        f"tags.`{STATE_TAG}`",
        "params.`family`",
    ]
    state = {
        "searchFilter": f"tags.`{ROLE_TAG}` = 'trial'",
        "orderByKey": f"metrics.`{first}`",
        "orderByAsc": way == "minimize",
        "selectedColumns": columns,
        "columnOrder": [*_RUN, *columns],
        "columnWidths": _WIDTHS,
        "runsHiddenMode": "SHOW_ALL",  # of its charts, which by default have ten runs
    }
    return json.dumps({"name": "Trials", "createdAt": created, "state": json.dumps(state)})


def runs_page(experiment_id: str, tags: Mapping[str, str]) -> str:
    """The address of the runs table within MLflow's UI, in the study's view if `tags` have it.

    `tags` are those of the experiment.
    """
    view = f"&viewStateShareKey={_KEY}" if VIEW_TAG in tags else ""
    return f"#/experiments/{experiment_id}/runs?{_PAGE}{view}"


def report_page(experiment_id: str, run_id: str) -> str:
    """The address of the report within MLflow's UI; `run_id` is the parent's."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/report.html?{_PAGE}"
