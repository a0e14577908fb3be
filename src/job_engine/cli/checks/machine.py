"""What ``doctor`` inspects on this machine. Each check yields findings, and none raises."""

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from job_engine.cli.processes.folder import LOCK, RECORD, in_use
from job_engine.client.private import exposure

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"
LITTLE_SPACE: Final = 1 << 30
"""Bytes free below which the disk may soon be full: a million small jobs take about as much."""
NO_SPACE: Final = 64 << 20
"""Bytes free below which the record's write-ahead log may not fit."""


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


def _python() -> Finding:
    found = platform.python_version()
    return Finding("python", OK, f"{found}, job-engine {version('job-engine')}")


def _folder(folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding("data folder", FAIL, f"{folder} is not a folder; name another with --data")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data folder", FAIL, f"{folder} cannot be written; see its owner and mode")
    if trouble := exposure(folder):
        return Finding("data folder", WARN, trouble)
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
