import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import ray

from study import cluster
from study.errors import BadInputError, ClusterError


@contextmanager
def something(status, body):
    """A server that gives everybody the same answer; where the connection of a client ends up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # http.server's name
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def refusal(address):
    with pytest.raises(ClusterError) as caught:
        cluster.connect(address)
    return str(caught.value).splitlines()[0]


@pytest.mark.parametrize("address", ["", "head:8265", "ray://head:10001", "http://", "auto"])
def test_what_is_no_address_of_a_dashboard_is_bad_input(address):
    with pytest.raises(BadInputError, match="such as http://head:8265, got"):
        cluster.connect(address)


def test_nobody_there_is_said_with_the_reason():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = refusal(address)
    assert said == f"no Ray cluster can be reached at {address}: [Errno 111] Connection refused"


def test_a_server_that_stays_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(cluster, "_REACH_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in refusal(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b"hello"), (200, b"[]")])
def test_what_is_no_ray_is_said_so(status, body):
    with something(status, body) as address:
        assert refusal(address).startswith(f"no Ray cluster is at {address}")


def test_another_version_of_ray_is_refused_with_both():
    with something(200, json.dumps({"ray_version": "2.9.3"}).encode()) as address:
        assert refusal(address) == (
            "`version of Ray here = version of the cluster` must hold, got "
            f"{ray.__version__} here, 2.9.3 at {address}"
        )


def test_a_token_that_is_missing_and_one_that_is_refused_are_told_apart(monkeypatch):
    with something(401, b"") as address:
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
        assert refusal(address) == f"the Ray cluster at {address} needs a token"
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
        assert refusal(address) == f"the Ray cluster at {address} refuses the token"
