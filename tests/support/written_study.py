"""Studies in a store as their writer leaves them, with the numbers that a test needs."""

import json

from mlflow.entities import Metric, Param, RunTag

from models import Architecture
from study import environment, study_folder
from study.home import Home
from study.search.trial import TrialConfig
from study.spec.study_spec import StudySpec
from study.tracking.store import client
from study.tracking.tags import (
    CONFIG_TAG,
    DATA_TAG,
    FRONT_TAG,
    IDENTITY_TAG,
    LAYOUT_TAG,
    NUMBER_TAG,
    ROLE_TAG,
    RUN_STATUS,
    SPEC_TAG,
    STATE_TAG,
    WITHOUT_TEST_TAG,
)
from study.training.train import TrainingSettings
from tests.support.empty_store import put_empty_store


def make_home(folder):
    environment.prepare()
    home = Home(folder=folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")
    put_empty_store(home)
    return home


def write_study(home, name, trials, data=None, **spec):
    """`data` is the hash of its arrays, and of those without test images.

    `trials` are (state, val_accuracy, sem, parameters), all of family dann-r but if a fifth says.
    """
    table = {"name": name, "dataset": "digits", "families": ["dann-r", "vann"]} | spec
    store = client(home)
    experiment = store.create_experiment(name, tags={LAYOUT_TAG: study_folder.LAYOUT})
    tags = {ROLE_TAG: "study", IDENTITY_TAG: name}
    tags |= {} if data is None else {DATA_TAG: data, WITHOUT_TEST_TAG: data}
    tags[SPEC_TAG] = json.dumps(StudySpec.from_dict(table).to_dict())
    store.create_run(experiment, run_name=name, tags=tags)
    for number, trial in enumerate(trials):
        write_trial(store, experiment, number, *trial)
    return experiment


def write_trial(
    store, experiment, number, state, accuracy, sem, parameters, family="dann-r", front="true"
):
    synapses = None if family == "vann" else 4
    config = TrialConfig(
        number=number,
        architecture=Architecture(family=family, dendrites=2, somata=8, synapses=synapses),
        training=TrainingSettings(epochs=2, learning_rate=0.01),
        seeds=(0, 1),
    )
    tags = {
        ROLE_TAG: "trial",
        NUMBER_TAG: str(number),
        CONFIG_TAG: json.dumps(config.to_dict()),
        STATE_TAG: "RUNNING",
        FRONT_TAG: "false",
    }
    run_id = store.create_run(experiment, start_time=1000 + number, tags=tags).info.run_id
    metrics = {"trainable_parameters": parameters, "macs": parameters, "epochs": 2}
    if accuracy is not None:
        metrics |= {"val_accuracy": accuracy, "val_loss": 1 - accuracy}
        metrics |= {} if sem is None else {"val_accuracy_sem": sem}
    store.log_batch(
        run_id,
        [Metric(key, value, 0, 2) for key, value in metrics.items()],
        [Param("family", family)],
        [
            RunTag(STATE_TAG, state),
            RunTag(FRONT_TAG, front if state == "COMPLETE" else "false"),
        ],
    )
    store.set_terminated(run_id, status=RUN_STATUS[state])
    return run_id
