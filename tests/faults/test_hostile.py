"""People without credentials who want to stop an engine: 200 connections of each kind, all kept open."""

import asyncio
import gzip
import json
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

from tests.integration.running import ACTIONS, Up, eventually

EACH: Final = 200
MEMORY: Final = 300 << 10  # KiB that the server may have had
STATUS_WITHIN: Final = 5.0  # seconds; it is a second on a machine that does nothing else
SENT_WITHIN: Final = 2.0  # seconds that one of them goes on sending
PART: Final = bytes(32 << 10).replace(b"\0", b"x")


def post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = "".join(f"{line}\r\n" for line in (f"POST {path} HTTP/1.1", "host: x", *headers, f"content-length: {size}"))
    return f"{lines}\r\n".encode() + body


DIGITS: Final = json.dumps({"timeout": "1" * 16_000}).encode()
BRACKETS: Final = b"[" + b"[]," * 21_000 + b"[]]"
LOGIN: Final = "/api/session"
KINDS: Final = {
    "connections that say nothing": b"",
    "heads without an end": b"GET / HTTP/1.1\r\nhost: x\r\na: ",
    "heads that are large": b"GET / HTTP/1.1\r\nhost: x\r\na: " + PART * 100,
    "heads of many lines": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
    "bodies without an end": post(LOGIN, b"{", length=1000),
    "bodies that are large": post(LOGIN, PART * 100),
    "bodies of many values": post(LOGIN, BRACKETS),
    "bodies that unpack": post(LOGIN, gzip.compress(b"[" + b"[]," * (4 << 20) + b"[]]", 9), "content-encoding: gzip"),
    "long numbers": post("/api/job/x", DIGITS).replace(b"POST", b"PUT", 1),
    "long cookies": b'GET / HTTP/1.1\r\ncookie: a="' + b"\\" * 60_000 + b'"\r\n\r\n',
    "answers that nobody reads": b"GET /sign-in HTTP/1.1\r\nhost: x\r\n\r\n" * 1000,
    "no HTTP": PART,
}


class Attack:
    """All of them, in a thread of its own, until it is closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._open: list[asyncio.StreamWriter] = []
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._attack(),))
        self._over = asyncio.Event()
        self.kinds: list[str] = []
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    async def _attack(self) -> None:
        for kind, sent in KINDS.items():
            await asyncio.gather(*(self._send(sent) for _ in range(EACH)))
            self.kinds.append(kind)
        await self._over.wait()
        for writer in self._open:
            writer.transport.abort()

    async def _send(self, sent: bytes) -> None:
        with suppress(ConnectionError, TimeoutError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1)  # so that it reads no more
            self._open.append(writer)
            writer.write(sent)
            await asyncio.wait_for(writer.drain(), SENT_WITHIN)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_strangers_stop_nothing(tmp_path: Path) -> None:
    actions, go = tmp_path / "actions.py", tmp_path / "go"
    actions.write_text(ACTIONS)
    up = Up(tmp_path / "data", "--port", "0", "--actions", str(actions), "--processes", "1").ready()
    try:
        client = up.client()
        job = client.submit("wait-for", payload={"path": str(go)})
        eventually(lambda: Path(f"{go}.started").exists())
        port = int(client.found.url.rpartition(":")[2])
        attack = Attack(port)
        try:
            took = [status_of(port) for _ in iter(lambda: len(attack.kinds) < len(KINDS), False)]
            assert client.submit("add", payload={"a": 1}).wait(STATUS_WITHIN) == 2
            eventually(lambda: "refused: " in up.said())
            go.touch()
            assert job.wait(STATUS_WITHIN) == {"attempt": 1}
            assert Path(f"{go}.started").read_text() == "1\n"
        finally:
            attack.close()
        assert sorted(took)[len(took) // 2] < 1.0, took
        server = Path(f"/proc/{up.children()['server']}/status").read_text()
        memory = int(server.partition("VmHWM:")[2].split()[0])
        print(f"{len(took)} times asked, {max(took):.3f} s at most, {memory >> 10} MiB", up.said())
        assert memory < MEMORY
    finally:
        go.touch()
        up.stop()


def status_of(port: int) -> float:
    """Seconds until the server has said how it is, to a stranger too."""
    began = time.monotonic()
    connection = HTTPConnection("127.0.0.1", port, timeout=STATUS_WITHIN)
    connection.request("GET", "/api/status")
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - began
