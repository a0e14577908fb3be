"""The floor: what one commit on this disk costs, in the same run."""

import random
import sqlite3
import time
from pathlib import Path

from kit.client import GAP

ROW = "x" * 500
"""About as much as a job."""


def commit_times(folder: Path, commits: int) -> list[float]:
    """Milliseconds of inserting and committing a row, on disk, each after a pause like that between the jobs."""
    path = folder / "floor.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("create table row (id integer primary key, text text)")
        found = []
        for _ in range(commits):
            started = time.perf_counter()
            connection.execute("begin immediate")
            connection.execute("insert into row (text) values (?)", (ROW,))
            connection.execute("commit")
            found.append((time.perf_counter() - started) * 1000)
            time.sleep(random.uniform(*GAP))
        return found
    finally:
        connection.close()
        for name in (path, f"{path}-wal", f"{path}-shm"):
            Path(name).unlink(missing_ok=True)
