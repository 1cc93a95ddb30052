"""A stored network as an MLflow model that needs neither torch nor this package, and holds no pickle."""

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
"""The code of every model: what MLflow runs."""

_REQUIREMENTS: Final = ("mlflow", "numpy", "safetensors")


def write_portable(
    network_folder: Path, example: NDArray[np.uint8], to: Path, model_id: str | None = None
) -> None:
    """Writes a stored network as the folder `to` of an MLflow model, which must not exist yet.

    It maps uint8 images, shape (-1, channels, height, width), to the probabilities of the classes,
    float32 of shape (-1, classes): the mean over the replicates, or, with the parameter `replicate`,
    those of one. `example` are some such images. `model_id` is that of MLflow's LoggedModel.
    Raises what `Portable` does where the network cannot be read.
    """
    network = Portable(network_folder)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *network.image_shape))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, network.classes))]),
        params=ParamSchema([ParamSpec("replicate", "long", default=-1)]),
    )
    model = Model(model_id=model_id)
    mlflow.pyfunc.save_model(
        to,
        python_model=CODE,
        artifacts={"network": str(network_folder)},
        signature=signature,
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        mlflow_model=model,
    )
    # MLflow notes where it found the files, which says nothing to whoever gets the model.
    flavor = model.flavors[mlflow.pyfunc.FLAVOR_NAME]
    flavor[mlflow.pyfunc.MODEL_CODE_PATH] = CODE.name
    flavor["artifacts"]["network"]["uri"] = NETWORK_FOLDER
    model.save(to / "MLmodel")
