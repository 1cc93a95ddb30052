"""The contenders of the race: trials of a study, dendritic networks and each kind of controls apart."""

import json
from dataclasses import dataclass, field
from typing import Any, Final, final

import torch

from models import FAMILIES, Architecture
from study import TrialRecord
from study.search.pooling import pooled
from study.training.evaluation import Estimate

DENDRITIC: Final = "dendritic"
SHARED: Final = "dendritic, shared weights"
ONE_BRANCH: Final = "one branch"
LINEAR: Final = "linear branches"
CONVOLUTIONS: Final = "convolutions"
OTHERS: Final = "other controls"
GROUPS: Final = (DENDRITIC, SHARED, ONE_BRANCH, LINEAR, CONVOLUTIONS, OTHERS)
"""The groups that are raced apart: the first two are dendritic, all others are their controls."""


def group_of(architecture: Architecture) -> str:
    """The group of a network."""
    family = FAMILIES[architecture.family]
    if architecture.is_dendritic:
        return SHARED if family.synapses == "convolution" else DENDRITIC
    if family.cables == "own":
        return ONE_BRANCH if architecture.dendrites == 1 else LINEAR
    return CONVOLUTIONS if family.synapses == "convolution" else OTHERS


@final
@dataclass(kw_only=True)
class Contender:
    """A trial of a study, and its validation accuracies by fresh seed."""

    study: str
    trial: int
    label: str
    architecture: dict[str, Any]
    training: dict[str, Any]
    trainable_parameters: int
    macs: int
    group: str
    search: tuple[float, float, int]  # mean, standard error, replicates
    first_seed: int
    val_accuracy: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, study: str, record: TrialRecord, first_seed: int) -> "Contender":
        """A trial; `first_seed` is the first that its search did not use."""
        return cls(
            study=study,
            trial=record.trial,
            label=record.label(),
            architecture=record.architecture,
            training=record.training,
            trainable_parameters=record.trainable_parameters or 0,
            macs=record.macs or 0,
            group=group_of(Architecture(**record.architecture)),
            search=(record.val_accuracy or 0.0, record.val_accuracy_sem or 0.0, record.replicates),
            first_seed=first_seed,
        )

    @property
    def key(self) -> str:
        """The name of its folder of networks."""
        return f"{self.study}-{self.trial}"

    @property
    def configuration(self) -> str:
        """What tells its training from others, in JSON: without rewiring there is no regrowth."""
        unused = () if self.architecture.get("rewiring") else ("regrowth",)
        used = {name: value for name, value in self.architecture.items() if name not in unused}
        return json.dumps([used, self.training], sort_keys=True)

    @property
    def seeds(self) -> list[int]:
        """The fresh seeds that are trained."""
        return list(map(int, self.val_accuracy))

    def pooled(self, seeds: int | None = None) -> tuple[float, float]:
        """The validation accuracy and its error, over the search's seeds and the first fresh ones."""
        values = list(self.val_accuracy.values())[:seeds]
        own = Estimate.over(torch.tensor(values, dtype=torch.float64))
        mean, sem = pooled(self.search, (own.mean, own.sem, len(values)))
        return float(mean), float(sem)
