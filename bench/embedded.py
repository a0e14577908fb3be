"""``./dev bench embedded``: no-op jobs through ``job-engine up`` and through its peers, in turns."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from kit.engine import JobEngine
from kit.floor import commit_times
from kit.load import p50_p99
from kit.measure import Budget, table
from kit.peer import Peer
from kit.processes import Processes
from kit.redis_server import RedisServer
from kit.run import Result, run, say
from kit.sqlite_queue import SqliteQueue
from peers import DURABLE, NAMES

BULK = 1_000
MANY = 8
STARTS = 300
"""Jobs whose start latency is measured, in each round."""
QUICK_COMMIT = 1.0
"""Milliseconds that a commit may take for the budgets of single adds, each of which waits for one, to mean anything."""
System = JobEngine | Peer


@dataclass
class Figures:
    """What was measured of one system, a value a round."""

    durable: bool
    burn_down: list[float] = field(default_factory=list)  # jobs/s
    enqueue_1: list[float] = field(default_factory=list)  # jobs/s
    enqueue_8: list[float] = field(default_factory=list)  # jobs/s
    enqueue_bulk: list[float] = field(default_factory=list)  # jobs/s; ours only
    start_p50: list[float] = field(default_factory=list)  # ms
    start_p99: list[float] = field(default_factory=list)  # ms

    def start(self, latencies: list[float]) -> None:
        p50, p99 = p50_p99(latencies)
        self.start_p50.append(p50)
        self.start_p99.append(p99)


def measure(systems: Iterable[System], folder: Path, rounds: int, jobs: int) -> dict[str, Figures]:
    """All rounds; the systems take turns in each measurement, so that a busy moment of the machine hits them alike."""
    systems = list(systems)
    found = {system.name: Figures(system.durable) for system in systems}
    found["one commit"] = Figures(durable=True)
    for number in range(1, rounds + 1):
        for system in systems:
            say(f"round {number} of {rounds}: burn-down, {system.name}")
            found[system.name].burn_down.append(system.burn_down(jobs))
        for system in systems:
            say(f"round {number} of {rounds}: enqueue, {system.name}")
            figures = found[system.name]
            figures.enqueue_1.append(system.enqueue_rate(1))
            figures.enqueue_8.append(system.enqueue_rate(MANY))
            if isinstance(system, JobEngine):
                figures.enqueue_bulk.append(system.bulk_rate(BULK))
        for system in systems:
            say(f"round {number} of {rounds}: start latency, {system.name}")
            if isinstance(system, JobEngine):
                found["one commit"].start(commit_times(folder, STARTS))
            found[system.name].start(system.start_latencies(STARTS))
    return found


def report(found: dict[str, Figures]) -> str:
    """The table of medians."""
    fastest = max(median(figures.burn_down) for figures in peers(found, durable=False).values())
    rows = []
    for name, figures in found.items():
        burn = f"{median(figures.burn_down):,.0f}" if figures.burn_down else ""
        ratio = f"{median(figures.burn_down) / fastest:.2f}" if figures.burn_down else ""
        rates = [figures.enqueue_1, figures.enqueue_8, figures.enqueue_bulk]
        starts = [figures.start_p50, figures.start_p99]
        rows.append(
            [
                name,
                "yes" if figures.durable else "no",
                burn,
                ratio,
                *(f"{median(rate):,.0f}" if rate else "" for rate in rates),
                *(f"{median(start):.2f}" for start in starts),
            ]
        )
    heads = (
        *("medians", "durable", "burn-down jobs/s", "x fastest peer"),
        *("enqueue/s, 1 client", f"{MANY} clients", f"bulk of {BULK:,}", "start p50 ms", "p99 ms"),
    )
    return table(heads, rows)


def judge(found: dict[str, Figures]) -> list[Budget]:
    """The budgets of the embedded engine, against the fastest peer in each; Celery's own where it is the yardstick."""
    ours, floor, others = found["job-engine"], found["one commit"], peers(found, durable=False)

    def fastest(what: str) -> float:
        return float(max(median(getattr(figures, what)) for figures in others.values()))

    beyond = "start, beyond one commit"
    verdicts = [
        Budget("burn-down / fastest peer", median(ours.burn_down) / fastest("burn_down"), 4, 2.4),
        Budget(f"{beyond}, p50", median(ours.start_p50) - median(floor.start_p50), 1.5, 3, "ms", at_most=True),
        Budget(f"{beyond}, p99", median(ours.start_p99) - median(floor.start_p99), 3, 8, "ms", at_most=True),
        Budget(f"enqueue, {MANY} clients / fastest peer's", median(ours.enqueue_8) / fastest("enqueue_8"), 0.6, 0.35),
        Budget(f"bulk of {BULK:,} / fastest peer's 1 client", median(ours.enqueue_bulk) / fastest("enqueue_1"), 10, 5),
    ]
    if equals := peers(found, durable=True):
        quickest = max(median(figures.burn_down) for figures in equals.values())
        ratio = median(ours.burn_down) / quickest
        verdicts.insert(1, Budget("burn-down / fastest peer that is durable too", ratio, 12, 6))
    if "Celery" in others:
        ratio = median(ours.enqueue_1) / median(others["Celery"].enqueue_1)
        verdicts.insert(-2, Budget("enqueue, 1 client / Celery's", ratio, 1, 0.6))
    return verdicts


def peers(found: dict[str, Figures], *, durable: bool) -> dict[str, Figures]:
    """The systems that are not ours, and are durable or not."""
    others = {name: figures for name, figures in found.items() if name not in ("job-engine", "one commit")}
    return {name: figures for name, figures in others.items() if figures.durable == durable}


def bench(options: argparse.Namespace, processes: Processes, folder: Path) -> Result:
    redis = RedisServer(processes, folder)
    others = [Peer(processes, redis, folder, f"peer_{name}") for name in options.peers]
    if "redis" in options.durable:
        others.append(Peer(processes, RedisServer(processes, folder, durable=True), folder, "peer_huey"))
    if "sqlite" in options.durable:
        others.append(Peer(processes, SqliteQueue(folder), folder, "peer_huey"))
    found = measure([JobEngine(processes, folder), *others], folder, options.rounds, options.jobs)
    text = f"{report(found)}\n\nDurable: a job is on disk when its client is answered; else it is in Redis' memory."
    if median(found["one commit"].start_p50) > QUICK_COMMIT:
        text += f"\nA commit took more than {QUICK_COMMIT:g} ms: this disk is too slow or busy for the enqueue budgets."
    return Result(
        text=text,
        figures={name: asdict(figures) for name, figures in found.items()},
        budgets=judge(found),
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    names = [name.removeprefix("peer_") for name in NAMES]
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=20_000, help="of a burn-down (slow peers get fewer)")
    parser.add_argument("--peers", nargs="+", choices=names, default=names, help="those to compare with")
    parser.add_argument("--durable", nargs="*", choices=DURABLE, default=DURABLE, help="where Huey is durable too")


if __name__ == "__main__":
    run(__doc__, arguments, bench)
