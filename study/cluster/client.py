"""A client of the jobs API of a Ray cluster, with errors that name a remedy.

Token authentication uses Ray's own settings (`study.cluster.credentials`).
"""

import http.client
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, final
from urllib.parse import urlsplit

import ray
from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobSubmissionClient

from study.cluster.credentials import ray_token
from study.errors import BadInputError, ClusterError

_REACH_S: Final = 10.0
_REQUEST_S: Final = 30.0
# They override the address that Ray's client is given.
_ADDRESSES: Final = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
_REFUSED: Final = (401, 403)
_HOW: Final = (
    "the address is that of the dashboard, such as http://head:8265; where the cluster demands a "
    "token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or keep it in ~/.ray/auth_token"
)


class UnansweredError(ClusterError):
    """A cluster does not answer, or answers wrongly: it may be starting or stopping."""


@final
class _Client(JobSubmissionClient):
    """Ray's client with a time limit on every request."""

    def _do_request(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # as Ray has it
        options.setdefault("timeout", _REQUEST_S)
        return super()._do_request(*arguments, **options)


@final
class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect, as to a login page, for an error: its target must not get the token."""

    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  # as of the library
        return None


_DIRECT: Final = urllib.request.build_opener(_NoRedirects)


def connect(address: str) -> JobSubmissionClient:
    """A client of the cluster whose dashboard is at the address.

    Raises BadInputError if it is no address of a dashboard, UnansweredError if nothing answers there
    within seconds, ClusterError if the token is missing or refused, or the cluster runs another
    version of Ray.
    """
    if not _is_address(address):
        raise BadInputError(
            "the address must be that of a Ray dashboard, such as http://head:8265, got "
            f"{address!r} (option --address)"
        )
    _check_version(address.rstrip("/"))
    # It logs the upload of the working directory.
    logging.getLogger(JobSubmissionClient.__mro__[1].__module__).setLevel(logging.WARNING)
    addresses = {name: os.environ.pop(name) for name in _ADDRESSES if name in os.environ}
    try:
        with answered(address):
            return _Client(address)
    finally:
        os.environ.update(addresses)


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError if it is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


@contextmanager
def answered(address: str) -> Iterator[None]:
    """Turns errors of Ray and of the network into an UnansweredError."""
    try:
        yield
    except (AuthenticationError, RayError, RuntimeError, OSError) as error:
        raise UnansweredError(f"the Ray cluster at {address} must answer: {error}") from error


def _check_version(address: str) -> None:
    """Compares the versions of Ray, with a time limit, which Ray's client does not have here."""
    token = ray_token()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{address}/api/version", headers=headers)  # noqa: S310  # see connect
    try:
        with _DIRECT.open(request, timeout=_REACH_S) as answer:
            there = json.load(answer)["ray_version"]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _REFUSED:
            what = "needs a token" if token is None else "refuses the token"
            raise ClusterError(f"the Ray cluster at {address} {what}\n{_HOW}") from error
        kind = UnansweredError if error.code >= http.client.INTERNAL_SERVER_ERROR else ClusterError
        raise kind(f"no Ray cluster is at {address}: {error}\n{_HOW}") from error
    except (TimeoutError, urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise UnansweredError(
            f"no Ray cluster can be reached at {address}: {reason}\n{_HOW}"
        ) from error
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"no Ray cluster is at {address}: it is not the dashboard of one\n{_HOW}"
        ) from error
    here = ray.__version__
    if _minor(there) != _minor(here):
        raise ClusterError(
            "`version of Ray here = version of the cluster` must hold, got "
            f"{here} here, {there} at {address}"
        )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
