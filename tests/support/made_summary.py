"""Summaries as `paper.summary` writes them, with the numbers that a test needs."""

from models.architecture import Architecture
from paper.claim_result import ClaimResult
from study.spec.study_spec import StudySpec

GRID = {"sampler": "grid"}


def trial(number, family, parameters, accuracy, **changes):
    """A complete trial of four dendrites and 32 somata; test is a point below validation."""
    return {
        "trial": number,
        "state": "COMPLETE",
        "family": family,
        "dendrites": 4,
        "somata": 32,
        "replicates": 5,
        "trainable_parameters": parameters,
        "val_accuracy": accuracy,
        "val_accuracy_sem": 0.002,
        "test_accuracy": round(accuracy - 0.01, 4),
        "test_accuracy_sem": 0.001,
        "test_loss": round(1 - accuracy, 4),
        "test_loss_sem": 0.003,
        "epochs": 25,
    } | changes


def finding(verdict, **changes):
    values = {
        "statement": "dann-lrf is as accurate as published",
        "source": "Table 1",
        "kind": "accuracy",
        "family": "dann-lrf",
        "published": 0.9,
        "published_sd": 0.002,
        "ours": 0.901,
        "low": 0.899,
        "high": 0.903,
        "unit": "accuracy",
        "seeds": 5,
        "verdict": verdict,
        "reason": "the interval says so",
    }
    return ClaimResult(**(values | changes)).to_dict()


def summary(name, trials, *, findings=(), varied=(), **changes):
    """A summary of these trials, as it is read from its file."""
    families = list(dict.fromkeys(one["family"] for one in trials))
    table = {"name": name, "dataset": "fashion_mnist", "families": families, "replicates": 5}
    options = {"initialization": Architecture(family="mlp", somata=1).initialization}
    return {
        "name": name,
        "note": "",
        "commands": [f"study run paper/specs/{name}.toml"],
        "machine": {"processor": "a processor", "cores": 2, "gpus": []},
        "versions": {"torch": "2.14.1", "ray": "2.60.0"},
        "spec": StudySpec.from_dict(table | {"budget": {"epochs": 25}}).to_dict() | GRID,
        "epochs": [25],
        "replicates": [5],
        "states": {"COMPLETE": len(trials)},
        "hours": {"training": 1.5, "wall": 0.25},
        "settings": options,
        "varied": list(varied),
        "trials": trials,
        "retrained": [],
        "findings": list(findings),
    } | changes
