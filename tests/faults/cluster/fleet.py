"""A whole cluster that may be broken: ZooKeeper, a server with its relay, executors; and between any two a proxy."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

from kazoo.client import KazooClient

from job_engine.client import Client
from tests.faults.cluster import noting
from tests.integration.engine_processes import alive, until
from tests.integration.running import clean
from tests.zookeeper import Proxy, Server, free_port

PROGRAM = str(Path(sys.executable).with_name("job-engine"))
QUEUE = "/fleet"
SESSION = 2.0
"""Seconds of a ZooKeeper session; the servers have ticks of 0.2 s."""
CLIENT = "client"
"""The proxy between whoever adds jobs and the server."""
EXECUTORS: tuple[Sequence[str], ...] = (
    ("--run-dir", "run-0", "--api-grace", "1500ms"),
    ("--run-dir", "run-1", "--api-grace", "3s"),
    ("--api-grace", "30s"),
)
"""Two that a successor can follow at once, one that it cannot; and different patience with a server that is away."""


_silent = logging.getLogger("strangers")
_silent.setLevel(logging.CRITICAL)  # that ZooKeeper is away is no news here


class Program:
    """One of ours that is started again and again, with one log."""

    def __init__(self, folder: Path, name: str, arguments: Sequence[str], sign: str) -> None:
        """``sign`` is in its log once it is ready."""
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._folder = folder
        self._arguments = arguments
        self._sign = sign
        self._began = 0  # bytes of the log
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Without waiting."""
        self._began = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, *self._arguments], stdout=log, stderr=log, cwd=self._folder, env=clean()
            )

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def ready(self) -> bool:
        """As far as it has said itself since its start."""
        with self.log_path.open(errors="replace") as log:
            log.seek(self._began)
            return self.running and self._sign in log.read()

    def send(self, number: int) -> None:
        """A signal, if there is somebody to get it."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    @property
    def workers(self) -> list[int]:
        """Its worker processes."""
        found = []
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
                with contextlib.suppress(OSError):
                    if b"job_engine.executor.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                        found.append(int(child))
        return found


class Fleet:
    """All of it.

    Args:
        session: seconds of a ZooKeeper session, at most 4.
    """

    def __init__(self, folder: Path, session: float = SESSION) -> None:
        self.folder = folder
        self.session = session
        self.zookeeper = Server()
        self.port = free_port()
        self.links: dict[str, Proxy] = {}
        self.executors: list[Program] = []
        self.server: Program | None = None
        self._workers: set[int] = set()  # every worker process that was ever seen

    def start(self) -> "Fleet":
        self.zookeeper.start()
        for name in ("server", *(f"executor-{n}" for n in range(len(EXECUTORS)))):
            self.links[f"{name} zookeeper"] = Proxy(self.zookeeper.port)
        for name in (CLIENT, *(f"executor-{n}" for n in range(len(EXECUTORS)))):
            self.links[f"{name} api"] = Proxy(self.port)
        data = str(self.folder / "data")
        arguments = ["server", "--data", data, "--port", str(self.port), *self._zookeeper("server")]
        self.server = Program(self.folder, "server", arguments, "listening on")
        until(self.serves, "the server")
        admin = tomllib.loads((self.record.parent / "admin.toml").read_text())
        for n, more in enumerate(EXECUTORS):
            name = f"executor-{n}"
            arguments = [
                "executor", "--api-url", f"http://{self.links[f'{name} api'].host}", "--api-user", admin["username"],
                "--api-pass", admin["password"], "--actions", noting.__file__, "--processes", "2", "--threads", "8",
                "--name", name, *self._zookeeper(name), *more,
            ]  # fmt: skip
            self.executors.append(Program(self.folder, name, arguments, " runs "))
        self._admin = admin
        until(lambda: all(executor.ready for executor in self.executors), "the executors")
        return self

    def _zookeeper(self, name: str) -> list[str]:
        host = self.links[f"{name} zookeeper"].host
        return ["--zk-hosts", host, "--zk-path", QUEUE, "--session-timeout", f"{self.session:g}s"]

    @property
    def record(self) -> Path:
        return self.folder / "data" / "record.db"

    def client(self, link: str = "") -> Client:
        """Of the server; ``link`` names a proxy between."""
        url = f"http://{self.links[link].host if link else f'127.0.0.1:{self.port}'}"
        return Client(url, username=self._admin["username"], password=self._admin["password"], timeout=5.0)

    def serves(self) -> bool:
        """Whether the server answers."""
        assert self.server
        assert self.server.running, self.server.log
        with (
            contextlib.suppress(OSError),
            urlopen(f"http://127.0.0.1:{self.port}/api/cloud-entry-point", timeout=5) as answer,
        ):
            return bool(answer.status == 200)
        return False

    def see_workers(self) -> None:
        """Remember them, so that none is left behind."""
        for executor in self.executors:
            self._workers.update(executor.workers)

    def run_again(self) -> int:
        """How many attempts have begun that were not the first of their job."""
        return sum(1 for word, _, attempt, _ in self._noted() if word == "begin" and attempt != "1")

    def running(self, executor: Program) -> int:
        """How many attempts run in its worker processes, as far as they have noted it."""
        workers, running = set(map(str, executor.workers)), 0
        for word, _, _, pid in self._noted():
            if pid in workers and word in ("begin", "end", "broke"):
                running += 1 if word == "begin" else -1
        return running

    def _noted(self) -> list[list[str]]:
        """Word, job, attempt and process of each note."""
        path = self.folder / "notes"
        return [line.split(" ")[:4] for line in path.read_text().splitlines()] if path.exists() else []

    # ZooKeeper, past all proxies

    def member_of(self, pid: int) -> str | None:
        """The member node of that supervisor."""
        with self._stranger() as stranger:
            for name in stranger.get_children(f"{QUEUE}/members"):
                about = stranger.get(f"{QUEUE}/members/{name}")[0].decode()
                if about.endswith(f"pid {pid}"):
                    return str(name)
        return None

    def queue(self) -> dict[str, list[str]]:
        """What is left in it."""
        with self._stranger() as stranger:
            return {folder: list(stranger.get_children(f"{QUEUE}/{folder}")) for folder in ("entries", "taken")}

    def _stranger(self) -> "contextlib.AbstractContextManager[KazooClient]":
        return _stranger(self.zookeeper.host)

    # ZooKeeper's disk

    @property
    def disk(self) -> Path:
        return self.zookeeper.folder / "data"

    def wipe(self) -> None:
        """While it is down: it has forgotten everything."""
        shutil.rmtree(self.disk)

    def copy_disk(self) -> None:
        """While it is down."""
        shutil.rmtree(self.zookeeper.folder / "copy", ignore_errors=True)
        shutil.copytree(self.disk, self.zookeeper.folder / "copy")

    def put_copy_back(self) -> None:
        """While it is down: it has forgotten what happened since the copy."""
        self.wipe()
        shutil.copytree(self.zookeeper.folder / "copy", self.disk)

    def close(self) -> None:
        self.see_workers()
        for link in self.links.values():
            link.close()
        for program in (*self.executors, *([self.server] if self.server else [])):
            if program.running:
                program.kill()
        for pid in self._workers:
            if alive(pid):  # they end with their supervisor, by the kernel's hand
                until(lambda pid=pid: not alive(pid), f"worker process {pid} to end")
        self.zookeeper.remove()


@contextlib.contextmanager
def _stranger(host: str):  # type: ignore[no-untyped-def]
    client = KazooClient(host, timeout=2.0, logger=_silent)
    client.start(timeout=5)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def signal_if_alive(pid: int, number: signal.Signals) -> None:
    """To a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
