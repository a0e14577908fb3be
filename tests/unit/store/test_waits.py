"""Why a QUEUED job is not ready: Python, SQL and the indexes say the same."""

import sqlite3
from typing import get_args

import pytest

from job_engine.store import schema, waits

NOW, LATER = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"


def test_each_value_has_one_name() -> None:
    named = (waits.READY, waits.NOT_BEFORE, waits.PULLED, waits.OTHER_JOBS)
    assert named == get_args(waits.Waits)


@pytest.mark.parametrize("mode", ["push", "pull", "mixed"])
@pytest.mark.parametrize("not_before", [None, LATER])
def test_a_statement_says_why_as_the_function_does(mode: str, not_before: str | None) -> None:
    row = "with job (mode, not_before) as (values (?, ?))"
    with sqlite3.connect(":memory:") as connection:
        (said,) = connection.execute(f"{row} select {waits.NEXT_WAIT} from job", (mode, not_before, NOW)).fetchone()
    assert said == waits.waits_for(mode, not_before)


def test_the_index_of_jobs_that_wait_for_their_time_is_the_one_that_is_read() -> None:
    condition = f"state = 'QUEUED' and waits = {waits.NOT_BEFORE}"
    assert f"on job (not_before) where {condition};" in "".join(schema.SCHEMA)
