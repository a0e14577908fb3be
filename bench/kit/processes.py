"""The processes of a bench: started, looked at, and all stopped at its end, whatever happens."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

STOP_WITHIN = 15.0
"""Seconds that a process gets to end at a signal before its whole group is killed."""
PAGE = os.sysconf("SC_PAGE_SIZE")


class BenchError(Exception):
    """The bench cannot go on; the message says why."""


class Processes:
    """Starts processes, each the leader of its own group, with their output in files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._logs: dict[int, Path] = {}

    def __enter__(self) -> "Processes":
        # Else SIGTERM and SIGHUP would end the bench without its `finally`s.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running.copy()):
            self.stop(process, patience=STOP_WITHIN if kind is None else 0.0)

    def start(
        self, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None, **pipes: Any
    ) -> subprocess.Popen[bytes]:
        """Starts ``command`` with ``env`` added to the environment."""
        log = self.folder / f"{len(self._logs)}-{Path(command[0]).name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, **env},
                cwd=cwd,
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, **pipes},
            )
        self._running.append(process)
        self._logs[process.pid] = log
        return process

    def said(self, process: subprocess.Popen[bytes]) -> str:
        """The end of what the process wrote."""
        return self._logs[process.pid].read_text(errors="replace")[-2000:].strip()

    def alive(self, process: subprocess.Popen[bytes]) -> bool:
        """True; for conditions that would be waited for in vain once the process has ended.

        Raises:
            BenchError: it has.
        """
        if process.poll() is not None:
            raise BenchError(f"{self._logs[process.pid].stem} ended with {process.returncode}: {self.said(process)}")
        return True

    def stop(
        self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM, patience: float = STOP_WITHIN
    ) -> None:
        """Stops the process, and after ``patience`` seconds its whole group the hard way."""
        if process.poll() is None and patience:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if process in self._running:
            self._running.remove(process)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def wait_for(condition: Callable[[], Any], within: float, what: str, pause: float = 0.02) -> Any:
    """Waits until ``condition()`` is true, and returns what it returned.

    Raises:
        BenchError: it was not within ``within`` seconds.
    """
    give_up = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > give_up:
            raise BenchError(f"waited {within:g} s in vain for {what}")
        time.sleep(pause)
    return found


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time that the process's threads have used."""
    return sum(cpu_by_thread(pid).values())


def cpu_by_thread(pid: int) -> dict[int, float]:
    """The same by thread, in seconds to the nanosecond (``stat`` has 10 ms); the first one has the number ``pid``."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}


def wake_ups(pid: int) -> int:
    """How often the process's threads have waited for something, and got it or given up."""
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        found += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return found


def memory(pid: int) -> float:
    """Resident memory, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20
