"""A server in this process, API and pages over a real record, and what may never happen in it whatever it is sent."""

import asyncio
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from job_engine.api import declared_types, users
from job_engine.api.app import make_app, open_state
from job_engine.api.settings import ServerSettings
from job_engine.dashboard import routes

WORK: Final = 2.0
"""Seconds of processor time that one request may cost: far above the largest legal body, far below what stops a server.
It is not the time that passes, so a busy machine changes nothing."""
ANSWERED: Final = 60.0
"""Seconds until a request without an answer is a failure rather than a slow machine."""
TIMES: Final = int(os.environ.get("JOB_ENGINE_FUZZ_TIMES", "1"))
"""By how much `./dev fuzz` multiplies the examples of each test."""
NOBODY: Final[dict[str, str]] = {}
JANE: Final = {"nuvla-authn-info": "user/jane user/jane group/nuvla-user"}
ADMIN: Final = {"nuvla-authn-info": "group/nuvla-admin"}
PASSWORD: Final = "correct horse battery staple"

inputs: Final[Counter[str]] = Counter()
checks: Final[Counter[str]] = Counter()


def ran(name: str, checked: int) -> None:
    """Count one input of a test and what was checked of it."""
    inputs[name] += 1
    checks[name] += checked


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Target:
    """The server; `send` raises AssertionError for what must never happen."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.loop = loop
        self.faults: list[str] = []
        self.said = 0  # the number of the last attend
        self._open = AsyncExitStack()
        self._handler = _Faults(self.faults)
        logging.getLogger("job_engine").addHandler(self._handler)
        settings = ServerSettings(
            database=folder / "record.db",
            trust_authn_header=(ip_network("127.0.0.1/32"),),
            types=declared_types.read([declared_types.NUVLA]),
        )
        self._app = make_app(settings, routes())
        self.state = loop.run_until_complete(self._open.enter_async_context(open_state(settings)))
        self._app.state = self._app._pages.state.api = self.state  # type: ignore[attr-defined]
        loop.run_until_complete(users.add(self.state, "mia", PASSWORD, ()))

    def close(self) -> None:
        logging.getLogger("job_engine").removeHandler(self._handler)
        self.loop.run_until_complete(self._open.aclose())

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        parts: Sequence[int] = (),
        cut: bool = False,
    ) -> Answer | None:
        """The answer to one request; None if it ended before its body, and got none.

        Args:
            parts: lengths of the pieces in which the body comes; the rest comes at once.
            cut: the connection ends before the last piece.
        """  # fmt: skip
        self.faults.clear()
        busy = time.process_time()
        within = asyncio.wait_for(self._exchange(method, path, body, headers or {}, parts, cut), ANSWERED)
        answer = self.loop.run_until_complete(within)
        busy = time.process_time() - busy
        told = f"{method} {path} with {len(body)} bytes"
        assert busy < WORK, f"{told} cost {busy:.1f} s of processor time"
        assert not self.faults, f"{told}: {self.faults}"
        if answer is not None:
            assert answer.status < 500 or (answer.status == 503 and _logs_in(path)), f"{told}: {answer}"
            assert answer.headers["x-content-type-options"] == "nosniff"
            if path.startswith("/api/") and answer.status >= 400 and method != "HEAD":
                assert answer.json["status"] == answer.status
        return answer

    async def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str], parts: Sequence[int], cut: bool
    ) -> Answer | None:
        place, _, query = path.partition("?")
        sent = {"content-length": str(len(body)), **headers}
        scope = {
            "type": "http", "method": method, "path": unquote(place, errors="replace"), "root_path": "",
            "query_string": query.encode(), "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
            "http_version": "1.1",
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1", "replace")) for k, v in sent.items()],
        }  # fmt: skip
        pieces = _pieces(body, parts)
        if cut:
            pieces.pop()
        messages: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(0)
            if not pieces:
                return {"type": "http.disconnect"}
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces) or cut}

        async def send(message: Any) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        if not messages:
            return None
        answered = {name.decode().lower(): value.decode("latin-1") for name, value in messages[0]["headers"]}
        return Answer(messages[0]["status"], b"".join(m.get("body", b"") for m in messages[1:]), answered)


class _Faults(logging.Handler):
    """Keeps what is logged as an error: nothing that is sent may be one of ours."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")


def _pieces(body: bytes, parts: Sequence[int]) -> list[bytes]:
    pieces = []
    for length in parts:
        pieces.append(body[:length])
        body = body[length:]
    return [*pieces, body]


def _logs_in(path: str) -> bool:
    return path.startswith(("/api/session", "/sign-in", "/api/user"))
