"""The time that one search may take."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from job_engine.job.errors import Invalid

SEARCH: Final = 5.0
"""Seconds of one search: a hundred times what one of a million jobs takes by its indexes."""
STEPS: Final = 10_000
"""Steps of the database's machine between two looks at the clock: about a millisecond."""


@contextmanager
def within(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Give up what is asked of ``connection`` after ``seconds``.

    Raises:
        Invalid: it takes longer.
    """
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise Invalid(f"the search takes more than {seconds:g} s; narrow it by a filter, or ask for less") from None
    finally:
        connection.set_progress_handler(None, 0)
