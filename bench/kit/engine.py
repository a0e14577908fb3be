"""job-engine under measurement: its processes, its clients, and a look at its record."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from job_engine.client import Client
from job_engine.client.responses import ExecutorInfo
from job_engine.job.errors import JobEngineError
from kit.environment import BENCH
from kit.load import Clients
from kit.processes import Processes, wait_for
from kit.record import all_final, first_start, first_waiting

ACTIONS = Path(__file__).with_name("our_actions.py")
PROGRAM = Path(sys.executable).with_name("job-engine")
READY_WITHIN = 60.0
"""Seconds until the engine must answer."""
BURN_WITHIN = 600.0
"""Seconds that a burn-down may take."""
LOOK = 0.005
"""Seconds between two looks at the record."""


class JobEngine:
    """Measures ours; each measurement starts with an empty data folder."""

    name = "job-engine"
    durable = True

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes = processes
        self._folder = folder

    def burn_down(self, jobs: int) -> float:
        """Jobs a second from the first start to the last commit, of ``jobs`` that wait when ``up`` starts."""
        data = self.new_data()
        with self.server(data):
            self.clients(data).fill(jobs)
        return self.burn(data, jobs)

    def burn(self, data: Path, jobs: int) -> float:
        """The same, of the next ``jobs`` that wait in this data folder."""
        first = first_waiting(data)
        last = first + jobs - 1
        with self.up(data) as up:
            wait_for(lambda: self.alive(up) and all_final(data, last), BURN_WITHIN, "the last job", LOOK)
            ended = time.time()
        return jobs / (ended - first_start(data, first, last))

    def enqueue_rate(self, clients: int) -> float:
        """Jobs a second that so many client processes enqueue, one by one, while no executor runs."""
        data = self.new_data()
        with self.server(data):
            return self.clients(data).rate(clients)

    def bulk_rate(self, size: int) -> float:
        """Jobs a second that one client enqueues, ``size`` at a time."""
        data = self.new_data()
        with self.server(data):
            return self.clients(data).bulk_rate(size)

    def start_latencies(self, jobs: int) -> list[float]:
        """Milliseconds from enqueue to start, of jobs that meet an idle engine."""
        data = self.new_data()
        with self.up(data):
            return self.clients(data).start_latencies(self._folder / "stamps", jobs)

    def new_data(self) -> Path:
        """A new data folder."""
        return Path(mkdtemp(prefix="data-", dir=self._folder))

    def clients(self, data: Path) -> Clients:
        """Client processes of the engine on this data folder."""
        return Clients(self._processes, Path(sys.executable), "kit.our_jobs", {"BENCH_DATA": str(data)})

    def alive(self, process: subprocess.Popen[bytes]) -> bool:
        """As `Processes.alive`."""
        return self._processes.alive(process)

    @contextmanager
    def server(self, data: Path) -> Iterator[subprocess.Popen[bytes]]:
        """A running API server without executors."""
        with self._running("server", data) as process:
            wait_for(lambda: self._answers(process, data), READY_WITHIN, "job-engine server")
            yield process

    @contextmanager
    def up(self, data: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
        """A running ``job-engine up``, as users start it; ready when its executor has reported."""
        with self._running("up", data, "--actions", str(ACTIONS), *flags) as process:
            wait_for(lambda: self._answers(process, data) and executors(data), READY_WITHIN, "job-engine up")
            yield process

    @contextmanager
    def _running(self, command: str, data: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
        words: list[str | Path] = [PROGRAM, command, "--data", str(data), "--port", "0", *flags]
        process = self._processes.start(words, {"PYTHONPATH": str(BENCH)})
        try:
            yield process
        finally:
            self._processes.stop(process)

    def _answers(self, process: subprocess.Popen[bytes], data: Path) -> bool:
        self.alive(process)
        try:
            with Client(data=data, environ={}, timeout=1.0) as client:
                return client.status().status != ""
        except JobEngineError:
            return False


def executors(data: Path) -> list[ExecutorInfo]:
    """The executors that the record knows."""
    with Client(data=data, environ={}) as client:
        return client.executors()
