"""Counts that took long, remembered for a moment: clients ask for the same ones again and again."""

import sqlite3
import time
from typing import Final

from job_engine.store.query import Sql

SLOW: Final = 0.02
"""Seconds from which a count is remembered; quicker ones are always exact."""
KEPT: Final = 1.0
"""Seconds for which a slow count is answered again; upstream's searches are up to a second late too."""
LIMIT: Final = 256


class Counts:
    """How many documents match, for the readers of one record; any thread may ask."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[float, int]] = {}  # statement and values → good until, count

    def count(self, connection: sqlite3.Connection, table: str, condition: Sql) -> int:
        """How many rows of ``table`` satisfy ``condition``."""
        key = (table, condition[0], *condition[1])
        began = time.monotonic()
        known = self._known.get(key)
        if known is not None and known[0] > began:
            return known[1]
        statement = f"select count(*) from {table} where {condition[0]}"
        number = int(connection.execute(statement, condition[1]).fetchone()[0])
        now = time.monotonic()
        if number and now - began > SLOW:  # nothing may become something, which must be seen at once
            if len(self._known) >= LIMIT:
                self._known.clear()
            self._known[key] = (now + KEPT, number)
        return number
