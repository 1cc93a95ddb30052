"""Takes a trained network out of a study."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.artifacts import download_artifacts

from study import layout
from study.errors import BadInputError, NotFoundError
from study.home import Home
from study.portable_model import NETWORK_FOLDER
from study.reader import client, translated
from study.record import TrialRecord
from study.results import best_first, records

if TYPE_CHECKING:
    from models.network import Network


def load_model(name: str, trial: int | None = None, home: Home | None = None) -> "Network":
    """The trained network of a trial, on the CPU, in evaluation mode; all replicates are in it.

    By default that of the most accurate trial on the front. Raises NotFoundError if there is no such
    trial, or if its weights were not kept: only trials that are on the front when they end keep them.
    """
    from models.storage import load_network  # noqa: PLC0415  # torch loads only when it is needed

    with tempfile.TemporaryDirectory() as folder:
        return load_network(export_model(name, Path(folder) / "model", trial, home))


def export_model(name: str, to: Path, trial: int | None = None, home: Home | None = None) -> Path:
    """Copies a trial's stored network into a folder, which must not exist yet; returns the folder.

    Raises NotFoundError like `load_model`, BadInputError if the folder exists.
    """
    home = home or Home.find()
    found = records(name, home)
    chosen = _choose(name, found, trial)
    with translated(home):
        model_id = client(home).get_run(chosen.run_id).data.tags.get(layout.MODEL_TAG)
    if model_id is None:
        have = ", ".join(str(record.trial) for record in found if record.on_front)
        raise NotFoundError(
            f"the weights of trial {chosen.trial} of study {name!r} were not kept: trials keep "
            f"them that are on the front when they end, such as {have or 'none yet'}"
        )
    if to.exists():
        raise BadInputError(f"the folder to write must not exist yet, got {to}")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, translated(home):
        downloaded = download_artifacts(
            artifact_uri=f"models:/{model_id}",
            dst_path=folder,
            tracking_uri=home.tracking_uri,
        )
        shutil.copytree(Path(downloaded) / NETWORK_FOLDER, to)
    return to


def _choose(name: str, found: list[TrialRecord], trial: int | None) -> TrialRecord:
    if trial is None:
        chosen = next((record for record in best_first(found) if record.on_front), None)
        if chosen is None:
            raise NotFoundError(f"study {name!r} has no complete trial yet")
        return chosen
    chosen = next((record for record in found if record.trial == trial), None)
    if chosen is None:
        have = f"trials 0 to {found[-1].trial}" if found else "no trials"
        raise NotFoundError(f"study {name!r} has {have}, got trial {trial}")
    return chosen
