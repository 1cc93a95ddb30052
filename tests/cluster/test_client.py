import json
import socket
import threading

import pytest
import ray

from study.cluster import client
from study.errors import BadInputError, ClusterError
from tests.support.stand_in import server, something


def refusal(address):
    with pytest.raises(ClusterError) as caught:
        client.connect(address)
    return str(caught.value).splitlines()[0]


@pytest.mark.parametrize(
    "address",
    ["", "head:8265", "ray://head:10001", "http://", "auto", "http://head:abc", "http://[::1"],
)
def test_what_is_no_address_of_a_dashboard_is_bad_input(address):
    with pytest.raises(BadInputError, match="such as http://head:8265, got"):
        client.connect(address)


def test_nobody_there_is_said_with_the_reason():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = refusal(address)
    assert said == f"no Ray cluster can be reached at {address}: [Errno 111] Connection refused"


def test_a_server_that_stays_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(client, "_REACH_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in refusal(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_what_does_not_even_speak_http_is_reported():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert refusal(address).startswith(f"no Ray cluster is at {address}")
        thread.join()


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b"hello"), (200, b"[]")])
def test_what_is_no_ray_is_reported(status, body):
    with something(status, body) as address:
        assert refusal(address).startswith(f"no Ray cluster is at {address}")


def test_a_redirect_is_not_followed_so_its_target_gets_no_token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    asked = []

    def answer(path):
        asked.append(path)
        return 200, b"{}"

    with server(answer) as other, server(lambda _: (302, b""), [("Location", other)]) as address:
        assert refusal(address) == f"no Ray cluster is at {address}: HTTP Error 302: Found"
    assert asked == []


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
