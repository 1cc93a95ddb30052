"""The records of a run: its tracker, from the start of the study to its final status."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from study.errors import ClusterError, TrackingError
from study.runner.resume import record_again
from study.runner.session import Session
from study.search.storage import SearchStorage
from study.tracking import provenance, tags
from study.training.dataset import Dataset


@contextmanager
def recorded(session: Session) -> Iterator[Callable[[], None]]:
    """Opens the tracker, and closes it with the final status of the study.

    Yields a function that records ended trials of earlier runs. Files of trials are deleted only after
    it was called, for such records are made from them.
    """
    tracker, caught_up = session.tracker, False

    def catch_up() -> None:
        nonlocal caught_up
        record_again(session.storage, session.scoreboard, tracker, session.folder.trials)
        caught_up = True

    about = _identifying_tags(session.storage) | _data_tags(session.dataset)
    tracker.start(provenance.as_tags() | about)
    status, ended = "FAILED", False
    try:
        yield catch_up
        ended = True
        over = session.over() and not session.unconfirmed()
        if over:
            session.stop.withdraw()
        status = "FINISHED" if over else "KILLED"
        if 0 < session.scoreboard.ended == session.scoreboard.states["FAIL"]:
            status = "FAILED" if over else status
    except (ClusterError, KeyboardInterrupt):
        status = "KILLED"  # nothing failed: the same command resumes the study
        raise
    finally:
        for number in session.scoreboard.running:
            tracker.interrupt_trial(number)
        try:
            tracker.close(status, session.progress.notify)
        except TrackingError as error:
            if ended:
                raise
            # The error that ended the study is raised.
            session.progress.notify(f"error: {error}")
        finally:
            session.storage.note_run_ids(tracker.run_ids)
            if caught_up and tracker.all_sent:
                with suppress(OSError):  # the next run deletes what is left
                    session.kept_checkpoints.clean_up()
            shutil.rmtree(session.folder.tune, ignore_errors=True)


def _identifying_tags(storage: SearchStorage) -> dict[str, str]:
    """The tags that tell the search, its data and its earlier studies from others."""
    identifying = {tags.IDENTITY_TAG: storage.identity}
    if storage.data is not None:
        identifying[tags.DATA_TAG] = storage.data
    if storage.files:
        identifying[tags.FILES_TAG] = json.dumps(storage.files)
    if storage.earlier:
        identifying[tags.EARLIER_TAG] = json.dumps(storage.earlier)
    return identifying


def _data_tags(dataset: Dataset) -> dict[str, str]:
    """The tags of the data: also the names of the classes, if they fit into a tag of MLflow."""
    about = {tags.WITHOUT_TEST_TAG: dataset.without_test().sha256()}
    text = json.dumps(dataset.class_names)
    fits = bool(dataset.class_names) and len(text) <= MAX_TAG_VAL_LENGTH
    return about | ({tags.CLASSES_TAG: text} if fits else {})
