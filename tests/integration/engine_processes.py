"""A real server process and real executor processes on one record, for tests that kill them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from job_engine.client import Client
from job_engine.client.responses import Event

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds after which a condition that a test waits for has failed."""
T = TypeVar("T")

SERVER = """
import json, sys, uvicorn
from pathlib import Path
from job_engine.api.app import make_app
from job_engine.api.settings import ServerSettings
told = json.loads(sys.argv[1])
folder = Path(told["folder"])
settings = ServerSettings(database=folder / "record.db", port=told["port"], period=told["period"], admin_folder=folder)
uvicorn.run(make_app(settings), host="127.0.0.1", port=told["port"], log_level="warning", timeout_graceful_shutdown=1)
"""
EXECUTOR = """
import importlib, json, sys
from pathlib import Path
from job_engine.client.endpoint import Credentials
from job_engine.executor.run import run
from job_engine.executor.settings import ExecutorSettings
told = json.loads(sys.argv[1])
told["credentials"] = Credentials(**told["credentials"])
told["actions"] = tuple(told["actions"])
for name, value in told.pop("constants", {}).items():
    module, _, attribute = name.rpartition(".")
    setattr(importlib.import_module(module), attribute, value)
told["run_dir"] = Path(told["run_dir"]) if told.get("run_dir") else None
sys.exit(run(ExecutorSettings(**told)))
"""


def until(condition: Callable[[], T], what: str = "a condition", patience: float = PATIENCE) -> T:
    """The first true value of ``condition``."""
    end = time.monotonic() + patience
    pause = 0.002
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {patience:g} s for {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return value


def alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Engine:
    """One record, its server, and executors.

    Args:
        period: seconds after which a silent executor loses its holds.
    """

    def __init__(self, folder: Path, period: float = 10.0) -> None:
        self.folder = folder
        self.period = period
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server: subprocess.Popen[bytes] | None = None
        self.executors: list[Executor] = []
        self.start_server()
        self.admin = tomllib.loads((folder / "admin.toml").read_text())
        self.client = Client(self.url, username=self.admin["username"], password=self.admin["password"])

    def start_server(self) -> None:
        told = {"folder": str(self.folder), "port": self.port, "period": self.period}
        self.server = subprocess.Popen([sys.executable, "-c", SERVER, json.dumps(told)])
        until(self._listens, "the server")

    def _listens(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, "the server has ended"
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def executor(self, actions: Path | str | None, **settings: Any) -> "Executor":
        """Start an executor, and wait until it attends."""
        credentials = {name: self.admin[name] for name in ("username", "password")}
        told = {"api_url": self.url, "credentials": credentials, "actions": [str(actions)] if actions else []}
        told |= {"processes": 1, "threads": 4, "entry_points": False} | settings
        passed = [told["parent_fd"]] if told.get("parent_fd") is not None else []
        command = [sys.executable, "-c", EXECUTOR, json.dumps(told, default=str)]
        executor = Executor(self.folder / f"executor-{len(self.executors)}.log", command, pass_fds=passed)
        self.executors.append(executor)
        return executor

    def events(self, job: Any) -> list[Event]:
        return list(job.events())

    def kinds(self, job: Any) -> list[str]:
        return [event.kind for event in job.events()]

    def close(self) -> None:
        for executor in self.executors:
            executor.close()
        if self.server is not None:
            self.server.kill()
            self.server.wait()


class Executor:
    """An executor process, with its log in a file."""

    def __init__(self, log_path: Path, command: Sequence[str], **settings: Any) -> None:
        self.log_path = log_path
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=log_path.parent, **settings)
        self.pid = self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def wait_for_log(self, text: str, count: int = 1) -> None:
        until(lambda: self.log.count(text) >= count, f"{text!r} in the executor's log")

    def ready(self) -> "Executor":
        self.wait_for_log(" runs ")
        return self

    @property
    def workers(self) -> list[int]:
        found = []
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"job_engine.executor.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
        return found

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stopped(self, within: float = PATIENCE) -> int:
        return self.process.wait(within)

    def close(self) -> None:
        workers = self.workers if self.process.poll() is None else []
        self.process.kill()
        self.process.wait()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, CONT)  # one that a test has stopped does not see that its supervisor has gone
        until(lambda: not any(map(alive, workers)), "workers to end")


TERM, KILL, STOP, CONT = signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT
