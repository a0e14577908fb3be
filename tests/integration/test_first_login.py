"""An action's first use of the API, while nothing listens where the server is."""

import socket
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from job_engine import Job, action
from job_engine.actions.interruption import LOST
from job_engine.actions.outcome import FINISHED, RELEASED
from job_engine.actions.run import run
from job_engine.api import ServerSettings, make_app
from job_engine.executor import clients
from job_engine.executor.clients import Clients
from job_engine.executor.messages import Setup
from job_engine.job.errors import Unreachable
from job_engine.testing.hold import NotingHold
from tests.integration.running import WITHIN, eventually
from tests.unit.actions.samples import job_of


@action("look")
def look(job: Job) -> str:
    try:
        return str(job.api.endpoint)
    except Exception as error:  # as actions do that report what goes wrong
        raise ValueError("it was told") from error


class Place:
    """A server that does not listen yet, and the clients of an executor there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self.listen()  # once, to make the administrator
        self.close()
        admin = tomllib.loads((folder / "admin.toml").read_text())
        self.clients = Clients(
            Setup(
                api_url=f"http://127.0.0.1:{self._port}",
                username=admin["username"], password=admin["password"], key=None,
                secret=None, header=None, threads=1, actions=[], entry_points=False, log_level="INFO", hands_out=True,
            )
        )  # fmt: skip
        self.refused = 0

    def connect(self) -> Any:
        try:
            return self.clients.connect("job/1", 1)
        except Unreachable:
            self.refused += 1
            if self.refused == 2:
                self.listen()
            raise

    def listen(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", self._port))
        self._port = self._socket.getsockname()[1]
        app = make_app(ServerSettings(database=self._folder / "record.db", admin_folder=self._folder))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        eventually(lambda: self._server.started)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(WITHIN)
        self._socket.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(clients, "CONNECT_RETRIES", 0)  # each of which waits a while
    place = Place(tmp_path)
    yield place
    place.close()


def test_a_server_that_comes_back_within_the_grace_is_waited_for(place: Place) -> None:
    hold = NotingHold(place.connect)
    hold.api_grace = WITHIN
    outcome = run(look, job_of("look", hold=hold))
    assert (outcome.kind, outcome.state) == (FINISHED, "SUCCESS")
    assert place.refused == 2


def test_after_the_grace_the_job_is_given_back_and_not_failed(place: Place) -> None:
    outcome = run(look, job_of("look", hold=NotingHold(place.connect)))
    assert (outcome.kind, outcome.message) == (RELEASED, LOST)
    assert place.refused == 1
