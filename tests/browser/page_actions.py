"""Actions for the pages to show. What they wait for is a file, so that a test says when they go on."""

import json
import logging
from pathlib import Path
from typing import Any

from job_engine import BulkAction, Failed, Job, Skipped, action

log = logging.getLogger(__name__)


def _wait_for(job: Job, path: Path) -> None:
    while not path.exists():
        if job.interrupted.wait(0.02):
            raise RuntimeError("interrupted")


@action
def steps(job: Job, folder: str, count: int = 3) -> dict[str, int]:
    """Progress and a line of log for each file that appears: 1, 2, ..."""
    for n in range(1, count + 1):
        _wait_for(job, Path(folder) / str(n))
        job.set_progress(100 * n // (count + 1))
        job.set_status_message(f"step {n} of {count}")
        print(f"did step {n}")
    _wait_for(job, Path(folder) / "end")
    return {"steps": count}


@action
def forever(job: Job) -> None:
    """Runs until it is interrupted."""
    print("running on and on")
    while not job.interrupted.wait(0.1):
        pass


@action
def breaks(job: Job, what: str = "no such thing") -> None:
    """Fails with a traceback."""
    log.warning("about to fail")
    raise ValueError(what)


@action
def says(job: Job, message: str, lines: list[str] | None = None) -> str:
    """Says what it is told to."""
    job.set_status_message(message)
    for line in lines or ():
        print(line)
    return message


@action
def slowly(job: Job, seconds: float = 20, lines: int = 200) -> None:
    """Moves on by itself, for people who look."""
    for n in range(lines):
        print(f"line {n + 1} of {lines}")
        job.set_progress(100 * n // lines)
        job.set_status_message(f"hashed {n * 317} files, now /usr/lib/x86_64-linux-gnu/{n}.so")
        if job.interrupted.wait(seconds / lines):
            return


@action
def gated(job: Job, folder: str, name: str) -> None:
    """Ends when its file appears; one that is bad, badly."""
    _wait_for(job, Path(folder) / name)
    if name.startswith("bad"):
        raise Failed("the <b>disk</b> is full")


@action("bulk-skips")
class BulkSkips(BulkAction):
    """Skips elements, whether they exist or not, for which no job is made."""

    def get_todo(self) -> Any:
        return self.job.payload["ids"]

    def action(self, id_: str) -> dict[str, Any]:
        raise Skipped("is up to date")


@action("bulk-gated")
class BulkGated(BulkAction):
    """A child for each name."""

    def get_todo(self) -> Any:
        return self.job.payload["names"]

    def action(self, name: str) -> dict[str, Any]:
        target = {"href": f"module/{name}"}
        payload = json.dumps({"folder": self.job.payload["folder"], "name": name})
        return {"action": "gated", "target-resource": target, "payload": payload}
