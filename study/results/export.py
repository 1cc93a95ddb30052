"""Exports a trained network of a study to a self-contained folder."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Final

from models import portable
from models.portable import DESCRIPTION, TENSORS, Portable
from study.errors import BadInputError, StudyError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.model_card import model_card, training_history
from study.results.network import FetchedNetwork
from study.results.onnx_graph import FILE as ONNX_FILE
from study.results.onnx_graph import write_onnx
from study.results.reader import read_study

_CODE: Final = Path(portable.__file__)

EXAMPLE: Final = '''\
"""Classifies images with the network beside this file; needs numpy and safetensors only."""
import json
import sys
from pathlib import Path
import numpy as np
from portable import Portable
network = Portable(Path(__file__).parent)
names = json.loads(Path(__file__).with_name("training.json").read_text("utf-8"))["class_names"]
blank = np.zeros((1, *network.image_shape), dtype=np.uint8)
images = np.load(sys.argv[1]) if len(sys.argv) > 1 else blank  # uint8, (images, *image_shape)
for shares in network.probabilities(images):
    print(f"class {(names or range(len(shares)))[shares.argmax()]}, probability {shares.max():.3f}")
'''

FILES: Final = {
    TENSORS: "weights and wiring of all replicates",
    DESCRIPTION: "architecture and seeds; `models.load_network` reads the folder",
    "training.json": "training settings, data and measurements",
    "example.py": "classifies images; needs numpy and safetensors",
    _CODE.name: "the network in numpy, used by the example",
    "README.md": "this card",
}
"""The files of an exported network, and their purposes."""

_ONNX: Final = "the network for runtimes of ONNX: uint8 `images` to `probabilities`, the mean"


@checked_keywords
def export_model(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    to: Path | str,
    trial: int | None = None,
    *,
    retrained: bool = False,
    onnx: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
) -> Path:
    """Writes the network of a trial with its documents (`FILES`) to a new folder; returns the folder.

    The folder must not exist; it is created complete, by a rename. The network takes images without
    noise, even if trained with noise, which the card states. `onnx` also writes it as `network.onnx`,
    for runtimes of ONNX; this needs the package onnx. Raises NotFoundError and TrackingError
    like `load_model`, BadInputError if the folder exists, StudyError if it cannot be written.
    """
    to = Path(to)
    study = read_study(name, Home.find(home, tracking_uri))
    if to.exists():
        raise BadInputError(f"the folder to write must not exist, got {to}")
    with tempfile.TemporaryDirectory() as folder:
        fetched = FetchedNetwork.of_trial(study, trial, Path(folder), retrained=retrained)
        complete = Path(folder) / "complete"
        complete.mkdir()
        for file in (TENSORS, DESCRIPTION):
            # Without permissions: files of safetensors are readable by their owner only.
            shutil.copyfile(fetched.folder / file, complete / file)
        if onnx:
            with fetched.undamaged():
                network = Portable(fetched.folder)
            write_onnx(network, complete / ONNX_FILE)
        _write_documents(fetched, complete, retrained=retrained)
        _put_in_place(complete, to)
    return to


def _write_documents(fetched: FetchedNetwork, folder: Path, *, retrained: bool) -> None:
    """Writes all files but the network."""
    network = fetched.load()
    history = training_history(
        fetched.study.spec,
        fetched.record,
        network.image_shape,
        network.seeds,
        class_names=fetched.study.class_names,
        retrained=retrained,
    )
    text = json.dumps(history, indent=2) + "\n"
    (folder / "training.json").write_text(text, encoding="utf-8")
    files = FILES | ({ONNX_FILE: _ONNX} if (folder / ONNX_FILE).exists() else {})
    (folder / "README.md").write_text(model_card(history, files), encoding="utf-8")
    (folder / "example.py").write_text(EXAMPLE, encoding="utf-8")
    shutil.copy(_CODE, folder)


def _put_in_place(complete: Path, to: Path) -> None:
    """Copies the folder to its place atomically: first beside it, then by a rename."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as beside:
            shutil.copytree(complete, Path(beside) / to.name)
            (Path(beside) / to.name).rename(to)
    except OSError as error:
        raise StudyError(f"the folder {to} cannot be written: {error}") from error
