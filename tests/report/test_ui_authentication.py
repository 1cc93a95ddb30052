"""Requests to the application in front of MLflow's; with a real server: tests/e2e/test_security.py."""

import asyncio
from types import SimpleNamespace

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from study.report.ui_authentication import TokenAuthentication

PORT = 5000
SECRET = "a-secret"  # noqa: S105  # of a test
BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
def codes():
    return []


@pytest.fixture
def get(codes):
    """The answer to a GET of the page with a query and headers."""
    application = TokenAuthentication(PlainTextResponse("inside"), PORT, SECRET, codes.append)

    def ask(query="", **headers):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "query_string": query.encode()}
        scope["headers"] = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in ({"Host": f"127.0.0.1:{PORT}"} | headers).items()
        ]
        asyncio.run(application(scope, None, send))
        start, body = sent
        return SimpleNamespace(
            status=start["status"],
            headers=Headers(raw=start["headers"]),
            text=body["body"].decode(),
        )

    return ask


def cookie_of(answer):
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_code_signs_in_one_browser_and_is_taken_out_of_the_address(get, codes):
    assert get().status == 401
    signed_in = get(f"token={codes[0]}")
    assert signed_in.status == 200
    assert 'location.replace("/" + location.hash)' in signed_in.text
    assert "HttpOnly; Path=/; SameSite=strict" in signed_in.headers["set-cookie"]
    assert get(Cookie=cookie_of(signed_in)).text == "inside"
    assert get(f"token={codes[0]}").status == 401
    assert len(set(codes)) == 2
    assert get(f"token={codes[1]}").status == 200


def test_an_old_link_in_the_browser_that_it_signed_in_uses_up_no_code(get, codes):
    cookie = cookie_of(get(f"token={codes[0]}"))
    assert get(f"token={codes[0]}", Cookie=cookie).status == 200
    assert len(codes) == 2


@pytest.mark.parametrize(("given", "status"), [(SECRET, 200), ("another", 401), ("é", 401)])
def test_a_program_sends_the_secret(given, status, get):
    assert get(Authorization=f"Bearer {given}").status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Host": f"127.0.0.1:{PORT + 1}"},
        {"Origin": f"http://127.0.0.1:{PORT + 1}"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
    ],
)
def test_what_comes_from_elsewhere_is_refused_even_with_the_secret(headers, get):
    answer = get(**BEARER | headers)
    assert answer.status == 403
    assert f"must be 127.0.0.1:{PORT} or localhost:{PORT}" in answer.text


def test_a_link_on_another_page_may_be_followed(get):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert get(**BEARER | headers).status == 200


def test_a_websocket_without_the_secret_is_closed():
    sent = []

    async def inside(*_):
        raise AssertionError

    async def send(message):
        sent.append(message)

    application = TokenAuthentication(inside, PORT, SECRET, lambda _: None)
    asyncio.run(application({"type": "websocket", "path": "/", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close"}]
