"""The searcher: Optuna proposes and is told, and its storage is the only memory of the search.

Ray Tune is a stateless executor to it: what was asked and how it ended is in the storage, so
opening the storage again continues the search. Ray's own OptunaSearch tells trials that were
stopped early as complete and leaves trials without a metric running for ever.
"""

import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from study.outcome import judge
from study.space import suggest
from study.spec import StudySpec
from study.trial import TrialConfig

_IDENTITY: Final = "identity"

SAMPLERS: Final[dict[str, Callable[[int], optuna.samplers.BaseSampler]]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


def open_search(spec: StudySpec, journal: Path) -> optuna.Study:
    """The Optuna study of the spec, kept in a journal file, new or as it was left.

    The sampler is made anew each time, from the spec's seed and the number of trials asked before:
    a continued study does not draw the same trials again.
    """
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(
        storage=storage,
        study_name=spec.name,
        directions=list(spec.objectives.values()),
        load_if_exists=True,
    )
    if _IDENTITY not in study.user_attrs:
        study.set_user_attr(_IDENTITY, uuid.uuid4().hex)
    with warnings.catch_warnings():
        # Experimental; optuna-dashboard shows the names, nothing else needs them.
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(list(spec.objectives))
    asked = len(study.get_trials(deepcopy=False))
    (seed,) = np.random.SeedSequence([spec.seed, asked]).generate_state(1)
    study.sampler = SAMPLERS[spec.sampler](int(seed))
    return study


def identity(study: optuna.Study) -> str:
    """What tells this search from every other, also from one of the same name elsewhere."""
    return str(study.user_attrs[_IDENTITY])


def config_of(spec: StudySpec, trial: optuna.trial.BaseTrial, number: int) -> TrialConfig:
    """What a worker is told of a trial: settings that were not asked for yet are asked for."""
    architecture, training = suggest(trial, spec)
    return TrialConfig(
        number=number,
        architecture=architecture,
        training=training,
        seeds=tuple(spec.replicate_seeds),
    )


@final
class StudySearcher(Searcher):
    """Asks Optuna for trials until the budget is met: first those that were interrupted.

    An interrupted trial keeps its number and its settings. Trials that ended in any way count.
    """

    def __init__(self, spec: StudySpec, study: optuna.Study) -> None:
        super().__init__()
        self.spec = spec
        self._study = study
        trials = study.get_trials(deepcopy=False)
        ended = sum(trial.state.is_finished() for trial in trials)
        left = max(0, spec.budget.trials - ended)
        interrupted = [trial for trial in trials if trial.state == TrialState.RUNNING]
        self._interrupted = interrupted[:left]
        self._new = left - len(self._interrupted)
        self._running: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its searcher to restore it; the Optuna storage is the memory."""
        return {}

    @property
    def remaining(self) -> int:
        """How many trials are still to be asked for."""
        return len(self._interrupted) + self._new

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # type: ignore[override]  # FINISHED is a str
        if self._interrupted:
            trial = _reopened(self._study, self._interrupted.pop(0))
        elif self._new:
            trial = self._study.ask()
            self._new -= 1
        else:
            return str(Searcher.FINISHED)
        self._running[trial_id] = trial.number
        return config_of(self.spec, trial, trial.number).to_dict()

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002  # Ray's signature
    ) -> None:
        number = self._running.pop(trial_id, None)
        if number is None:
            return
        report = None if error or result is None else _nested(result)
        outcome = judge(report, self.spec.objectives)
        frozen = self._study.get_trials(deepcopy=False)[number]
        trial = _reopened(self._study, frozen)
        if outcome.reason is not None:
            trial.set_user_attr("reason", outcome.reason)
        values = None
        if report is not None:
            # With these a record that did not reach MLflow can be written again.
            trial.set_user_attr("metrics", report["metrics"])
            if outcome.state == "COMPLETE":
                values = [report["metrics"][name] for name in self.spec.objectives]
        self._study.tell(number, values, state=TrialState[outcome.state])

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the Optuna storage is the memory."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the Optuna storage is the memory."""


def _reopened(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """The trial to go on with: settings that were asked for already keep their values."""
    return optuna.Trial(study, trial._trial_id)  # noqa: SLF001  # Optuna has no public way to reopen


def _nested(result: dict[str, Any]) -> dict[str, Any]:
    """Ray hands its searchers flat results: `metrics/val_accuracy` back to a dict of metrics."""
    prefix = "metrics/"
    metrics = {
        key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)
    }
    return {
        "metrics": metrics,
        "finished": result.get("finished"),
        "failure": result.get("failure"),
    }
