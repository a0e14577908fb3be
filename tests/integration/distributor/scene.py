"""Distributor processes on one record, with and without ZooKeeper, and what they made."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from kazoo.client import KazooClient

from job_engine.job.times import epoch
from tests.integration.engine_processes import ROOT, SERVER, Engine, until
from tests.integration.running import clean
from tests.zookeeper import Proxy

EVERY = 0.2
"""Seconds between two ticks, so that a test has many."""
SESSION = 2.0
"""Seconds of a session: 10 ticks of the test servers."""
OFTEN = """
import os, time
from job_engine import distribution

@distribution(every={every}, missed={missed!r})
def often(tick):
    with open({calls!r}, "a") as calls:
        calls.write(f"{{os.getpid()}} {{tick.due.timestamp():.3f}} {{time.time():.3f}}\\n")
    return {{"action": "waits-for-nobody", "payload": '{{"due": %.3f}}' % tick.due.timestamp()}}
"""


class NuvlaEngine(Engine):
    """A server that is like Nuvla's."""

    def start_server(self) -> None:
        told = {"folder": str(self.folder), "port": self.port, "period": self.period}
        script = SERVER.replace("make_app(settings)", "NuvlaLike(make_app(settings))")
        script = f"from tests.nuvla import NuvlaLike\n{script}"
        self.server = subprocess.Popen([sys.executable, "-c", script, json.dumps(told)], cwd=ROOT)
        until(self._listens, "the server")


class Distributor:
    """A distributor process, which reaches ZooKeeper by a proxy of its own."""

    def __init__(self, place: "Place", name: str, *arguments: str) -> None:
        self.name = name
        self.log_path = place.folder / f"{name}.log"
        self.proxy = Proxy(place.zookeeper_port) if place.zookeeper_port else None
        told = ["--api-url", place.engine.url, "--api-user", place.engine.admin["username"]]
        told += ["--api-pass", place.engine.admin["password"], "--name", name, "--keep-jobs", "forever"]
        if self.proxy is not None:
            told += ["--zk-hosts", f"{self.proxy.host}/{place.chroot}", "--session-timeout", f"{SESSION:g}s"]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "job_engine.cli", "distributor", *told, *arguments],
                stdout=log, stderr=log, cwd=place.folder, env=clean(), start_new_session=True,
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def says(self, text: str, count: int = 1) -> "Distributor":
        until(
            lambda: self.log.count(text) >= count or self.process.poll() is not None, f"{text!r} in {self.name}'s log"
        )
        assert self.log.count(text) >= count, self.log
        return self

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.proxy is not None:
            self.proxy.close()


class Place:
    """A record, perhaps ZooKeeper, and distributors of one distribution called often."""

    def __init__(self, folder: Path, zookeeper_port: int = 0, engine: type[Engine] = Engine) -> None:
        self.folder = folder
        self.zookeeper_port = zookeeper_port
        self.chroot = f"test-{uuid4().hex}"
        self.engine = engine(folder)
        self.distributors: list[Distributor] = []
        self.calls_path = folder / "calls"

    @property
    def client(self) -> Any:
        return self.engine.client

    def often(self, missed: str = "all", every: float = EVERY) -> str:
        """The file with the distribution."""
        file = self.folder / "often.py"
        file.write_text(OFTEN.format(every=every, missed=missed, calls=str(self.calls_path)))
        return str(file)

    def file(self, source: str) -> str:
        file = self.folder / "these_distributions.py"
        file.write_text(source)
        return str(file)

    def start(self, *arguments: str, count: int = 1) -> list[Distributor]:
        new = [Distributor(self, f"d{len(self.distributors) + n}", *arguments) for n in range(count)]
        self.distributors += new
        for distributor in new:
            distributor.says("makes jobs for")
        return new

    def dues(self) -> list[float]:
        """The due times of the jobs that were made, in the order in which they were made."""
        found, page = [], 1
        while True:
            jobs = self.client.jobs(
                "action='waits-for-nobody'", select=["payload"], orderby="id", first=page, last=page + 9_999
            )
            found += [json.loads(job.document["payload"])["due"] for job in jobs]
            if len(jobs) < 10_000:
                return found
            page += 10_000

    def more(self, count: int = 3) -> None:
        """Wait for so many further ticks."""
        before = len(self.dues())
        until(lambda: len(self.dues()) >= before + count, f"{count} more ticks")

    def calls(self) -> list[tuple[int, float]]:
        """Who called the function for which tick, in order."""
        return [(int(pid), float(due)) for pid, due, _ in self._called()]

    def called_at(self) -> list[tuple[int, float]]:
        """Who called the function when, in order."""
        return [(int(pid), float(at)) for pid, _, at in self._called()]

    def _called(self) -> list[list[str]]:
        text = self.calls_path.read_text() if self.calls_path.exists() else ""
        return [line.split() for line in text.splitlines()]

    def leader(self) -> Distributor:
        """Who made the newest tick."""
        until(lambda: self.calls(), "a first tick")
        pid = self.calls()[-1][0]
        return next(d for d in self.distributors if d.process.pid == pid)

    def idle_leader(self, every: float = EVERY) -> Distributor:
        """Who leads, when all that was due is made, and the next tick is a while away."""

        def caught_up() -> bool:
            self.more(1)
            made = self.last_tick()
            return made == self.calls()[-1][1] and time.time() - made < every / 2

        until(caught_up, "a leader that has caught up")
        return self.leader()

    def led_by_another_than(self, old: Distributor, count: int = 3) -> Distributor:
        """Wait until another one leads, and has made some ticks."""
        before = len(self.calls())

        def led() -> bool:
            return sum(pid != old.process.pid for pid, _ in self.calls()[before:]) >= count

        until(led, f"another leader than {old.name}")
        return self.leader()

    @contextmanager
    def kazoo(self) -> Iterator[KazooClient]:
        """A client of the same part of ZooKeeper."""
        client = KazooClient(f"127.0.0.1:{self.zookeeper_port}/{self.chroot}", timeout=10)
        client.start()
        client.ensure_path("/")
        try:
            yield client
        finally:
            client.stop()
            client.close()

    def check(self, every: float = EVERY, *, gaps: int = 0) -> list[float]:
        """No tick was made twice, and none is missing between the first and the last."""
        dues = self.dues()
        twice = [due for due, count in Counter(dues).items() if count > 1]
        assert not twice, f"made twice: {twice}"
        assert dues, "no tick at all"
        first, last = round(min(dues) / every), round(max(dues) / every)
        missing = sorted(set(range(first, last + 1)) - {round(due / every) for due in dues})
        assert len(missing) <= gaps, f"{len(missing)} missing of {last - first + 1}: {missing[:10]}"
        return dues

    def document(self, name: str = "often") -> dict[str, Any]:
        found = self.client.search("distribution", filter=f"name='{name}'")["resources"]
        return found[0] if found else {}

    def last_tick(self, name: str = "often") -> float:
        return epoch(self.document(name)["last-tick"])

    def close(self) -> None:
        for distributor in self.distributors:
            distributor.close()
        self.engine.close()
