"""The server process of `study ui`: MLflow with authentication (`ui_authentication`).

It serves only artifacts of the home: MLflow would serve any file of this user whose location is in a
record. It prints the codes of links, one per line, and ends with its standard input.
"""

import json
import os
import socket
import sys
import threading
from functools import partial
from typing import Any, Final

import uvicorn
from flask import Response, request
from mlflow.exceptions import MlflowException
from mlflow.server import app as pages
from mlflow.server import constants
from mlflow.server.fastapi_app import app
from mlflow.server.handlers import initialize_backend_stores
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from study import environment
from study.errors import BadInputError
from study.home import Home
from study.report.ui_authentication import SECRET, TokenAuthentication
from study.tracking.artifacts import current_location, own_folder

_LOCATION: Final = ("artifact_location", "artifactLocation")  # of an experiment, in a request
_PATIENCE_S: Final = 5


def _repository(home: Home, artifact_uri: str, **_: object) -> LocalArtifactRepository:
    """Replaces MLflow's constructors of artifact repositories, for all schemes."""
    try:
        return LocalArtifactRepository(
            own_folder(current_location(artifact_uri, home), home).as_uri()
        )
    except BadInputError as error:
        raise MlflowException.invalid_parameter_value(str(error)) from error


def _refuse_location(home: Home) -> Response | None:
    """Rejects experiments with artifacts outside the home; Flask calls this before each request."""
    content = request.get_json(force=True, silent=True) if request.method == "POST" else None
    try:
        for key in _LOCATION:
            if isinstance(content, dict) and content.get(key):
                own_folder(str(content[key]), home)
    except BadInputError as error:
        text = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": str(error)})
        return Response(text, 400, mimetype="application/json")
    return None


def main() -> None:
    """Runs the server; arguments are the tracking URI of the home and a listening socket."""
    environment.prepare()
    answers, sys.stdout = sys.stdout, sys.stderr  # the libraries may print
    uri, descriptor = sys.argv[1:]
    home = Home.find(tracking_uri=uri)
    listening = socket.socket(fileno=int(descriptor))

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = uri
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = str(home.artifact_location)
    repositories: dict[str, Any] = get_registered_artifact_repositories()
    repositories.update(dict.fromkeys(repositories, partial(_repository, home)))
    pages.before_request(partial(_refuse_location, home))
    initialize_backend_stores(uri, uri, home.artifact_location)

    server = uvicorn.Server(
        uvicorn.Config(
            TokenAuthentication(
                app,
                listening.getsockname()[1],
                os.environ.pop(SECRET),
                lambda code: print(code, file=answers, flush=True),
            ),
            access_log=False,
            timeout_graceful_shutdown=_PATIENCE_S,
        )
    )
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    server.run(sockets=[listening])


def _end_with_input(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
