"""An object store that speaks S3 over HTTP, in a thread of the test's process."""

import logging
from contextlib import contextmanager

import requests
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a secret"}
"""Those of its user, for the environment."""


@contextmanager
def object_store():
    """The URI of a folder in its bucket, while the context lasts."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        requests.put(f"http://{host}:{port}/{BUCKET}", timeout=60).raise_for_status()
        yield f"s3://{BUCKET}/studies?endpoint_override={host}:{port}&scheme=http"
    finally:
        server.stop()
