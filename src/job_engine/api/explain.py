"""Why a job is where it is: the terms of the model, each met or not, and one sentence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from job_engine.job.bulk import MONITOR
from job_engine.job.bulk_message import in_short
from job_engine.job.states import State, is_final
from job_engine.job.times import epoch, iso

AHEAD: Final = 1000
"""Ready jobs ahead that are counted: of more it is enough to know that there are more."""
NEEDED_BY: Final = 100
"""Jobs that wait for a job that are named: of more it is enough to know how many they are."""
NEEDS: Final = 5
"""Jobs that a job waits for that are named: of more it is enough to know how many they are."""
DETACHED: Final = "detached"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a job and of who could run it."""

    document: dict[str, Any]
    holder: str | None
    claimed: str | None  # since when it is held
    events: Sequence[dict[str, Any]]  # oldest first
    ahead: int  # ready jobs, of any action that these executors have, that are claimed before it; at most `AHEAD`
    able: Sequence[str]  # executors alive that have its action
    executors: int  # executors alive
    now: float
    slots: int = 0  # jobs that those which have its action can run at a time
    busy: int = 0  # how many of these slots are taken
    needs: Sequence[tuple[str, str | None]] = ()  # the first jobs that it waits for, at most `NEEDS`: ids, and the
    # states of those that who asks may see
    needed: int = 0  # how many they are in all
    needed_by: Sequence[str] = ()  # ids of the first jobs that wait for it, at most `NEEDED_BY`
    needed_by_count: int = 0  # how many they are in all
    fails_at: float | None = None  # when it is FAILED because nobody has its action, seconds since the epoch
    failed_imports: Mapping[str, str] = field(default_factory=dict)  # what does not load on an executor, and the error
    admin: bool = False  # whether an administrator asks, who is told what does not load, and why
    cluster: bool = False  # whether executors take jobs from the locking queue
    connected: bool = True  # whether this server is connected to ZooKeeper, where that queue is
    entry: str | None = None  # under which name it is there
    runs_on: tuple[str, str] | None = None  # id and name of the executor that holds it, if that is heard of


def explain(facts: Facts) -> dict[str, Any]:
    """The explanation of a job as a document: ``state, summary, terms`` and what else helps."""
    document = facts.document
    terms = _terms(facts) if document["state"] == State.QUEUED else []
    last = facts.events[-1] if facts.events else None
    answer: dict[str, Any] = {
        "id": document["id"],
        "state": document["state"],
        "condition": _condition(facts, terms),
        "summary": _summary(facts, terms),
        "terms": [{"term": term.term, "met": term.met, "detail": term.detail} for term in terms],
        "attempt": document.get("attempt", 0),
        "failures": document.get("failures", 0),
        "deaths": document.get("deaths", 0),
    }
    if document["state"] == State.QUEUED:
        answer |= {"slots": facts.slots, "busy": facts.busy}
    if facts.holder is not None and facts.cluster:
        answer["member"] = facts.holder
    elif facts.holder is not None:
        answer["holder"] = f"executor/{facts.holder}"
    if facts.runs_on is not None:
        id_, answer["holder-name"] = facts.runs_on
        answer["holder"] = f"executor/{id_}"
    if facts.cluster and facts.entry is not None and not is_final(document["state"]):
        answer["entry"] = facts.entry
    if facts.needed_by:
        answer |= {"needed-by": list(facts.needed_by), "needed-by-count": facts.needed_by_count}
    if last is not None:
        answer["last-event"] = last
    return answer


@dataclass(frozen=True, slots=True)
class Term:
    """One condition to run."""

    term: str
    met: bool
    detail: str
    otherwise: str = ""  # what a job waits for that does not meet it: "It waits ..."


def _terms(facts: Facts) -> list[Term]:
    document = facts.document
    not_before = document.get("not-before")
    past = not_before is None or epoch(not_before) <= facts.now
    mode = document["execution-mode"]
    action = document["action"]
    left = "" if not_before is None or past else f"in {_span(epoch(not_before) - facts.now)}"
    when = "none is set" if not_before is None else f"it is {not_before}" + (f", {left}" if left else "")
    how = f"it is {mode}" + ("; an edge fetches it" if mode == "pull" else "")
    has, who = _who_has_it(facts)
    return [
        Term("state is QUEUED", True, f"added {document['created']}"),
        *_after(facts),
        Term("not-before is past", past, when, f"until {not_before} ({left})"),
        Term("execution-mode is push or mixed", mode != "pull", how, "for an edge to fetch it (its mode is pull)"),
        Term(
            f"an executor has the action {action}",
            has,
            who,
            f"for an executor that has the action {action} ({who})",
        ),
        *_zookeeper(facts),
    ]


def _zookeeper(facts: Facts) -> list[Term]:
    """In a cluster, the term on the way to the executors."""
    if not facts.cluster:
        return []
    detail = "the queue is there" if facts.connected else "it is unreachable; the log of the server says since when"
    return [Term("ZooKeeper is connected", facts.connected, detail, "for ZooKeeper (it is unreachable)")]


def _who_has_it(facts: Facts) -> tuple[bool, str]:
    """Whether somebody has the action, as far as that holds the job back; and who."""
    who = f"{len(facts.able)} of {facts.executors} executors alive have it"
    if not facts.executors:
        who = f"no executor {'of ours ' if facts.cluster else ''}is alive"
    if facts.able:
        return True, who
    if facts.failed_imports and not facts.admin:
        who += "; some actions do not load on an executor: ask an administrator"
    elif facts.failed_imports:
        who += "".join(f"; {source} does not load: {error}" for source, error in facts.failed_imports.items())
    if facts.fails_at is not None:
        unless = ", unless one of another kind runs it" if facts.cluster else ""
        return False, f"{who}; it will be FAILED at {iso(facts.fails_at)}{unless}"
    if not facts.cluster:
        return False, who
    # Executors of other kinds do not say what they can run, nor that they are there: nothing is held back for want of
    # the action, but where none of ours is there, somebody has to come.
    return bool(facts.executors), f"{who}; those of other kinds do not say"


def _after(facts: Facts) -> list[Term]:
    """The term on the jobs that it waits for, if it was to wait for any."""
    number = len(facts.document.get("after", ()))
    if not number:
        return []
    names = ", ".join(id_ if state is None else f"{id_} ({state})" for id_, state in facts.needs)
    more = facts.needed - len(facts.needs)
    names += f" and {more} more" if more > 0 else ""
    term = "every job in after is SUCCESS"
    if facts.document.get("after-failure") == "run":
        term = "every job in after has ended"
    detail = f"{number - facts.needed} of {number}" + (f"; not yet: {names}" if names else "")
    return [Term(term, not facts.needed, detail, f"for {names}")]


def _condition(facts: Facts, terms: Sequence[Term]) -> str:
    """The derived state: ready, waiting, held, detached or final."""
    state = facts.document["state"]
    if is_final(state):
        return "final"
    if state == State.RUNNING:
        return "held" if facts.holder is not None else DETACHED
    return "ready" if all(term.met for term in terms) else "waiting"


def _summary(facts: Facts, terms: Sequence[Term]) -> str:
    document = facts.document
    state = document["state"]
    if is_final(state):
        message = in_short(document.get("status-message"))[:200]
        said = f": {message}" if message else ""
        return f"It ended as {state} at {_ended(facts)}{said}"
    if state == State.RUNNING:
        attempt = f"attempt {document.get('attempt', 0)}"
        if facts.holder is None and MONITOR in document.get("tags", ()):
            return f"It waits for its children to end: {in_short(document.get('status-message'))[:200]}."
        if facts.holder is None:
            queue = f"; its entry in the locking queue is {facts.entry}" if facts.cluster and facts.entry else ""
            return f"It runs detached ({attempt}), without an executor of ours that holds it{queue}."
        unheard = "that is not heard of now" if facts.cluster else facts.holder
        executor = unheard if facts.runs_on is None else facts.runs_on[1]
        member = f", held by its member {facts.holder} by the entry {facts.entry}" if facts.cluster else ""
        return f"It runs on executor {executor} ({attempt}) since {facts.claimed}, at {document['progress']}%{member}."
    failing = [term.otherwise for term in terms if not term.met]
    if failing:
        return f"It waits {', and '.join(failing)}."
    count = f"at least {AHEAD}" if facts.ahead >= AHEAD else str(facts.ahead)
    jobs = "job is" if facts.ahead == 1 else "jobs are"
    if facts.cluster and facts.entry is None:
        return f"It is ready, and waits for its place in the locking queue's window: {count} ready {jobs} ahead of it."
    queue = f" It is in the locking queue as {facts.entry}." if facts.cluster else ""
    slots = f"; {facts.busy} of {facts.slots} slots are busy" if facts.slots else ""
    return f"It is ready, and runs as soon as a slot is free: {count} ready {jobs} ahead of it{slots}.{queue}"


def _ended(facts: Facts) -> str:
    final = next((e for e in reversed(facts.events) if e["kind"] in ("success", "failed", "canceled")), None)
    return str(final["at"] if final else facts.document["updated"])


def _span(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
