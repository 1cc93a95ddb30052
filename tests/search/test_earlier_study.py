"""What an earlier study is worth: epochs until 90 % of the hypervolume, on tasks with a known truth."""

import math
from dataclasses import dataclass

import moocore
import numpy as np
import optuna
import pytest

from study.search.ehvi import EHVISampler
from study.search.objective import Known

EPOCHS = 15
WIDTHS = [16, 64, 256]
WASTE = {"a": 1.0, "b": 1.4, "c": 1.7, "d": 2.2}
REFERENCE = [math.log10(0.5), math.log10(2700)]
SEEDS = (0, 1, 3)


@dataclass(frozen=True)
class Task:
    """The best settings, how difficult the data are, and which families waste parameters."""

    rate: float = -2
    dropout: float = 0.2
    decay: float = -4
    difficulty: float = 1.0
    reverse: bool = False

    def error(self, params, epoch=EPOCHS):
        off = 0.12 * (math.log10(params["rate"]) - self.rate) ** 2
        off += 2 * (params["dropout"] - self.dropout) ** 2
        off += 0.06 * (math.log10(params["decay"]) - self.decay) ** 2
        waste = WASTE["dcba"["abcd".index(params["family"])] if self.reverse else params["family"]]
        error = self.difficulty * waste * (0.3 * size(params) ** -0.3 + 0.25 * off)
        return min(error * (1 + 0.5 / epoch), 0.9)

    def point(self, params):
        return [math.log10(self.error(params)), math.log10(size(params))]

    def best(self):
        settings = {"rate": 10**self.rate, "dropout": self.dropout, "decay": 10**self.decay}
        settings["family"] = "d" if self.reverse else "a"
        networks = [
            {"width": width, "dendrites": count} for width in WIDTHS for count in range(1, 9)
        ]
        return hypervolume([self.point(settings | network) for network in networks])


NEW = Task()
RELATED = Task(rate=-2.3, dropout=0.3, decay=-3.6, difficulty=0.7)
UNRELATED = Task(rate=-4, dropout=0.8, decay=-1.5, reverse=True)


def space(trial):
    trial.suggest_categorical("family", list(WASTE))
    trial.suggest_categorical("width", WIDTHS)
    trial.suggest_int("dendrites", 1, 8, log=True)
    trial.suggest_float("rate", 1e-5, 1, log=True)
    trial.suggest_float("dropout", 0, 0.9)
    trial.suggest_float("decay", 1e-6, 1e-1, log=True)


def size(params):
    return params["width"] * params["dendrites"]


def hypervolume(points):
    return moocore.hypervolume(np.array(points), ref=REFERENCE)


def epochs_of(task, seed, earlier=()):
    """The epochs that a study of a task trains until it has 90 % of the hypervolume."""
    sampler = EHVISampler(
        seed=seed,
        known=lambda params: Known(values={1: size(params)}),
        transforms=(lambda accuracy: -math.log10(1 - accuracy), math.log10),
        epochs=EPOCHS,
        earlier=earlier,
    )
    goal = 0.9 * task.best()
    return EPOCHS * len(searched(task, sampler, seed, 80, goal).trials)


def drawn(task, seed):
    """An earlier study of a task, of random trials."""
    return searched(task, optuna.samplers.RandomSampler(seed=seed), seed, 150)


def searched(task, sampler, seed, trials, goal=math.inf):
    """A study of a task, until a hypervolume is reached."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    noise = np.random.default_rng(seed)
    points = []
    while len(points) < trials:
        trial = study.ask()
        space(trial)
        for epoch in (3, EPOCHS):
            accuracy = min(1 - task.error(trial.params, epoch) + noise.normal(0, 0.003), 0.995)
            report = {"values": [accuracy, None], "errors": [0.003, 0.0]}
            trial.set_user_attr(f"epoch/{epoch}", report)
        trial.set_user_attr("errors", [0.003, 0.0])
        study.tell(trial, [accuracy, size(trial.params)])
        points.append(task.point(trial.params))
        if hypervolume(points) >= goal:
            break
    return study


@pytest.fixture(scope="module")
def without_earlier():
    return sum(epochs_of(NEW, seed) for seed in SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "most"), [([RELATED], 0.5), ([UNRELATED], 1.2), ([RELATED, UNRELATED], 0.7)]
)
def test_a_related_study_saves_half_of_the_epochs_and_an_unrelated_one_costs_few(
    tasks, most, without_earlier
):
    epochs = 0
    for seed in SEEDS:
        epochs += epochs_of(NEW, seed, [drawn(task, 100 + seed) for task in tasks])
    assert epochs <= most * without_earlier


def test_the_first_trials_are_the_earlier_front_as_this_space_has_it():
    earlier = drawn(RELATED, 7)
    rates = {trial.params["rate"] for trial in earlier.best_trials}

    def narrow(trial):
        trial.suggest_categorical("width", [64, 128, 256])
        trial.suggest_float("rate", 1e-3, 1, log=True)
        trial.suggest_float("momentum", 0, 1)

    sampler = EHVISampler(seed=0, space=narrow, earlier=[earlier])
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    trials = [study.ask() for _ in range(5)]
    for trial in trials:
        narrow(trial)
    assert {trial.params["rate"] for trial in trials} <= {max(rate, 1e-3) for rate in rates}
    assert {trial.params["width"] for trial in trials} <= {64, 128, 256}
    assert len({trial.params["momentum"] for trial in trials}) == 5  # it was not searched there
