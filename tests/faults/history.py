"""What must hold of the recorded history of a job, whatever happened to the engine meanwhile."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from job_engine.client.responses import Event

FINAL = frozenset({"success", "failed", "canceled"})
GIVEN_BACK = frozenset({"unstarted", "stopped", "lost", "raised", "died", "released"})
POISON = "its process died 3 times in a row"


class Attempt(NamedTuple):
    """One claim and how it ended."""

    number: int
    executor: str
    claimed: str
    end: str
    ended: str


def attempts(events: Sequence[Event]) -> list[Attempt]:
    """The attempts of an ended job. One holder at a time, numbers that rise, and one end."""
    assert events[0].kind == "added"
    found: list[Attempt] = []
    held: Event | None = None
    for event in events[1:]:
        if event.kind == "claimed":
            assert held is None, f"claimed while it was held: {events}"
            assert event.attempt == len(found) + 1, f"attempts do not rise by one: {events}"
            assert not found or event.at >= found[-1].ended, f"claimed before the hold before it ended: {events}"
            held = event
            continue
        assert event.kind in FINAL | GIVEN_BACK, events
        assert held is not None, f"an end without a claim: {events}"
        assert (event.attempt, event.executor) == (held.attempt, held.executor), f"ended by another: {events}"
        found.append(Attempt(held.attempt or 0, held.executor or "", held.at, event.kind, event.at))
        held = None
    assert [attempt.end in FINAL for attempt in found] == [False] * (len(found) - 1) + [True], f"ends: {events}"
    return found


def check(document: dict[str, Any], events: Sequence[Event], notes: Sequence[Sequence[str]]) -> list[Attempt]:
    """All that can be said of one ended job.

    Args:
        notes: what its action has noted (see `noting_actions`), in that order.
    """
    found = attempts(events)
    last = found[-1]
    assert (last.end, last.number) == (document["state"].lower(), document["attempt"]), (document, events)
    begun = Counter(int(note[2]) for note in notes if note[0] == "begin")
    assert not begun or (max(begun.values()) == 1 and max(begun) <= last.number), f"an attempt ran twice: {notes}"
    began = {(note[2], note[3]) for note in notes if note[0] == "begin"}
    assert all((note[2], note[3]) in began for note in notes), notes
    if document["state"] == "SUCCESS":  # all that is recorded is of the last attempt, which has run to its end
        assert document["result"]["attempt"] == last.number, (document, events)
        assert document["status-message"] == f"attempt {last.number}", (document, events)
        assert ["end", document["id"], str(last.number), str(document["result"]["pid"])] in [*map(list, notes)], notes
    return found


def poisoned(found: Sequence[Attempt], document: dict[str, Any]) -> bool:
    """Whether the job was given up after deaths, and its history has them."""
    if document["state"] != "FAILED" or POISON not in document.get("status-message", ""):
        return False
    counted = [attempt.end for attempt in found if attempt.end in ("died", "raised", "failed")]
    assert counted[-3:] == ["died", "died", "failed"], found
    return True
