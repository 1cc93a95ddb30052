"""The layout of a study in MLflow: the tags that `tracking` writes and `results` reads.

A study is an experiment with its name, a parent run with the spec, and a child run for each trial.
Metrics have the names of `study.spec.metrics`; those of the learning curves begin with `epoch/`, those
of a confirmation with `confirmed_`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from study.spec.study_spec import StudySpec

LAYOUT_TAG: Final = "study.layout"
"""On the experiment, which it marks as a study: the version of this layout."""

ROLE_TAG: Final = "study.role"
"""On each run: `study` for the parent, `trial` for a child, `retrained` for a retraining of a trial."""

IDENTITY_TAG: Final = "study.identity"
"""On the parent: the identity of the search, as in its journal."""
DATA_TAG: Final = "study.data"
"""On the parent: the SHA-256 of the training, validation and test arrays."""

WITHOUT_TEST_TAG: Final = "study.data_without_test"
"""On the parent: the SHA-256 of the same arrays without test images, as studies it teaches have them."""

FILES_TAG: Final = "study.files"
"""On the parent: the MD5 of the unpacked files of a published data set, by name; JSON."""

CLASSES_TAG: Final = "study.classes"
"""On the parent: the names of the classes in order of their labels, if they have names; JSON."""

EARLIER_TAG: Final = "study.earlier"
"""On the parent: the earlier studies from which it learns, and the SHA-256 of their journals; JSON."""

SPEC_TAG: Final = "study.spec"
"""On the parent: the spec with all defaults as JSON."""

NUMBER_TAG: Final = "study.trial"
"""On a child: Optuna's number of the trial."""

CONFIG_TAG: Final = "study.config"
"""On a child: architecture, training settings and seeds as JSON."""

START_TAG: Final = "study.start"
"""On a child whose configuration the spec starts with: its place among those, from 0."""

CONTINUES_TAG: Final = "study.continues"
"""On a child that continues another one from its checkpoint: the number of that trial."""

STATE_TAG: Final = "study.state"
"""On a child: RUNNING, COMPLETE, PRUNED (stopped early), FAIL, or INTERRUPTED (to be continued)."""

REASON_TAG: Final = "study.reason"
"""On a child that failed: the reason."""

NOTICE_TAG: Final = "study.notice"
"""On a child: its last notice, such as a damaged checkpoint."""

REPLICATES_TAG: Final = "study.replicates"
"""On a child: the metrics of the kept weights, a list in order of the seeds for each, as JSON."""

WORKER_TAG: Final = "study.worker"
"""On a child: host and process of the worker that trained it."""

ENGINE_TAG: Final = "study.engine"
"""On a child: the engine that trained it and its device, such as `compiled on cpu`."""

FRONT_TAG: Final = "on_front"
"""On a child: `true` if the trial is on the front of the study, else `false`."""

RETRAINS_TAG: Final = "study.retrains"
"""On a retraining: the number of the trial whose configuration it has."""

RETRAINING_TAG: Final = "study.retraining"
"""On a retraining: its settings as JSON, which identify it."""

DESCRIPTION_TAG: Final = "mlflow.note.content"
"""MLflow's tag for a description in Markdown."""

PARENT_TAG: Final = "mlflow.parentRunId"
"""MLflow's tag for nested runs: the id of the parent."""

MODEL_TAG: Final = "study.model"
"""On a child that was on the front when it ended: the id of its LoggedModel."""

ENVIRONMENT_TAG: Final = "study.environment"
"""On the parent: versions, commit and machine of its last run, as JSON."""

COMMAND_TAG: Final = "study.command"
"""On the parent: the command that last ran the study."""

TABLE_TAG: Final = "study.table"
"""On the parent: the artifact with the table of trials; without it readers use the runs."""

RUN_STATUS: Final = {
    "RUNNING": "RUNNING",
    "COMPLETE": "FINISHED",
    "PRUNED": "FINISHED",
    "INTERRUPTED": "SCHEDULED",
    "FAIL": "FAILED",
}
"""MLflow's status of a child for each state; its list shows KILLED like FAILED, as a red cross."""

NETWORK_FOLDER: Final = "artifacts/network"
"""Within the folder of a model: the stored network, for `models.load_network`."""


def replicates_text(metrics: Mapping[str, Sequence[float]]) -> str:
    """The text of `REPLICATES_TAG`, with nine digits: a tag of MLflow has at most 8,000 characters."""
    rounded = {name: [float(f"{value:.9g}") for value in metrics[name]] for name in metrics}
    return json.dumps(rounded, separators=(",", ":"))


def spec_tags(spec: StudySpec) -> dict[str, str]:
    """The tags with a spec."""
    return {SPEC_TAG: json.dumps(spec.to_dict())}


def spec_of(tags: Mapping[str, str]) -> StudySpec:
    """Parses the spec in tags.

    Raises KeyError or ValueError if they have no JSON of a spec, SpecError if the spec is invalid.
    """
    return StudySpec.from_dict(json.loads(tags[SPEC_TAG]))
