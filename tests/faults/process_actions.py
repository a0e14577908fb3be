"""Actions that show in which process, and in which of its threads, they run."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from job_engine import Job, action


class TimeIsUpError(Exception):
    pass


def _ring(*_: object) -> NoReturn:
    raise TimeIsUpError("the alarm rang")


def _until_go(job: Job, folder: str) -> dict[str, Any]:
    main = threading.current_thread() is threading.main_thread()
    with (Path(folder) / "notes").open("a") as notes:
        notes.write(f"begin {job.action} {job.attempt} {os.getpid()} {main}\n")
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)
    return {"pid": os.getpid(), "main": main, "attempt": job.attempt}


@action
def waits(job: Job, folder: str) -> dict[str, Any]:
    """Runs until the file ``go`` is there."""
    return _until_go(job, folder)


@action(main_thread=True)
def waits_in_main(job: Job, folder: str) -> dict[str, Any]:
    """The same, in the main thread."""
    return _until_go(job, folder)


@action(main_thread=True)
def has_an_alarm() -> None:
    """Bounds itself as upstream's actions do, and leaves the handler as they do."""
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        while True:
            time.sleep(60)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


@action(main_thread=True)
def leaves_an_alarm() -> int:
    """Ends before its alarm rings, and does not turn it off."""
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    return os.getpid()


@action(main_thread=True)
def naps(seconds: float) -> int:
    """Looks at nothing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return os.getpid()


@action(main_thread=True)
def is_deaf_to_its_alarm() -> None:
    """Its main thread is blocked in C when the alarm rings: it waits for a lock that it has."""
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    mutex = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


@action
def dies() -> None:
    """A crash in C, or the kernel's out-of-memory killer, looks the same."""
    os._exit(7)


@action
def forks(job: Job, how: str) -> int:
    """What the process ends with that it forks."""
    pid = os.fork()
    if pid == 0:
        if how == "exits":
            sys.exit(7)
        if how == "complains":
            sys.exit("it complains")
        if how == "raises":
            raise ValueError("in the child")
        if how == "asks":
            job.api.get("cloud-entry-point")
            os._exit(5)
        return -1
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@action
def runs_programs() -> None:
    """What they print is the job's."""
    subprocess.run(["echo", "by subprocess"], check=True)
    os.system("echo by system")
    print("by the job")


@action
async def forks_later(how: str) -> int:
    """The same, in a coroutine."""
    return forks.target(None, how)


@action
def breaks_its_slot() -> None:
    """Has the engine's thread that runs it fail."""
    from job_engine.executor import slot

    def fail(*_: object) -> NoReturn:
        raise RuntimeError("broken")

    slot._told = fail  # type: ignore[assignment]
    vars(slot)["Finished"] = fail
