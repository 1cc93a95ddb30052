"""Results of all studies of the plan on Fashion-MNIST, made by hand: no network is trained."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd

from paper.choices import Choice, Role
from paper.claims import Claims
from paper.plan import RACE_SEED, Plan, PlannedStudy
from paper.run import roles_of
from study.search.candidates import value_at
from study.search.configuration import Configuration
from study.search.grid import grid
from study.search.space import known_metrics
from study.search.start import start_configurations
from study.spec.constraint import all_kept, violations
from study.spec.metrics import names_of

IMAGES = 80
_DRAWN = 3


def whole_results() -> tuple[pd.DataFrame, list[Choice]]:
    """The rows of the benchmark file, and the choices."""
    rows, choices, claims = [], [], Claims.read()
    for planned in Plan.read().planned("fashion_mnist"):
        trials = list(enumerate(_trials(planned)))
        for role in roles_of(planned, claims):
            number = next(number for number, one in trials if _fills(role, *one))
            raced = number if planned.plan.race else None
            choices.append(
                Choice(
                    role=role,
                    study=planned.name,
                    trial=number,
                    raced=raced,
                    pooled=0.9,
                    configurations=sum(_fills(role, *one) for _, one in trials),
                )
            )
        raced = {one.trial for one in choices if one.study == planned.name and planned.plan.race}
        for number, (settings, sizes) in trials:
            seeds = list(range(100, 100 + planned.plan.others))
            if number in raced:
                seeds += range(RACE_SEED + 3, RACE_SEED + 3 + planned.plan.seeds)
            own = {"trial": number, "settings": json.dumps(settings), **sizes}
            rows += [_row(planned, settings, seed, "test") | own for seed in seeds]
            if planned.spec.diagnostics:
                rows += [_row(planned, settings, seed, "search") | own for seed in range(8)]
    return pd.DataFrame(rows), choices


def _trials(planned: PlannedStudy):
    """Settings and sizes of the configurations of a study, of a random search those of a few."""
    spec = planned.spec
    generator = np.random.default_rng(0)
    if spec.start:
        found = iter(start_configurations(spec, lambda _: {}))
    elif spec.sampler == "grid":
        found = (Configuration(spec, given=answers) for answers in grid(spec))
    else:
        found = (
            Configuration(spec, source=lambda _, asked: value_at(asked, generator.random()))
            for _ in range(100_000)
        )
    made = 0
    for one in found:
        sizes = known_metrics(one.architecture, planned.shape, planned.classes)
        if not all_kept(violations(spec.constraints, sizes, before_training=True)):
            continue
        training = asdict(one.for_trial(0).training)
        yield asdict(one.architecture) | training, sizes
        made += 1
        if made == _DRAWN and spec.sampler == "random" and not spec.start:
            return


def _fills(role: Role, settings, sizes) -> bool:
    parameters = sizes["trainable_parameters"]
    return (
        settings["family"] == role.family
        and all(settings.get(name) == value for name, value in role.where.items())
        and parameters <= (role.max_parameters or parameters)
    )


def _row(planned: PlannedStudy, settings, seed: int, stage: str):
    generator = np.random.default_rng([seed, sum(planned.key.encode()), len(json.dumps(settings))])
    correct = generator.random(IMAGES) < 0.9
    losses = generator.random(IMAGES).astype(np.float16)
    absent = ("dendrites", "cables") if settings["dendrites"] is None else ()
    names = [
        name
        for name in names_of(planned.spec.diagnostics, layers=1)
        if not any(part in name for part in absent)
    ]
    return {
        "data": planned.data,
        "study": planned.key,
        "stage": stage,
        "seed": seed,
        "family": settings["family"],
        "val_accuracy": 0.9,
        "val_loss": 0.3,
        "test_accuracy": correct.mean(),
        "test_loss": float(losses.mean()),
        "val_accuracy_curve": [0.9] * planned.epochs,
        "val_loss_curve": [float(generator.random()) for _ in range(planned.epochs)],
        "train_loss_curve": [0.2] * planned.epochs,
        "images": IMAGES,
        "correct": np.packbits(correct).tobytes(),
        "losses": losses.tobytes(),
        "diagnostics": json.dumps({text: 1.0 for name in names for text in (name, f"{name}_sem")}),
    }
