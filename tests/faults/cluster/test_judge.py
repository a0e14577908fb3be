"""What the judge of a run says of histories that are wrong on purpose."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from job_engine.client.responses import Event
from tests.faults.cluster.judge import Life, Note, broken
from tests.faults.cluster.witness import Seen

JOB = "job/1"
ONE, TWO = "executor-1", "executor-2"


def said(attempt: int, pid: int, step: int) -> str:
    return json.dumps({"attempt": attempt, "pid": pid, "step": step})


def life() -> Life:
    """A job whose first attempt saved and died, and whose second one saved and ended."""
    document = {"state": "SUCCESS", "attempt": 2, "result": {"attempt": 2, "pid": 20, "step": 1}}
    events = [
        Event("00", "added"),
        Event("01", "claimed", 1, ONE),
        Event("02", "died", 1, ONE),
        Event("03", "claimed", 2, TWO),
        Event("04", "success", 2, TWO),
    ]
    seen = [
        Seen(1, JOB, 1, "RUNNING", ONE, "state", "QUEUED"),
        Seen(2, JOB, 1, "RUNNING", ONE, "claim", "QUEUED"),
        Seen(3, JOB, 1, "RUNNING", ONE, "checkpoint", said(1, 10, 1)),
        Seen(4, JOB, 1, "QUEUED", None, "state", "RUNNING"),
        Seen(5, JOB, 2, "RUNNING", TWO, "state", "QUEUED"),
        Seen(6, JOB, 2, "RUNNING", TWO, "claim", "QUEUED"),
        Seen(7, JOB, 2, "RUNNING", TWO, "checkpoint", said(2, 20, 1)),
        Seen(8, JOB, 2, "SUCCESS", TWO, "state", "RUNNING"),
        Seen(9, JOB, 2, "SUCCESS", TWO, "result", said(2, 20, 1)),
    ]
    notes = [
        Note("begin", 1, 10, 1.0, (0, 0, 0)),
        Note("saves", 1, 10, 1.1, (1,)),
        Note("saved", 1, 10, 1.2, (1,)),
        Note("begin", 2, 20, 3.0, (1, 10, 1)),
        Note("saves", 2, 20, 3.1, (1,)),
        Note("saved", 2, 20, 3.2, (1,)),
        Note("end", 2, 20, 3.3, ()),
    ]
    return Life(JOB, "saving", document, events, seen, notes)


def test_a_sound_life_breaks_nothing() -> None:
    assert broken(life()) == []


def a_late_checkpoint(one: Life) -> None:
    one.seen.insert(7, Seen(8, JOB, 2, "RUNNING", TWO, "checkpoint", said(1, 10, 2)))


def a_late_message(one: Life) -> None:
    one.seen.insert(7, Seen(8, JOB, 2, "RUNNING", TWO, "message", "attempt 1 pid 10 step 2"))


def a_write_while_nobody_holds(one: Life) -> None:
    one.seen.insert(4, Seen(5, JOB, 1, "QUEUED", None, "message", "attempt 1 pid 10 step 2"))


def a_second_end(one: Life) -> None:
    one.seen.append(Seen(10, JOB, 2, "FAILED", TWO, "state", "SUCCESS"))


def a_claim_after_the_end(one: Life) -> None:
    one.seen.append(Seen(10, JOB, 3, "SUCCESS", TWO, "claim", "SUCCESS"))


def a_claim_of_a_held_job(one: Life) -> None:
    del one.seen[3]
    one.seen[4] = replace_said(one.seen[4], "RUNNING")


def a_result_of_another_attempt(one: Life) -> None:
    one.seen[-1] = replace_said(one.seen[-1], said(1, 10, 1))


def a_lost_checkpoint(one: Life) -> None:
    del one.seen[6]


def a_forgotten_checkpoint(one: Life) -> None:
    one.notes[3] = Note("begin", 2, 20, 3.0, (0, 0, 0))


def an_attempt_that_runs_twice(one: Life) -> None:
    one.notes.append(Note("begin", 2, 30, 4.0, (1, 10, 1)))


def a_write_by_another_process(one: Life) -> None:
    one.seen[6] = replace_said(one.seen[6], said(2, 99, 1))


def an_end_that_was_not_reached(one: Life) -> None:
    one.notes[-1] = Note("broke", 2, 20, 3.3, ())


def a_history_without_its_first_attempt(one: Life) -> None:
    one.events = [one.events[0], *one.events[3:]]


def a_failure(one: Life) -> None:
    one.document = {**one.document, "state": "FAILED"}


def replace_said(seen: Seen, text: str) -> Seen:
    return seen._replace(said=text)


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        (a_late_checkpoint, "attempt 2 was claimed, and a write of 1 accepted"),
        (a_late_message, "attempt 2 was claimed, and a write of 1 accepted"),
        (a_write_while_nobody_holds, "when nobody held the job"),
        (a_second_end, "2 final states"),
        (a_claim_after_the_end, "came after"),
        (a_claim_of_a_held_job, "claimed while it was RUNNING"),
        (a_result_of_another_attempt, "a write of 1 accepted"),
        (a_lost_checkpoint, "accepted, and not in the record"),
        (a_forgotten_checkpoint, "began with another checkpoint"),
        (an_attempt_that_runs_twice, "attempt 2 ran twice"),
        (a_write_by_another_process, "written by a process that did not run it"),
        (an_end_that_was_not_reached, "not run to its end"),
        (a_history_without_its_first_attempt, "attempts do not rise by one"),
        (a_failure, "ended FAILED"),
    ],
)
def test_what_is_wrong_is_told(wrong: Callable[[Life], None], because: str) -> None:
    one = life()
    wrong(one)
    assert any(because in told for told in broken(one)), broken(one)


def test_poison_is_to_fail_of_its_deaths() -> None:
    one = replace(life(), kind="poison")
    assert any("poison ended SUCCESS" in told for told in broken(one))
