"""``./dev bench recovery``: job-engine when a worker process dies, when it is idle, and when it works long."""

import argparse
import os
import signal
import time
from pathlib import Path
from statistics import median

from kit.engine import JobEngine, executors
from kit.measure import Budget, table
from kit.processes import cpu_seconds, family, memory, wait_for, wake_ups
from kit.record import ALL, all_final
from kit.run import Result, run, say

from job_engine.client import Client

SOON = 30.0
"""Seconds until a job must have started, and a killed worker process been replaced."""
SETTLE = 5.0
"""Seconds of quiet before an idle engine is looked at."""
WARM = 10_000
"""Jobs after which a worker process has made its caches and pools; its memory is compared from there."""


def deaths(engine: JobEngine, folder: Path, times: int) -> list[float]:
    """Seconds from the SIGKILL of a worker process to the start of its job in another one."""
    data = engine.new_data()
    with engine.up(data) as up, Client(data=data, environ={}) as client:
        threads = threads_of_workers(data)

        def once(starts: Path) -> float:
            client.submit("bench-wait", payload={"path": str(starts)})
            pid = wait_for(lambda: _lines(starts, 1), SOON, "the first start")[0][0]
            killed = time.time()
            os.kill(int(pid), signal.SIGKILL)
            again: float = wait_for(lambda: _lines(starts, 2), SOON, "the second start")[1][1]
            # The next job needs another process that is alive and ready: one that has all its threads.
            wait_for(lambda: engine.alive(up) and threads_of_workers(data) == threads, SOON, "a new worker process")
            return again - killed

        return [once(folder / f"starts-{number}") for number in range(times)]


def idle(engine: JobEngine, seconds: float) -> tuple[float, float]:
    """Of an ``up`` with nothing to do: percent of a core, and wake-ups a second."""
    with engine.up(engine.new_data()) as up:
        time.sleep(SETTLE)
        pids = family(up.pid)
        began, cpu, woken = time.monotonic(), sum(map(cpu_seconds, pids)), sum(map(wake_ups, pids))
        time.sleep(seconds)
        took = time.monotonic() - began
        return (sum(map(cpu_seconds, pids)) - cpu) / took * 100, (sum(map(wake_ups, pids)) - woken) / took


def growth(engine: JobEngine, jobs: int) -> tuple[float, float, float]:
    """MiB of the largest worker process: before its first job, when warm, and after ``jobs`` more."""
    data = engine.new_data()
    with engine.up(data) as up:
        found = []
        for more in (0, WARM, jobs):
            if more:
                engine.clients(data).fill(more)
            wait_for(lambda: engine.alive(up) and all_final(data, ALL), 900.0, "the last job", pause=0.2)
            found.append(max(map(memory, workers(data))))
    return found[0], found[1], found[2]


def workers(data: Path) -> list[int]:
    """The worker processes of the executor."""
    return family(executors(data)[0].pid)[1:]


def threads_of_workers(data: Path) -> int:
    """The threads of all worker processes together."""
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in workers(data))


def _lines(path: Path, number: int) -> list[tuple[float, float]]:
    """The (pid, time) lines of the file, if there are so many."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(float(pid), float(at)) for pid, at in map(str.split, lines)] if len(lines) >= number else []


def measure(engine: JobEngine, folder: Path, options: argparse.Namespace) -> Result:
    say("killing worker processes")
    reruns = deaths(engine, folder, options.deaths)
    say(f"an idle engine, for {options.idle:g} s")
    cpu, woken = idle(engine, options.idle)
    say(f"memory, over {options.jobs:,} jobs")
    fresh, warm, after = growth(engine, options.jobs)
    rows = [
        [f"re-run after SIGKILL of a worker process, median of {len(reruns)}", f"{median(reruns):.3f} s"],
        ["the same, longest", f"{max(reruns):.3f} s"],
        ["idle `up`, all its processes", f"{cpu:.2f}% of a core"],
        ["idle `up`, wake-ups", f"{woken:.1f}/s"],
        ["memory of a worker process, before its first job", f"{fresh:.1f} MiB"],
        [f"after {WARM:,} jobs", f"{warm:.1f} MiB"],
        [f"after {options.jobs:,} more", f"{after:.1f} MiB"],
    ]
    return Result(
        text=table(("job-engine", "measured"), rows),
        figures={"reruns": reruns, "idle": {"percent": cpu, "wake_ups": woken}, "memory": [fresh, warm, after]},
        budgets=[
            Budget("re-run after the death of a worker process", median(reruns), 0.5, 1, "s", at_most=True),
            Budget("idle `up`", cpu, 0.2, 0.5, "% of a core", at_most=True),
            Budget("memory of a worker process", after, 45, 60, "MiB", at_most=True),
            # Allocators are not exact to a page; a leak of one small object a job would be tens of MiB.
            Budget(f"its growth over {options.jobs:,} jobs", after - warm, 1, 5, "MiB", at_most=True),
        ],
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deaths", type=int, default=10, help="worker processes to kill")
    parser.add_argument("--idle", type=float, default=30, help="seconds to look at an idle engine")
    parser.add_argument("--jobs", type=int, default=200_000, help="over which memory is compared")


if __name__ == "__main__":
    run(__doc__, arguments, lambda options, processes, folder: measure(JobEngine(processes, folder), folder, options))
