"""Waits end when they are to end, also if the server hangs."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from job_engine import Client
from job_engine.client import handle
from job_engine.job.errors import JobEngineError
from tests.unit.client.scripted import Request, Scripted, answer, scripted

JOB = "job/0193a5e2-0000-7000-8000-000000000000"
DOCUMENT = json.dumps({"id": JOB, "action": "noop", "state": "QUEUED", "updated": "2026-01-01T00:00:00Z"}).encode()
EXTENDED = b'"idempotency-key"'
LONG = 60.0


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle, "UNBEGUN", 0.05)
    monkeypatch.setattr(handle, "LATE", 0.1)


class Hanging:
    """Answers all but one operation of a job, in which it hangs until its client hangs up."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.hung_up = threading.Event()
        self.server: Scripted

    def __call__(self, request: Request) -> bytes | None:
        operation = request.path.partition("?")[0].rpartition("/")[2]
        if "resource-metadata" in request.path:
            operation, body = "metadata", EXTENDED
        else:
            operation, body = (operation if operation in ("wait", "explain") else "document"), DOCUMENT
        if operation == self.operation:
            self._until_the_client_hangs_up(self.server.open[request.connection - 1])
            return None
        return answer(200, body)

    def _until_the_client_hangs_up(self, sock: socket.socket) -> None:
        sock.settimeout(LONG / 4)
        if sock.recv(1) == b"":
            self.hung_up.set()


@pytest.fixture(params=["metadata", "wait", "explain", "document"])
def hanging(request: pytest.FixtureRequest) -> Iterator[Hanging]:
    made = Hanging(request.param)
    with scripted(made) as made.server:
        yield made


@pytest.mark.usefixtures("soon")
def test_a_server_that_hangs_does_not_prolong_a_wait(hanging: Hanging) -> None:
    with Client(hanging.server.url, environ={}, timeout=LONG) as client:
        job = handle.JobHandle(client, JOB)
        changes = job.changes(timeout=0.3)
        with pytest.raises((TimeoutError, JobEngineError)):
            next(changes) if hanging.operation == "document" else job.wait(timeout=0.3)
    assert hanging.hung_up.wait(LONG / 4), "the client gave up, not the server"
