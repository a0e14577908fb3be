"""What people are told of a distribution: its schedule, whether anybody makes its jobs, and what is late."""

from typing import Any

import pytest

from job_engine.job.distributions import PROMPT, SILENT, overdue, schedule, silence
from job_engine.job.times import iso

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"every": "30s"}, "every 30s"),
        ({"cron": "0 3 * * *"}, "0 3 * * *"),
        ({"cron": "0 3 * * *", "timezone": "UTC"}, "0 3 * * *"),
        ({"cron": "0 3 * * *", "timezone": "Europe/Zurich"}, "0 3 * * * Europe/Zurich"),
        ({}, ""),
    ],
)
def test_schedules(document: dict[str, Any], said: str) -> None:
    assert schedule(document) == said


def test_silence() -> None:
    assert silence({"heard": iso(NOW - SILENT)}, NOW) is None
    assert silence({"heard": iso(NOW + 5)}, NOW) is None  # of a server whose clock is ahead
    assert silence({"heard": iso(NOW - 300)}, NOW) == 300


def test_overdue() -> None:
    assert not overdue({"paused": False}, NOW)
    assert not overdue({"paused": False, "next-tick": iso(NOW - PROMPT)}, NOW)
    assert overdue({"paused": False, "next-tick": iso(NOW - 39)}, NOW)
    assert not overdue({"paused": True, "next-tick": iso(NOW - 39)}, NOW)
