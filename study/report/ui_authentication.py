"""Authentication for `study ui`: a link that signs in one browser, and a bearer token for programs."""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

SECRET: Final = "STUDY_UI_SECRET"  # noqa: S105  # the name of the variable
"""The variable of the server's environment that has the secret: it is in no argument and no file."""

_BYTES: Final = 32
_FOREIGN: Final = (
    "a request must name this server in its Host header, as 127.0.0.1:{port} or localhost:{port}, and "
    "come from no other page; through a tunnel both ends have the same port"
)
_UNKNOWN: Final = (
    "this UI asks for its secret: open the link that `study ui` printed last, each signs in one "
    "browser; programs send the secret that it printed ($MLFLOW_TRACKING_TOKEN)"
)


@final
class TokenAuthentication:
    """An ASGI application that passes to another what was sent with the secret.

    A browser gets the secret as a cookie, from the link `/?token=CODE`. The code signs in once, since
    arguments of processes and histories of browsers show the link; `renewed` is called with the first
    code and each that follows. A program sends the secret as a bearer token. What names another host,
    or comes from a page of another origin, is refused; another port is another origin.
    """

    def __init__(
        self, application: ASGIApp, port: int, secret: str, renewed: Callable[[str], None]
    ) -> None:
        self._application = application
        self._port = port
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._cookie = f"study-ui-{port}"  # a browser sends the cookies of all ports to each
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
        """The answer to a request that the application does not get."""
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
        """Whether this server is meant, by a page of its own, a person, or no browser at all."""
        host = headers.get("host", "")
        origin = headers.get("origin", f"http://{host}")
        # Browsers say it of requests without an Origin, too, such as those for pictures and scripts.
        by_page = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        followed = headers.get("sec-fetch-dest") == "document"  # a link, whose page sees no answer
        return host in self._hosts and origin == f"http://{host}" and (followed or not by_page)

    def _knows_secret(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token if scheme.lower() == "bearer" else request.cookies.get(self._cookie, "")
        return _equal(given, self._secret)

    def _sign_in(self, *, new: bool) -> Response:
        """Takes the code out of the address; what follows the `#` stays there."""
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})
        answer.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict")
        if new:
            self._renew()
        return answer

    def _renew(self) -> None:
        self._code = new_secret()
        self._renewed(self._code)


def new_secret() -> str:
    """A text that nobody guesses, of letters that an address may have."""
    return secrets.token_urlsafe(_BYTES)


def _equal(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())
