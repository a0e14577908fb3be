"""Our API server made to look like Nuvla's: without our extensions, and with a schema that refuses them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from job_engine.job.attributes import ATTRIBUTES

COLLECTIONS = ("cloud-entry-point", "credential", "job", "session", "user")
KNOWN = frozenset(name for name, attribute in ATTRIBUTES.items() if not attribute.extension)
OURS = ("log", "events", "explain", "wait", "retry")
"""Operations of ours."""

Rule = Callable[[str, str, Any], int | None]
"""By method, path and body: a status to answer instead, having done nothing; None: as usual."""


class NuvlaLike:
    """An ASGI application around ours.

    It notes the edits of jobs in ``edits``: (path, body), and all requests in ``seen``: (method, path).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.rule: Rule = lambda method, path, body: None
        self.strip: tuple[str, ...] = ()  # attributes that documents do not show either
        self.edits: list[tuple[str, dict[str, Any]]] = []
        self.seen: list[tuple[str, str]] = []
        self.held: list[str] = []  # requests that said under which hold they were made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        self.seen.append((method, path))
        body = await _body(receive)
        sent = _json(body)
        type_, _, rest = path.removeprefix("/api/").partition("/")
        if any(name == b"job-hold" for name, _ in scope["headers"]):
            self.held.append(path)
        if (status := self.rule(method, path, sent)) is not None:
            await _answer(send, status, {"status": status, "message": "as the test wants it"})
        elif type_ not in COLLECTIONS or rest.rpartition("/")[2] in OURS:
            await _answer(send, 404, {"status": 404, "message": "unknown resource"})
        elif method in ("POST", "PUT") and type_ == "job" and isinstance(sent, dict) and (why := _refused(sent)):
            await _answer(send, 400, {"status": 400, "message": f"does not satisfy defined schema: {why}"})
        else:
            if method == "PUT" and rest and isinstance(sent, dict):
                self.edits.append((path.removeprefix("/api/"), sent))
            await self._pass(scope, body, type_, send)

    async def _pass(self, scope: Scope, body: bytes, type_: str, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name not in (b"job-hold", b"accept-encoding")]
        start: dict[str, Any] = {}
        answered = b""

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def note(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                answered += message.get("body", b"")

        await self._app({**scope, "headers": headers}, receive, note)
        document = _json(answered)
        if type_ == "cloud-entry-point" and isinstance(document, dict):
            document["collections"] = {name: {"href": name} for name in COLLECTIONS}
            document.pop("resource-metadata", None)
        elif type_ == "job" and isinstance(document, dict):
            for one in [document, *document.get("resources", [])]:
                self._hide(one)
        answered = json.dumps(document).encode() if answered else b""
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        start["headers"] = [*kept, (b"content-length", b"%d" % len(answered))]
        await send(start)
        await send({"type": "http.response.body", "body": answered})

    def _hide(self, document: dict[str, Any]) -> None:
        for name in [n for n in document if (n in ATTRIBUTES and n not in KNOWN) or n in self.strip]:
            del document[name]


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
    return body


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _refused(sent: dict[str, Any]) -> str | None:
    """What a job's schema does not take."""
    for name, value in sent.items():
        if name not in KNOWN:
            return name
        if value is None or (name in ("output", "payload") and not str(value).strip()):
            return name
    code = sent.get("return-code", 0)
    return None if isinstance(code, int) and not isinstance(code, bool) and code >= 0 else "return-code"


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
