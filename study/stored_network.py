"""Fetches the stored network of a trial from where MLflow keeps it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from study import layout
from study.errors import NotFoundError, TrackingError
from study.home import Home
from study.portable_code import DESCRIPTION, TENSORS
from study.reader import client, translated
from study.record import TrialRecord


def fetch_network(
    name: str, record: TrialRecord, found: Sequence[TrialRecord], home: Home, to: Path
) -> Path:
    """Copies the network of a trial below `to`; the folder that `models.load_network` reads.

    `found` are the trials of the study. Raises NotFoundError if the network was not kept: only trials
    that are on the front when they end keep theirs. Raises TrackingError if it was, and the store
    does not have it any more.
    """
    folder = download_network(record.run_id, home, to)
    if folder is not None:
        for file in (TENSORS, DESCRIPTION):
            if not (folder / file).is_file():
                raise _damage(name, record, f"{file} is missing")
        return folder
    if record.on_front:
        raise TrackingError(
            f"the network of trial {record.trial} of study {name!r} is on the front and so was kept, "
            f"but the artifacts of its run {record.run_id} in {home.tracking_uri} are gone"
        )
    have = ", ".join(str(other.trial) for other in found if other.on_front)
    raise NotFoundError(
        f"the weights of trial {record.trial} of study {name!r} were not kept: trials keep them "
        f"that are on the front when they end, such as {have or 'none yet'}"
    )


def download_network(run_id: str, home: Home, to: Path) -> Path | None:
    """The one place that knows how a run's network lies in MLflow; None if it has none."""
    store = client(home)
    to.mkdir(parents=True, exist_ok=True)
    with translated(home):
        if not store.list_artifacts(run_id, layout.MODEL_FOLDER):
            return None
        try:
            folder = Path(store.download_artifacts(run_id, layout.MODEL_FOLDER, str(to)))
        except OSError as error:
            raise TrackingError(
                f"the artifacts of run {run_id} in {home.tracking_uri} cannot be read: {error}"
            ) from error
    described = next(folder.rglob(DESCRIPTION), None)
    return folder if described is None else described.parent


@contextmanager
def undamaged(name: str, record: TrialRecord, folder: Path) -> Iterator[None]:
    """Turns the errors of reading the network in the folder into TrackingError."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _damage(name, record, str(error).replace(f"{folder}/", "")) from error


def _damage(name: str, record: TrialRecord, reason: str) -> TrackingError:
    return TrackingError(
        f"the stored network of trial {record.trial} of study {name!r} is damaged "
        f"(artifacts of run {record.run_id}): {reason}"
    )
