"""``./dev bench recovery_cluster``: a cluster when worker processes and machines die, and when it is idle."""

import argparse
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from kit.cluster import Cluster
from kit.engine import ACTIONS, PROGRAM, READY_WITHIN, executors
from kit.environment import BENCH
from kit.measure import Budget, table
from kit.processes import cpu_seconds, family, wait_for, wake_ups
from kit.run import Result, run, say
from kit.zookeeper import TICK

from job_engine.client import Client

SESSION = 10.0
"""Seconds: what executors ask for by default, and ZooKeeper grants."""
SOON = 60.0
"""Seconds until a job must have started."""
SETTLE = 5.0
"""Seconds of quiet before an idle executor is looked at."""


class Recovery(Cluster):
    """Kills what runs a job, and waits for the job's next start."""

    def worker_dies(self, times: int) -> list[float]:
        """Seconds from the SIGKILL of a worker process to the start of its job in the executor's other one."""
        data = self.new_data()
        with self.relayed(data) as path, self.running(data, path) as executor, Client(data=data, environ={}) as client:

            def once(n: int) -> float:
                starts, pid = self._begun(client, n)
                killed = time.time()
                os.kill(pid, signal.SIGKILL)
                again = self._second(starts) - killed
                wait_for(lambda: self._has_workers(executor, 2), SOON, "a new worker process")
                return again

            return [once(n) for n in range(times)]

    def machine_dies(self, times: int) -> list[float]:
        """Seconds from the end of an executor with all its processes to the start of its job in another one."""
        data = self.new_data()
        with self.relayed(data) as path, ExitStack() as stack, Client(data=data, environ={}) as client:
            found = []
            standing_by: subprocess.Popen[bytes] | None = None
            for n in range(times):
                victim = standing_by or stack.enter_context(self.running(data, path))
                starts, _ = self._begun(client, n)
                standing_by = stack.enter_context(self.running(data, path))
                killed = time.time()
                os.killpg(victim.pid, signal.SIGKILL)
                found.append(self._second(starts) - killed)
            return found

    def followed(self, times: int) -> list[float]:
        """Seconds from the SIGKILL of a supervisor to the start of its job in the next one in its run folder, which is
        started at once."""
        data = self.new_data()
        folder = ("--run-dir", str(self._folder / "run"))
        with self.relayed(data) as path, ExitStack() as stack, Client(data=data, environ={}) as client:
            found = []
            executor = stack.enter_context(self.running(data, path, *folder))
            for n in range(times):
                starts, _ = self._begun(client, n)
                killed = time.time()
                executor.kill()
                executor = stack.enter_context(self.running(data, path, *folder, wait=False))
                found.append(self._second(starts) - killed)
            return found

    def idle(self, seconds: float) -> tuple[float, float]:
        """Of an executor with nothing to do: percent of a core, and wake-ups a second."""
        data = self.new_data()
        with self.relayed(data) as path, self.running(data, path) as executor:
            time.sleep(SETTLE)
            pids = family(executor.pid)
            began, cpu, woken = time.monotonic(), sum(map(cpu_seconds, pids)), sum(map(wake_ups, pids))
            time.sleep(seconds)
            took = time.monotonic() - began
            return (sum(map(cpu_seconds, pids)) - cpu) / took * 100, (sum(map(wake_ups, pids)) - woken) / took

    @contextmanager
    def running(self, data: Path, path: str, *flags: str, wait: bool = True) -> Iterator["subprocess.Popen[bytes]"]:
        """An executor with two worker processes; ``wait``: until it attends."""
        words = ["executor", "--data", str(data), "--zk-hosts", self._hosts(path), "--session-timeout", f"{SESSION:g}"]
        words += ["--actions", str(ACTIONS), "--processes", "2", "--threads", "4", *flags]
        process = self._processes.start([PROGRAM, *words], {"PYTHONPATH": str(BENCH)})
        try:
            if wait:
                wait_for(lambda: self._attends(process, data), READY_WITHIN, "job-engine executor")
                wait_for(lambda: self._has_workers(process, 2), READY_WITHIN, "its worker processes")
            yield process
        finally:
            self._processes.stop(process)

    def _attends(self, process: "subprocess.Popen[bytes]", data: Path) -> bool:
        self.alive(process)
        return any(executor.pid == process.pid for executor in executors(data))

    def _has_workers(self, process: "subprocess.Popen[bytes]", count: int) -> bool:
        """Ready ones: such have all their threads."""
        workers = family(process.pid)[1:]
        return len(workers) == count and all(len(os.listdir(f"/proc/{pid}/task")) > 4 for pid in workers)

    def _begun(self, client: Client, number: int) -> tuple[Path, int]:
        """A job that has started and waits to be killed: where it notes its starts, and its process."""
        starts = Path(str(self._folder / f"starts-{time.monotonic_ns()}-{number}"))
        client.submit("bench-wait", payload={"path": str(starts)})
        return starts, int(wait_for(lambda: lines(starts, 1), SOON, "the first start")[0][0])

    def _second(self, starts: Path) -> float:
        """When it started again, seconds since the epoch."""
        again: float = wait_for(lambda: lines(starts, 2), SOON, "the second start")[1][1]
        return again


def lines(path: Path, number: int) -> list[tuple[float, float]]:
    """The (pid, time) lines of the file, if there are so many."""
    found = path.read_text().splitlines() if path.exists() else []
    return [(float(pid), float(at)) for pid, at in map(str.split, found)] if len(found) >= number else []


def measure(recovery: Recovery, options: argparse.Namespace) -> Result:
    say("killing worker processes")
    workers = recovery.worker_dies(options.deaths)
    say("killing executors with all their processes")
    machines = recovery.machine_dies(options.machines)
    say("killing supervisors that have a run folder")
    followed = recovery.followed(options.machines)
    say(f"an idle executor, for {options.idle:g} s")
    cpu, woken = recovery.idle(options.idle)
    allowed = SESSION + TICK
    rows = [
        [f"re-run after SIGKILL of a worker process, median of {len(workers)}", f"{median(workers):.3f} s"],
        ["the same, longest", f"{max(workers):.3f} s"],
        [f"after the end of a machine, median of {len(machines)}", f"{median(machines):.2f} s"],
        ["the same, longest", f"{max(machines):.2f} s"],
        [f"after SIGKILL of a supervisor, by the next one in its run folder, median of {len(followed)}",
         f"{median(followed):.2f} s"],
        ["the same, longest", f"{max(followed):.2f} s"],
        ["idle executor, all its processes", f"{cpu:.2f}% of a core"],
        ["idle executor, wake-ups", f"{woken:.1f}/s"],
    ]  # fmt: skip
    return Result(
        text=f"ZooKeeper: session timeout {SESSION:g} s, tick {TICK:g} s.\n\n{table(('job-engine', 'measured'), rows)}",
        figures={"workers": workers, "machines": machines, "followed": followed,
                 "idle": {"percent": cpu, "wake_ups": woken}},
        budgets=[
            Budget("re-run after a worker process dies", median(workers), 0.5, 1, "s", at_most=True),
            Budget(
                "re-run after a machine dies, beyond T + tick", max(machines) - allowed, 0.5, 1, "s", at_most=True,
            ),
            Budget("idle executor", cpu, 0.2, 0.5, "% of a core", at_most=True),
        ],
    )  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deaths", type=int, default=10, help="worker processes to kill")
    parser.add_argument("--machines", type=int, default=3, help="executors to kill, each way")
    parser.add_argument("--idle", type=float, default=15, help="seconds to look at an idle executor")


if __name__ == "__main__":
    run(__doc__, arguments, lambda options, processes, folder: measure(Recovery(processes, folder), options))
