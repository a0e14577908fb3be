"""A real ``job-engine up`` whose period is short, so that tests see its end; a second executor beside it; raw HTTP."""

import http.client
import json
import os
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from job_engine.client import Client
from tests.integration.running import WITHIN, Up, alive, eventually, family, start

PERIOD = 2.0
"""Seconds after which a silent executor loses its holds; the program has no option for it."""
ACTIONS = Path(__file__).parent / "noting_actions.py"
SITE = "import job_engine.job.attend\njob_engine.job.attend.PERIOD = {period}\n"


class Engine:
    """An ``up`` that may be killed and started again on the same data and port, with all that its actions note.

    Args:
        arguments: further ones of ``up``.
        data: its folder, when that is not below ``folder``.
    """

    def __init__(self, folder: Path, *arguments: str, data: Path | None = None) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self._arguments = ("--actions", str(ACTIONS), *arguments)
        self._port = "0"
        self._started: set[int] = set()  # every process that ever belonged to it
        self._beside: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        self.up = Up(self.data, "--port", self._port, *self._arguments).ready()
        self._port = self.up.line("API").rpartition(":")[2].removesuffix("/api")
        self._note_processes()

    def executor(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start another executor on the same record."""
        given = ("--data", str(self.data), "--actions", str(ACTIONS), *arguments)
        process = start(self.folder / f"executor-{len(self._beside)}.log", "executor", *given)
        self._beside.append(process)
        return process

    def client(self, **options: Any) -> Client:
        return Client(data=self.data, environ={}, **options)

    @property
    def admin(self) -> dict[str, str]:
        return tomllib.loads((self.data / "admin.toml").read_text())

    def workers(self, pid: int) -> list[int]:
        """The worker processes of a supervisor."""
        return [child for child in family(pid) - {pid} if b"job_engine.executor.worker" in _command(child)]

    def pid(self, part: str) -> int:
        """The process of a part, once it runs."""
        found: int = eventually(lambda: self.up.children().get(part))
        return found

    def payload(self, **more: Any) -> dict[str, Any]:
        return {"folder": str(self.folder), **more}

    def notes(self, kind: str = "") -> list[list[str]]:
        """The words of the lines that actions have written, those that begin with ``kind``."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split() for line in lines if line.startswith(kind)]

    def go(self) -> None:
        """Let those actions end that wait for it."""
        (self.folder / "go").touch()

    def kill_all(self) -> None:
        """SIGKILL to the ``up`` and all its parts."""
        self._note_processes()
        self.up.process.kill()
        self.up.process.wait()
        for pid in self._started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(map(alive, self._started)))

    def _note_processes(self) -> None:
        if self.up.process.poll() is None:
            self._started |= family(self.up.process.pid) - {self.up.process.pid}

    def close(self) -> None:
        for process in self._beside:
            self._started |= family(process.pid) - {process.pid} if process.poll() is None else set()
            process.kill()
            process.wait()
        if self.up.process.poll() is None:
            with suppress(KeyError, ProcessLookupError):
                os.kill(self.up.children()["executor"], signal.SIGCONT)
        self.kill_all()


@contextmanager
def engine(folder: Path, *arguments: str, data: Path | None = None, period: float = PERIOD) -> Iterator[Engine]:
    """An engine with a short period; ended at the end whatever happens."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE.format(period=period))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), *([before] if before else [])])
    try:
        made = Engine(folder, *arguments, data=data)
        try:
            yield made
        finally:
            made.close()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


class Http:
    """One connection to the server, as its administrator."""

    def __init__(self, admin: dict[str, str]) -> None:
        self._host = admin["url"].removeprefix("http://")
        self._connection = http.client.HTTPConnection(self._host, timeout=WITHIN)
        template = {"href": "session-template/password", "username": admin["username"], "password": admin["password"]}
        self.send("POST", "session", {"template": template})
        answer = self._connection.getresponse()
        assert answer.status == 201, answer.read()
        answer.read()
        self._headers = {"cookie": str(answer.getheader("set-cookie")).split(";")[0]}

    _headers: dict[str, str] = {}  # noqa: RUF012 (replaced, never changed)

    @property
    def socket(self) -> Any:
        """What the answer to the last request arrives at."""
        return self._connection.sock

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> None:
        """Send a request, and read no answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/{path}", data, {**self._headers, **named})

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request; its status and what was answered."""
        self.send(method, path, body, **headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
