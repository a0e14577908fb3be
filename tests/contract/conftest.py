"""A real server on a free port, and the real client of Nuvla's API."""

import http.client
import json
import socket
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from nuvla.api import Api
from starlette.routing import BaseRoute

from job_engine.api import ServerSettings, make_app, passwords
from job_engine.api.declared_types import NUVLA, read
from job_engine.api.protocol import OneWriteProtocol
from job_engine.api.transport import over_tls
from job_engine.cli.serving.tls import ServerTls

START = 20.0  # seconds that a server may take until it listens


@dataclass
class Server:
    """A server that runs, and raw HTTP to it."""

    url: str
    port: int
    folder: Path
    app: Any
    cookie: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> dict[str, str]:
        return tomllib.loads((self.folder / "admin.toml").read_text())

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        anonymous: bool = False,
    ) -> tuple[int, Any, dict[str, str]]:
        """One request as the administrator: status, decoded body, headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            data = body if isinstance(body, bytes | str) or body is None else json.dumps(body)
            sent = {} if anonymous else {"cookie": self.cookie}
            connection.request(method, f"/api/{path}", data, {**sent, **(headers or {})})
            response = connection.getresponse()
            raw = response.read()
            return response.status, json.loads(raw) if raw else None, {k.lower(): v for k, v in response.getheaders()}
        finally:
            connection.close()

    def log_in(self, username: str, password: str) -> str:
        """The cookie of a new session."""
        template = {"href": "session-template/password", "username": username, "password": password}
        status, body, headers = self.call("POST", "session", {"template": template}, anonymous=True)
        assert status == 201, body
        return headers["set-cookie"].split(";")[0]

    def api(self, **options: Any) -> Api:
        return Api(self.url, insecure=True, persist_cookie=False, **options)

    def admin_api(self) -> Api:
        api = self.api()
        assert api.login_password(self.admin["username"], self.admin["password"]).status_code == 201
        return api


def serve(
    folder: Path,
    *,
    around: Callable[[Any], Any] = lambda app: app,
    routes: Sequence[BaseRoute] = (),
    tls: ServerTls | None = None,
    **settings: Any,
) -> Iterator[Server]:
    """A server that runs, with ``routes`` beside its API; ``around`` may put something between it and its clients."""
    if tls is not None:
        settings |= {"certificate": Path(tls.certificate), "executors_certified": tls.client_ca is not None}
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    settings.setdefault("types", read([NUVLA]))
    app = make_app(ServerSettings(database=folder / "record.db", port=port, admin_folder=folder, **settings), routes)
    config = uvicorn.Config(
        over_tls(app) if tls else around(app), log_level="error", loop="uvloop", http=OneWriteProtocol,
        proxy_headers=False,
    )  # fmt: skip
    config.load()
    config.ssl = None if tls is None else tls.context()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        thread.join(0.01)
    running = Server(f"http{'s' if tls else ''}://127.0.0.1:{port}", port, folder, app)
    if tls is None:
        running.cookie = running.log_in(running.admin["username"], running.admin["password"])
    try:
        yield running
    finally:
        server.should_exit = True
        thread.join(START)
        sock.close()
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("data"), trust_authn_header=(ip_network("127.0.0.1/32"),))


@pytest.fixture
def api(server: Server) -> Api:
    return server.admin_api()


@pytest.fixture(autouse=True, scope="session")
def cheap_passwords() -> Iterator[None]:
    """A digest costs next to nothing here, for hundreds are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", "4,1")
        patch.setattr(passwords, "_NOBODY", passwords.digest(""))
        yield
