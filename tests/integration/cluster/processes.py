"""A real server with its relay, and real executors, on a real ZooKeeper, for tests that break them."""

import contextlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from kazoo.client import KazooClient

from job_engine.client import Client
from job_engine.client.handle import JobHandle
from tests.faults.executor_actions import __file__ as ACTIONS_FILE
from tests.integration.engine_processes import Executor, until
from tests.integration.running import clean
from tests.zookeeper import Proxy, Server, free_port

PROGRAM = str(Path(sys.executable).with_name("job-engine"))
TIMEOUT = 3.0
"""Seconds of a ZooKeeper session: 15 ticks of the test servers."""


class Cluster:
    """One record with its relay, and executors.

    Args:
        folder: for the record, and what actions tell the test.
        host: ZooKeeper's.
        path: of a queue of its own there.
    """

    def __init__(self, folder: Path, host: str, path: str) -> None:
        self.folder = folder
        self.host = host
        self.path = path
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.executors: list[Executor] = []
        self.proxies: list[Proxy] = []
        self.own_zookeeper: Server  # if it has one of its own, to be broken
        self.server: subprocess.Popen[bytes] | None = None
        self.start_server()
        self.admin = tomllib.loads((folder / "admin.toml").read_text())
        self.client = Client(self.url, username=self.admin["username"], password=self.admin["password"])

    def zookeeper(self, host: str = "") -> list[str]:
        return ["--zk-hosts", host or self.host, "--zk-path", self.path, "--session-timeout", f"{TIMEOUT:g}s"]

    def start_server(self) -> None:
        arguments = ["server", "--data", str(self.folder), "--port", str(self.port), *self.zookeeper()]
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen([PROGRAM, *arguments], stdout=log, stderr=log, env=clean())
        until(self._serves, "the server")

    def _serves(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, (self.folder / "server.log").read_text()
        with contextlib.suppress(OSError), urlopen(f"{self.url}/api/cloud-entry-point", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def proxy(self, port: int) -> Proxy:
        """A way to that port which can be broken."""
        proxy = Proxy(port)
        self.proxies.append(proxy)
        return proxy

    def executor(self, *arguments: str, zookeeper: str | None = "", api: str = "") -> Executor:
        """Start an executor. ``zookeeper``: by another way, or None: without."""
        name = f"executor-{len(self.executors)}"
        command = [
            PROGRAM, "executor", "--api-url", api or self.url, "--api-user", self.admin["username"],
            "--api-pass", self.admin["password"], "--actions", ACTIONS_FILE, "--processes", "1",
            "--name", name, *([] if zookeeper is None else self.zookeeper(zookeeper)), *arguments,
        ]  # fmt: skip
        executor = Executor(self.folder / f"{name}.log", command, env=clean())
        self.executors.append(executor)
        return executor

    def command(self, *arguments: str) -> str:
        """What a client command prints."""
        environ = clean() | {"JOB_ENGINE_DATA": str(self.folder)}
        return subprocess.run(
            [PROGRAM, *arguments], capture_output=True, text=True, timeout=60, env=environ, check=True
        ).stdout

    def doctor(self) -> dict[str, tuple[str, str]]:
        """The last finding of each check: its outcome and what it says."""
        environ = clean() | {"JOB_ENGINE_DATA": str(self.folder)}
        done = subprocess.run(
            [PROGRAM, "doctor", "--json"], capture_output=True, text=True, timeout=60, env=environ, check=False
        )
        return {one["check"]: (one["outcome"], one["detail"]) for one in json.loads(done.stdout)["checks"]}

    # --- jobs, and what their actions tell

    def submit(self, action: str, **payload: object) -> JobHandle:
        return self.client.submit(action, payload={"folder": str(self.folder), **payload})

    def notes(self, start: str = "") -> list[str]:
        path = self.folder / "notes"
        return [line for line in path.read_text().splitlines() if line.startswith(start)] if path.exists() else []

    def note(self, start: str, count: int = 1) -> list[str]:
        """The words of that line which starts so."""
        return until(lambda: self.notes(start)[count - 1 :], f"the note {start!r}")[0].split()

    def go(self) -> None:
        (self.folder / "go").touch()

    def kinds(self, job: Any) -> list[str]:
        return [event.kind for event in job.events()]

    @contextlib.contextmanager
    def look(self) -> Iterator[Callable[[str], list[str]]]:
        """What is in a folder of the queue, as a stranger sees it."""
        stranger = KazooClient(self.host)
        stranger.start()
        yield lambda folder: list(stranger.get_children(f"{self.path}/{folder}"))
        stranger.stop()
        stranger.close()

    def close(self) -> None:
        self.client.close()
        for executor in self.executors:
            executor.close()
        for proxy in self.proxies:
            proxy.close()
        if self.server is not None:
            self.server.kill()
            self.server.wait()
