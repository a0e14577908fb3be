"""job-engine as a cluster under measurement: server with relay, ZooKeeper, and executors of ours or of upstream."""

import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from job_engine.client import Client
from kit.client import CLUSTER_GAP
from kit.engine import ACTIONS, PROGRAM, READY_WITHIN, JobEngine, executors
from kit.environment import BENCH, ROOT
from kit.processes import BenchError, Processes, wait_for
from kit.record import all_final, ended, first_start, last_end
from kit.zookeeper import ZooKeeperServer

UPSTREAM = ROOT / ".dev" / "upstream" / "bin" / "python"
UPSTREAM_EXECUTOR = Path(__file__).with_name("upstream_executor.py")
PUBLISHED_WITHIN = 60.0
"""Seconds until the window is full."""
ALL_WITHIN = 600.0
LOOK = 0.005


class Cluster(JobEngine):
    """Measures ours, and upstream's executors on our server; each measurement has folders of its own."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        super().__init__(processes, folder)
        self.zookeeper = ZooKeeperServer(processes, folder)

    def filled(self, jobs: int) -> Path:
        """A data folder with so many jobs that wait."""
        data = self.new_data()
        with self.server(data):
            self.clients(data).fill(jobs)
        return data

    def ours(self, data: Path, jobs: int, count: int, first: int = 1) -> float:
        """Jobs a second of ``count`` executors, from the first start to the last commit of ``jobs``."""
        last = first + jobs - 1
        with self.relayed(data) as path, ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(self.executor(data, path))
            wait_for(lambda: all_final(data, last), ALL_WITHIN, "the last job", LOOK)
            return jobs / (last_end(data, first, last) - first_start(data, first, last))

    def upstreams(self, data: Path, jobs: int, count: int, seconds: float) -> float:
        """Jobs a second of ``count`` executors of upstream's within some seconds from their first job."""
        if not UPSTREAM.exists():
            raise BenchError(f"needs upstream's engine: {sys.executable} tests/upstream/environment.py makes it")
        admin = tomllib.loads((data / "admin.toml").read_text())
        with self.relayed(data) as path, ExitStack() as stack:
            url = tomllib.loads((data / "admin.toml").read_text())["url"]
            credentials = ["--api-url", url, "--api-user", admin["username"], "--api-pass", admin["password"]]
            for _ in range(count):
                words = [UPSTREAM, UPSTREAM_EXECUTOR, "--zk-hosts", self._hosts(path), "--api-insecure", *credentials]
                process = self._processes.start(words, {})
                stack.callback(self._processes.stop, process)
            wait_for(lambda: ended(data, 1, jobs) >= count, READY_WITHIN, "upstream's first jobs", LOOK)
            began, before = time.monotonic(), ended(data, 1, jobs)
            wait_for(
                lambda: time.monotonic() >= began + seconds or ended(data, 1, jobs) == jobs, ALL_WITHIN, "them", 0.05
            )
            return (ended(data, 1, jobs) - before) / (time.monotonic() - began)

    def starts(self, count: int, jobs: int) -> list[float]:
        """Milliseconds from enqueue to start, of jobs that meet ``count`` idle executors."""
        data = self.new_data()
        with self.relayed(data) as path, ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(self.executor(data, path))
            return self.clients(data).start_latencies(self._folder / "stamps", jobs, CLUSTER_GAP)

    @contextmanager
    def relayed(self, data: Path) -> Iterator[str]:
        """A running server with a relay whose window is full; the path of its queue."""
        path = f"/{data.name}"
        with self._running("server", data, "--zk-hosts", self._hosts(path)) as process:
            wait_for(lambda: self._answers(process, data), READY_WITHIN, "job-engine server")
            wait_for(lambda: _is_published(data), PUBLISHED_WITHIN, "the relay")
            yield path

    @contextmanager
    def executor(self, data: Path, path: str) -> Iterator[None]:
        """A running executor of ours, with one worker process: with several executors there are two cores."""
        flags = ["--data", str(data), "--zk-hosts", self._hosts(path), "--actions", str(ACTIONS), "--processes", "1"]
        known = len(executors(data))
        process = self._processes.start([PROGRAM, "executor", *flags, "--threads", "8"], {"PYTHONPATH": str(BENCH)})
        try:
            wait_for(lambda: self.alive(process) and len(executors(data)) > known, READY_WITHIN, "job-engine executor")
            yield
        finally:
            self._processes.stop(process)

    def _hosts(self, path: str) -> str:
        return self.zookeeper.host + path  # a chroot: each measurement has a queue of its own


def _is_published(data: Path) -> bool:
    with Client(data=data, environ={}) as client:
        queue = client.queue()
    return bool(queue.get("leader")) and (queue["waiting"] == 0 or queue["published"] >= queue["window"])
