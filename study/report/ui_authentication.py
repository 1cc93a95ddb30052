"""Authentication for `study ui`: links that sign in a browser, and a bearer token for programs."""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

SECRET: Final = "STUDY_UI_SECRET"  # noqa: S105  # the name of the variable
"""The environment variable of the server with the secret, which is in no argument and no file."""

_BYTES: Final = 32
_FOREIGN: Final = (
    "the Host header of a request must be 127.0.0.1:{port} or localhost:{port}, and requests of other "
    "pages are rejected; both ends of a tunnel must have the same port"
)
_UNKNOWN: Final = (
    "this UI needs its secret: open the last link printed by `study ui`, each signs in one browser; "
    "programs send the printed secret ($MLFLOW_TRACKING_TOKEN)"
)

# MLflow's UI keeps in the browser which pages it shows: by default those for language models, and a
# panel that takes a quarter of the window. What the user has chosen stays.
_SIGNED_IN: Final = """<!doctype html>
<title>study ui</title>
<noscript><a href="/">Continue</a></noscript>
<script>
const preset = {
  "mlflow.workflowType_v1": '"machine_learning"',
  "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
};
for (const [key, value] of Object.entries(preset))
  if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
location.replace("/" + location.hash);
</script>
"""


@final
class TokenAuthentication:
    """An ASGI application that passes requests with the secret to another application.

    A browser gets the secret as a cookie from the link `/?token=CODE`. Each code is valid once, since
    process arguments and browser histories show the link; `renewed` is called with the first code and
    every new one. A program sends the secret as a bearer token. Requests with another host, or from a
    page of another origin, which includes other ports, are rejected.
    """

    def __init__(
        self, application: ASGIApp, port: int, secret: str, renewed: Callable[[str], None]
    ) -> None:
        self._application = application
        self._port = port
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._cookie = f"study-ui-{port}"  # browsers send cookies to all ports of a host
        self._secret = secret
        self._renewed = renewed
        self._renew()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI; MLflow has no websockets."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        refusal = self._answer(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._application)(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        """The response to a request that is not passed on; None to pass it on."""
        if not self._is_own(request.headers):
            return PlainTextResponse(_FOREIGN.format(port=self._port), HTTPStatus.FORBIDDEN)
        knows_secret = self._knows_secret(request)
        code = request.query_params.get("token")
        if request.method == "GET" and request.url.path == "/" and code is not None:
            if knows_secret or _equal(code, self._code):
                return self._sign_in(new=not knows_secret)
        elif knows_secret:
            return None
        return PlainTextResponse(
            _UNKNOWN, HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"}
        )

    def _is_own(self, headers: Headers) -> bool:
        """Whether a request is for this host, and not from a page of another origin."""
        host = headers.get("host", "")
        origin = headers.get("origin", f"http://{host}")
        # Browsers also send this header without an Origin, as for pictures and scripts.
        foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        followed = headers.get("sec-fetch-dest") == "document"  # a link; its page gets no response
        return host in self._hosts and origin == f"http://{host}" and (followed or not foreign)

    def _knows_secret(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token if scheme.lower() == "bearer" else request.cookies.get(self._cookie, "")
        return _equal(given, self._secret)

    def _sign_in(self, *, new: bool) -> Response:
        """Sets the cookie; the page continues at the address without the code, with its fragment."""
        answer = HTMLResponse(_SIGNED_IN, headers={"Cache-Control": "no-store"})
        answer.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict")
        if new:
            self._renew()
        return answer

    def _renew(self) -> None:
        self._code = new_secret()
        self._renewed(self._code)


def new_secret() -> str:
    """A random, URL-safe text."""
    return secrets.token_urlsafe(_BYTES)


def _equal(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())
