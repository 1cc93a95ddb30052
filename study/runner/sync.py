"""Sends the records of studies and retrainings that wait on disk since a driver or a store failed."""

from collections.abc import Callable
from typing import Any

from study.errors import NotFoundError, TrackingError, nearest
from study.home import Home
from study.report.mlflow_page import publish
from study.search import journal
from study.search.storage import SearchStorage
from study.spec.study_spec import StudySpec
from study.study_folder import StudyFolder
from study.tracking.retry import PATIENCE_S
from study.tracking.sender import Sender
from study.tracking.spool import waiting


def sync(name: str, home: Home, notify: Callable[[str], None]) -> int:
    """Sends the waiting records of a study and its retrainings; returns their number.

    Raises NotFoundError if the home has no such study, BadInputError if it runs and so has a sender of
    its own, and TrackingError if the store does not accept them; they are kept.
    """
    folder = home.study_folder(name)
    folders = [one for one in (folder, *folder.retrainings()) if one.spec.exists()]
    if not folders:
        raise NotFoundError(f"no study {name!r} in {home.folder}; {nearest(name, home.studies())}")
    count = 0
    for one in folders:
        with one.only_driver():
            count += send_waiting(one, home, notify)
    return count


def send_waiting(folder: StudyFolder, home: Home, notify: Callable[[str], None]) -> int:
    """Sends the records that wait in a folder, which the caller has locked; returns their number.

    Raises TrackingError like `sync`.
    """
    count = waiting(folder.spool)
    journal.repair(folder.journal)
    run_ids: dict[int, str] = {}
    troubles: list[str] = []
    refused: list[str] = []

    def take(message: dict[str, Any]) -> None:
        run_ids.update(message.get("runs", {}))
        refused.extend(message[key] for key in ("refused", "unshown") if key in message)
        text = message.get("trouble") or message.get("unwritable")
        if text:
            troubles.append(text)
            notify(f"trying again for {PATIENCE_S:g} s: {text}")

    # Even if nothing waits: an earlier sender may still run, or have died before its end.
    left = Sender(folder, home, take, lambda _: True, publish).run()
    if folder.journal.exists():
        SearchStorage(StudySpec.from_stored(folder.spec), folder.journal).note_run_ids(run_ids)
    if left:
        reason = troubles[-1] if troubles else "it does not answer"
        raise TrackingError(
            f"the tracking store {home.shown_uri} must accept every record, {left} are not sent, "
            f"tried for {PATIENCE_S:g} s: {reason}"
        )
    if refused:
        raise TrackingError(
            f"the tracking store {home.shown_uri} must accept every record, it refused {len(refused)}: "
            f"{refused[-1]}; refused records are in {folder.refused}"
        )
    return count
