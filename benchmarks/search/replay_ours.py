"""Ours, for benchmarks/search: the searcher and the scheduler of a study, as the driver has them."""

import tempfile
from pathlib import Path

from benchmarks.search.replay_table import Configuration, Metrics, Space
from study import StudySpec, environment
from study.search.budget import BudgetSpent
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.storage import SearchStorage

KEYS = ("somata", "dendrites", "learning_rate")


class Ours:
    """A study over the table's space with every default."""

    def __init__(self, space: Space, seed: int, **spec: object) -> None:
        environment.prepare()
        self._epochs = space.epochs
        wanted = StudySpec.from_dict(
            {
                "name": "replay",
                "dataset": "digits",
                "families": list(space.grid["family"]),
                "seed": seed,
                "space": {key: list(space.grid[key]) for key in KEYS},
                # Far more than there are: the replay ends with its epochs.
                "budget": {"epochs": space.epochs, "trials": 10**6},
            }
            | spec
        )
        self._folder = tempfile.TemporaryDirectory()
        ledger = SearchStorage(wanted, Path(self._folder.name) / "search.journal")
        sizes = {
            tuple(one[name] for name in ("family", *KEYS[:2])): size
            for one, size in zip(space.configurations, space.sizes, strict=True)
        }
        self._searcher = StudySearcher(
            wanted,
            ledger,
            BudgetSpent(wanted),
            lambda network: sizes[network.family, network.somata, network.dendrites],
            # Trials are as long as they please here: a proposal may take its time.
            clock=None,
        )
        self._halving = Halving(wanted)
        self._last: dict[int, Metrics] = {}
        self._asked = 0

    def ask(self) -> tuple[int, Configuration] | None:
        key = self._asked
        config = self._searcher.suggest(str(key))
        if not isinstance(config, dict):
            return None
        self._asked += 1
        settings = config["architecture"] | config["training"]
        return key, {name: settings[name] for name in ("family", *KEYS)}

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        self._last[key] = metrics | {"epochs": epoch}
        goes_on = epoch == self._epochs or self._halving.enter(key, epoch, self._last[key])
        if goes_on:
            self._searcher.on_trial_result(str(key), self._report(key, finished=False))
        return goes_on

    def end(self, key: int, *, finished: bool) -> None:
        self._searcher.on_trial_complete(str(key), self._report(key, finished=finished))

    def _report(self, key: int, *, finished: bool) -> dict[str, object]:
        return {"epochs": [self._last[key]], "finished": finished, "failure": None}


def ours(space: Space, seed: int) -> Ours:
    return Ours(space, seed)


def random_proposals(space: Space, seed: int) -> Ours:
    """The halving of ours, with proposals that are drawn at random, none twice."""
    return Ours(space, seed, sampler="random")
