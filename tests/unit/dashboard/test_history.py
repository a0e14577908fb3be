"""Events of the API, as lines of a history."""

from typing import Any

from job_engine.dashboard.history import steps


def event(kind: str, second: int, attempt: int | None = None, **more: Any) -> dict[str, Any]:
    told = {"kind": kind, "at": f"2026-11-24T23:05:{second:02d}.000Z", **more}
    return told if attempt is None else {**told, "attempt": attempt}


def test_an_attempt_is_one_line_from_its_claim_to_its_end() -> None:
    told = steps(
        [
            event("added", 0),
            event("claimed", 1, 1, executor="executor/a"),
            event("died", 4, 1, executor="executor/a", detail="killed by signal 9"),
            event("claimed", 5, 2, executor="executor/b"),
        ]
    )
    assert [(step.attempt, step.words, step.took) for step in told] == [
        (2, "is running", None),
        (1, "its process died", 3.0),
        (None, "added", None),
    ]
    assert told[1].detail == "killed by signal 9"
    assert told[0].executor == "executor/b"


def test_what_happens_to_a_job_that_nobody_claimed_is_told_too() -> None:
    told = steps([event("added", 0), event("canceled", 2, detail="by user/jane"), event("of-a-later-version", 3)])
    assert [step.words for step in told] == ["of-a-later-version", "canceled", "added"]
