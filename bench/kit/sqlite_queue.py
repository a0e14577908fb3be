"""The file of a peer that keeps its jobs in SQLite."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path


class SqliteQueue:
    """A `kit.peer.Queue`; the peer makes the file, and its tables."""

    durable = True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "huey.db"
        self.url = f"sqlite:{self._file}"

    def clear(self) -> None:
        """Remove everything."""
        for file in self._file.parent.glob(f"{self._file.name}*"):
            file.unlink()

    def left(self, unfinished: Sequence[str]) -> int:
        """How many jobs are not finished: the sum of what these queries answer."""
        with closing(sqlite3.connect(self._file, timeout=5.0)) as connection:
            return sum(int(connection.execute(query).fetchone()[0]) for query in unfinished)
