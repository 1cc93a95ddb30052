"""Measurements made by hand: trials with the numbers that a claim is judged by, without a store."""

from dataclasses import asdict

from models import Architecture
from paper.files import claims_of
from paper.measurements import Measurements
from paper.verdict import judge
from study import BadInputError, TrialRecord
from study.training.settings import TrainingSettings


def made_trial(number, family, parameters, val_accuracy, test_accuracy, **changes):
    """A trial of five replicates; losses are what is missing of the accuracies to one."""
    settings = changes.pop("settings", {})
    synapses = None if family in ("vann", "pdann", "mlp") else 4
    dendrites = None if family == "mlp" else 2
    architecture = Architecture(family=family, dendrites=dendrites, somata=8, synapses=synapses)
    values = dict.fromkeys(TrialRecord.__dataclass_fields__) | {
        "trial": number,
        "run_id": f"run{number}",
        "state": "COMPLETE",
        "feasible": True,
        "family": family,
        "architecture": asdict(architecture) | settings,
        "training": asdict(TrainingSettings(epochs=2, learning_rate=0.01)),
        "replicates": 5,
        "trainable_parameters": parameters,
        "val_accuracy": val_accuracy,
        "val_accuracy_sem": 0.001,
        "val_loss": 1 - val_accuracy,
        "val_loss_sem": 0.001,
        "test_accuracy": test_accuracy,
        "test_accuracy_sem": 0.001,
        "test_loss": 1 - test_accuracy,
        "test_loss_sem": 0.001,
        "epochs": 2,
        "on_front": False,
        "diagnostics": {},
    }
    return TrialRecord(**values | changes)


def made_measurements_of(*trials, retrained=()):
    return Measurements(
        records=trials,
        retrained={record.run_id: record for record in retrained},
        studies=dict.fromkeys([record.run_id for record in trials], "a"),
    )


def claim(**table):
    (found,) = claims_of([table])
    return found


def judged(table, *trials, **measurements):
    """The one finding of a claim."""
    (found,) = judge(claim(**table), made_measurements_of(*trials, **measurements))
    return found


def refusal(**table):
    """Why a claim is refused."""
    try:
        claim(**table)
    except BadInputError as error:
        return str(error)
    return None
