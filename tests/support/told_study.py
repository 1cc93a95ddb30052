"""A study as its driver tells it to a tracker, without anything being trained."""

import time

import numpy as np

from models import Architecture, build, save_network
from study.runner import resume
from study.search.storage import SearchStorage
from study.search.trial import Outcome, TrialConfig
from study.spec.study_spec import StudySpec
from study.study_folder import EXAMPLE, NETWORK, trial_folder
from study.tracking.tracker import Tracker
from study.training.settings import TrainingSettings

TRIALS, EPOCHS = 12, 30
STATES = ("COMPLETE", "PRUNED", "FAIL")


NAME = "made"


def opened(home, name=NAME):
    """A tracker of a new study."""
    table = {"name": name, "dataset": "digits", "families": ["dann-r"]}
    spec = StudySpec.from_dict(table)
    folder = home.study_folder(name)
    resume.store_spec(folder, spec)
    SearchStorage(spec, folder.journal)
    tracker = Tracker(folder, home)
    tracker.start({})
    return tracker


def metrics_of(number, epoch):
    return {
        "epochs": epoch,
        "trainable_parameters": 100 + number,
        "val_accuracy": (number * EPOCHS + epoch) / 997,
        "epoch/val_loss": 1 / (number * EPOCHS + epoch),
        "epoch/train_loss": float(epoch % 3),  # the same value again and again
    }


def begin(tracker, number):
    architecture = Architecture(family="dann-r", dendrites=2, somata=16, synapses=4)
    training = TrainingSettings(epochs=EPOCHS, learning_rate=0.01)
    trial = TrialConfig(number=number, architecture=architecture, training=training, seeds=(0, 1))
    tracker.begin_trial(trial)
    return trial


def end(tracker, trial, home, name=NAME):
    """Ends it with a state by its number; complete ones are on the front."""
    place = trial_folder(home.study_folder(name).trials, trial.number)
    save_network(build(trial.architecture, (1, 4, 4), 3, trial.seeds), place / NETWORK)
    np.save(place / EXAMPLE, np.zeros((2, 1, 4, 4), np.uint8))
    state = STATES[trial.number % 3]
    outcome = Outcome(state=state, reason="it broke" if state == "FAIL" else None)
    tracker.end_trial(trial.number, outcome, keep_network=state == "COMPLETE")
    tracker.mark_front({trial.number: state == "COMPLETE"})
    tracker.log_study(trial.number + 1, {"hypervolume": (trial.number + 1) / 100})


def push(tracker, home, numbers, pause_s=0.0, name=NAME):
    """The whole of some trials, two at a time as workers report them."""
    for pair in zip(numbers[::2], numbers[1::2], strict=True):
        trials = [begin(tracker, number) for number in pair]
        for epoch in range(1, EPOCHS + 1):
            for trial in trials:
                tracker.log_epoch(trial.number, metrics_of(trial.number, epoch), worker="host:1")
            time.sleep(pause_s)
        for trial in trials:
            end(tracker, trial, home, name)
