"""Times of a job: what moves them, and those that cannot be written."""

import time

import pytest

from job_engine.job.times import epoch, iso
from tests.unit.api.server import InProcess


def pass_by(at: str) -> None:
    """The next edit is at another millisecond than ``at``."""
    while iso(time.time()) <= at:
        pass


def test_every_edit_of_a_job_that_says_something_changes_its_status(api: InProcess) -> None:
    id_ = api.call("POST", "/api/job", {"action": "x", "status-message": "m"})[1]["resource-id"]
    added = api.call("GET", f"/api/{id_}")[1]["time-of-status-change"]
    pass_by(added)
    edited = api.call("PUT", f"/api/{id_}", {"progress": 5})[1]
    assert edited["time-of-status-change"] == edited["updated"] > added
    pass_by(edited["updated"])
    silent = api.call("PUT", f"/api/{id_}?select=status-message", {})[1]
    assert "status-message" not in silent
    assert silent["time-of-status-change"] == edited["updated"]
    said = api.call("PUT", f"/api/{id_}", {"status-message": "n"})[1]
    assert said["time-of-status-change"] == said["updated"] > edited["updated"]


def test_a_job_that_says_nothing_has_no_such_time(api: InProcess) -> None:
    id_ = api.call("POST", "/api/job", {"action": "x"})[1]["resource-id"]
    assert "time-of-status-change" not in api.call("PUT", f"/api/{id_}", {"progress": 5})[1]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000Z", "0999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"])
def test_years_have_four_digits(api: InProcess, text: str) -> None:
    assert iso(epoch(text)) == text
    id_ = api.call("POST", "/api/job", {"action": "x", "expiry": text})[1]["resource-id"]
    assert api.call("GET", f"/api/{id_}")[1]["expiry"] == text


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_years_that_cannot_be_written(api: InProcess, text: str) -> None:
    assert api.call("POST", "/api/job", {"action": "x", "expiry": text})[0] == 400
