"""The evidence for claims: the rows of the benchmark file, and the stored choices of networks."""

import json
import math
from collections.abc import Sequence
from typing import final

import numpy as np
import pandas as pd

from paper.choices import Choice, Role
from paper.claim import Claim, SizeSlope, SizeTrend
from paper.estimate import Outcomes
from paper.plan import RACE_SEED
from paper.ratio import configurations
from paper.table import unpacked


class NotRunError(Exception):
    """Networks of a claim have not been tested."""


@final
class Evidence:
    """The rows of the benchmark file, and the choices of roles."""

    def __init__(self, rows: pd.DataFrame, choices: Sequence[Choice]) -> None:
        self._rows = rows
        self._choices = choices

    def about(self, claim: Claim) -> str | None:
        """The test of a claim and the networks that fill its roles, None if one is not filled."""
        choices = [self.choice(role, claim.data) for role in claim.roles]
        networks = [(one.study, one.trial) for one in choices if one is not None]
        of_all = isinstance(claim, SizeTrend | SizeSlope)
        if of_all or len(networks) < len(choices):
            return None
        what = (claim.test, getattr(claim, "metric", ""), getattr(claim, "margin", 0.0), claim.data)
        return repr((what, networks))

    def choice(self, role: Role, data: str) -> Choice | None:
        """The choice of a role on a data set, None if nothing fitted it."""
        study = f"{role.study}-{data}"
        return next((one for one in self._choices if (one.role, one.study) == (role, study)), None)

    def tested(self, role: Role, data: str) -> pd.DataFrame:
        """The networks of a role on test images, after a race those of its seeds; or NotRunError."""
        choice = self.choice(role, data)
        if choice is None:
            raise NotRunError
        rows = self._of(role, data, "test")
        after_race = rows["seed"] >= RACE_SEED
        rows = rows[(rows["trial"] == choice.trial) & (after_race == (choice.raced is not None))]
        if rows.empty:
            raise NotRunError
        return rows.sort_values("seed")

    def same_seeds(self, roles: Sequence[Role], data: str) -> bool:
        """Whether the networks of roles that are tested were trained with the same seeds."""
        return len({tuple(self.tested(role, data)["seed"]) for role in roles}) == 1

    def outcomes(self, role: Role, data: str, metric: str) -> Outcomes:
        """The outcome of each seed, in their order, on each test image, shape (seeds, images)."""
        rows = self.tested(role, data)
        if metric == "loss":
            losses = [np.frombuffer(one, np.float16) for one in rows["losses"]]
            return np.stack(losses).astype(np.float64)
        correct = [unpacked(*one) for one in zip(rows["correct"], rows["images"], strict=True)]
        return np.stack(correct).astype(np.float64)

    def is_run(self, role: Role, data: str) -> bool:
        """Whether the study of a role was recorded."""
        rows = self._rows
        return bool(((rows["data"] == data) & (rows["study"] == role.study)).any())

    def configurations(self, role: Role, data: str) -> pd.DataFrame:
        """The mean test values of the configurations of a role, those of the search's split."""
        rows = self._of(role, data, "test")
        sizes = rows["trainable_parameters"]
        most = math.inf if role.max_parameters is None else role.max_parameters
        rows = rows[(rows["seed"] < RACE_SEED) & sizes.between(role.min_parameters, most)]
        if rows.empty:
            raise NotRunError
        return configurations(rows, data, "test_accuracy", "test_loss")

    def diagnostics(self, role: Role, data: str, metric: str) -> tuple[float, float, int]:
        """A diagnostic of validation images: its mean, its standard error, the seeds."""
        rows = self._of(role, data, "search")
        if rows.empty:
            raise NotRunError
        stored = json.loads(rows["diagnostics"].iloc[0])
        if metric not in stored or f"{metric}_sem" not in stored:
            raise NotRunError
        return stored[metric], stored[f"{metric}_sem"], rows["seed"].nunique()

    def _of(self, role: Role, data: str, stage: str) -> pd.DataFrame:
        rows = self._rows
        fits = (rows["data"] == data) & (rows["study"] == role.study) & (rows["stage"] == stage)
        rows = rows[fits & (rows["family"] == role.family)]
        settings = rows["settings"].map(json.loads)
        for name, value in role.where.items():
            rows = rows[np.array([one.get(name) == value for one in settings], dtype=np.bool_)]
            settings = settings[rows.index]
        return rows
