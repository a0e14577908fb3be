"""An API without a network: requests as ASGI messages, on a real record."""

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from job_engine.api.app import open_state
from job_engine.api.declared_types import NUVLA, read
from job_engine.api.dispatch import dispatch
from job_engine.api.settings import ServerSettings


class InProcess:
    """One server; calls are made as an administrator unless headers say otherwise."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path, **more: Any) -> None:
        self.loop = loop
        trusted = (ip_network("127.0.0.1/32"),)
        more.setdefault("types", read([NUVLA]))
        settings = ServerSettings(database=folder / "record.db", trust_authn_header=trusted, **more)
        self.extensions: dict[str, Any] = {}  # of every request's scope
        self._open = open_state(settings)
        self.state = loop.run_until_complete(self._open.__aenter__())

    def close(self) -> None:
        self.loop.run_until_complete(self._open.__aexit__(None, None, None))

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str | None] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded body."""
        status, raw, _ = self.loop.run_until_complete(self.request(method, path, body, headers))
        return status, json.loads(raw)

    async def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str | None] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"nuvla-authn-info": "group/nuvla-admin", "content-length": str(len(data)), **(headers or {})}
        place, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": unquote(place), "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in sent.items() if v is not None],
            "client": ("127.0.0.1", 1), "extensions": self.extensions,
        }  # fmt: skip
        parts = [data[:100], data[100:]] if data else [b""]
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Any) -> None:
            messages.append(message)

        await dispatch(self.state, scope, receive, send)
        answered = {k.decode(): v.decode() for k, v in messages[0]["headers"]}
        return messages[0]["status"], b"".join(m.get("body", b"") for m in messages[1:]), answered

    @property
    def count(self) -> int:
        """How many jobs there are, from the record itself: the API may answer a slow count twice."""
        return self.loop.run_until_complete(self.state.store.read(_count))


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select count(*) from job").fetchone()[0])
