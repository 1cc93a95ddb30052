"""A stored network as an MLflow model without pickle, which needs neither torch nor this package.

Apart from `logged_model`, since its imports take a second. `mlflow.pyfunc.save_model` takes another
second to list the files of all installed packages; this writes the same folder
(https://mlflow.org/docs/latest/ml/model#storage-format).
"""

import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Final

import mlflow.pyfunc
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec
from numpy.typing import NDArray

from models import portable
from models.portable import Portable
from study.tracking.tags import NETWORK_FOLDER

CODE: Final = Path(portable.__file__)
"""The code of every model, which MLflow runs."""

_PIP: Final = "requirements.txt"
_VIRTUALENV: Final = "python_env.yaml"
_CONDA: Final = "conda.yaml"
_EXAMPLE: Final = "input_example.json"
_SERVING_EXAMPLE: Final = "serving_input_example.json"


def write_portable(
    network_folder: Path, example: NDArray[np.uint8], to: Path, model_id: str | None = None
) -> None:
    """Writes a stored network as an MLflow model to the folder `to`, which must not exist.

    The model maps uint8 images, shape (-1, channels, height, width), to class probabilities, float32 of
    shape (-1, classes): the mean over the replicates, or, with the parameter `replicate`, those of one.
    `example` are example images; `model_id` is that of MLflow's LoggedModel. Raises the errors of
    `Portable` if the network cannot be read.
    """
    network = Portable(network_folder)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *network.image_shape))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, network.classes))]),
        params=ParamSchema([ParamSpec("replicate", "long", default=-1)]),
    )
    to.mkdir()
    shutil.copy(CODE, to)
    shutil.copytree(network_folder, to / NETWORK_FOLDER)
    _write_environment(to)
    _write_json(to / _EXAMPLE, example.tolist())
    _write_json(to / _SERVING_EXAMPLE, {"inputs": example.tolist()})
    model = Model(
        model_id=model_id,
        signature=signature,
        saved_input_example_info={
            "type": "ndarray",
            "artifact_path": _EXAMPLE,
            "serving_input_path": _SERVING_EXAMPLE,
        },
    )
    mlflow.pyfunc.add_to_model(
        model,
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE.name,
        conda_env=_CONDA,
        python_env=_VIRTUALENV,
        artifacts={"network": {"path": NETWORK_FOLDER, "uri": NETWORK_FOLDER}},
        streamable=False,
    )
    model.model_size_bytes = sum(file.stat().st_size for file in to.rglob("*") if file.is_file())
    model.save(to / "MLmodel")


def _write_environment(to: Path) -> None:
    """Writes the requirements of the model, for pip, virtualenv and conda."""
    python = platform.python_version()
    packages = [f"{name}=={version(name)}" for name in ("mlflow", "numpy", "safetensors")]
    (to / _PIP).write_text("\n".join(packages) + "\n", encoding="utf-8")
    _write_json(to / _VIRTUALENV, {"python": python, "dependencies": [f"-r {_PIP}"]})
    conda = [f"python={python}", "pip", {"pip": packages}]
    _write_json(to / _CONDA, {"channels": ["conda-forge"], "dependencies": conda})


def _write_json(file: Path, content: object) -> None:
    """Writes JSON, which is also YAML."""
    file.write_text(json.dumps(content), encoding="utf-8")
