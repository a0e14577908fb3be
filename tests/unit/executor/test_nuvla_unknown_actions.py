"""How long a job beside a Nuvla server is left to others whose action we lack."""

from typing import Any

import pytest

from job_engine.executor.sources import nuvla_unknown_actions
from job_engine.executor.sources.nuvla_unknown_actions import UnknownActionGrace

WHY = "Not implemented action job/1: theirs"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def job(updated: str = "a") -> dict[str, Any]:
    return {"updated": updated}


def test_it_is_left_for_the_grace_and_no_longer() -> None:
    clock = Clock()
    grace = UnknownActionGrace(60.0, clock)
    assert grace.leaves("job/1", job(), WHY)
    clock.now = 59.0
    assert grace.leaves("job/1", job(), WHY)
    clock.now = 60.0
    assert not grace.leaves("job/1", job(), WHY)


def test_without_a_grace_it_is_not_left() -> None:
    assert not UnknownActionGrace(0.0, Clock()).leaves("job/1", job(), WHY)


def test_the_grace_begins_anew_when_somebody_works_on_it() -> None:
    clock = Clock()
    grace = UnknownActionGrace(60.0, clock)
    assert grace.leaves("job/1", job(), WHY)
    clock.now = 60.0
    assert grace.leaves("job/1", job("b"), WHY)
    clock.now = 119.0
    assert grace.leaves("job/1", job("b"), WHY)
    clock.now = 120.0
    assert not grace.leaves("job/1", job("b"), WHY)


def test_nothing_fails_while_a_module_does_not_load(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    grace = UnknownActionGrace(60.0, clock)
    grace.unloaded = {"theirs.py": "SyntaxError"}
    assert grace.leaves("job/1", job(), WHY)
    clock.now = 60.0
    assert grace.leaves("job/1", job(), WHY)
    assert "theirs.py does not load here" in caplog.text
    grace.unloaded = {}
    clock.now = 119.0
    assert grace.leaves("job/1", job(), WHY)
    clock.now = 120.0
    assert not grace.leaves("job/1", job(), WHY)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuvla_unknown_actions, "REMEMBERED_JOBS", 2)
    grace = UnknownActionGrace(60.0, Clock())
    for n in range(5):
        assert grace.leaves(f"job/{n}", job(), WHY)
    assert list(grace._left) == ["job/3", "job/4"]
