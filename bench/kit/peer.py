"""A peer: its worker and its clients, on the bench's Redis."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.environment import BENCH, program
from kit.load import Clients
from kit.processes import Processes, wait_for
from kit.redis_server import RedisServer

LOOK = 0.005
"""Seconds between two looks at the length of the queue."""
BURN_WITHIN = 120.0
"""Seconds that a burn-down may take, the worker's start included."""


class Peer:
    """Measures one peer; each measurement starts with an empty Redis."""

    durable = False

    def __init__(self, processes: Processes, redis: RedisServer, folder: Path, module: str) -> None:
        self._processes = processes
        self._redis = redis
        self._folder = folder
        self._env = {"BENCH_REDIS": redis.url}
        self._clients = Clients(processes, program("python"), f"peers.{module}", self._env)
        described = self._clients.run("describe")
        self.name: str = described["name"]
        self._worker: list[str] = described["worker"]
        self._unfinished: list[str] = described["unfinished"]
        self._most: int = described["jobs"]
        self._signal = signal.Signals[described["stop"]]

    def burn_down(self, jobs: int) -> float:
        """Jobs a second from the first job done to the last, of ``jobs`` that wait when the worker starts."""
        jobs = min(jobs, self._most)
        self._redis.ask("FLUSHALL")
        self._clients.fill(jobs)
        with self._working():
            left = wait_for(lambda: (left := self._left()) < jobs and (left,), BURN_WITHIN, "the first job", LOOK)[0]
            first = time.perf_counter()
            wait_for(lambda: self._left() == 0, BURN_WITHIN, "the last job", LOOK)
            return float(left / (time.perf_counter() - first))

    def enqueue_rate(self, clients: int) -> float:
        """Jobs a second that so many client processes enqueue, one by one, while no worker runs."""
        self._redis.ask("FLUSHALL")
        return self._clients.rate(clients)

    def start_latencies(self, jobs: int) -> list[float]:
        """Milliseconds from enqueue to start, of jobs that meet an idle worker."""
        self._redis.ask("FLUSHALL")
        with self._working() as worker:
            self._clients.fill(1)
            wait_for(lambda: self._processes.alive(worker) and self._left() == 0, BURN_WITHIN, "the worker")
            return self._clients.start_latencies(self._folder / "stamps", jobs)

    def _left(self) -> int:
        return sum(self._redis.ask(command) for command in self._unfinished)

    @contextmanager
    def _working(self) -> Iterator[subprocess.Popen[bytes]]:
        name, *arguments = self._worker
        env = {**self._env, "PYTHONPATH": str(BENCH)}
        worker = self._processes.start([program(name), *arguments], env, cwd=self._folder)
        try:
            yield worker
        finally:
            self._processes.stop(worker, self._signal, patience=5.0)
