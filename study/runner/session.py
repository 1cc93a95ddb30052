"""The parts of one run of a study, and how Ray Tune works on them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from optuna.trial import TrialState
from ray import tune
from ray.exceptions import OutOfMemoryError

from study.cluster.capacity import Capacity, TrialResources
from study.home import Home
from study.runner.callback import StudyCallback
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import StudyClock, StudyStopper
from study.runner.trainable import StudyTrainable
from study.search.budget import BudgetSpent
from study.search.rungs import rung_epochs
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.space import known_metrics
from study.search.storage import METRICS, SearchStorage, rungs_of
from study.spec.study_spec import StudySpec
from study.study_folder import StudyFolder
from study.tracking.tracker import Tracker
from study.training.dataset import Dataset

_LOST_WORKERS: Final = 3  # how often a trial may lose its worker before it fails

# More than any cluster can run: the searcher follows the capacity as it changes, and Tune, whose
# limits are fixed at the start, has as many trials wait for a worker.
_NO_LIMIT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Session:
    """The parts of one run of a study."""

    spec: StudySpec
    home: Home
    dataset: Dataset
    storage: SearchStorage
    budget: BudgetSpent
    scoreboard: Scoreboard
    progress: Progress
    clock: StudyClock
    stop: StudyStopper
    tracker: Tracker

    @property
    def folder(self) -> StudyFolder:
        return self.home.study_folder(self.spec.name)

    @property
    def tune_folder(self) -> Path:
        """Ray's own files while the study runs."""
        return self.folder.path / "tune"

    def over(self) -> str | None:
        """Why the study is over for good, None if it can go on."""
        return self.budget.met() or self.clock.used_up()


def fit(session: Session, capacity: Capacity) -> None:
    """Runs trials until the budget is met or the study is stopped, as many at once as fit.

    Where memory runs out, Ray ends a worker, and Tune with it; the searcher then hands the trials that
    ran out one by one, until one fails or all have ended.
    """
    callback = StudyCallback(session.tracker, session.scoreboard, session.progress, session.stop)
    shape, classes = session.dataset.image_shape, session.dataset.classes
    searcher = StudySearcher(
        session.spec,
        session.storage,
        session.budget,
        partial(known_metrics, image_shape=shape, classes=classes),
        callback,
        capacity,
    )
    if capacity.share.notice is not None:
        session.progress.say(capacity.share.notice)
    halving = Halving(session.spec)
    for trial in session.storage.trials():
        for epoch, metrics in rungs_of(trial).items():
            halving.enter(trial.number, epoch, metrics)
        if trial.state == TrialState.COMPLETE:
            halving.finish(trial.number, trial.user_attrs[METRICS])
    session.folder.trials.mkdir(parents=True, exist_ok=True)
    session.clock.start()
    again = True
    while again and session.stop.reason is None:
        try:
            _tuner(session, searcher, halving, callback, capacity.share).fit()
            again = searcher.end_one_by_one()
        except RuntimeError as error:
            # Tune knows two ways in which a worker can end, and this is neither.
            if not isinstance(error.__cause__, OutOfMemoryError):
                raise
            reason = f"OutOfMemoryError: {str(error.__cause__).splitlines()[0]}"
            trials = ", ".join(map(str, searcher.on_lost_memory(reason)))
            session.progress.say(f"memory ran out while these trials ran: {trials}: {reason}")
    session.clock.note(at_once=True)


def _tuner(
    session: Session,
    searcher: StudySearcher,
    halving: Halving,
    callback: StudyCallback,
    share: TrialResources,
) -> tune.Tuner:
    spec, dataset = session.spec, session.dataset
    trainable = tune.with_parameters(
        StudyTrainable,
        dataset_name=dataset.name,
        classes=dataset.classes,
        arrays=dataset.to_arrays(),
        threads=max(1, int(share.cpus)),
        gpus=share.gpus,
        rungs=rung_epochs(spec),
        store=str(session.folder.trials),
        diagnostics=spec.diagnostics,
    )
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": share.cpus, "gpu": share.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=halving,
            num_samples=-1,
            max_concurrent_trials=_NO_LIMIT,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config['number']}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']}",
        ),
        run_config=tune.RunConfig(
            name=session.tune_folder.name,
            storage_path=str(session.folder.path),
            callbacks=[callback],
            stop=session.stop,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=_LOST_WORKERS),
            # Trials write their own checkpoints, where they outlive Ray.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
