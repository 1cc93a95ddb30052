"""The judgement of the winners on the test images, which are read here for the first time, and once.

What was chosen is written before: `choice.json` in the folder of the race has the winners and the
SHA-256 of the race's state; another choice is refused afterwards. `outcomes.parquet` has what was found
for each network and image, and is not found again.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.beyond.contender import DENDRITIC, LINEAR, ONE_BRANCH, Contender
from benchmarks.beyond.race import Race
from models import load_network
from paper.estimate import DIFFERENCE, Outcomes, estimate
from paper.hypothesis_tests import holm
from paper.table import replacing, unpacked
from study import Dataset, StudyError
from study.training.evaluation import Estimate, batch_outcomes

CHOICE: Final = "choice.json"
OUTCOMES: Final = "outcomes.parquet"

CONTROLS: Final = (ONE_BRANCH, LINEAR)
"""The groups that lack one property of dendritic networks each: several branches, or nonlinear ones."""

SCHEMA: Final = pa.schema(
    {"contender": pa.string(), "seed": pa.int32(), "images": pa.int32(), "correct": pa.binary()}
)
"""A row a network; `correct` has a bit for each test image, eight a byte, the first the highest."""


def choose(race: Race, folder: Path) -> list[dict[str, Any]]:
    """Writes the winners into `choice.json`; raises StudyError if others were chosen before."""
    rows = [
        {"metric": metric, "bound": bound, "group": group, "trials": race.searches.trials[group]}
        | _row(winner)
        for (metric, bound, group), winner in race.winners().items()
    ]
    state = (folder / "race.json").read_bytes()
    choice = {"race": hashlib.sha256(state).hexdigest(), "winners": rows}
    file = folder / CHOICE
    if not file.exists():
        file.write_text(json.dumps(choice, indent=1) + "\n", encoding="utf-8")
    if json.loads(file.read_text(encoding="utf-8")) != choice:
        raise StudyError(f"{file} has another choice: the race must not go on after the judgement")
    return rows


def _row(winner: Contender) -> dict[str, Any]:
    mean, sem = winner.pooled()
    return {
        "contender": winner.key,
        "network": winner.label,
        "architecture": winner.architecture,
        "training": winner.training,
        "trainable_parameters": winner.trainable_parameters,
        "macs": winner.macs,
        "seeds": winner.seeds,
        "val_accuracy": mean,
        "val_accuracy_sem": sem,
    }


def judge(
    race: Race, rows: list[dict[str, Any]], load: Callable[[], Dataset], folder: Path
) -> list[dict[str, Any]]:
    """The rows of a choice with the test accuracies of their networks of fresh seeds.

    Rows of other groups than the dendritic one have how far the dendritic winner under the same bound is
    ahead (`ahead`, with its 95 % interval, over images and the seeds that all share), as shares.
    `load` reads the data set with its test images; it is not called if the folder has the outcomes.
    """
    file = folder / OUTCOMES
    if not file.exists():
        keys = sorted({row["contender"] for row in rows})
        _evaluate(race, [race.contenders[key] for key in keys], load(), file)
    outcomes = read_outcomes(file)
    dendritic = {
        (row["metric"], row["bound"]): outcomes[row["contender"]]
        for row in rows
        if row["group"] == DENDRITIC
    }
    judged = []
    for row in rows:
        own = outcomes[row["contender"]]
        accuracies = own.mean(axis=1)
        found = Estimate.over(torch.from_numpy(accuracies), own.shape[1])
        measured: dict[str, Any] = {"test_accuracy": found.mean, "test_accuracy_sem": found.sem}
        other = dendritic.get((row["metric"], row["bound"]))
        if other is not None and other is not own:
            ahead = estimate([other, own], DIFFERENCE, same_seeds=True)
            low, high = ahead.interval()
            measured["ahead"] = {"value": ahead.value, "low": low, "high": high}
            measured["p_ahead"] = ahead.p_above(0)
        judged.append(row | measured | {"test_accuracies": accuracies.tolist()})
    return judged


def _evaluate(race: Race, contenders: list[Contender], dataset: Dataset, file: Path) -> None:
    """Writes which test images the networks of the contenders classify correctly."""
    rows = []
    for contender in contenders:
        for folder in race.networks(contender):
            network = load_network(folder)
            parts = [hits for hits, _ in batch_outcomes(network, dataset.test)]
            correct = torch.cat(parts, dim=1).numpy()
            rows += [
                {
                    "contender": contender.key,
                    "seed": seed,
                    "images": len(bits),
                    "correct": np.packbits(bits).tobytes(),
                }
                for seed, bits in zip(network.seeds, correct, strict=True)
            ]
    with replacing(file) as unfinished:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), unfinished)


def read_outcomes(file: Path) -> Mapping[str, Outcomes]:
    """Whether each test image is classified correctly, by contender: (seeds, images)."""
    found: dict[str, list[Any]] = {}
    for row in pq.read_table(file, schema=SCHEMA).to_pylist():
        found.setdefault(row["contender"], []).append(unpacked(row["correct"], row["images"]))
    return {key: np.stack(seeds).astype(np.float64) for key, seeds in found.items()}


def p_counts(rows: list[dict[str, Any]]) -> dict[tuple[str, int], float]:
    """The p of each bound for the claim that dendritic networks are more accurate than both controls.

    The claim needs both, so its p is the larger one (an intersection-union test); Holm's correction is
    over the bounds. Bounds without both controls are left out.
    """
    largest: dict[tuple[str, int], float] = {}
    for metric, bound in {(row["metric"], row["bound"]): None for row in rows}:
        found = [
            row["p_ahead"]
            for row in rows
            if (row["metric"], row["bound"]) == (metric, bound)
            and row["group"] in CONTROLS
            and "p_ahead" in row
        ]
        if len(found) == len(CONTROLS):
            largest[metric, bound] = max(found)
    return dict(zip(largest, holm(list(largest.values())), strict=True))


def check_first(result: Path, folder: Path) -> str:
    """The SHA-256 of the race; raises StudyError if the result is that of another one.

    Else a second race would be chosen with what the test images said of the first one.
    """
    own: str = json.loads((folder / CHOICE).read_text(encoding="utf-8"))["race"]
    if result.exists():
        other = json.loads(result.read_text(encoding="utf-8"))["race"]
        if other != own:
            raise StudyError(
                f"the test images are read for one race alone, got a judgement of race {other} in "
                f"{result}, and race {own} in {folder}"
            )
    return own
