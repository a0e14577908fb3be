"""Client processes, as the bench drives them."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.client import GAP
from kit.environment import BENCH
from kit.measure import percentile
from kit.processes import BenchError, Processes, wait_for

CLIENT_WITHIN = 900.0
"""Seconds that a client process may take; the longest adds a million jobs."""
RATE_SECONDS = 2.0
"""Seconds that an enqueue rate is measured for."""
WARM_UP = 20
"""Jobs whose start is not counted: the first ones find cold caches and connections to be made."""


class Clients:
    """The client processes of one system.

    Args:
        python: the interpreter that has the system's package.
        module: that enqueues its jobs.
        env: what the module reads.
    """

    def __init__(self, processes: Processes, python: Path, module: str, env: Mapping[str, str]) -> None:
        self._processes = processes
        self._command: list[str | Path] = [python, "-m", "kit.client", module]
        self._env = {**env, "PYTHONPATH": str(BENCH)}

    def run(self, *arguments: str) -> Any:
        """What one client answers."""
        return self._answer(self._start(*arguments))

    def fill(self, jobs: int) -> float:
        """Enqueues so many jobs; jobs a second."""
        return _rate(self.run("fill", str(jobs)))

    def rate(self, clients: int) -> float:
        """Jobs a second that so many clients enqueue together, one by one."""
        return self._together(clients, "rate", str(RATE_SECONDS))

    def bulk_rate(self, size: int) -> float:
        """Jobs a second that one client enqueues, ``size`` at a time."""
        return self._together(1, "bulk", str(size), str(RATE_SECONDS))

    def start_latencies(self, path: Path, jobs: int, gap: tuple[float, float] = GAP) -> list[float]:
        """Milliseconds from just before the enqueueing of each job to the first line of its task.

        Raises:
            BenchError: a job did not run.
        """
        self.run("stamps", str(path), str(jobs + WARM_UP), *map(str, gap))
        wait_for(lambda: path.exists() and path.read_text().count("\n") >= jobs + WARM_UP, 30.0, "all stamps")
        pairs = sorted(tuple(map(float, line.split())) for line in path.read_text().splitlines())
        path.unlink()
        return [(started - sent) * 1000 for sent, started in pairs[WARM_UP:]]

    def _together(self, clients: int, *arguments: str) -> float:
        started = [self._start(*arguments) for _ in range(clients)]
        for client in started:
            assert client.stdout is not None
            if client.stdout.readline().strip() != b"ready":
                raise BenchError(f"a client failed: {self._processes.said(client)}")
        for client in started:
            assert client.stdin is not None
            client.stdin.write(b"\n")
            client.stdin.flush()
        return sum(_rate(self._answer(client)) for client in started)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self._processes.start(
            [*self._command, *arguments], self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def _answer(self, client: subprocess.Popen[bytes]) -> Any:
        assert client.stdout is not None
        answer = client.stdout.readline()
        try:
            client.wait(CLIENT_WITHIN)
        except subprocess.TimeoutExpired:
            answer = b""
        self._processes.stop(client)
        if not answer:
            raise BenchError(f"a client failed: {self._processes.said(client)}")
        return json.loads(answer)


def _rate(answer: dict[str, float]) -> float:
    return answer["jobs"] / answer["seconds"]


def p50_p99(latencies: list[float]) -> tuple[float, float]:
    """Both percentiles of latencies."""
    return percentile(latencies, 0.5), percentile(latencies, 0.99)
