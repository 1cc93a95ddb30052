"""One run of a study: its parts, and the loop in which Ray Tune runs its trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from study.cluster.capacity import Capacity
from study.home import Home
from study.runner.callback import TrialCallback
from study.runner.checkpoint_folder import CheckpointFolder
from study.runner.kept_checkpoints import KeptCheckpoints
from study.runner.observer import StudyObserver
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import StudyClock, StudyStopper
from study.runner.teachers import Logits
from study.runner.trial_files import TrialStorage
from study.runner.tuner import LackOfMemoryError, run_tuner, tuner, worker_settings
from study.search.budget import BudgetSpent
from study.search.confirmation import unconfirmed
from study.search.promotion import kept_states
from study.search.rungs import rung_epochs
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.space import known_metrics
from study.search.storage import SearchStorage
from study.search.transfer import read_earlier
from study.spec.study_spec import StudySpec
from study.study_folder import StudyFolder
from study.tracking.tracker import Tracker
from study.training.dataset import Dataset


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
    logits: Mapping[str, Logits]  # of teachers

    @property
    def folder(self) -> StudyFolder:
        return self.home.study_folder(self.spec.name)

    @property
    def checkpoints(self) -> CheckpointFolder | None:
        """The folder of checkpoints, None if they are in that of the study."""
        return checkpoint_folder(self.spec, self.storage)

    @property
    def kept_checkpoints(self) -> KeptCheckpoints:
        """The checkpoints of trials that may continue."""
        return kept_checkpoints(self.spec, self.home, self.storage)

    def over(self) -> str | None:
        """The reason why the search is over, None if it can continue, as with interrupted trials."""
        interrupted = any(not trial.state.is_finished() for trial in self.storage.trials())
        met = None if interrupted and self.budget.allows_epochs(0) else self.budget.met()
        return met or self.clock.used_up()

    def unconfirmed(self) -> list[int]:
        """The trials on the front that are left to confirm."""
        return unconfirmed(self.spec, self.storage, self.budget.front.points)


def checkpoint_folder(spec: StudySpec, storage: SearchStorage) -> CheckpointFolder | None:
    """The folder of checkpoints of a spec, None if they are in that of the study."""
    uri = spec.storage.checkpoints
    return None if uri is None else CheckpointFolder(uri, f"{spec.name}-{storage.identity}")


def kept_checkpoints(spec: StudySpec, home: Home, storage: SearchStorage) -> KeptCheckpoints:
    """The checkpoints of ended trials of a study."""
    trials = home.study_folder(spec.name).trials
    return KeptCheckpoints(spec, storage, trials, checkpoint_folder(spec, storage))


def fit(session: Session, capacity: Capacity) -> None:
    """Runs trials until the budget is met or the study is stopped, as many at once as fit.

    Where memory runs out, Ray ends a worker, and Tune with it; the searcher then suggests the trials
    that ran one by one, until one fails or all have ended.
    """
    observer = StudyObserver(
        session.tracker,
        session.scoreboard,
        session.progress,
        session.stop,
        session.kept_checkpoints,
    )
    shape, classes = session.dataset.image_shape, session.dataset.classes
    count = partial(known_metrics, image_shape=shape, classes=classes)
    searcher = StudySearcher(
        session.spec,
        session.storage,
        session.budget,
        count,
        observer,
        capacity,
        earlier=read_earlier(session.spec, session.home, count),
    )
    if capacity.share.notice is not None:
        session.progress.notify(capacity.share.notice)
    halving = Halving.of(session.spec, session.storage.trials())
    session.folder.trials.mkdir(parents=True, exist_ok=True)
    if session.checkpoints is not None:
        session.checkpoints.make()
    storage = TrialStorage.here(
        session.folder.trials, alone=capacity.alone, checkpoints=session.checkpoints
    )
    session.clock.start()
    settings = worker_settings(session.dataset, session.logits, session.spec.resources.engine) | {
        "rungs": tuple(rung_epochs(session.spec)),
        "diagnostics": tuple(session.spec.diagnostics),
        "kept_states": kept_states(session.spec),
    }
    again = True
    while again and session.stop.reason is None:
        try:
            run_tuner(
                tuner(
                    session.folder,
                    settings=settings,
                    storage=storage,
                    share=capacity.share,
                    callback=TrialCallback(session.tracker, session.stop, observer),
                    stop=session.stop,
                    searcher=searcher,
                    scheduler=halving,
                )
            )
            again = searcher.end_one_by_one()
        except LackOfMemoryError as error:
            trials = ", ".join(map(str, searcher.on_lost_memory(str(error))))
            session.progress.notify(f"memory ran out while these trials ran: {trials}: {error}")
    session.clock.note(at_once=True)
