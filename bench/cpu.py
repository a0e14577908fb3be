"""``./dev bench cpu``: processor time of one job, by process and thread, where rates swing with whoever else is busy.

What a start costs is not in it: a burn-down is measured from its first jobs to its last, the others are the difference
between a long run and a short one.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

from kit.engine import JobEngine
from kit.measure import Budget, table
from kit.processes import Processes, cpu_by_thread, family, wait_for
from kit.record import ALL, all_final, ended
from kit.run import Result, run, say

SHORT = 1_000
"""Jobs of the short run."""
BULK = 1_000
Cpu = Counter[str]
"""Microseconds by where they were spent, such as ``server, loop``."""


def by_part(pid: int) -> Cpu:
    """What an engine has used so far: of the server the event loop and its other threads apart."""
    used: Cpu = Counter()
    for process in family(pid):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        part = next((word for word in ("server", "distributor", "worker") if _runs(words, word)), "supervisor")
        if process == pid and part != "server":
            continue  # up itself, which waits
        for thread, seconds in cpu_by_thread(process).items():
            of_server = ", loop" if thread == process else ", other threads"
            used[part + (of_server if part == "server" else "")] += round(seconds * 1e6)
    return used


def _runs(words: list[bytes], part: str) -> bool:
    return any(word == part.encode() or word.endswith(f".{part}".encode()) for word in words)


def burn_down(engine: JobEngine, jobs: int) -> dict[str, float]:
    """A job of those that wait when ``up`` starts, from the end of the first `SHORT` to that of the last."""
    data = engine.new_data()
    with engine.server(data):
        engine.clients(data).fill(SHORT + jobs)
    with engine.up(data) as up:
        wait_for(lambda: engine.alive(up) and ended(data, 1, ALL) >= SHORT, 600.0, "the first jobs", 0.02)
        done, before = ended(data, 1, ALL), by_part(up.pid)
        wait_for(lambda: engine.alive(up) and all_final(data, ALL), 600.0, "the last job", 0.02)
        return _each(before, by_part(up.pid), SHORT + jobs - done)


def _each(before: Cpu, after: Cpu, jobs: int) -> dict[str, float]:
    return {part: (after[part] - before[part]) / jobs for part in after}


def _beyond(measure: Callable[[JobEngine, int], Cpu]) -> Callable[[JobEngine, int], dict[str, float]]:
    """A job of those that a long run has beyond a short one, so that a start costs nothing."""
    return lambda engine, jobs: _each(measure(engine, SHORT // 5), measure(engine, SHORT // 5 + jobs), jobs)


def adds(engine: JobEngine, jobs: int) -> Cpu:
    """Of jobs that one client adds one by one while no executor runs."""
    return _client(engine, "each", str(jobs))


def bulk(engine: JobEngine, jobs: int) -> Cpu:
    """Of jobs that one client adds `BULK` at a time."""
    return _client(engine, "many", str(jobs), str(BULK))


def _client(engine: JobEngine, *arguments: str) -> Cpu:
    data = engine.new_data()
    with engine.server(data) as server:
        answer = engine.clients(data).run(*arguments)
        return by_part(server.pid) + Counter({"client": round(answer["cpu"] * 1e6)})


def starts(engine: JobEngine, jobs: int) -> Cpu:
    """Of jobs that come one by one to an idle engine, whose exchange is parked."""
    data = engine.new_data()
    with engine.up(data) as up:
        answer = engine.clients(data).run("paced", str(jobs))
        wait_for(lambda: engine.alive(up) and all_final(data, ALL), 60.0, "the last job", 0.05)
        return by_part(up.pid) + Counter({"client": round(answer["cpu"] * 1e6)})


MEASURES: dict[str, tuple[Callable[[JobEngine, int], dict[str, float]], int]] = {
    "burn-down": (burn_down, 10),
    "one add": (_beyond(adds), 3),
    "bulk": (_beyond(bulk), 20),
    "parked start": (_beyond(starts), 1),
}
"""What is measured, and of how many times `SHORT` jobs."""


def bench(options: argparse.Namespace, processes: Processes, folder: Path) -> Result:
    engine = JobEngine(processes, folder)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in MEASURES}
    for number in range(1, options.rounds + 1):
        for name, (measure, times) in MEASURES.items():
            say(f"round {number} of {options.rounds}: {name}")
            found[name].append(measure(engine, round(SHORT * times * options.scale)))
    parts = sorted({part for rounds in found.values() for one in rounds for part in one})
    middle = {
        name: {part: median(one.get(part, 0.0) for one in rounds) for part in parts} for name, rounds in found.items()
    }
    rows = [[part, *(f"{middle[name][part]:.1f}" for name in found)] for part in parts]
    rows.append(["all", *(f"{sum(middle[name].values()):.1f}" for name in found)])
    return Result(
        text=f"Microseconds of processor time a job:\n\n{table(('part', *found), rows)}",
        figures=dict(found),
        budgets=[
            Budget("CPU of a no-op job, burn-down", sum(middle["burn-down"].values()), 60, 85, "us", at_most=True),
            Budget("CPU of one add, client and server", sum(middle["one add"].values()), 300, 500, "us", at_most=True),
            Budget("CPU of a job in bulk", sum(middle["bulk"].values()), 12, 20, "us", at_most=True),
        ],
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of jobs")


if __name__ == "__main__":
    run(__doc__, arguments, bench)
