"""How a study lies in MLflow: what `tracking` writes and `results` reads.

One experiment a study, with the study's name; in it one parent run with the spec, and a child run a
trial. Metrics have the names of `study.spec.metrics`; `epoch/...` holds the curves.
"""

from typing import Final

LAYOUT: Final = "2"

LAYOUT_TAG: Final = "study.layout"
"""On the experiment: marks it as a study, and says by which version of this page."""

ROLE_TAG: Final = "study.role"
"""On each run: `study` for the parent, `trial` for a child."""

IDENTITY_TAG: Final = "study.identity"
"""On the parent: the search that the runs belong to, as its journal knows it."""

SPEC_TAG: Final = "study.spec"
"""On the parent: the whole spec as JSON, but for its claims."""

CLAIMS_TAG: Final = "study.claims"
"""On the parent: how many claims the spec has; each is JSON under this name, a dot and its place."""

NUMBER_TAG: Final = "study.trial"
"""On a child: Optuna's number of the trial."""

CONFIG_TAG: Final = "study.config"
"""On a child: architecture, training settings and seeds as JSON."""

STATE_TAG: Final = "study.state"
"""On a child: RUNNING, COMPLETE, PRUNED (stopped early), INFEASIBLE (it broke a constraint before
training), FAIL, or INTERRUPTED (to be continued)."""

REASON_TAG: Final = "study.reason"
"""On a child that failed or is infeasible: why."""

NOTICE_TAG: Final = "study.notice"
"""On a child: what happened to it on the way, such as a damaged checkpoint."""

WORKER_TAG: Final = "study.worker"
"""On a child: host and process of the worker that trained it."""

FRONT_TAG: Final = "on_front"
"""On a child: `true` while the trial is on the front of the study, else `false`."""

PARENT_TAG: Final = "mlflow.parentRunId"
"""MLflow's own tag, by which its UI nests children under their parent."""

MODEL_TAG: Final = "study.model"
"""On a child that was on the front when it ended: the id of its LoggedModel."""

ENVIRONMENT_TAG: Final = "study.environment"
"""On the parent: versions, source and machine that the study was last run with, as JSON."""

COMMAND_TAG: Final = "study.command"
"""On the parent: the command that last ran the study."""

RUN_STATUS: Final = {
    "RUNNING": "RUNNING",
    "COMPLETE": "FINISHED",
    "PRUNED": "KILLED",
    "INFEASIBLE": "KILLED",
    "INTERRUPTED": "KILLED",
    "FAIL": "FAILED",
}
"""MLflow's status of a child for each state."""
