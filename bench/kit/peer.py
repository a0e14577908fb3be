"""A peer: its worker and its clients, on a queue of the bench's."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kit.environment import BENCH, program
from kit.load import Clients
from kit.processes import Processes, wait_for

LOOK = 0.005
"""Seconds between two looks at the length of the queue."""
BURN_WITHIN = 120.0
"""Seconds that a burn-down may take, the worker's start included."""
DURABLE_JOBS = 4_000
"""Jobs of a burn-down of a peer that has each on disk, so that it does not take minutes."""


class Queue(Protocol):
    """Where a peer keeps its jobs."""

    url: str
    durable: bool

    def clear(self) -> None:
        """Remove everything."""

    def left(self, unfinished: Sequence[str]) -> int:
        """How many jobs are not finished, by what the peer's file says of that."""


class Peer:
    """Measures one peer; each measurement starts with an empty queue."""

    def __init__(self, processes: Processes, queue: Queue, folder: Path, module: str) -> None:
        self._processes = processes
        self._queue = queue
        self._folder = folder
        self.durable = queue.durable
        self._env = {"BENCH_QUEUE": queue.url, "BENCH_DURABLE": "1" if queue.durable else ""}
        self._clients = Clients(processes, program("python"), f"peers.{module}", self._env)
        described = self._clients.run("describe")
        self.name: str = described["name"]
        self._worker: list[str] = described["worker"]
        self._unfinished: list[str] = described["unfinished"]
        self._most: int = min(described["jobs"], DURABLE_JOBS if queue.durable else described["jobs"])
        self._signal = signal.Signals[described["stop"]]

    def burn_down(self, jobs: int) -> float:
        """Jobs a second from the first job done to the last, of ``jobs`` that wait when the worker starts."""
        jobs = min(jobs, self._most)
        self._queue.clear()
        self._clients.fill(jobs)
        with self._working():
            left = wait_for(lambda: (left := self._left()) < jobs and (left,), BURN_WITHIN, "the first job", LOOK)[0]
            first = time.perf_counter()
            wait_for(lambda: self._left() == 0, BURN_WITHIN, "the last job", LOOK)
            return float(left / (time.perf_counter() - first))

    def enqueue_rate(self, clients: int) -> float:
        """Jobs a second that so many client processes enqueue, one by one, while no worker runs."""
        self._queue.clear()
        return self._clients.rate(clients)

    def start_latencies(self, jobs: int) -> list[float]:
        """Milliseconds from enqueue to start, of jobs that meet an idle worker."""
        self._queue.clear()
        with self._working() as worker:
            self._clients.fill(1)
            wait_for(lambda: self._processes.alive(worker) and self._left() == 0, BURN_WITHIN, "the worker")
            return self._clients.start_latencies(self._folder / "stamps", jobs)

    def _left(self) -> int:
        return self._queue.left(self._unfinished)

    @contextmanager
    def _working(self) -> Iterator[subprocess.Popen[bytes]]:
        name, *arguments = self._worker
        env = {**self._env, "PYTHONPATH": str(BENCH)}
        worker = self._processes.start([program(name), *arguments], env, cwd=self._folder)
        try:
            yield worker
        finally:
            self._processes.stop(worker, self._signal, patience=5.0)
