"""The lines of the spool: each event comes back as it was, and nothing else passes for one."""

import json
import math

import pytest

from models import Architecture
from study.search.trial import TrialConfig
from study.tracking.events import (
    FrontChanged,
    ReplicatesReported,
    StudyBegun,
    StudyEnded,
    StudyReported,
    TrialBegun,
    TrialEnded,
    TrialNoticed,
    TrialReported,
    from_json,
)
from study.training.settings import TrainingSettings

TRIAL = TrialConfig(
    number=3,
    architecture=Architecture(family="dann-r", dendrites=2, somata=8, synapses=4),
    training=TrainingSettings(epochs=2, learning_rate=0.01),
    seeds=(0, 1),
)
EVENTS = [
    StudyBegun(timestamp=1, tags={"study.command": "study run"}),
    TrialBegun(trial=TRIAL, timestamp=1),
    TrialReported(
        number=3,
        timestamp=1,
        epoch=2,
        metrics={"val_loss": 1 / 7},
        worker="host:1",
        engine="torch on cpu",
    ),
    ReplicatesReported(number=3, metrics={"val_accuracy": [0.5, 0.25]}),
    TrialNoticed(number=3, notice="two\nlines"),
    TrialEnded(number=3, timestamp=1, state="FAIL", reason="it broke"),
    FrontChanged(changes={3: True, 12: False}),
    StudyReported(step=4, timestamp=1, metrics={"hypervolume": 0.5}),
    StudyEnded(timestamp=1, status="FINISHED"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_from_its_line(event):
    line = event.to_json()
    assert "\n" not in line
    assert from_json(line) == event


def test_what_is_not_a_number_comes_back_as_that():
    event = TrialReported(number=3, timestamp=1, epoch=2, metrics={"val_loss": math.nan})
    assert math.isnan(from_json(event.to_json()).metrics["val_loss"])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "{}",
        '["flush"]',
        '["__init__", {}]',
        '["StudyEnded", {"timestamp": 1}]',
        '["StudyEnded", [1, "FINISHED"]]',
        '["TrialEnded", {"number": -1, "timestamp": 1, "state": "COMPLETE"}]',
        '["TrialEnded", {"number": 1, "timestamp": 1, "state": "DONE"}]',
        "[" * 100_000,
        json.dumps(["TrialBegun", {"timestamp": 1, "trial": TRIAL.to_dict() | {"seeds": 1}}]),
        EVENTS[1].to_json().replace("dann-r", "no family"),
    ],
)
def test_a_line_that_is_no_event_is_an_error_of_value(line):
    with pytest.raises(ValueError, match=r"."):
        from_json(line)
