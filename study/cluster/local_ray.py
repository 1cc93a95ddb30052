"""Starts Ray on this machine for one process tree: on loopback alone, with a token of its own.

Ray would listen on every interface, and keep one token for all clusters of a user in a file that
everybody may read. Here nothing listens beyond 127.0.0.1, and the token is drawn for this cluster, is
in the environment of its processes while it lasts, and is written nowhere.
"""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import ray
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled, no types

_MODE: Final = "RAY_AUTH_MODE"
_TOKEN: Final = "RAY_AUTH_TOKEN"  # noqa: S105  # the name of the variable
_OWN_BYTES: Final = 32


@contextmanager
def local_ray(cpus: int, gpus: int = 0) -> Iterator[None]:
    """A new Ray with so many CPUs and GPUs while the context lasts; the environment is then as before.

    Where $RAY_AUTH_MODE is set, Ray's own rules hold: `disabled` asks for no token, and with `token` a
    token that the user has is taken.
    """
    with _token(), _loopback():
        ray.init(
            "local",
            num_cpus=cpus,
            num_gpus=gpus,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _token() -> Iterator[None]:
    """A fresh token while the context lasts, unless the user decided; `ray.init` demands it then."""
    before = {name: os.environ.get(name) for name in (_MODE, _TOKEN)}
    mode = before[_MODE]
    has_one = AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    if mode is None or (mode.lower() == "token" and not has_one):
        os.environ[_TOKEN] = secrets.token_hex(_OWN_BYTES)
    _read_again()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _read_again()


def _read_again() -> None:
    """Ray keeps, within a process, what it once read of the environment."""
    AuthenticationTokenLoader.instance().reset_cache()
    Config.initialize("")


@contextmanager
def _loopback() -> Iterator[None]:
    """The node has the address 127.0.0.1 while the context lasts, as on systems without clusters.

    An address that is given as `_node_ip_address` is not taken if it is loopback: Ray resolves it to
    that of an interface. With this all of its servers bind to loopback.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
