"""A server of ours on ZooKeeper, and who takes jobs from its queue: upstream's executor, ours, and kazoo's recipe."""

import os
import re
import signal
import subprocess
import threading
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from nuvla.api import Api, NuvlaError

from tests.integration.running import clean, eventually, start
from tests.upstream.conftest import ACTIONS, DISTRIBUTIONS

PATIENCE = 0.2
"""Seconds that the stranger waits for an entry before it looks whether it is to stop."""


class Cluster:
    """A server with a queue, and the programs that are started for it.

    Args:
        python: of the environment that has upstream's engine and ours.
        zookeeper: host and port.
    """

    def __init__(self, folder: Path, python: Path, zookeeper: str) -> None:
        self.folder = folder
        self.zookeeper = zookeeper
        self._python = python
        self._programs: list[subprocess.Popen[bytes]] = []
        self._strangers: list[Stranger] = []
        arguments = ["--data", str(folder / "data"), "--port", "0", "--zk-hosts", zookeeper]
        arguments += ["--nuvla-types", "--trust-authn-header", "127.0.0.1/32"]  # bulk jobs act as somebody
        log = self._start("server", "server", *arguments)
        eventually(lambda: re.search(r"listening on \S+", log.read_text()))
        self.admin: dict[str, str] = tomllib.loads((folder / "data" / "admin.toml").read_text())
        self.api = self.connect()

    def connect(self) -> Api:
        api = Api(self.admin["url"], insecure=True, persist_cookie=False)
        assert api.login_password(self.admin["username"], self.admin["password"]).status_code == 201
        return api

    def _start(self, name: str, *arguments: str) -> Path:
        log = self.folder / f"{name}.log"
        self._programs.append(start(log, *arguments, program=str(self._python.with_name("job-engine"))))
        return log

    def _credentials(self) -> list[str]:
        return [
            "--api-url",
            self.admin["url"],
            "--api-user",
            self.admin["username"],
            "--api-pass",
            self.admin["password"],
        ]

    def ours(self) -> Path:
        """Start an executor of ours; its log."""
        arguments = (*self._credentials(), "--zk-hosts", self.zookeeper, "--actions", ACTIONS)
        log = self._start("ours", "executor", *arguments, "--processes", "1", "--threads", "4")
        eventually(lambda: " runs " in log.read_text())
        return log

    def upstreams(self) -> "subprocess.Popen[bytes]":
        """Start upstream's executor."""
        return self._upstreams("executor")

    def upstreams_distributor(self, name: str) -> "subprocess.Popen[bytes]":
        """Start upstream's distributor, with a tick a second for one distribution."""
        return self._upstreams("distributor", *_each_second(name))

    def our_distributor(self, name: str) -> "subprocess.Popen[bytes]":
        """Start a distributor of ours, of upstream's distribution with a tick a second."""
        arguments = (*self._credentials(), "--zk-hosts", self.zookeeper, "--distributions", DISTRIBUTIONS)
        self._start("our-distributor", "distributor", *arguments, "--only", name, *_each_second(name))
        return self._programs[-1]

    def _upstreams(self, kind: str, *more: str) -> "subprocess.Popen[bytes]":
        command = [str(self._python), "-m", f"nuvla.scripts.job_{kind}", "--zk-hosts", self.zookeeper, "--api-insecure"]
        log = self.folder / f"upstream-{kind}-{len(self._programs)}.log"
        with log.open("wb") as output:
            program = subprocess.Popen(
                [*command, *self._credentials(), *more],
                stdout=output,
                stderr=output,
                env=clean(),
                start_new_session=True,
            )
        self._programs.append(program)
        eventually(lambda: f"I am {kind}" in log.read_text())
        return program

    def stranger(self) -> "Stranger":
        """Start a consumer that is nothing but kazoo's recipe and four lines of API."""
        stranger = Stranger(self.zookeeper, self.connect())
        self._strangers.append(stranger)
        return stranger

    def add(self, action: str, number: int) -> list[str]:
        """Add jobs, each on another target."""
        documents = [{"action": action, "target-resource": {"href": f"job/{n}"}} for n in range(number)]
        return list(self.api.session.post(f"{self.api.endpoint}/api/job", json=documents).json()["resource-ids"])

    def states(self) -> Counter[str]:
        return Counter(job.data["state"] for job in self.api.search("job", select="state").resources)

    def close(self) -> None:
        for stranger in self._strangers:
            stranger.stop()
        for program in self._programs:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def _each_second(name: str) -> tuple[str, str]:
    return "--distribution-interval", f"{name}:1"


class Stranger:
    """Takes entries by kazoo's own LockingQueue."""

    def __init__(self, zookeeper: str, api: Api) -> None:
        self.ran: list[str] = []
        self.refused: list[str] = []
        self._api = api
        self._client = KazooClient(zookeeper)
        self._client.start()
        self._queue = self._client.LockingQueue("/job")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._ending.is_set():
            data = self._queue.get(timeout=PATIENCE)
            if data is None:
                continue
            id_ = data.decode()
            try:
                self._api.edit(id_, {"state": "RUNNING"})
                self._api.edit(id_, {"state": "SUCCESS", "return-code": 0})
                self.ran.append(id_)
            except NuvlaError:
                self.refused.append(id_)
            self._queue.consume()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()
        self._client.stop()
        self._client.close()

    def entries(self) -> Any:
        return self._client.get_children("/job/entries")
