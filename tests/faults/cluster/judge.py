"""What must hold of a run's recorded history, whatever happened to the cluster meanwhile.

There are three witnesses: the record's history as the API tells it, the record's own triggers (`witness`), and the
actions' notes (`noting`). Each rule answers what breaks it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from job_engine.client.responses import Event
from tests.faults.cluster.witness import Seen, Writer
from tests.faults.history import FINAL, GIVEN_BACK, POISON, attempts

FINALS = frozenset(word.upper() for word in FINAL)
NOBODY = Writer(0, 0, 0)
"""Of a job without a checkpoint."""


class Note(NamedTuple):
    """A line of an action's."""

    word: str
    attempt: int
    pid: int
    at: float
    more: tuple[int, ...]


@dataclass
class Life:
    """All that is known of one job."""

    id: str
    kind: str
    document: Mapping[str, Any]
    events: Sequence[Event]
    seen: list[Seen] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def notes_of(lines: Iterable[str]) -> dict[str, list[Note]]:
    """By job, in their order."""
    found: defaultdict[str, list[Note]] = defaultdict(list)
    for line in lines:
        word, job, attempt, pid, at, *more = line.split()
        found[job].append(Note(word, int(attempt), int(pid), float(at), tuple(map(int, more))))
    return found


def broken(life: Life) -> list[str]:
    """What is not as it must be, of one ended job."""
    rules = (_expected, _ends_once, _claims, _fenced, _kept, _one_process, _goes_on, _told)
    found = []
    for rule in rules:
        try:
            found += [f"{life.id} ({life.kind}): {wrong}" for wrong in rule(life)]
        except AssertionError as error:
            found.append(f"{life.id} ({life.kind}): {error}")
    return found


def _expected(life: Life) -> Iterator[str]:
    """Only poison fails, because of its deaths; no others do, because they save before they can die thrice."""
    state, message = life.document["state"], str(life.document.get("status-message"))
    if life.kind == "poison":
        if state != "FAILED" or POISON not in message:
            yield f"poison ended {state}: {message}"
    elif state != "SUCCESS":
        yield f"ended {state}: {message}"
    else:
        result, attempt = life.document["result"], life.document["attempt"]
        if result["attempt"] != attempt:
            yield f"the result is of attempt {result['attempt']}, the end of {attempt}"
        if not any(n.word == "end" and (n.attempt, n.pid) == (attempt, result["pid"]) for n in life.notes):
            yield "its last attempt has not run to its end"


def _ends_once(life: Life) -> Iterator[str]:
    """One final state, and nothing after it but what belongs to that end."""
    ends = [seen for seen in life.seen if seen.kind == "state" and seen.state in FINALS]
    if len(ends) != 1:
        yield f"{len(ends)} final states: {ends}"
        return
    (end,) = ends
    for seen in life.seen:
        own = seen.attempt == end.attempt and seen.kind in ("result", "message") and seen.state == end.state
        if seen.n > end.n and not own:
            yield f"{seen} came after {end}"


def _claims(life: Life) -> Iterator[str]:
    """Attempts rise by one, and each begins when nobody holds the job."""
    claims = [seen for seen in life.seen if seen.kind == "claim"]
    if [seen.attempt for seen in claims] != list(range(1, len(claims) + 1)):
        yield f"attempts do not rise by one: {claims}"
    for claim in claims:
        if claim.said != "QUEUED" or claim.state != "RUNNING" or not claim.holder:
            yield f"claimed while it was {claim.said}: {claim}"


def _fenced(life: Life) -> Iterator[str]:
    """No write of an attempt was accepted but while that attempt held the job: none after a newer claim."""
    for seen in life.seen:
        writer = seen.writer
        if writer is None:
            continue
        if writer.attempt != seen.attempt:
            yield f"attempt {seen.attempt} was claimed, and a write of {writer.attempt} accepted: {seen}"
        if not seen.holder or (seen.state != "RUNNING" and seen.kind != "result"):
            yield f"a write was accepted when nobody held the job: {seen}"


def _kept(life: Life) -> Iterator[str]:
    """What an action was told to be accepted is in the record."""
    there = {seen.writer for seen in life.seen if seen.kind in ("checkpoint", "message")}
    for note in life.notes:
        if note.word in ("saved", "edited") and Writer(note.attempt, note.pid, note.more[0]) not in there:
            yield f"accepted, and not in the record: {note}"


def _one_process(life: Life) -> Iterator[str]:
    """An attempt runs once, in one process."""
    begun: dict[int, Note] = {}
    for note in life.notes:
        if note.word == "begin":
            if note.attempt in begun:
                yield f"attempt {note.attempt} ran twice: {begun[note.attempt]}, {note}"
            begun[note.attempt] = note
        elif note.attempt not in begun or begun[note.attempt].pid != note.pid:
            yield f"not of a process that began: {note}"
    for seen in life.seen:
        writer = seen.writer
        if writer is not None and (writer.attempt not in begun or begun[writer.attempt].pid != writer.pid):
            yield f"written by a process that did not run it: {seen}"
    if begun and max(begun) > life.document["attempt"]:
        yield f"an attempt ran that the record does not know: {begun}"


def _goes_on(life: Life) -> Iterator[str]:
    """Each attempt finds the last checkpoint that was accepted before its claim."""
    last, found = NOBODY, {}
    for seen in life.seen:
        if seen.kind == "claim":
            found[seen.attempt] = last
        elif seen.kind == "checkpoint":
            last = seen.writer or NOBODY
    for note in life.notes:
        if note.word == "begin" and Writer(*note.more) != found.get(note.attempt):
            yield f"began with another checkpoint than {found.get(note.attempt)}: {note}"


def _told(life: Life) -> Iterator[str]:
    """The history that the API tells is that of the triggers."""
    told = attempts(life.events)
    if any(attempt.end not in FINAL | GIVEN_BACK for attempt in told):
        yield f"ends that there are not: {told}"
    claims = [seen for seen in life.seen if seen.kind == "claim"]
    if [(a.number, a.executor) for a in told] != [(c.attempt, c.holder) for c in claims]:
        yield f"told are {told}, seen were {claims}"
    if told[-1].number != life.document["attempt"] or told[-1].end.upper() != life.document["state"]:
        yield f"told is the end {told[-1]}, and it is {life.document['state']}"


def overlaps(life: Life) -> list[float]:
    """Seconds by which attempts were still seen to work after a later one had begun; nothing forbids it, outside."""
    begun = {note.attempt: note.at for note in life.notes if note.word == "begin"}
    found = []
    for attempt in begun:
        later = [at for number, at in begun.items() if number > attempt]
        last = max(note.at for note in life.notes if note.attempt == attempt)
        if later and last > min(later):
            found.append(last - min(later))
    return found
