"""``./dev bench queue``: take and consume in ZooKeeper, ours and kazoo's LockingQueue, in turns in one run."""

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE

from kazoo.client import KazooClient
from kit.measure import Budget, table
from kit.processes import BenchError, Processes, wait_for
from kit.run import Result, run, say
from kit.zookeeper import ZooKeeperServer

EXECUTOR = Path(__file__).parent / "kit" / "queue_executor.py"
MILLION = 1_000_000
LONG = 60.0
"""Seconds for a million: one listing takes some."""
READY_WITHIN, ENDS_WITHIN = 120.0, 60.0
"""Seconds: 32 processes on two cores take a while to start."""
LOOK = 0.02
"""Seconds between two looks at how many entries are left."""


@dataclass(frozen=True)
class Cell:
    """One situation that is measured."""

    kind: str  # ours, kazoo, mixed (every other executor is kazoo's)
    waiting: int
    executors: int


@dataclass
class Measured:
    """What one round of a cell came to."""

    rate: float  # entries/s, from the start to the last consume
    processed: int
    ours: int  # of them


class Bench:
    """Fills a queue, lets executors drain it for some seconds, and checks that no entry was processed twice."""

    def __init__(self, processes: Processes, folder: Path, seconds: float) -> None:
        self._processes = processes
        self._folder = folder
        self._seconds = seconds
        self._server = ZooKeeperServer(processes, folder)
        self._watcher = KazooClient(self._server.host, timeout=30)
        self._watcher.start()
        self._paths = (f"/queue-{n}" for n in itertools.count())

    def close(self) -> None:
        self._watcher.stop()

    def measure(self, cell: Cell) -> Measured:
        path = next(self._paths)
        asyncio.run(self._fill(path, cell.waiting))
        kinds = [("ours", "kazoo")[n % 2] if cell.kind == "mixed" else cell.kind for n in range(cell.executors)]
        reports = [self._folder / f"report{path[1:]}-{n}" for n in range(cell.executors)]
        running = [
            self._processes.start(
                [sys.executable, EXECUTOR, kind, self._server.host, path, report], env={}, stdin=PIPE, stdout=PIPE
            )
            for kind, report in zip(kinds, reports, strict=True)
        ]
        for process in running:
            wait_for(lambda process=process: process.stdout.readline() == b"ready\n", READY_WITHIN, "an executor")
        for process in running:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        began = time.monotonic()
        seconds = max(self._seconds, LONG) if cell.waiting == MILLION else self._seconds
        while time.monotonic() < began + seconds and self._left(path):
            time.sleep(LOOK)
        stopped = time.monotonic()
        for process in running:
            process.stdin.close()
        for process in running:
            wait_for(lambda process=process: process.poll() is not None, ENDS_WITHIN, "an executor's end")
            if process.returncode:
                raise BenchError(f"an executor failed: {self._processes.said(process)}")
            self._processes.stop(process)
        found = [json.loads(report.read_text()) for report in reports]
        self._check(path, cell, found)
        last = max(report["last"] for report in found)
        counts = [len(report["jobs"]) for report in found]
        ours = sum(count for kind, count in zip(kinds, counts, strict=True) if kind == "ours")
        took = (last if self._left(path) == 0 else stopped) - began
        return Measured(sum(counts) / took, sum(counts), ours)

    def _check(self, path: str, cell: Cell, found: Sequence[dict]) -> None:
        jobs = [job for report in found for job in report["jobs"]]
        if len(set(jobs)) != len(jobs):
            raise BenchError(f"{cell}: {len(jobs) - len(set(jobs))} entries were processed twice")
        if len(jobs) + self._left(path) != cell.waiting:
            raise BenchError(f"{cell}: {len(jobs)} processed and {self._left(path)} left of {cell.waiting}")

    def _left(self, path: str) -> int:
        return self._watcher.exists(f"{path}/entries").numChildren

    async def _fill(self, path: str, count: int) -> None:
        from job_engine.queue import LockingQueue, Session, ZooKeeper

        session = Session(ZooKeeper(hosts=self._server.host, path=path, session_timeout=40), kind="filler")
        queue = LockingQueue(session)
        await session.start(60)
        step = 16_384
        for first in range(0, count, step):
            await queue.put_many([(f"job/{n}", 100) for n in range(first, min(first + step, count))])
        await session.close()


def cells(waiting: Sequence[int], executors: Sequence[int], kinds: Sequence[str], million: bool) -> list[Cell]:
    """Ours and kazoo's next to each other, so that a busy moment of the machine hits both."""
    found = [
        Cell(kind, depth, count)
        for depth in waiting
        for count in executors
        for kind in kinds
        if kind != "mixed" or count > 1
    ]
    return found + [Cell("ours", MILLION, count) for count in executors if million]


def report(found: dict[Cell, list[Measured]]) -> str:
    rates = {cell: median(one.rate for one in measured) for cell, measured in found.items()}
    rows = []
    for waiting, executors in dict.fromkeys((cell.waiting, cell.executors) for cell in found):
        ours, kazoo, mixed = (rates.get(Cell(kind, waiting, executors)) for kind in ("ours", "kazoo", "mixed"))
        ratio = f"{ours / kazoo:.0f}" if ours and kazoo else ""
        share = ""
        if mixed:
            both = found[Cell("mixed", waiting, executors)]
            share = f"{100 * median(one.ours / max(1, one.processed) for one in both):.0f}%"
        shown = [f"{rate:,.1f}" if rate is not None else "" for rate in (kazoo, ours)]
        rows.append(
            [f"{waiting:,}", str(executors), *shown, ratio, f"{mixed:,.1f}" if mixed is not None else "", share]
        )
    heads = ("waiting", "executors", "kazoo, entries/s", "ours", "ratio", "half and half", "of it ours")
    return table(heads, rows)


def bench(options: argparse.Namespace, processes: Processes, folder: Path) -> Result:
    if options.rounds < 1:
        raise BenchError("--rounds must be at least 1")
    one = Bench(processes, folder, options.seconds)
    found: dict[Cell, list[Measured]] = {}
    for number in range(1, options.rounds + 1):
        for cell in cells(options.waiting, options.executors, options.kinds, options.million):
            measured = one.measure(cell)
            found.setdefault(cell, []).append(measured)
            say(
                f"round {number} of {options.rounds}: {cell.waiting:,} waiting, {cell.executors} x {cell.kind}: "
                f"{measured.rate:,.1f}/s ({measured.processed:,} processed)"
            )
    one.close()
    budgets = []
    ours, kazoo = (found.get(Cell(kind, 10_000, 8)) for kind in ("ours", "kazoo"))
    if ours and kazoo:
        ratio = median(one.rate for one in ours) / median(one.rate for one in kazoo)
        budgets.append(Budget("10,000 waiting, 8 executors, ours / kazoo's", ratio, 150, 60))
    text = f"Medians of {options.rounds} rounds; no entry was processed twice, none was lost.\n\n{report(found)}"
    figures = {
        f"{c.kind}, {c.waiting} waiting, {c.executors} executors": [vars(m) for m in ms] for c, ms in found.items()
    }
    return Result(text=text, figures=figures, budgets=budgets)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waiting", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--executors", type=int, nargs="+", default=[1, 8, 32], help="processes")
    parser.add_argument("--kinds", nargs="+", choices=("kazoo", "ours", "mixed"), default=["kazoo", "ours", "mixed"])
    parser.add_argument("--million", action="store_true", help=f"ours with {MILLION:,} waiting, too")
    parser.add_argument("--seconds", type=float, default=8.0, help="at most, for each measurement")


if __name__ == "__main__":
    run(__doc__, arguments, bench)
