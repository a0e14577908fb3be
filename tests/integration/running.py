"""A real ``job-engine up`` in a temporary folder, as a user would start it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from job_engine.client import Client

PROGRAM = str(Path(sys.executable).with_name("job-engine"))
WITHIN = 30.0
ACTIONS = '''
import logging
import pathlib
import time

from job_engine import Failed, Job, action


@action
def add(job: Job, a: int, b: int = 1):
    print(f"adding {a} and {b}")
    logging.info("that makes %s", a + b)
    return a + b


@action
def greet(name: str, times: int = 1):
    """Greet somebody.

    More than once if need be.
    """
    return f"hello {name}, {times} times"


@action
def fail(job: Job, why: str = "no reason"):
    raise Failed(why, return_code=3)


@action
def adds():
    return add.submit(a=1).wait(20)


@action
def acts(job: Job):
    """Asks the API as the executor."""
    return job.api.session.get(f"{job.api.endpoint}/api/status").status_code


@action
def wait_for(job: Job, path: str):
    """Runs until the file ``path`` exists; tells by ``path``.started that it runs."""
    job.set_status_message("waiting for the file")
    job.set_progress(40)
    with open(path + ".started", "a") as started:
        started.write(f"{job.attempt}\\n")
    while not pathlib.Path(path).exists():
        if job.interrupted.wait(0.02):
            break
    return {"attempt": job.attempt}
'''


class Up:
    """One ``up``, of the environment that ``program`` is in."""

    def __init__(
        self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, program: str = PROGRAM
    ) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        self.process = start(self.log, "up", "--data", str(folder), *arguments, environ=environ, program=program)

    def ready(self) -> "Up":
        eventually(lambda: "is up" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        eventually(lambda: "stop  " in self.said())
        return self

    def said(self) -> str:
        return self.log.read_text()

    def line(self, name: str) -> str:
        found = re.search(rf"^  {name} +(.*)$", self.said(), re.MULTILINE)
        assert found, self.said()
        return found[1]

    def client(self) -> Client:
        return Client(data=self.folder, environ={})

    def children(self) -> dict[str, int]:
        """The pids of the parts, by name."""
        found = {}
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in listed:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"job_engine.cli" in command:
                found[command[command.index(b"job_engine.cli") + 1].decode()] = int(pid)
        return found

    def ctrl_c(self) -> None:
        """As a terminal does it: to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(WITHIN)


def start(
    log: Path, *arguments: str, environ: Mapping[str, str] | None = None, program: str = PROGRAM
) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [program, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**clean(), **(environ or {})},
            start_new_session=True,  # so that a test can do what a terminal does
        )


def cli(up: Up, *arguments: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
    """A client command against it."""
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        env=clean() | {"JOB_ENGINE_DATA": str(up.folder)},
        **settings,
    )


def clean() -> dict[str, str]:
    """The environment without what names an engine."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("JOB_", "XDG_", "NO_COLOR"))}


def unique(word: str) -> str:
    """A name that no other test has, nor this one when it is run once more beside the same server."""
    return f"{word}-{os.urandom(4).hex()}"


def eventually(condition: Callable[[], Any]) -> Any:
    """Waits until the condition holds; what it returned then."""
    give_up = time.monotonic() + WITHIN
    while not (found := condition()):
        assert time.monotonic() < give_up, f"not within {WITHIN:g} s"
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z"


def family(pid: int) -> set[int]:
    """The process and all below it."""
    found = {pid}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found |= family(int(child))
    return found


@contextmanager
def running(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, program: str = PROGRAM
) -> Iterator[Up]:
    """``up`` with the test's actions and two worker threads, ready; ended at the end whatever happens."""
    actions = folder.parent / "these_actions.py"
    if not actions.exists():
        actions.write_text(ACTIONS)
    sizes = ("--processes", "1", "--threads", "2", "--port", "0")
    up = Up(folder, "--actions", str(actions), *sizes, *arguments, environ=environ, program=program)
    members: set[int] = set()
    try:
        up.ready()
        yield up
    finally:
        if up.process.poll() is None:
            members = family(up.process.pid)
            up.process.kill()
            up.process.wait()
        eventually(lambda: not any(alive(pid) for pid in members))
