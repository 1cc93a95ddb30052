"""Serves the network of a trial over HTTP on this machine, with MLflow's protocol.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally: `POST /invocations` with
`{"inputs": [...]}`, images of shape (count, channels, height, width) with pixels in 0..255, gives
`{"predictions": [...]}`, the class probabilities; `GET /ping` responds once the network is loaded.
"""

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from numpy.typing import NDArray

from models.portable import Floats, Portable
from study import environment
from study.home import Home
from study.results.local_port import HOST, listen
from study.results.network import FetchedNetwork
from study.results.reader import read_study

_FIRST_PORT: Final = 5001


@environment.RECORDS
def serve_network(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    trial: int | None,
    *,
    home: Home,
    port: int | None,
    retrained: bool,
    notify: Callable[[str], None],
) -> None:
    """Serves until Ctrl-C; `notify` gets the address, with an example of a request.

    `trial` is by default the best, `port` the first free one from 5001. Raises NotFoundError and
    TrackingError like `study.load_model`, BadInputError if the port is in use.
    """
    study = read_study(name, home)
    with tempfile.TemporaryDirectory() as folder, listen(port, _FIRST_PORT) as listening:
        fetched = FetchedNetwork.of_trial(study, trial, Path(folder), retrained=retrained)
        with fetched.undamaged():
            network = Portable(fetched.folder)
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        notify(
            f"trial {fetched.record.trial} of {name}: {address}/invocations (Ctrl-C ends it)\n"
            f"  images of shape (count, {', '.join(map(str, network.image_shape))}), 0..255, in JSON: "
            '{"inputs": [...]}'
        )
        _run(network, listening)


@final
class _Network:
    """The network as MLflow's server calls it."""

    def __init__(self, network: Portable) -> None:
        self._network = network

    def predict(self, pixels: NDArray[np.float64], params: dict[str, Any] | None = None) -> Floats:
        """The class probabilities, shape (count, classes). Raises MlflowException for bad pixels."""
        with np.errstate(invalid="ignore"):
            images = pixels.astype(np.uint8)
        wrong = pixels[images != pixels]
        if len(wrong):
            raise MlflowException(
                f"pixels must be whole numbers in 0..255, got {wrong[0]:g}", BAD_REQUEST
            )
        return self._network.probabilities(images, int((params or {}).get("replicate", -1)))


def _run(network: Portable, listening: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415  # takes a second, as the next
    from mlflow.models import Model, ModelSignature  # noqa: PLC0415
    from mlflow.pyfunc import PyFuncModel, scoring_server  # noqa: PLC0415
    from mlflow.types.schema import ParamSchema, ParamSpec, Schema, TensorSpec  # noqa: PLC0415
    from starlette.middleware.trustedhost import TrustedHostMiddleware  # noqa: PLC0415

    # The server holds requests against it. As uint8, it would cut off the fractions of pixels.
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float64), (-1, *network.image_shape))]),
        params=ParamSchema([ParamSpec("replicate", "long", default=-1)]),
    )
    model = PyFuncModel(Model(signature=signature), _Network(network))
    app = scoring_server.init(model)
    # A page of another site must not reach it under a name that leads here.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    server.run(sockets=[listening])
