"""What ``doctor`` looks at. Each check yields findings, and none raises."""

import os
import platform
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from job_engine.cli.folder import LOCK, RECORD, in_use
from job_engine.client import Client
from job_engine.client.answers import ExecutorInfo
from job_engine.job.errors import JobEngineError
from job_engine.job.times import epoch

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"
LITTLE_SPACE: Final = 1 << 30
"""Bytes free below which the disk may soon be full: a million small jobs take about as much."""
NO_SPACE: Final = 64 << 20
"""Bytes free below which the record's write-ahead log may not fit."""
CLOCK: Final = 2.0
"""Seconds by which clocks may differ: times that a client computes, such as not-before, are then that wrong."""
QUEUED_SEEN: Final = 1_000
"""Queued jobs that are looked at."""


class Finding(NamedTuple):
    """The outcome of one check."""

    check: str
    outcome: str  # OK, WARN or FAIL
    detail: str  # what is so, and what to do


def local(folder: Path) -> Iterator[Finding]:
    """This machine: Python, the data folder, the record."""
    yield _python()
    if not folder.exists():
        yield Finding("data folder", WARN, f"{folder} does not exist yet; job-engine up makes it")
        return
    yield _folder(folder)
    yield _space(folder)
    yield _record(folder / RECORD)
    if in_use(folder / LOCK):
        yield Finding("up", OK, "runs")
    elif in_use(folder / f"{RECORD}.lock"):
        yield Finding("up", OK, "does not run; a job-engine server uses the folder")
    else:
        yield Finding("up", WARN, f"no job-engine up uses {folder}; start it")


def engine(client: Client) -> Iterator[Finding]:
    """The engine that answers: server, clock, executors, actions, waiting jobs."""
    try:
        yield from _server(client)
        executors = client.executors()
        yield from _executors(executors)
        yield from _waiting(client, {action for executor in executors for action in executor.actions})
    except JobEngineError as error:
        yield Finding("server", FAIL, error.message)


def _python() -> Finding:
    found = platform.python_version()
    return Finding("python", OK, f"{found}, job-engine {version('job-engine')}")


def _folder(folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding("data folder", FAIL, f"{folder} is not a folder; name another with --data")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data folder", FAIL, f"{folder} cannot be written; see its owner and mode")
    mode = folder.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding("data folder", WARN, f"{folder} is open to others (mode {mode:o}); chmod 700 {folder}")
    return Finding("data folder", OK, str(folder))


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    shown = f"{free / (1 << 30):.1f} GB free" if free >= 1 << 30 else f"{free >> 20} MB free"
    if free < NO_SPACE:
        return Finding("disk", FAIL, f"{shown}; make room: no job can be added until then")
    if free < LITTLE_SPACE:
        return Finding("disk", WARN, f"{shown}; make room soon")
    return Finding("disk", OK, shown)


def _record(path: Path) -> Finding:
    if not path.exists():
        return Finding("record", WARN, f"{path} does not exist yet; job-engine up makes it")
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            said = str(connection.execute("pragma quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding("record", FAIL, f"{path} cannot be read ({error}); put back a backup, or move it away")
    if said != "ok":
        return Finding("record", FAIL, f"{path} is damaged ({said}); put back a backup")
    return Finding("record", OK, f"{path}, {path.stat().st_size >> 20} MB, no damage found")


def _server(client: Client) -> Iterator[Finding]:
    before = time.time()
    status = client.status()
    after = time.time()
    own = version("job-engine")
    if status.version == own:
        yield Finding("server", OK, f"{client.url}, version {own}")
    else:
        yield Finding(
            "server", WARN, f"{client.url} has version {status.version}, this program {own}; use the same of both"
        )
    yield from _queue(status.queue)
    if status.now is not None:
        at = epoch(status.now)
        difference = max(before - at, at - after, 0.0)
        shown = f"differs from the server's by {difference:.1f} s"
        if difference > CLOCK:
            yield Finding("clock", WARN, f"{shown}; set both by NTP")
        else:
            yield Finding("clock", OK, shown)


def _queue(queue: Mapping[str, Any] | None) -> Iterator[Finding]:
    """The locking queue, of a server that uses ZooKeeper."""
    if queue is None:
        return
    if queue["zookeeper"] != "connected":
        yield Finding(
            "zookeeper", FAIL, "the server is not connected to it: jobs wait; look closer with doctor --zk-hosts HOSTS"
        )
    elif queue.get("rivals"):
        yield Finding(
            "zookeeper",
            FAIL,
            "a server of another record uses the same --zk-path: see job-engine queue; give it its own",
        )
    else:
        yield Finding("zookeeper", OK, "the server is connected" + (", and leads" if queue["leads"] else ""))


def _executors(executors: list[ExecutorInfo]) -> Iterator[Finding]:
    if not executors:
        yield Finding(
            "executors", FAIL, "none is alive: nothing runs; start one with job-engine up or job-engine executor"
        )
        return
    slots = sum(executor.slots for executor in executors)
    busy = sum(executor.holds for executor in executors)
    yield Finding("executors", OK, f"{len(executors)} alive, {slots} slots, {busy} jobs held")
    failed = {source: error for executor in executors for source, error in executor.failed_imports.items()}
    for source, error in failed.items():
        yield Finding("actions", FAIL, f"{source} failed to import: {error}; repair it and start the executor again")
    if not failed:
        yield Finding("actions", OK, f"{len({a for e in executors for a in e.actions})} loaded")


def _waiting(client: Client, known: set[str]) -> Iterator[Finding]:
    ours = "state='QUEUED' and execution-mode!='pull'"  # those in pull mode wait for an edge
    found = client.search("job", filter=ours, select=["action"], orderby="created:asc", last=QUEUED_SEEN)
    lacking = Counter(job["action"] for job in found["resources"] if job.get("action") not in known)
    for action, count in lacking.most_common():
        yield Finding("queue", FAIL, f"{count} wait for {action!r}, which no executor has; load it with --actions")
    if not lacking:
        yield Finding("queue", OK, f"{found['count']} queued, an executor for each")
