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
    from study.tracking.pyfunc_model import write_portable  # noqa: PLC0415  # takes a second

    study = read_study(name, home)
    with tempfile.TemporaryDirectory() as folder, listen(port, _FIRST_PORT) as listening:
        fetched = FetchedNetwork.of_trial(study, trial, Path(folder), retrained=retrained)
        with fetched.undamaged():
            network = Portable(fetched.folder)
            # For its signature, which the server holds requests against.
            write_portable(
                fetched.folder,
                np.zeros((1, *network.image_shape), dtype=np.uint8),
                Path(folder) / "model",
            )
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        notify(
            f"trial {fetched.record.trial} of {name}: {address}/invocations (Ctrl-C ends it)\n"
            f"  images of shape (count, {', '.join(map(str, network.image_shape))}), 0..255, in JSON: "
            '{"inputs": [...]}'
        )
        _run(network, Path(folder) / "model", listening)


@final
class _Network:
    """The network as MLflow's server calls it."""

    def __init__(self, network: Portable) -> None:
        self._network = network

    def predict(self, images: NDArray[np.uint8], params: dict[str, Any] | None = None) -> Floats:
        """The class probabilities, shape (count, classes)."""
        return self._network.probabilities(images, int((params or {}).get("replicate", -1)))


def _run(network: Portable, signature_folder: Path, listening: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415  # takes a second, as the next
    from mlflow.models import Model  # noqa: PLC0415
    from mlflow.pyfunc import PyFuncModel, scoring_server  # noqa: PLC0415
    from starlette.middleware.trustedhost import TrustedHostMiddleware  # noqa: PLC0415

    model = PyFuncModel(Model.load(str(signature_folder)), _Network(network))
    app = scoring_server.init(model)
    # A page of another site must not reach it under a name that leads here.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    server.run(sockets=[listening])
