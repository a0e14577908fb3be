"""Forms: sent from one of our pages, or refused."""

import asyncio
from typing import Any, cast

import pytest
from starlette.requests import Request

from job_engine.api.identity import ANONYMOUS
from job_engine.dashboard.visitor import Visitor
from job_engine.job.errors import Forbidden

TOKEN = "5f" * 32


def sent(body: bytes, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}, receive)


def fields(request: Request) -> dict[str, str]:
    return asyncio.run(Visitor(cast(Any, None), ANONYMOUS, TOKEN).form(request))


def test_ours() -> None:
    body = f"token={TOKEN}&name=a".encode()
    assert fields(sent(body))["name"] == "a"
    assert fields(sent(body, host="here:1", origin="http://here:1"))["name"] == "a"
    assert fields(sent(body, sec_fetch_site="same-origin"))["name"] == "a"


@pytest.mark.parametrize("token", [b"", b"0", "é".encode(), b"%C3%A9", b"%FF", TOKEN.upper().encode()])
def test_another_token(token: bytes) -> None:
    with pytest.raises(Forbidden):
        fields(sent(b"token=" + token))


@pytest.mark.parametrize(
    "headers", [{"sec_fetch_site": "cross-site"}, {"host": "here:1", "origin": "http://here:2"}, {"origin": "null"}]
)
def test_from_elsewhere(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        fields(sent(f"token={TOKEN}".encode(), **headers))
