"""The driver: runs a new study or continues one, with its data, search, Ray Tune, records and screen."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from study import environment
from study.cluster.capacity import Capacity
from study.cluster.ray_runtime import check_machine, find_capacity, on_cluster, ray_runtime
from study.cluster.study_job import BEGUN
from study.errors import UNWRITABLE, StoppedError, StudyError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.reader import check_free
from study.runner import resume
from study.runner.checkpoint_folder import check_folder
from study.runner.confirmation import confirm
from study.runner.confirmation_records import finish_confirmation
from study.runner.given_data import GivenData, spec_with_data
from study.runner.progress import Progress
from study.runner.recording import recorded
from study.runner.run_summary import RunSummary, summary_of
from study.runner.session import Session, fit, kept_checkpoints
from study.runner.stopper import StudyClock, StudyStopper
from study.runner.teachers import Logits, keep_logits, kept_logits, teacher_logits
from study.search import journal
from study.search.budget import budget_spent
from study.search.grid import grid
from study.search.space import check_space
from study.search.start import check_start
from study.search.storage import SearchStorage, stored_data, stored_identity
from study.search.transfer import check_earlier, copy_earlier
from study.spec.dimensions import values_of
from study.spec.study_spec import AnySpec, StudySpec
from study.tracking.tracker import Tracker
from study.training.batch_order import check_batch_order
from study.training.dataset import Dataset, load_dataset

_ROOM_BYTES: Final = 1_000_000  # of the records of some ten trials


@environment.RECORDS
@environment.RAY
@checked_keywords
def run(  # noqa: PLR0913  # each option has a name of its own
    spec: AnySpec,
    *,
    data: object = None,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    console: Console | None = None,
    on_end: Callable[[RunSummary], None] = lambda _: None,
) -> RunSummary:
    """Runs the study until its budget is met; continues it if it exists.

    Ray runs on this machine, unless $RAY_ADDRESS names a cluster or Ray is initialised already. `data`
    are images and labels in memory in place of the spec's data set, such as `(x, y)` (docs/own_data.md);
    they are stored in the home, so that the study can be continued and its networks retrained without
    them. Shows progress on the console, by default on standard output. A first Ctrl-C or SIGTERM stops
    the study cleanly; `on_end` is called with the summary while these signals are still handled. Raises
    BadInputError before anything is started or written, TrackingError if the store accepts no records,
    ClusterError if the cluster does not answer, StudyError if every trial failed, none satisfies the
    constraints, or the home cannot be written, StoppedError for an error after a signal.
    """
    start, home = time.monotonic(), Home.find(home, tracking_uri)
    spec = StudySpec.of(spec) if data is None else spec_with_data(spec, home)
    given = None if data is None else GivenData.of(data, spec)
    dataset = load_dataset(spec.dataset, spec.seed) if given is None else given.dataset
    check_space(spec, dataset.image_shape, dataset.classes)
    check_start(spec, dataset.image_shape, dataset.classes)
    check_batch_order(spec, dataset.train.labels)
    if not on_cluster():
        check_machine(spec.resources)
    if spec.storage.checkpoints is not None:
        check_folder(spec.storage.checkpoints)
    grid_size = len(grid(spec)) if spec.sampler == "grid" else None
    folder = home.study_folder(spec.name)
    resume.check_continues(folder, spec)
    check_earlier(spec, home)
    dataset.check_is(stored_data(folder.journal), spec.name)
    teachers = values_of(spec.space.teacher)
    digest = dataset.sha256()
    seen = dataset.without_test().sha256()
    logits = teacher_logits(teachers, dataset, home, kept_logits(folder.teachers, digest), seen)
    with ExitStack() as ray, _writable(home):
        _check_room(home)
        check_free(spec.name, home, stored_identity(folder.journal))
        # A new study that the cluster cannot run must leave no files behind.
        new = not folder.journal.exists()
        capacity = _capacity(spec, ray) if on_cluster() and new else None
        with folder.only_driver():
            if given is not None:
                given.store(folder)
            keep_logits(folder.teachers, logits, digest)
            session = _open(spec, home, dataset, logits, digest, grid_size, console or Console())
            with _interruptible(session) as install:
                with session.progress:
                    session.progress.notify(_headline(spec, dataset, session.budget.trials))
                    _run_trials(session, ray, capacity, install)
                summary = summary_of(session, time.monotonic() - start)
                on_end(summary)
    return replace(summary, signal_number=session.stop.signal_number)


@contextmanager
def _interruptible(session: Session) -> Iterator[Callable[[], None]]:
    """`StudyStopper.on_signals`; an error after a signal becomes a StoppedError."""
    try:
        with session.stop.on_signals(session.progress.notify) as install:
            yield install
    except Exception as error:
        if session.stop.signal_number is None:
            raise
        raise StoppedError(session.stop.signal_number, error) from error


def _capacity(
    spec: StudySpec, ray: ExitStack, on_started: Callable[[], None] = lambda: None
) -> Capacity:
    """Starts Ray, or connects to it, while the stack lasts; returns its capacity for the trials."""
    alone = ray.enter_context(ray_runtime())
    on_started()
    return find_capacity(spec.resources, alone=alone)


def _open(  # noqa: PLR0913, PLR0917  # what a session is opened with
    spec: StudySpec,
    home: Home,
    dataset: Dataset,
    logits: Mapping[str, Logits],
    digest: str,
    grid_size: int | None,
    console: Console,
) -> Session:
    """Stores the spec, and opens the stored search, if any."""
    folder = home.study_folder(spec.name)
    grew = resume.grew(folder, spec)
    if not grew:
        resume.store_spec(folder, spec)
    journal.repair(folder.journal)
    earlier = copy_earlier(spec, home)
    storage = SearchStorage(spec, folder.journal, digest, dataset.files and dataset.files.md5)
    storage.note_earlier(earlier)
    resume.promote(spec, storage, kept_checkpoints(spec, home, storage), grew=grew)
    if grew:
        # The spec comes last: a driver that is killed before leaves a study that will still grow.
        resume.store_spec(folder, spec)
    budget = budget_spent(spec, storage.trials(), grid_size, storage.promoted)
    scoreboard = resume.earlier_scoreboard(spec, storage, budget)
    clock = StudyClock(storage, spec.budget.minutes)
    return Session(
        spec=spec,
        home=home,
        dataset=dataset,
        storage=storage,
        budget=budget,
        scoreboard=scoreboard,
        progress=Progress(scoreboard, console),
        clock=clock,
        stop=StudyStopper(clock),
        tracker=Tracker(folder, home),
        logits=logits,
    )


def _run_trials(
    session: Session, ray: ExitStack, capacity: Capacity | None, on_started: Callable[[], None]
) -> None:
    """Runs the trials that are left, and ends Ray.

    `capacity` is None if Ray has not been started yet; `on_started` is called when it was.
    """
    with recorded(session) as catch_up, ray:
        if session.over() and not session.unconfirmed():
            catch_up()
            finish_confirmation(session)
            more = resume.growing(session.spec, session.budget.grid_size)
            session.progress.notify(f"{session.over()}{more}")
            return
        if capacity is None:
            # Ray starts while the tracker opens its store: each takes seconds.
            session.progress.notify("starting Ray, which takes some seconds")
            capacity = _capacity(session.spec, ray, on_started)
        catch_up()
        if session.stop.reason is None:
            session.progress.notify(BEGUN)
            continued = session.storage.promoted
            if continued:
                session.progress.notify(
                    f"continuing {'trial' if len(continued) == 1 else 'trials'} "
                    f"{', '.join(map(str, continued))} from their checkpoints, as the budget grew"
                )
            if not session.over():
                fit(session, capacity)
            if session.over() and session.stop.signal_number is None:
                confirm(session, capacity)


def _check_room(home: Home) -> None:
    """Raises OSError unless the home, if it exists, takes a small file, which has no name.

    SQLite would only say "disk I/O error" of a full disk.
    """
    if home.folder.exists():
        with tempfile.TemporaryFile(dir=home.folder) as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)


@contextmanager
def _writable(home: Home) -> Iterator[None]:
    """Turns errors of the home's files, as on a full disk, into a StudyError with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            if error.filename is None or not home.has(Path(str(error.filename))):
                raise
            raise StudyError(
                f"the home {home.folder} must be a folder with files of studies only, got: {error}; "
                "move away what is in their place, or use another home (--home DIR)"
            ) from error
        raise StudyError(
            f"the home {home.folder} must be writable and have room, got: {error}; the stored "
            "study is intact, and the same command continues it when there is room"
        ) from error


def _headline(spec: StudySpec, dataset: Dataset, trials: int | None) -> str:
    channels, height, width = dataset.image_shape
    about = (
        f"study {spec.name}: {'' if trials is None else f'{trials} '}trials of {spec.budget.epochs} "
        f"epochs, {spec.replicates} replicates each, {', '.join(spec.families)}"
    )
    data = (
        f"data {dataset.name}: {channels} x {height} x {width}, {dataset.classes} classes, "
        f"{len(dataset.train.labels):,} train, {len(dataset.validation.labels):,} validation, "
        f"{len(dataset.test.labels):,} test"
    )
    return "\n".join([about, data, *dataset.notices()])
