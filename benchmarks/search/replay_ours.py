"""Ours, for benchmarks/search: the searcher and the scheduler of a study, as the driver has them."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.search.replay import Ending
from benchmarks.search.replay_table import Configuration, Metrics, Space
from models.architecture import Architecture
from study import StudySpec, environment
from study.search.budget import BudgetSpent
from study.search.objective import Known
from study.search.rungs import rung_epochs
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.space import known_metrics
from study.search.storage import SearchStorage

CLASSES = 10
_FAILURE = "out of memory"


def spec_of(space: Space, seed: int, **keys: object) -> StudySpec:
    """A study over the space of a table; its replay ends with its epochs, not with its budget."""
    return StudySpec.from_dict(
        dict(space.spec)
        | {"name": "replay", "dataset": "digits", "seed": seed, "replicates": 1}
        | {"budget": {"epochs": space.epochs, "trials": 10**6}}
        | keys
    )


class Ours:
    """A study over the table's space with every default, but for what is named.

    `grace` and `factor` are those of early stopping. What can be left away: `curves`, what a trial had
    reached before its last epoch; `noise`, the standard errors; `sizes`, which then are learned.
    """

    def __init__(  # noqa: PLR0913  # what is tuned, and what can be left away
        self,
        space: Space,
        seed: int,
        *,
        grace: int,
        factor: float,
        sampler: str = "ehvi",
        scheduler: Literal["pareto", "asha", "none"] = "pareto",
        curves: bool = True,
        noise: bool = True,
        sizes: bool = True,
    ) -> None:
        environment.prepare()
        self._epochs = space.epochs
        self._curves, self._noise = curves, noise
        self._keys = tuple(space.values)
        stopping = {"scheduler": scheduler, "grace_epochs": grace, "reduction_factor": factor}
        spec = spec_of(space, seed, sampler=sampler, stopping=stopping)
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        self._searcher = StudySearcher(
            spec,
            SearchStorage(spec, Path(folder) / "search.journal"),
            BudgetSpent(spec),
            lru_cache(10_000)(partial(_counted, space.image)),
            # Trials are as long as they please here: a proposal may take its time.
            clock=None,
        )
        if not sizes:
            _forget_sizes(self._searcher)
        self._halving = Halving(spec)
        rungs = rung_epochs(spec)
        self._no_rung = next(epoch for epoch in range(1, 100) if epoch not in rungs)
        self._last: dict[int, Metrics] = {}
        self._asked = 0

    def ask(self) -> tuple[int, Configuration] | None:
        key = self._asked
        config = self._searcher.suggest(str(key))
        if not isinstance(config, dict):
            return None
        self._asked += 1
        settings = config["architecture"] | config["training"]
        return key, {name: settings[name] for name in self._keys if settings[name] is not None}

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        if not self._noise:
            metrics = {name: metrics[name] for name in metrics if name != "val_accuracy_sem"}
        self._last[key] = metrics | {"epochs": epoch}
        goes_on = epoch == self._epochs or self._halving.enter(key, epoch, self._last[key])
        if goes_on and self._curves:
            self._searcher.on_trial_result(str(key), self._report(key, "PRUNED"))
        return goes_on

    def end(self, key: int, ending: Ending) -> None:
        if not self._curves and ending == "PRUNED":
            # At an epoch without a rung nothing is noted.
            self._last[key] |= {"epochs": self._no_rung}
        self._searcher.on_trial_complete(str(key), self._report(key, ending))

    def _report(self, key: int, ending: Ending) -> dict[str, object]:
        return {
            "epochs": [self._last[key]] if key in self._last else [],
            "finished": ending == "COMPLETE",
            "failure": _FAILURE if ending == "FAIL" else None,
        }


def _counted(image: tuple[int, int, int], architecture: Architecture) -> dict[str, float]:
    return known_metrics(architecture, image, CLASSES)


def _forget_sizes(searcher: StudySearcher) -> None:
    """Sizes are no longer known before a trial; constraints on them are, as to every peer."""
    view = searcher._proposals._view  # noqa: SLF001  # a study has no such option
    assert view is not None  # noqa: S101  # `ehvi` is no grid
    sampler: Any = view._study.sampler  # noqa: SLF001  # as above
    known: Callable[[Mapping[str, Any]], Known] = sampler._known  # noqa: SLF001  # as above

    def forgetful(params: Mapping[str, Any]) -> Known:
        return replace(known(params), values={}, features=[])

    sampler._known = forgetful  # noqa: SLF001  # as above
