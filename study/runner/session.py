"""The parts of one run of a study, and how Ray Tune works on them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from optuna.trial import TrialState
from ray import tune
from ray.exceptions import OutOfMemoryError

from study import study_folder
from study.cluster.capacity import Capacity, TrialResources
from study.home import Home
from study.runner.callback import StudyCallback
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import StudyClock, StudyStopper
from study.runner.trainable import StudyTrainable
from study.search.rungs import rung_epochs
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.storage import METRICS, SearchStorage, rungs_of
from study.spec.study_spec import StudySpec
from study.tracking.tracker import Tracker
from study.training.dataset import Dataset

_LOST_WORKERS: Final = 3  # how often a trial may lose its worker before it fails

# More than any cluster has room for: the searcher follows the room as it changes, and Tune, whose
# limits are fixed at the start, has as many trials wait for a worker.
_NO_LIMIT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Session:
    """The parts of one run of a study."""

    spec: StudySpec
    home: Home
    dataset: Dataset
    scoreboard: Scoreboard
    progress: Progress
    ledger: SearchStorage
    searcher: StudySearcher
    clock: StudyClock
    stop: StudyStopper

    @property
    def folder(self) -> Path:
        return self.home.study_folder(self.spec.name)

    @property
    def store(self) -> Path:
        """Where trials keep their checkpoints."""
        return study_folder.trials(self.folder)

    @property
    def tune_folder(self) -> Path:
        """Ray's own files while the study runs."""
        return self.folder / "tune"

    def over(self) -> str | None:
        """Why the study is over for good, None if it can go on."""
        return self.searcher.met() or self.clock.used_up()


def fit(session: Session, tracker: Tracker, room: Capacity) -> None:
    """Runs trials until the budget is met or the study is stopped, as many at once as there is room.

    Where memory runs out, Ray ends a worker, and Tune with it. If one trial ran, it has failed; of
    several it is not said which was the one, so they go on one by one, and then the others.
    """
    observer = StudyCallback(tracker, session.scoreboard, session.progress, session.stop)
    session.searcher.heard = observer.on_infeasible
    session.searcher.room = room
    if room.share.notice is not None:
        session.progress.say(room.share.notice)
    halving = Halving(session.spec)
    for trial in session.ledger.trials():
        for epoch, metrics in rungs_of(trial).items():
            halving.enter(trial.number, epoch, metrics)
        if trial.state == TrialState.COMPLETE:
            halving.finish(trial.number, trial.user_attrs[METRICS])
    session.store.mkdir(parents=True, exist_ok=True)
    session.clock.start()
    again = True
    while again and session.stop.reason is None:
        alone = session.searcher.one_by_one
        try:
            _tuner(session, halving, observer, room.share).fit()
            again, session.searcher.one_by_one = alone, False
        except RuntimeError as error:
            # Tune knows two ways in which a worker can end, and this is neither.
            if not isinstance(error.__cause__, OutOfMemoryError):
                raise
            reason = f"OutOfMemoryError: {str(error.__cause__).splitlines()[0]}"
            _after_lost_memory(session, observer, reason)
    session.clock.note(at_once=True)


def _after_lost_memory(session: Session, observer: StudyCallback, reason: str) -> None:
    lost = session.searcher.break_off()
    trials = ", ".join(map(str, lost))
    session.progress.say(f"memory ran out while these trials ran: {trials}: {reason}")
    if len(lost) == 1:
        session.searcher.fail(lost[0], reason)
        observer.on_lost_memory(lost[0], reason)
    else:
        session.searcher.one_by_one = True


def _tuner(
    session: Session, halving: Halving, observer: StudyCallback, share: TrialResources
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
        store=str(session.store),
        diagnostics=spec.diagnostics,
    )
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": share.cpus, "gpu": share.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=session.searcher,
            scheduler=halving,
            num_samples=-1,
            max_concurrent_trials=_NO_LIMIT,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config['number']}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']}",
        ),
        run_config=tune.RunConfig(
            name=session.tune_folder.name,
            storage_path=str(session.folder),
            callbacks=[observer],
            stop=session.stop,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=_LOST_WORKERS),
            # Trials write their own checkpoints, where they outlive Ray.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
